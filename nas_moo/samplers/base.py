"""What every sampler over a genome shares with Optuna; each of them has only its ``sample_relative`` to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from nas_moo.errors import UserInputError
from nas_moo.evaluation import Origin
from nas_moo.genome import Genome
from nas_moo.pareto import Array
from nas_moo.samplers.distributions import distributions


class GenomeSampler(BaseSampler):
    """Samples all genes jointly, active or not: the length of a genome is fixed. Abstract.

    Attributes:
        origin: How the last proposal came about.
    """

    origin: Origin = ""

    def __init__(self, genome: Genome) -> None:
        self._genome = genome
        self._distributions = distributions(genome)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All genes."""
        return self._distributions

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Reached only for a parameter that is no gene.

        Raises:
            UserInputError: always.
        """
        raise UserInputError("a parameter is no gene of the space", value=param_name, do="Ask for genes only.")

    def goes_on(self, genes: Mapping[str, Any], costs: Array, curve: Sequence[float], remaining: float) -> bool:
        """Whether a training that has come so far is a better use of its remaining epochs than a new one.

        A sampler that expects nothing of trainings says yes.

        Args:
            genes: A value for each.
            costs: The objectives but the error, in the study's order.
            curve: Its errors so far, at the points at which every training has one.
            remaining: Share of the training that is left.
        """
        return True


class WrappingSampler(GenomeSampler):
    """Passes on to another sampler what it does not decide itself. Abstract."""

    def __init__(self, base: BaseSampler, genome: Genome) -> None:
        super().__init__(genome)
        self.base = base

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on to the base."""
        self.base.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Pass on to the base."""
        self.base.after_trial(study, trial, state, values)

    def goes_on(self, genes: Mapping[str, Any], costs: Array, curve: Sequence[float], remaining: float) -> bool:
        """Ask the base, if it is one of ours."""
        return not isinstance(self.base, GenomeSampler) or self.base.goes_on(genes, costs, curve, remaining)

    def reseed_rng(self) -> None:
        """Pass on to the base."""
        self.base.reseed_rng()

    def _from_base(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """What the base proposes, with the base's own word on how that came about."""
        proposed = self.base.sample_relative(study, trial, self.base.infer_relative_search_space(study, trial))
        self.origin = self.base.origin if isinstance(self.base, GenomeSampler) else ""
        return proposed
