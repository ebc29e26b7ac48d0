"""What candidates cost before anybody asks: good enough to rank hundreds, of which only a few are then asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas_moo.pareto import Array
from nas_moo.samplers.codes import Codes
from nas_moo.samplers.surrogate import GaussianProcess

MOST_POINTS = 128
NOISE = 1e-3  # of exact costs; timed ones make it grow
GROWTH = 1.5  # of what is known, until a model is fitted anew
_LEARNING = 4  # fits in a row


class CostModel:
    """Predicts each cost from the genes, and from the costs that are known of more architectures than it is."""

    def __init__(self, codes: Codes, log: Sequence[bool], rng: np.random.Generator) -> None:
        self._codes, self._log, self._rng = codes, log, rng
        self._points, self._costs = np.zeros((0, len(codes.genome))), np.zeros((0, len(log)))
        self._told = np.zeros(len(log), dtype=np.intp)
        self._models: dict[int, _OneCost] = {}

    def learn(self, points: Array, costs: Array) -> None:
        """Take in what was asked or measured, and forget the oldest of too many.

        Args:
            points: Of ``Codes.points``, shape (n, genes).
            costs: On the scale they are compared on, shape (n, costs); NaN where one is not known.
        """
        points, costs = np.concatenate([self._points, points]), np.concatenate([self._costs, costs])
        self._told += (~np.isnan(costs[len(self._costs) :])).sum(axis=0)
        whole = np.flatnonzero(~np.isnan(costs).any(axis=1))
        keep = np.union1d(whole[-MOST_POINTS:], np.arange(len(costs))[-MOST_POINTS:])
        self._points, self._costs = points[keep], costs[keep]

    def filled(self, points: Array, costs: Array) -> Array:
        """The costs with a prediction in the place of each NaN.

        Args:
            points: Shape (n, genes).
            costs: Shape (n, costs).
        """
        out = costs.copy()
        for column in np.argsort(-self._told, kind="stable"):
            unknown = np.isnan(costs[:, column])
            if unknown.any():
                inputs = np.flatnonzero(self._told > self._told[column])
                out[unknown, column] = self._model(column, inputs).predict(points[unknown], out[unknown][:, inputs])
        return out

    def _model(self, column: int, inputs: NDArray[np.intp]) -> _OneCost:
        """The model of one cost, fitted anew where much has become known since."""
        model = self._models.get(column)
        if model is None or model.n_inputs != len(inputs):
            model = self._models[column] = _OneCost(self._codes, len(inputs), self._log[column], self._rng)
        if self._told[column] >= GROWTH * model.fitted_to:
            rows = np.flatnonzero(~np.isnan(self._costs[:, [column, *inputs]]).any(axis=1))[-MOST_POINTS:]
            model.fit(self._points[rows], self._costs[rows][:, inputs], self._costs[rows, column])
            model.fitted_to = int(self._told[column])
        return model


class _OneCost:
    """A Gaussian process of a cost or of its logarithm, whichever makes what was seen more likely.

    Operators that run one after another add up; widths and resolutions multiply.
    """

    def __init__(self, codes: Codes, n_inputs: int, log: bool, rng: np.random.Generator) -> None:
        self.n_inputs, self.fitted_to = n_inputs, 0
        self._processes = {scale: GaussianProcess(codes, n_inputs, rng, noise=NOISE) for scale in {False, log}}

    def fit(self, points: Array, inputs: Array, cost: Array) -> None:
        """Take in a cost, in logarithm where it has one."""
        for summed, process in self._processes.items():
            target = np.exp(cost) if summed else cost
            for _ in range(_LEARNING):
                process.fit(points, inputs, target, learn=True)
        # density of the cost's logarithm: that of the cost times its derivative
        likelihood = {s: p.log_likelihood + (cost.sum() if s else 0.0) for s, p in self._processes.items()}
        self._summed = max(likelihood, key=lambda s: likelihood[s])
        self._least = float(cost.min())

    def predict(self, points: Array, inputs: Array) -> Array:
        """Its mean, in logarithm where it has one."""
        mean = self._processes[self._summed].mean(points, inputs)
        if not self._summed:
            return mean
        half = np.exp(self._least) / 2
        return np.asarray(np.log(np.maximum(mean, half)))
