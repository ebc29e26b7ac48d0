"""What a training that has just begun will end with: a regression on finished curves, with the residuals it really had.

The logarithm of how far the error still falls is regressed on the last error and on how far it fell since half the
cost (ridge). Nothing is assumed of the residuals: each is that of a curve that took no part in its own prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas_moo.pareto import Array
from nas_moo.pruners.base import FinishedCurves

MOST_CURVES = 250
RIDGE = 1.0  # on standardised inputs: as much as one more curve that says "nothing"
LEAST = 5  # curves, before anything is predicted
_FLOOR = 0.02  # of the median final error: added before the logarithm, so that an error of 0 has one
_LEAST_SPREAD = 1e-3


@dataclass(frozen=True, eq=False)
class Stage:
    """The regression at one point of the curve.

    Attributes:
        center: Of the inputs, shape (inputs,).
        scale: Of the same.
        weights: The intercept, and one for each input.
        residuals: What each curve ended above its prediction from the others, in logarithm, shape (n,).
        spread: Their root mean square.
    """

    center: Array
    scale: Array
    weights: Array
    residuals: Array
    spread: float


class CurveModel:
    """Predicts final errors from the beginnings of curves.

    Args:
        finished: Complete trainings.
        most: How many of them are used.

    Attributes:
        finished: The curves used: the last.
    """

    def __init__(self, finished: FinishedCurves, most: int = MOST_CURVES) -> None:
        self.finished = finished if len(finished) <= most else finished.among(_last(len(finished), most))
        curves = self.finished.curves
        lowest = min(0.0, float(curves.min(initial=0.0)))  # a loss of the user's own may fall below 0
        middle = float(np.median(curves[:, -1])) if len(curves) else 1.0
        self._shift = max(_FLOOR * (middle - lowest), 1e-9) - lowest
        self._logs = np.log(curves + self._shift)
        self._least = self._logs.min(initial=np.inf)
        self._middle = float(np.median(self._logs)) if len(curves) else 0.0
        self._log = (self.finished.low > 0).all(axis=0)
        self._costs = self._cost_inputs(self.finished.low, self.finished.high)
        self._most = self._logs[:, -1].max(initial=-np.inf)
        self._half = [_half(self.finished.epochs, p) for p in range(len(self.finished.epochs))]
        self._stages: dict[int, Stage] = {}

    def __len__(self) -> int:
        return len(self.finished)

    def log(self, errors: Array) -> Array:
        """Errors on the scale of the predictions."""
        return np.asarray(np.log(np.maximum(errors + self._shift, 1e-12)))

    def error(self, log: float) -> float:
        """The error of a logarithm."""
        return float(np.exp(log) - self._shift)

    def errors(self, logs: Array) -> Array:
        """The errors of logarithms."""
        return np.asarray(np.exp(logs) - self._shift)

    def predict(self, curve: Array, low: Array, high: Array) -> tuple[float, float]:
        """The final error that is expected, and the spread of its logarithm; needs ``LEAST`` curves."""
        log, spread = self.predict_log(curve, low, high)
        return self.error(log), spread

    def predict_log(self, curve: Array, low: Array, high: Array) -> tuple[float, float]:
        """The same, the error as a logarithm."""
        logs, spread = self.predict_logs(curve[None], low[None], high[None])
        return float(logs[0]), spread

    def predict_logs(self, curves: Array, low: Array, high: Array) -> tuple[Array, float]:
        """The same for several trainings that have come to one point, shapes (n, points) and (n, costs)."""
        logs, point = self.log(curves), curves.shape[1] - 1
        if point == len(self.finished.epochs) - 1:
            return logs[:, -1], 0.0
        stage = self.stage(point)
        inputs = (self._inputs(logs, self._cost_inputs(low, high), point) - stage.center) / stage.scale
        drawn, last = logs[:, -1] + stage.weights[0] + inputs @ stage.weights[1:], logs[:, -1]
        most = np.where(last < self._least, last, np.maximum(last, self._most))  # a line knows no end, above or below
        return np.minimum(drawn, most), stage.spread

    def stage(self, point: int) -> Stage:
        """The regression at a point, fitted when it is first asked for."""
        if point not in self._stages:
            raw = self._inputs(self._logs, self._costs, point)
            center, scale = raw.mean(axis=0), raw.std(axis=0)
            scale[scale < 1e-9] = 1.0
            design = np.column_stack([np.ones(len(raw)), (raw - center) / scale])
            target = self._logs[:, -1] - self._logs[:, point]
            penalty = RIDGE * np.eye(design.shape[1])
            penalty[0, 0] = 0.0
            solved = np.linalg.solve(design.T @ design + penalty, design.T)
            weights, leverage = solved @ target, (design * solved.T).sum(axis=1)
            residuals = (target - design @ weights) / np.maximum(1 - leverage, 1e-3)
            spread = max(float(np.sqrt((residuals**2).mean())), _LEAST_SPREAD)
            self._stages[point] = Stage(center, scale, weights, residuals, spread)
        return self._stages[point]

    def _inputs(self, logs: Array, costs: Array, point: int) -> Array:
        """Of each curve: the last error and its square, how far it fell since half the cost, and the known costs."""
        last, half = logs[:, point], self._half[point]
        fallen = [] if half is None else [last - logs[:, half]]
        return np.column_stack([last, (last - self._middle) ** 2, *fallen, costs])

    def _cost_inputs(self, low: Array, high: Array) -> Array:
        """The middles of the costs, in logarithm where they have one."""
        middle = (low + high) / 2
        return np.asarray(np.where(self._log, np.log(np.where(self._log & (middle > 0), middle, 1.0)), middle))


def _half(epochs: Array, point: int) -> int | None:
    """The last point at no more than half the cost of another; None where there is none."""
    below = np.flatnonzero(epochs <= epochs[point] / 2)
    return int(below[-1]) if len(below) else None


def _last(count: int, most: int) -> NDArray[np.intp]:
    return np.arange(count - most, count)
