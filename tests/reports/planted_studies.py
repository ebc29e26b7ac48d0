"""Studies whose genes are known to matter or not: the error is arithmetic of some of them, and noise."""

import numpy as np

from nas_moo.evaluation import EpochRecord, Evaluation, Outcome
from nas_moo.genes import Categorical, Integer, Real, at_least, one_of
from nas_moo.genome import Genome
from nas_moo.measurement import Measurement
from nas_moo.results import build_result

GENES = (
    Integer("depth", 1, 6),
    Categorical("width", (16, 32, 64), ordered=True),
    Categorical("kernel", (3, 5), active=at_least("depth", 3)),
    Categorical("norm", ("batch", None, True, "$x^2$ <b>"), active=one_of("width", 32, 64)),
    Real("dropout", 0.0, 0.5),
    Integer("units", 8, 512, log=True),
    Categorical("only", ("one",)),
    Categorical("optimizer", ("sgd", "adamw"), affects="training"),
    Real("learning_rate", 1e-4, 1.0, log=True, affects="training"),
)
OBJECTIVES = {
    "error": ("fraction", "validation error", "trained", False, "hold-out, 359 images"),
    "flops": ("FLOPs", "FLOPs", "static", True, "batch 1, fvcore"),
    "latency_eager": ("ms", "latency", "device", True, "eager, batch 1"),
    "params": ("parameters", "parameters", "static", True, "trainable"),
}


def values(rng, genes):
    """One value a gene, each as likely as any other."""
    chosen = {}
    for gene in genes:
        if isinstance(gene, Categorical):
            chosen[gene.name] = gene.choices[rng.integers(len(gene.choices))]
        elif isinstance(gene, Integer) and not gene.log:
            chosen[gene.name] = int(rng.integers(gene.low, gene.high + 1))
        else:
            place = rng.random()
            value = (
                gene.low * (gene.high / gene.low) ** place if gene.log else gene.low + place * (gene.high - gene.low)
            )
            chosen[gene.name] = round(value) if isinstance(gene, Integer) else float(value)
    return chosen


def evaluation(number, architecture, objectives, rng, effect, pruned):
    depth, width = architecture["depth"], architecture["width"]
    far = np.log10(architecture["learning_rate"]) + 2
    error = 0.05 + effect * (0.04 * far**2 + 0.02 * (architecture["optimizer"] == "sgd")) + 0.02 * rng.random()
    measured = {
        "error": Measurement(error, "fraction", 0.9 * error, 1.1 * error, "95 % Wilson", 359, "hold-out, 359 images"),
        "flops": Measurement.exact(100.0 * depth * width**2, "FLOPs", "batch 1, fvcore"),
        "latency_eager": Measurement(0.1 * depth, "ms", 0.09 * depth, 0.11 * depth, "95 % t", 8, "eager, batch 1"),
        "params": Measurement.exact(10.0 * depth * width, "parameters", "trainable"),
    }
    stopped = rng.random() < pruned
    if stopped:
        measured.pop("error")
    outcome = Outcome("pruned", "front", "worse", trained=True) if stopped else Outcome("complete", trained=True)
    curve = tuple(EpochRecord(e, error + 0.2 / e, 1 / e, 0.1, 0.01) for e in range(1, 3 if stopped else 5))
    kept = {o: measured[o] for o in objectives if o in measured}
    return Evaluation(number, architecture, kept, curve if "error" in objectives else (), outcome, {"training": 1.0})


def planted(trials, seed=0, *, objectives=("error", "flops"), effect=1.0, pruned=0.0, genes=GENES, sampler="random"):
    """A study in which the error hangs on ``learning_rate`` and a little on ``optimizer``, the costs on the network."""
    rng, genome = np.random.default_rng(seed), Genome(*genes)
    architectures = [genome.architecture(values(rng, genes)) for _ in range(trials)]
    evaluations = [evaluation(i, a, objectives, rng, effect, pruned) for i, a in enumerate(architectures)]
    keys = ("unit", "label", "stage", "log", "method")
    described = [{"name": o, **dict(zip(keys, OBJECTIVES[o], strict=True))} for o in objectives]
    return build_result(
        "planted", {"objectives": described, "genome": genome.describe(), "sampler": sampler}, evaluations
    )
