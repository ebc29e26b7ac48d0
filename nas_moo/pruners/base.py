"""The nouns of pruning: finished curves, rules, pruners and their verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nas_moo.errors import UserInputError
from nas_moo.measurement import format_quantity
from nas_moo.pareto import Array


@dataclass(frozen=True, eq=False)
class FinishedCurves:
    """Complete trainings of one study, and what their networks cost.

    Attributes:
        epochs: Cumulative cost after each point of a curve, ascending, shape (points,).
        curves: Validation error after each, shape (n, points); the last is the final one.
        low: Lower ends of the intervals of the costs known before training, shape (n, costs).
        high: Upper ends; equal to ``low`` where a cost is exact.
        unit: Of the error, for reasons; plain numbers without one.
    """

    epochs: Array
    curves: Array
    low: Array
    high: Array
    unit: str = ""

    def __post_init__(self) -> None:
        _check_epochs(self.epochs)
        if self.curves.ndim != 2 or self.curves.shape[1] != len(self.epochs):
            raise UserInputError(
                f"a finished curve has not the {len(self.epochs)} points of the training",
                value=self.curves.shape,
                do="Give complete trainings of equally many epochs; of other lengths, begin another study.",
            )
        if not np.isfinite(self.curves).all():
            place, point = np.argwhere(~np.isfinite(self.curves))[0].tolist()
            raise UserInputError(
                f"the error of a finished curve after {self.epochs[point]:g} epochs is no number",
                value=float(self.curves[place, point]),
                do="Leave that training out: it has failed.",
            )
        for ends in (self.low, self.high):
            if ends.ndim != 2 or len(ends) != len(self.curves) or ends.shape != self.low.shape:
                raise UserInputError(
                    f"the costs are not those of {len(self.curves)} trainings",
                    value=ends.shape,
                    do="Give the same costs for each.",
                )
        if np.isnan(self.low).any() or np.isnan(self.high).any() or (self.low > self.high).any():
            raise UserInputError(
                "the interval of a cost is none", value="NaN, or its ends are swapped", do="Give low <= high."
            )

    def __len__(self) -> int:
        return len(self.curves)

    @property
    def final(self) -> Array:
        """The error after the whole training, shape (n,)."""
        return self.curves[:, -1]

    def among(self, places: NDArray[np.intp]) -> FinishedCurves:
        """Those at some places."""
        return FinishedCurves(self.epochs, self.curves[places], self.low[places], self.high[places], self.unit)

    def told(self, error: float) -> str:
        """An error as a person reads it."""
        return format_quantity(error, self.unit, 4) if self.unit else f"{error:.4g}"


@dataclass(frozen=True)
class Verdict:
    """Whether a training is given up, and why.

    Attributes:
        stop: Give it up.
        reason: One sentence, also where it goes on.
        evidence: Those that apply of ``epoch``, ``last_error``, ``predicted`` (final error), ``spread`` (standard
            deviation of its logarithm), ``bound`` (the final error thought possible), ``threshold`` (what an error was
            compared with), ``rival`` (a place in the finished curves), ``rival_error``, ``finished`` (how many were
            used), ``quantile``.
    """

    stop: bool
    reason: str
    evidence: Mapping[str, float] = field(default_factory=dict)


CHECKS = (0.05, 0.15, 0.3, 0.6)  # of a training's cost: where it is judged by its curve
MOST_WAITING = 1.0  # trainings that were outbid, for each complete one: else a sampler might never make up its mind


def may_wait(waiting: int, complete: int) -> bool:
    """Whether one more training may be given up for a new one, with so many that wait already."""
    return waiting < MOST_WAITING * complete


def is_comparable(verdict: Verdict) -> bool:
    """Whether a sampler may weigh the training against a new one: a finished one is as cheap, so small ones stay."""
    return "rival" in verdict.evidence


def checks(epochs: Array) -> tuple[int, ...]:
    """The first points at which the shares of the cost are reached, without the last of all; the first if none is."""
    last = len(epochs) - 1
    points = np.searchsorted(epochs, np.array(CHECKS) * epochs[-1] * (1 - 1e-9))
    return tuple(sorted({int(p) for p in points if p < last})) or tuple(range(min(last, 1)))


def is_checked(errors: int, epochs: Array) -> bool:
    """Whether a training with so many errors has just come to one of the points at which it is weighed."""
    return errors - 1 in checks(epochs)


class Rule(Protocol):
    """A pruner that was fitted."""

    def decide(self, curve: Array, low: Array, high: Array) -> Verdict:
        """Judge a training that has come to some point.

        Args:
            curve: Errors at its first points.
            low: Lower ends of its known costs, shape (costs,).
            high: Upper ends.

        Raises:
            UserInputError: an error is no number, or the curve is longer than a training.
        """
        ...


class Pruner(Protocol):
    """What makes rules."""

    @property
    def name(self) -> str:
        """As ``load_pruner`` knows it."""
        ...

    @property
    def caution(self) -> str | None:
        """What a user should know before they choose it; None where there is nothing."""
        ...

    def fit(self, finished: FinishedCurves) -> Rule:
        """A rule for trainings of the same study; the caller keeps it until another training has finished."""
        ...

    def cautious(self) -> Pruner:
        """One that gives up less; itself where it knows no other way."""
        ...


def check_curve(curve: Array, low: Array, high: Array, finished: FinishedCurves) -> None:
    """Refuse a curve that no training of the study can have.

    Raises:
        UserInputError: see ``Rule.decide``.
    """
    if not 0 < len(curve) <= len(finished.epochs):
        raise UserInputError(
            f"a training of {len(finished.epochs)} points has another number of errors",
            value=len(curve),
            do="Report each epoch once, in order.",
        )
    if not np.isfinite(curve).all():
        raise UserInputError(
            "an error of the curve is no number", value=curve.tolist(), do="The training has failed; do not judge it."
        )
    if low.shape != high.shape or low.shape != finished.low.shape[1:]:
        raise UserInputError(
            f"the training has other costs than the {finished.low.shape[1]} of the finished ones",
            value=low.shape,
            do="Give the same costs for each.",
        )


def check_quantile(quantile: float) -> float:
    """Return a quantile that can be one.

    Raises:
        UserInputError: it is outside (0, 0.5].
    """
    if not 0 < quantile <= 0.5:
        raise UserInputError(
            "the quantile of the pruner is outside (0, 0.5]",
            value=quantile,
            do="Give the share of trainings that may end below what is thought possible, such as 0.1.",
        )
    return quantile


def _check_epochs(epochs: Array) -> None:
    if epochs.ndim != 1 or not len(epochs) or not np.isfinite(epochs).all():
        raise UserInputError("the points of the curves are no epochs", value=epochs.tolist(), do="Give numbers.")
    if epochs[0] <= 0 or (np.diff(epochs) <= 0).any():
        raise UserInputError(
            "an epoch comes twice or out of order", value=epochs.tolist(), do="Report each epoch once, in order."
        )
