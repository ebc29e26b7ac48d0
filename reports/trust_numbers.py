"""What a study knows of its own timings: how far each interval reaches, what ails it, and how the device drifted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas_moo.choose import ObjectiveInfo
from nas_moo.finalists import DeviceFront, is_latency
from nas_moo.identity import differences
from nas_moo.measurement import DRIFT_LIMIT, EXACT
from nas_moo.results import StudyResult
from reports.quantities import Quantity, quantity

_TWO_SIDES = 1.959964  # a normal value lies within so many standard deviations in 95 % of all cases
_MAD_FACTOR = 1.4826  # of normal values: standard deviation over median absolute deviation
# What no interval holds, since it lasts as long as all samples together; "slowed down by" goes on with the reason.
_DISTURBED = ("contended", "other processes on the GPU", "slowed down by")
# A model whose value is known so much worse than the others' is named, and does not speak for them.
_LOOSE_FACTOR, _LOOSE = 3.0, 0.05


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference network over a study.

    Attributes:
        times: ``worker, number, ms`` (trial before or after whose timings), ``share`` (relative to the median of all,
            0 where equal) and ``moved`` (by more than ``DRIFT_LIMIT`` since the same worker's last).
        median_ms: Of all.
        pair: By how much two moments of the study differ at most, in 95 % of all cases: √2 × 1.96 robust standard
            deviations of the logarithms. The reference's own uncertainty is in it.
    """

    times: pd.DataFrame
    median_ms: float
    pair: float


@dataclass(frozen=True, eq=False)
class Timings:
    """How the models of the front were timed, by one objective.

    Attributes:
        shown: The objective.
        models: A row a model of the front, fastest first: ``id, value, low, high`` (in the objective's own unit);
            relative to the value: ``below, above`` (how far the interval reaches), ``again`` (a second measurement,
            after the reference had moved), ``p95, p99`` and ``reach`` (what the value is trusted to); ``blocks``
            (medians in the order they ran, relative to the value), ``samples``, ``calls``, ``marks``; ``disturbed`` (by
            what no interval holds, and no undisturbed second measurement is there), ``loose`` (much less certain than
            the others), ``network`` (its digest) and ``told`` (from the next slower one; the last has none, and is).
        every: How many timings the study has of the objective; trainings of one network share one.
        marked: Each mark of a measurement, and how many have it.
        again: Changes of all second measurements, relative to the first.
        reference: None where the study has not kept it.
        resolution: Models that differ by more can be ranked, relative; NaN with fewer than two.
        retimed: Largest difference between two models' changes from the search to a later timing under the same
            conditions, and of how many models; None where there was none.
        details: Of every measurement; what conditions are read from.
    """

    shown: Quantity
    models: pd.DataFrame
    every: int
    marked: Mapping[str, int]
    again: tuple[float, ...]
    reference: Reference | None
    resolution: float
    retimed: tuple[float, int] | None
    details: Sequence[Mapping[str, Any]]

    @property
    def judged(self) -> bool:
        """The values have intervals; recorded ones may have none."""
        return self.shown.has_intervals

    @property
    def undecided(self) -> int:
        """Neighbours on the front that are closer than their own uncertainty."""
        return int((~self.models["told"]).sum())


def timed(result: StudyResult) -> tuple[ObjectiveInfo, ...]:
    """The objectives that a clock measured: those of the device whose values have intervals."""
    rows = result.measurements
    measured = rows.loc[rows["interval"] != EXACT, "objective"].unique()
    return tuple(o for o in result.objectives if o.stage == "device" and o.name in measured)


def gather(result: StudyResult, objective: str, fronts: Sequence[DeviceFront] = ()) -> Timings:
    """Collect what is known of the timings of one objective.

    Args:
        result: The study.
        objective: Its name.
        fronts: What was timed again.
    """
    shown = quantity(result, objective)
    rows = result.measurements[result.measurements["objective"] == objective]
    rows = rows.assign(network=rows["number"].map(result.trials.set_index("number")["network_digest"]))
    own = rows[rows["number"].isin(result.trials.loc[result.trials["front"], "number"])]
    rows = rows.drop_duplicates(["network", "value"])  # several trainings share a timing
    models = pd.DataFrame([_model(row) for row in own.to_dict("records")], columns=list(_COLUMNS))
    models = models.astype({"disturbed": bool}).sort_values(["value", "id"], kind="stable").reset_index(drop=True)
    watched = reference(result)
    drift = watched.pair if watched is not None else 0.0
    usual = models["reach"].median() if len(models) else math.nan
    models["loose"] = models["reach"] > max(_LOOSE_FACTOR * usual, _LOOSE)
    details = list(rows["details"])
    again = [d["repeated"]["value"] / v - 1 for d, v in zip(details, rows["value"], strict=True) if "repeated" in d]
    first = next((o.name for o in result.objectives if is_latency(o.name)), None)  # a device's front compares with it
    retimed = _retimed(details, fronts) if objective == first else None
    models["told"] = _told(models, drift, least=retimed[0] if retimed else 0.0)
    return Timings(
        shown=shown,
        models=models,
        every=len(rows),
        marked=dict(Counter(mark for d in details for mark in d.get("caveats", ())).most_common()),
        again=tuple(again),
        reference=watched,
        resolution=max(_resolution(models, drift), retimed[0] if retimed else 0.0),
        retimed=retimed,
        details=details,
    )


def reference(result: StudyResult) -> Reference | None:
    """The times of the reference network; None where the study has not kept any."""
    times = pd.DataFrame(result.description.get("reference_times") or [], columns=["worker", "number", "ms"])
    if times.empty:
        return None
    median = float(times["ms"].median())
    logs = np.log(times["ms"].to_numpy(dtype=float) / median)
    spread = _MAD_FACTOR * float(np.median(np.abs(logs - np.median(logs))))
    changes = times.groupby("worker", sort=False)["ms"].pct_change().abs()
    moved = changes.to_numpy(dtype=float) > DRIFT_LIMIT
    return Reference(
        times.assign(share=times["ms"] / median - 1, moved=moved), median, math.sqrt(2) * _TWO_SIDES * spread
    )


_COLUMNS = (
    "id", "value", "low", "high", "below", "above", "again", "p95", "p99", "reach", "blocks", "samples", "calls",
    "marks", "disturbed", "network",
)  # fmt: skip


def _model(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    value, details = float(row["value"]), row["details"]
    call = float(details.get("call_ms", value))  # a throughput's blocks and percentiles are of whole calls
    below, above = 1 - row["low"] / value, row["high"] / value - 1
    again = details["repeated"]["value"] / value - 1 if "repeated" in details else math.nan
    # A model that was timed while the reference moved is known no better than its second value says, or the movement.
    doubt = details.get("reference_drift", 0.0) if math.isnan(again) else again
    tails = [math.nan if details.get(tail) is None else details[tail] / call - 1 for tail in ("p95", "p99")]
    blocks = tuple(median / call - 1 for median in details.get("block_medians", ()))
    return (
        str(row["id"]), value, float(row["low"]), float(row["high"]), below, above, again, *tails,
        max(below, above, abs(doubt)), blocks, details.get("samples"), details.get("calls_per_sample"),
        tuple(details.get("caveats", ())), _is_disturbed(details.get("repeated", details)),
        row["network"],
    )  # fmt: skip


def _is_disturbed(measured: Mapping[str, Any]) -> bool:
    return any(mark.startswith(_DISTURBED) for mark in measured.get("caveats", ()))


def _told(models: pd.DataFrame, drift: float, least: float) -> NDArray[np.bool_]:
    """Whether each model is told from the next slower one; trainings of one network need not be."""
    values, reaches = models["value"].to_numpy(dtype=float), models["reach"].to_numpy(dtype=float)
    needed = np.maximum(np.sqrt(reaches[:-1] ** 2 + reaches[1:] ** 2 + drift**2), least)
    networks, told = models["network"].to_numpy(), np.ones(len(values), dtype=bool)
    told[:-1] = (values[1:] / values[:-1] - 1 > needed) | (networks[1:] == networks[:-1])
    return told


def _resolution(models: pd.DataFrame, drift: float) -> float:
    """The root of squares of the two widest reaches and the drift: what two values differ by if they are equal."""
    firm = models[~models["loose"]]
    for some in (firm[~firm["disturbed"]], firm, models):
        if len(some) > 1:
            return math.hypot(*some["reach"].nlargest(2), drift)
    return math.nan


def _retimed(details: Sequence[Mapping[str, Any]], fronts: Sequence[DeviceFront]) -> tuple[float, int] | None:
    key = next((d["key"] for d in details if "key" in d), None)
    found: list[tuple[float, int]] = []
    for front in fronts:
        both = front.models.dropna(subset=["before"])
        if key is None or len(both) < 2 or differences([key, front.key]):
            continue
        changes = both["latency"] / both["before"]
        found.append((float(changes.max() / changes.min() - 1), len(both)))
    return max(found, default=None)
