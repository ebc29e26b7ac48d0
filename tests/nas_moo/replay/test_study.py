"""A replayed search becomes the tables of a study: the table's own numbers, and nothing that it does not tell."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from nas_moo import hindsight
from nas_moo.errors import UserInputError
from nas_moo.measurement import NOT_RECORDED
from nas_moo.pruners import load_pruner
from nas_moo.replay.pruning import Pruning
from nas_moo.replay.run import load_named, replay_search
from nas_moo.replay.study import replayed_study
from nas_moo.replay.summary import Arm
from nas_moo.replay.table import load_table
from nas_moo.replay.trace import Trace
from nas_moo.samplers import SamplerOptions

TABLES = Path(__file__).parents[3] / "scripts/benchmarks/data"


@pytest.fixture(scope="module")
def tiny():
    return load_table(TABLES / "tiny_cnn_seed0.toml")


@pytest.fixture(scope="module")
def pruned(tiny):
    """A search with a pruner, its trace and its tables."""
    pruning = Pruning(load_pruner("front", 0.1), 0.1, None, thaw=True)
    trace = replay_search(tiny, partial(load_named, "random"), SamplerOptions(), 60, pruning)
    return trace, replayed_study(tiny, Arm("random", pruner="front", quantile=0.1, thaw=True), trace, 60, "typed")


def test_every_number_is_the_tables_own(tiny, pruned):
    trace, study = pruned
    complete = trace.complete
    rows = trace.rows[complete]
    assert study.trials["digest"].tolist() == [tiny.architectures[r].digest for r in trace.rows]
    np.testing.assert_array_equal(study.complete["error"], tiny.errors[rows, -1])
    np.testing.assert_array_equal(study.complete["flops"], tiny.costs[rows, 0])
    np.testing.assert_allclose(study.complete["latency"], tiny.costs[rows, 1] / 1000)  # the table has microseconds
    np.testing.assert_allclose(study.trials["seconds"], tiny.seconds[trace.rows] * trace.fulls)
    opened = study.unseal(purpose="test")
    by_id = {a.digest[:8]: t for a, t in zip(tiny.architectures, tiny.test, strict=True)}
    assert opened["test"].tolist() == [by_id[i] for i in study.front()["id"]]
    last = study.epochs.groupby("number")["error"].last()
    np.testing.assert_array_equal(last[study.complete["number"]], study.complete["error"])


def test_units_intervals_and_methods_are_told(pruned):
    _, study = pruned
    told = {o.name: (o.unit, o.stage) for o in study.objectives}
    assert told == {"error": ("fraction", "trained"), "flops": ("FLOPs", "static"), "latency": ("ms", "device")}
    assert "column lat64_med" in study.objectives[2].method
    intervals = study.measurements.groupby("objective")["interval"].unique()
    assert {name: list(i) for name, i in intervals.items()} == {
        "error": [NOT_RECORDED], "flops": ["exact"], "latency": [NOT_RECORDED],
    }  # fmt: skip
    about = study.description
    assert (about["sampler"], about["pruner"], about["command"]) == ("random", "front", "typed")
    assert about["data"]["name"] == "recorded table tiny_cnn_seed0"
    assert about["hypervolume_reference"]["trials"] == 10


def test_pruning_is_retold_as_the_replay_counted_it(pruned):
    trace, study = pruned
    counted, report = trace.pruning, hindsight.controls(study)
    assert len(hindsight.pruned_for_good(study)) == len(counted.pruned) > 0
    assert study.prunings["control"].sum() == counted.report.nondominated.n > 0
    assert (str(report.asked), report.others) == ("front (quantile 0.1)", 0)
    assert report.to_dict().items() >= counted.report.to_dict().items()
    went_on = study.trials[study.trials["continues"].notna()]
    assert len(went_on) == counted.thawed
    for _, trial in went_on.iterrows():
        before = study.trials.loc[int(trial["continues"])]
        assert before["state"] == "pruned"
        assert before["digest"] == trial["digest"]
    share = study.trials["epochs_run"] / 18
    np.testing.assert_allclose(share, trace.fulls)


def test_final_errors_alone_have_no_curve():
    macro = load_table(TABLES / "nasbench_macro.toml")
    trace = replay_search(macro, partial(load_named, "random"), SamplerOptions(), 5)
    study = replayed_study(macro, Arm("random"), trace, 5)
    assert study.epochs.empty
    assert not [c for c in study.trials.columns if c.startswith("seconds_")]
    assert len(study.complete) == 5
    assert "hypervolume_reference" not in study.description


def test_a_trace_from_elsewhere_is_refused(tiny):
    trace = Trace(0, np.array([0]), np.ones(1), np.ones(1, dtype=bool), np.zeros(1), np.ones(1), 0)
    with pytest.raises(UserInputError, match="how far"):
        replayed_study(tiny, Arm("random"), trace, 1)
