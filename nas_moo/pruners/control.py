"""The control arm: some trainings that a rule would give up are trained on, so that what it cuts wrongly can be known.

Who is a control is decided by one coin a trial, from the study's seed and the trial's number alone. A quarter of the
stopped are, until there are ``ENOUGH``, and then a twentieth. What they end with says, with an interval, how often the
rule was wrong, and what that cost; where that is too much, the rule turns more cautious.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas_moo.errors import UserInputError
from nas_moo.objectives.intervals import wilson
from nas_moo.pareto import Array, hypervolume, nondominated
from nas_moo.pruners.base import FinishedCurves, Pruner
from nas_moo.pruners.rivals import Rivals

ENOUGH = 40  # controls, after which few more are taken
SHARE, SHARE_LATER = 0.25, 0.05
ALLOWED = 0.05  # share of non-dominated controls that is surely too many
LEAST = 10  # controls, before a rule turns more cautious by them
BUDGETS = 20
RESAMPLES = 500
BOX = (  # for the notes of whoever shows what was lost
    "Hypervolume: errors up to the worst of the front (or the median of all, where that is worse), costs in their "
    "logarithm, from a tenth of each range beyond. Where nothing is within a budget, an error at that end counts."
)
REFERENCE = 1.1  # of the range of each objective, where hypervolume is measured from; of errors also where none is


@dataclass(frozen=True)
class Asked:
    """A pruner as it was asked for, whatever its controls have made of it since.

    Attributes:
        pruner: Its name.
        quantile: None for a pruner without.
    """

    pruner: str
    quantile: float | None = None

    @classmethod
    def behind(cls, pruner: str, quantile: float | None, level: int) -> Asked:
        """The one behind a decision, whose rule had turned more cautious ``level`` times."""
        return cls(pruner, None if quantile is None else quantile * 2**level)

    def is_same(self, other: Asked) -> bool:
        """Whether the controls of one say anything of the other; an unknown quantile makes no difference."""
        if self.pruner != other.pruner:
            return False
        return self.quantile is None or other.quantile is None or math.isclose(self.quantile, other.quantile)

    def __str__(self) -> str:
        return self.pruner if self.quantile is None else f"{self.pruner} (quantile {self.quantile:g})"


@dataclass(frozen=True)
class Control:
    """A training that was trained on although a rule had stopped it.

    Attributes:
        place: Among the complete trainings.
        bound: The final error that the rule thought possible at best; None where it gave none.
        level: How often the rule had turned more cautious before.
    """

    place: int
    bound: float | None = None
    level: int = 0


@dataclass(frozen=True)
class Share:
    """Of so many, this many: with the Wilson interval of 95 %; from 0 to 1 where there is none."""

    hits: int
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """Of the share."""
        return wilson(self.hits, self.n) if self.n else (0.0, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        low, high = self.interval
        return {"hits": self.hits, "n": self.n, "low": low, "high": high}


@dataclass(frozen=True)
class Loss:
    """What the pruned trainings would have added, had they been trained, estimated from what controls did add.

    Each control is added alone to the complete trainings that no rule had stopped, and the mean gain counts for each
    pruned training. Several that would have replaced each other are so counted one by one: the estimate is on the high
    side. The interval of 95 % is a bootstrap over the controls.
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class ControlReport:
    """What the control arm says.

    Attributes:
        pruned: Trainings that were given up.
        nondominated: Controls that no complete training dominates.
        below: Controls that ended below their bound, of those that have one: the calibration.
        hypervolume: Estimated loss, as a share of that of all complete trainings; None without controls.
        regret: Estimated loss of budget regret, in units of the error, over ``BUDGETS`` budgets of the first cost; None
            also without a cost that is positive.
        asked: The pruner that made the decisions; None where it is known anyhow.
        others: Controls of other pruners, and of other quantiles, which say nothing of this one.
    """

    pruned: int
    nondominated: Share
    below: Share
    hypervolume: Loss | None
    regret: Loss | None
    asked: Asked | None = None
    others: int = 0

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        losses = {"hypervolume_loss": self.hypervolume, "regret_loss": self.regret}
        of = {} if self.asked is None else {**vars(self.asked), "other_controls": self.others}
        return {
            **of,
            "pruned": self.pruned,
            "controls": self.nondominated.n,
            "nondominated": self.nondominated.to_dict(),
            "below_bound": self.below.to_dict(),
            **{name: None if loss is None else vars(loss) for name, loss in losses.items()},
        }


def check_share(share: float | None) -> float | None:
    """Return a share of controls that can be one.

    Raises:
        UserInputError: it is outside [0, 1].
    """
    if share is not None and not 0 <= share <= 1:
        raise UserInputError("the share of controls is none", value=share, do="Give a number from 0 to 1.")
    return share


def is_control(seed: int, number: int, controls: int, share: float | None = None) -> bool:
    """Whether a trial is trained on should a rule stop it.

    Args:
        seed: Of the study.
        number: Of the trial.
        controls: How many there are.
        share: Of the stopped; None: a quarter, and later a twentieth.
    """
    if share is None:
        share = SHARE if controls < ENOUGH else SHARE_LATER
    return coin(seed, number) < share


def coin(seed: int, number: int) -> float:
    """A number from 0 to 1 that is the same on every machine, and for every worker."""
    told = hashlib.blake2b(f"control {seed} {number}".encode(), digest_size=8).digest()
    return int.from_bytes(told, "big") / 2**64


def judge_controls(complete: FinishedCurves, controls: Sequence[Control], pruned: int) -> ControlReport:
    """What the controls ended with, beside all complete trainings.

    Args:
        complete: The complete trainings, controls included.
        controls: Some of them.
        pruned: Trainings that were given up.
    """
    bounded = [c for c in controls if c.bound is not None]
    below = sum(complete.final[c.place] < c.bound for c in bounded if c.bound is not None)
    losses = _losses(complete, [c.place for c in controls], pruned) if controls else (None, None)
    nondominated = sum(not is_dominated(complete, c.place) for c in controls)
    return ControlReport(pruned, Share(nondominated, len(controls)), Share(int(below), len(bounded)), *losses)


def is_dominated(finished: FinishedCurves, place: int) -> bool:
    """Whether another is better at costs no higher, or as good and cheaper beyond the intervals."""
    high, error = finished.high[place], float(finished.final[place])
    best = Rivals(finished).best(finished.final, high)
    if best is not None and finished.final[best] < error:
        return True
    as_good = (finished.final == error) & (finished.low <= high).all(axis=1)
    return bool((as_good & (finished.high < finished.low[place]).any(axis=1)).any())


def cautious_level(complete: FinishedCurves, controls: Sequence[Control], quantile: float | None) -> int:
    """How often a rule should have turned more cautious by now.

    It does where, among the controls that it stopped at its present level, surely more than a twentieth are
    non-dominated, or surely more than the quantile ended below their bound.

    Args:
        complete: The complete trainings.
        controls: Some of them.
        quantile: That was asked for; None for a rule without.
    """
    level = 0
    while True:
        here = [c for c in controls if c.level == level]
        if len(here) < LEAST or not _too_bold(judge_controls(complete, here, 0), quantile, level):
            return level
        level += 1


def at_level(pruner: Pruner, level: int) -> Pruner:
    """The pruner that has turned more cautious so often."""
    for _ in range(level):
        pruner = pruner.cautious()
    return pruner


def _too_bold(report: ControlReport, quantile: float | None, level: int) -> bool:
    if report.nondominated.interval[0] > ALLOWED:
        return True
    return quantile is not None and report.below.interval[0] > quantile / 2**level


def _losses(complete: FinishedCurves, places: Sequence[int], pruned: int) -> tuple[Loss, Loss | None]:
    """Of hypervolume and of budget regret."""
    others = np.setdiff1d(np.arange(len(complete)), places)
    box = Box.of(complete)
    whole, without = box.hypervolume(slice(None)), box.hypervolume(others)
    gains = [box.hypervolume([*others, p]) - without for p in places]
    lost = _loss(np.array(gains) / max(whole, 1e-12), pruned)
    if not len(budgets := budgets_of(complete)):
        return lost, None
    found = best_within(complete, others, budgets)
    falls = [float((found - np.minimum(found, best_within(complete, np.array([p]), budgets))).mean()) for p in places]
    return lost, _loss(np.array(falls), pruned)


def _loss(gains: Array, pruned: int) -> Loss:
    drawn = np.random.default_rng(0).integers(len(gains), size=(RESAMPLES, len(gains)))
    low, high = np.quantile(gains[drawn].mean(axis=1), (0.025, 0.975))
    return Loss(float(gains.mean()) * pruned, float(low) * pruned, float(high) * pruned)


def budgets_of(complete: FinishedCurves) -> Array:
    """Budgets of the first cost, evenly in its logarithm; none where it has no logarithm, or there is no cost."""
    if not complete.high.shape[1] or not (complete.high[:, 0] > 0).all():
        return np.zeros(0)
    return np.geomspace(complete.high[:, 0].min(), complete.high[:, 0].max(), BUDGETS)


def best_within(complete: FinishedCurves, places: Any, budgets: Array) -> Array:
    """The lowest error within each budget of the first cost; ``_none`` where there is none, or a worse one."""
    none = _none(complete)
    within = complete.high[places, 0][:, None] <= budgets * (1 + 1e-12)
    errors = np.where(within, complete.final[places][:, None], none)
    return np.asarray(errors.min(axis=0, initial=none))


@dataclass(frozen=True, eq=False)
class Box:
    """Where the hypervolume of complete trainings is measured.

    It ends a tenth of the range beyond the worst of each objective, so that the dearest model and the least accurate
    of the front count, too.

    Attributes:
        points: The objectives, each from 0 at its best; errors at most ``REFERENCE``, shape (n, objectives).
    """

    points: Array

    @classmethod
    def of(cls, complete: FinishedCurves) -> Box:
        """The box of these; costs count in the logarithm where they have one."""
        costs = [_log(c) for c in ((complete.low + complete.high) / 2).T]
        values = np.column_stack([complete.final, *costs])
        low, span = values.min(axis=0), np.ptp(values, axis=0)
        span[0] = _worst(complete) - low[0]
        return cls(np.minimum((values - low) / np.where(span > 0, span, 1.0), REFERENCE))

    def hypervolume(self, places: Any) -> float:
        """Of those at some places."""
        return hypervolume(self.points[places], np.full(self.points.shape[1], REFERENCE))


def _worst(complete: FinishedCurves) -> float:
    """The worst error of the front, or the median error where that is worse: one that diverged sets no scale."""
    front = nondominated(np.column_stack([complete.final, (complete.low + complete.high) / 2]))
    return max(float(complete.final[front].max()), float(np.median(complete.final)))


def _none(complete: FinishedCurves) -> float:
    """The error that counts where there is no model: a tenth of the range beyond the worst that does."""
    best = float(complete.final.min())
    return best + REFERENCE * (_worst(complete) - best)


def _log(cost: Array) -> Array:
    return np.log(cost) if (cost > 0).all() else cost
