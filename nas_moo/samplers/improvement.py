"""What the training of a candidate is expected to take off a user's error, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from nas_moo.pareto import Array, staircase


@dataclass(frozen=True, eq=False)
class ToBeat:
    """What a new training has to beat.

    Attributes:
        errors: Of what was trained, shape (n,).
        costs: Of the same, shape (n, costs).
        low: The lowest budget of each cost, shape (costs,).
        high: The highest.
        worst: What larger errors count as, and budgets that nothing meets.
    """

    errors: Array
    costs: Array
    low: Array
    high: Array
    worst: float

    def improvement(self, mean: Array, std: Array, costs: Array) -> Array:
        """Expected improvement by each candidate, averaged over budgets on each cost by itself.

        Along one cost, the error to beat under a budget is a falling staircase. What a candidate is expected to take
        off it, integrated over the budgets that it meets and divided by the cost's range, is the expected fall of a
        user's error who draws a budget at random.

        Args:
            mean: Of the candidates' log error, shape (candidates,).
            std: Of the same.
            costs: Shape (candidates, costs).
        """
        total: Array = np.zeros(len(mean))
        for cost, low, high, at in zip(self.costs.T, self.low, self.high, costs.T, strict=True):
            steps, thresholds = staircase(cost, np.minimum(self.errors, self.worst))
            edges = np.r_[low, steps, high]
            width = np.clip(edges[None, 1:] - np.maximum(edges[None, :-1], at[:, None]), 0.0, None)
            gain = lognormal_improvement(np.r_[self.worst, thresholds], mean, std)
            total += (width * gain).sum(axis=1) / max(high - low, 1e-9)
        return total


def lognormal_improvement(threshold: Array, mean: Array, std: Array) -> Array:
    """Expected amount by which exp(Normal(mean, std)) falls below each threshold, shape (candidates, thresholds)."""
    z = (np.log(np.maximum(threshold, 1e-300))[None, :] - mean[:, None]) / std[:, None]
    expected = np.exp(mean + std**2 / 2)[:, None]
    return np.asarray(threshold[None, :] * ndtr(z) - expected * ndtr(z - std[:, None]))
