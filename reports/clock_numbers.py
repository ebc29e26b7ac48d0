"""Where a study's time went: who worked when, and how many seconds each stage took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas_moo.evaluation import STATES
from nas_moo.pareto import Array
from nas_moo.results import StudyResult

STAGE = "seconds_"
CUT = 0.02  # of the time at work: a pause of all workers that is longer is left out
STAGE_COLUMNS = ("stage", "seconds", "share", "trials", "median", "p95")
BAR_COLUMNS = ("number", "worker", "begin", "end", "state")
WORKER_COLUMNS = ("worker", "trials", "begin", "span", "busy")


@dataclass(frozen=True, eq=False)
class Clock:
    """The seconds of a study.

    Attributes:
        stages: A row a stage, by falling seconds: ``stage, seconds``, its ``share`` of all, in how many ``trials`` it
            took any, their ``median`` and 95th percentile ``p95``.
        by_state: Seconds, a row a stage in the same order, a column a state that took any.
        trials: How many trials have seconds.
        bars: A row a trial that has a start and seconds: ``number, worker`` (its row in ``workers``), ``begin`` and
            ``end`` in seconds since the first one began, long pauses of all workers left out, and ``state``.
        open: As ``bars``, of trials that began and have no seconds: they run, or were cut off.
        workers: A row a worker, in the order in which they began: its name, ``trials``, ``begin`` (as in ``bars``),
            ``span`` (from its first trial's begin to its last one's end) and how much of that it was ``busy``.
        pauses: A row a pause that is left out: where, as in ``bars``, and its seconds. Shape (pauses, 2).
        wall: Seconds in which any worker was at work.
        to_the_second: Begins are stored no finer, by earlier versions.
        known: By stage, in how many trials all of its measurements were known when it began: from another trial of
            the same network, or from a sampler that asks for costs.
        duplicates: Trials that another worker's made needless, and the seconds that they took.
    """

    stages: pd.DataFrame
    by_state: pd.DataFrame
    trials: int
    bars: pd.DataFrame
    open: pd.DataFrame
    workers: pd.DataFrame
    pauses: Array
    wall: float
    to_the_second: bool
    known: dict[str, int]
    duplicates: tuple[int, float]

    @property
    def seconds(self) -> float:
        """Of all stages and workers."""
        return float(self.stages["seconds"].sum())

    def of(self, stage: str) -> float:
        """Seconds of one stage; 0 where there is none."""
        return float(self.stages.loc[self.stages["stage"] == stage, "seconds"].sum())

    @property
    def idle(self) -> float:
        """Seconds of all workers between two of their trials."""
        return float((self.workers["span"] - self.workers["busy"]).sum())

    @property
    def idle_share(self) -> float:
        """Of the time from each worker's first trial to the end of its last."""
        span = float(self.workers["span"].sum())
        return self.idle / span if span > 0 else 0.0


def gather(result: StudyResult) -> Clock | None:
    """Collect the seconds; None where no trial has any."""
    trials = result.trials.sort_values("number").reset_index(drop=True)
    seconds = _seconds(trials)
    took = seconds.sum(axis=1).to_numpy()
    if not took.sum() > 0:
        return None
    stages = _stages(seconds)
    by_state = seconds.groupby(trials["state"]).sum()
    order = [s for s in STATES if s in by_state.index and by_state.loc[s].sum() > 0]
    bars, open_, workers, pauses = _placed(trials, took)
    duplicate = (trials["state"] == "duplicate").to_numpy()
    return Clock(
        stages=stages,
        by_state=by_state.loc[order, stages["stage"]].T,
        trials=int((took > 0).sum()),
        bars=bars,
        open=open_,
        workers=workers,
        pauses=pauses,
        wall=float(bars["end"].max()) if len(bars) else 0.0,
        to_the_second=not trials["started"].str.contains(".", regex=False).any(),
        known=_known(result, trials, seconds),
        duplicates=(int(duplicate.sum()), float(took[duplicate].sum())),
    )


def _seconds(trials: pd.DataFrame) -> pd.DataFrame:
    """A column a stage, 0 where it was not reached; of studies without stages one that is named so."""
    stages = [c for c in trials.columns if c.startswith(STAGE)]
    if not stages:
        return trials[["seconds"]].astype(float).fillna(0.0).rename(columns={"seconds": "all stages"})
    return trials[stages].astype(float).fillna(0.0).rename(columns=lambda c: c.removeprefix(STAGE))


def _stages(seconds: pd.DataFrame) -> pd.DataFrame:
    total = float(seconds.sum().sum())
    rows = []
    for stage, column in seconds.items():
        reached = column[column > 0]
        if len(reached):
            own = float(reached.sum())
            rows.append((stage, own, own / total, len(reached), float(reached.median()), float(reached.quantile(0.95))))
    table = pd.DataFrame(rows, columns=list(STAGE_COLUMNS))
    return table.sort_values("seconds", ascending=False, kind="stable").reset_index(drop=True)


def _placed(trials: pd.DataFrame, took: Array) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, Array]:
    """Bars, trials without an end, workers, and the pauses that are left out."""
    started = pd.to_datetime(trials["started"], utc=True, format="ISO8601", errors="coerce")
    since = (started - started.min()).dt.total_seconds().to_numpy(dtype=float)
    known = np.isfinite(since)
    rows = pd.DataFrame(
        {
            "number": trials["number"], "worker": trials["worker"], "begin": since, "end": since + took,
            "state": trials["state"], "took": took,
        }
    )  # fmt: skip
    shown = rows[known & ((took > 0) | rows["state"].isin(["running", "interrupted"]))]
    shown = shown.sort_values(["begin", "number"], kind="stable")
    workers = shown.groupby("worker", sort=False).agg(
        trials=("number", "size"), begin=("begin", "min"), end=("end", "max"), busy=("took", "sum")
    )
    cuts = _pauses(workers[["begin", "end"]].to_numpy(dtype=float))
    place = {name: row for row, name in enumerate(workers.index)}
    moved = [
        frame.assign(
            worker=frame["worker"].map(place).astype(int), begin=_moved(frame["begin"], cuts),
            end=_moved(frame["end"], cuts),
        )[list(BAR_COLUMNS)].reset_index(drop=True)
        for frame in (shown[shown["took"] > 0], shown[shown["took"] == 0])
    ]  # fmt: skip
    table = workers.assign(span=workers["end"] - workers["begin"], begin=_moved(workers["begin"], cuts))
    # Starts of older studies are cut to the second, so that a trial may seem to begin before the last one's end.
    table["busy"] = np.minimum(table["busy"], table["span"])
    pauses = np.column_stack([_moved(pd.Series(cuts[:, 0]), cuts), cuts[:, 1] - cuts[:, 0]])
    return moved[0], moved[1], table.reset_index()[list(WORKER_COLUMNS)], pauses


def _pauses(spans: Array) -> Array:
    """Begin and end of the long times in which no worker was at work, shape (pauses, 2)."""
    if not len(spans):
        return np.zeros((0, 2))
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    until = np.maximum.accumulate(spans[:, 1])[:-1]
    gaps = np.column_stack([until, spans[1:, 0]])
    lengths = np.maximum(gaps[:, 1] - gaps[:, 0], 0.0)
    at_work = spans[:, 1].max() - spans[:, 0].min() - lengths.sum()
    return np.asarray(gaps[lengths > CUT * at_work])


def _moved(times: pd.Series, cuts: Array) -> NDArray[np.float64]:
    """Times without the pauses before them."""
    at, lengths = times.to_numpy(dtype=float), cuts[:, 1] - cuts[:, 0]
    before = np.concatenate([[0.0], np.cumsum(lengths)])
    return np.asarray(at - before[np.searchsorted(cuts[:, 1], at, side="right")])


def _known(result: StudyResult, trials: pd.DataFrame, seconds: pd.DataFrame) -> dict[str, int]:
    """In how many trials the objectives of a stage have values that took no time."""
    found = {}
    for stage in seconds.columns:
        names = [o.name for o in result.objectives if o.stage == stage and o.stage != "trained"]
        if names:
            valued = trials[names].notna().any(axis=1)
            found[str(stage)] = int((valued & (seconds[stage] == 0)).sum())
    return {stage: n for stage, n in found.items() if n}


def shares(clock: Clock, worker: int, bins: int, until: float) -> dict[str, Array]:
    """Which share of each bin a worker spent on trials of each state; of trials that are too many to draw."""
    edges = np.linspace(0.0, until, bins + 1)
    own = clock.bars[clock.bars["worker"] == worker]
    found = {}
    for state, rows in own.groupby("state", sort=False):
        begin, end = rows["begin"].to_numpy(), rows["end"].to_numpy()
        found[str(state)] = np.clip(np.diff(_spent(edges, begin, end)) / (until / bins), 0.0, 1.0)
    return found


def _spent(edges: Array, begin: Array, end: Array) -> Array:
    """Seconds of all bars up to each edge: those that have begun less those that have ended."""
    begun, ended = np.sort(begin), np.sort(end)

    def area(times: Array) -> Array:
        place = np.searchsorted(times, edges, side="right")
        return np.asarray(place * edges - np.concatenate([[0.0], np.cumsum(times)])[place])

    return area(begun) - area(ended)
