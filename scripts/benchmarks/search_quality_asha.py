"""MO-ASHA (Schmucker et al. 2021, arXiv 2106.12639) as an arm of ``search_quality``: one worker, on recorded curves.

Promotion is by non-dominated sorting and crowding, the paper's NSGA-II variant; the costs, known from the start, take
part in every sorting. A promoted training goes on from where it stopped, so it costs only the epochs that it adds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from search_quality_ask import start_design

from nas_moo.pareto import Array, crowding, ranks, scaled
from nas_moo.replay.table import RecordedTable
from nas_moo.replay.trace import Trace

ETA = 3
_ROUNDING = 1e-9


def rungs(epochs: Array) -> list[int]:
    """Places on the curve where trainings stop: the last, and down from it each that costs a third of the one above."""
    found = [len(epochs) - 1]
    while len(below := np.flatnonzero(epochs <= epochs[found[0]] / ETA)):
        found.insert(0, int(below[-1]))
    return found


def mo_asha(table: RecordedTable, seed: int, trials: int) -> Trace:
    """One search, until the next step would cost more than ``trials`` full trainings in all."""
    ladder, spent = Ladder(table, seed), 0.0
    rows, fulls, complete, proposing, asked = [], [], [], [], []
    while True:
        begun = time.process_time()
        step = ladder.next()
        if step is None or spent + ladder.cost(step[1]) > trials + _ROUNDING:
            break
        row, rung = step
        ladder.train(row, rung)
        spent += ladder.cost(rung)
        rows.append(row)
        fulls.append(ladder.cost(rung))
        complete.append(rung == len(ladder.rungs) - 1)
        proposing.append(time.process_time() - begun)
        asked.append(len(ladder.rungs[0].rows))
    return Trace(
        seed=seed,
        rows=np.array(rows, dtype=np.intp),
        fulls=np.array(fulls),
        complete=np.array(complete, dtype=bool),
        proposing=np.array(proposing),
        asked=np.array(asked, dtype=np.intp),
        duplicates=0,
    )


@dataclass
class Rung:
    """Where trainings stop until they are promoted.

    Attributes:
        place: On the curve.
        rows: That were trained up to it.
        promoted: Those among them that went on.
    """

    place: int
    rows: list[int] = field(default_factory=list)
    promoted: set[int] = field(default_factory=set)


class Ladder:
    """Who is trained next, and up to which rung."""

    def __init__(self, table: RecordedTable, seed: int) -> None:
        self._table, self._rng = table, np.random.default_rng(seed)
        self.rungs = [Rung(place) for place in rungs(table.epochs)]
        self._costs = scaled(table.costs, [c.log for c in table.described])
        self._new = np.ones(len(table), dtype=bool)
        self._start = start_design(table.genome, seed)

    def next(self) -> tuple[int, int] | None:
        """A row and its rung: a promotion as far up as there is one, otherwise a new row; None where none is left."""
        for number in range(len(self.rungs) - 2, -1, -1):
            rung = self.rungs[number]
            best = self._best_first(rung)[: len(rung.rows) // ETA]
            row = next((r for r in best if r not in rung.promoted), None)
            if row is not None:
                return row, number + 1
        if not self._new.any():
            return None
        if self._start:
            return self._table.answer(self._start.pop(0), ~self._new), 0
        return int(self._rng.choice(np.flatnonzero(self._new))), 0

    def train(self, row: int, rung: int) -> None:
        """The row was trained up to the rung."""
        self._new[row] = False
        self.rungs[rung].rows.append(row)
        if rung:
            self.rungs[rung - 1].promoted.add(row)

    def cost(self, rung: int) -> float:
        """Of training up to a rung from the one below, in full trainings."""
        before = self._table.share(self.rungs[rung - 1].place + 1) if rung else 0.0
        return self._table.share(self.rungs[rung].place + 1) - before

    def _best_first(self, rung: Rung) -> list[int]:
        if not rung.rows:
            return []
        rows = np.array(rung.rows)
        values = np.column_stack([self._table.errors[rows, rung.place], self._costs[rows]])
        return [int(r) for r in rows[_order(values)]]


def _order(values: Array) -> NDArray[np.intp]:
    """Lower rank first, of a rank the less crowded first."""
    rank, distance = ranks(values), np.zeros(len(values))
    for level in np.unique(rank):
        distance[rank == level] = crowding(values[rank == level])
    return np.lexsort((-distance, rank))
