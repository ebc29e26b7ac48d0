"""A Gaussian process over architectures: what the error of one not yet trained will be, and how unsure that is.

Matérn 3/2 with a length scale of its own for each gene and each known cost (automatic relevance determination), and a
part that is linear in the costs, fitted by stochastic coordinate ascent of the log marginal likelihood (Rasmussen and
Williams 2006, chapters 2 and 5): a fit of 250 points has to cost a few milliseconds, not seconds.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular

from nas_moo.pareto import Array
from nas_moo.samplers.codes import Axis, Codes, axis

MOST_POINTS = 250
MOVES = 10  # hyperparameters tried at each fit; more of them while a fit is cheap
CHEAP_POINTS = 60
STEP = math.log(1.6)
LENGTH = math.log(1.5)  # where the logarithms of the hyperparameters begin
_ODDS, _LINEAR, _NOISE = -3, -2, -1  # places of the others behind the length scales
NOISE, LEAST_NOISE = 0.05, 1e-5  # variances, relative to that of the target; with less, a kernel is hardly definite
LEAST_LENGTH = 0.02  # of a range: two values of a shorter one have nothing in common anyway
_SPREADS = (1.0, 1.0, 2.0)  # of the logarithms around where they begin; how noisy trainings are differs most


@dataclass(frozen=True, eq=False)
class Prediction:
    """Of the target of ``GaussianProcess.fit``.

    Attributes:
        mean: Shape (points,).
        std: Without the noise of a single training.
    """

    mean: Array
    std: Array


class GaussianProcess:
    """Keeps its hyperparameters from fit to fit, and improves on them a little each time.

    The kernel is a mixture of the mean and the product of one Matérn 3/2 kernel for each gene and cost, and a linear
    one of the costs: the mean learns what each gene does by itself from few trainings (Duvenaud et al. 2011), the
    product what they do together, the linear part how much larger networks are better.
    """

    def __init__(
        self, codes: Codes, n_costs: int, rng: np.random.Generator, *, noise: float = NOISE, linear: bool = True
    ) -> None:
        self._codes, self._rng = codes, rng
        self._slopes = float(linear)
        lengths = len(codes.genome) + n_costs
        self._start = np.array([LENGTH] * lengths + [0.0, 0.0, math.log(noise)])
        self._spread = np.array([1.0] * lengths + list(_SPREADS))
        self.logs = self._start.copy()  # of the length scales, the odds of the mean, the linear part, the noise

    def fit(self, points: Array, costs: Array, target: Array, *, learn: bool, noise: Array | None = None) -> None:
        """Take in all that is known.

        Args:
            points: Of ``Codes.points``, shape (n, genes).
            costs: Logarithms of known costs, shape (n, costs).
            target: Shape (n,).
            learn: Improve the hyperparameters, too.
            noise: Variance of each target beyond that of a single training, shape (n,); None: nowhere any.

        Raises:
            numpy.linalg.LinAlgError: no kernel of these is positive definite.
        """
        span = np.ptp(costs, axis=0)
        self._cost_center, self._cost_scale = costs.mean(axis=0), np.where(span > 0, span, 1.0)
        self._points, self._costs = points, self._scaled(costs)
        self._center, self._scale = float(target.mean()), max(float(target.std()), 1e-9)
        self._target = (target - self._center) / self._scale
        self._extra = np.zeros(len(target)) if noise is None else noise / self._scale**2
        axes, linear = self._axes(points, self._costs), self._linear(self._costs)
        kernel = Kernel(axes, linear, self.logs)
        if learn:
            kernel = self._learn(kernel)
        try:
            self._factor = _cholesky(kernel.mixed(self.logs), self._noise(self.logs))
        except np.linalg.LinAlgError:  # what suited fewer points may be too free of noise for these: begin anew
            self.logs = self._start.copy()
            kernel = Kernel(axes, linear, self.logs)
            self._factor = _cholesky(kernel.mixed(self.logs), self._noise(self.logs))
        self._weights = cho_solve((self._factor, True), self._target, check_finite=False)

    @property
    def log_likelihood(self) -> float:
        """Of the target, up to a constant that depends on the number of points alone."""
        fit = float(self._target @ self._weights)
        return -0.5 * fit - float(np.log(np.diag(self._factor)).sum()) - len(self._target) * math.log(self._scale)

    @property
    def fitted(self) -> Array:
        """The means at the points of the fit."""
        return np.asarray((self._target - self._noise(self.logs) * self._weights) * self._scale + self._center)

    def mean(self, points: Array, costs: Array) -> Array:
        """Mean at other points with known log costs; cheaper than ``predict``."""
        return np.asarray(self._across(points, self._scaled(costs)) @ self._weights * self._scale + self._center)

    def predict(self, points: Array, costs: Array) -> Prediction:
        """Mean and standard deviation at other points with known log costs."""
        scaled = self._scaled(costs)
        across = self._across(points, scaled)
        half = _half_solve(self._factor, across.T)
        prior = 1.0 + math.exp(self.logs[_LINEAR]) * self._slopes * (scaled**2).sum(axis=1)
        variance = np.maximum(prior - (half**2).sum(axis=0), 1e-9)
        mean = across @ self._weights
        return Prediction(mean * self._scale + self._center, np.sqrt(variance) * self._scale)

    def _noise(self, logs: Array) -> Array:
        """The variance of each target."""
        return np.asarray(math.exp(logs[_NOISE]) + self._extra)

    def _learn(self, kernel: Kernel) -> Kernel:
        """Try a step up and a step down along some hyperparameters; gives the kernel of the highest evidence."""
        best = self._evidence(kernel, self.logs)
        moves = MOVES if len(self._target) > CHEAP_POINTS else len(self.logs)
        for place in self._rng.permutation(len(self.logs))[:moves]:
            for step in (STEP, -STEP):
                logs = self.logs.copy()
                logs[place] += step
                tried = kernel.moved(place, logs)
                if (evidence := self._evidence(tried, logs)) > best:
                    best, self.logs, kernel = evidence, logs, tried
                    break
        return kernel

    def _scaled(self, costs: Array) -> Array:
        return np.asarray((costs - self._cost_center) / self._cost_scale)

    def _linear(self, costs: Array) -> Array:
        """The linear kernel between scaled costs and those of the fit."""
        return np.asarray(self._slopes * costs @ self._costs.T)

    def _axes(self, points: Array, costs: Array) -> list[Axis]:
        """By gene and scaled cost, between points and those of the fit."""
        by_cost = [axis(a, b) for a, b in zip(costs.T, self._costs.T, strict=True)]
        return [*self._codes.axes(points, self._points), *by_cost]

    def _across(self, points: Array, costs: Array) -> Array:
        """The kernel between other points with scaled costs and those of the fit."""
        return Kernel(self._axes(points, costs), self._linear(costs), self.logs).mixed(self.logs)

    def _evidence(self, kernel: Kernel, logs: Array) -> float:
        """Log marginal likelihood and log prior, up to a constant."""
        if logs[_NOISE] < math.log(LEAST_NOISE) or logs[:_ODDS].min(initial=0.0) < math.log(LEAST_LENGTH):
            return -math.inf
        try:
            lower = _cholesky(kernel.mixed(logs), self._noise(logs))
        except np.linalg.LinAlgError:
            return -math.inf
        half = _half_solve(lower, self._target)
        prior = -0.5 * float((((logs - self._start) / self._spread) ** 2).sum())
        return float(prior - 0.5 * (half @ half) - np.log(np.diag(lower)).sum())


class Kernel:
    """Sum and product of the kernels along the axes, of which one is replaced without computing the others again."""

    def __init__(self, axes: list[Axis], linear: Array, logs: Array) -> None:
        self._axes, self._linear = axes, linear
        self._parts = [_matern(axis, log) for axis, log in zip(axes, logs[:_ODDS], strict=True)]
        self._total, self._product = self._parts[0].copy(), self._parts[0].copy()
        for part in self._parts[1:]:
            self._total += part
            self._product *= part

    def moved(self, place: int, logs: Array) -> Kernel:
        """The kernel after a change of one hyperparameter."""
        if place >= len(self._parts):
            return self
        moved = copy(self)
        old, new = self._parts[place], _matern(self._axes[place], logs[place])
        moved._parts = [*self._parts[:place], new, *self._parts[place + 1 :]]
        moved._total = self._total + (new - old)
        moved._product = self._product * (new / old)
        return moved

    def mixed(self, logs: Array) -> Array:
        """The mixture, a new array."""
        share = 1.0 / (1.0 + math.exp(-logs[_ODDS]))
        out = self._total * (share / len(self._parts))
        out += (1.0 - share) * self._product
        out += math.exp(logs[_LINEAR]) * self._linear
        return out


def _matern(axis: Axis, log: float) -> Array:
    """The kernel along an axis, with the logarithm of its length scale."""
    scaled = axis.apart * (math.sqrt(3.0) * math.exp(-log))
    return axis.spread((1.0 + scaled) * np.exp(-scaled))


def _cholesky(kernel: Array, noise: Array) -> Array:
    kernel.flat[:: len(kernel) + 1] += noise
    return np.asarray(cholesky(kernel, lower=True, overwrite_a=True, check_finite=False))


def _half_solve(lower: Array, target: Array) -> Array:
    return np.asarray(solve_triangular(lower, target, lower=True, check_finite=False))
