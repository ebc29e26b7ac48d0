"""What a training promises: how much it is expected to take off a user's error, by one fit of the surrogate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas_moo.pareto import Array
from nas_moo.samplers.improvement import ToBeat
from nas_moo.samplers.surrogate import GaussianProcess


@dataclass(frozen=True, eq=False)
class Promise:
    """Good until the surrogate is fitted again.

    Attributes:
        model: The surrogate, of the logarithm of what an error is above ``base``.
        to_beat: What trainings have come to.
        base: See ``model``.
        least: What a predicted error is at least above it: it may lie below, and has a logarithm all the same.
        most: Limits of the costs, as the surrogate sees costs, shape (costs,).
    """

    model: GaussianProcess
    to_beat: ToBeat
    base: float
    least: float
    most: Array

    def __call__(self, points: Array, costs: Array) -> Array:
        """Of trainings that have not begun; below 0 by how far costs are above their limits, shape (points,)."""
        coming = self.model.predict(points, costs)
        value: Array = -np.maximum(costs - self.most, 0.0).sum(axis=1)
        within = value == 0
        if within.any():
            value[within] = self.to_beat.improvement(coming.mean[within], coming.std[within], costs[within])
        return value

    def of_begun(self, point: Array, costs: Array, error: float, spread: float) -> float:
        """Of a training whose curve predicts an error, weighed against what the surrogate expects.

        Args:
            point: Shape (1, axes).
            costs: Shape (1, costs).
            error: The final error that the curve predicts.
            spread: Standard deviation of its logarithm.
        """
        prior = self.model.predict(point, costs)
        above = max(error - self.base, self.least)
        sure, expected = (above / max(spread * abs(error), 1e-9)) ** 2, prior.std**-2
        mean = (sure * np.log(above) + expected * prior.mean) / (sure + expected)
        return float(self.to_beat.improvement(mean, (sure + expected) ** -0.5, costs)[0])
