"""Trains the rows of a table as far as a rule lets them: the same rules, control arm and reaction as in a live study.

A recorded table also knows what the pruned trainings would have ended with, so what a rule cut wrongly is counted
beside what the control arm says of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_moo.pareto import Array
from nas_moo.pruners import FinishedCurves, Pruner, Rule, Verdict
from nas_moo.pruners.base import is_checked, is_comparable, may_wait
from nas_moo.pruners.control import (
    Control,
    ControlReport,
    at_level,
    cautious_level,
    is_control,
    is_dominated,
    judge_controls,
)
from nas_moo.pruners.never import NeverPruner
from nas_moo.replay.table import RecordedTable


@dataclass(frozen=True, eq=False)
class Pruning:
    """How a replayed search prunes.

    Attributes:
        pruner: Fitted anew whenever a training has finished.
        quantile: That was asked for; None for a pruner without.
        control_share: Of the stopped trainings that go on; None: a quarter, and later a twentieth.
        thaw: Pruned trainings go on where the rule, fitted anew, would no longer stop them, or the sampler wants them.
        outbid: Where they can, a training may be given up for now in favour of a new one that promises more.
    """

    pruner: Pruner = field(default_factory=NeverPruner)
    quantile: float | None = None
    control_share: float | None = None
    thaw: bool = False
    outbid: bool = True


@dataclass(frozen=True, eq=False)
class Decision:
    """A decision to stop a training.

    Attributes:
        points: Of the curve that it had then.
        control: It was overruled, and the training went on.
        level: How often the rule had turned more cautious before.
        rival: Row of the finished training that was better at costs no higher; None where the rule names none.
        finished: How many trainings the rule stood on.
        outbid: The rule would have let it go on; the sampler gave it up for now.
    """

    verdict: Verdict
    points: int
    control: bool
    level: int
    rival: int | None
    finished: int
    outbid: bool = False


@dataclass(frozen=True, eq=False)
class Training:
    """What was trained of one row.

    Attributes:
        points: Of its curve that it has now.
        fulls: What that cost, in full trainings.
        verdict: After which it was given up; None where it is complete.
        decision: To give it up, followed or overruled; None where there was none.
    """

    row: int
    points: int
    fulls: float
    verdict: Verdict | None
    decision: Decision | None = None


@dataclass(frozen=True, eq=False)
class PruningTrace:
    """What pruning did in one search.

    Attributes:
        pruned: Rows that were given up and did not go on, those that were outbid among them.
        points: Of the curve of each that were trained.
        report: What the control arm says.
        level: How often the rule had turned more cautious.
        thawed: Trainings that went on after they had been given up.
        outbid: How many of the rows given up the rule would have let go on.
        wrong: Of what the rule stopped, controls included, those that end non-dominated among the complete ones.
        stopped: How many it stopped.
    """

    pruned: NDArray[np.intp]
    points: NDArray[np.intp]
    report: ControlReport
    level: int
    thawed: int
    outbid: int
    wrong: int
    stopped: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the report, and the truth beside it."""
        truth = {"stopped": self.stopped, "nondominated": self.wrong}
        counted = {"level": self.level, "thawed": self.thawed, "outbid": self.outbid}
        return {**self.report.to_dict(), **counted, "truth": truth}


class Trainer:
    """Trains rows, and keeps what finished and what was given up.

    Args:
        table: It answers.
        pruning: When trainings are given up.
        seed: Of the coins of the control arm.
        goes_on: The sampler's say: row, points of its curve, share of the training that is left.
    """

    def __init__(
        self,
        table: RecordedTable,
        pruning: Pruning,
        seed: int,
        goes_on: Callable[[int, int, float], bool] = lambda *_: True,
    ) -> None:
        self._table, self._pruning, self._seed, self._goes_on = table, pruning, seed, goes_on
        self._finished, self._controls = list[int](), list[Control]()
        self._pruned: dict[int, int] = {}  # row to points
        self._outbid = set[int]()
        self._level, self._thawed = 0, 0
        self._rule: Rule | None = None

    def train(self, row: int, number: int, *, wanted: bool = False) -> Training:
        """Train a row until the rule stops it, or to its end.

        Args:
            row: Of the table.
            number: Of the training.
            wanted: The sampler proposes it: what it takes up again is not stopped again by the rule, which knows less.
        """
        before, last = self._pruned.pop(row, 0), self._table.errors.shape[1]
        self._thawed += before > 0
        self._outbid.discard(row)
        decision: Decision | None = None
        for points in range(before + 1, last):
            verdict = self._verdict(row, points)
            if verdict.stop and not (wanted and before):
                control = is_control(self._seed, number, len(self._controls), self._pruning.control_share)
                decision = self._decision(verdict, points, control=control)
                if not control:
                    self._pruned[row] = points
                    return Training(row, points, self._cost(before, points), verdict, decision)
                break
            if self._is_outbid(row, points, verdict):
                self._pruned[row] = points
                self._outbid.add(row)
                decision = self._decision(verdict, points, outbid=True)
                return Training(row, points, self._cost(before, points), verdict, decision)
        bound = None if decision is None else decision.verdict.evidence.get("bound")
        self._finish(row, stopped=decision is not None, bound=bound)
        return Training(row, last, self._cost(before, last), None, decision)

    def thaw(self) -> int | None:
        """A row that was given up and that the rule would let go on by now; None where there is none."""
        if not self._pruning.thaw:
            return None
        for row, points in self._pruned.items():
            if row not in self._outbid and not self._verdict(row, points).stop:
                return row
        return None

    def predicted(self, training: Training) -> float | None:
        """Of a pruned training, the final error that its rule expects; None where it expects none."""
        expected = None if training.verdict is None else training.verdict.evidence.get("predicted")
        return None if expected is None else float(expected)

    def trace(self) -> PruningTrace:
        """What pruning did so far."""
        rows = np.array(list(self._pruned), dtype=np.intp)
        complete = self._curves(np.array(self._finished, dtype=np.intp))
        by_rule = [row for row in self._pruned if row not in self._outbid]
        report = judge_controls(complete, self._controls, len(by_rule))
        wrong = report.nondominated.hits + sum(self._is_wrong(row) for row in by_rule)
        stopped = len(by_rule) + len(self._controls)
        points = np.array(list(self._pruned.values()), dtype=np.intp)
        return PruningTrace(rows, points, report, self._level, self._thawed, len(self._outbid), wrong, stopped)

    def _is_outbid(self, row: int, points: int, verdict: Verdict) -> bool:
        if not (self._pruning.thaw and self._pruning.outbid) or not is_comparable(verdict):
            return False
        if not is_checked(points, self._table.epochs) or not may_wait(len(self._outbid), len(self._finished)):
            return False
        return not self._goes_on(row, points, 1.0 - self._table.share(points))

    def _verdict(self, row: int, points: int) -> Verdict:
        if self._rule is None:
            finished = self._curves(np.array(self._finished, dtype=np.intp))
            self._rule = at_level(self._pruning.pruner, self._level).fit(finished)
        costs = self._table.costs[row]
        return self._rule.decide(self._table.errors[row, :points], costs, costs)

    def _decision(self, verdict: Verdict, points: int, *, control: bool = False, outbid: bool = False) -> Decision:
        place = verdict.evidence.get("rival")
        rival = None if place is None else self._finished[int(place)]
        return Decision(verdict, points, control, self._level, rival, len(self._finished), outbid)

    def _finish(self, row: int, *, stopped: bool, bound: float | None) -> None:
        self._finished.append(row)
        self._rule = None
        if stopped:
            self._controls.append(Control(len(self._finished) - 1, bound, self._level))
            complete = self._curves(np.array(self._finished, dtype=np.intp))
            self._level = cautious_level(complete, self._controls, self._pruning.quantile)

    def _is_wrong(self, row: int) -> bool:
        """Whether no complete training would dominate it, had it been trained."""
        return not is_dominated(self._curves(np.array([*self._finished, row], dtype=np.intp)), len(self._finished))

    def _cost(self, before: int, after: int) -> float:
        return self._table.share(after) - (self._table.share(before) if before else 0.0)

    def _curves(self, rows: NDArray[np.intp]) -> FinishedCurves:
        costs: Array = self._table.costs[rows]
        return FinishedCurves(self._table.epochs, self._table.errors[rows], costs, costs)
