"""What is written down of the searches of one sampler: a JSON document, and the curve of each seed beside it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas_moo.errors import CorruptError, UserInputError
from nas_moo.pareto import Array
from nas_moo.replay.cuts import describe_cuts
from nas_moo.replay.judge import BUDGETS, Judge, on_grid, quartiles
from nas_moo.replay.table import RecordedTable
from nas_moo.replay.trace import Trace


@dataclass(frozen=True)
class Arm:
    """A sampler and a pruner with their settings, as one side of a comparison."""

    sampler: str
    population: int | None = None
    screening: bool = True
    pruner: str = "never"
    quantile: float | None = None
    control_share: float | None = None
    thaw: bool = False

    @property
    def name(self) -> str:
        """The sampler, its population where it has one, what was switched off, and the pruner where there is one."""
        population = "" if self.population is None else f"-{self.population}"
        sampler = f"{self.sampler}{population}{'' if self.screening else '-no-screening'}"
        if self.pruner == "never":
            return sampler
        told = [self.quantile, None if self.control_share is None else f"controls-{self.control_share}"]
        settings = "".join(f"-{t}" for t in told if t is not None)
        return f"{sampler}-{self.pruner.replace(':', '-')}{settings}{'-thaw' if self.thaw else ''}"


def write_summary(folder: Path, table: RecordedTable, arm: Arm, traces: Sequence[Trace], trials: int) -> dict[str, Any]:
    """Judge the traces, write ``TABLE-ARM.json`` and ``TABLE-ARM.npz``, and return the document.

    Args:
        folder: Is made where it does not exist.
        table: It answered.
        arm: Whose traces they are.
        traces: One a seed.
        trials: What each search might spend, in full trainings: the length of the grid.
    """
    judge, grid = Judge(table), np.arange(1, trials + 1, dtype=float)
    scores = {"regret": [judge.regret(t) for t in traces], "hypervolume": [judge.hypervolume(t) for t in traces]}
    spent = [t.fulls for t in traces]
    curves = {name: _curves(values, spent, grid) for name, values in scores.items()}
    arrays = {"fulls": grid, **curves, "rows": _padded([t.rows for t in traces]), "cost": _padded(spent)}
    arrays["complete"] = _padded([t.complete.astype(float) for t in traces])
    name = f"{table.name}-{arm.name}"
    document = {
        "sampler": arm.sampler,
        **({} if arm.population is None else {"population": arm.population}),
        **({"screening": arm.screening} if arm.sampler == "nsga2" else {}),
        "pruner": arm.pruner,
        **_of_pruning(table, arm, traces),
        "seeds": len(traces),
        "trials": trials,
        "fulls": grid.tolist(),
        **{score: quartiles(curve) for score, curve in curves.items()},
        "duplicate_share": _duplicate_share(traces),
        "cpu_ms_per_proposal": 1000 * float(np.concatenate([t.proposing for t in traces]).mean()),
        "asked_costs": float(np.mean([t.asked[-1] for t in traces])),
        **_by_seconds(table, traces, scores, grid),
        "judge": describe_judge(table, judge),
        "curves": str(folder / f"{name}.npz"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f"{name}.npz", **arrays)  # type: ignore[arg-type]
    (folder / f"{name}.json").write_text(json.dumps(document) + "\n", encoding="utf-8")
    return document


def read_summary(path: Path) -> tuple[dict[str, Any], Array]:
    """A document and the regret of each seed on its grid, shape (seeds, points).

    Raises:
        UserInputError: there is no such file, or it was not written by a replay.
        CorruptError: the curves are not those of the document.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        place = Path(document["curves"])
        document["judge"], document["fulls"]
    except (FileNotFoundError, IsADirectoryError):
        raise UserInputError("there is no such file", value=str(path), do="Give what `nas-moo replay` wrote.") from None
    except (ValueError, TypeError, KeyError):
        raise UserInputError(
            "this is no document of a replay", value=str(path), do="Give the JSON that `nas-moo replay` wrote."
        ) from None
    curves = next((p for p in (path.parent / place.name, place) if p.is_file()), None)
    if curves is None:
        raise UserInputError(
            f"the curves of {path.name} are gone", value=str(place), do="Put them beside it, or replay again."
        )
    try:
        with curves.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            regret = np.asarray(arrays["regret"], dtype=np.float64)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        raise CorruptError("the curves cannot be read", value=str(curves), do="Replay again.") from None
    if quartiles(regret) != document.get("regret"):
        raise CorruptError("the curves are not those of the document", value=str(curves), do="Replay again.")
    return document, regret


def describe_judge(table: RecordedTable, judge: Judge) -> dict[str, Any]:
    """All that must be equal for two results to be comparable."""
    return {
        "table": table.name,
        "digest": table.digest,
        "rows": len(table),
        "complete": table.complete,
        "box": list(table.box),
        "scored_on": "validation" if table.test is None else "test",
        "budgets": BUDGETS,
        "budget_cost": table.described[table.budget_cost].name,
        "budget_range": [float(judge.budgets[0]), float(judge.budgets[-1])],
        "costs": {c.name: {"unit": c.unit, "log": c.log} for c in table.described},
    }


def _of_pruning(table: RecordedTable, arm: Arm, traces: Sequence[Trace]) -> dict[str, Any]:
    if arm.pruner == "never":
        return {}
    settings = {"quantile": arm.quantile, "control_share": arm.control_share, "thaw": arm.thaw}
    return {**settings, "pruning": describe_cuts(table, traces)}


def _by_seconds(
    table: RecordedTable, traces: Sequence[Trace], scores: Mapping[str, list[Array]], grid: Array
) -> dict[str, Any]:
    """The scores against seconds of training, timing and proposing, where the table tells them.

    Their grid is that of the fulls times the table's mean seconds of a full training: the same for every sampler.
    """
    if table.seconds is None:
        return {}
    seconds, spent = grid * float(table.seconds.mean()), [t.seconds(table) for t in traces]
    found = {score: quartiles(_curves(values, spent, seconds)) for score, values in scores.items()}
    return {"seconds": seconds.tolist(), **{f"{score}_by_seconds": rows for score, rows in found.items()}}


def _curves(values: Sequence[Array], spent: Sequence[Array | None], grid: Array) -> Array:
    return np.array([on_grid(v, s, grid) for v, s in zip(values, spent, strict=True) if s is not None])


def _duplicate_share(traces: Sequence[Trace]) -> float:
    duplicates, trained = sum(t.duplicates for t in traces), sum(len(t.rows) for t in traces)
    return duplicates / (duplicates + trained)


def _padded(rows: Sequence[Any]) -> Array:
    """One row a seed, with -1 behind searches that ended early."""
    longest = max(map(len, rows))
    return np.array([np.pad(r, (0, longest - len(r)), constant_values=-1) for r in rows])
