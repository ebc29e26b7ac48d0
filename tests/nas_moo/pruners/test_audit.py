"""The audit: what a rule saves and loses, by its definition, without training."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from nas_moo.errors import UserInputError
from nas_moo.pruners import PRUNERS, WITH_QUANTILE, FinishedCurves, Verdict, leave_one_out, load_pruner
from nas_moo.pruners.audit import audit_study, audit_table, left_out, trained_points

from .conftest import EPOCHS, made, of_table


def rules(*names):
    return [load_pruner(name) for name in names]


def test_a_study_is_judged_by_leaving_each_training_out():
    finished = made(np.random.default_rng(0), 30)
    never, front = audit_study(finished, rules("never", "front"))
    assert (never.stopped, never.saved, never.front_lost, never.hypervolume_lost, never.regret_lost) == (0, 0, 0, 0, 0)
    assert never.judged == 30
    assert never.epochs == 30 * 18
    assert front.quantile == load_pruner("front").quantile
    points = [
        trained_points(load_pruner("front").fit(finished.among(np.delete(np.arange(30), i))), finished, i)
        for i in range(30)
    ]
    assert front.stopped == sum(p < 18 for p in points) > 3
    assert front.epochs_saved == sum(18 - p for p in points)
    assert front.saved == pytest.approx(front.epochs_saved / (30 * 18))
    assert json.loads(json.dumps(front.to_dict()))["pruner"] == "front"


@pytest.mark.parametrize(("n", "points"), [(11, 18), (12, 18), (60, 18), (61, 3), (40, 2), (40, 1), (256, 5)])
@pytest.mark.parametrize("name", PRUNERS)
def test_all_at_once_is_what_one_by_one_would_be(name, n, points):
    """Also where errors, costs and whole trainings are equal, intervals touch, and few or many curves are fitted."""
    rng = np.random.default_rng(n)
    drawn = made(rng, n, points)
    low = np.round(drawn.low, 1)
    equal = FinishedCurves(drawn.epochs, np.round(drawn.curves, 2), low, low + rng.integers(3, size=low.shape) / 10)
    for finished in (drawn, equal.among(np.r_[np.arange(n - 3), [0, 0, 1]])):
        for pruner in [load_pruner(name), *([load_pruner(name, 0.4)] if name in WITH_QUANTILE else [])]:
            points_run = leave_one_out.trained_points(pruner, finished)
            assert points_run.tolist() == left_out(pruner, finished).tolist()


def test_a_pruner_of_another_kind_is_fitted_anew_for_each():
    finished = made(np.random.default_rng(0), 13)
    optunas = load_pruner("optuna:MedianPruner")
    assert leave_one_out.trained_points(optunas, finished) is None
    (found,) = audit_study(finished, [optunas])
    assert found.stopped == (left_out(optunas, finished) < 18).sum() > 0


def test_what_is_lost_is_counted_by_its_definition():
    """The median rule gives up the small one: a member of the front, and all that there is within small budgets."""
    curves = np.tile(np.linspace(0.9, 0.2, 18), (20, 1)) * np.linspace(0.9, 1.0, 20)[:, None]
    curves[0] = np.linspace(0.99, 0.185, 18)  # slow, and at its end better than the median
    costs = np.linspace(10, 20, 20)[:, None]
    costs[0] = 1.0
    finished = FinishedCurves(EPOCHS, curves, costs, costs)
    front, median = audit_study(finished, rules("front", "median"))
    assert (front.front, front.front_lost, front.regret_lost) == (2, 0, 0)
    assert (median.front, median.front_lost) == (2, 1)
    assert median.hypervolume_lost > 0
    only_small = (np.geomspace(1, 20, 20) < costs[1]).mean()
    best, median_error = finished.final.min(), np.median(finished.final)
    none = best + 1.1 * (median_error - best)  # a tenth beyond the median, which is worse than the front
    assert median.regret_lost == pytest.approx(only_small * (none - 0.185))


@dataclass(frozen=True)
class Gives:
    """Gives some trainings up after their first epoch, whatever they look like."""

    costs: tuple[float, ...]
    name = "gives"
    caution = None

    def fit(self, finished):
        return self

    def cautious(self):
        return self

    def decide(self, curve, low, high):
        return Verdict(float(low[0]) in self.costs, "")


def test_either_end_of_the_front_can_be_lost():
    """The most accurate is the dearest, the cheapest are worse than the median error: all of them on the front."""
    costs = np.geomspace(1, 100, 20)[:, None]
    finished = FinishedCurves(np.arange(1.0, 3.0), np.tile(np.linspace(0.6, 0.1, 20)[:, None], 2), costs, costs)
    best, cheapest, one = (Gives(tuple(costs[p, 0].tolist())) for p in ([19], range(9), [0]))
    for found, lost in zip(audit_study(finished, [best, cheapest, one]), (1, 9, 1), strict=True):
        assert found.front_lost == lost
        assert found.hypervolume_lost > 0.002
        assert found.regret_lost > 0.001
    diverged = FinishedCurves(
        finished.epochs, np.vstack([finished.curves, [[9.0, 9.0e6]]]), *[np.vstack([costs, [[50.0]]])] * 2
    )
    first, _, _ = audit_study(finished, [best, cheapest, one])
    assert audit_study(diverged, [best])[0].hypervolume_lost == pytest.approx(first.hypervolume_lost)


def test_a_table_is_judged_beyond_what_the_rule_was_fitted_to(tiny):
    fitted = np.random.default_rng(0).permutation(len(tiny))[:100]
    whole = of_table(tiny, np.arange(len(tiny)))
    front, median = audit_table(whole, fitted, rules("front", "median"))
    assert front.judged == median.judged == len(tiny) - 100
    assert front.saved > 0.2
    assert front.front_lost < median.front_lost
    assert front.hypervolume_lost < 0.25 * median.hypervolume_lost
    assert median.hypervolume_lost > 0.02
    assert median.regret_lost > 0.005
    rule = load_pruner("median").fit(whole.among(fitted))
    others = np.setdiff1d(np.arange(len(tiny)), fitted)
    stopped = [i for i in others if trained_points(rule, whole, i) < 18]
    assert median.stopped == len(stopped)
    assert median.front_lost == len(set(stopped) & set(tiny.front.tolist()))
    assert median.front == len(set(others.tolist()) & set(tiny.front.tolist()))


def test_too_little_to_judge_is_said():
    finished = made(np.random.default_rng(0), 30)
    with pytest.raises(UserInputError, match="12 complete"):
        audit_study(finished.among(np.arange(5)), rules("front"))
    with pytest.raises(UserInputError, match="no curve"):
        audit_study(made(np.random.default_rng(0), 30, points=1), rules("front"))
