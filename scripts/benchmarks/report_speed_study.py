"""The study that ``report_speed`` writes reports of: nobody ran it, but it looks like a long search that was pruned."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from report_speed_timings import KEY, METHOD, contentions, references, started, timing

from nas_moo.evaluation import OUTBID, EpochRecord, Evaluation, Judgement, Origin, Outcome, State, seal
from nas_moo.genes import Categorical, Integer, Real, at_least
from nas_moo.genome import Architecture, Genome
from nas_moo.measurement import Measurement
from nas_moo.objectives.intervals import wilson
from nas_moo.pareto import Array
from nas_moo.results import StudyResult, build_result
from nas_moo.study.contention import marked, reference_times

NAME = "report-speed"
WIDTHS = (8, 16, 24, 32, 48, 64)
GENOME = Genome(
    Integer("depth", 1, 6),
    *(Categorical(f"width_{i}", WIDTHS, ordered=True, active=at_least("depth", 2 * i + 1)) for i in range(3)),
    Categorical("kernel", (3, 5, 7), ordered=True),
    Categorical("block", ("plain", "separable", "residual")),
    Categorical("optimizer", ("sgd", "adamw"), affects="training"),
    Real("learning_rate", 1e-4, 0.3, log=True, affects="training"),
    Categorical("batch_size", (32, 64, 128), ordered=True, affects="training"),
    Integer("head", 16, 512, log=True),
)
VALIDATION = 1000  # examples
SHARES: dict[State, float] = {
    "complete": 0.58, "pruned": 0.27, "screened": 0.06, "failed": 0.05, "interrupted": 0.02, "duplicate": 0.015,
    "running": 0.005,
}  # fmt: skip
CONTROLS, THAWED, OUTBIDDEN = 0.04, 0.08, 0.3  # of the complete ones; of the pruned ones
RANDOM, ORIGINS = 0.02, {"random": 0.05, "bred": 0.35, "screened": 0.6}  # of the first trials; of the others
OBJECTIVES = {
    "error": ("fraction", "validation error", "trained", "share of examples whose largest logit is not the true class"),
    "flops": ("FLOPs", "FLOPs", "static", "multiply-adds at batch 1 (one multiply-add = one FLOP), fvcore; protocol 1"),
    "latency_eager": ("ms", "eager latency", "device", METHOD),
    "params": ("parameters", "parameters", "static", "trainable parameters"),
}
MOST_OBJECTIVES = len(OBJECTIVES)


def describe(trials: int, epochs: int, objectives: int = 3) -> dict[str, Any]:
    """What a search of the first so many objectives would have stored of itself."""
    shown = list(OBJECTIVES.items())[:objectives]
    return {
        "format": 1, "name": NAME, "created": "2026-01-02T03:04:05+00:00", "command": "nas-moo search ...",
        "genome": GENOME.describe(), "space": {"reference": "synthetic", "code_digest": "0123456789abcdef"},
        "data": {
            "reference": "synthetic", "name": "synthetic", "digest": "0" * 64, "input_shape": [1, 8, 8],
            "n_classes": 10, "parts": {"train": 3000, "validation": VALIDATION, "test": VALIDATION},
        },
        "objectives": [
            {"name": n, "unit": u, "label": label, "stage": stage, "log": n != "error", "method": method}
            for n, (u, label, stage, method) in shown
        ],
        "validation": "holdout", "epochs": epochs, "seed": 0, "sampler": "nsga2", "pruner": "front",
        "pruner_quantile": 0.1, "trials": trials, "limits": {}, "device": {"kind": "cpu", "name": "a processor"},
        "versions": {"torch": KEY.torch}, "identity": {},
    }  # fmt: skip


def evaluations(trials: int, epochs: int, objectives: int = 3, seed: int = 0) -> list[Evaluation]:
    """A search that comes nearer to good genes as it goes on, with every way to end; the same for the same numbers."""
    rng = np.random.default_rng(seed)
    states = rng.choice(list(SHARES), size=trials, p=list(SHARES.values()))
    measured = frozenset(list(OBJECTIVES)[:objectives])
    pruned: list[Evaluation] = []
    made: list[Evaluation] = []
    for number, state in enumerate(states.tolist()):
        continues = pruned.pop() if state == "complete" and pruned and rng.random() < THAWED else None
        architecture = _drawn(rng, number / trials) if continues is None else continues.architecture
        one = _evaluation(number, architecture, state, epochs, rng, continues)
        kept = {name: m for name, m in one.measurements.items() if name in measured}
        made.append(dataclasses.replace(one, measurements=kept, origin=_origin(rng, number / trials, continues)))
        if state == "pruned":
            pruned.append(made[-1])
    return started(made)


def _origin(rng: np.random.Generator, progress: float, continues: Evaluation | None) -> Origin:
    if continues is not None:
        return "thawed"
    drawn: Origin = rng.choice(list(ORIGINS), p=list(ORIGINS.values())).item()
    return "random" if progress < RANDOM else drawn


def _drawn(rng: np.random.Generator, progress: float) -> Architecture:
    values: dict[str, Any] = {}
    for gene in GENOME.genes:
        if isinstance(gene, Categorical):
            values[gene.name] = gene.choices[int(rng.integers(len(gene.choices)))]
        elif isinstance(gene, Integer):
            values[gene.name] = int(np.rint(gene.low * (gene.high / gene.low) ** rng.random()))
        else:
            wide = 1.2 * (1 - progress) + 0.15  # decades around a good learning rate
            values[gene.name] = float(np.clip(10 ** rng.normal(-2, wide), gene.low, gene.high))
    return GENOME.architecture(values)


def _evaluation(
    number: int, architecture: Architecture, state: State, epochs: int, rng: np.random.Generator,
    continues: Evaluation | None,
) -> Evaluation:  # fmt: skip
    widths = [architecture[f"width_{i}"] for i in range(3) if f"width_{i}" in architecture]
    flops = float(sum(w * w for w in widths) * architecture["kernel"] ** 2 * 16 + 100 * architecture["head"])
    away = abs(math.log10(architecture["learning_rate"]) + 2)
    final = float(np.clip(0.02 + 8 / math.sqrt(flops) + 0.04 * away**2 + rng.normal(0, 0.004), 0.005, 0.9))
    run = {"complete": epochs, "pruned": int(rng.integers(2, max(epochs // 2, 3))), "failed": int(rng.integers(3))}
    curve = _curve(final, run.get(state, 0), epochs, flops, rng)
    inherited = 0
    if continues is not None:
        inherited = len(continues.curve)
        curve = (*continues.curve, *curve[inherited:])
    measured = _measurements(flops, architecture, rng, screened=state == "screened")
    if state == "complete":
        error = round(curve[-1].error * VALIDATION)
        low, high = wilson(error, VALIDATION)
        measured["error"] = Measurement(
            error / VALIDATION, "fraction", low, high, "95 % Wilson", VALIDATION, OBJECTIVES["error"][-1]
        )
    judged = state == "pruned" or (state == "complete" and continues is None and rng.random() < CONTROLS)
    seconds = {
        "build": 0.002,
        "static": 0.02,
        "device": 0.3,
        "training": round(sum(r.seconds for r in curve[inherited:]), 6),
    }
    outbid = state == "pruned" and rng.random() < OUTBIDDEN
    return Evaluation(
        number, architecture, measured, curve, _outcome(state, outbid=outbid), {} if state == "running" else seconds,
        judgement=_judgement(state, curve, flops, epochs, number, outbid=outbid) if judged else None,
        continues=None if continues is None else continues.number, inherited=inherited,
    )  # fmt: skip


def _curve(final: float, run: int, epochs: int, flops: float, rng: np.random.Generator) -> tuple[EpochRecord, ...]:
    """A falling curve of ``run`` of ``epochs`` epochs, the same examples counted each time."""
    at = np.arange(1, run + 1)
    falling = final + (0.9 - final) * np.exp(-5 * at / epochs) * (1 - at / epochs)
    errors: Array = np.clip(falling * rng.lognormal(0, 0.03, run), 0, 0.95)
    errors = np.round(errors * VALIDATION) / VALIDATION
    return tuple(
        EpochRecord(int(e), float(error), float(2.3 * error + 0.05), 0.01, 0.02 + flops / 1e7, (float(error),))
        for e, error in zip(at, errors, strict=True)
    )


def _measurements(
    flops: float, architecture: Architecture, rng: np.random.Generator, *, screened: bool
) -> dict[str, Measurement]:
    counted = {
        "flops": Measurement.exact(
            flops, "FLOPs", OBJECTIVES["flops"][-1], protocol=1, by_operator={"_convolution": flops}
        ),
        "params": Measurement.exact(flops // 16 + architecture["depth"], "parameters", OBJECTIVES["params"][-1]),
    }
    if screened:  # by its FLOPs, before anything is timed
        return counted
    ms = 0.04 * architecture["depth"] + flops / 4e7 + 0.05
    return counted | {"latency_eager": timing(ms, architecture.network_digest, rng)}


def _outcome(state: State, *, outbid: bool) -> Outcome:
    kinds = {"pruned": "outbid" if outbid else "front", "screened": "budget:flops", "failed": "nan"}
    trained = state in ("complete", "pruned", "failed")
    reason = "" if state in ("complete", "running") else OUTBID if outbid else f"it was {state}"
    return Outcome(state, kinds.get(state, ""), reason, trained)


def _judgement(
    state: State, curve: Sequence[EpochRecord], flops: float, epochs: int, number: int, *, outbid: bool
) -> Judgement:
    epoch = len(curve) if state == "pruned" else max(epochs // 4, 1)
    last = curve[epoch - 1].error
    return Judgement(
        "front", state != "pruned", OUTBID if outbid else "it ends above a finished training at costs no higher", epoch,
        last, 0.7 * last, 0.3, 0.5 * last, None, max(number - 40, 0), 0.4 * last, number, 0.1, 0, {"flops": flops},
        outbid,
    )  # fmt: skip


def seals(made: Sequence[Evaluation]) -> dict[str, str]:
    """A sealed test error for each complete trial."""
    return {e.architecture.digest[:8]: seal(_test(e.measurements["error"])) for e in made if "error" in e.measurements}


def _test(validation: Measurement) -> Measurement:
    wrong = min(round(validation.value * VALIDATION) + 3, VALIDATION)
    return Measurement(
        wrong / VALIDATION, "fraction", *wilson(wrong, VALIDATION), "95 % Wilson", VALIDATION, OBJECTIVES["error"][-1]
    )


def in_memory(trials: int, epochs: int, objectives: int = 3) -> StudyResult:
    """The study as tables."""
    made = evaluations(trials, epochs, objectives)
    doubts = contentions(made)
    description = describe(trials, epochs, objectives) | {"reference_times": reference_times(references(made))}
    return build_result(NAME, description, marked(made, doubts.values()), seals=seals(made))
