"""Small models are safe by construction, slow starters survive, and the bound holds what it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nas_moo.pruners import FinishedCurves, leave_one_out, load_pruner
from nas_moo.pruners.front import FrontRule, checks

from .conftest import EPOCHS, made, of_table

ERRORS = st.floats(0, 1, width=32)
COSTS = st.floats(0.125, 64, width=32)


@st.composite
def studies(draw):
    n, points = draw(st.integers(10, 25)), draw(st.sampled_from([1, 2, 3, 4, 9]))
    curves = draw(arrays(float, (n, points), elements=ERRORS))
    low = draw(arrays(float, (n, 2), elements=COSTS))
    high = low + draw(arrays(float, (n, 2), elements=st.floats(0, 2, width=32)))
    curve = draw(arrays(float, (points,), elements=ERRORS))
    own = draw(arrays(float, (2,), elements=COSTS))
    return FinishedCurves(EPOCHS[:points], curves, low, high), curve, own, own + draw(st.floats(0, 2, width=32))


@settings(max_examples=80, deadline=None)
@given(studies(), st.sampled_from(["front", "rank"]))
def test_nothing_is_pruned_without_a_finished_rival_at_costs_no_higher(study, name):
    finished, curve, low, high = study
    rule = load_pruner(name).fit(finished)
    as_cheap = (finished.low <= high).all(axis=1)
    for point in range(1, len(curve) + 1):
        verdict = rule.decide(curve[:point], low, high)
        assert as_cheap.any() or not verdict.stop
        if verdict.stop:
            assert as_cheap[int(verdict.evidence["rival"])]


def stops(rule, curve, costs):
    return any(rule.decide(curve[: p + 1], costs, costs).stop for p in range(len(curve)))


@pytest.mark.parametrize("name", ["front", "rank"])
def test_a_planted_small_model_survives_and_the_median_kills_it(name, tiny):
    """It is worse than all others at every epoch, and on the front, since nothing is as small."""
    rng = np.random.default_rng(0)
    finished = of_table(tiny, rng.permutation(len(tiny))[:80])
    curve, small = finished.curves.max(axis=0), tiny.costs.min(axis=0) / 2
    assert not stops(load_pruner(name).fit(finished), curve, small)
    assert stops(load_pruner(name).fit(finished), curve, small * 100)
    assert stops(load_pruner("median").fit(finished), curve, small)


def test_planted_slow_starters_survive_where_some_were_seen():
    """A tenth of the networks starts late and ends best; the median rule kills them all, the bound what it may.

    The slow ones are the lower tail of the residuals, so all that a quantile of 0.02 gives up is a fifth of them.
    """
    rng = np.random.default_rng(3)
    finished = made(rng, 200)
    late = 0.9 - 0.86 / (1 + np.exp(-(EPOCHS - 13) * 0.9))
    curves = finished.curves.copy()
    curves[::10] = late * rng.lognormal(0, 0.03, (20, 18))
    finished = FinishedCurves(EPOCHS, curves, finished.low, finished.high)
    assert late[-1] < np.quantile(finished.final, 0.1)
    dear, planted = np.array([20.0, 20.0]), late * rng.lognormal(0, 0.03, (50, 18))
    killed = {
        name: np.mean([stops(rule.fit(finished), curve, dear) for curve in planted])
        for name, rule in (("front", load_pruner("front", 0.02)), ("median", load_pruner("median")))
    }
    assert killed["front"] < 0.3
    assert killed["median"] == 1.0


@pytest.mark.parametrize("quantile", [0.05, 0.1, 0.25])
def test_the_bound_holds_over_whole_trajectories_that_took_no_part_in_the_fit(quantile, tiny):
    """The share of curves that end below their bound at any check is the quantile, over many draws of 40 to 160."""
    rng, missed, judged = np.random.default_rng(1), 0, 0
    for n in (40, 80, 160):
        for _ in range(10):
            rows = rng.permutation(len(tiny))
            rule = load_pruner("front", quantile).fit(of_table(tiny, rows[:n]))
            assert isinstance(rule, FrontRule)
            for row in rows[n : n + 60]:
                bounds = []
                for point in rule.checks:
                    log, spread = rule.model.predict_log(
                        tiny.errors[row, : point + 1], tiny.costs[row], tiny.costs[row]
                    )
                    bounds.append(rule.model.error(log + rule.worst * spread))
                missed += tiny.errors[row, -1] < max(bounds)
                judged += 1
    assert 0.5 * quantile < missed / judged < 1.4 * quantile


def test_a_training_is_judged_at_a_few_fixed_points():
    assert checks(EPOCHS) == (0, 2, 5, 10)
    assert checks(np.array([1.0, 10.0, 20.0, 21.0])) == (1, 2)
    assert checks(np.array([1.0])) == ()
    assert checks(np.array([90.0, 95.0, 97.0, 100.0])) == (0,)
    rule = load_pruner("front").fit(made(np.random.default_rng(0), 40))
    told = [rule.decide(np.full(p, 0.9), np.full(2, 20.0), np.full(2, 20.0)) for p in range(1, 19)]
    assert [p for p, v in enumerate(told) if v.stop] == [0, 2, 5, 10]


def test_with_two_fidelities_the_rule_is_same_epoch_dominance():
    """Only the first of two is there to be judged, however early it comes."""
    curves = np.tile([0.5, 0.1], (20, 1))
    costs = np.full((20, 1), 1.0)
    rule = load_pruner("front").fit(FinishedCurves(np.array([12.0, 212.0]), curves, costs, costs))
    assert rule.decide(np.array([0.56]), costs[0], costs[0]).stop
    assert not rule.decide(np.array([0.54]), costs[0], costs[0]).stop
    assert not rule.decide(np.array([0.56]), costs[0] / 2, costs[0] / 2).stop


def test_a_smaller_quantile_asks_for_more_finished_curves():
    finished = made(np.random.default_rng(0), 18)
    told = load_pruner("front", 0.05).fit(finished).decide(np.full(9, 0.9), np.full(2, 20.0), np.full(2, 20.0))
    assert not told.stop
    assert "18 of 19" in told.reason


def test_a_small_quantile_is_more_cautious_than_a_larger_one():
    """Also one that takes more curves than the model keeps otherwise: the lowest score bounds, not the highest."""
    finished = made(np.random.default_rng(0), 1000)
    worst = [load_pruner("front", q).fit(finished).worst for q in (0.5, 0.3, 0.1, 0.05, 0.01, 0.004)]
    assert worst == sorted(worst, reverse=True)
    for quantile in (0.0039, 0.1 / 2**5, 0.001):
        rule = load_pruner("front", quantile).fit(finished)
        assert len(rule.model) == rule.kept >= rule.needed
        assert rule.worst < worst[3]


def test_what_has_reached_the_rivals_error_is_never_stopped():
    """The line through other curves knows nothing of what is below them all, and may lead to the worst error."""
    rng = np.random.default_rng(0)
    final = rng.uniform(-1.0, 0.3, 40)
    curves = final[:, None] + (1.2 - final[:, None]) * np.exp(-4 * np.arange(1, 19) / 18)
    curves[:, 0] -= 2 * curves[:, 0] * (final > 0)  # who begins low ends badly
    costs = np.full((40, 1), 10.0)
    finished = FinishedCurves(EPOCHS, curves, costs, costs)
    rule = load_pruner("front", 0.5).fit(finished)
    for below in (0.0, 0.01, 0.3, 5.0):
        verdict = rule.decide(np.array([curves.min() - below]), costs[0], costs[0])
        assert not verdict.stop
        assert verdict.evidence["bound"] <= curves.min() - below
        assert below == 0 or verdict.evidence["predicted"] <= curves.min()
    extreme = FinishedCurves(
        EPOCHS, np.vstack([curves, np.full(18, curves.min() - 0.01)]), *[np.full((41, 1), 10.0)] * 2
    )
    assert leave_one_out.trained_points(load_pruner("front", 0.5), extreme)[-1] == 18


def test_ties_are_not_stopped_by_rounding():
    costs = np.full((40, 1), 10.0)
    for error in np.linspace(0.05, 0.5, 50):
        finished = FinishedCurves(EPOCHS[:9], np.full((40, 9), error), costs, costs)
        assert not stops(load_pruner("front").fit(finished), finished.curves[0], costs[0])
        assert (leave_one_out.trained_points(load_pruner("front"), finished) == 9).all()
