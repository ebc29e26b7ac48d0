"""Our NSGA-II: steady state, over architectures that were not tried yet, with an optional screening of the children.

Optuna's breeds whole generations from complete trials and reads all trials at each proposal. This one takes every
finished trial into one population when it ends, whoever proposed it, and breeds from that.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from nas_moo.genes import Categorical, Gene, Integer
from nas_moo.genome import Architecture, Genome
from nas_moo.pareto import Array
from nas_moo.samplers import Problem
from nas_moo.samplers.base import GenomeSampler
from nas_moo.samplers.distinct import REDRAWS, untried
from nas_moo.samplers.distributions import anywhere, from_unit, parameters
from nas_moo.samplers.population import Individual, Population
from nas_moo.samplers.screening import Screening
from nas_moo.samplers.surrogate import unit_position

START = 10  # architectures drawn evenly before anything is bred
CHILDREN = 64  # to screen
UNIFORM_SHARE = 0.1  # of children that are drawn evenly from the space
NEIGHBOUR_SHARE = 0.5  # of mutations of ordered genes go one step; the others go anywhere
SPREAD = 0.15  # standard deviation of a real gene's step, as a share of its range
_LOG = logging.getLogger(__name__)

Reader: TypeAlias = Callable[[FrozenTrial], Individual | None]


class _Screener:
    """Screening, told in a sampler's terms."""

    def __init__(self, problem: Problem, genome: Genome, rng: np.random.Generator) -> None:
        self._problem, self._genome = problem, genome
        self._log = np.array(problem.log, dtype=bool)
        self._screening = Screening(genome, len(problem.costs), rng)

    def __len__(self) -> int:
        return len(self._screening)

    def learn(self, individual: Individual) -> None:
        """Take in a complete trial."""
        if individual.complete:
            costs = self._scaled(np.delete(individual.values, self._problem.error))
            error = float(individual.values[self._problem.error])
            self._screening.learn(self._genome.architecture(individual.genes), costs, error)

    def best(self, children: Sequence[Architecture]) -> int:
        """The place of the child to train."""
        asked = [self._problem.ask(child) for child in children]
        costs = np.array([[known[name] for name in self._problem.costs] for known in asked])
        return self._screening.best(children, self._scaled(costs))

    def _scaled(self, costs: Array) -> Array:
        return np.where(self._log, np.log(np.where(self._log, costs, 1.0)), costs)


class NSGA2Sampler(GenomeSampler):
    """Breeds from the population; with a ``problem``, trains the child that promises most.

    Args:
        genome: What is proposed.
        is_known: Whether an architecture was proposed before.
        population: How many breed.
        seed: Of all random numbers.
        problem: What is known before training; None: no screening.
        read: A finished trial as an individual; None where it teaches nothing.
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
    ) -> None:
        super().__init__(genome)
        self._is_known, self._read = is_known, read or read_trial
        self._rng = np.random.default_rng(seed)
        self._population = Population(population)
        self._screening = None if problem is None else _Screener(problem, genome, self._rng)
        self._unread, self._next, self._seen = list[int](), 0, 0

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A value for each gene that together make an architecture that is not known.

        Raises:
            SpaceExhaustedError: there is none.
        """
        self._absorb(study)
        if self._seen < START or not self._population.members:
            return self._new(trial, self._uniform)
        if self._screening is None or len(self._screening) < START:
            return self._new(trial, self._child)
        return self._screened(trial, self._screening)

    def reseed_rng(self) -> None:
        """Begin another sequence of random numbers."""
        self._rng = np.random.default_rng()

    def _absorb(self, study: Study) -> None:
        """Take in what has finished since, each trial once."""
        trials = study._get_trials(deepcopy=False, use_cache=True)
        fresh = [*self._unread, *range(self._next, len(trials))]
        self._next = len(trials)
        self._unread = [n for n in fresh if not trials[n].state.is_finished()]
        for number in fresh:
            if trials[number].state.is_finished() and (individual := self._read(trials[number])) is not None:
                self._population.add(individual)
                self._seen += 1
                if self._screening is not None:
                    self._screening.learn(individual)

    def _screened(self, trial: FrozenTrial, screener: _Screener) -> dict[str, Any]:
        children: dict[str, dict[str, Any]] = {}
        for attempt in itertools.count():
            if len(children) == CHILDREN or attempt == 4 * CHILDREN:
                break
            drawn = self._uniform() if self._rng.random() < UNIFORM_SHARE else self._child()
            architecture = self._genome.architecture(drawn)
            if architecture.digest not in children and not self._is_known(architecture):
                children[architecture.digest] = drawn
        if not children:
            return self._new(trial, self._child)
        drawn_children = list(children.values())
        try:
            return drawn_children[screener.best([self._genome.architecture(d) for d in drawn_children])]
        except np.linalg.LinAlgError as error:
            _LOG.warning("The surrogate could not be fitted (%s); this proposal is plain NSGA-II.", error)
            return drawn_children[0]

    def _new(self, trial: FrozenTrial, draw: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        for _ in range(REDRAWS):
            drawn = draw()
            if not self._is_known(self._genome.architecture(drawn)):
                return drawn
        return parameters(untried(self._genome, self._is_known, self._rng, trial), self._genome)

    def _uniform(self) -> dict[str, Any]:
        return {g.name: anywhere(g, self._rng) for g in self._genome.genes}

    def _child(self) -> dict[str, Any]:
        """Uniform crossover of two winners of tournaments; each gene mutates once in as many as there are."""
        one, other = self._population.tournament(self._rng).genes, self._population.tournament(self._rng).genes
        genes = self._genome.genes
        child = {
            g.name: (one if from_one else other)[g.name]
            for g, from_one in zip(genes, self._rng.random(len(genes)) < 0.5, strict=True)
        }
        mutating = self._rng.random(len(genes)) < 1.0 / len(genes)
        for gene, mutates in zip(genes, mutating, strict=True):
            if mutates:
                child[gene.name] = mutated(gene, child[gene.name], self._rng)
        return child


def mutated(gene: Gene, value: Any, rng: np.random.Generator) -> Any:
    """Another value: near the old one where the gene has an order, or anywhere."""
    if isinstance(gene, Categorical) and not gene.ordered:
        others = [c for c in gene.choices if c != value]
        return others[rng.integers(len(others))] if others else value
    if rng.random() >= NEIGHBOUR_SHARE:
        return anywhere(gene, rng)
    if isinstance(gene, Categorical | Integer):
        values = gene.values()
        place = values.index(value) + (1 if rng.random() < 0.5 else -1)
        return values[min(max(place, 0), len(values) - 1)]
    position = unit_position(gene.low, gene.high, value, log=gene.log) + rng.normal(0.0, SPREAD)
    return from_unit(gene, min(max(position, 0.0), 1.0))


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
