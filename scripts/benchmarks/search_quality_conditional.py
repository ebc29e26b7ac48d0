"""Optuna's TPE over the active genes only, as an arm of ``search_quality``: how a search space is written in Optuna."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from nas_moo.genes import Categorical, Gene, Integer, Value
from nas_moo.genome import Architecture, Genome
from nas_moo.replay.run import CostOracle
from nas_moo.samplers import SamplerOptions
from nas_moo.samplers.base import GenomeSampler
from nas_moo.samplers.distinct import DistinctSampler
from nas_moo.samplers.distributions import distributions, parameters


def conditional_tpe(
    genome: Genome, options: SamplerOptions, is_known: Callable[[Architecture], bool], costs: CostOracle
) -> BaseSampler:
    """Proposes new architectures only, by the same redraws as TPE with fixed genes."""
    sampler = ConditionalTPESampler(genome, options.seed, 1 + len(costs.problem.costs))
    return DistinctSampler(sampler, genome, is_known, options.seed)


class ConditionalTPESampler(GenomeSampler):
    """Asks a study of its own, in which no trial has a parameter that does not matter to it."""

    def __init__(self, genome: Genome, seed: int, objectives: int) -> None:
        super().__init__(genome)
        self.study = optuna.create_study(
            directions=[StudyDirection.MINIMIZE] * objectives, sampler=TPESampler(seed=seed)
        )

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """What TPE suggests; its trial fails, since the one that counts is told with its values."""
        asked = self.study.ask()
        architecture = self._suggested(asked)
        self.study.tell(asked, state=TrialState.FAIL)
        return parameters(architecture, self._genome)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Tell TPE, with the active genes."""
        architecture, every = self._genome.architecture(trial.params), distributions(self._genome)
        active: dict[str, BaseDistribution] = {name: every[name] for name in architecture}
        self.study.add_trial(create_trial(state=state, params=dict(architecture), distributions=active, values=values))

    def _suggested(self, trial: Trial) -> Architecture:
        chosen: dict[str, Value] = {}
        for gene in self._genome.genes:
            if self._genome._is_active(gene, chosen):
                chosen[gene.name] = _suggest(trial, gene)
        return self._genome.architecture(chosen)


def _suggest(trial: Trial, gene: Gene) -> Value:
    if isinstance(gene, Categorical):
        return trial.suggest_categorical(gene.name, gene.choices)
    if isinstance(gene, Integer):
        return trial.suggest_int(gene.name, gene.low, gene.high, step=gene.step, log=gene.log)
    return trial.suggest_float(gene.name, gene.low, gene.high, log=gene.log)
