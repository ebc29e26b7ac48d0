"""Any sampler, made to propose given architectures before its own."""

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
                if isinstance(breeder := _innermost(self.base), BaseGASampler):
                    breeder.get_trial_generation(study, trial)  # the first asking stores it
                return parameters(seed, self._genome)
        return self.base.sample_relative(study, trial, self.base.infer_relative_search_space(study, trial))


def _innermost(sampler: BaseSampler) -> BaseSampler:
    while isinstance(sampler, WrappingSampler):
        sampler = sampler.base
    return sampler
