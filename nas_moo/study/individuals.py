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
    read_curve,
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
        that was pruned and left neither a prediction of its error nor a curve.
        """
        state, measured = read_outcome(trial).state, read_measurements(trial)
        violation = sum(violations(measured, self._limits).values())
        if state not in ("complete", "pruned", "screened") or (state == "screened" and violation == 0):
            return None
        curve = self._curve(trial, state)
        value, low, high = self._values(trial, measured, curve)
        if violation == 0 and not np.isfinite(value).all():
            return None
        try:
            architecture = self._genome.architecture(trial.params)
        except UserInputError:  # added by hand, without all genes or with others
            return None
        genes = parameters(architecture, self._genome) | trial.params
        remaining = self._remaining(trial) if state == "pruned" else np.inf
        return Individual(genes, value, low, high, violation, state == "complete", curve, remaining)

    def _curve(self, trial: FrozenTrial, state: str) -> tuple[float, ...]:
        """The errors of its epochs; none of a trial that was added by hand with other epochs than the study's."""
        errors = tuple(e.error for e in read_curve(trial))
        fits = len(errors) == self._epochs if state == "complete" else len(errors) < self._epochs
        return errors if fits and np.isfinite(errors).all() else ()

    def _remaining(self, trial: FrozenTrial) -> float:
        """The share of the training that is left of a pruned trial; infinite where it cannot go on."""
        judgement = read_judgement(trial)
        continues, inherited = read_continues(trial)
        began_anew = continues is not None and inherited == 0  # its checkpoint was gone, and may be again
        if judgement is None or not self._thaws or began_anew:
            return np.inf
        return 1.0 - judgement.epoch / self._epochs

    def _values(
        self, trial: FrozenTrial, measured: Mapping[str, Measurement], curve: tuple[float, ...]
    ) -> tuple[Array, Array, Array]:
        """Values, lower and upper ends; NaN where nothing is known.

        Of a pruned trial the error is that which its pruner predicted, or its last where it predicted none.
        """
        told = {o.name: curve[-1] for o in self._objectives if o.stage == "trained" and curve} | read_predictions(trial)
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
