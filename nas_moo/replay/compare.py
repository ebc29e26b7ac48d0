"""How much cheaper one sampler reaches the regret that another one reached."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas_moo.errors import UserInputError
from nas_moo.pareto import Array
from nas_moo.replay.summary import read_summary

CHECKPOINTS = (25, 50, 100, 200)
RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Speedup:
    """What A needs for the median regret that B has after ``fulls``.

    Attributes:
        fulls: Full trainings of B.
        regret: Its median then, in error points: the goal.
        b_needs: Fulls after which B had it first; fewer than ``fulls`` where it then stood still.
        a_needs: Fulls after which A has it first; None where A never has.
        ratio: ``b_needs / a_needs``: how many times cheaper A is; 0 where A never reaches the goal.
        low: Lower end of the bootstrap interval of the ratio; 0 where that end is "not reached".
        high: Upper end.
        not_reached: Share of the resamples in which A never reaches the goal. They count as a ratio of 0.
    """

    fulls: int
    regret: float
    b_needs: float
    a_needs: float | None
    ratio: float
    low: float
    high: float
    not_reached: float


@dataclass(frozen=True, eq=False)
class Needs:
    """Fulls that A and B need for the median regret that B has after ``fulls``.

    Attributes:
        fulls: Full trainings of B.
        regret: Its median then, in error points.
        a: For the seeds themselves, then for each resample of them; infinite where A never has that regret.
        b: Of the same.
    """

    fulls: int
    regret: float
    a: Array
    b: Array


def compare_files(a: Path, b: Path) -> dict[str, Any]:
    """Compare two documents of ``nas-moo replay``.

    Raises:
        UserInputError: they are of different tables, or of different seeds.
    """
    (about_a, regret_a), (about_b, regret_b) = read_summary(a), read_summary(b)
    if about_a["judge"] != about_b["judge"]:
        differ = [k for k in about_b["judge"] if about_a["judge"].get(k) != about_b["judge"][k]]
        raise UserInputError(
            "the two replays were judged differently",
            value=", ".join(differ),
            do="Compare replays of one description.",
        )
    if len(regret_a) != len(regret_b):
        raise UserInputError(
            "the two replays have different seeds",
            value=f"{len(regret_a)} and {len(regret_b)}",
            do="Replay both with the same --seeds.",
        )
    grid_a, grid_b = np.array(about_a["fulls"]), np.array(about_b["fulls"])
    return {
        "a": _side(about_a),
        "b": _side(about_b),
        "seeds": len(regret_a),
        "interval": LEVEL,
        "speedups": [asdict(s) for s in speedups(regret_a, grid_a, regret_b, grid_b)],
        "beyond_b": [f for f in CHECKPOINTS if f > grid_b[-1]],
    }


def speedups(regret_a: Array, grid_a: Array, regret_b: Array, grid_b: Array) -> list[Speedup]:
    """One at each checkpoint that B has run.

    Args:
        regret_a: Shape (seeds, points of its grid).
        grid_a: Fulls, ascending.
        regret_b: Of the same seeds.
        grid_b: Fulls, ascending.
    """
    found = []
    for need in needs(regret_a, grid_a, regret_b, grid_b):
        ratios = need.b / need.a
        low, high = np.quantile(ratios[1:], ((1 - LEVEL) / 2, (1 + LEVEL) / 2), method="inverted_cdf")
        found.append(
            Speedup(
                fulls=need.fulls,
                regret=need.regret,
                b_needs=float(need.b[0]),
                a_needs=None if np.isinf(need.a[0]) else float(need.a[0]),
                ratio=float(ratios[0]),
                low=float(low),
                high=float(high),
                not_reached=float((ratios[1:] == 0).mean()),
            )
        )
    return found


def needs(regret_a: Array, grid_a: Array, regret_b: Array, grid_b: Array) -> list[Needs]:
    """What both need for B's median regret at each checkpoint that B has run; of the same arguments as ``speedups``."""
    seeds = len(regret_a)
    draws = np.random.default_rng(0).integers(seeds, size=(RESAMPLES, seeds))
    medians = [(np.median(regret_a[d], axis=0), np.median(regret_b[d], axis=0)) for d in (np.arange(seeds), *draws)]
    found = []
    for fulls in (f for f in CHECKPOINTS if f <= grid_b[-1]):
        place = int(np.searchsorted(grid_b, fulls, side="right")) - 1
        a, b = (
            np.array([_first(pair[side], grid, pair[1][place]) for pair in medians])
            for side, grid in enumerate((grid_a, grid_b))
        )
        found.append(Needs(fulls, float(medians[0][1][place]), a, b))
    return found


def _first(curve: Array, grid: Array, goal: float) -> float:
    """Fulls after which the curve is first as low as the goal; infinite where it never is."""
    reached = np.flatnonzero(curve <= goal)
    return float(grid[reached[0]]) if len(reached) else float("inf")


def _side(about: dict[str, Any]) -> dict[str, Any]:
    return {key: about[key] for key in ("sampler", "population", "pruner", "quantile", "trials") if key in about}
