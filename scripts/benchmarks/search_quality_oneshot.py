"""The "one shot" arms of ``search_quality``: train a few at random, predict all, train the predicted front.

On smooth tables an additive model of few trainings ranks nearly as well as any surrogate, so every search has to be
compared with this. When the predicted front is used up, the model is fitted again to all trainings, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from search_quality_ask import AskTellSampler, drawn
from search_quality_points import Points
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV

from nas_moo.genome import Architecture, Genome
from nas_moo.pareto import Array, nondominated
from nas_moo.replay.run import CostOracle
from nas_moo.samplers import SamplerOptions

RANDOM = 20  # trainings before the first prediction
CANDIDATES = 10_000  # predicted at most: the whole of a smaller space
PENALTIES = np.logspace(-3, 3, 13)  # of the ridge, chosen by leave-one-out


class Regressor(Protocol):
    """Of scikit-learn."""

    def fit(self, points: Array, target: Array) -> Regressor:
        """Take in trainings."""

    def predict(self, points: Array) -> Array:
        """The target at other points."""


def regressor(name: str, seed: int) -> Regressor:
    """A "ridge", additive in the genes and the costs, or a "forest"."""
    made: Regressor = RidgeCV(alphas=PENALTIES) if name == "ridge" else RandomForestRegressor(random_state=seed)
    return made


class OneShotSampler(AskTellSampler):
    """Trains one predicted front after another."""

    def __init__(
        self,
        genome: Genome,
        options: SamplerOptions,
        is_known: Callable[[Architecture], bool],
        costs: CostOracle,
        *,
        model: str,
    ) -> None:
        super().__init__(genome, options, is_known, costs)
        self._model, self._point = regressor(model, options.seed), Points(genome)
        self._plan: Iterator[Architecture] = iter(())
        self._candidates: Candidates | None = None

    def propose(self) -> Architecture | None:
        """A random architecture, or the next of the predicted front."""
        if len(self.architectures) < RANDOM:
            return drawn(self._genome, self.rng)
        planned = next(self._plan, None)
        if planned is None:
            self._plan = iter(self._predicted_front())
            planned = next(self._plan, None)
        return planned

    def _predicted_front(self) -> list[Architecture]:
        """Its members that were not trained, well spread; where all were, the front of the others."""
        if self._candidates is None:
            self._candidates = Candidates.of(self)
        candidates = self._candidates
        points = np.array([self._point(a) for a in self.architectures])
        values = self.values
        center, scale = values[:, 1:].mean(axis=0), np.maximum(values[:, 1:].std(axis=0), 1e-9)
        self._model.fit(np.column_stack([points, (values[:, 1:] - center) / scale]), log_error(values[:, 0]))
        told = np.column_stack([candidates.points, (candidates.costs - center) / scale])
        predicted = np.column_stack([self._model.predict(told), candidates.costs])
        left = np.array([not self.is_known(a) for a in candidates.architectures])
        front = np.flatnonzero(nondominated(predicted) & left)
        if not left.any():
            return []
        if not len(front):
            front = np.flatnonzero(left)[nondominated(predicted[left])]
        return [candidates.architectures[front[i]] for i in spread(predicted[front])]


class Candidates:
    """What is predicted: architectures, their coordinates and their known costs."""

    def __init__(self, architectures: Sequence[Architecture], points: Array, costs: Array) -> None:
        self.architectures, self.points, self.costs = architectures, points, costs

    @classmethod
    def of(cls, sampler: OneShotSampler) -> Candidates:
        """All of a small space, or a random part."""
        genome, point = sampler._genome, sampler._point
        architectures = candidates(genome, CANDIDATES, sampler.rng)
        return cls(architectures, np.array([point(a) for a in architectures]), sampler.known_costs(architectures))


def candidates(genome: Genome, most: int, rng: np.random.Generator) -> list[Architecture]:
    """All architectures of a space, or as many distinct random ones as are wanted at most."""
    size = genome.size()
    if size != "continuous" and size <= most:
        return list(genome.grid())
    found = dict[str, Architecture]()
    for _ in range(20 * most):
        architecture = drawn(genome, rng)
        found[architecture.digest] = architecture
        if len(found) == most:
            break
    return list(found.values())


def log_error(errors: Array) -> Array:
    """The logarithm; no error at all counts as half the smallest other."""
    above = errors[errors > 0]
    return np.asarray(np.log(np.maximum(errors, 0.5 * above.min() if len(above) else 1.0)))


def spread(values: Array) -> NDArray[np.intp]:
    """An order in which each point is the farthest from those before it; the lowest first objective comes first."""
    span = np.maximum(np.ptp(values, axis=0), 1e-9)
    points = (values - values.min(axis=0)) / span
    order = [int(np.argmin(points[:, 0]))]
    distance = np.full(len(points), np.inf)
    for _ in range(len(points) - 1):
        distance = np.minimum(distance, ((points - points[order[-1]]) ** 2).sum(axis=1))
        distance[order] = -1.0
        order.append(int(np.argmax(distance)))
    return np.array(order)
