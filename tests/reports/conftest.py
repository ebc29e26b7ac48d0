"""A study that nobody ran: a few dozen trials with every outcome, made from arithmetic."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas_moo.evaluation import EpochRecord, Evaluation, Judgement, Outcome, seal
from nas_moo.genes import Categorical, Integer, Real, at_least
from nas_moo.genome import Genome
from nas_moo.measurement import Measurement
from nas_moo.results import StudyResult, build_result
from reports import write

GENOME = Genome(
    Integer("depth", 1, 4),
    Categorical("width", (16, 32, 64), ordered=True),
    Categorical("kernel", (3, 5), active=at_least("depth", 2)),
    Categorical("block", ("plain", "=1+1", "<script>alert(1)</script>")),
    Real("learning_rate", 1e-4, 1.0, log=True, affects="training"),
)
OBJECTIVES = {
    "error": {
        "unit": "fraction", "label": "validation error", "stage": "trained", "log": False,
        "method": "hold-out, 359 images",
    },
    "flops": {"unit": "FLOPs", "label": "FLOPs", "stage": "static", "log": True, "method": "batch 1, fvcore"},
    "latency_eager": {
        "unit": "ms", "label": "latency", "stage": "device", "log": True, "method": "eager, batch 1, float32, 1 thread",
    },
    "params": {"unit": "parameters", "label": "parameters", "stage": "static", "log": True, "method": "trainable"},
}  # fmt: skip
DEFAULT = ("error", "flops", "latency_eager")
EPOCHS = 8

Make = Callable[..., StudyResult]


def describe(name: str, objectives: Sequence[str], **more: Any) -> dict[str, Any]:
    return {
        "format": 1, "name": name, "created": "2026-01-02T03:04:05+00:00", "genome": GENOME.describe(),
        "space": {"reference": "convnet", "code_digest": "abc123"},
        "data": {
            "reference": "digits", "name": "digits", "digest": "9f8e", "input_shape": [1, 8, 8], "n_classes": 10,
            "class_names": [str(i) for i in range(10)], "parts": {"train": 1079, "validation": 359, "test": 359},
        },
        "objectives": [{"name": o, **OBJECTIVES[o]} for o in objectives],
        "validation": "holdout", "epochs": EPOCHS, "seed": 7, "sampler": "nsga2", "trials": 40, "limits": {},
        "device": {"name": "cpu", "model": "a processor", "threads": 1}, "versions": {"torch": "2.13.0"},
        "command": "nas-moo search --space convnet", "unsealed": [],
    } | more  # fmt: skip


def evaluation(i: int, objectives: Sequence[str], state: str | None = None, judged: bool = True) -> Evaluation:
    depth, width = 1 + i % 4, (16, 32, 64)[i // 4 % 3]
    genes = {"depth": depth, "width": width, "block": ("plain", "=1+1", "<script>alert(1)</script>")[i // 12 % 3]}
    genes |= {"kernel": (3, 5)[i % 2]} if depth >= 2 else {}
    architecture = GENOME.architecture(genes | {"learning_rate": 10 ** (-3 + (i * 7 % 20) / 10)})
    flops = 900.0 * depth**2 * width * (1.7 if i % 2 else 1.0)
    final = 0.05 + 6 / math.sqrt(flops) + 0.02 * (i * 13 % 11) / 11
    curve = tuple(EpochRecord(e, final + 0.5 / e - 0.5 / EPOCHS, 1 / e, 0.1, 0.01) for e in range(1, EPOCHS + 1))
    measured = {
        "error": Measurement(
            final, "fraction", final * 0.8, final * 1.2, "95 % Wilson", 359, OBJECTIVES["error"]["method"]
        ),
        "flops": Measurement.exact(flops, "FLOPs", OBJECTIVES["flops"]["method"]),
        "latency_eager": Measurement(
            0.05 + depth * 0.02 + (i * 5 % 7) / 200,
            "ms",
            0.05,
            1.0,
            "95 % t",
            8,
            OBJECTIVES["latency_eager"]["method"],
            {"caveats": ["not converged"] if i % 10 == 3 else []},
        ),
        "params": Measurement.exact(flops / 9, "parameters", "trainable"),
    }
    outcome = Outcome("complete", trained=True)
    state = state or {5: "pruned", 11: "failed", 17: "screened", 23: "interrupted", 29: "running"}.get(i, "complete")
    if state == "pruned":
        outcome, curve = Outcome("pruned", "rank", "rank 3 of 4 at epoch 3", trained=True), curve[:3]
    elif state == "failed":
        outcome, curve = Outcome("failed", "nan", "the loss is <b>NaN</b>", trained=True), curve[:1]
    elif state != "complete":
        outcome, curve = Outcome(state, "budget:flops" if state == "screened" else "", "why"), ()  # type: ignore[arg-type]
    if state != "complete":
        measured.pop("error")
    judged &= state == "pruned" or (state == "complete" and i % 8 == 6)  # every eighth is overruled
    return Evaluation(
        i, architecture, {o: measured[o] for o in objectives if o in measured}, curve if "error" in objectives else (),
        outcome, {"static": 0.1, "training": 0.5 * len(curve)}, "w0", "2026-01-02T03:04:05+00:00",
        judgement(state, final, curve, flops) if judged and "error" in objectives else None,
    )  # fmt: skip


def judgement(state: str, final: float, curve: Sequence[EpochRecord], flops: float) -> Judgement:
    """After the third epoch, with a bound a little below the final error."""
    return Judgement(
        "front", state != "pruned", "because", 3, curve[2].error, final, 0.1, final - 0.01, None, 0, final - 0.02, 12,
        0.1, 0, {"flops": flops},
    )  # fmt: skip


@pytest.fixture(scope="session")
def make() -> Make:
    """Build a study: ``make(trials, objectives, state=...)``."""

    def make(
        trials: int = 40,
        objectives: Sequence[str] = DEFAULT,
        *,
        state: str | None = None,
        judged: bool = True,
        name: str = "convnet-digits",
        record: Callable[[Sequence[str], str], None] | None = None,
        **more: Any,
    ) -> StudyResult:
        evaluations = [evaluation(i, objectives, state, judged) for i in range(trials)]
        test = Measurement(0.123456, "fraction", 0.11, 0.14, "95 % Wilson", 359, "test data")
        seals = {e.architecture.digest[:8]: seal(test) for e in evaluations if "error" in e.measurements}
        return build_result(name, describe(name, objectives, **more), evaluations, seals=seals, record_unsealing=record)

    return make


@pytest.fixture(scope="session")
def study(make: Make) -> StudyResult:
    """40 trials, three objectives, every outcome, a fixed reference."""
    reference = {"values": {"error": 0.6, "flops": 2e6, "latency_eager": 0.5}, "trials": 10}
    return make(hypervolume_reference=reference)


HOSTILE = "</script><script>window.__hacked=1</script><img src=x onerror='window.__hacked=1'> & \"co\""
STORAGE = "postgresql://me:s3cr:et@db.example/studies"


@pytest.fixture(scope="session")
def hostile_study(make: Make) -> StudyResult:
    """Markup and quotes in every name, and a password wherever a storage may be named."""
    result = make(
        30, ("error", "flops"), name=HOSTILE, command=f"nas-moo search --storage {STORAGE} --space {HOSTILE}",
        sampler=HOSTILE, data={"name": HOSTILE, "reference": f"{STORAGE}?password=s3cr"}, versions={HOSTILE: HOSTILE},
        runs=[{"when": str(i), "command": f"nas-moo search --storage {STORAGE}", "sampler": HOSTILE} for i in range(2)],
    )  # fmt: skip
    objectives = tuple(replace(o, label=HOSTILE, method=HOSTILE) for o in result.objectives)
    trials = result.trials.assign(reason=f"=cmd {STORAGE} {HOSTILE}", worker=f"@{STORAGE}")
    return replace(result, objectives=objectives, trials=trials)


@pytest.fixture(scope="session")
def written(study: StudyResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of ``study`` with all its files, drawn once for all tests that read them and change nothing."""
    out = tmp_path_factory.mktemp("written") / "r"
    page = write(study, out)
    assert page == out / "index.html"
    return page


@pytest.fixture(scope="session")
def written_hostile(hostile_study: StudyResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of ``hostile_study``, likewise."""
    return write(hostile_study, tmp_path_factory.mktemp("hostile") / "r")
