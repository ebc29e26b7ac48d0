"""Any Optuna sampler, made to propose only architectures that are new.

Left alone, samplers train duplicates (on a space of 2,000 points NSGA-II 35 % of 500 trials, TPE 72 %). The redraws
happen before Optuna stores anything, so a study holds no trace of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from nas_moo.evaluation import Origin
from nas_moo.genome import Architecture, Genome
from nas_moo.samplers.base import WrappingSampler
from nas_moo.samplers.distributions import SpaceExhaustedError, anywhere, parameters

REDRAWS = 100
OWN_REDRAWS = 20  # by the sampler itself; later ones change a gene of what it wants, then two, three ...
_TRIES_AT_A_DISTANCE = 20
ENUMERABLE = 10_000


class DistinctSampler(WrappingSampler):
    """Redraws from ``base`` until the architecture is new, at last with genes changed at random.

    After ``REDRAWS`` known ones in a row, a space of at most ``ENUMERABLE`` architectures is searched for one that is
    untried; a larger one counts as exhausted.

    Args:
        base: The sampler.
        genome: What it proposes.
        is_known: Whether an architecture was proposed before.
        seed: Of the changes at random.
        origin: How ``base`` comes by its proposal for a trial.
    """

    def __init__(
        self,
        base: BaseSampler,
        genome: Genome,
        is_known: Callable[[Architecture], bool],
        seed: int,
        origin: Callable[[Study, FrozenTrial], Origin] = lambda study, trial: "",
    ) -> None:
        super().__init__(base, genome)
        self._is_known, self._origin = is_known, origin
        self._rng = np.random.default_rng(seed)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A value for each gene that together make a new architecture.

        Raises:
            SpaceExhaustedError: none was found.
        """
        self.origin, before = self._origin(study, trial), None
        for _ in range(OWN_REDRAWS):
            wanted = self._draw(study, trial)
            architecture = self._genome.architecture(wanted)
            if not self._is_known(architecture):
                return wanted
            if architecture == before:  # an argmax: asking again changes nothing
                break
            before = architecture
        for attempt in range(REDRAWS - OWN_REDRAWS):
            varied = self._varied(wanted, 1 + attempt // _TRIES_AT_A_DISTANCE)
            if not self._is_known(self._genome.architecture(varied)):
                return varied
        self.origin = "random" if self.origin == "random" else "rest"
        return parameters(untried(self._genome, self._is_known, self._rng, trial), self._genome)

    def reseed_rng(self) -> None:
        """Pass on to the base, and begin another sequence here."""
        super().reseed_rng()
        self._rng = np.random.default_rng()

    def _varied(self, wanted: dict[str, Any], changes: int) -> dict[str, Any]:
        """What the sampler wants, with some genes drawn evenly instead.

        TPE's argmax over few categories gives the same proposal again and again, however often it is asked.
        """
        chosen = self._rng.permutation(len(self._genome))[:changes]
        return wanted | {(gene := self._genome.genes[i]).name: anywhere(gene, self._rng) for i in chosen}

    def _draw(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        joint = self.base.infer_relative_search_space(study, trial)
        drawn = self.base.sample_relative(study, trial, joint)
        for name, distribution in self._distributions.items():
            if name not in drawn:
                drawn[name] = self.base.sample_independent(study, trial, name, distribution)
        return drawn


def untried(
    genome: Genome, is_known: Callable[[Architecture], bool], rng: np.random.Generator, trial: FrozenTrial
) -> Architecture:
    """One of the architectures that are left of a small space.

    Raises:
        SpaceExhaustedError: none is left, or the space is too large to look through.
    """
    size = genome.size()
    if size == "continuous" or size > ENUMERABLE:
        raise SpaceExhaustedError(
            f"{REDRAWS} proposals in a row were known already",
            trial=trial.number,
            value=size,
            do="The sampler has nothing new to say: widen the space, or go on with --sampler random.",
        )
    left = list(itertools.filterfalse(is_known, genome.grid()))
    if not left:
        raise SpaceExhaustedError(
            "every architecture of the space has been tried",
            trial=trial.number,
            value=size,
            do="Nothing is left to search.",
        )
    return left[rng.integers(len(left))]
