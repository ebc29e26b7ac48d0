"""A stored trial as our NSGA-II selects it: values with their intervals, and the violation of today's limits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from optuna.trial import FrozenTrial

from nas_moo.errors import UserInputError
from nas_moo.measurement import Measurement
from nas_moo.pareto import Array
from nas_moo.samplers.distributions import parameters
from nas_moo.samplers.population import Individual
from nas_moo.study.config import Setup
from nas_moo.study.evaluate import violations
from nas_moo.study.record import (
    read_continues,
    read_judgement,
    read_measurements,
    read_outcome,
    read_predictions,
)


class IndividualReader:
    """Reads finished trials, whoever proposed them and under whatever limits.

    A cost keeps its interval: latencies inside each other's are not told apart. An error is taken as its value. All
    models are validated on the same examples, so the differences of their errors are far surer than each error's own
    interval, which is over other draws of examples: by it most models would tie. And the range over folds is their
    spread, no uncertainty of their mean. The front compares values, too.
    """

    def __init__(self, setup: Setup) -> None:
        self._genome, self._objectives, self._limits = setup.space.space.genome, setup.objectives, setup.limits
        self._epochs, self._thaws = setup.epochs, setup.thaws

    def __call__(self, trial: FrozenTrial) -> Individual | None:
        """The individual; None where the trial teaches nothing.

        That is one that failed or was interrupted, one that was screened under tighter limits than today's, and one
        that was pruned and left no prediction of its error.
        """
        state, measured = read_outcome(trial).state, read_measurements(trial)
        violation = sum(violations(measured, self._limits).values())
        if state not in ("complete", "pruned", "screened") or (state == "screened" and violation == 0):
            return None
        value, low, high = self._values(trial, measured)
        if violation == 0 and not np.isfinite(value).all():
            return None
        try:
            architecture = self._genome.architecture(trial.params)
        except UserInputError:  # added by hand, without all genes or with others
            return None
        genes = parameters(architecture, self._genome) | trial.params
        spread, remaining = self._postponed(trial) if state == "pruned" else (0.0, np.inf)
        return Individual(genes, value, low, high, violation, state == "complete", spread, remaining)

    def _postponed(self, trial: FrozenTrial) -> tuple[float, float]:
        """How sure the prediction of a pruned trial's error is, and the share of the training that is left of it."""
        judgement = read_judgement(trial)
        if judgement is None or judgement.spread is None:
            return 0.0, np.inf
        continues, inherited = read_continues(trial)
        began_anew = continues is not None and inherited == 0  # its checkpoint was gone, and may be again
        stays = not self._thaws or began_anew
        return judgement.spread, np.inf if stays else 1.0 - judgement.epoch / self._epochs

    def _values(self, trial: FrozenTrial, measured: Mapping[str, Measurement]) -> tuple[Array, Array, Array]:
        """Values, lower and upper ends; NaN where nothing is known."""
        told = read_predictions(trial)
        if trial.values is not None:
            told |= {o.name: value for o, value in zip(self._objectives, trial.values, strict=True)}
        rows = []
        for o in self._objectives:
            known = measured.get(o.name)
            value = told.get(o.name, np.nan) if known is None else known.value
            if known is None or o.stage == "trained":
                rows.append((value, value, value))
            else:
                rows.append((value, known.low, known.high))
        value, low, high = np.array(rows, dtype=float).T
        return value, low, high
