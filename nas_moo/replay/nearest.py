"""How far apart two architectures are: what answers a proposal that was never recorded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas_moo.genome import Architecture, Genome
from nas_moo.pareto import Array
from nas_moo.samplers.codes import Codes


class GeneDistance:
    """Distances of an architecture to recorded ones, each the sum over the genes (Gower 1971); see ``Codes.axes``."""

    def __init__(self, genome: Genome, architectures: Sequence[Architecture]) -> None:
        self._codes = Codes(genome)
        self._points = self._codes.points(np.array([self._codes.encode(a) for a in architectures]))

    def __call__(self, architecture: Architecture) -> Array:
        """The distance to each."""
        point = self._codes.points(self._codes.encode(architecture)[None])
        return np.asarray(sum(a.spread(a.apart)[0] for a in self._codes.axes(point, self._points)))
