"""What a trained network gets wrong: the share of examples, the share averaged over classes, the log-likelihood.

Each has ``value(predictions)``, cheap enough for every epoch, and ``measure``, which adds the interval.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas_moo.errors import UserInputError
from nas_moo.measurement import Measurement
from nas_moo.objectives.intervals import t_quantile, wilson

if TYPE_CHECKING:
    from nas_moo.evaluation import Predictions
    from nas_moo.objectives import Candidate, Stage

Interval: TypeAlias = tuple[float, float]


class Error:
    """The share of examples whose largest logit is not that of the true class."""

    name = "error"
    unit = "fraction"
    label = "validation error"
    stage: Stage = "trained"
    log = False
    method = "share of examples whose largest logit is not the true class"

    def value(self, predictions: Predictions) -> float:
        """The error of one fold.

        Raises:
            UserInputError: logits that are not finite, or that do not fit the targets.
        """
        return float(np.mean(_wrong(predictions)))

    def measure(self, candidate: Candidate) -> Measurement:
        """The error with a 95 % Wilson interval over the examples, or with its range over the folds."""
        return _measure(self, candidate, "95 % Wilson", self._interval)

    def _interval(self, predictions: Predictions) -> Interval:
        wrong = _wrong(predictions)
        return wilson(int(wrong.sum()), wrong.size)


class BalancedError:
    """One minus the mean recall, over the classes that occur among the targets."""

    name = "balanced_error"
    unit = "fraction"
    label = "balanced validation error"
    stage: Stage = "trained"
    log = False
    method = "1 − mean recall over the classes that occur"

    def value(self, predictions: Predictions) -> float:
        """The balanced error of one fold.

        Raises:
            UserInputError: logits that are not finite, or that do not fit the targets.
        """
        return statistics.mean(misses / n for misses, n in _misses_by_class(predictions))

    def measure(self, candidate: Candidate) -> Measurement:
        """The balanced error with a 95 % interval, or with its range over the folds.

        The interval combines the Wilson intervals of the classes (the "method of variance estimates recovery", Zou
        and Donner 2008, Statistics in Medicine 27). Each limit is no farther from the value than the mean of the
        classes' own limits, so it stays inside [0, 1].
        """
        return _measure(self, candidate, "95 % from the classes' Wilson intervals (MOVER)", self._interval)

    def _interval(self, predictions: Predictions) -> Interval:
        classes = _misses_by_class(predictions)
        limits = [(misses / n, *wilson(misses, n)) for misses, n in classes]
        value = self.value(predictions)
        below = math.hypot(*(share - low for share, low, _ in limits)) / len(limits)
        above = math.hypot(*(high - share for share, _, high in limits)) / len(limits)
        return value - below, value + above


class NLL:
    """The mean negative log-likelihood of the true class."""

    name = "nll"
    unit = "nats"
    label = "validation NLL"
    stage: Stage = "trained"
    log = False
    method = "mean negative log-likelihood of the true class under the softmax of the logits"

    def value(self, predictions: Predictions) -> float:
        """The mean negative log-likelihood of one fold.

        Raises:
            UserInputError: logits that are not finite, or that do not fit the targets.
        """
        return float(np.mean(_surprise(predictions)))

    def measure(self, candidate: Candidate) -> Measurement:
        """The mean with its 95 % t-interval, or with its range over the folds.

        Raises:
            UserInputError: fewer than two examples.
        """
        return _measure(self, candidate, "95 % t", self._interval)

    def _interval(self, predictions: Predictions) -> Interval:
        surprise = _surprise(predictions)
        if surprise.size < 2:
            raise UserInputError("one example gives no interval", value=surprise.size, do="Validate on two or more.")
        half = t_quantile(surprise.size - 1) * float(np.std(surprise, ddof=1)) / math.sqrt(surprise.size)
        value = self.value(predictions)
        return value - half, value + half


def _measure(
    objective: Error | BalancedError | NLL,
    candidate: Candidate,
    interval: str,
    limits: Callable[[Predictions], Interval],
) -> Measurement:
    folds = candidate.predictions
    if not folds:
        raise UserInputError(
            f"{objective.name} needs a trained network", value="no predictions", do="Measure it after training."
        )
    values = [objective.value(fold) for fold in folds]
    if len(folds) == 1:
        low, high = limits(folds[0])
        n = len(folds[0].targets)
        return Measurement(values[0], objective.unit, low, high, interval, n, objective.method)
    details = {"folds": values, "standard_deviation": statistics.stdev(values)}
    # statistics.mean is correctly rounded: the mean of equal folds is that fold.
    mean, spread = statistics.mean(values), f"range over {len(folds)} folds"
    return Measurement(mean, objective.unit, min(values), max(values), spread, len(folds), objective.method, details)


def _wrong(predictions: Predictions) -> NDArray[np.bool_]:
    _check(predictions)
    return np.asarray(predictions.logits.argmax(axis=1) != predictions.targets)


def _misses_by_class(predictions: Predictions) -> list[tuple[int, int]]:
    """(misses, examples) of each class that occurs."""
    wrong = _wrong(predictions)
    n = np.bincount(predictions.targets)
    misses = np.bincount(predictions.targets, weights=wrong)
    return [(int(m), int(k)) for m, k in zip(misses, n, strict=True) if k]


def _surprise(predictions: Predictions) -> NDArray[np.float64]:
    _check(predictions)
    logits = predictions.logits.astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    own = shifted[np.arange(len(shifted)), predictions.targets]
    return np.asarray(np.log(np.exp(shifted).sum(axis=1)) - own)


def _check(predictions: Predictions) -> None:
    logits, targets = predictions.logits, predictions.targets
    if logits.ndim != 2 or targets.shape != logits.shape[:1] or not targets.size:
        raise UserInputError(
            "logits and targets do not belong together",
            value=(logits.shape, targets.shape),
            do="Give (examples, classes) and (examples,), with one example or more.",
        )
    if targets.min() < 0 or targets.max() >= logits.shape[1]:
        raise UserInputError(
            f"a target is no class of a network with {logits.shape[1]} outputs",
            value=(int(targets.min()), int(targets.max())),
            do="Number the classes from 0, and build the network with n_classes outputs.",
        )
    bad = int(np.count_nonzero(~np.isfinite(logits).all(axis=1)))
    if bad:
        raise UserInputError(
            f"{bad} of {len(logits)} examples have logits that are not finite",
            value=f"{bad / len(logits):.0%}",
            do="The training diverged: end the trial as failed, or lower the learning rate.",
        )
