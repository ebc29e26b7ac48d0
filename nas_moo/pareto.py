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
