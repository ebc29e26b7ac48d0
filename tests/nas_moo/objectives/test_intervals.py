import math

import pytest
from scipy import stats

from nas_moo.objectives.intervals import median_rank, t_quantile, widened, wilson


@pytest.mark.parametrize("degrees", [*range(1, 40), 100, 1000, 100_000])
def test_the_t_quantile_is_students(degrees):
    assert t_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), abs=2e-5)


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 50), (50, 50), (3, 50), (25, 50), (999, 100_000)])
def test_wilson_agrees_with_scipy_and_keeps_the_ends(hits, n):
    low, high = wilson(hits, n)
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= hits / n <= high <= 1


@pytest.mark.parametrize("n", range(1, 80))
def test_the_median_rank_is_the_innermost_that_holds_95_percent(n):
    rank = median_rank(n)
    if rank is None:
        assert n < 6
        return
    assert 1 - 2 * stats.binom.cdf(rank - 1, n, 0.5) >= 0.95
    assert 1 - 2 * stats.binom.cdf(rank, n, 0.5) < 0.95


@pytest.mark.parametrize(("low", "high"), [(2.0, 2.0), (2 * math.exp(-0.03), 2 * math.exp(0.04)), (1.0, 2.0)])
def test_an_interval_is_widened_by_what_it_does_not_see(low, high):
    ends = widened(2.0, low, high, 0.03)
    for end, before in zip(ends, (low, high), strict=True):
        assert math.log(end / 2) ** 2 == pytest.approx(math.log(before / 2) ** 2 + 0.03**2)
    assert ends[0] < 2.0 < ends[1]
    assert widened(2.0, low, high, 0.0) == pytest.approx((low, high))
