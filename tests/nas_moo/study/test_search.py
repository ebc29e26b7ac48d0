"""Whole searches on a tiny space: what is stored, counted, refused, resumed and kept."""

import itertools
import json
import math
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
import sqlalchemy.exc
import torch

import nas_moo
from nas_moo.errors import CorruptError, MachineError, SpaceError, StudyMismatchError, UnknownNameError, UserInputError
from nas_moo.evaluation import Outcome
from nas_moo.study import weights
from nas_moo.study.storage import Storage

COSTS = ("error", "params", "flops")


def test_a_search_trains_what_was_asked_for_and_measures_all_of_it(searched):
    result = searched()
    assert result.name == "Tiny-blobs"
    assert (result.trials["state"] == "complete").all()
    assert len(result.trials) == 5
    assert result.trials["digest"].is_unique
    assert (result.trials["origin"] == "random").all(), "five are too few to breed from"
    assert result.trials[["error", "params", "flops"]].notna().all(axis=None)
    assert (result.epochs.groupby("number").size() == 2).all()
    last = result.epochs.groupby("number")["error"].last()
    assert np.allclose(last, result.trials.set_index("number")["error"])


def test_the_front_is_not_dominated_and_its_weights_alone_are_kept(searched, tiny):
    result = searched(trials=8)
    front = result.front()
    values = result.complete[list(COSTS)].to_numpy(dtype=float)
    for _, member in front.iterrows():
        own = member[list(COSTS)].to_numpy(dtype=float)
        assert not ((values <= own).all(axis=1) & (values < own).any(axis=1)).any()
    kept = weights.kept(tiny / "nas-moo-files" / "Tiny-blobs")
    assert kept == set(front["digest"])


def test_a_front_model_predicts_what_the_study_says(searched):
    result = searched()
    best = result.front().iloc[0]
    model = result.model(best["id"])
    assert not model.training
    data = nas_moo.data.load_data("blobs.npz")
    (split,) = nas_moo.data.split(data, seed=0)
    raw = split.validation.x * split.scaling.std + split.scaling.mean
    with torch.inference_mode():
        error = (model(torch.from_numpy(raw)).argmax(1).numpy() != split.validation.y).mean()
    assert error == pytest.approx(best["error"])


def test_a_model_off_the_front_has_no_weights(searched):
    result = searched(trials=10)
    off = result.trials[~result.trials["front"]]
    with pytest.raises(UserInputError, match="weights of this model were not kept"):
        result.model(off.iloc[0]["id"])


def test_test_errors_are_sealed_until_asked_for_and_the_asking_is_recorded(searched):
    result = searched()
    assert not any("test" in c for c in result.trials.columns)
    attrs = Storage().open(result.name).trials()[0].user_attrs
    assert "value" not in attrs["sealed_test"]
    opened = result.unseal(purpose="a look")
    assert set(opened["id"]) == set(result.front()["id"])
    assert opened["test"].between(0, 1).all()
    (noted,) = nas_moo.load_study(result.name).description["unsealed"]
    assert noted["purpose"] == "a look"
    assert set(noted["models"]) == set(opened["id"])
    result.unseal(purpose="a look")
    assert len(nas_moo.load_study(result.name).description["unsealed"]) == 1


def test_the_same_search_goes_on_where_it_stopped(searched):
    first = searched(trials=3)
    second = searched(trials=6)
    assert second.trials["trained"].sum() == 6
    assert second.trials["digest"].is_unique
    assert second.trials["digest"].tolist()[:3] == first.trials["digest"].tolist()
    again = searched(trials=6)
    assert len(again.trials) == 6


def test_an_architecture_is_trained_the_same_in_every_search(searched):
    one, other = searched(trials=4), searched(trials=8, study="other", sampler="random")
    merged = one.trials.merge(other.trials, on="digest")
    assert len(merged) >= 1
    assert (merged["error_x"] == merged["error_y"]).all()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"objectives": ("error", "params")}, "objectives"),
        ({"objectives": ("balanced_error", "params", "flops")}, "objectives"),
        ({"epochs": 3}, "number of epochs"),
        ({"seed": 1}, "seed"),
        ({"validation": "kfold:3"}, "validation"),
        ({"data": "digits", "space": "mlp"}, "search space"),
    ],
)
def test_another_question_in_the_same_study_is_refused(searched, change, named):
    searched(study="one", trials=1)
    with pytest.raises(StudyMismatchError, match=named):
        searched(**{"study": "one", "trials": 2, **change})


def test_a_changed_space_is_refused_and_a_comment_is_not(searched, tiny):
    searched(trials=1)
    source = (tiny / "space.py").read_text()
    (tiny / "copy.py").write_text(source + "\n# a remark\n")
    (tiny / "other.py").write_text(source.replace("nn.ReLU()", "nn.Tanh()"))
    searched(space="copy.py:Tiny", trials=2)
    with pytest.raises(StudyMismatchError, match="code of the search space"):
        searched(space="other.py:Tiny", trials=3)


def test_a_small_space_is_searched_to_its_end_and_no_further(searched):
    told = []
    result = searched(trials=50, epochs=1, listener=told.append)
    assert len(result.trials[result.trials["state"] == "complete"]) == 12
    assert result.trials["digest"].nunique() == 12
    (end,) = [e for e in told if e["event"] == "exhausted"]
    assert "every architecture" in end["reason"]


def test_budgets_screen_before_training(searched):
    result = searched(max={"params": 30}, trials=4)
    assert (result.complete["params"] <= 30).all()
    screened = result.trials[result.trials["state"] == "screened"]
    assert len(screened) >= 1
    assert (screened["params"] > 30).all()
    assert not screened["trained"].any()
    assert (screened["kind"] == "budget:params").all()
    assert screened["error"].isna().all()
    stored = [t for t in Storage().open(result.name).trials() if t.state == optuna.trial.TrialState.PRUNED]
    assert len(stored) == len(screened)
    assert all(t.system_attrs["constraints:params"] > 0 for t in stored)


def test_what_was_screened_under_a_tighter_budget_is_proposed_again(searched):
    searched(max={"params": 30}, trials=4, epochs=1)
    result = searched(trials=12, epochs=1)
    assert result.complete["digest"].nunique() == 12


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random", "optuna-nsga2"])
def test_every_sampler_survives_screened_trials(searched, sampler):
    result = searched(sampler=sampler, max={"params": 30}, trials=4, epochs=1)
    assert len(result.complete) == 4


def test_impossible_budgets_stop_with_the_nearest_miss(searched, monkeypatch):
    monkeypatch.setattr("nas_moo.study.worker.SCREENED_IN_A_ROW", 5)
    with pytest.raises(UserInputError, match=r"nearest miss: params at least 19 parameters, limit 5 parameters"):
        searched(max={"params": 5}, trials=4)


def test_three_networks_that_do_not_build_stop_the_search(searched):
    with pytest.raises(SpaceError, match="the first 3 networks failed") as stopped:
        searched(space="space.py:Broken")
    assert "no such layer" in str(stopped.value)
    result = nas_moo.load_study("Broken-blobs")
    assert result.trials["state"].tolist() == ["failed"] * 3
    assert not result.trials["trained"].any()


def test_divergence_fails_the_trial_and_counts_as_training(searched):
    result = searched(space="space.py:Explosive", trials=2, epochs=3)
    assert (result.trials["state"] == "failed").all()
    assert (result.trials["kind"] == "nan").all()
    assert result.trials["trained"].all()
    stored = Storage().open(result.name).trials()
    assert all(t.values is None for t in stored)
    assert all(math.isfinite(v) for t in stored for v in t.intermediate_values.values())


def test_costs_alone_need_no_training(searched):
    result = searched(objectives=("params", "flops"), trials=4)
    assert len(result.complete) == 4
    assert result.epochs.empty
    assert not result.trials["trained"].any()


def test_folds_give_one_curve_and_the_spread(searched):
    result = searched(validation="kfold:3", trials=2)
    assert (result.epochs.groupby("number").size() == 2).all()
    errors = result.measurements[result.measurements["objective"] == "error"]
    assert (errors["interval"] == "range over 3 folds").all()
    assert (errors["low"] < errors["high"]).any()
    for _, m in errors.iterrows():
        assert m["value"] == pytest.approx(np.mean(m["details"]["folds"]))


def test_a_time_limit_interrupts_the_running_trial(searched, monkeypatch):
    with monkeypatch.context() as patch:  # a second passes at each look at the clock
        patch.setattr("nas_moo.study.worker.time", SimpleNamespace(monotonic=itertools.count().__next__))
        result = searched(time_limit=8.0, trials=5)
    assert result.trials["state"].tolist()[-1] == "interrupted"
    assert result.trials["trained"].sum() == len(result.trials) - 1 in range(1, 5)
    again = searched(trials=5)
    assert again.trials["trained"].sum() == 5


def test_the_reference_point_is_frozen_after_ten_complete_trials(searched):
    early = searched(trials=9, epochs=1)
    assert early.description["hypervolume_reference"] is None
    late = searched(trials=12, epochs=1)
    stored = late.description["hypervolume_reference"]
    first = late.complete.sort_values("number").head(10)
    assert stored["trials"] == 10
    for name, value in stored["values"].items():
        assert value == pytest.approx(first[name].max() * 1.1)


def test_ctrl_c_marks_the_trial_and_stores_what_was_finished(searched):
    def stop(event):
        if event["event"] == "trial" and event["done"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(listener=stop)
    result = searched(trials=4)
    assert result.trials["trained"].sum() == 4


def test_an_interrupted_evaluation_is_marked_and_does_not_count(searched, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nas_moo.study.worker.evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            searched()
    (trial,) = nas_moo.load_study("Tiny-blobs").trials.itertuples()
    assert (trial.state, trial.trained) == ("interrupted", False)


def test_the_log_has_a_line_for_each_event(searched, tiny):
    searched(trials=3)
    lines = (tiny / "nas-moo-files" / "Tiny-blobs" / "log.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert events == ["start", "note", "trial", "trial", "trial", "end"]
    assert json.loads(lines[1])["text"].startswith("No pruning yet")


def test_a_grid_visits_every_point(searched):
    result = searched(sampler="grid", trials=12, epochs=1)
    assert result.complete["digest"].nunique() == 12


def test_a_grid_that_would_be_cut_off_is_refused_before_a_study_is_made(searched, tiny):
    with pytest.raises(UserInputError, match="12 points x"):
        searched(sampler="grid", trials=5)
    assert not (tiny / "nas-moo.db").exists()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"space": "no_such"}, UnknownNameError),
        ({"space": "missing.py:Tiny"}, UserInputError),
        ({"space": "space.py:Nothing"}, UnknownNameError),
        ({"data": "nothing"}, UnknownNameError),
        ({"objectives": ("error", "beauty")}, UnknownNameError),
        ({"objectives": ()}, UserInputError),
        ({"objectives": ("error", "error")}, UserInputError),
        ({"sampler": "simulated-annealing"}, UnknownNameError),
        ({"validation": "kfold:1"}, UserInputError),
        ({"study": "../escape"}, UserInputError),
        ({"study": ""}, UserInputError),
        ({"trials": 0}, UserInputError),
        ({"epochs": -1}, UserInputError),
        ({"seed": -1}, UserInputError),
        ({"max": {"params": "2ms"}}, UnknownNameError),
        ({"max": {"latency": "2ms"}}, UnknownNameError),
        ({"time_limit": "soon"}, UserInputError),
        ({"grid_steps": 3}, UserInputError),
        ({"sampler": "random", "population": 20}, UserInputError),
        ({"objectives": ("params", "flops"), "validation": "kfold:3"}, UserInputError),
        ({"device": "abacus"}, UserInputError),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(searched, tiny, change, error):
    with pytest.raises(error):
        searched(**change)
    assert not (tiny / "nas-moo.db").exists()


def test_a_mended_space_begins_anew_where_nothing_was_trained(searched, tiny):
    with pytest.raises(SpaceError):
        searched(space="space.py:Broken", study="mended")
    result = searched(study="mended", trials=2)
    assert len(result.trials) == 2
    assert (result.trials["state"] == "complete").all()
    with pytest.raises(StudyMismatchError, match="different value of"):
        searched(space="space.py:Broken", study="mended")


def test_the_time_of_one_trial_is_taken_warm_and_of_all_epochs(tiny, monkeypatch):
    from nas_moo.study import run
    from nas_moo.study.config import configure

    setup = configure("space.py:Tiny", "blobs.npz", ("error", "params"), sampler="grid", epochs=40)
    calls = []

    def evaluate(record, changed, *_):
        calls.append(changed.epochs)
        record.seconds.update(build=0.5, training=9.0 if len(calls) == 1 else 0.1)
        return Outcome("complete", trained=True), None

    monkeypatch.setattr(run, "evaluate", evaluate)
    assert run.seconds_of_one(setup) == pytest.approx(0.5 + 40 * 0.1)
    assert calls == [1, 1]


def test_a_changed_space_gives_no_model_of_an_old_study(searched, tiny):
    result = searched(trials=2)
    best = result.front().iloc[0]["id"]
    source = (tiny / "space.py").read_text()
    (tiny / "space.py").write_text(source.replace("nn.ReLU()", "nn.Tanh()"))
    with pytest.raises(CorruptError, match="code of the space is not what the model was trained with"):
        nas_moo.load_study(result.name).model(best)


def test_the_weights_of_a_model_that_another_worker_is_about_to_tell_stay(searched, tiny, monkeypatch):
    """An interrupted trial has the same digest as one that runs: its weights are no leftovers."""
    from nas_moo.study.worker import Worker

    def interrupt(self, record, model):
        original(self, record, model)
        raise KeyboardInterrupt

    original = Worker.keep_weights
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "keep_weights", interrupt)
        with pytest.raises(KeyboardInterrupt):
            searched(trials=1)
    folder = tiny / "nas-moo-files" / "Tiny-blobs"
    (digest,) = weights.kept(folder)
    study = Storage().open("Tiny-blobs")
    trial = study.optuna.ask()
    interrupted = study.trials()[0].user_attrs
    for key in ("architecture", "digest", "network_digest"):
        trial.set_user_attr(key, interrupted[key])
    trial.set_user_attr("worker", "elsewhere-1-abc")
    trial.set_user_attr("started", datetime.now(UTC).isoformat())
    searched(trials=4)
    assert digest in weights.kept(folder)


def test_a_storage_that_fails_is_not_the_networks_fault(searched, monkeypatch):
    def full(self, measurement):
        raise sqlalchemy.exc.OperationalError("insert", {}, Exception("database or disk is full"))

    monkeypatch.setattr("nas_moo.study.record.TrialRecord.sealed", full)
    with pytest.raises(MachineError, match="disk is full"):
        searched(trials=2)
    assert not nas_moo.load_study("Tiny-blobs").trials["trained"].any()


def test_networks_that_fail_alike_stop_the_search(searched, monkeypatch):
    from nas_moo.study import evaluate

    original, calls = evaluate.train_folds, []

    def broken(*arguments, **named):
        calls.append(1)
        if len(calls) > 2:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        yield from original(*arguments, **named)

    monkeypatch.setattr(evaluate, "train_folds", broken)
    with pytest.raises(MachineError, match="5 networks in a row failed in the same way"):
        searched(trials=12, epochs=1)


def test_test_data_that_gives_no_value_fails_no_trial(searched, tiny):
    old = np.load(tiny / "blobs.npz")
    x_test = np.full((3, 4), 3e38, dtype=np.float32)
    np.savez(tiny / "wild.npz", x=old["x"], y=old["y"], x_test=x_test, y_test=np.arange(3))
    result = searched(data="wild.npz", trials=2, epochs=1)
    assert (result.trials["state"] == "complete").all()


def test_a_study_remembers_each_run(searched):
    searched(trials=2, sampler="random")
    result = searched(trials=3, sampler="tpe")
    assert [(r["sampler"], r["trials"]) for r in result.description["runs"]] == [("random", 2), ("tpe", 3)]


def test_an_interrupted_study_is_not_begun_anew(searched, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nas_moo.study.worker.evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            searched(study="long")
    with pytest.raises(StudyMismatchError):
        searched(study="long", seed=5)


def test_a_batch_without_latency_is_refused(searched):
    with pytest.raises(UserInputError, match="only what is timed"):
        searched(batch=8)


def test_an_instance_with_settings_of_its_own_is_refused(searched):
    class Set(nas_moo.load_space("mlp").space.__class__):
        def __init__(self, width=3):
            self.width = width

    with pytest.raises(SpaceError, match="settings that its class alone does not make"):
        nas_moo.load_space(Set(width=9))
    assert nas_moo.load_space(Set()).space.width == 3


def test_the_stored_command_can_be_typed_again(searched, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/nas-moo", "search", "--data", "my data.npz"])
    assert searched(trials=1).description["command"] == "nas-moo search --data 'my data.npz'"
