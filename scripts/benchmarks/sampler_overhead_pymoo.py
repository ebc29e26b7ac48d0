"""pymoo's NSGA-II as an arm of ``sampler_overhead``: generations of its mixed variables, and no study."""

from __future__ import annotations

import time

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2, RankAndCrowdingSurvival
from pymoo.core.individual import Individual
from pymoo.core.mixed import MixedVariableDuplicateElimination, MixedVariableMating, MixedVariableSampling
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.core.variable import Choice, Integer, Real, Variable
from sampler_overhead_arms import GENOME, POPULATION, Spent, objectives

from nas_moo.genes import Categorical, Gene
from nas_moo.genes import Real as RealGene
from nas_moo.samplers.codes import from_unit


class PymooSearch:
    """Asks for a generation, evaluates it one by one, and tells all of it at once.

    It remembers its population alone, so its costs do not depend on how many trials there were.
    """

    def __init__(self, seed: int) -> None:
        self._algorithm = NSGA2(
            pop_size=POPULATION,
            sampling=MixedVariableSampling(),
            mating=MixedVariableMating(eliminate_duplicates=MixedVariableDuplicateElimination()),
            survival=RankAndCrowdingSurvival(),
            eliminate_duplicates=MixedVariableDuplicateElimination(),
        )
        problem = Problem(vars={gene.name: _variable(gene) for gene in GENOME.genes}, n_obj=3)
        self._algorithm.setup(problem, termination=NoTermination(), seed=seed, verbose=False)
        self._waiting: list[Individual] = []
        self._evaluated: list[Individual] = []
        self.step(POPULATION)

    def step(self, trials: int) -> Spent:
        """Ask, evaluate and tell; all of it is the sampler's own work."""
        spent = 0.0
        for _ in range(trials):
            begun = time.process_time()
            individual = self._next()
            spent += time.process_time() - begun
            genes = {gene.name: _decoded(gene, individual.X[gene.name]) for gene in GENOME.genes}
            individual.set("F", np.array(objectives(GENOME.architecture(genes))))
            self._evaluated.append(individual)
        return Spent(spent, spent)

    def _next(self) -> Individual:
        if not self._waiting:
            if self._evaluated:
                self._algorithm.tell(infills=Population.create(*self._evaluated))
                self._evaluated = []
            self._waiting = list(self._algorithm.ask())
        return self._waiting.pop()


def _variable(gene: Gene) -> Variable:
    if isinstance(gene, RealGene):
        return Real(bounds=(0.0, 1.0))
    if isinstance(gene, Categorical):
        return Choice(options=gene.choices)
    return Integer(bounds=(gene.low, gene.high))


def _decoded(gene: Gene, coded: object) -> object:
    if isinstance(gene, RealGene):
        return from_unit(gene, float(coded))  # type: ignore[arg-type]
    if isinstance(gene, Categorical):
        return gene.choices[gene.choices.index(coded)]  # type: ignore[arg-type]
    return int(coded)  # type: ignore[call-overload]
