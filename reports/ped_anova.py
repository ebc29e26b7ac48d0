"""How much each choice sets the best models apart from all that were tried: PED-ANOVA, for many resamples at once.

For one gene, the values of the best models and those of all are each turned into a density over the gene's cells; the
importance is the Pearson divergence of the first from the second. A gene that is not always active counts by how often
it is active among the best. The densities are those of Optuna's evaluator, and so are the numbers.

Sources: Watanabe, Bansal and Hutter 2023, arXiv:2304.10255; for genes that are not always active arXiv:2601.20800;
bandwidth by Scott 1992.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import ndtr

from nas_moo.pareto import Array

PRIOR = 1.0  # models' worth of a flat density that is mixed in
FEWEST_ACTIVE = 2
_NARROWEST, _TINY = 0.5 / 1.64, 1e-12  # of a kernel, in cells: nine tenths of it stay in the cell


@dataclass(frozen=True, eq=False)
class Grid:
    """One gene: the cell of each model (-1 where inactive), how many cells there are, whether they have an order."""

    cells: NDArray[np.intp]
    size: int
    ordered: bool


def best_of(values: Array, weights: Array, share: float, least: int) -> Array:
    """The weights of the best models alone, the smallest values; ties with the last of them are in.

    Args:
        values: A number a model, shape (models,).
        weights: How often each model counts, whole numbers, shape (resamples, models).
        share: How many of all are the best.
        least: But no fewer than so many.
    """
    order = np.argsort(values, kind="stable")
    counted = np.cumsum(weights[:, order], axis=1)
    wanted = np.maximum(np.ceil(share * counted[:, -1:]), least)
    last = values[order][np.minimum((counted < wanted).sum(axis=1), len(values) - 1)]
    return np.where(values <= last[:, None], weights, 0)


def importance(grids: Sequence[Grid], best: Array, everything: Array) -> Array:
    """The importance of each gene in each resample, shape (genes, resamples).

    Args:
        grids: The genes.
        best: Weights of the best models, shape (resamples, models).
        everything: Weights of all models, likewise.
    """
    ends = np.cumsum([0, *(g.size for g in grids)])
    rows = np.concatenate([g.cells[g.cells >= 0] + start for g, start in zip(grids, ends, strict=False)])
    models = np.concatenate([np.flatnonzero(g.cells >= 0) for g in grids])
    member = csr_array((np.ones(len(rows)), (rows, models)), shape=(int(ends[-1]), everything.shape[1]))
    of_best, of_all = (np.asarray(member @ weights.T.astype(float)).T for weights in (best, everything))
    n_best, n_all = best.sum(axis=1), everything.sum(axis=1)
    found = []
    for grid, start, end in zip(grids, ends, ends[1:], strict=False):
        top, region = of_best[:, start:end], of_all[:, start:end]
        active_best, active = top.sum(axis=1), region.sum(axis=1)
        counts = (active_best > 0) & (active >= FEWEST_ACTIVE)
        density, around = (_density(c, grid.ordered) + _TINY for c in (top, region))
        divergence = (around * (density / around - 1) ** 2).sum(axis=1)
        presence = (active_best / n_best) ** 2 / np.maximum(active / n_all, _TINY)
        found.append(np.where(counts, presence * divergence * (n_best / n_all) ** 2, 0.0))
    return np.array(found).reshape(len(grids), len(everything))


def _density(counts: Array, ordered: bool) -> Array:
    """Of each row of counts a density over its cells."""
    total = counts.sum(axis=1, keepdims=True)
    return _smooth(counts, total) if ordered else _by_choice(counts, total)


def _by_choice(counts: Array, total: Array) -> Array:
    choices, shared = counts.shape[1], PRIOR / ((counts > 0).sum(axis=1, keepdims=True) + 1)
    return np.asarray(((counts + total * shared) / (1 + choices * shared) + PRIOR / choices) / (total + PRIOR))


def _smooth(counts: Array, total: Array) -> Array:
    """A normal kernel, cut off at the ends of the range, around each value that was seen."""
    size = counts.shape[1]
    widths = _bandwidths(counts, total)[:, None]
    offsets = np.arange(-size, size + 1) + 0.5  # of a cell's upper border from a kernel's centre
    below = ndtr(offsets / widths)
    masses = np.diff(below, axis=1)  # of the cells at distance -size + 1 ... size from the centre
    centres = np.arange(size)
    inside = below[:, 2 * size - 1 - centres] - below[:, size - 1 - centres]
    weighed = counts / np.maximum(inside, _TINY)
    density = np.zeros_like(counts, dtype=float)
    for centre in range(size):
        density += weighed[:, [centre]] * masses[:, size - 1 - centre : 2 * size - 1 - centre]
    return np.asarray((density + PRIOR * _flat(size)) / (total + PRIOR))


def _flat(size: int) -> Array:
    """The prior: a kernel as wide as the range, at its middle."""
    borders = ndtr((np.arange(size + 1) - 0.5 - (size - 1) / 2) / size)
    return np.asarray(np.diff(borders) / (borders[-1] - borders[0]))


def _bandwidths(counts: Array, total: Array) -> Array:
    """Scott's rule by the smaller of standard deviation and interquartile range, in cells."""
    cells, n = np.arange(counts.shape[1]), np.maximum(total[:, 0], 1)
    mean = counts @ cells / n
    spread = np.sqrt(((cells - mean[:, None]) ** 2 * counts).sum(axis=1) / np.maximum(n - 1, 1))
    reached = np.cumsum(counts, axis=1)
    lower = (reached < np.maximum(n // 4, 1)[:, None]).sum(axis=1)
    upper = (reached <= (3 * n // 4)[:, None]).sum(axis=1)
    return np.asarray(np.maximum(1.059 * np.minimum((upper - lower) / 1.34, spread) * n**-0.2, _NARROWEST))
