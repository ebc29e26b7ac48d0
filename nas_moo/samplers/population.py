"""The population of a steady-state NSGA-II: who is in it, who may breed, and who has to leave.

Feasibility comes before rank, rank before crowding (Deb et al. 2002), in the tournament and in survival alike. A value
known within an interval dominates only where it is distinguishably smaller, so members that differ inside their
intervals tie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_moo.pareto import Array, crowding


@dataclass(frozen=True, eq=False)
class Individual:
    """One finished trial as selection sees it.

    Attributes:
        genes: A value for every gene, inactive ones too.
        values: The objectives, shape (objectives,); not finite where a screened trial never reached one.
        low: Lower ends of their intervals; equal to ``values`` where they are exact.
        high: Upper ends.
        violation: By how much limits are broken, summed; 0 where none is.
        complete: Its values were all measured; a pruned trial's error is a prediction.
        curve: Its errors so far, at the points at which every training has one; empty where they are not known.
        remaining: Share of the training that a pruned trial has before it, should it go on; infinite where it cannot.
    """

    genes: Mapping[str, Any]
    values: Array
    low: Array
    high: Array
    violation: float = 0.0
    complete: bool = True
    curve: tuple[float, ...] = ()
    remaining: float = np.inf


class Population:
    """At most ``size`` individuals; the worst leaves when one too many is added.

    An individual that is not complete never makes a complete one leave.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.members: list[Individual] = []
        self._order: NDArray[np.int64] | None = None

    def add(self, newcomer: Individual) -> Individual | None:
        """Take one in, and let the worst go where there are too many; gives the one that went."""
        self.members.append(newcomer)
        self._order = None
        if len(self.members) <= self.size:
            return None
        removable = [i for i in self.order if newcomer.complete or not self.members[i].complete]
        gone = removable[-1]
        left = self.order[self.order != gone]
        self._order = left - (left > gone)  # the others keep the rank and crowding by which they survived
        return self.members.pop(gone)

    @property
    def order(self) -> NDArray[np.int64]:
        """Places of the members, best first."""
        if self._order is None:
            self._order = _order(self.members)
        return self._order

    def tournaments(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Places of members, each the better of two drawn at random, shape (count,)."""
        return np.asarray(self.order[rng.integers(len(self.members), size=(count, 2)).min(axis=1)])


def _order(members: list[Individual]) -> NDArray[np.int64]:
    """Feasible before infeasible by violation; among the feasible by rank, then the less crowded first."""
    violation = np.array([m.violation for m in members])
    rank = np.zeros(len(members), dtype=np.int64)
    distance = np.zeros(len(members))
    feasible = np.flatnonzero(violation == 0)
    if len(feasible):
        values = np.array([members[i].values for i in feasible])
        rank[feasible] = interval_ranks(
            np.array([members[i].low for i in feasible]), np.array([members[i].high for i in feasible])
        )
        for level in range(rank.max() + 1):
            here = rank[feasible] == level
            distance[feasible[here]] = crowding(values[here])
    return np.lexsort((-distance, rank, violation))


def interval_ranks(low: Array, high: Array) -> NDArray[np.int64]:
    """Fronts peeled off one after another, from 0, where a dominates b only beyond their intervals.

    Args:
        low: Lower ends, shape (points, objectives).
        high: Upper ends.
    """
    not_worse, better = np.ones((len(low), len(low)), dtype=bool), np.zeros((len(low), len(low)), dtype=bool)
    for below, above in zip(low.T, high.T, strict=True):  # by objective: reductions along so short an axis are slow
        not_worse &= below[:, None] <= above
        better |= above[:, None] < below
    dominates: NDArray[np.bool_] = not_worse & better
    ranks = np.full(len(low), -1, dtype=np.int64)
    level = 0
    while (ranks < 0).any():
        left = ranks < 0
        front = left & ~dominates[left].any(axis=0)
        if not front.any():  # ties inside intervals can run in a circle
            front = left
        ranks[front] = level
        level += 1
    return ranks
