"""What ``pruning_quality`` has run: searches as ``search_quality`` records them, and beside each a row of its cuts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from search_quality_record import Search, finished

from nas_moo.replay.judge import Judge
from nas_moo.replay.table import RecordedTable
from nas_moo.replay.trace import Trace


@dataclass(frozen=True)
class Cuts:
    """What pruning did in one search.

    Attributes:
        trained: Distinct architectures.
        pruned: Of those, given up for good by the rule, or outbid and not taken up again.
        thawed: Went on after they had been given up.
        stopped: Given up for good by the rule, and controls.
        wrong: Of those, that end non-dominated among the complete ones: the truth.
        controls: Trained on although they were stopped.
        nondominated: Of those, by the same measure.
        bounded: Controls with a bound.
        below: Of those, that ended below it.
        covered: Whether the Wilson interval of the controls holds the share of the wrong.
        front_pruned: Share of the true front that was given up for good.
        volume_lost: Share of the true front's hypervolume that complete and pruned trainings have together, and the
            complete ones alone have not.
        level: How often the rule had turned more cautious.
    """

    table: str
    arm: str
    seed: int
    trials: int
    trained: int
    pruned: int
    thawed: int
    stopped: int
    wrong: int
    controls: int
    nondominated: int
    bounded: int
    below: int
    covered: bool
    front_pruned: float
    volume_lost: float
    level: int


@dataclass(frozen=True)
class Outcome:
    """One search, and its cuts."""

    search: Search
    cuts: Cuts


def outcome(table: RecordedTable, arm: str, trials: int, trace: Trace) -> Outcome:
    """A search as it is recorded."""
    told = trace.pruning
    if told is None:
        raise ValueError(f"{arm} pruned nothing")
    low, high = told.report.nondominated.interval
    judge = Judge(table)
    everything = np.concatenate([trace.rows[trace.complete], told.pruned])
    alone = float(judge.hypervolume(trace)[-1])
    whole = float(judge.hypervolume(_complete(trace.seed, everything))[-1])
    cuts = Cuts(
        table=table.name,
        arm=arm,
        seed=trace.seed,
        trials=trials,
        trained=len(set(trace.rows.tolist())),
        pruned=len(told.pruned),
        thawed=told.thawed,
        stopped=told.stopped,
        wrong=told.wrong,
        controls=told.report.nondominated.n,
        nondominated=told.report.nondominated.hits,
        bounded=told.report.below.n,
        below=told.report.below.hits,
        covered=not told.stopped or low <= told.wrong / told.stopped <= high,
        front_pruned=float(np.isin(table.front, told.pruned).mean()),
        volume_lost=whole - alone,
        level=told.level,
    )
    return Outcome(finished(table, arm, trials, trace), cuts)


class CutsRecord:
    """The cuts of all searches, in a CSV file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frame = pd.read_csv(path) if path.is_file() else pd.DataFrame()

    def add(self, cuts: Cuts) -> None:
        """Write those of one search, in the place of an earlier one of the same seed."""
        row = pd.DataFrame([asdict(cuts)])
        self.frame = pd.concat([self.frame, row]).drop_duplicates(["table", "arm", "seed"], keep="last")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.frame.sort_values(["table", "arm", "seed"]).to_csv(self.path, index=False, float_format="%.5g")

    def of(self, arm: str) -> pd.DataFrame:
        """The rows of an arm."""
        return self.frame[self.frame["arm"] == arm] if len(self.frame) else self.frame


def _complete(seed: int, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Trace:
    n = len(rows)
    return Trace(seed, rows, np.ones(n), np.ones(n, dtype=bool), np.zeros(n), np.arange(n), 0)
