"""Pruned trials: what is stored, who survives them, and how they go on."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from optuna.pruners import PercentilePruner
from optuna.trial import TrialState

import nas_moo
import reports.pruning
import reports.pruning_numbers
from nas_moo import hindsight
from nas_moo.cli import main
from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.pruners import Verdict
from nas_moo.pruners.front import FrontPruner
from nas_moo.samplers.nsga2 import NSGA2Sampler
from nas_moo.snapshot import Snapshot
from nas_moo.study import checkpoints, worker
from nas_moo.study.config import configure
from nas_moo.study.history import History
from nas_moo.study.judge import Judge, ranges
from nas_moo.study.pruning import excess
from nas_moo.study.storage import Storage

FINISHED, STOP = 3, 2  # the stub stops every training after so many epochs, once so many have finished


@dataclass
class Stub:
    """Stops all that is costlier than a finished trial, at one epoch."""

    mercy: float = math.inf  # with more finished trials than that, it stops nothing
    name = "stub"
    caution = None

    def fit(self, finished):
        return Fitted(finished, self.mercy)

    def cautious(self):
        return Stub(0)


@dataclass
class Fitted:
    finished: object
    mercy: float

    def decide(self, curve, low, high):
        n = len(self.finished)
        told = {"epoch": len(curve), "last_error": curve[-1], "finished": n}
        if n < FINISHED:
            return Verdict(False, f"too few: {n}", told)
        if len(curve) != STOP:
            return Verdict(False, "not judged", told)
        rivals = np.flatnonzero((self.finished.low <= high).all(axis=1))
        if not len(rivals):
            return Verdict(False, "nobody is as cheap", told)
        rival = int(rivals[0])
        told |= {"predicted": curve[-1] + 0.1, "bound": curve[-1] + 0.05, "spread": 0.1, "quantile": 0.2}
        told |= {"rival": rival, "rival_error": float(self.finished.final[rival])}
        return Verdict(n <= self.mercy, "because", told)


@pytest.fixture
def pruned(searched, monkeypatch):
    """A search in which the stub prunes; no coin overrules it unless asked."""

    def run(stub=None, **changes):
        monkeypatch.setattr("nas_moo.study.judge.load_pruner", lambda name, quantile: stub or Stub())
        return searched(**{"trials": 8, "epochs": 4, "control_share": 0.0, "pruner": "rank", **changes})

    monkeypatch.setattr("nas_moo.study.pruning.is_control", lambda seed, number, controls, share: share == 1.0)
    return run


@pytest.mark.parametrize("sampler", ["nsga2", "optuna-nsga2", "nsga3", "tpe", "gp", "random", "grid"])
def test_every_sampler_survives_pruned_trials(pruned, sampler):
    result = pruned(sampler=sampler, thaw=False, trials=12)
    states = result.trials["state"].value_counts()
    assert states["pruned"] >= 2
    assert states.sum() == 12 == result.done
    stored = Storage().open(result.name).trials()
    for trial in stored:
        if trial.user_attrs["outcome"]["state"] == "pruned":
            assert trial.state == TrialState.PRUNED
            assert trial.values is None
            assert sorted(trial.intermediate_values) == [1, 2]


def test_a_pruned_trial_says_what_the_decision_stood_on(pruned):
    result = pruned()
    stored = {t.number: t for t in Storage().open(result.name).trials()}
    first = result.trials[result.trials["state"] == "pruned"].iloc[0]
    told = stored[first["number"]].user_attrs["pruned"]
    complete = result.complete[result.complete["number"] < first["number"]]
    assert told["finished"] == len(complete)
    assert told["epoch"] == STOP == first["epochs"]
    curve = result.epochs[result.epochs["number"] == first["number"]].set_index("epoch")["error"]
    assert told["last_error"] == curve[STOP]
    assert told["predicted"] == pytest.approx(curve[STOP] + 0.1)
    rival = complete[(complete["params"] <= first["params"]) & (complete["flops"] <= first["flops"])].iloc[0]
    assert told["rival"] == rival["number"]
    assert told["rival_error"] == rival["error"]
    assert told["costs"] == {"params": first["params"], "flops": first["flops"]}
    assert stored[first["number"]].user_attrs["predicted:error"] == told["predicted"]
    assert (first["kind"], first["reason"], bool(first["trained"])) == ("stub", "because", True)
    assert math.isnan(first["error"])


def test_pruned_trials_are_never_on_the_front_or_chosen(pruned):
    result = pruned(trials=12)
    gone = set(result.trials.loc[result.trials["state"] == "pruned", "number"])
    assert gone
    assert not gone & set(result.front()["number"])
    assert not gone & set(result.complete["number"])
    assert {t.number for t in Storage().open(result.name).optuna.best_trials}.isdisjoint(gone)
    assert result.find(result.choose().id)["state"] == "complete"


def test_the_log_has_the_finished_trials_that_were_used(pruned, tiny):
    result = pruned()
    lines = [json.loads(line) for line in (tiny / "nas-moo-files" / result.name / "log.jsonl").read_text().splitlines()]
    judged = [line for line in lines if line["event"] == "judged"]
    assert len(judged) == (result.trials["state"] == "pruned").sum()
    before = result.complete.loc[result.complete["number"] < judged[0]["number"], "number"]
    assert judged[0]["finished_trials"] == ranges(before.tolist())


@pytest.mark.parametrize("change", [{}, {"validation": "kfold:3"}, {"sampler": "optuna-nsga2"}])
def test_a_thawed_trial_pays_for_the_rest_and_continues_the_same_curve(pruned, searched, tiny, change):
    pruned(**change)
    result = pruned(Stub(mercy=0), trials=11, **change)
    thawed = result.trials[result.trials["continues"].notna()]
    assert len(thawed) >= 1
    assert (thawed["state"] == "complete").all()
    assert result.done == 11 == result.trials["digest"].nunique() < len(result.trials), "what goes on counts once"
    assert (thawed["origin"] == "thawed").all()
    assert result.trials["generation"].notna().all() == (change.get("sampler") == "optuna-nsga2")
    whole = searched(study="whole", pruner="never", trials=12, epochs=4, **{"sampler": "random"} | change)
    for _, trial in thawed.iterrows():
        cut = result.trials.set_index("number").loc[trial["continues"]]
        assert (cut["state"], cut["digest"]) == ("pruned", trial["digest"])
        same = whole.trials[whole.trials["digest"] == trial["digest"]].iloc[0]
        told = ["epoch", "error", "train_loss", "learning_rate"]
        mine, theirs = (r.epochs[r.epochs["number"] == t["number"]] for r, t in ((result, trial), (whole, same)))
        assert mine[told].to_numpy().tolist() == theirs[told].to_numpy().tolist()
        assert (trial["error"], trial["epochs_run"], same["epochs_run"]) == (same["error"], 2, 4)
    folder = tiny / "nas-moo-files" / result.name
    open_ = result.trials[(result.trials["state"] == "pruned") & ~result.trials["number"].isin(thawed["continues"])]
    assert set(checkpoints.kept(folder)) == set(open_["number"])
    stored = Storage().open(result.name).trials()
    for _, trial in thawed.iterrows():
        own = stored[trial["number"]]
        assert own.intermediate_values == dict(
            zip(
                *result.epochs[result.epochs["number"] == trial["number"]][["epoch", "error"]].to_numpy().T, strict=True
            )
        )
        if change.get("sampler") == "optuna-nsga2":
            assert "NSGAIISampler:generation" in " ".join(own.system_attrs)


def test_what_breaks_a_limit_of_today_is_not_thawed_and_keeps_its_checkpoint(pruned, tiny):
    cut = (first := pruned()).trials[first.trials["state"] == "pruned"]
    assert len(cut)
    result = pruned(Stub(mercy=0), trials=11, max={"params": float(cut["params"].min()) - 1})
    assert result.trials["continues"].isna().all()
    assert set(cut["number"]) <= set(checkpoints.kept(tiny / "nas-moo-files" / result.name))


def test_a_thawed_model_is_deployed_like_any_other(pruned, searched, capsys):
    pruned()
    result = pruned(Stub(mercy=0), trials=12)
    thawed = result.front()[
        result.front()["number"].isin(result.trials.loc[result.trials["continues"].notna(), "number"])
    ]
    for model in thawed["id"]:
        assert not result.model(model).training
    assert set(result.unseal(purpose="a look")["id"]) == set(result.front()["id"])
    went_on = result.trials["continues"].nunique()
    capsys.readouterr()
    assert main(["status", result.name]) == 0
    count = (result.trials["state"] == "pruned").sum()
    assert f"{count} pruned (stub), of which {went_on} went on\n" in capsys.readouterr().out


def test_without_thawing_nothing_is_kept(pruned, tiny):
    pruned(thaw=False)
    result = pruned(Stub(mercy=0), thaw=False, trials=10)
    assert (result.trials["state"] == "pruned").any()
    assert result.trials["continues"].isna().all()
    assert not (tiny / "nas-moo-files" / result.name / "checkpoints").exists()


def test_an_interrupted_thawing_is_taken_up_again(pruned, tiny, monkeypatch):
    def stop(event):
        if event["event"] == "thawed":
            monkeypatch.setattr(worker, "evaluate", interrupted)

    def interrupted(*_):
        raise KeyboardInterrupt

    pruned()
    original = worker.evaluate
    with pytest.raises(KeyboardInterrupt):
        pruned(Stub(mercy=0), trials=11, listener=stop)
    monkeypatch.setattr(worker, "evaluate", original)
    result = pruned(Stub(mercy=0), trials=11)
    continued = result.trials[result.trials["continues"].notna()]
    assert continued["state"].tolist()[:2] == ["interrupted", "complete"]
    assert continued["continues"].iloc[0] == continued["continues"].iloc[1]


def test_without_its_checkpoint_a_trial_begins_anew_and_that_is_said(pruned, tiny):
    told = []
    result = pruned(trials=8)
    folder = tiny / "nas-moo-files" / result.name
    numbers = set(checkpoints.kept(folder))
    for path in (folder / "checkpoints").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    (folder / "checkpoints" / "99.safetensors").write_bytes(b"of a trial that was killed")
    result = pruned(Stub(mercy=0), trials=9, listener=told.append)
    (again,) = result.trials[result.trials["continues"].notna()].to_dict("records")
    assert (again["state"], again["epochs"], again["epochs_run"]) == ("complete", 4, 4)
    assert sum("begins anew" in e.get("text", "") for e in told) == 1
    assert set(checkpoints.kept(folder)) == numbers - {again["continues"]}


@pytest.mark.parametrize("validation", ["holdout", "kfold:3"])
def test_a_checkpoint_that_does_not_fit_the_network_begins_anew_and_that_is_said(
    pruned, searched, monkeypatch, validation
):
    """As after an update of what the space imports; its own code is the same, so the study goes on."""
    pruned(validation=validation)
    real, told = checkpoints.load, []

    def other(*arguments, **more):
        found = real(*arguments, **more)
        last = found[-1]
        return (*found[:-1], Snapshot({k: v for k, v in last.tensors.items() if "weight" not in k}, last.numbers))

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "load", other)
        result = pruned(Stub(mercy=0), trials=9, validation=validation, listener=told.append)
    (again,) = result.trials[result.trials["continues"].notna()].to_dict("records")
    assert (again["state"], again["epochs"], again["epochs_run"]) == ("complete", 4, 4)
    assert sum("began anew" in e.get("text", "") for e in told) == 1
    whole = searched(study="whole", pruner="never", trials=12, epochs=4, sampler="random", validation=validation)
    same = whole.trials[whole.trials["digest"] == again["digest"]].iloc[0]
    curves = [
        r.epochs[r.epochs["number"] == n]["error"].tolist()
        for r, n in ((result, again["number"]), (whole, same["number"]))
    ]
    assert curves[0] == curves[1]


def test_an_exhausted_space_ends_no_search_before_all_that_is_hopeful_went_on(pruned):
    before = pruned(trials=12, sampler="random")
    waiting = (before.trials["state"] == "pruned").sum()
    assert waiting >= 2
    result = pruned(Stub(mercy=0), trials=40, sampler="random")
    states = result.trials["state"].value_counts()
    assert states["pruned"] == waiting
    assert result.trials["continues"].nunique() == waiting
    assert states["complete"] == 12


def test_our_sampler_may_want_a_pruned_architecture_again(pruned, monkeypatch, tiny):
    """Then its trial goes on, with its checkpoint or without; a sampler's repetition is otherwise a duplicate."""
    result = pruned(sampler="random")
    (first, second) = result.trials.loc[result.trials["state"] == "pruned", "number"].tolist()[:2]
    stored = Storage().open(result.name).trials()
    checkpoints.remove(tiny / "nas-moo-files" / result.name, second)
    for number in (first, second):
        Storage().open(result.name).optuna.enqueue_trial(stored[number].params)
    result = pruned(Stub(mercy=0), sampler="random", trials=10)
    again = result.trials[result.trials["continues"].notna()]
    assert again.loc[again["continues"] == first, "epochs_run"].tolist() == [2]
    assert again.loc[again["continues"] == second, "epochs_run"].tolist() == [4]
    assert (again["state"] == "complete").all()


def test_a_checkpoint_of_another_training_is_not_gone_on_with(pruned, tiny):
    result = pruned(trials=8)
    folder = tiny / "nas-moo-files" / result.name
    for number in checkpoints.kept(folder):  # sound files, of a later epoch than the trials' own
        (snapshot,) = checkpoints.load(folder, number, folds=1, epoch=STOP)
        checkpoints.save(folder, number, [Snapshot(snapshot.tensors, {**snapshot.numbers, "epoch": 3})])
    told = []
    result = pruned(Stub(mercy=0), trials=9, listener=told.append)
    (again,) = result.trials[result.trials["continues"].notna()].to_dict("records")
    assert (again["state"], again["epochs"], again["epochs_run"]) == ("complete", 4, 4)
    assert any("another training" in e.get("text", "") for e in told)


def test_decisions_stand_on_finished_trials_alone(pruned):
    result = pruned(trials=6, sampler="random")
    study = Storage().open(result.name)
    running = study.optuna.ask()
    for epoch in (1, 2, 3, 4):
        study.storage.optuna.set_trial_intermediate_value(running._trial_id, epoch, 0.0)
    setup = configure(
        "space.py:Tiny", "blobs.npz", ("error", "params", "flops"), sampler="random", epochs=4, pruner="rank"
    )
    judge = Judge(setup, History(study, {}, trains=True))
    assert judge.rule.finished.curves[:, -1].tolist() == result.complete["error"].tolist()
    assert judge.numbers == result.complete["number"].tolist()


def test_checkpoints_are_bounded(pruned, tiny, monkeypatch):
    result = pruned(trials=8, study="free")
    sizes = checkpoints.kept(tiny / "nas-moo-files" / "free")
    assert len(sizes) >= 2
    monkeypatch.setattr(checkpoints.to_drop, "__defaults__", (max(sizes.values()),))
    pruned(trials=8, study="tight")
    assert len(checkpoints.kept(tiny / "nas-moo-files" / "tight")) == 1
    assert (result.trials["state"] == "pruned").sum() == len(sizes)


def test_a_control_is_trained_to_its_end_and_marked(pruned):
    result = pruned(control_share=1.0)
    assert (result.trials["state"] == "complete").all()
    assert len(result.prunings) >= 3
    assert result.prunings["control"].all()
    marked = set(result.prunings["number"])
    stored = Storage().open(result.name).trials()
    assert {t.number for t in stored if "control" in t.user_attrs} == marked
    assert not any("pruned" in t.user_attrs for t in stored)
    one = result.prunings.iloc[0]
    curve = result.epochs[result.epochs["number"] == one["number"]].set_index("epoch")["error"]
    assert (one["epoch"], one["last_error"]) == (STOP, curve[STOP])


def read(result, pruner, **more):
    """What a worker would know of the controls of a study, had it another pruner now."""
    objectives = ("error", "params", "flops")
    setup = configure("space.py:Tiny", "blobs.npz", objectives, sampler="random", epochs=4, pruner=pruner, **more)
    judge = Judge(setup, History(Storage().open(result.name), {}, trains=True))
    assert judge.rule.finished is not None
    return judge


def test_controls_of_another_pruner_change_nothing_today(pruned, monkeypatch):
    result = pruned(control_share=1.0)
    made = (result.prunings["control"]).sum()
    assert made >= 3
    monkeypatch.setattr("nas_moo.pruners.control.LEAST", 1)
    monkeypatch.setattr("nas_moo.pruners.control.ALLOWED", -1.0)
    for name, counted in (("stub", made), ("other", 0)):
        stub = Stub()
        stub.name = name
        monkeypatch.setattr("nas_moo.study.judge.load_pruner", lambda *_, stub=stub: stub)
        judge = read(result, "rank")
        assert (judge.controls, judge.level > 0) == (counted, counted > 0)
    monkeypatch.setattr("nas_moo.study.judge.load_pruner", lambda *_: Stub())
    assert [read(result, "front", pruner_quantile=q).controls for q in (0.2, 0.1)] == [made, 0]


def test_a_pruner_that_knows_no_other_way_turns_no_more_cautious(pruned, monkeypatch):
    """It says so once, and its decisions stay of level 0."""

    @dataclass
    class Stubborn(Stub):
        def cautious(self):
            return self

    monkeypatch.setattr("nas_moo.pruners.control.LEAST", 1)
    monkeypatch.setattr("nas_moo.pruners.control.ALLOWED", -1.0)
    for stub, said in ((Stubborn(), "rank stops too much, and it knows no other way"), (Stub(), "more cautious")):
        told = []
        study = f"of-{type(stub).__name__}"
        result = pruned(stub, control_share=1.0, listener=told.append, study=study)
        texts = [
            e["text"] for e in told if e["event"] == "note" and ("other way" in e["text"] or "cautious" in e["text"])
        ]
        assert len(texts) == 1
        assert said in texts[0]
        assert (result.prunings["level"] == 0).all()


def test_a_control_that_was_killed_is_none(pruned, tiny, capsys):
    """Neither for the share of controls, nor for status; the report counts them alike."""

    class Killed(BaseException):
        pass

    def kill(event):
        if event["event"] == "judged":
            raise Killed

    with pytest.raises(Killed):
        pruned(control_share=1.0, sampler="random", listener=kill)
    result = pruned(control_share=1.0, sampler="random")
    cut = result.prunings[~result.prunings["number"].isin(result.complete["number"])]
    assert len(cut) == 1
    ended = len(result.prunings) - 1
    assert read(result, "rank").controls == ended
    account = reports.pruning_numbers.account(result)
    assert (account.controls, hindsight.controls(result).nondominated.n) == (ended, ended)
    capsys.readouterr()
    assert main(["status", result.name]) == 0
    assert f"{ended} decisions to prune overruled" in capsys.readouterr().out


def test_that_a_more_cautious_pruner_waits_again_is_said_again(searched, monkeypatch):
    """Once a level: it takes more finished curves than the bolder one."""
    monkeypatch.setattr("nas_moo.study.judge.cautious_level", lambda finished, *_: int(len(finished) >= 2))
    told = []
    searched(trials=4, epochs=4, pruner="front", listener=told.append)
    texts = [e["text"] for e in told if e["event"] == "note" and "too few" in e["text"]]
    assert [t.split(":")[0] for t in texts] == ["No pruning yet", "No pruning for now"]
    assert "of 19" in texts[1]


def test_folds_are_judged_by_their_mean(pruned):
    result = pruned(validation="kfold:3")
    first = result.prunings.iloc[0]
    folds = [e for e in Storage().open(result.name).trials()[first["number"]].user_attrs["curve"] if e["epoch"] == STOP]
    assert first["last_error"] == pytest.approx(np.mean(folds[0]["folds"]))


def test_the_pruner_may_change_between_runs_and_is_noted(searched):
    searched(trials=1, epochs=4, pruner="front", pruner_quantile=0.2)
    result = searched(trials=2, epochs=4, pruner="median")
    assert [(r["pruner"], r["pruner_quantile"]) for r in result.description["runs"]] == [
        ("front", 0.2),
        ("median", None),
    ]
    assert result.description["pruner"] == "median"


def test_warnings_and_waits_are_said(searched):
    told = []
    searched(trials=1, epochs=4, pruner="median", listener=told.append)
    texts = [e["text"] for e in told if e["event"] == "note"]
    assert any("looks at the error alone" in t for t in texts)
    assert any(t.startswith("No pruning yet: too few finished") for t in texts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pruner": "fornt"}, "unknown pruner"),
        ({"pruner": "optuna:Nothing"}, "unknown pruner of Optuna"),
        ({"pruner": 3}, "this is no pruner"),
        ({"pruner": PercentilePruner(25.0), "pruner_quantile": 0.1}, "made already"),
        ({"pruner": PercentilePruner(25.0), "objectives": ("params", "flops")}, "nothing is trained here"),
        ({"pruner_quantile": 0.0}, r"outside \(0, 0.5\]"),
        ({"pruner_quantile": 0.6}, r"outside \(0, 0.5\]"),
        ({"pruner": "rank", "pruner_quantile": 0.1}, "has no quantile"),
        ({"pruner": "never", "control_share": 0.1}, "nothing is pruned here"),
        ({"pruner": "never", "thaw": False}, "nothing is pruned here"),
        ({"control_share": 1.5}, "share of controls is none"),
        ({"pruner": "front", "objectives": ("params", "flops")}, "nothing is trained here"),
        ({"pruner": "front", "objectives": ("error", "nll", "flops")}, "judged by one objective"),
        ({"pruner": "front", "epochs": 1}, "cannot be stopped early"),
        ({"pruner_quantile": 0.2, "epochs": 3}, "judged without a quantile"),
    ],
)
def test_what_cannot_be_had_is_refused_before_anything_is_stored(searched, tiny, change, message):
    with pytest.raises((UserInputError, UnknownNameError), match=message) as refused:
        searched(**change)
    assert refused.value.do
    assert not (tiny / "nas-moo.db").exists()


def test_two_trained_objectives_are_not_pruned_and_that_is_said(searched):
    told = []
    result = searched(objectives=("error", "nll", "flops"), trials=1, listener=told.append)
    assert any("no pruning" in e.get("text", "").lower() for e in told)
    assert result.description["pruner"] is None


def test_the_real_rules_prune_in_a_real_study(searched):
    for pruner in ("front", "median", "optuna:MedianPruner"):
        study = pruner.replace(":", "-")
        result = searched(study=study, trials=12, epochs=6, pruner=pruner, control_share=0.0, sampler="random")
        states = result.trials["state"].value_counts()
        assert states.sum() == states.get("complete", 0) + states.get("pruned", 0) == 12
        assert states["complete"] >= 5, "no rule decides before there is anything to compare with"
        assert (result.trials.loc[result.trials["state"] == "pruned", "kind"] == pruner).all()


def test_a_pruner_that_was_made_prunes_and_its_name_is_kept(searched):
    """One of Optuna's, with its arguments, and one of the user's own."""
    for study, made, name in (
        (
            "theirs",
            PercentilePruner(5.0, n_startup_trials=2),
            "optuna:PercentilePruner(percentile=5.0, n_startup_trials=2)",
        ),
        ("own", Stub(), "stub"),
    ):
        result = searched(study=study, trials=10, epochs=4, pruner=made, control_share=0.0, sampler="random")
        assert result.description["pruner"] == result.description["runs"][0]["pruner"] == name
        kinds = result.trials.loc[result.trials["state"] == "pruned", "kind"]
        assert len(kinds)
        assert (kinds == name).all()
        assert result.trials["continues"].isna().all() or study == "own"
    assert searched(study="front", trials=1, epochs=4, pruner=FrontPruner(0.3)).description["pruner_quantile"] == 0.3


def test_how_far_above():
    assert excess({"last_error": 0.3, "bound": 0.25, "rival_error": 0.2}) == pytest.approx(0.25)
    assert excess({"last_error": 0.3, "bound": None, "rival_error": 0.2}) == pytest.approx(0.5)
    assert excess({"last_error": 0.3, "threshold": 0.2}) == pytest.approx(0.5)
    assert excess({"last_error": 0.3}) == math.inf


def test_ranges():
    assert ranges([3, 0, 1, 2, 9, 7, 8, 5]) == "0-3,5,7-9"
    assert ranges([]) == ""


def test_a_study_without_pruning_has_empty_tables(searched):
    result = nas_moo.load_study(searched(trials=1).name)
    assert result.prunings.empty
    assert result.trials["continues"].isna().all()


@pytest.fixture
def outbid(pruned, monkeypatch):
    """A search in which the pruner lets everything go on, and our sampler gives up every third training for now."""

    def run(**changes):
        asked = []

        def goes_on(self, genes, costs, curve, remaining):
            asked.append((genes, costs.tolist(), curve, remaining))
            return len(asked) % 3 > 0

        monkeypatch.setattr(NSGA2Sampler, "goes_on", goes_on)
        return pruned(Stub(mercy=0), sampler="nsga2", **{"trials": 12, **changes}), asked

    return run


def test_a_training_that_is_outbid_waits_for_the_sampler(outbid, pruned, tiny):
    result, asked = outbid(trials=8)
    waiting = result.trials[result.trials["kind"] == "outbid"]
    assert len(waiting) == len(asked) // 3 > 1
    assert result.done == 8 == len(result.trials) - len(waiting), "what waits does not count"
    assert (waiting["state"] == "pruned").all()
    assert not waiting["front"].any()
    table = result.prunings.set_index("number")
    assert table.loc[waiting["number"], "outbid"].all()
    assert not table["control"].any()
    assert set(checkpoints.kept(tiny / "nas-moo-files" / result.name)) == set(waiting["number"])
    _, costs, curve, remaining = asked[2]
    first = waiting.iloc[0]
    assert (len(curve), remaining) == (2, 0.5)
    assert curve[-1] == table.loc[first["number"], "last_error"]
    assert costs == [first[o.name] for o in result.objectives[1:]]
    again = pruned(Stub(mercy=0), sampler="nsga2", trials=9)
    assert again.trials["continues"].isna().all(), "the pruner has nothing to take back, and the sampler did not ask"
    with_random = pruned(Stub(mercy=0), sampler="random", trials=11)
    assert with_random.trials["continues"].notna().any(), "a sampler that expects nothing leaves it to the pruner"
    gone_on = with_random.trials[with_random.trials["continues"].notna()].iloc[0]
    curves = with_random.epochs.groupby("number")["error"].apply(list)
    assert curves[gone_on["number"]][:2] == curves[gone_on["continues"]]


def test_what_the_sampler_takes_up_again_is_not_stopped_again_by_the_pruner(pruned, monkeypatch):
    wanted = []

    def sample(self, study, trial, search_space):
        pruned_ones = [t for t in study.trials if t.state == TrialState.PRUNED]
        if len(pruned_ones) > 1 and not wanted:
            wanted.append(pruned_ones[-1].number)
            return pruned_ones[-1].params
        return own(self, study, trial, search_space)

    own = NSGA2Sampler.sample_relative
    monkeypatch.setattr(NSGA2Sampler, "sample_relative", sample)
    result = pruned(sampler="nsga2", trials=10)
    assert wanted
    again = result.trials[result.trials["continues"] == wanted[0]]
    assert again["state"].tolist() == ["complete"]
    assert "pruned" in result.trials["state"].tolist(), "the pruner has its say in all others"


def test_what_cannot_go_on_is_not_outbid(outbid):
    result, asked = outbid(thaw=False)
    assert not asked
    assert (result.trials["state"] == "complete").all()


def test_no_coin_is_thrown_for_what_was_outbid(outbid):
    result, _ = outbid(control_share=1.0)
    arm = hindsight.controls(result)
    assert (arm.nondominated.n, arm.pruned) == (0, 0)
    page = reports.pruning.section(result)
    assert "were outbid" in page.sentences[0]


def test_what_was_outbid_goes_on_where_nothing_new_is_left(outbid, pruned):
    before, _ = outbid()
    waiting = (before.trials["kind"] == "outbid").sum()
    result = pruned(Stub(mercy=0), sampler="nsga2", trials=60)
    assert result.trials["continues"].nunique() == waiting
    left = result.trials[
        (result.trials["kind"] == "outbid") & ~result.trials["number"].isin(result.trials["continues"])
    ]
    assert left.empty


def test_a_sampler_that_never_makes_up_its_mind_ends_all_the_same(pruned, monkeypatch):
    monkeypatch.setattr(NSGA2Sampler, "goes_on", lambda *_: False)
    result = pruned(Stub(mercy=0), sampler="nsga2", trials=6)
    waiting = (result.trials["kind"] == "outbid").sum()
    assert result.done == 6
    assert 3 <= waiting <= (result.trials["state"] == "complete").sum()
