"""Intervals of 95 %, in plain Python: a machine that only measures has no SciPy."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)
_LARGEST_CORRELATION = 0.95
# A median of normal values scatters by this factor more than their mean.
_MEDIAN_FACTOR = math.sqrt(math.pi / 2)
_MAD_FACTOR = 1.4826  # of normal values: standard deviation over median absolute deviation
_T_TABLE = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139)


def t_quantile(degrees: int) -> float:
    """The 97.5 % quantile of Student's t, within 0.00002.

    Up to ten degrees of freedom from a table, above by the expansion of Abramowitz and Stegun, 26.7.5.

    Args:
        degrees: Degrees of freedom, 1 or more.
    """
    if degrees <= len(_T_TABLE):
        return _T_TABLE[degrees - 1]
    z, n = Z, degrees
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * n**4)
    )


def median_rank(n: int) -> int | None:
    """The rank k whose k-th lowest and k-th highest of ``n`` values enclose their median in 95 % or more of all cases.

    Holds for independent values of any distribution (the interval of the sign test).

    Returns:
        k, counted from 1; None with fewer than six values, whose extremes enclose it less often.
    """
    outside, k = 0.0, 0
    while (outside := outside + 2 * math.comb(n, k) / 2**n) <= 0.05:
        k += 1
    return k or None


def median_interval(values: Sequence[float]) -> tuple[float, float, float, str]:
    """The median of three or more positive values in the order they came, its 95 % interval, and the interval's name.

    A t-interval on the logarithms around the median, whose standard error is that of a median of normal values,
    √(π/2) s/√n. From six values on, values far out count as if they lay three standard deviations out; the interval
    gets wider by √((1+r)/(1-r)) where neighbours resemble each other by r; and it is no narrower than that of the sign
    test, which holds whatever the distribution. A disturbance that lasts as long as all values together is in no
    difference between them, and so in no interval.
    """
    n, value = len(values), statistics.median(values)
    logs, rank, r = [math.log(v) for v in values], median_rank(n), 0.0
    if rank is not None:
        logs = _winsorised(logs)
        r = _correlation(logs)
    half = t_quantile(n - 1) * _MEDIAN_FACTOR * statistics.stdev(logs) * math.sqrt((1 + r) / (1 - r) / n)
    low, high = value * math.exp(-half), value * math.exp(half)
    if rank is None:
        return value, low, high, "95 % t of log medians"
    ordered = sorted(values)
    return value, min(low, ordered[rank - 1]), max(high, ordered[-rank]), "95 % t and sign test of medians"


def widened(value: float, low: float, high: float, share: float) -> tuple[float, float]:
    """The ends of an interval, for a value that also scatters by what the interval does not see.

    Args:
        value: Inside the interval; all are positive.
        low: Lower end.
        high: Upper end.
        share: Half-width of a 95 % interval of what is not seen, relative to the value; it is independent of the rest,
            so squares add up.
    """
    down, up = (math.hypot(share, math.log(ratio)) for ratio in (value / low, high / value))
    return value * math.exp(-down), value * math.exp(up)


def _winsorised(values: Sequence[float]) -> list[float]:
    """Values brought to within three robust standard deviations of their median."""
    middle = statistics.median(values)
    reach = 3 * _MAD_FACTOR * statistics.median(abs(v - middle) for v in values)
    return [min(max(v, middle - reach), middle + reach) for v in values]


def trend(values: Sequence[float]) -> float:
    """By how much values rise (below 0: fall) from their first third to their last, relative to the first.

    0 where that may be chance, by the rank test of Mann (1945) and Kendall (1975) at 5 %.
    """
    n = len(values)
    if n < 2:
        return 0.0
    rises = sum((values[j] > values[i]) - (values[j] < values[i]) for j in range(n) for i in range(j))
    if (abs(rises) - 1) / math.sqrt(n * (n - 1) * (2 * n + 5) / 18) < Z:
        return 0.0
    third = max(1, n // 3)
    return statistics.median(values[-third:]) / statistics.median(values[:third]) - 1


def _correlation(values: Sequence[float]) -> float:
    """Of neighbours, at least 0; the estimate's own bias of -1/n is taken out."""
    mean = statistics.fmean(values)
    away = [v - mean for v in values]
    total = sum(a * a for a in away)
    if total == 0:
        return 0.0
    r = sum(a * b for a, b in itertools.pairwise(away)) / total + 1 / len(values)
    return min(max(r, 0.0), _LARGEST_CORRELATION)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The score interval of a share ``hits / n``; it holds the share and stays inside [0, 1] (Wilson 1927).

    Args:
        hits: 0 to ``n``.
        n: 1 or more.
    """
    return _wilson_low(hits, n), 1 - _wilson_low(n - hits, n)


def _wilson_low(hits: int, n: int) -> float:
    # The product of the two limits is hits² / (n (n + z²)): dividing by the upper one keeps 0 exact where hits is 0.
    upper = (2 * hits + Z**2 + Z * math.sqrt(Z**2 + 4 * hits * (n - hits) / n)) / (2 * (n + Z**2))
    return hits**2 / (n * (n + Z**2)) / upper
