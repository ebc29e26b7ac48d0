"""Pareto arithmetic: dominance, ranks, crowding, hypervolume and knee, every objective minimised.

``values`` has shape (points, objectives) throughout. Equal points do not dominate each other, so all of them are on
the front. Hypervolume and ranks come from moocore (López-Ibáñez, Paquete, Stützle); crowding is Deb et al. 2002.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import moocore
import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

_BLOCK = 256  # points that are compared with the front at once
_FEW = 50  # points, below which leaving out dominated ones costs more than it saves


def scaled(values: Array, log: Sequence[bool]) -> Array:
    """The values with the marked objectives in natural logarithm: the coordinates of hypervolume and knee."""
    out = np.array(values, dtype=np.float64)
    for column, is_log in enumerate(log):
        if is_log:
            out[:, column] = np.log(out[:, column])
    return out


def nondominated(values: Array) -> NDArray[np.bool_]:
    """Which points no other point dominates."""
    if len(values) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(moocore.is_nondominated(values, keep_weakly=True), dtype=bool)


def ranks(values: Array) -> NDArray[np.int64]:
    """The front each point is on when fronts are peeled off one after another, from 0."""
    if len(values) == 0:
        return np.zeros(0, dtype=np.int64)
    if values.shape[1] == 1:  # moocore wants two objectives; of one, the rank is the place of the value
        return np.unique(values[:, 0], return_inverse=True)[1].astype(np.int64)
    return np.asarray(moocore.pareto_rank(values), dtype=np.int64)


def crowding(values: Array) -> Array:
    """Crowding distance of each point of one front; infinite at the extremes (Deb et al. 2002)."""
    n = len(values)
    distance = np.zeros(n)
    for column in values.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]] if n else 0.0
        if span == 0:
            continue
        distance[order[[0, -1]]] = np.inf
        distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distance


def hypervolume(values: Array, reference: Array) -> float:
    """The volume between the points and ``reference``; points beyond it in any objective count nothing."""
    inside = values[(values < reference).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    if inside.shape[1] == 1:
        return float(reference[0] - inside.min())
    return float(moocore.hypervolume(inside, ref=reference))


def growth(values: Array, reference: Array) -> tuple[Array, NDArray[np.int64]]:
    """Hypervolume and size of the front of the first 1, 2, ... points.

    A point that is dominated adds nothing, and most points of a long search are: they are sorted out by the block.
    What another one adds is its box without what the front covers of it (While et al. 2012), so nothing is measured
    anew and the sum never falls.
    """
    front, gains = np.zeros((0, values.shape[1])), np.zeros(len(values))
    sizes = np.zeros(len(values), dtype=np.int64)
    for start in range(0, len(values), _BLOCK):
        block = slice(start, start + _BLOCK)
        sizes[block] = len(front)
        for i in start + np.flatnonzero(~_dominated(values[block], front)):
            point = values[i]
            if not _dominated(point[None], front)[0]:  # nor by one of its own block
                gains[i] = _gain(point, front, reference)
                beaten = (point <= front).all(axis=1) & (point < front).any(axis=1)
                front = np.vstack([front[~beaten], point])
            sizes[i : start + _BLOCK] = len(front)
    return np.cumsum(gains), sizes


def _dominated(points: Array, front: Array) -> NDArray[np.bool_]:
    """Which points one of the front dominates; one column at a time, so that no array of three dimensions is made."""
    no_worse, better = np.ones((len(points), len(front)), dtype=bool), np.zeros((len(points), len(front)), dtype=bool)
    for theirs, own in zip(front.T, points.T, strict=True):
        no_worse &= theirs <= own[:, None]
        better |= theirs < own[:, None]
    return np.asarray((no_worse & better).any(axis=1))


def _gain(point: Array, front: Array, reference: Array) -> float:
    """What a point adds to the hypervolume of a front that does not dominate it."""
    box = float(np.prod(np.maximum(reference - point, 0.0)))
    if box == 0 or len(front) == 0:
        return box
    covered = np.maximum(front, point)
    covered = covered[(covered < reference).all(axis=1)]
    if len(covered) > _FEW and covered.shape[1] > 1:
        covered = covered[nondominated(covered)]
    return max(box - hypervolume(covered, reference), 0.0)


def knee_score(values: Array) -> Array:
    """How good a compromise each point is, at most 0; the largest is the knee.

    Minus the Euclidean distance to the ideal point, each objective brought to 0..1 by the points' own range (the
    compromise solution of Zeleny 1973). The distance to the plane through the extremes (Das 1999) would count two
    correlated costs twice and then prefer the smallest network.
    """
    if len(values) == 0:
        return np.zeros(0)
    low, high = values.min(axis=0), values.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    return np.asarray(-np.linalg.norm((values - low) / span, axis=1))


def staircase(x: Array, y: Array) -> tuple[Array, Array]:
    """Corners of the stepped line under which nothing was found, for two objectives, by ascending ``x``."""
    order = np.lexsort((y, x))
    best = np.minimum.accumulate(y[order])
    keep = np.r_[True, best[1:] < best[:-1]] if len(order) else np.zeros(0, dtype=bool)
    return x[order][keep], best[keep]
