"""pymoo's NSGA-II and SMS-EMOA as arms of ``search_quality``: its mixed variables, and no architecture twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2, binary_tournament
from pymoo.algorithms.moo.sms import SMSEMOA, cv_and_dom_tournament
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.individual import Individual
from pymoo.core.mixed import MixedVariableMating
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.core.variable import Choice, Integer, Real, Variable
from pymoo.operators.selection.tournament import TournamentSelection
from search_quality_ask import AskTellSampler, first_generation
from search_quality_points import unit_position

from nas_moo.genes import Categorical, Gene
from nas_moo.genes import Real as RealGene
from nas_moo.genome import Architecture, Genome
from nas_moo.pareto import Array
from nas_moo.replay.run import CostOracle
from nas_moo.samplers import SamplerOptions
from nas_moo.samplers.distributions import from_unit, parameters

ALGORITHMS = {"nsga2": (NSGA2, binary_tournament), "sms-emoa": (SMSEMOA, cv_and_dom_tournament)}


class PymooSampler(AskTellSampler):
    """Asks an algorithm for a generation, hands it out one by one, and tells it when all of it has been trained."""

    def __init__(
        self,
        genome: Genome,
        options: SamplerOptions,
        is_known: Callable[[Architecture], bool],
        costs: CostOracle,
        *,
        algorithm: str,
    ) -> None:
        super().__init__(genome, options, is_known, costs)
        self.start = []  # it is part of the first generation
        first = first_generation(genome, options.seed, options.population)
        kind, tournament = ALGORITHMS[algorithm]
        distinct = _Untried(self._architecture, is_known)
        self._algorithm = kind(
            pop_size=options.population,
            sampling=Population.new(X=[self._code(a) for a in first]),
            mating=MixedVariableMating(
                selection=TournamentSelection(func_comp=tournament), eliminate_duplicates=distinct
            ),
            eliminate_duplicates=distinct,
        )
        problem = Problem(vars={g.name: _variable(g) for g in genome.genes}, n_obj=1 + len(self.problem.costs))
        self._algorithm.setup(problem, termination=NoTermination(), seed=options.seed, verbose=False)
        self._waiting: list[Individual] = []
        self._trained: list[Individual] = []
        self._training: Individual | None = None

    def propose(self) -> Architecture | None:
        """The next of the generation; None where no child was new."""
        if not self._waiting:
            if self._trained:
                self._algorithm.tell(infills=Population.create(*self._trained))
                self._trained = []
            generation = self._algorithm.ask()
            self._waiting = [] if generation is None else list(generation)
        self._training = self._waiting.pop(0) if self._waiting else None
        return None if self._training is None else self._architecture(self._training)

    def learn(self, architecture: Architecture, values: Array) -> None:
        """Note the values of the individual."""
        if self._training is not None:
            self._training.X = self._code(architecture)
            self._training.set("F", values)
            self._trained.append(self._training)
            self._training = None

    def _code(self, architecture: Architecture) -> dict[str, Any]:
        values = parameters(architecture, self._genome)
        return {g.name: _coded(g, values[g.name]) for g in self._genome.genes}

    def _architecture(self, individual: Individual) -> Architecture:
        return self._genome.architecture({g.name: _decoded(g, individual.X) for g in self._genome.genes})


class _Untried(DuplicateElimination):  # type: ignore[misc]
    """Removes individuals whose architecture was trained, or is another one's in the same generation."""

    def __init__(
        self, architecture: Callable[[Individual], Architecture], is_known: Callable[[Architecture], bool]
    ) -> None:
        super().__init__()
        self._architecture, self._is_known = architecture, is_known

    def _do(self, pop: Population, other: Population | None, is_duplicate: NDArray[np.bool_]) -> NDArray[np.bool_]:
        seen = set() if other is None else {self._architecture(o).digest for o in other}
        for place, individual in enumerate(pop):
            architecture = self._architecture(individual)
            is_duplicate[place] = architecture.digest in seen or self._is_known(architecture)
            if other is None:
                seen.add(architecture.digest)
        return is_duplicate


def _variable(gene: Gene) -> Variable:
    """Choices and whole numbers by their places: crossover and mutation move along an order where there is one."""
    if isinstance(gene, RealGene):
        return Real(bounds=(0.0, 1.0))
    if isinstance(gene, Categorical) and not gene.ordered:
        return Choice(options=range(len(gene.choices)))
    return Integer(bounds=(0, len(gene.values()) - 1))


def _coded(gene: Gene, value: Any) -> float | int:
    if isinstance(gene, RealGene):
        return unit_position(gene.low, gene.high, value, log=gene.log)
    return gene.values().index(value)


def _decoded(gene: Gene, coded: Mapping[str, Any]) -> Any:
    if isinstance(gene, RealGene):
        return from_unit(gene, float(coded[gene.name]))
    return gene.values()[int(coded[gene.name])]
