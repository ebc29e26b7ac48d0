"""The runs of ``compare_samplers``: one search a sampler and seed, each in a storage of its own that is thrown away."""

from __future__ import annotations

import csv
import json
import math
import multiprocessing
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nas_moo

SPACE = f"{Path(__file__).with_name('compare_samplers_space.py')}:SmallConvNet"
DATA = "digits"
OBJECTIVES = ("error", "flops")  # both repeat exactly, so that no noise of a clock enters
SAMPLERS = ("random", "grid", "tpe", "optuna-nsga2", "gp")
COLUMNS = ("sampler", "seed", "training", "depth", "width", "learning_rate", "weight_decay", "flops", "error", "test")


@dataclass(frozen=True)
class Plan:
    """What every run has in common."""

    trainings: int
    epochs: int
    grid_steps: int


@dataclass(frozen=True)
class Run:
    """One search: a row a training, and what it cost."""

    sampler: str
    seed: int
    rows: list[list[Any]]
    seconds: float
    seconds_training: float
    description: dict[str, Any]


def run_one(plan: Plan, sampler: str, seed: int) -> Run:
    """Search once. The seed decides the split, each training and the sampler, so samplers of a seed share the split."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        result = nas_moo.search(
            SPACE,
            DATA,
            OBJECTIVES,
            trials=plan.trainings,
            epochs=plan.epochs,
            pruner="never",
            sampler=sampler,
            grid_steps=plan.grid_steps if sampler == "grid" else None,
            seed=seed,
            device="cpu",
            study="benchmark",
            storage=Path(folder) / "studies.db",
        )
        seconds = time.perf_counter() - began
        opened = result.unseal(purpose="benchmark").set_index("id")["test"]
    trained = result.trials[result.trials["trained"]]
    rows = [[sampler, seed, i, *_row(t, opened.get(t.id))] for i, t in enumerate(trained.itertuples(), start=1)]
    return Run(sampler, seed, rows, seconds, float(trained["seconds_training"].sum()), dict(result.description))


def run_all(plan: Plan, seeds: Sequence[int], out: Path, jobs: int) -> None:
    """Run what ``out`` does not hold yet, seed by seed, and write it after each run."""
    about_file = out.with_suffix(".json")
    about = json.loads(about_file.read_text()) if about_file.is_file() else {"plan": asdict(plan), "runs": []}
    if about["plan"] != asdict(plan):
        raise SystemExit(f"{out} holds runs of another plan, {about['plan']}: give another --out.")
    done = {(r["sampler"], r["seed"]) for r in about["runs"]}
    todo = [(sampler, seed) for seed in seeds for sampler in SAMPLERS if (sampler, seed) not in done]
    out.parent.mkdir(parents=True, exist_ok=True)
    for run in _results(plan, todo, jobs):
        about["runs"].append(
            {"sampler": run.sampler, "seed": run.seed, "seconds": round(run.seconds, 2)}
            | {"seconds_training": round(run.seconds_training, 2)}
        )
        about |= {"versions": run.description["versions"], "parts": run.description["data"]["parts"]}
        about |= {"processor": _processor(), "jobs": jobs}
        _append(out, run.rows)
        about_file.write_text(json.dumps(about, indent=1) + "\n")
        print(f"seed {run.seed}, {run.sampler}: {len(run.rows)} trainings in {run.seconds:.0f} s", flush=True)


def _row(trial: Any, test: float | None) -> list[Any]:
    """The columns from depth on; the test error only of models on the front, the others stay sealed."""
    genes = [trial.gene_depth, round(trial.gene_width), f"{trial.gene_learning_rate:.4g}"]
    return [*genes, f"{trial.gene_weight_decay:.3g}", int(trial.flops), _rounded(trial.error), _rounded(test)]


def _results(plan: Plan, todo: Sequence[tuple[str, int]], jobs: int) -> Iterator[Run]:
    context = multiprocessing.get_context("spawn")  # PyTorch's threads do not survive a fork
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        for future in as_completed([pool.submit(run_one, plan, sampler, seed) for sampler, seed in todo]):
            yield future.result()


def _append(out: Path, rows: Sequence[Sequence[Any]]) -> None:
    new = not out.is_file()
    with out.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, *rows] if new else rows)


def _rounded(error: float | None) -> str:
    return "" if error is None or math.isnan(error) else f"{error:.4f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
