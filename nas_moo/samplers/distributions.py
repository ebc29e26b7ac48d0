"""A genome as Optuna sees it: one distribution a gene, whether the gene is active or not."""

from __future__ import annotations

from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from nas_moo.errors import NasMooError
from nas_moo.genes import Categorical, Gene, Integer
from nas_moo.genome import Architecture, Genome
from nas_moo.samplers.codes import from_unit


class SpaceExhaustedError(NasMooError):
    """There is nothing left to propose. ``trial`` is the number of the trial that asked."""

    exit_code = 0

    def __init__(self, what: str, *, trial: int, value: Any, do: str) -> None:
        super().__init__(what, value=value, do=do)
        self.trial = trial


def distributions(genome: Genome) -> dict[str, BaseDistribution]:
    """Gene name to Optuna distribution, in the genome's order."""
    return {gene.name: _distribution(gene) for gene in genome.genes}


def parameters(architecture: Architecture, genome: Genome) -> dict[str, Any]:
    """A value for every gene: an inactive one, which does not matter, takes its first."""
    return {g.name: architecture.get(g.name, _first(g)) for g in genome.genes}


def anywhere(gene: Gene, rng: np.random.Generator) -> Any:
    """A value of a gene, every one as likely (evenly in the logarithm where the gene has one)."""
    if isinstance(gene, Categorical):
        return gene.choices[rng.integers(len(gene.choices))]
    if isinstance(gene, Integer) and not gene.log:
        return gene.low + gene.step * int(rng.integers(gene.count))
    return from_unit(gene, rng.random())


def _distribution(gene: Gene) -> BaseDistribution:
    if isinstance(gene, Categorical):
        return CategoricalDistribution(gene.choices)
    if isinstance(gene, Integer):
        return IntDistribution(gene.low, gene.high, log=gene.log, step=gene.step)
    return FloatDistribution(gene.low, gene.high, log=gene.log)


def _first(gene: Gene) -> Any:
    return gene.choices[0] if isinstance(gene, Categorical) else gene.low
