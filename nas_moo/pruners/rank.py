"""Same-epoch dominance: given up where a finished training at costs no higher was far better at the same epoch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nas_moo.errors import UserInputError
from nas_moo.measurement import counted
from nas_moo.pareto import Array
from nas_moo.pruners.base import FinishedCurves, Verdict, check_curve
from nas_moo.pruners.curves import LEAST, CurveModel
from nas_moo.pruners.rivals import Rivals

MARGIN = 0.3  # of the rival's error; errors differ by a twentieth between two trainings of the same network
EARLIEST = 0.15  # of the training's cost; before it, errors tell little
START = 10  # finished trainings


@dataclass(frozen=True)
class RankPruner:
    """Compares errors of the same epoch at costs no higher.

    Attributes:
        margin: By what share of the rival's error a training has to be worse.
    """

    margin: float = MARGIN
    name = "rank"
    caution = None

    def __post_init__(self) -> None:
        if not 0 <= self.margin < float("inf"):
            raise UserInputError("the margin of rank is none", value=self.margin, do="Give a share such as 0.3.")

    def fit(self, finished: FinishedCurves) -> RankRule:
        """See ``Pruner``."""
        return RankRule(finished, self.margin)

    def cautious(self) -> RankPruner:
        """Twice the margin."""
        return RankPruner(2 * max(self.margin, 0.05))


@dataclass(frozen=True, eq=False)
class RankRule:
    """``RankPruner``, fitted."""

    finished: FinishedCurves
    margin: float

    @cached_property
    def _rivals(self) -> Rivals:
        return Rivals(self.finished)

    @cached_property
    def _model(self) -> CurveModel:
        return CurveModel(self.finished)

    @cached_property
    def _by_point(self) -> list[Array]:
        return list(self.finished.curves.T.copy())

    def decide(self, curve: Array, low: Array, high: Array) -> Verdict:
        """See ``Rule``."""
        check_curve(curve, low, high, self.finished)
        epochs, n, point = self.finished.epochs, len(self.finished), len(curve) - 1
        seen = {"epoch": float(epochs[point]), "last_error": float(curve[-1]), "finished": n}
        if n < START:
            return Verdict(False, f"too few finished trainings: {n} of {START}", seen)
        if point == len(epochs) - 1:
            return Verdict(False, "the training has ended", seen)
        if point < first_point(epochs):
            return Verdict(False, f"after {epochs[point]:g} of {epochs[-1]:g} epochs errors tell too little", seen)
        rival = self._rivals.best(self._by_point[point], high)
        if rival is None:
            return Verdict(False, "no finished training is as cheap", seen)
        best = float(self._by_point[point][rival])
        seen |= {"rival": rival, "rival_error": best} | expected(self._model, curve, low, high)
        if curve[-1] <= best + self.margin * abs(best):
            return Verdict(
                False, f"no finished training as cheap was {100 * self.margin:.0f} % better at this epoch", seen
            )
        return Verdict(
            True,
            f"error {self.finished.told(curve[-1])} after {counted(epochs[point], 'epoch')}, where a finished training "
            f"at costs no higher had {self.finished.told(best)}: more than {100 * self.margin:.0f} % better",
            seen,
        )


def first_point(epochs: Array) -> int:
    """The first point at which a training has cost enough to be judged; the first of all where only the last has."""
    late = int((epochs < EARLIEST * epochs[-1]).sum())
    return late if late < len(epochs) - 1 else 0


def expected(model: CurveModel, curve: Array, low: Array, high: Array) -> dict[str, float]:
    """What a surrogate is told of a training that has begun: its final error as predicted, and how sure that is."""
    if len(model) < LEAST:
        return {}
    predicted, spread = model.predict(curve, low, high)
    return {"predicted": predicted, "spread": spread}
