"""How far two orders of the same models agree: Spearman's and Kendall's coefficients with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from nas_moo.pareto import Array

MOST = 1_000  # models that coefficients are computed from; of more, so many are drawn
FEWEST = 5  # for an interval
_RESAMPLES = 300
_NONE = (np.nan, np.nan)


@dataclass(frozen=True)
class Agreement:
    """Rank correlation of two values over models.

    Attributes:
        n: Models that have both values.
        used: How many of them the coefficients are computed from, drawn evenly.
        spearman: Spearman's rho with mid-ranks; NaN where one of the values is the same for all.
        spearman_interval: 95 %, by resampling models; NaN with fewer than ``FEWEST``.
        kendall: Kendall's tau-b; NaN likewise.
        kendall_interval: As that of Spearman's.
    """

    n: int
    used: int
    spearman: float
    spearman_interval: tuple[float, float]
    kendall: float
    kendall_interval: tuple[float, float]


def agreement(x: Array, y: Array) -> Agreement:
    """Compare two values of the same models; the same numbers for the same models, whenever it is asked."""
    n, places = len(x), sample(len(x), MOST)
    x, y = x[places], y[places]
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Agreement(n, len(x), np.nan, _NONE, np.nan, _NONE)
    if len(x) < FEWEST:
        return Agreement(n, len(x), _spearman(x[None], y[None])[0], _NONE, _kendall(x, y), _NONE)
    drawn = np.random.default_rng(0).integers(0, len(x), (_RESAMPLES, len(x)))
    taus = np.array([_kendall(x[d], y[d]) for d in drawn])
    return Agreement(
        n, len(x), _spearman(x[None], y[None])[0], _middle(_spearman(x[drawn], y[drawn])), _kendall(x, y), _middle(taus)
    )  # fmt: skip


def sample(n: int, most: int) -> NDArray[np.intp]:
    """Places of at most ``most`` of ``n``, ascending; drawn by a fixed seed."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, most, replace=False))


def _kendall(x: Array, y: Array) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:  # a resample of one model alone
        return np.nan
    if len(x) == 2:  # SciPy's p-value, which nobody asked for, would divide by zero
        return float(np.sign((x[1] - x[0]) * (y[1] - y[0])))
    return float(kendalltau(x, y, method="asymptotic").statistic)


def _spearman(x: Array, y: Array) -> Array:
    """Of each row."""
    ranks = [rankdata(v, axis=1) for v in (x, y)]
    a, b = (r - r.mean(axis=1, keepdims=True) for r in ranks)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.asarray((a * b).sum(axis=1) / np.where(size > 0, size, np.nan), dtype=float)


def _middle(values: Array) -> tuple[float, float]:
    """The middle 95 % of the resamples that have a value."""
    values = values[np.isfinite(values)]
    if not len(values):
        return _NONE
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)
