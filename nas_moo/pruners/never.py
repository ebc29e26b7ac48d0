"""No pruning."""

from __future__ import annotations

from dataclasses import dataclass

from nas_moo.pareto import Array
from nas_moo.pruners.base import FinishedCurves, Verdict, check_curve


@dataclass(frozen=True)
class NeverPruner:
    """Trains everything to its end."""

    name = "never"
    caution = None

    def fit(self, finished: FinishedCurves) -> NeverRule:
        """See ``Pruner``."""
        return NeverRule(finished)

    def cautious(self) -> NeverPruner:
        """Itself."""
        return self


@dataclass(frozen=True)
class NeverRule:
    """Stops nothing."""

    finished: FinishedCurves

    def decide(self, curve: Array, low: Array, high: Array) -> Verdict:
        """See ``Rule``."""
        check_curve(curve, low, high, self.finished)
        return Verdict(False, "nothing is ever stopped", {"finished": len(self.finished)})
