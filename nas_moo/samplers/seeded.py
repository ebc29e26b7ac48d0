"""Any sampler, made to propose given architectures before its own, or one of its own again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseGASampler, BaseSampler
from optuna.trial import FrozenTrial

from nas_moo.genome import Architecture, Genome
from nas_moo.samplers.base import WrappingSampler
from nas_moo.samplers.distributions import parameters


class SeededSampler(WrappingSampler):
    """Proposes those of ``seeds`` that are not known, in their order, and then what ``base`` proposes.

    Optuna's own queue (``enqueue_trial``) passes by the sampler: its trials get no generation, and never breed in
    Optuna's NSGA-II and III.
    """

    def __init__(
        self,
        base: BaseSampler,
        genome: Genome,
        is_known: Callable[[Architecture], bool],
        seeds: Sequence[Architecture],
    ) -> None:
        super().__init__(base, genome)
        self._is_known, self._seeds = is_known, tuple(seeds)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A value for each gene.

        Raises:
            SpaceExhaustedError: no seed is left, and the base finds nothing either.
        """
        for seed in self._seeds:
            if not self._is_known(seed):
                _join_generation(self.base, study, trial)
                self.origin = "seed"
                return parameters(seed, self._genome)
        return self._from_base(study, trial)


class RepeatingSampler(WrappingSampler):
    """Proposes once what it was told to repeat, known or not; otherwise what ``base`` proposes.

    Attributes:
        again: A value for each gene; None where there is nothing to repeat.
    """

    def __init__(self, base: BaseSampler, genome: Genome) -> None:
        super().__init__(base, genome)
        self.again: dict[str, Any] | None = None

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A value for each gene.

        Raises:
            SpaceExhaustedError: there is nothing to repeat, and the base finds nothing.
        """
        given, self.again = self.again, None
        if given is None:
            return self._from_base(study, trial)
        self.origin = "thawed"
        _join_generation(self.base, study, trial)
        return given


def _join_generation(sampler: BaseSampler, study: Study, trial: FrozenTrial) -> None:
    """Give a trial that a genetic sampler of Optuna did not propose a generation: without one it never breeds."""
    if isinstance(breeder := _innermost(sampler), BaseGASampler):
        breeder.get_trial_generation(study, trial)  # the first asking stores it


def _innermost(sampler: BaseSampler) -> BaseSampler:
    while isinstance(sampler, WrappingSampler):
        sampler = sampler.base
    return sampler
