"""Of many candidates, the one whose training promises most: expected improvement at known costs.

FLOPs and latency are known before training; only the error is not. So the expectation is one-dimensional and in closed
form: along each cost, the lowest error under a budget is a falling staircase, and a candidate is expected to take a
part off every step at its own cost or above. The staircase is that of the surrogate's means, so that a lucky training
sets no threshold; all bounds are those observed so far, and errors above the median of the first, evenly drawn
architectures count as that median: nobody deploys them, however cheap they are.

Asking for a cost may take a measurement, so all candidates are ranked by predicted costs first, and the few best again
by those that they have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from nas_moo.genome import Architecture
from nas_moo.pareto import Array, nondominated, staircase
from nas_moo.samplers import Problem
from nas_moo.samplers.codes import Codes
from nas_moo.samplers.costs import CostModel
from nas_moo.samplers.surrogate import MOST_POINTS, GaussianProcess

SHORTLIST = 8  # candidates of a proposal that are asked for their costs
EXPLORED = 80  # architectures that are asked once, before costs are predicted
RECENT = 50  # trainings that say what a new one costs, where pruned ones can go on
START = 10  # trainings of architectures drawn evenly, before anything is screened
BASE = 0.9  # of the lowest error: the surrogate sees the logarithm of what lies above it
FITS_PER_DOUBLING = 50  # how often the hyperparameters are improved while the trainings double


@dataclass(frozen=True, eq=False)
class Paused:
    """A pruned training that can go on.

    Attributes:
        place: Among all that was learned.
        row: Its genes.
        remaining: Share of the training that is before it.
    """

    place: int
    row: Array
    remaining: float


class Screening:
    """Ranks candidates by what their training is expected to add to the front."""

    def __init__(self, codes: Codes, problem: Problem, rng: np.random.Generator) -> None:
        self._codes, self._problem, self._rng = codes, problem, rng
        self._log = np.array(problem.log, dtype=bool)
        self._most = self._scaled(np.array([problem.limits.get(name, np.inf) for name in problem.costs]))
        self._model = GaussianProcess(codes, len(problem.costs), rng)
        self._cost_model = CostModel(codes, problem.log, rng)
        self._points, self._costs, self._errors = list[Array](), list[Array](), list[float]()
        self._paused: dict[bytes, Paused] = {}
        self._prices: deque[float] = deque(maxlen=RECENT)
        self._spreads = list[float]()  # of pruned trainings, whose errors are predictions; 0 of complete ones
        self._learned_at, self._explored = 0, False

    def __len__(self) -> int:
        return self._spreads.count(0.0)

    def learn(self, row: Array, values: Array, spread: float = 0.0, remaining: float = np.inf) -> None:
        """A training ended, or was pruned.

        Args:
            row: What was trained.
            values: The objectives in the study's order; of a pruned training the error that is predicted.
            spread: Standard deviation of the logarithm of that prediction; 0 of a complete training.
            remaining: Share of the training that a pruned one has before it; infinite where it cannot go on.
        """
        error, costs = float(values[self._problem.error]), self._scaled(np.delete(values, self._problem.error))
        before = self._paused.pop(row.tobytes(), None)
        place = len(self._errors) if before is None else before.place
        if np.isfinite(remaining):
            self._paused[row.tobytes()] = Paused(place, row, remaining)
        self._prices.append(1.0 - remaining if np.isfinite(remaining) else 1.0)
        if before is not None:
            self._errors[place], self._spreads[place] = error, spread
            return
        self._points.append(self._codes.points(row[None])[0])
        self._costs.append(costs)
        self._errors.append(error)
        self._spreads.append(spread)
        self._cost_model.learn(self._points[-1][None], costs[None])

    def best(self, rows: Array, is_known: Callable[[Architecture], bool], waiting: Array) -> dict[str, Any] | None:
        """The values of the candidate to train; None where all are known.

        Args:
            rows: Candidates, shape (n, genes).
            is_known: Whether an architecture was proposed before.
            waiting: What other workers are training, shape (m, genes).

        Raises:
            numpy.linalg.LinAlgError: the surrogate cannot be fitted.
        """
        if not self._explored:
            self._explored = True
            self._ask(self._shortlist(self._codes.uniform(EXPLORED, self._rng), is_known, EXPLORED))
        points = self._codes.points(rows)
        promise = self._fitted(waiting)
        unknown = np.full((len(points), len(self._log)), np.nan)
        ranking = np.argsort(-promise(points, self._cost_model.filled(points, unknown)), kind="stable")
        chosen = self._shortlist(rows[ranking], is_known, SHORTLIST)
        if not chosen:
            return None
        points, told = self._ask(chosen)
        promised = promise(points, self._cost_model.filled(points, told))
        if (paused := self._worth_going_on(promise, float(promised.max()), waiting)) is not None:
            return self._codes.decode(paused.row)
        return list(chosen.values())[int(np.argmax(promised))]

    def _worth_going_on(self, promise: Callable[[Array, Array], Array], best: float, waiting: Array) -> Paused | None:
        """The pruned training that promises more for each epoch that it still takes than a new one; None without."""
        running = {row.tobytes() for row in waiting}
        paused = [p for key, p in self._paused.items() if key not in running]
        if not paused:
            return None
        places = [p.place for p in paused]
        promised = promise(np.array(self._points)[places], np.array(self._costs)[places])
        rates = promised / np.array([p.remaining for p in paused])
        first = int(np.argmax(rates))
        return paused[first] if rates[first] * float(np.mean(self._prices)) > max(best, 0.0) else None

    def _ask(self, chosen: Mapping[Architecture, dict[str, Any]]) -> tuple[Array, Array]:
        """The points of some architectures and what their costs are; NaN where only the device would tell."""
        rows = np.array([self._codes.encode(values) for values in chosen.values()])
        points = self._codes.points(rows.reshape(len(chosen), len(self._codes.genome)))
        told = np.array([self._told(a) for a in chosen]).reshape(len(chosen), len(self._log))
        self._cost_model.learn(points, told)
        return points, told

    def _shortlist(
        self, rows: Array, is_known: Callable[[Architecture], bool], most: int
    ) -> dict[Architecture, dict[str, Any]]:
        """The first that are new, and their values."""
        chosen: dict[Architecture, dict[str, Any]] = {}
        for row in rows:
            values = self._codes.decode(row)
            architecture = self._codes.genome.architecture(values)
            if architecture not in chosen and not is_known(architecture):
                chosen[architecture] = values
            if len(chosen) == most:
                break
        return chosen

    def _told(self, architecture: Architecture) -> Array:
        told: Mapping[str, float] = self._problem.ask(architecture)
        return self._scaled(np.array([told.get(name, np.nan) for name in self._problem.costs]))

    def _fitted(self, waiting: Array) -> Callable[[Array, Array], Array]:
        """Fit the surrogate; gives what the training of points with some costs promises."""
        points, costs = np.array(self._points), np.array(self._costs)
        errors, complete = np.array(self._errors), np.array(self._spreads) == 0
        base = _base(errors[complete])
        above = errors - base
        above[~complete] = np.maximum(above[~complete], above[complete].min() / 2)  # a prediction may be below the base
        target, noise = np.log(above), (np.array(self._spreads) * errors / above) ** 2
        learn = FITS_PER_DOUBLING * (len(target) - self._learned_at) >= len(target)
        self._learned_at = len(target) if learn else self._learned_at
        keep = self._kept(costs, target)
        noise, counting = noise[keep], complete[keep]
        self._model.fit(points[keep], costs[keep], target[keep], learn=learn, noise=noise)
        if len(waiting):  # as if they had ended as expected
            there = self._codes.points(waiting)
            there_costs = self._cost_model.filled(there, np.full((len(there), len(self._log)), np.nan))
            expected = self._model.predict(there, there_costs).mean
            points, costs = np.concatenate([points[keep], there]), np.concatenate([costs[keep], there_costs])
            noise, counting = np.r_[noise, np.zeros(len(there))], np.r_[counting, np.ones(len(there), dtype=bool)]
            self._model.fit(points, costs, np.concatenate([target[keep], expected]), learn=False, noise=noise)
        else:
            costs = costs[keep]
        seen, worst = np.exp(self._model.fitted), float(np.median(errors[complete][:START])) - base
        seen, costs = seen[counting], costs[counting]  # what was pruned is nobody's to deploy

        def promise(points: Array, candidate_costs: Array) -> Array:
            coming = self._model.predict(points, candidate_costs)
            value: Array = -np.maximum(candidate_costs - self._most, 0.0).sum(axis=1)
            within = value == 0
            if within.any():
                value[within] = improvement(
                    seen, costs, worst, coming.mean[within], coming.std[within], candidate_costs[within]
                )
            return value

        return promise

    def _kept(self, costs: Array, target: Array) -> NDArray[np.intp]:
        """The last points and all of the front, where there are too many."""
        n = len(target)
        if n <= MOST_POINTS:
            return np.arange(n)
        front = np.flatnonzero(nondominated(np.column_stack([target, costs])))
        recent = np.arange(n)[::-1]
        return np.unique(list(dict.fromkeys([*front.tolist(), *recent.tolist()]))[:MOST_POINTS])

    def _scaled(self, costs: Array) -> Array:
        return np.asarray(np.where(self._log, np.log(np.where(self._log, costs, 1.0)), costs))


def improvement(errors: Array, costs: Array, worst: float, mean: Array, std: Array, candidate_costs: Array) -> Array:
    """Expected improvement of each candidate, averaged over budgets on each cost by itself.

    Along one cost, the error to beat under a budget is a falling staircase. What a candidate is expected to take off
    it, integrated over the budgets that it meets and divided by the cost's range, is the expected fall of a user's
    error who draws a budget at random.

    Args:
        errors: Of what was trained, shape (n,).
        costs: Of the same, shape (n, costs).
        worst: What larger errors count as, and budgets that nothing meets.
        mean: Of the candidates' log error, shape (candidates,).
        std: Of the same.
        candidate_costs: Shape (candidates, costs).
    """
    total: Array = np.zeros(len(mean))
    for cost, candidate_cost in zip(costs.T, candidate_costs.T, strict=True):
        steps, thresholds = staircase(cost, np.minimum(errors, worst))
        low, high = min(cost.min(), candidate_cost.min()), max(cost.max(), candidate_cost.max())
        edges = np.r_[low, steps, high]
        width = np.clip(edges[None, 1:] - np.maximum(edges[None, :-1], candidate_cost[:, None]), 0.0, None)
        gain = lognormal_improvement(np.r_[worst, thresholds], mean, std)
        total += (width * gain).sum(axis=1) / max(high - low, 1e-9)
    return total


def lognormal_improvement(threshold: Array, mean: Array, std: Array) -> Array:
    """Expected amount by which exp(Normal(mean, std)) falls below each threshold, shape (candidates, thresholds)."""
    z = (np.log(np.maximum(threshold, 1e-300))[None, :] - mean[:, None]) / std[:, None]
    expected = np.exp(mean + std**2 / 2)[:, None]
    return np.asarray(threshold[None, :] * ndtr(z) - expected * ndtr(z - std[:, None]))


def _base(errors: Array) -> float:
    """What is taken off errors before the logarithm: it shows differences among the best that noise would hide else."""
    low = float(errors.min())
    if low > 0:
        return BASE * low
    return low - max(0.1 * (float(np.median(errors)) - low), 1e-9)
