"""The trace that a replayed search leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas_moo.pareto import Array
from nas_moo.replay.pruning import PruningTrace, Training
from nas_moo.replay.table import RecordedTable


@dataclass(frozen=True, eq=False)
class Trace:
    """What one search did, a value for each trained trial unless said otherwise.

    Attributes:
        seed: Of the sampler.
        rows: Of the table, in the order of training.
        fulls: Cost of each training, in full trainings.
        complete: Whether it was trained to its end.
        proposing: CPU seconds of ask and tell, Optuna's own bookkeeping included.
        asked: How many distinct architectures' costs the sampler had asked for by then.
        duplicates: Proposals in all that the sampler drew although they had been trained.
        pruning: What pruning did; None where nothing could.
        trainings: The same with every decision to stop one; empty where the trace was read from elsewhere.
    """

    seed: int
    rows: NDArray[np.intp]
    fulls: Array
    complete: NDArray[np.bool_]
    proposing: Array
    asked: NDArray[np.intp]
    duplicates: int
    pruning: PruningTrace | None = None
    trainings: tuple[Training, ...] = ()

    def seconds(self, table: RecordedTable) -> Array | None:
        """Seconds of training, timing and proposing of each trial; None where the table has none."""
        if table.seconds is None:
            return None
        timed = np.diff(self.asked, prepend=0)
        return np.asarray(table.seconds[self.rows] * self.fulls + timed * table.timing_seconds + self.proposing)
