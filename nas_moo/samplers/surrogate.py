"""A Gaussian process over architectures: what the error of one not yet trained will be, and how unsure that is.

Matérn 3/2 with a length scale of its own for each gene and each known cost (automatic relevance determination),
fitted to the logarithm of the error by stochastic coordinate ascent of the log marginal likelihood (Rasmussen and
Williams 2006, chapters 2 and 5): a fit of 250 points has to cost a few milliseconds, not seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular

from nas_moo.genes import Categorical, Gene
from nas_moo.genome import Architecture, Genome
from nas_moo.pareto import Array

MOST_POINTS = 250
MOVES = 6  # hyperparameters tried at each fit
STEP = math.log(1.6)
_PRIOR_SPREAD = 1.0  # of the logarithms around where they begin
_FIRST_LENGTH, _FIRST_NOISE = math.log(1.5), math.log(0.05)


class Encoder:
    """Architectures as points: one block of coordinates a gene, so that a gene's largest distance is about 1."""

    def __init__(self, genome: Genome) -> None:
        self._genome = genome
        self.blocks = [slice(start, stop) for start, stop in _ranges([_width(g) for g in genome.genes])]

    def __call__(self, architecture: Architecture) -> Array:
        """The coordinates; those of an inactive gene lie apart from all its values."""
        return np.concatenate([_coordinates(g, architecture) for g in self._genome.genes])

    def distances(self, a: Array, b: Array) -> Array:
        """Squared distances gene by gene, shape (genes, rows of a, rows of b)."""
        return np.stack([_squared(a[:, block], b[:, block]) for block in self.blocks])


@dataclass(frozen=True, eq=False)
class Prediction:
    """Of the logarithm of the error.

    Attributes:
        mean: Shape (points,).
        std: Without the noise of a single training.
    """

    mean: Array
    std: Array


class GaussianProcess:
    """Keeps its hyperparameters from fit to fit, and improves on them a little each time.

    The kernel is a mixture of the mean and the product of one Matérn 3/2 kernel for each gene and cost: the mean learns
    what each gene does by itself from few trainings (Duvenaud et al. 2011), the product what they do together.
    """

    def __init__(self, encoder: Encoder, n_costs: int, rng: np.random.Generator) -> None:
        self._encoder, self._rng = encoder, rng
        self._start = np.array([_FIRST_LENGTH] * (len(encoder.blocks) + n_costs) + [0.0, _FIRST_NOISE])
        self.logs = (
            self._start.copy()
        )  # of the length scales, of the odds of the mean against the product, of the noise

    def fit(self, points: Array, costs: Array, target: Array, *, learn: bool) -> Array:
        """Take in all that is known.

        Args:
            points: Encoded architectures, shape (n, coordinates).
            costs: Logarithms of known costs, shape (n, costs).
            target: Logarithm of the error, shape (n,).
            learn: Improve the hyperparameters, too.

        Returns:
            The means at the same points.

        Raises:
            numpy.linalg.LinAlgError: no kernel of these is positive definite.
        """
        self._points = points
        self._cost_center, self._cost_scale = costs.mean(axis=0), np.maximum(np.ptp(costs, axis=0), 1e-9)
        self._costs = (costs - self._cost_center) / self._cost_scale
        self._center, self._scale = float(target.mean()), max(float(target.std()), 1e-9)
        self._target = (target - self._center) / self._scale
        distances = self._distances(self._points, self._costs)
        parts = _matern(distances, self.logs[:-2])
        if learn:
            self._learn(distances, parts)
        noise = math.exp(self.logs[-1])
        self._factor = _cholesky(_mixed(parts, self.logs[-2]), noise)
        self._weights = cho_solve((self._factor, True), self._target, check_finite=False)
        return np.asarray((self._target - noise * self._weights) * self._scale + self._center)

    def predict(self, points: Array, costs: Array) -> Prediction:
        """Mean and standard deviation at encoded architectures with known log costs."""
        scaled = (costs - self._cost_center) / self._cost_scale
        distances = self._distances(points, scaled, self._points, self._costs)
        across = _mixed(_matern(distances, self.logs[:-2]), self.logs[-2])
        mean = across @ self._weights
        half = _half_solve(self._factor, across.T)
        variance = np.maximum(1.0 - (half**2).sum(axis=0), 1e-9)
        return Prediction(mean * self._scale + self._center, np.sqrt(variance) * self._scale)

    def _learn(self, distances: Array, parts: Array) -> None:
        """Try a step up and a step down along some hyperparameters, and keep what raises the evidence."""
        best = self._evidence(parts, self.logs)
        for place in self._rng.permutation(len(self.logs))[:MOVES]:
            for step in (STEP, -STEP):
                tried = self.logs.copy()
                tried[place] += step
                before = parts[place].copy() if place < len(parts) else None
                if before is not None:
                    parts[place] = _matern(distances[place : place + 1], tried[place : place + 1])[0]
                if (evidence := self._evidence(parts, tried)) > best:
                    best, self.logs = evidence, tried
                    break
                if before is not None:
                    parts[place] = before

    def _distances(
        self, points: Array, costs: Array, other: Array | None = None, other_costs: Array | None = None
    ) -> Array:
        """Distances by gene and cost, shape (genes and costs, rows, other rows)."""
        other = points if other is None else other
        other_costs = costs if other_costs is None else other_costs
        by_cost = [_squared(costs[:, [i]], other_costs[:, [i]]) for i in range(costs.shape[1])]
        by_gene = self._encoder.distances(points, other)
        return np.asarray(np.sqrt(np.concatenate([by_gene, np.stack(by_cost)]) if by_cost else by_gene))

    def _evidence(self, parts: Array, logs: Array) -> float:
        """Log marginal likelihood and log prior, up to a constant."""
        try:
            factor = _cholesky(_mixed(parts, logs[-2]), math.exp(logs[-1]))
        except np.linalg.LinAlgError:
            return -math.inf
        half = _half_solve(factor, self._target)
        prior = -0.5 * float((((logs - self._start) / _PRIOR_SPREAD) ** 2).sum())
        return float(prior - 0.5 * (half @ half) - np.log(np.diag(factor)).sum())


def _matern(distances: Array, logs: Array) -> Array:
    """A Matérn 3/2 kernel for each leading row of the distances."""
    scaled = math.sqrt(3.0) * distances * np.exp(-logs)[:, None, None]
    return np.asarray((1.0 + scaled) * np.exp(-scaled))


def _mixed(parts: Array, odds: float) -> Array:
    share = 1.0 / (1.0 + math.exp(-odds))
    return np.asarray(share * parts.mean(axis=0) + (1.0 - share) * parts.prod(axis=0))


def _cholesky(kernel: Array, noise: float) -> Array:
    kernel.flat[:: len(kernel) + 1] += noise
    return np.asarray(cholesky(kernel, lower=True, overwrite_a=True, check_finite=False))


def _half_solve(factor: Array, target: Array) -> Array:
    return np.asarray(solve_triangular(factor, target, lower=True, check_finite=False))


def _squared(a: Array, b: Array) -> Array:
    return np.asarray(((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2))


def _ranges(widths: list[int]) -> list[tuple[int, int]]:
    ends = np.cumsum(widths).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _is_nominal(gene: Gene) -> bool:
    return isinstance(gene, Categorical) and not gene.ordered


def _width(gene: Gene) -> int:
    return (len(gene.choices) if _is_nominal(gene) and isinstance(gene, Categorical) else 1) + (gene.active is not None)


def _coordinates(gene: Gene, architecture: Architecture) -> NDArray[np.float64]:
    block = np.zeros(_width(gene))
    if gene.name not in architecture:
        block[-1] = 1.0
        return block
    value = architecture[gene.name]
    if isinstance(gene, Categorical):
        place = gene.choices.index(value)
        if not gene.ordered:
            block[place] = math.sqrt(0.5)  # two choices then differ by 1
            return block
        block[0] = place / max(len(gene.choices) - 1, 1)
    else:
        block[0] = unit_position(gene.low, gene.high, value, log=gene.log)
    return block


def unit_position(low: float, high: float, value: float, *, log: bool) -> float:
    """Where a number lies between two others, from 0 to 1, on their own scale."""
    if low == high:
        return 0.0
    if log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)
