"""Syne Tune's multi-objective regularized evolution as an arm of ``search_quality``, through its searcher interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from search_quality_ask import AskTellSampler, first_generation
from syne_tune.config_space import choice, lograndint, loguniform, ordinal, randint, uniform
from syne_tune.optimizer.schedulers.multiobjective import MultiObjectiveRegularizedEvolution

from nas_moo.genes import Categorical, Gene, Real
from nas_moo.genome import Architecture, Genome
from nas_moo.pareto import Array
from nas_moo.replay.run import CostOracle
from nas_moo.samplers import SamplerOptions
from nas_moo.samplers.distributions import parameters


class MoreaSampler(AskTellSampler):
    """Told of every training, whoever proposed it; its first population is the common start and random ones."""

    def __init__(
        self, genome: Genome, options: SamplerOptions, is_known: Callable[[Architecture], bool], costs: CostOracle
    ) -> None:
        super().__init__(genome, options, is_known, costs)
        # Left alone, it would draw its first population from NumPy's global state.
        self.start = first_generation(genome, options.seed, options.population)
        self._searcher = MultiObjectiveRegularizedEvolution(
            {g.name: _domain(g) for g in genome.genes}, population_size=options.population, random_seed=options.seed
        )

    def propose(self) -> Architecture | None:
        """A mutation of a parent."""
        return self._genome.architecture(self._searcher.suggest())

    def learn(self, architecture: Architecture, values: Array) -> None:
        """A member of the population."""
        config = parameters(architecture, self._genome)
        self._searcher.on_trial_complete(len(self.architectures) - 1, config, values.tolist())


def _domain(gene: Gene) -> Any:
    if isinstance(gene, Categorical):
        return (ordinal if gene.ordered else choice)(list(gene.choices))
    if isinstance(gene, Real):
        return (loguniform if gene.log else uniform)(gene.low, gene.high)
    if gene.step > 1:
        return ordinal(gene.values())
    return (lograndint if gene.log else randint)(gene.low, gene.high)
