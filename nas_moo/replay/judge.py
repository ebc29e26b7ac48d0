"""Judges what a search had found after each training, by what a user would do with it.

**Budget regret**, in error points (hundredths): for ``BUDGETS`` budgets of the table's latency (or its first cost),
spread evenly in the logarithm from the cheapest to the costliest member of the table's true front, a user takes the
model of the lowest validation error within the budget. Regret is its error, minus that of the model that they would
take had everything been trained, averaged over the budgets. Both are test errors where the table has them, and no
higher than the upper end of the box, which is also the score of having no model within the budget. So exhaustive
search has regret 0, and a search may have less on test data: training everything overfits the validation most.

**Hypervolume** of the complete models in the box of the table (error linear, costs from their lowest to their highest
value, in the logarithm where the description says so), divided by that of the table's true front.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas_moo.errors import UserInputError
from nas_moo.pareto import Array, hypervolume, scaled
from nas_moo.replay.table import RecordedTable
from nas_moo.replay.trace import Trace

BUDGETS = 20
POINTS = 100  # error points of a fraction
_ROUNDING = 1e-9  # sums of shares of trainings may miss a whole number by as much


class Judge:
    """Scores traces of one table.

    Attributes:
        budgets: Of the judged cost, ascending.
        picks: The row that a user takes within each budget when everything is trained; -1 where there is none.
    """

    def __init__(self, table: RecordedTable) -> None:
        """Raises ``UserInputError`` where nothing of the true front is inside the box."""
        self._table = table
        self._cost = table.costs[:, table.budget_cost]
        on_front = self._cost[table.front]
        low, high = on_front.min(), on_front.max()
        self.budgets = np.clip(np.geomspace(low, high, BUDGETS), low, high)  # rounding excludes no member
        final = table.errors[:, -1]
        # Of equally good models a user takes the cheaper one, whatever was trained first.
        self._by_rank = np.lexsort((np.arange(len(table)), self._cost, final))
        self._rank = np.argsort(self._by_rank)
        capped = np.minimum(final if table.test is None else table.test, table.box[1])
        self._score_by_rank = np.append(capped[self._by_rank], table.box[1])  # the last: no model
        everything = self._best(np.arange(len(table)))[-1]
        self._reference = self._score_by_rank[everything]
        self.picks = np.append(self._by_rank, -1)[everything]
        self._unit = _unit_box(table)
        self._front_volume = self._volume(table.front)
        if self._front_volume == 0:
            raise UserInputError("the true front is outside the box", value=list(table.box), do="Raise its upper end.")

    def regret(self, trace: Trace) -> Array:
        """Budget regret before the first training and after each, shape (trained + 1,)."""
        best = self._best(np.where(trace.complete, trace.rows, -1))
        return np.asarray((self._score_by_rank[best] - self._reference).mean(axis=1) * POINTS)

    def hypervolume(self, trace: Trace) -> Array:
        """Share of the true front's hypervolume before the first training and after each, shape (trained + 1,)."""
        volumes, front = [0.0], np.zeros(0, dtype=np.intp)
        for row, complete in zip(trace.rows, trace.complete, strict=True):
            point, rivals = self._unit[row], self._unit[front]
            if complete and (point < 1).all() and not (rivals <= point).all(axis=1).any():
                front = np.append(front[~(point <= rivals).all(axis=1)], row)
                volumes.append(self._volume(front) / self._front_volume)
            else:
                volumes.append(volumes[-1])
        return np.array(volumes)

    def _best(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """The best rank within each budget before the first of the rows and after each; a row -1 is no model."""
        none = len(self._table)
        affordable = (rows[:, None] >= 0) & (self._cost[rows][:, None] <= self.budgets)
        ranks = np.where(affordable, self._rank[rows][:, None], none)
        before = np.full((1, len(self.budgets)), none)
        return np.asarray(np.minimum.accumulate(np.vstack([before, ranks]), axis=0))

    def _volume(self, rows: NDArray[np.intp]) -> float:
        return hypervolume(self._unit[rows], np.ones(self._unit.shape[1]))


def on_grid(values: Array, spent: Array, grid: Array) -> Array:
    """A curve over trainings as one over cost: at each point of the grid, the value after what it had paid for.

    Args:
        values: Before the first training and after each.
        spent: What each training cost.
        grid: Costs, ascending. After the last training the curve stays.
    """
    after = np.searchsorted(np.cumsum(spent), grid * (1 + _ROUNDING) + _ROUNDING, side="right")
    return np.asarray(values[after])


def quartiles(curves: Array) -> list[list[float]]:
    """Lower quartile, median and upper quartile over the seeds at each point, from shape (seeds, points)."""
    found: list[list[float]] = np.quantile(curves, (0.25, 0.5, 0.75), axis=0).T.tolist()
    return found


def _unit_box(table: RecordedTable) -> Array:
    """The objectives with the box from 0 to 1; what is better than the box is as good as its edge."""
    values = scaled(table.objectives, [False, *(c.log for c in table.described)])
    low, high = values.min(axis=0), values.max(axis=0)
    low[0], high[0] = table.box
    return np.asarray(np.maximum((values - low) / (high - low), 0.0))
