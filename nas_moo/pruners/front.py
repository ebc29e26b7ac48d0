"""Front-aware pruning: given up where even the best final error thought possible would be dominated.

The best final error thought possible is a lower bound from the curve so far, calibrated over whole trajectories: a
training is judged at a few fixed points, its score is the worst scaled residual over them, and the bound is the
quantile of the scores of finished trainings. A bound that is tested at every epoch and then selected by "stop" would
hold nothing. Where a training has one or two intermediate points only, each annealed for itself, there is no curve
to model, and the rule is that of ``rank``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nas_moo.pareto import Array
from nas_moo.pruners.base import FinishedCurves, Rule, Verdict, check_curve, check_quantile, checks
from nas_moo.pruners.curves import MOST_CURVES, CurveModel
from nas_moo.pruners.rank import RankPruner
from nas_moo.pruners.rivals import Rivals

QUANTILE = 0.1
MARGIN = 0.1  # of rank, where there is no curve; what is so cut wrongly may go on later
FEWEST_POINTS = 4  # of a curve that is modelled, the last included
START = 10  # finished trainings
_TIE = 1e-9  # of the rival's error: what is nearer is as good, and the rest rounding


@dataclass(frozen=True)
class FrontPruner:
    """Gives up what would not reach the front.

    Attributes:
        quantile: Share of trainings that may end below what was thought possible at one of the points.
        margin: Of ``rank``, where there are no curves to model.
    """

    quantile: float = QUANTILE
    margin: float = MARGIN
    name = "front"
    caution = None

    def __post_init__(self) -> None:
        check_quantile(self.quantile)

    def fit(self, finished: FinishedCurves) -> Rule:
        """See ``Pruner``."""
        if len(finished.epochs) < FEWEST_POINTS:
            return RankPruner(self.margin).fit(finished)
        return FrontRule(finished, self.quantile)

    def cautious(self) -> FrontPruner:
        """Half the quantile, twice the margin."""
        return FrontPruner(self.quantile / 2, 2 * self.margin)


@dataclass(frozen=True, eq=False)
class FrontRule:
    """``FrontPruner``, fitted to curves."""

    finished: FinishedCurves
    quantile: float

    @cached_property
    def checks(self) -> tuple[int, ...]:
        """The points at which a training is judged."""
        return checks(self.finished.epochs)

    @property
    def needed(self) -> int:
        """How many finished curves the quantile takes: the lowest of n scores is their 1/(n + 1) quantile."""
        return max(START, math.ceil(1 / self.quantile - 1e-9) - 1)

    @property
    def kept(self) -> int:
        """How many curves are modelled at most: the last, and never fewer than the quantile takes."""
        return max(MOST_CURVES, self.needed)

    @cached_property
    def model(self) -> CurveModel:
        """Of the final error."""
        return CurveModel(self.finished, self.kept)

    @cached_property
    def worst(self) -> float:
        """The quantile of the trajectories' scores: by how many spreads the final error may be below its prediction.

        Without bound where there are fewer scores than the quantile takes.
        """
        stages = [self.model.stage(p) for p in self.checks]
        scores = np.min([s.residuals / s.spread for s in stages], axis=0)
        place = math.floor(self.quantile * (len(scores) + 1) + 1e-9)
        return min(float(np.sort(scores)[place - 1]), 0.0) if place else -math.inf

    @cached_property
    def _rivals(self) -> Rivals:
        return Rivals(self.finished)

    @cached_property
    def _final(self) -> Array:
        return self.finished.final.copy()

    def decide(self, curve: Array, low: Array, high: Array) -> Verdict:
        """See ``Rule``."""
        check_curve(curve, low, high, self.finished)
        epochs, n, point = self.finished.epochs, len(self.finished), len(curve) - 1
        seen = {"epoch": float(epochs[point]), "last_error": float(curve[-1]), "finished": n, "quantile": self.quantile}
        if n < self.needed:
            return Verdict(False, f"too few finished curves: {n} of {self.needed}", seen)
        if point not in self.checks:
            return Verdict(False, "this epoch is not judged", seen)
        rival = self._rivals.best(self._final, high)
        if rival is None:
            return Verdict(False, "no finished training is as cheap", seen)
        log, spread = self.model.predict_log(curve, low, high)
        bound, best, last = self.model.error(log + self.worst * spread), float(self._final[rival]), float(curve[-1])
        bound = min(bound, last) if last <= best else bound  # what it has reached is possible
        seen |= {"predicted": self.model.error(log), "spread": spread, "bound": bound}
        seen |= {"rival": rival, "rival_error": best}
        least, beaten = self.finished.told(bound), self.finished.told(best)
        if not is_beaten(bound, last, best):
            return Verdict(False, f"it may end at {least}; the best as cheap has {beaten}", seen)
        return Verdict(
            True, f"it ends at {least} at best, and a finished training at costs no higher has {beaten}", seen
        )


def is_beaten(bound: Array | float, last: Array | float, best: Array | float) -> NDArray[np.bool_]:
    """Whether a rival's final error is better than all that a training is thought to end with.

    It never is where the training is as good already: beyond all curves that were seen, a line through them may lead
    anywhere.

    Args:
        bound: The final error thought possible.
        last: The training's last error.
        best: The rival's final error.
    """
    beaten = best + _TIE * np.abs(best)
    return np.asarray((bound > beaten) & (last > beaten))
