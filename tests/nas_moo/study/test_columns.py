"""Trials that are read by column are those that Optuna reads, of every state and beside another study."""

import json
import math

import optuna
import pytest
from optuna.trial import TrialState

from nas_moo.study.columns import read_trials
from nas_moo.study.storage import Storage

CURVE = [{"epoch": 1, "error": 0.5}, {"epoch": 2, "error": 0.25}]


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    return Storage(tmp_path_factory.mktemp("columns") / "s.db", create=True).optuna


@pytest.fixture(scope="module")
def study(storage):
    """Trials of two studies in turn: complete, pruned, killed in the middle, running, queued, and without anything."""
    other = optuna.create_study(study_name="other", storage=storage)
    study = optuna.create_study(study_name="one", storage=storage)
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, None):
        for s in (other, study):
            trial = s.ask()
            trial.suggest_int("x", 0, 9)
            trial.set_user_attr("digest", f"{s.study_name} {trial.number}")
            trial.set_user_attr("architecture", {"x": None, "é": [1, 2.5, "three"]})
            storage.set_trial_system_attr(trial._trial_id, "NSGA:generation", trial.number)
            for epoch, error in enumerate((0.5, math.inf, -math.inf, 1e-300, 0.1 + 0.2), 1):
                storage.set_trial_intermediate_value(trial._trial_id, epoch, error)
            if state in (TrialState.COMPLETE, TrialState.PRUNED):
                trial.set_user_attr("curve", CURVE)
            if state is not None:
                s.tell(trial, 0.5 if state == TrialState.COMPLETE else None, state=state)
    study.ask()
    study.enqueue_trial({"x": 3})
    return study


def told(trial):
    return trial.number, trial._trial_id, trial.state, trial.user_attrs, trial.system_attrs


def test_numbers_states_and_attributes_are_those_of_optuna(storage, study):
    read, expected = read_trials(storage, study._study_id), study.get_trials()
    assert [told(t) for t in read] == [told(t) for t in expected]
    assert [list(t.user_attrs) for t in read] == [list(t.user_attrs) for t in expected], "in the database's order"
    assert {t.state for t in read} == set(TrialState)


def test_epochs_are_read_of_trials_without_a_curve(storage, study):
    read = read_trials(storage, study._study_id)
    for one, expected in zip(read, study.get_trials(), strict=True):
        if "curve" in one.user_attrs:
            assert (one.user_attrs["curve"], one.intermediate_values) == (CURVE, {})
        else:
            assert one.intermediate_values == expected.intermediate_values
    assert [len(t.intermediate_values) for t in read] == [0, 0, 5, 5, 0, 0]


def test_an_epoch_that_is_no_number_stays_none(storage):
    study = optuna.create_study(study_name="nan", storage=storage)
    trial = study.ask()
    storage.set_trial_intermediate_value(trial._trial_id, 1, math.nan)
    (read,) = read_trials(storage, study._study_id)
    assert json.dumps(read.intermediate_values) == json.dumps(study.trials[0].intermediate_values) == '{"1": NaN}'


def test_a_study_without_trials_has_none(storage):
    assert read_trials(storage, optuna.create_study(study_name="empty", storage=storage)._study_id) == []
