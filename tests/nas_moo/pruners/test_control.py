"""The control arm: one coin a trial, honest intervals, and a rule that turns more cautious by them."""

import json

import numpy as np
import pytest

from nas_moo.errors import UserInputError
from nas_moo.objectives.intervals import wilson
from nas_moo.pruners import FinishedCurves, load_pruner
from nas_moo.pruners.control import (
    ENOUGH,
    Control,
    at_level,
    cautious_level,
    check_share,
    coin,
    is_control,
    is_dominated,
    judge_controls,
)


def complete(errors, costs, width=0.0):
    costs = np.array(costs, dtype=float).reshape(len(errors), -1)
    return FinishedCurves(np.array([1.0]), np.array(errors)[:, None], costs, costs + width)


def test_the_coin_is_that_of_the_seed_and_the_number_alone():
    drawn = np.array([[coin(seed, number) for number in range(400)] for seed in range(5)])
    assert coin(3, 7) == drawn[3, 7] == 0.8459159296633461
    assert abs((drawn < 0.25).mean() - 0.25) < 0.03
    assert np.abs(np.corrcoef(drawn) - np.eye(5)).max() < 0.15


def test_a_quarter_of_the_stopped_are_controls_and_later_a_twentieth():
    drawn = range(2000)
    assert abs(np.mean([is_control(0, n, ENOUGH - 1) for n in drawn]) - 0.25) < 0.03
    assert abs(np.mean([is_control(0, n, ENOUGH) for n in drawn]) - 0.05) < 0.015
    assert not any(is_control(0, n, 0, share=0.0) for n in drawn)
    assert all(is_control(0, n, 99, share=1.0) for n in drawn)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(UserInputError, match="share of controls"):
        check_share(share)


def test_dominance_counts_costs_inside_their_intervals_as_equal():
    exact = complete([0.3, 0.2, 0.2], [10, 11, 12])
    assert [is_dominated(exact, p) for p in range(3)] == [False, False, True]
    assert [is_dominated(complete([0.3, 0.2, 0.2], [10, 11, 12], width=2), p) for p in range(3)] == [True, False, False]


def test_controls_are_counted_with_their_intervals():
    finished = complete([0.5, 0.3, 0.1, 0.2, 0.6], [1, 2, 4, 8, 16])
    controls = [Control(1, bound=0.35), Control(3, bound=0.15), Control(4)]
    report = judge_controls(finished, controls, pruned=9)
    assert (report.nondominated.hits, report.nondominated.n) == (1, 3)
    assert (report.below.hits, report.below.n) == (1, 2)
    assert report.nondominated.interval == wilson(1, 3)
    told = json.loads(json.dumps(report.to_dict()))
    assert told["pruned"] == 9
    assert told["below_bound"]["low"] == wilson(1, 2)[0]


def test_the_loss_is_what_controls_added_for_each_that_was_pruned():
    """One of two controls takes the error within the budgets from 2 up to 4 from 0.5 to 0.3: half of four doublings."""
    finished = complete([0.5, 0.3, 0.1, 0.6], [1, 2, 4, 16])
    report = judge_controls(finished, [Control(1), Control(3)], pruned=4)
    budgets = np.geomspace(1, 16, 20)
    within = ((budgets >= 2 * (1 - 1e-12)) & (budgets < 4)).mean()
    assert report.regret.estimate == pytest.approx(4 * within * (0.5 - 0.3) / 2)
    assert report.hypervolume.low <= report.hypervolume.estimate <= report.hypervolume.high
    assert report.hypervolume.estimate > 0
    assert judge_controls(finished, [Control(3)], pruned=4).hypervolume.estimate == 0
    assert judge_controls(finished, [], pruned=4).regret is None


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_control_at_either_end_of_the_front_counts(place):
    """The cheapest has the worst error of all, the most accurate is the dearest."""
    report = judge_controls(complete([0.6, 0.3, 0.1, 0.2], [1, 2, 4, 3]), [Control(place)], pruned=1)
    assert report.hypervolume.estimate > 0
    assert report.regret.estimate > 0


def test_without_controls_nothing_is_known():
    report = judge_controls(complete([0.5], [1]), [], pruned=3)
    assert report.nondominated.interval == (0.0, 1.0)
    assert report.to_dict()["hypervolume_loss"] is None


def test_a_rule_turns_more_cautious_by_the_controls_of_its_present_level():
    """Twelve non-dominated controls at first; none of those that it stopped since."""
    front = complete(np.linspace(0.5, 0.1, 30), np.arange(1, 31))
    bold = [Control(p) for p in range(12)]
    assert cautious_level(front, bold[:9], None) == 0  # too few to say
    assert cautious_level(front, bold, None) == 1
    assert cautious_level(front, [*bold, *(Control(p, level=1) for p in range(12, 30))], None) == 2
    flat = complete([0.1, *np.linspace(0.5, 0.3, 29)], [0.5, *range(1, 30)])
    dominated = [Control(p) for p in range(1, 25)]
    assert cautious_level(flat, dominated, None) == 0
    below = [Control(p, bound=0.9) for p in range(1, 25)]
    assert cautious_level(flat, below, 0.1) == 1
    assert cautious_level(flat, [Control(p, bound=0.2) for p in range(1, 25)], 0.1) == 0


def test_more_cautious_is_a_smaller_quantile_and_a_wider_margin():
    assert at_level(load_pruner("front", 0.2), 2).quantile == pytest.approx(0.05)
    assert at_level(load_pruner("rank"), 1).margin == pytest.approx(0.6)
    for name in ("median", "halving", "never", "optuna:MedianPruner"):
        pruner = load_pruner(name)
        assert at_level(pruner, 1) is pruner


@pytest.mark.parametrize("costs", [np.zeros((4, 0)), np.zeros((4, 1))])
def test_without_a_cost_that_is_positive_there_is_no_budget_regret(costs):
    finished = FinishedCurves(np.array([1.0, 2.0]), np.array([[0.5, e] for e in (0.4, 0.3, 0.2, 0.1)]), costs, costs)
    report = judge_controls(finished, [Control(3, 0.2), Control(0)], 2)
    assert report.regret is None
    assert report.hypervolume is not None
    assert report.hypervolume.estimate > 0
