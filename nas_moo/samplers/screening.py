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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_moo.genome import Architecture
from nas_moo.pareto import Array, nondominated
from nas_moo.samplers import Problem
from nas_moo.samplers.codes import Codes
from nas_moo.samplers.costs import CostModel
from nas_moo.samplers.improvement import ToBeat
from nas_moo.samplers.promise import Promise
from nas_moo.samplers.surrogate import MOST_POINTS, GaussianProcess, Prediction
from nas_moo.samplers.trainings import Training, Trainings, base

SHORTLIST = 8  # candidates of a proposal that are asked for their costs
EXPLORED = 80  # architectures that are asked once, before costs are predicted
START = 10  # trainings of architectures drawn evenly, before anything is screened
FITS_PER_DOUBLING = 50  # how often the hyperparameters are improved while the trainings double


@dataclass(frozen=True)
class Parts:
    """Parts of the screening: switched off one at a time, they show what each is good for.

    Attributes:
        bred: Some candidates are children of the population, not all drawn evenly.
        linear: The surrogate has a linear part.
    """

    bred: bool = True
    linear: bool = True


WHOLE = Parts()


class Screening:
    """Ranks candidates by what their training is expected to add to the front."""

    def __init__(self, codes: Codes, problem: Problem, rng: np.random.Generator, parts: Parts = WHOLE) -> None:
        self._codes, self._problem, self._rng = codes, problem, rng
        self._log = np.array(problem.log, dtype=bool)
        self._most = self._scaled(np.array([problem.limits.get(name, np.inf) for name in problem.costs]))
        self._model = GaussianProcess(codes, len(problem.costs), rng, linear=parts.linear)
        self._cost_model = CostModel(codes, problem.log, rng)
        self._trainings = Trainings(codes, len(problem.costs), rng)
        self._learned_at, self._explored = 0, False
        self._promise: Promise | None = None  # of the last proposal
        self._outbidding = 0.0  # what the best candidate promised that was not proposed

    def __len__(self) -> int:
        return len(self._trainings.errors)

    def learn(
        self,
        row: Array,
        values: Array,
        curve: Sequence[float] = (),
        *,
        complete: bool = True,
        remaining: float = np.inf,
    ) -> None:
        """A training ended, or was pruned.

        Args:
            row: What was trained.
            values: The objectives in the study's order; the error of a pruned training does not matter.
            curve: Its errors so far, at the points at which every training has one; empty where they are not known.
            complete: It ended.
            remaining: Share of the training that a pruned one has before it; infinite where it cannot go on.
        """
        error = float(values[self._problem.error]) if complete else None
        training = self._training(row, np.delete(values, self._problem.error), error, curve, remaining)
        if self._trainings.learn(training):
            self._cost_model.learn(training.point[None], training.costs[None])

    def best(self, rows: Array, is_known: Callable[[Architecture], bool], waiting: Array) -> dict[str, Any] | None:
        """The values of the candidate to train; None where all are known.

        Args:
            rows: Candidates, shape (n, genes).
            is_known: Whether an architecture was proposed before.
            waiting: What other workers are training, shape (m, genes).

        Raises:
            numpy.linalg.LinAlgError: the surrogate cannot be fitted.
        """
        self._promise = None
        if not self._explored:
            self._explored = True
            self._ask(self._shortlist(self._codes.uniform(EXPLORED, self._rng), is_known, EXPLORED))
        points, costs = self._predicted(rows)
        promise, endings = self._fitted(waiting, costs)
        ranking = np.argsort(-promise(points, costs), kind="stable")
        chosen = self._shortlist(rows[ranking], is_known, SHORTLIST)
        if not chosen:
            return None
        points, told = self._ask(chosen)
        promised = promise(points, self._cost_model.filled(points, told))
        self._promise, ranked = promise, np.sort(promised)[::-1].tolist()
        if (paused := self._worth_going_on(promise, endings, ranked[0], waiting)) is not None:
            self._outbidding = ranked[0]
            return self._codes.decode(paused.row)
        self._outbidding = ranked[1] if len(ranked) > 1 else 0.0
        return list(chosen.values())[int(np.argmax(promised))]

    def goes_on(self, row: Array, costs: Array, curve: Sequence[float], remaining: float) -> bool:
        """Whether a training that has come so far promises as much for each epoch that is left as a new one.

        It is compared with the best candidate that was not proposed, all of whose epochs are left. It may be given up
        for now with no loss but the time, since it waits among the pruned and is proposed again when it promises most.

        Args:
            row: Its genes.
            costs: Those known before training, in the study's order.
            curve: Its errors so far.
            remaining: Share of the training that is left.
        """
        training = self._training(row, costs, None, curve, remaining)
        ending = None if self._promise is None else self._trainings.ending([training])
        if self._promise is None or ending is None:
            return True
        promised = float(self._promise.of(ending, training.costs[None])[0])
        return promised >= max(self._outbidding, 0.0) * remaining

    def _worth_going_on(self, promise: Promise, endings: Prediction, best: float, waiting: Array) -> Training | None:
        """The pruned training that promises more for each epoch that it still takes than a new one; None without."""
        running, known = {row.tobytes() for row in waiting}, self._trainings.known
        able = [np.isfinite(t.remaining) and t.error is None and t.row.tobytes() not in running for t in known]
        paused = np.flatnonzero(np.array(able) & np.isfinite(endings.mean))
        if not len(paused):
            return None
        costs, remaining = (np.array([getattr(known[p], of) for p in paused]) for of in ("costs", "remaining"))
        rates = promise.of(Prediction(endings.mean[paused], endings.std[paused]), costs) / remaining
        first = int(np.argmax(rates))
        return known[paused[first]] if rates[first] > max(best, 0.0) else None

    def _training(
        self, row: Array, costs: Array, error: float | None, curve: Sequence[float], remaining: float
    ) -> Training:
        return Training(row, self._codes.points(row[None])[0], self._scaled(costs), error, curve, remaining)

    def _predicted(self, rows: Array) -> tuple[Array, Array]:
        """Points and predicted costs of genomes."""
        points = self._codes.points(rows)
        return points, self._cost_model.filled(points, np.full((len(points), len(self._log)), np.nan))

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

    def _fitted(self, waiting: Array, around: Array) -> tuple[Promise, Prediction]:
        """Fit the surrogate; gives what trainings promise by it, and how those end that it was fitted to.

        Args:
            waiting: What other workers are training, shape (m, genes).
            around: Costs that budgets reach to beside those of trainings, shape (n, costs).
        """
        endings, errors = self._trainings.endings(), self._trainings.errors
        known = [t for t, mean in zip(self._trainings.known, endings.mean, strict=True) if np.isfinite(mean)]
        points, costs = np.array([t.point for t in known]), np.array([t.costs for t in known])
        complete = np.array([t.error is not None for t in known])
        target, noise = (of[np.isfinite(endings.mean)] for of in (endings.mean, endings.std**2))
        learn = FITS_PER_DOUBLING * (len(target) - self._learned_at) >= len(target)
        self._learned_at = len(target) if learn else self._learned_at
        keep = self._kept(costs, target)
        noise, counting = noise[keep], complete[keep]
        self._model.fit(points[keep], costs[keep], target[keep], learn=learn, noise=noise)
        if len(waiting):  # as if they had ended as expected
            there, there_costs = self._predicted(waiting)
            expected = self._model.predict(there, there_costs).mean
            points, costs = np.concatenate([points[keep], there]), np.concatenate([costs[keep], there_costs])
            noise, counting = np.r_[noise, np.zeros(len(there))], np.r_[counting, np.ones(len(there), dtype=bool)]
            self._model.fit(points, costs, np.concatenate([target[keep], expected]), learn=False, noise=noise)
        else:
            costs = costs[keep]
        worst = float(np.median(errors[:START])) - base(errors)
        reach = np.concatenate([costs, around])
        # What was pruned is nobody's to deploy, so it is nothing to beat.
        seen, rivals = np.exp(self._model.fitted)[counting], costs[counting]
        to_beat = ToBeat(seen, rivals, reach.min(axis=0), reach.max(axis=0), worst)
        return Promise(self._model, to_beat, self._most), endings

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
