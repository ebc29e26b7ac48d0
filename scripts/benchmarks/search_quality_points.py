"""Architectures as the peers' models of ``search_quality`` take them: one-hot choices, scaled numbers.

It leans on nothing of our own surrogate, so that the peers stay the same when that one changes.
"""

from __future__ import annotations

import math

import numpy as np

from nas_moo.genes import Categorical, Gene
from nas_moo.genome import Architecture, Genome
from nas_moo.pareto import Array

_ONE = math.sqrt(0.5)  # two choices then lie 1 apart, as the ends of a range do


class Points:
    """Architectures of a genome as points: one block of coordinates a gene."""

    def __init__(self, genome: Genome) -> None:
        self._genome = genome

    def __call__(self, architecture: Architecture) -> Array:
        """The coordinates; those of an inactive gene lie apart from all its values."""
        return np.concatenate([_block(g, architecture) for g in self._genome.genes])


def unit_position(low: float, high: float, value: float, *, log: bool) -> float:
    """Where a number lies between two others, from 0 to 1, on their own scale."""
    if low == high:
        return 0.0
    return math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)


def _block(gene: Gene, architecture: Architecture) -> Array:
    nominal = isinstance(gene, Categorical) and not gene.ordered
    width = len(gene.choices) if isinstance(gene, Categorical) and nominal else 1
    block = np.zeros(width + (gene.active is not None))
    if gene.name not in architecture:
        block[-1] = 1.0
    elif isinstance(gene, Categorical):
        place = gene.choices.index(architecture[gene.name])
        block[place if nominal else 0] = _ONE if nominal else place / max(len(gene.choices) - 1, 1)
    else:
        block[0] = unit_position(gene.low, gene.high, architecture[gene.name], log=gene.log)
    return block
