import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from reports import agreement
from reports.agreement import Agreement


@pytest.fixture
def values():
    """60 models with ties in both values."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=60).round(1)
    return x, (x + rng.normal(size=60)).round(1)


def test_coefficients_are_those_of_scipy(values):
    found = agreement.agreement(*values)
    assert found.spearman == pytest.approx(spearmanr(*values).statistic)
    assert found.kendall == pytest.approx(kendalltau(*values).statistic)
    assert (found.n, found.used) == (60, 60)


def test_intervals_hold_the_value_and_shrink_with_more_models(values):
    x, y = values
    wide = agreement.agreement(x[:15], y[:15])
    narrow = agreement.agreement(np.tile(x, 10), np.tile(y, 10))
    for found in (wide, narrow):
        assert found.kendall_interval[0] < found.kendall < found.kendall_interval[1]
        assert found.spearman_interval[0] < found.spearman < found.spearman_interval[1]
    assert np.ptp(narrow.kendall_interval) < np.ptp(wide.kendall_interval) / 3


def test_the_same_models_give_the_same_numbers(values):
    assert agreement.agreement(*values) == agreement.agreement(*values)


def test_of_very_many_models_a_sample_is_used():
    x = np.arange(5_000.0)
    found = agreement.agreement(x, -x)
    assert (found.n, found.used) == (5_000, agreement.MOST)
    assert found.kendall == pytest.approx(-1)
    places = agreement.sample(5_000, 1_000)
    assert len(set(places.tolist())) == 1_000
    assert list(agreement.sample(7, 10)) == list(range(7))


@pytest.mark.parametrize("x", [[], [1.0], [1.0, 1.0, 1.0]])
def test_where_there_is_no_order_there_is_no_coefficient(x):
    found = agreement.agreement(np.array(x), np.arange(len(x), dtype=float))
    assert isinstance(found, Agreement)
    assert np.isnan([found.kendall, found.spearman, *found.kendall_interval]).all()


def test_two_models_agree_or_not():
    found = agreement.agreement(np.array([1.0, 2.0]), np.array([5.0, 4.0]))
    assert found.kendall == found.spearman == -1
    assert np.isnan(found.kendall_interval).all()
