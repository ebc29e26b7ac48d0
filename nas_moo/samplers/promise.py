"""What a training promises: how much it is expected to take off a user's error, by one fit of the surrogate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas_moo.pareto import Array
from nas_moo.samplers.improvement import ToBeat
from nas_moo.samplers.surrogate import GaussianProcess, Prediction


@dataclass(frozen=True, eq=False)
class Promise:
    """Good until the surrogate is fitted again.

    Attributes:
        model: The surrogate, of ``trainings.log_above``.
        to_beat: What trainings have come to.
        most: Limits of the costs, as the surrogate sees costs, shape (costs,).
    """

    model: GaussianProcess
    to_beat: ToBeat
    most: Array

    def __call__(self, points: Array, costs: Array) -> Array:
        """Of trainings that have not begun, shape (points,); see ``of``."""
        return self.of(self.model.predict(points, costs), costs)

    def of(self, ending: Prediction, costs: Array) -> Array:
        """Of trainings whose end is predicted; below 0 by how far costs are above their limits, shape (n,).

        Args:
            ending: On the scale of the surrogate, shape (n,).
            costs: Shape (n, costs).
        """
        value: Array = -np.maximum(costs - self.most, 0.0).sum(axis=1)
        within = value == 0
        if within.any():
            value[within] = self.to_beat.improvement(ending.mean[within], ending.std[within], costs[within])
        return value
