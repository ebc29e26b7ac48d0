"""What each pruner would have stopped of finished trainings, each judged by a rule fitted to all others: all at once.

The decisions are those of the rules themselves, one training and one point at a time. Fitting a rule anew for each of
ten thousand trainings takes minutes, though, and what leaving one out changes is known: one place in an order, and a
curve model only where the training is among the last that the model takes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas_moo.pareto import Array
from nas_moo.pruners.base import FinishedCurves, Pruner
from nas_moo.pruners.front import FEWEST_POINTS, FrontPruner, FrontRule, is_beaten
from nas_moo.pruners.halving import FACTOR, HalvingPruner, HalvingRule
from nas_moo.pruners.median import MedianPruner
from nas_moo.pruners.never import NeverPruner
from nas_moo.pruners.rank import START, RankPruner, first_point

_FIRST_BLOCK = 64  # rivals that are looked at before twice as many; most trainings find one among them


def trained_points(pruner: Pruner, finished: FinishedCurves) -> NDArray[np.intp] | None:
    """Points of its curve that each training would have run, all of them where nothing stops it.

    Returns:
        Shape (n,); None for a pruner of another kind, which has to be fitted anew for each.
    """
    stops = _stops(pruner, finished)
    if stops is None:
        return None
    stops[:, -1] = False  # the training has ended
    return np.where(stops.any(axis=1), stops.argmax(axis=1) + 1, len(finished.epochs))


def _stops(pruner: Pruner, finished: FinishedCurves) -> NDArray[np.bool_] | None:
    """Whether each training would be stopped after each point, shape (n, points)."""
    if isinstance(pruner, FrontPruner):
        return _front(pruner, finished)
    if isinstance(pruner, RankPruner):
        return _rank(pruner.margin, finished)
    if isinstance(pruner, MedianPruner):
        return _median(finished)
    if isinstance(pruner, HalvingPruner):
        return _halving(finished)
    return _nothing(finished) if isinstance(pruner, NeverPruner) else None


def _nothing(finished: FinishedCurves) -> NDArray[np.bool_]:
    return np.zeros(finished.curves.shape, dtype=bool)


def _front(pruner: FrontPruner, finished: FinishedCurves) -> NDArray[np.bool_]:
    if len(finished.epochs) < FEWEST_POINTS:
        return _rank(pruner.margin, finished)
    stops, n = _nothing(finished), len(finished)
    if n - 1 < (whole := FrontRule(finished, pruner.quantile)).needed:
        return stops
    best = _best_as_cheap(finished.final, finished)
    tail = np.arange(max(n - whole.kept - 1, 0), n)
    groups = [(tail[tail != i], np.array([i])) for i in tail]
    if len(earlier := np.arange(tail[0])):
        groups.append((tail[1:], earlier))  # all of these leave the model as it is
    for fitted, judged in groups:
        rule = FrontRule(finished.among(fitted), pruner.quantile)
        for point in whole.checks:
            curves, low, high = finished.curves[judged, : point + 1], finished.low[judged], finished.high[judged]
            logs, spread = rule.model.predict_logs(curves, low, high)
            bounds = rule.model.errors(logs + rule.worst * spread)
            stops[judged, point] = is_beaten(bounds, curves[:, -1], best[judged])
    return stops


def _rank(margin: float, finished: FinishedCurves) -> NDArray[np.bool_]:
    stops = _nothing(finished)
    if len(finished) - 1 < START:
        return stops
    for point in range(first_point(finished.epochs), len(finished.epochs) - 1):
        errors = finished.curves[:, point]
        best = _best_as_cheap(errors, finished)
        found = np.isfinite(best)
        stops[found, point] = errors[found] > best[found] + margin * np.abs(best[found])
    return stops


def _median(finished: FinishedCurves) -> NDArray[np.bool_]:
    stops, others = _nothing(finished), len(finished) - 1
    if others < START:
        return stops
    best = np.minimum.accumulate(finished.curves, axis=1)
    medians = (_placed(best, (others - 1) // 2) + _placed(best, others // 2)) / 2
    first = first_point(finished.epochs)
    stops[:, first:] = (best > medians)[:, first:]
    return stops


def _halving(finished: FinishedCurves) -> NDArray[np.bool_]:
    stops, others = _nothing(finished), len(finished) - 1
    if others < START:
        return stops
    rungs = list(HalvingRule(finished).rungs)
    errors = finished.curves[:, rungs]
    stops[:, rungs] = errors > _placed(errors, int((others - 1) / FACTOR))
    return stops


def _placed(columns: Array, place: int) -> Array:
    """For each value of each column, the one at a place, from 0, in the order of all others of the column."""
    order = np.argsort(columns, axis=0, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(len(columns))[:, None], axis=0)
    ordered = np.take_along_axis(columns, order, axis=0)
    return np.asarray(np.where(ranks > place, ordered[place], ordered[place + 1]))


def _best_as_cheap(errors: Array, finished: FinishedCurves) -> Array:
    """For each training the lowest error of the others at costs no higher; infinite where all are costlier.

    Others are looked at from the lowest error on, so that few trainings have to be compared with many.
    """
    order = np.argsort(errors, kind="stable")
    best = np.full(len(errors), np.inf)
    pending, begin, size = np.arange(len(errors)), 0, _FIRST_BLOCK
    while len(pending) and begin < len(errors):
        block = order[begin : begin + size]
        cheap = block != pending[:, None]
        for low, high in zip(finished.low.T, finished.high.T, strict=True):
            cheap &= low[block] <= high[pending, None]
        found = cheap.any(axis=1)
        best[pending[found]] = errors[block[cheap[found].argmax(axis=1)]]
        pending, begin, size = pending[~found], begin + size, 2 * size
    return best
