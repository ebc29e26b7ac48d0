"""The statistics of FLOPs in place of latency: ranks, pairs that surely flip, and what a search by FLOPs loses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas_moo.pareto import Array, hypervolume, nondominated, scaled
from nas_moo.results import StudyResult
from reports.agreement import MOST, Agreement, agreement, sample
from reports.quantities import Quantity, passes_tenfold, quantity, trained_objective

COUNTS = ("flops", "params")  # what may stand for latency, the better known first
LATENCY = "latency"
ALL, FRONT, FASTEST = "all networks", "on the front", "the fastest half"
FACTORS = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
WRONG = 0.02  # share of sure pairs in the wrong order that still is "yes"
FEWEST_PAIRS = 20  # surely apart, to say anything of a factor
MOST_PAIRED = 10_000  # networks in which every pair is looked at
_STRIKING = 3
_BLOCK = 1_000
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """Pairs of networks whose latencies are surely apart: their intervals do not overlap.

    Attributes:
        apart: How many have different FLOPs.
        flipped: Of those, the one with fewer FLOPs is the slower one.
        equal: How many more have the same FLOPs.
        used: Of how many networks; of very many a sample.
    """

    apart: int
    flipped: int
    equal: int
    used: int

    @property
    def share(self) -> float:
        """Of the flipped ones; NaN where no pair is apart."""
        return self.flipped / self.apart if self.apart else math.nan


@dataclass(frozen=True)
class Group:
    """One group of networks: its name, how far the orders agree, and its pairs."""

    name: str
    ranks: Agreement
    pairs: Pairs


@dataclass(frozen=True, eq=False)
class Proxy:
    """A count against one measured latency, a row a network, in the units that are shown.

    Attributes:
        count: FLOPs, or parameters where those were not counted.
        latency: What was measured.
        models: ``id, count, latency, latency_low, latency_high, front, fast``, one row a network, by ascending count.
        groups: All of them, those on the front, and the fastest half.
        striking: Pairs of rows of ``models`` that flip most: fewer FLOPs and slower, more FLOPs and faster.
        factor: The least ratio of counts from which on at most ``WRONG`` of the sure pairs flip; None where even the
            largest of ``FACTORS`` with enough pairs does not do.
        wrong: Share that flips, for each of ``FACTORS`` with enough pairs.
        kept: Hypervolume in error and latency of the models on the front of error and count, as a share of that of the
            front of error and latency; None where there is no error, or no model inside the reference point.
        judged: The latencies have intervals; without, every difference counts.
        marked: Networks whose latency has a caveat.
        log: Whether each axis is logarithmic.
    """

    count: Quantity
    latency: Quantity
    models: pd.DataFrame
    groups: tuple[Group, ...]
    striking: tuple[tuple[int, int], ...]
    factor: float | None
    wrong: tuple[tuple[float, float], ...]
    kept: float | None
    judged: bool
    marked: int
    log: tuple[bool, bool]


def objectives(result: StudyResult) -> tuple[str | None, tuple[str, ...]]:
    """The name of the count, None where there is none, and those of the latencies."""
    names = [o.name for o in result.objectives]
    count = next((c for c in COUNTS if c in names), None)
    return count, tuple(n for n in names if n.startswith(LATENCY))


def gather(result: StudyResult, count: str, latency: str) -> Proxy | None:
    """Compare one count with one latency; None where no two networks have both."""
    x, y = quantity(result, count), quantity(result, latency)
    models = _models(result, x, y)
    if len(models) < 2:
        return None
    flops, low, high, middle = (_of(models, c) for c in ("count", "latency_low", "latency_high", "latency"))
    groups = tuple(
        Group(name, agreement(flops[mask], middle[mask]), pairs(flops[mask], low[mask], high[mask]))
        for name, mask in _groups(models)
        if mask.sum() > 1
    )
    wrong = _wrong(flops, low, high)
    holds = [f for k, (f, _) in enumerate(wrong) if all(share <= WRONG for _, share in wrong[k:])]
    return Proxy(
        count=x,
        latency=y,
        models=models,
        groups=groups,
        striking=striking(flops, low, high),
        factor=holds[0] if holds else None,
        wrong=wrong,
        kept=_kept(result, x.name, y.name),
        judged=bool((high > low).any()),
        marked=_marked(result, y.name, models["number"]),
        log=(passes_tenfold(flops), passes_tenfold(middle)),
    )


def _models(result: StudyResult, x: Quantity, y: Quantity) -> pd.DataFrame:
    """A row a network: a learning rate changes neither number, so trainings of one network count once."""
    rows = result.trials.dropna(subset=[x.name, y.name])
    rows = rows.sort_values(["front", "number"], ascending=[False, True], kind="stable").drop_duplicates(
        "network_digest"
    )
    table = pd.DataFrame(
        {
            "id": rows["id"].astype(str), "number": rows["number"].astype(int),
            "count": rows[x.name].astype(float) * x.scale, "latency": rows[y.name].astype(float) * y.scale,
            "latency_low": rows[f"{y.name}_low"].astype(float) * y.scale,
            "latency_high": rows[f"{y.name}_high"].astype(float) * y.scale, "front": rows["front"].astype(bool),
        }
    )  # fmt: skip
    table["fast"] = table["latency"].rank(method="first") <= math.ceil(len(table) / 2)
    return table.sort_values(["count", "latency", "number"], kind="stable").reset_index(drop=True)


def _of(models: pd.DataFrame, column: str) -> Array:
    return models[column].to_numpy(dtype=float)


def _groups(models: pd.DataFrame) -> Sequence[tuple[str, Mask]]:
    everyone = np.ones(len(models), dtype=bool)
    return ((ALL, everyone), (FRONT, models["front"].to_numpy()), (FASTEST, models["fast"].to_numpy()))


def pairs(flops: Array, low: Array, high: Array) -> Pairs:
    """Count pairs whose latencies are surely apart, and those of them that the count orders wrongly or not at all."""
    places = sample(len(flops), MOST_PAIRED)
    flops, low, high = flops[places], low[places], high[places]
    apart = int(np.searchsorted(np.sort(high), low, side="left").sum())  # of each, those that are surely faster
    flipped = equal = 0
    for begin in range(0, len(flops), _BLOCK):
        slower = low[begin : begin + _BLOCK, None] > high[None, :]
        own = flops[begin : begin + _BLOCK, None]
        flipped += int((slower & (own < flops[None, :])).sum())
        equal += int((slower & (own == flops[None, :])).sum())
    return Pairs(apart - equal, flipped, equal, len(flops))


def striking(flops: Array, low: Array, high: Array) -> tuple[tuple[int, int], ...]:
    """The pairs that flip most, no number of FLOPs in two of them; fewer FLOPs and slower first.

    Most: by the product of the logarithms of how many times fewer FLOPs and how many times slower, at least, inside
    the intervals.
    """
    places = np.flatnonzero((flops > 0) & (low > 0))
    places = places[sample(len(places), MOST)]
    if len(places) < 2:
        return ()
    fewer = np.log(flops[places])[None, :] - np.log(flops[places])[:, None]
    slower = np.log(low[places])[:, None] - np.log(high[places])[None, :]
    score = np.where((fewer > 0) & (slower > 0), fewer * slower, 0.0)
    found: list[tuple[int, int]] = []
    while len(found) < _STRIKING and score.max() > 0:
        i, j = np.unravel_index(int(np.argmax(score)), score.shape)
        found.append((int(places[i]), int(places[j])))
        for k in (i, j):  # others with the same count would show much the same again
            alike = flops[places] == flops[places[k]]
            score[alike, :] = score[:, alike] = 0.0
    return tuple(found)


def _wrong(flops: Array, low: Array, high: Array) -> tuple[tuple[float, float], ...]:
    """The share of sure pairs that flip among those whose counts differ by a factor or more, for each with enough."""
    places = np.flatnonzero(flops > 0)
    places = places[sample(len(places), MOST)]
    more = np.log(flops[places])[:, None] - np.log(flops[places])[None, :]
    slower = low[places, None] > high[None, places]
    found = []
    for factor in FACTORS:
        far = np.abs(more) >= math.log(factor) - 1e-12
        apart = int((slower & far & (more != 0)).sum())
        if apart >= FEWEST_PAIRS:
            found.append((factor, int((slower & far & (more < 0)).sum()) / apart))
    return tuple(found)


def _kept(result: StudyResult, count: str, latency: str) -> float | None:
    error, reference, complete = trained_objective(result), result.hypervolume_reference(), result.complete
    if error is None or reference is None or complete.empty:
        return None
    by_name = {o.name: o for o in result.objectives}
    names = [error.name, latency]
    point = np.array([reference[0][list(by_name).index(n)] for n in names], dtype=float)
    values = complete[names].to_numpy(dtype=float)
    log = [by_name[n].log for n in names]
    if (scaled_positive := np.vstack([values, point])[:, log]).size and scaled_positive.min() <= 0:
        return None  # no logarithm
    chosen = nondominated(complete[[error.name, count]].to_numpy(dtype=float))
    found, origin = scaled(values, log), scaled(point[None], log)[0]
    whole = hypervolume(found, origin)
    return hypervolume(found[chosen], origin) / whole if whole > 0 else None


def _marked(result: StudyResult, latency: str, numbers: pd.Series) -> int:
    rows = result.measurements
    rows = rows[(rows["objective"] == latency) & rows["number"].isin(numbers)]
    return sum(bool(d.get("caveats")) for d in rows["details"])
