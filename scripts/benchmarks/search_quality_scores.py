"""What ``search_quality`` judges by: regret over fulls, and how many times fewer fulls one arm needs than another.

A ratio is that of ``nas-moo replay --compare``: the fulls that the peer needed, divided by those that ours needs, for
the median regret that the peer has at a checkpoint. Where ours never has it, its trials stand for its need: the ratio
is then at most that, and so is every mean that contains it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from search_quality_record import Search

from nas_moo.pareto import Array
from nas_moo.replay.compare import CHECKPOINTS, LEVEL, needs
from nas_moo.replay.judge import Judge, on_grid


@dataclass(frozen=True, eq=False)
class Curves:
    """The regret of one arm on one table.

    Attributes:
        seeds: Of the searches.
        regret: After 1, 2, 3 ... fulls, in error points, shape (seeds, fulls).
        cpu_ms: A proposal, the mean.
        same: Every seed would give this one search.
    """

    arm: str
    seeds: tuple[int, ...]
    regret: Array
    cpu_ms: float
    same: bool = False

    @property
    def fulls(self) -> int:
        """How far it was run."""
        return int(self.regret.shape[1])

    def quartiles(self, fulls: int) -> tuple[float, float, float]:
        """Lower quartile, median, upper quartile over the seeds."""
        low, middle, high = np.quantile(self.regret[:, fulls - 1], (0.25, 0.5, 0.75))
        return float(low), float(middle), float(high)

    def of(self, seeds: Sequence[int]) -> Array:
        """The regret of some seeds, in this order."""
        return self.regret[[0] * len(seeds) if self.same else [self.seeds.index(s) for s in seeds]]


@dataclass(frozen=True, eq=False)
class Ratio:
    """How many times fewer fulls ours needs than a peer.

    Attributes:
        fulls: The checkpoint of the peer.
        values: In the seeds themselves, then in each resample of them.
        reached: Whether ours has the peer's regret at all, for each value; where not, the value is an upper bound.
        peer: Its arm; None where there are several.
        seeds: That both have; the fewest, where there are several tables.
    """

    fulls: int
    values: Array
    reached: Array
    peer: str | None
    seeds: int

    @property
    def interval(self) -> tuple[float, float]:
        """The paired bootstrap interval."""
        low, high = np.quantile(self.values[1:], ((1 - LEVEL) / 2, (1 + LEVEL) / 2), method="inverted_cdf")
        return float(low), float(high)


def curves(judge: Judge, searches: Sequence[Search], *, same: bool = False) -> Curves:
    """The regret of an arm's searches on a table, as far as all of them were run."""
    grid = np.arange(1, min(s.trials for s in searches) + 1, dtype=float)
    traces = [s.trace() for s in searches]
    return Curves(
        arm=searches[0].arm,
        seeds=tuple(s.seed for s in searches),
        regret=np.array([on_grid(judge.regret(t), t.fulls, grid) for t in traces]),
        cpu_ms=float(np.mean([s.cpu_ms for s in searches])),
        same=same,
    )


def ratios(ours: Curves, peer: Curves) -> dict[int, Ratio]:
    """One at each checkpoint that the peer has run, over the seeds that both have."""
    seeds = [s for s in ours.seeds if peer.same or s in peer.seeds]
    if not seeds:
        return {}
    a, b = ours.of(seeds), peer.of(seeds)
    grids = (np.arange(1, side.shape[1] + 1, dtype=float) for side in (a, b))
    found = {}
    for need in needs(a, next(grids), b, next(grids)):
        reached = np.isfinite(need.a)
        values = need.b / np.where(reached, need.a, ours.fulls)
        found[need.fulls] = Ratio(need.fulls, values, reached, peer.arm, len(seeds))
    return found


def best_peer(peers: Sequence[Curves], fulls: int) -> Curves | None:
    """The peer of the lowest median regret after so many fulls; None where none was run so far."""
    run = [p for p in peers if p.fulls >= fulls]
    return min(run, key=lambda p: p.quartiles(fulls)[1], default=None)


def against_best(ours: Curves, peers: Sequence[Curves]) -> dict[int, Ratio]:
    """At each checkpoint, against the peer that is then the best on this table."""
    found = {}
    for fulls in CHECKPOINTS:
        peer = best_peer(peers, fulls)
        ratio = None if peer is None else ratios(ours, peer).get(fulls)
        if ratio is not None:
            found[fulls] = ratio
    return found


def mean_ratio(by_table: Mapping[str, Ratio], family: Mapping[str, str]) -> Ratio:
    """The geometric mean over tables, each family of tables counting once.

    Args:
        by_table: Table name to ratio, all at one checkpoint.
        family: Table name to family; it may name more tables.
    """
    families = [family[name] for name in by_table]
    weights = np.array([1 / (families.count(f) * len(set(families))) for f in families])
    each = list(by_table.values())
    return Ratio(
        fulls=each[0].fulls,
        values=np.exp(weights @ np.log([r.values for r in each])),
        reached=np.all([r.reached for r in each], axis=0),
        peer=None,
        seeds=min(r.seeds for r in each),
    )
