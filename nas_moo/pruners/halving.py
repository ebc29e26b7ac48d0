"""Halving, on error alone: at each rung the worse half of the finished trainings would not have gone on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nas_moo.measurement import counted
from nas_moo.pareto import Array
from nas_moo.pruners.base import FinishedCurves, Verdict, check_curve
from nas_moo.pruners.curves import CurveModel
from nas_moo.pruners.median import BLIND
from nas_moo.pruners.rank import START, expected, first_point

FACTOR = 2


@dataclass(frozen=True)
class HalvingPruner:
    """Successive halving (Jamieson and Talwalkar 2016), each rung at half the cost of the next.

    The competitors are the finished trainings: those that were given up do not count, so a rung is stricter than in
    the paper. Optuna's own, which counts them, is "optuna:SuccessiveHalvingPruner".
    """

    name = "halving"
    caution = BLIND

    def fit(self, finished: FinishedCurves) -> HalvingRule:
        """See ``Pruner``."""
        return HalvingRule(finished)

    def cautious(self) -> HalvingPruner:
        """Itself."""
        return self


@dataclass(frozen=True, eq=False)
class HalvingRule:
    """``HalvingPruner``, fitted."""

    finished: FinishedCurves

    @cached_property
    def rungs(self) -> dict[int, float]:
        """Points at which trainings are judged, and the largest error of the better half there."""
        epochs = self.finished.epochs
        found, first = {}, first_point(epochs)
        cost = epochs[-1] / FACTOR
        while (point := int((epochs <= cost).sum()) - 1) >= first:
            found[point] = float(np.quantile(self.finished.curves[:, point], 1 / FACTOR, method="lower"))
            cost = epochs[point] / FACTOR
        return found or {first: float(np.quantile(self.finished.curves[:, first], 1 / FACTOR, method="lower"))}

    @cached_property
    def _model(self) -> CurveModel:
        return CurveModel(self.finished)

    def decide(self, curve: Array, low: Array, high: Array) -> Verdict:
        """See ``Rule``."""
        check_curve(curve, low, high, self.finished)
        epochs, n, point = self.finished.epochs, len(self.finished), len(curve) - 1
        seen = {"epoch": float(epochs[point]), "last_error": float(curve[-1]), "finished": n}
        if n < START:
            return Verdict(False, f"too few finished trainings: {n} of {START}", seen)
        if point not in self.rungs or point == len(epochs) - 1:
            return Verdict(False, "this epoch is no rung", seen)
        bound = self.rungs[point]
        seen["threshold"] = bound
        if curve[-1] <= bound:
            return Verdict(False, "the error is among the better half of the finished trainings", seen)
        return Verdict(
            True,
            f"error {self.finished.told(curve[-1])} after {counted(epochs[point], 'epoch')} is in the worse half of "
            f"the finished trainings (above {self.finished.told(bound)})",
            seen | expected(self._model, curve, low, high),
        )
