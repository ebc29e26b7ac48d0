"""Pruners that are arms of ``pruning_quality`` alone: OptunaHub's idea, and one that knows the future."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from nas_moo.pareto import Array, ranks
from nas_moo.pruners import FinishedCurves, Verdict
from nas_moo.pruners.base import check_curve
from nas_moo.pruners.curves import CurveModel
from nas_moo.pruners.rank import START, expected, first_point
from nas_moo.pruners.rivals import Rivals
from nas_moo.replay.table import RecordedTable


@dataclass(frozen=True)
class JointRankPruner:
    """Gives up what is of a worse Pareto rank than the median of the finished at the same epoch.

    The idea of OptunaHub's ``multi_metric_pruner``, implemented anew: at each epoch trainings are ranked by Pareto
    dominance of their errors and costs, and the median rule decides on the ranks. The original also ranks trainings
    that were given up; here, as in all rules, only the finished ones.
    """

    name = "joint-rank"
    caution = None

    def fit(self, finished: FinishedCurves) -> JointRankRule:
        """See ``Pruner``."""
        return JointRankRule(finished)

    def cautious(self) -> JointRankPruner:
        """Itself."""
        return self


@dataclass(frozen=True, eq=False)
class JointRankRule:
    """``JointRankPruner``, fitted."""

    finished: FinishedCurves
    _models: list[CurveModel] = field(default_factory=list)

    def decide(self, curve: Array, low: Array, high: Array) -> Verdict:
        """See ``Rule``."""
        check_curve(curve, low, high, self.finished)
        epochs, point = self.finished.epochs, len(curve) - 1
        seen = {"epoch": float(epochs[point]), "last_error": float(curve[-1]), "finished": len(self.finished)}
        if len(self.finished) < START or not first_point(epochs) <= point < len(epochs) - 1:
            return Verdict(False, "this epoch is not judged", seen)
        others = np.column_stack([self.finished.curves[:, point], self.finished.high])
        found = ranks(np.vstack([others, [curve[-1], *high]]))
        if found[-1] <= np.median(found[:-1]):
            return Verdict(False, "its rank is within the median", seen)
        if not self._models:
            self._models.append(CurveModel(self.finished))
        return Verdict(True, "its rank is above the median", seen | expected(self._models[0], curve, low, high))


@dataclass(frozen=True, eq=False)
class KnowingPruner:
    """Knows what every training of a table ends with, and gives up at once what a finished one will dominate.

    No rule of this kind can save more without harm, so it shows how much there is to be saved.
    """

    table: RecordedTable
    name = "knowing"
    caution = None

    def fit(self, finished: FinishedCurves) -> KnowingRule:
        """See ``Pruner``."""
        return KnowingRule(self.table, finished)

    def cautious(self) -> KnowingPruner:
        """Itself."""
        return self


@dataclass(frozen=True, eq=False)
class KnowingRule:
    """``KnowingPruner``, fitted."""

    table: RecordedTable
    finished: FinishedCurves

    @cached_property
    def _rivals(self) -> Rivals:
        return Rivals(self.finished)

    def decide(self, curve: Array, low: Array, high: Array) -> Verdict:
        """See ``Rule``."""
        if len(self.finished) < START:
            return Verdict(False, "too few finished trainings")
        rival = self._rivals.best(self.finished.final.copy(), high)
        if rival is None:
            return Verdict(False, "no finished training is as cheap")
        same = (self.table.errors[:, : len(curve)] == curve).all(axis=1) & (self.table.costs == low).all(axis=1)
        end, best = float(self.table.errors[same.argmax(), -1]), float(self.finished.final[rival])
        seen = {"predicted": end, "spread": 1e-3, "bound": end, "rival": rival, "rival_error": best}
        return Verdict(end > best, "it is known", seen)
