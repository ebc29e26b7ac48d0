"""Our NSGA-II: steady state, over architectures that were not tried yet, with an optional screening of the children.

Optuna's breeds whole generations from complete trials and reads all trials at each proposal. This one takes every
finished trial into one population when it ends, whoever proposed it, and breeds from that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import ThreadpoolController

from nas_moo.genome import Architecture, Genome
from nas_moo.pareto import Array
from nas_moo.samplers import Problem
from nas_moo.samplers.base import GenomeSampler
from nas_moo.samplers.codes import Codes
from nas_moo.samplers.distinct import REDRAWS, untried
from nas_moo.samplers.distributions import parameters
from nas_moo.samplers.population import Individual, Population
from nas_moo.samplers.screening import START, WHOLE, Parts, Screening

BRED, UNIFORM = 96, 64  # candidates to screen: children, and others drawn evenly from the space
_FEW, _BATCH = 2, 10  # drawn at a time, at first and when all were known
_LOG = logging.getLogger(__name__)

Reader: TypeAlias = Callable[[FrozenTrial], Individual | None]


class NSGA2Sampler(GenomeSampler):
    """Breeds from the population; with a ``problem``, proposes the candidate that promises most.

    Args:
        genome: What is proposed.
        is_known: Whether an architecture was proposed before.
        population: How many breed.
        seed: Of all random numbers.
        problem: What is known before training; None: no screening.
        read: A finished trial as an individual; None where it teaches nothing.
        parts: Of the screening.
    """

    def __init__(
        self,
        genome: Genome,
        is_known: Callable[[Architecture], bool],
        *,
        population: int,
        seed: int,
        problem: Problem | None = None,
        read: Reader | None = None,
        parts: Parts = WHOLE,
    ) -> None:
        super().__init__(genome)
        self._is_known, self._read = is_known, read or read_trial
        self._rng = np.random.default_rng(seed)
        self._codes = Codes(genome)
        self._population = Population(population)
        self._rows: dict[Individual, Array] = {}  # of the members
        self._screening = None if problem is None else Screening(self._codes, problem, self._rng, parts)
        self._breeds = BRED if parts.bred else 0
        self._unread, self._next, self._seen = list[int](), 0, 0

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A value for each gene that together make an architecture that is not known.

        Raises:
            SpaceExhaustedError: there is none.
        """
        trials = study._get_trials(deepcopy=False, use_cache=True)
        self._absorb(trials)
        if self._seen < START or not self._population.members:
            self.origin = "random"
            return self._new(trial, lambda count: self._codes.uniform(count, self._rng))
        if self._screening is not None and len(self._screening) >= START:
            waiting = [t for n in self._unread if (t := trials[n]).params and n != trial.number]
            if (chosen := self._screened(self._screening, waiting)) is not None:
                self.origin = "screened"
                return chosen
        self.origin = "bred"
        return self._new(trial, self._bred)

    def goes_on(self, genes: Mapping[str, Any], costs: Array, curve: Sequence[float], remaining: float) -> bool:
        """As the surrogate sees it that made the last proposal; yes where there was none."""
        if self._screening is None:
            return True
        with _blas().limit(limits=1, user_api="blas"):
            return self._screening.goes_on(self._codes.encode(genes), costs, curve, remaining)

    def reseed_rng(self) -> None:
        """Begin another sequence of random numbers."""
        self._rng = np.random.default_rng()

    def _absorb(self, trials: Sequence[FrozenTrial]) -> None:
        """Take in what has finished since, each trial once."""
        fresh = [*self._unread, *range(self._next, len(trials))]
        self._next = len(trials)
        self._unread = [n for n in fresh if not trials[n].state.is_finished()]
        for number in fresh:
            if trials[number].state.is_finished() and (individual := self._read(trials[number])) is not None:
                self._seen += 1
                self._rows[individual] = row = self._codes.encode(individual.genes)
                if (gone := self._population.add(individual)) is not None:
                    del self._rows[gone]
                if self._screening is not None and (individual.complete or individual.curve):
                    self._screening.learn(
                        row,
                        individual.values,
                        individual.curve,
                        complete=individual.complete,
                        remaining=individual.remaining,
                    )

    def _screened(self, screening: Screening, waiting: Sequence[FrozenTrial]) -> dict[str, Any] | None:
        """The most promising candidate; None where none is new, or none can be judged."""
        evenly = self._codes.uniform(BRED + UNIFORM - self._breeds, self._rng)
        candidates = np.concatenate([self._bred(self._breeds), evenly])
        elsewhere = np.array([self._codes.encode(t.params) for t in waiting]).reshape(len(waiting), len(self._genome))
        try:
            with _blas().limit(limits=1, user_api="blas"):
                return screening.best(candidates, self._is_known, elsewhere)
        except np.linalg.LinAlgError as error:
            _LOG.warning("The surrogate could not be fitted (%s); this proposal is plain NSGA-II.", error)
            return None

    def _new(self, trial: FrozenTrial, draw: Callable[[int], Array]) -> dict[str, Any]:
        for count in (_FEW, *[_BATCH] * (REDRAWS // _BATCH)):
            for row in draw(count):
                values = self._codes.decode(row)
                if not self._is_known(self._genome.architecture(values)):
                    return values
        self.origin = "random" if self.origin == "random" else "rest"
        return parameters(untried(self._genome, self._is_known, self._rng, trial), self._genome)

    def _bred(self, count: int) -> Array:
        """Children of winners of tournaments, shape (count, genes)."""
        rows = np.array([self._rows[m] for m in self._population.members])
        mothers, fathers = (rows[self._population.tournaments(count, self._rng)] for _ in range(2))
        return self._codes.bred(mothers, fathers, self._rng)


@cache
def _blas() -> ThreadpoolController:
    """Matrices this small gain nothing from threads, and on a busy machine wait for them a hundred times as long."""
    return ThreadpoolController()


def read_trial(trial: FrozenTrial) -> Individual | None:
    """A finished trial of any Optuna study: its values, and by how much it breaks constraints."""
    violation = sum(max(float(v), 0.0) for k, v in trial.system_attrs.items() if k.startswith("constraints:"))
    if trial.state == TrialState.COMPLETE and trial.values is not None:
        values = np.array(trial.values, dtype=float)
        return Individual(trial.params, values, values, values, violation)
    if trial.state == TrialState.PRUNED and violation > 0:
        nothing = np.array([np.nan])
        return Individual(trial.params, nothing, nothing, nothing, violation, complete=False)
    return None
