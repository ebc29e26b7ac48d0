"""Finalists that were timed again, joined to their study: a front for each device, from one search.

Needs neither torch nor optuna. A file's lines find their models by the digest of the network's genes: a learning rate
changes no latency, so two trainings of one network share its line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas_moo.errors import CorruptError, StudyMismatchError, UserInputError
from nas_moo.pareto import nondominated
from nas_moo.results import StudyResult

Standing: TypeAlias = Literal["certain", "front", "possible", "beaten"]
FORMAT = 1
_NEEDED = (
    "network_digest",
    "code_digest",
    "mode",
    "value",
    "low",
    "high",
    "unit",
    "key",
    "conditions",
    "method",
    "caveats",
)


@dataclass(frozen=True, eq=False)
class DeviceFront:
    """The models of a study that were timed under one key: on one device, in one mode.

    Attributes:
        key: Of the measurements, as plain JSON; its network says nothing.
        method: How they were taken.
        models: A row a model, fastest first: ``id``, ``network_digest``, ``latency, low, high`` (ms), ``before`` (the
            search's own latency of that model; NaN where it had none), ``rank`` and ``rank_before`` among these models,
            ``ties`` (ids whose intervals overlap), ``standing``, ``caveats``, and ``rounds`` (what each round came to,
            in their order; empty where a file does not say).
        missing: Models on the study's front that were not timed.
        failed: Lines of models that could not be timed: ``id``, ``error``.
    """

    key: Mapping[str, Any]
    method: str
    models: pd.DataFrame
    missing: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]

    @property
    def title(self) -> str:
        """The device, the mode and the batch in a few words."""
        cold = ", cold cache" if self.key["cache"] == "cold" else ""
        return f"{self.key['device']}: {self.key['mode']}, batch {self.key['batch']}{cold}"


def read_measurements(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """The lines of models from files that ``nas-moo measure`` wrote.

    Raises:
        UserInputError: there is no such file.
        CorruptError: a line is not what was written.
    """
    lines = []
    for path in map(Path, paths):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserInputError(
                "a file of measurements cannot be read", value=str(path), do="Give what `nas-moo measure` wrote."
            ) from error
        found = [_line(line, f"{path}, line {i}") for i, line in enumerate(text.splitlines(), 1) if line.strip()]
        if not found:
            raise CorruptError("a file of measurements is empty", value=str(path), do="Measure again.")
        lines += [line for line in found if line["kind"] != "session"]
    return lines


def _line(text: str, where: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise CorruptError("this is no line of measurements", value=where, do="Measure again.") from error
    kind = line.get("kind") if isinstance(line, dict) and line.get("format") == FORMAT else None
    lacks = [n for n in _NEEDED if n not in line] if kind == "latency" else []
    if kind not in ("session", "latency", "failed") or lacks:
        raise CorruptError(
            "this is no line of measurements", value=f"{where} {', '.join(lacks)}".strip(), do="Measure again."
        )
    if kind == "latency" and not 0 < line["low"] <= line["value"] <= line["high"]:
        raise CorruptError("a measurement lies outside its own interval", value=where, do="Measure again.")
    return dict(line)


def join(result: StudyResult, lines: Sequence[Mapping[str, Any]]) -> tuple[DeviceFront, ...]:
    """A front for each key that the lines were measured under.

    Raises:
        StudyMismatchError: no line is of this study, or one is of another version of its search space's code.
    """
    known = set(result.complete["network_digest"])
    timed = [line for line in lines if line["kind"] == "latency" and line["network_digest"] in known]
    if not timed:
        raise StudyMismatchError(
            f"none of these measurements is of a model of {result.name!r}",
            value=", ".join(sorted({str(line.get("study")) for line in lines})),
            do="Give what `nas-moo measure` wrote for this study.",
        )
    code = (result.description.get("space") or {}).get("code_digest")
    other = {line["code_digest"] for line in timed} - {code}
    if other:
        raise StudyMismatchError(
            "these measurements are of networks that another version of the search space built",
            value=", ".join(sorted(map(str, other))),
            do=f"Measure with the code that the study was made with ({code}).",
        )
    conditions = dict.fromkeys(line["conditions"] for line in timed)
    return tuple(_front(result, [t for t in timed if t["conditions"] == c], lines) for c in conditions)


def _front(result: StudyResult, timed: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]]) -> DeviceFront:
    last = {line["network_digest"]: line for line in timed}  # measured twice under one key: the later file counts
    mode = timed[-1]["mode"]
    on_front = result.trials[result.trials["front"]]
    rows = on_front[on_front["network_digest"].isin(last)]
    if rows.empty:
        rows = result.complete[result.complete["network_digest"].isin(last)]
    models = pd.DataFrame({"id": rows["id"], "network_digest": rows["network_digest"]})
    for column, name in (("latency", "value"), ("low", "low"), ("high", "high"), ("caveats", "caveats")):
        models[column] = [last[d][name] for d in rows["network_digest"]]
    models["rounds"] = [tuple(float(r["value"]) for r in last[d].get("rounds", ())) for d in rows["network_digest"]]
    models["before"] = _before(result, rows)
    # Trainings of one network have one latency: an order among them is no change of rank.
    models["rank"] = _ranked(models, ["latency", "before", "id"]).astype(int)
    models["rank_before"] = _ranked(models, ["before", "latency", "id"]).where(models["before"].notna())
    models["ties"] = [
        tuple(
            o["id"]
            for _, o in models.iterrows()
            if o["id"] != m["id"] and o["low"] <= m["high"] and m["low"] <= o["high"]
        )
        for _, m in models.iterrows()
    ]
    models["standing"] = standings(_others(result, rows), models[["low", "latency", "high"]].to_numpy(dtype=float))
    models = models.sort_values("rank").reset_index(drop=True)
    failed = tuple(
        (str(line["id"]), str(line["error"])) for line in lines if line["kind"] == "failed" and line["asked"] == mode
    )
    missing = tuple(str(i) for i in on_front["id"] if i not in set(models["id"]))
    return DeviceFront(timed[-1]["key"], timed[-1]["method"], models, missing, failed)


def _ranked(models: pd.DataFrame, by: list[str]) -> pd.Series:
    """Places from 1, by the first column and among equals by the next."""
    order = models.sort_values(by, kind="stable").index
    return pd.Series(range(1, len(models) + 1), index=order, dtype=float).reindex(models.index)


def is_latency(objective: str) -> bool:
    """Whether an objective of this name is what finalists are timed by."""
    return objective.startswith("latency")


def _before(result: StudyResult, rows: pd.DataFrame) -> NDArray[np.float64]:
    own = [o.name for o in result.objectives if is_latency(o.name)]
    return rows[own[0]].to_numpy(dtype=float) if own else np.full(len(rows), np.nan)


def _others(result: StudyResult, rows: pd.DataFrame) -> NDArray[np.float64]:
    """The objectives but for those that are timed; values of the study, shape (models, objectives)."""
    names = [o.name for o in result.objectives if not is_latency(o.name)]
    return rows[names].to_numpy(dtype=float)


def standings(others: NDArray[np.float64], latency: NDArray[np.float64]) -> list[Standing]:
    """How surely each model is on the front, with latency known up to its interval and the rest taken as its value.

    "certain": whatever latencies inside the intervals are true, no other model dominates it. "front": none does by the
    values. "possible": some latencies inside the intervals put it there. "beaten": none do. Errors count as their
    values, as in the search: all models are validated on the same examples.

    Args:
        others: Shape (models, objectives), all minimised.
        latency: Lower end, value and upper end, shape (models, 3).
    """
    on_front = nondominated(np.column_stack([others, latency[:, 1]]))
    found: list[Standing] = []
    for i in range(len(latency)):
        rivals = [j for j in range(len(latency)) if j != i and (others[j] <= others[i]).all()]
        better = {j: bool((others[j] < others[i]).any()) for j in rivals}
        at_best = [_beats(latency[j, 0], latency[i, 2], better=better[j]) for j in rivals]
        at_worst = [_beats(latency[j, 2], latency[i, 0], better=better[j]) for j in rivals]
        if not any(at_best):
            found.append("certain")
        elif on_front[i]:
            found.append("front")
        else:
            found.append("beaten" if any(at_worst) else "possible")
    return found


def _beats(one: float, other: float, *, better: bool) -> bool:
    """Whether a model that is no worse in the rest dominates, with these latencies."""
    return one <= other if better else one < other
