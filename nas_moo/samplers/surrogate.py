"""A Gaussian process over architectures: what the error of one not yet trained will be, and how unsure that is.

Matérn 3/2 with a length scale of its own for each gene and each known cost (automatic relevance determination), and a
part that is linear in the costs, fitted by stochastic coordinate ascent of the log marginal likelihood (Rasmussen and
Williams 2006, chapters 2 and 5): a fit of 250 points has to cost a few milliseconds, not seconds.
"""

from __future__ import annotations

import math
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

    def __init__(self, codes: Codes, n_costs: int, rng: np.random.Generator, *, noise: float = NOISE) -> None:
        self._codes, self._rng = codes, rng
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
        self._points = points
        self._cost_center, self._cost_scale = costs.mean(axis=0), np.maximum(np.ptp(costs, axis=0), 1e-9)
        self._costs = (costs - self._cost_center) / self._cost_scale
        self._center, self._scale = float(target.mean()), max(float(target.std()), 1e-9)
        self._target = (target - self._center) / self._scale
        self._extra = np.zeros(len(target)) if noise is None else noise / self._scale**2
        axes = self._axes(points, self._costs)
        parts, products = _parts(axes, self.logs), self._costs @ self._costs.T
        if learn:
            self._learn(axes, parts, products)
        self._factor = _cholesky(_mixed(parts, products, self.logs), self._noise(self.logs))
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
        across = self._across(points, (costs - self._cost_center) / self._cost_scale)
        return np.asarray(across @ self._weights * self._scale + self._center)

    def predict(self, points: Array, costs: Array) -> Prediction:
        """Mean and standard deviation at other points with known log costs."""
        scaled = (costs - self._cost_center) / self._cost_scale
        across = self._across(points, scaled)
        half = _half_solve(self._factor, across.T)
        prior = 1.0 + math.exp(self.logs[_LINEAR]) * (scaled**2).sum(axis=1)
        variance = np.maximum(prior - (half**2).sum(axis=0), 1e-9)
        mean = across @ self._weights
        return Prediction(mean * self._scale + self._center, np.sqrt(variance) * self._scale)

    def _noise(self, logs: Array) -> Array:
        """The variance of each target."""
        return np.asarray(math.exp(logs[_NOISE]) + self._extra)

    def _learn(self, axes: list[Axis], parts: list[Array], products: Array) -> None:
        """Try a step up and a step down along some hyperparameters, and keep what raises the evidence."""
        best = self._evidence(parts, products, self.logs)
        moves = MOVES if len(self._target) > CHEAP_POINTS else len(self.logs)
        for place in self._rng.permutation(len(self.logs))[:moves]:
            for step in (STEP, -STEP):
                logs, tried = self.logs.copy(), list(parts)
                logs[place] += step
                if place < len(parts):
                    tried[place] = _matern(axes[place], logs[place])
                if (evidence := self._evidence(tried, products, logs)) > best:
                    best, self.logs, parts[:] = evidence, logs, tried
                    break

    def _axes(
        self, points: Array, costs: Array, others: Array | None = None, other_costs: Array | None = None
    ) -> list[Axis]:
        """By gene and cost."""
        others = points if others is None else others
        other_costs = costs if other_costs is None else other_costs
        by_cost = [axis(a, b) for a, b in zip(costs.T, other_costs.T, strict=True)]
        return [*self._codes.axes(points, others), *by_cost]

    def _across(self, points: Array, scaled: Array) -> Array:
        """The kernel between other points and those of the fit."""
        parts = _parts(self._axes(points, scaled, self._points, self._costs), self.logs)
        return _mixed(parts, scaled @ self._costs.T, self.logs)

    def _evidence(self, parts: list[Array], products: Array, logs: Array) -> float:
        """Log marginal likelihood and log prior, up to a constant."""
        if logs[_NOISE] < math.log(LEAST_NOISE):
            return -math.inf
        try:
            lower = _cholesky(_mixed(parts, products, logs), self._noise(logs))
        except np.linalg.LinAlgError:
            return -math.inf
        half = _half_solve(lower, self._target)
        prior = -0.5 * float((((logs - self._start) / self._spread) ** 2).sum())
        return float(prior - 0.5 * (half @ half) - np.log(np.diag(lower)).sum())


def _parts(axes: list[Axis], logs: Array) -> list[Array]:
    return [_matern(axis, log) for axis, log in zip(axes, logs[:_ODDS], strict=True)]


def _matern(axis: Axis, log: float) -> Array:
    """The kernel along an axis, with the logarithm of its length scale."""
    scaled = axis.apart * (math.sqrt(3.0) * math.exp(-log))
    return axis.spread((1.0 + scaled) * np.exp(-scaled))


def _mixed(parts: list[Array], products: Array, logs: Array) -> Array:
    total, product = parts[0].copy(), parts[0].copy()
    for part in parts[1:]:
        total += part
        product *= part
    share = 1.0 / (1.0 + math.exp(-logs[_ODDS]))
    return np.asarray(share / len(parts) * total + (1.0 - share) * product + math.exp(logs[_LINEAR]) * products)


def _cholesky(kernel: Array, noise: Array) -> Array:
    kernel.flat[:: len(kernel) + 1] += noise
    return np.asarray(cholesky(kernel, lower=True, overwrite_a=True, check_finite=False))


def _half_solve(lower: Array, target: Array) -> Array:
    return np.asarray(solve_triangular(lower, target, lower=True, check_finite=False))
