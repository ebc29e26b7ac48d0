"""Intervals of 95 %, in plain Python: a machine that only measures has no SciPy."""

from __future__ import annotations

import math
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)
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
