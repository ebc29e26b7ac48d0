"""What every pruner promises: verdicts that say why, evidence that JSON can hold, and refusals that help."""

import dataclasses
import json
import re

import numpy as np
import optuna
import pytest

from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.pruners import DEFAULT_PRUNER, PRUNERS, FinishedCurves, as_pruner, check_pruner, load_pruner
from nas_moo.pruners.shadow import OptunaPruner

from .conftest import EPOCHS, made

EVERY = [*PRUNERS, "optuna:MedianPruner", "optuna:SuccessiveHalvingPruner", "optuna:HyperbandPruner"]
CHEAP, DEAR = np.array([0.5, 0.5]), np.array([20.0, 20.0])
HOPELESS = np.full(17, 0.9)


@pytest.fixture(scope="module")
def finished():
    return made(np.random.default_rng(0), 40)


def first_stop(rule, curve, low, high):
    """The first verdict that stops, or the last of all."""
    for point in range(1, len(curve) + 1):
        verdict = rule.decide(curve[:point], low, high)
        if verdict.stop:
            break
    return verdict


@pytest.mark.parametrize("name", EVERY)
def test_a_hopeless_and_dear_training_is_stopped_and_evidence_told(name, finished):
    pruner = load_pruner(name)
    assert pruner.name == name
    verdict = first_stop(pruner.fit(finished), HOPELESS, DEAR, DEAR)
    assert verdict.stop is (name != "never")
    assert verdict.reason
    told = json.loads(json.dumps(dict(verdict.evidence)))
    assert told["finished"] == 40
    if verdict.stop:
        assert told["epoch"] == len(HOPELESS[: int(told["epoch"])])
        assert told["last_error"] == 0.9
        assert 0 < told["predicted"] <= 0.9
        assert told["spread"] > 0


@pytest.mark.parametrize("name", ["front", "rank", "median", "halving"])
def test_errors_in_reasons_have_the_unit_of_the_study(name, finished):
    """One unit in a sentence: ``rank`` tells its margin in per cent, too."""
    in_percent = dataclasses.replace(finished, unit="fraction")
    told = first_stop(load_pruner(name).fit(in_percent), HOPELESS, DEAR, DEAR).reason
    assert " %" in told
    assert not re.search(r"0\.\d|\d%", told)
    assert "90 %" in told or name == "front"
    assert in_percent.among(np.arange(3)).unit == "fraction"
    assert " %" not in first_stop(load_pruner("front").fit(finished), HOPELESS, DEAR, DEAR).reason


@pytest.mark.parametrize("name", EVERY)
def test_the_best_and_cheapest_training_is_never_stopped(name, finished):
    curve = finished.curves.min(axis=0) * 0.8
    assert not first_stop(load_pruner(name).fit(finished), curve, CHEAP, CHEAP).stop


@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_stopped_at_its_end_or_before_much_has_finished(name, finished):
    few = finished.among(np.arange(3))
    if not name.startswith("optuna:"):  # Optuna's have start-up trials of their own
        assert not first_stop(load_pruner(name).fit(few), HOPELESS, DEAR, DEAR).stop
    rule = load_pruner(name).fit(finished)
    assert not rule.decide(np.full(18, 0.9), DEAR, DEAR).stop


@pytest.mark.parametrize("name", [p for p in PRUNERS if p != "never"])
def test_too_few_finished_trainings_are_said(name, finished):
    verdict = load_pruner(name).fit(finished.among(np.arange(7))).decide(HOPELESS[:9], DEAR, DEAR)
    assert "too few finished" in verdict.reason
    assert "7 of 10" in verdict.reason


def test_only_those_that_look_at_the_error_alone_warn(finished):
    warned = {name for name in EVERY if load_pruner(name).caution}
    assert warned == {n for n in EVERY if n in ("median", "halving") or n.startswith("optuna:")}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    ("curve", "costs"),
    [([0.5, np.nan], 2), ([0.5] * 19, 2), ([], 2), ([0.5], 1)],
    ids=["NaN", "too long", "empty", "other costs"],
)
def test_a_curve_that_no_training_can_have_is_refused(name, curve, costs, finished):
    with pytest.raises(UserInputError):
        load_pruner(name).fit(finished).decide(np.array(curve), np.ones(costs), np.ones(costs))


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": np.array([1.0, 2.0, 2.0])},
        {"epochs": np.array([2.0, 1.0, 3.0])},
        {"epochs": np.array([0.0, 1.0, 2.0])},
        {"epochs": np.array([1.0, 2.0])},
        {"curves": np.array([[0.5, np.nan, 0.3]])},
        {"curves": np.array([[0.5, 0.4, np.inf]])},
        {"curves": np.array([0.5, 0.4, 0.3])},
        {"low": np.array([[2.0]])},
        {"low": np.array([[np.nan]])},
        {"low": np.ones((2, 1))},
        {"high": np.ones((1, 2))},
    ],
    ids=lambda c: next(iter(c)) + str(np.shape(next(iter(c.values())))),
)
def test_finished_curves_that_cannot_be_are_refused(changes):
    good = {
        "epochs": np.array([1.0, 2.0, 3.0]),
        "curves": np.array([[0.5, 0.4, 0.3]]),
        "low": np.ones((1, 1)),
        "high": np.ones((1, 1)),
    }
    assert len(FinishedCurves(**good)) == 1
    with pytest.raises(UserInputError):
        FinishedCurves(**(good | changes))


@pytest.mark.parametrize("quantile", [0.0, -0.1, 0.51, float("nan")])
def test_a_quantile_that_is_none_is_refused(quantile):
    with pytest.raises(UserInputError, match="outside"):
        load_pruner("front", quantile)


def test_names_and_options_that_do_not_fit_are_refused():
    assert check_pruner(DEFAULT_PRUNER) in PRUNERS
    with pytest.raises(UnknownNameError, match="front"):
        load_pruner("frnt")
    with pytest.raises(UserInputError, match="no quantile"):
        load_pruner("rank", 0.1)
    with pytest.raises(UnknownNameError, match="MedianPruner"):
        load_pruner("optuna:MedianPrune")
    with pytest.raises(UserInputError, match="arguments"):
        load_pruner("optuna:PatientPruner")


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda p: p.MedianPruner(), "optuna:MedianPruner"),
        (lambda p: p.MedianPruner(n_startup_trials=9), "optuna:MedianPruner(n_startup_trials=9)"),
        (lambda p: p.PercentilePruner(25.0), "optuna:PercentilePruner(percentile=25.0)"),
        (lambda p: p.SuccessiveHalvingPruner(), "optuna:SuccessiveHalvingPruner"),
        (lambda p: p.ThresholdPruner(upper=0.5), "optuna:ThresholdPruner(upper=0.5)"),
        (
            lambda p: p.PatientPruner(p.PercentilePruner(30.0), 3),
            "optuna:PatientPruner(wrapped_pruner=PercentilePruner(percentile=30.0), patience=3)",
        ),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_any_pruner_of_optuna_has_a_name_that_tells_it(make, name):
    assert as_pruner(make(optuna.pruners)).name == name


def test_a_pruner_may_be_given_by_name_or_made():
    assert as_pruner("front", 0.2).quantile == 0.2
    ours = load_pruner("rank")
    assert as_pruner(ours) is ours
    for nothing in (3, None, optuna.pruners.MedianPruner, type(ours), object()):
        with pytest.raises(UserInputError, match="this is no pruner"):
            as_pruner(nothing)
    for pruner in (ours, optuna.pruners.MedianPruner()):
        with pytest.raises(UserInputError, match="made already"):
            as_pruner(pruner, 0.1)


def test_the_advice_for_a_pruner_of_optuna_with_arguments_can_be_followed():
    with pytest.raises(UserInputError) as refused:
        load_pruner("optuna:PercentilePruner")
    assert "nas_moo.search(..., pruner=optuna.pruners.PercentilePruner(...))" in refused.value.do


def test_optuna_decides_as_it_does_in_a_study_of_its_own(finished):
    """Percentiles of the finished, at each step."""
    pruner = optuna.pruners.PercentilePruner(30.0, n_startup_trials=5)
    study = optuna.create_study(pruner=pruner)
    for curve in finished.curves:
        trial = study.ask()
        for step, error in enumerate(curve, 1):
            trial.report(error, step)
        study.tell(trial, curve[-1])
    rule, stopped = OptunaPruner(pruner).fit(finished), 0
    for curve in made(np.random.default_rng(1), 6).curves:
        trial = study.ask()
        for step in range(1, 18):
            trial.report(curve[step - 1], step)
            expected = bool(trial.should_prune())
            assert rule.decide(curve[:step], DEAR, DEAR).stop is expected
            stopped += expected
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    assert stopped > 5


def test_a_shadow_grows_with_the_study(finished):
    """What was mirrored before is kept, and the rule is that of a fresh mirror."""
    grown, fresh = (load_pruner("optuna:SuccessiveHalvingPruner") for _ in range(2))
    grown.fit(finished.among(np.arange(20)))
    rules, stopped = (grown.fit(finished), fresh.fit(finished)), 0
    for curve in made(np.random.default_rng(2), 5).curves:
        for point in (1, 4, 16):
            first, second = (rule.decide(curve[:point], DEAR, DEAR).stop for rule in rules)
            assert first is second
            stopped += first
    assert 0 < stopped < 15


def test_costs_inside_each_others_intervals_are_equal():
    """A rival that was timed a little slower still counts; one that is distinguishably slower does not."""
    curves = np.tile(np.linspace(0.9, 0.1, 18), (40, 1)) * np.random.default_rng(0).uniform(0.9, 1.1, (40, 18))
    finished = FinishedCurves(EPOCHS, curves, np.full((40, 1), 10.0), np.full((40, 1), 12.0))
    for name in ("front", "rank"):
        rule = load_pruner(name).fit(finished)
        assert first_stop(rule, HOPELESS, np.array([8.0]), np.array([10.5])).stop
        assert not first_stop(rule, HOPELESS, np.array([8.0]), np.array([9.5])).stop
