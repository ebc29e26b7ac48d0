"""What was trained so far, and what those trainings will end with that were given up on the way.

For each point that a training may have come to there is a surrogate of its own. It is fitted to the complete trainings
and told, beside the genes and costs, what error each had at that point. So it learns how much an early error tells, for
which networks it is too good or too bad, and what it leaves open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas_moo.pareto import Array
from nas_moo.samplers.codes import Codes
from nas_moo.samplers.surrogate import MOST_POINTS, GaussianProcess, Prediction

BASE = 0.9  # of the lowest error: surrogates see the logarithm of what lies above it
FEWEST = 10  # complete trainings with a curve
MOST_PRUNED = 1000  # whose ends are predicted: the last
FITS_PER_DOUBLING = 100  # how often the hyperparameters are improved while the complete trainings double
_FIRST_FITS = 5  # in a row, since one fit moves the hyperparameters little


@dataclass(frozen=True, eq=False)
class Training:
    """One that has ended, or was pruned, or is going on.

    Attributes:
        row: Its genes.
        point: The same with NaN for inactive ones.
        costs: As the surrogate sees them.
        error: The final one; None where it has not ended.
        curve: Its errors so far, at the points at which every training has one; empty where they are not known.
        remaining: Share of it that lies ahead; infinite where it cannot go on.
    """

    row: Array
    point: Array
    costs: Array
    error: float | None
    curve: Sequence[float] = ()
    remaining: float = np.inf


class Trainings:
    """Remembers trainings, and predicts how those end that have not ended.

    Args:
        codes: Of the genome.
        n_costs: How many costs are known before training.
        rng: Of the fits.
    """

    def __init__(self, codes: Codes, n_costs: int, rng: np.random.Generator) -> None:
        self._codes, self._n_costs, self._rng = codes, n_costs, rng
        self.known = list[Training]()
        self._pruned = dict[bytes, int]()  # places by the genes
        self._models = dict[int, GaussianProcess]()
        self._fitted_to, self._learned_at = dict[int, int](), dict[int, int]()  # complete ones, by the curve's length

    def learn(self, training: Training) -> bool:
        """Take one in; False where it goes on with one that was pruned, and replaces it."""
        key, place = training.row.tobytes(), len(self.known)
        before = self._pruned.pop(key, None)
        if before is None:
            self.known.append(training)
        else:
            place = before
            self.known[place] = training
        if training.error is None:
            self._pruned[key] = place
        return before is None

    @property
    def errors(self) -> Array:
        """The final errors of the complete ones."""
        return np.array([t.error for t in self.known if t.error is not None])

    def endings(self) -> Prediction:
        """Of all, in the order they were learned, as ``log_above``: known (``std`` 0), predicted, or NaN."""
        mean, std = np.full(len(self.known), np.nan), np.zeros(len(self.known))
        mean[[t.error is not None for t in self.known]] = log_above(self.errors, self.errors)
        by_length: dict[int, list[int]] = {}
        for place in list(self._pruned.values())[-MOST_PRUNED:]:
            by_length.setdefault(len(self.known[place].curve), []).append(place)
        for places in by_length.values():
            ending = self.ending([self.known[p] for p in places])
            if ending is not None:
                mean[places], std[places] = ending.mean, ending.std
        return Prediction(mean, std)

    def ending(self, begun: Sequence[Training]) -> Prediction | None:
        """Of some that have come equally far, without the noise of a single training; None where nothing is known."""
        points = len(begun[0].curve)
        whole = [t for t in self.known if t.error is not None and len(t.curve) > points][-MOST_POINTS:]
        if not points or len(whole) < FEWEST:
            return None
        at = np.array([t.curve[points - 1] for t in whole])
        model = self._model(points, whole, at)
        costs = np.array([t.costs for t in begun]).reshape(len(begun), self._n_costs)
        inputs = np.column_stack([costs, log_above(np.array([t.curve[-1] for t in begun]), at)])
        return model.predict(np.array([t.point for t in begun]), inputs)

    def _model(self, points: int, whole: Sequence[Training], at: Array) -> GaussianProcess:
        """The surrogate of trainings with so many errors; fitted anew where others have ended since."""
        complete, first = len(self.known) - len(self._pruned), points not in self._models
        model = self._models.setdefault(points, GaussianProcess(self._codes, self._n_costs + 1, self._rng))
        if self._fitted_to.get(points) != complete:
            self._fitted_to[points] = complete
            costs = np.array([t.costs for t in whole]).reshape(len(whole), self._n_costs)
            inputs, where = np.column_stack([costs, log_above(at, at)]), np.array([t.point for t in whole])
            target = log_above(np.array([t.curve[-1] for t in whole]), self.errors)
            learn = FITS_PER_DOUBLING * (complete - self._learned_at.get(points, 0)) >= complete
            self._learned_at[points] = complete if learn else self._learned_at[points]
            for _ in range(_FIRST_FITS if first else 1):
                model.fit(where, inputs, target, learn=learn)
        return model


def log_above(errors: Array, known: Array) -> Array:
    """Logarithms of what errors lie above the base of known ones; what is lower counts as half of the lowest known."""
    start = base(known)
    return np.asarray(np.log(np.maximum(errors - start, (float(known.min()) - start) / 2)))


def base(errors: Array) -> float:
    """What is taken off errors before the logarithm: it shows differences among the best that noise would hide else."""
    low = float(errors.min())
    if low > 0:
        return BASE * low
    return low - max(0.1 * (float(np.median(errors)) - low), 1e-9)
