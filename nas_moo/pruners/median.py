"""The median rule, on error alone: blind to costs, so it gives up the small networks, too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nas_moo.measurement import counted
from nas_moo.pareto import Array
from nas_moo.pruners.base import FinishedCurves, Verdict, check_curve
from nas_moo.pruners.curves import CurveModel
from nas_moo.pruners.rank import START, expected, first_point

BLIND = (
    "It looks at the error alone. On recorded tables that gives up the small networks, which train slowly and are on "
    "the front because they are small: up to 13 of 29 members of the front were lost. Use front or rank."
)


@dataclass(frozen=True)
class MedianPruner:
    """Gives up what is worse than the median of the finished trainings at the same epoch (Golovin et al. 2017)."""

    name = "median"
    caution = BLIND

    def fit(self, finished: FinishedCurves) -> MedianRule:
        """See ``Pruner``."""
        return MedianRule(finished)

    def cautious(self) -> MedianPruner:
        """Itself."""
        return self


@dataclass(frozen=True, eq=False)
class MedianRule:
    """``MedianPruner``, fitted."""

    finished: FinishedCurves

    @cached_property
    def _medians(self) -> Array:
        best = np.minimum.accumulate(self.finished.curves, axis=1)
        return np.asarray(np.median(best, axis=0))

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
        if not first_point(epochs) <= point < len(epochs) - 1:
            return Verdict(False, "this epoch is not judged", seen)
        bound, best = float(self._medians[point]), float(curve.min())
        seen["threshold"] = bound
        if best <= bound:
            told = f"the lowest error, {self.finished.told(best)}, is within the median of the finished trainings"
            return Verdict(False, told, seen)
        return Verdict(
            True,
            f"the lowest error after {counted(epochs[point], 'epoch')}, {self.finished.told(best)}, is above the "
            f"median of the finished trainings, {self.finished.told(bound)}",
            seen | expected(self._model, curve, low, high),
        )
