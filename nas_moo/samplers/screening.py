"""Of many children, the one whose training promises most: expected improvement at known costs.

FLOPs and latency are known before training; only the error is not. So the expectation is one-dimensional and in closed
form: along each cost, the lowest error under a budget is a falling staircase, and a child is expected to take a part
off every step at its own cost or above. The staircase is that of the surrogate's means, so that a lucky training sets
no threshold; all bounds are those observed so far, and errors above the median count as the median.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from nas_moo.genome import Architecture, Genome
from nas_moo.pareto import Array, nondominated, staircase
from nas_moo.samplers.surrogate import MOST_POINTS, Encoder, GaussianProcess

LEARN_EVERY = 3  # trainings between two improvements of the hyperparameters


class Screening:
    """Ranks children by what their training is expected to add to the front."""

    def __init__(self, genome: Genome, n_costs: int, rng: np.random.Generator) -> None:
        self._encode = Encoder(genome)
        self._model = GaussianProcess(self._encode, n_costs, rng)
        self._points: list[Array] = []
        self._costs: list[Array] = []
        self._errors: list[float] = []
        self._learned_at = 0

    def __len__(self) -> int:
        return len(self._errors)

    def learn(self, architecture: Architecture, costs: Array, error: float) -> None:
        """A training ended.

        Args:
            architecture: What was trained.
            costs: On the scale they are compared on (logarithms, where they have one).
            error: Of the last epoch; at least 0.
        """
        self._points.append(self._encode(architecture))
        self._costs.append(costs)
        self._errors.append(error)

    def best(self, children: Sequence[Architecture], costs: Array) -> int:
        """The place of the child to train.

        Args:
            children: Not yet trained.
            costs: Of each, as in ``learn``, shape (children, costs).

        Raises:
            numpy.linalg.LinAlgError: the surrogate cannot be fitted.
        """
        points = np.array([self._encode(a) for a in children])
        known, known_costs = np.array(self._points), np.array(self._costs)
        target = np.log(np.maximum(np.array(self._errors), _floor(self._errors)))
        learn = len(target) - self._learned_at >= LEARN_EVERY
        keep = self._kept(known_costs, target)
        seen = self._model.fit(known[keep], known_costs[keep], target[keep], learn=learn)
        if learn:
            self._learned_at = len(target)
        coming = self._model.predict(points, costs)
        return int(np.argmax(improvement(np.exp(seen), known_costs[keep], coming.mean, coming.std, costs)))

    def _kept(self, costs: Array, target: Array) -> NDArray[np.intp]:
        """The last points and all of the front, where there are too many."""
        n = len(target)
        if n <= MOST_POINTS:
            return np.arange(n)
        front = np.flatnonzero(nondominated(np.column_stack([target, costs])))
        recent = np.arange(n)[::-1]
        return np.unique(list(dict.fromkeys([*front.tolist(), *recent.tolist()]))[:MOST_POINTS])


def improvement(errors: Array, costs: Array, mean: Array, std: Array, child_costs: Array) -> Array:
    """Expected improvement of each child, averaged over budgets on each cost by itself.

    Along one cost, the error to beat under a budget is a falling staircase. What a child is expected to take off it,
    integrated over the budgets that it meets and divided by the cost's range, is the expected fall of a user's error
    who draws a budget at random.

    Args:
        errors: Of what was trained, shape (n,).
        costs: Of the same, shape (n, costs).
        mean: Of the children's log error, shape (children,).
        std: Of the same.
        child_costs: Shape (children, costs).
    """
    worst = float(np.median(errors))
    total: Array = np.zeros(len(mean))
    for cost, child_cost in zip(costs.T, child_costs.T, strict=True):
        steps, thresholds = staircase(cost, np.minimum(errors, worst))
        low, high = min(cost.min(), child_cost.min()), max(cost.max(), child_cost.max())
        edges = np.r_[low, steps, high]
        width = np.clip(edges[None, 1:] - np.maximum(edges[None, :-1], child_cost[:, None]), 0.0, None)
        gain = lognormal_improvement(np.r_[worst, thresholds], mean, std)
        total += (width * gain).sum(axis=1) / max(high - low, 1e-9)
    return total


def lognormal_improvement(threshold: Array, mean: Array, std: Array) -> Array:
    """Expected amount by which exp(Normal(mean, std)) falls below each threshold, shape (children, thresholds)."""
    z = (np.log(np.maximum(threshold, 1e-300))[None, :] - mean[:, None]) / std[:, None]
    expected = np.exp(mean + std**2 / 2)[:, None]
    return np.asarray(threshold[None, :] * ndtr(z) - expected * ndtr(z - std[:, None]))


def _floor(errors: Sequence[float]) -> float:
    """Half the smallest error above 0, so that no error at all has a logarithm."""
    return 0.5 * min((e for e in errors if e > 0), default=1.0)
