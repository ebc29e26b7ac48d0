"""What the arms of ``search_quality`` share: the design that all begin with, and peers as samplers of a replay."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from nas_moo.genome import Architecture, Genome
from nas_moo.pareto import Array, scaled
from nas_moo.replay.run import CostOracle
from nas_moo.samplers import SamplerOptions
from nas_moo.samplers.base import GenomeSampler, WrappingSampler
from nas_moo.samplers.distinct import REDRAWS, untried
from nas_moo.samplers.distributions import anywhere, parameters

START = 10


def drawn(genome: Genome, rng: np.random.Generator) -> Architecture:
    """An architecture with every gene drawn evenly."""
    return genome.architecture({g.name: anywhere(g, rng) for g in genome.genes})


def start_design(genome: Genome, seed: int, size: int = START) -> list[Architecture]:
    """Distinct random architectures, the same for every arm; fewer where the space has no more."""
    rng, found = np.random.default_rng([seed, size]), dict[str, Architecture]()
    for _ in range(REDRAWS * size):
        if len(found) == size:
            break
        architecture = drawn(genome, rng)
        found.setdefault(architecture.digest, architecture)
    return list(found.values())


def first_generation(genome: Genome, seed: int, size: int) -> list[Architecture]:
    """The common start, and more distinct random architectures up to the size of a population."""
    more = start_design(genome, seed, 2 * size)
    return list({a.digest: a for a in [*start_design(genome, seed), *more]}.values())[:size]


class StartedSampler(WrappingSampler):
    """Any sampler, with its first proposals replaced by the common start.

    The sampler proposes all the same: Optuna's NSGA-II gives a trial its generation there, and breeds from no other.
    """

    def __init__(self, base: BaseSampler, genome: Genome, seed: int) -> None:
        super().__init__(base, genome)
        self._left = start_design(genome, seed)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next of the start, later what the sampler proposes."""
        proposed = self.base.sample_relative(study, trial, search_space)
        return {**proposed, **self._left.pop(0)} if self._left else proposed


class AskTellSampler(GenomeSampler):
    """A peer that proposes architectures and is told what became of them. Abstract.

    It begins with the common start, and where it proposes what is known, a random new architecture is trained instead.
    """

    def __init__(
        self, genome: Genome, options: SamplerOptions, is_known: Callable[[Architecture], bool], costs: CostOracle
    ) -> None:
        super().__init__(genome)
        self.is_known, self.options, self.problem = is_known, options, costs.problem
        self.rng = np.random.default_rng(options.seed)
        self.start = start_design(genome, options.seed)
        self.architectures: list[Architecture] = []
        self._values: list[Array] = []

    @abstractmethod
    def propose(self) -> Architecture | None:
        """The next architecture after the start; None where the peer has no more to say."""

    def learn(self, architecture: Architecture, values: Array) -> None:
        """A training ended, perhaps of another architecture than the one proposed.

        Args:
            architecture: What was trained.
            values: Error and costs, the latter in the logarithm where the table compares them so.
        """

    @property
    def values(self) -> Array:
        """Of all that was trained, as in ``learn``, shape (trainings, objectives)."""
        return np.array(self._values)

    def known_costs(self, architectures: Sequence[Architecture]) -> Array:
        """Costs of candidates on the scale of ``values``, shape (candidates, costs)."""
        asked = [self.problem.ask(a) for a in architectures]
        return scaled(np.array([[a[name] for name in self.problem.costs] for a in asked]), self.problem.log)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A value for each gene that together make a new architecture.

        Raises:
            SpaceExhaustedError: there is none.
        """
        for architecture in iter(self._next, None):
            if not self.is_known(architecture):
                return parameters(architecture, self._genome)
        return parameters(self._new(trial), self._genome)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Tell the peer."""
        if values is not None:
            architecture = self._genome.architecture(trial.params)
            told = scaled(np.array([values]), (False, *self.problem.log))[0]
            self.architectures.append(architecture)
            self._values.append(told)
            self.learn(architecture, told)

    def _next(self) -> Architecture | None:
        """The next of the start, then the peer's first new one of some proposals."""
        if self.start:
            return self.start.pop(0)
        proposals = (self.propose() for _ in range(REDRAWS))
        return next((p for p in proposals if p is None or not self.is_known(p)), None)

    def _new(self, trial: FrozenTrial) -> Architecture:
        for _ in range(REDRAWS):
            architecture = drawn(self._genome, self.rng)
            if not self.is_known(architecture):
                return architecture
        return untried(self._genome, self.is_known, self.rng, trial)
