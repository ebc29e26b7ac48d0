"""How far apart two architectures are: what answers a proposal that was never recorded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nas_moo.genes import Categorical, Gene, Real
from nas_moo.genome import Architecture, Genome
from nas_moo.pareto import Array


class GeneDistance:
    """Distances of an architecture to recorded ones, each the sum over the genes (Gower 1971).

    Numbers and ordered choices differ by their share of the range (in the logarithm where the gene has it), other
    choices by 0 or 1; a gene that is active in only one of the two counts 1, one that is active in neither 0.
    """

    def __init__(self, genome: Genome, architectures: Sequence[Architecture]) -> None:
        self._genes = genome.genes
        self._codes = np.array([self._code(a) for a in architectures]).reshape(len(architectures), len(self._genes))
        self._unordered = np.array([isinstance(g, Categorical) and not g.ordered for g in self._genes], dtype=bool)

    def __call__(self, architecture: Architecture) -> Array:
        """The distance to each."""
        code = self._code(architecture)
        apart = np.abs(self._codes - code)
        apart[:, self._unordered] = np.ceil(apart[:, self._unordered])
        active, other = ~np.isnan(self._codes), ~np.isnan(code)
        apart[active != other] = 1.0
        apart[~active & ~other] = 0.0
        return np.asarray(apart.sum(axis=1))

    def _code(self, architecture: Architecture) -> Array:
        return np.array([_code(g, architecture[g.name]) if g.name in architecture else np.nan for g in self._genes])


def _code(gene: Gene, value: Any) -> float:
    if isinstance(gene, Categorical):
        return gene.choices.index(value) / max(len(gene.choices) - 1, 1)
    if not isinstance(gene, Real) and gene.low == gene.high:
        return 0.0
    if gene.log:
        return math.log(value / gene.low) / math.log(gene.high / gene.low)
    return float((value - gene.low) / (gene.high - gene.low))
