"""A pruned replay pays for the epochs that were run, tells the sampler what it may know, and counts its wrong cuts."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from nas_moo.pruners import Verdict, load_pruner
from nas_moo.pruners.control import Share
from nas_moo.replay.cuts import describe_cuts
from nas_moo.replay.judge import Judge
from nas_moo.replay.pruning import Pruning, Trainer
from nas_moo.replay.run import load_named, replay_search, replay_seeds
from nas_moo.replay.table import load_table
from nas_moo.samplers import SamplerOptions

TABLES = Path(__file__).parents[3] / "scripts/benchmarks/data"


@pytest.fixture(scope="module")
def tiny():
    return load_table(TABLES / "tiny_cnn_seed0.toml")


class StopsAll:
    """Stops everything at the second point, at first, and nothing once so many have finished."""

    name, caution, mercy = "all", None, 10**9

    def fit(self, finished):
        self.finished = len(finished)
        return self

    def cautious(self):
        return self

    def decide(self, curve, low, high):
        stop = len(curve) == 2 and 3 <= self.finished < self.mercy
        evidence = {"predicted": 0.3, "spread": 0.1, "bound": 0.25} if stop else {}
        return Verdict(stop, "told to", evidence)


class StopsSome(StopsAll):
    """Stops every other."""

    def decide(self, curve, low, high):
        if round(curve[0] * 1000) % 2:
            return Verdict(False, "spared")
        return super().decide(curve, low, high)


class PausesAll(StopsAll):
    """Stops everything at the second point once ten have finished: only a sampler that wants it lets anything end."""

    def decide(self, curve, low, high):
        if len(curve) != 2 or self.finished < 10:
            return Verdict(False, "spared")
        return Verdict(True, "paused", {"predicted": float(curve[-1]) / 3, "spread": 0.2})


def test_only_the_epochs_that_were_run_are_paid(tiny):
    trace = replay_search(
        tiny, partial(load_named, "random"), SamplerOptions(), 6, Pruning(StopsAll(), control_share=0.0)
    )
    assert trace.complete.tolist() == [True] * 3 + [False] * 27
    np.testing.assert_allclose(trace.fulls, [1.0] * 3 + [2 / 18] * 27)
    assert trace.fulls.sum() == pytest.approx(6)
    assert sorted(trace.pruning.pruned) == sorted(trace.rows[3:])
    assert set(trace.pruning.points) == {2}
    assert Judge(tiny).regret(trace)[3] == Judge(tiny).regret(trace)[-1]  # what was pruned is no model


@pytest.mark.parametrize("name", ["nsga2", "optuna-nsga2", "nsga3", "tpe", "random", "grid"])
def test_every_sampler_survives_pruned_trials(name, tiny):
    options, rule = SamplerOptions(population=6, grid_steps=2), StopsSome()
    rule.mercy = 10
    trace = replay_search(tiny, partial(load_named, name), options, 16, Pruning(rule, control_share=0.0, thaw=True))
    assert (~trace.complete).sum() > 1
    assert trace.pruning.thawed > 1
    assert trace.complete.sum() > 12


def test_controls_go_on_and_are_marked_and_counted(tiny):
    load = partial(load_named, "random")
    trace = replay_search(tiny, load, SamplerOptions(), 40, Pruning(StopsAll()))
    report = trace.pruning.report
    assert 0 < report.nondominated.n < 40
    assert trace.complete.sum() == 3 + report.nondominated.n
    assert report.below.n == report.nondominated.n
    assert report.pruned == (~trace.complete).sum()
    assert trace.pruning.stopped == report.pruned + report.nondominated.n
    everything = replay_search(tiny, load, SamplerOptions(), 12, Pruning(StopsAll(), control_share=1.0))
    assert everything.complete.all()


def test_what_was_given_up_goes_on_where_the_rule_has_changed_and_pays_for_the_rest(tiny):
    rule = StopsAll()
    rule.mercy = 4
    trainer = Trainer(tiny, Pruning(rule, control_share=0.0, thaw=True), seed=0)
    for row in (0, 1, 2):
        assert trainer.train(row, row).verdict is None
    paused = trainer.train(3, 3)
    assert paused.fulls == pytest.approx(2 / 18)
    assert trainer.thaw() is None
    rule.finished, rule.mercy = 3, 3  # as if it had been fitted anew
    assert trainer.thaw() == 3
    finished = trainer.train(3, 4)
    assert finished.verdict is None
    assert finished.fulls == pytest.approx(16 / 18)
    assert trainer.trace().thawed == 1
    assert not len(trainer.trace().pruned)
    kept = Trainer(tiny, Pruning(rule, control_share=0.0), seed=0)
    assert kept.thaw() is None


def test_our_sampler_lets_pruned_trainings_go_on(tiny):
    """No row is trained twice: one that comes again goes on from where it was given up."""
    pruning = Pruning(PausesAll(), control_share=0.0)
    load = partial(load_named, "nsga2")
    assert replay_search(tiny, load, SamplerOptions(seed=1), 12, pruning).complete.sum() == 10
    trace = replay_search(tiny, load, SamplerOptions(seed=1), 24, replace(pruning, thaw=True))
    assert trace.pruning.thawed > 1
    assert trace.complete.sum() == 10 + trace.pruning.thawed
    for row in set(trace.rows.tolist()):
        mine = trace.rows == row
        assert trace.fulls[mine].sum() <= 1 + 1e-9
        assert not trace.complete[mine][:-1].any()
        assert trace.complete[mine].sum() == 0 or trace.fulls[mine].sum() == pytest.approx(1)


def test_the_truth_beside_the_control_arm(tiny):
    traces = replay_seeds(
        tiny,
        partial(load_named, "random"),
        SamplerOptions(),
        trials=30,
        seeds=2,
        pruning=Pruning(load_pruner("median")),
    )
    told = describe_cuts(tiny, traces)
    assert told["truth"]["n"] == sum(t.pruning.stopped for t in traces)
    assert told["controls"]["nondominated"]["n"] == sum(t.pruning.report.nondominated.n for t in traces)
    assert told["covered"]["n"] == 2
    assert 0 < told["true_front_pruned"] < 1
    assert told["pruned"] > 10
    final, costs, front = tiny.errors[:, -1], tiny.costs, []
    for trace in traces:  # the truth by its definition, the slow way
        complete = trace.rows[trace.complete]
        stopped = [*trace.pruning.pruned]
        mine = np.column_stack([final, costs])
        beaten = [
            ((mine[complete] <= mine[r]).all(axis=1) & (mine[complete] < mine[r]).any(axis=1)).any() for r in stopped
        ]
        front.append(len(stopped) - sum(beaten))
    hits = sum(t.pruning.report.nondominated.hits for t in traces)
    assert told["truth"]["hits"] == sum(front) + hits
    assert Share(**{k: told["truth"][k] for k in ("hits", "n")}).interval[0] == told["truth"]["low"]


class Tells(StopsAll):
    """Stops nothing, and says at the third point, where trainings are weighed, and the fourth that one is as cheap."""

    def __init__(self, rival=True):
        self.rival = rival

    def decide(self, curve, low, high):
        told = {"rival": 0.0} if self.rival else {}
        return Verdict(False, "fine", told if len(curve) in (3, 4) and self.finished else {})


@pytest.mark.parametrize(
    ("pruning", "waits"),
    [
        (Pruning(Tells(), thaw=True), True),
        (Pruning(Tells(), thaw=True, outbid=False), False),
        (Pruning(Tells(), thaw=False), False),  # it could never go on
        (Pruning(Tells(rival=False), thaw=True), False),  # nothing finished is as cheap: small models are safe
    ],
)
def test_a_sampler_may_give_a_training_up_for_now(tiny, pruning, waits):
    asked = []

    def never(row, points, remaining):
        asked.append((row, points, remaining))
        return False

    trainer = Trainer(tiny, pruning, 0, never)
    assert trainer.train(0, 0).verdict is None, "there is nothing to compare it with"
    training = trainer.train(1, 1)
    assert (training.points == 3) == (training.verdict is not None) == waits
    assert asked == ([(1, 3, pytest.approx(15 / 18))] if waits else [])
    assert trainer.thaw() is None, "it is the sampler's to take up"
    told = trainer.trace()
    assert (told.outbid, told.stopped, told.report.pruned) == (int(waits), 0, 0)
    assert told.pruned.tolist() == [1] * waits
    assert trainer.train(1, 2).fulls == pytest.approx(15 / 18 if waits else 1)


def test_what_the_sampler_takes_up_again_is_not_stopped_again_by_the_rule(tiny):
    trainer = Trainer(tiny, Pruning(StopsAll(), control_share=0.0, thaw=True), 0)
    for row in range(3):
        assert trainer.train(row, row, wanted=True).verdict is None
    assert trainer.train(3, 3, wanted=True).verdict is not None, "it is new, and the rule has its say"
    again = trainer.train(3, 4, wanted=True)
    assert (again.verdict, again.points, again.fulls) == (None, 18, pytest.approx(16 / 18))


def test_our_sampler_outbids_and_takes_up_again(tiny):
    pruning = Pruning(load_pruner("front", 0.1), 0.1, thaw=True)
    trace = replay_search(tiny, partial(load_named, "nsga2"), SamplerOptions(), 60, pruning)
    assert trace.pruning.outbid > 0
    assert trace.pruning.thawed > 0
    plain = replay_search(tiny, partial(load_named, "random"), SamplerOptions(), 30, pruning)
    assert plain.pruning.outbid == 0
