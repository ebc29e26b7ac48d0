"""The side by side of samplers: what its arms are held to, its ratios, its record and its failures."""

import importlib
import itertools
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nas_moo.replay.judge import Judge, on_grid
from nas_moo.replay.table import load_table

BENCHMARKS = Path(__file__).parents[2] / "scripts" / "benchmarks"
sys.path.append(str(BENCHMARKS))
arms, asha, ask, oneshot, page, record, runs, scores = (
    importlib.import_module(f"search_quality_{name}")
    for name in ("arms", "asha", "ask", "oneshot", "page", "record", "runs", "scores")
)

CHEAP = ("random", "optuna-nsga2-20", "tpe", "tpe-conditional", "one-shot-ridge", "nsga2-no-screening", "grid")
PEERS = {
    "pymoo-nsga2-20": "pymoo",
    "pymoo-sms-emoa-20": "pymoo",
    "syne-tune-morea-20": "syne_tune",
    "botorch-qlognehvi": "botorch",
}
TRIALS = 30
DESCRIPTION = """
table = "small.csv"

[error]
curve = ["err_1", "err_9"]

[costs]
flops = { column = "flops", log = true, unit = "FLOPs" }
latency = { column = "ms", log = true, unit = "ms" }

[[genes]]
name = "depth"
kind = "integer"
low = 1
high = 3

[[genes]]
name = "width_2"
kind = "categorical"
choices = [1, 2, 3, 4]
ordered = true
active = { gene = "depth", at_least = 2 }

[[genes]]
name = "width_3"
kind = "categorical"
choices = [1, 2, 3, 4]
ordered = true
active = { gene = "depth", at_least = 3 }

[[genes]]
name = "op"
kind = "categorical"
choices = ["a", "b", "c"]
"""


def row(depth, width_2, width_3, op):
    size = 1 + (width_2 or 0) + (width_3 or 0)
    final = 0.6 / size + 0.02 * "abc".index(op)
    curve = {f"err_{e}": min(1.0, final * (1 + (9 - e) / 9)) for e in range(1, 10)}
    costs = {"flops": 100 * size, "ms": depth * (1 + "cab".index(op))}
    return {"depth": depth, "width_2": width_2, "width_3": width_3, "op": op, **curve, **costs}


@pytest.fixture
def described(tmp_path):
    widths = [(1, None, None)] + [(2, a, None) for a in range(1, 5)]
    widths += [(3, a, b) for a, b in itertools.product(range(1, 5), repeat=2)]
    pd.DataFrame([row(*w, op) for w in widths for op in "abc"]).to_csv(tmp_path / "small.csv", index=False)
    (tmp_path / "small.toml").write_text(DESCRIPTION)
    return tmp_path / "small.toml"


@pytest.fixture
def table(described):
    return load_table(described)


def curves(regret, arm="peer", seeds=None, **about):
    regret = np.array(regret, dtype=float)
    seeds = tuple(range(len(regret)) if seeds is None else seeds)
    return scores.Curves(arm=arm, seeds=seeds, regret=regret, cpu_ms=1.0, **about)


def falling(trials, *steps):
    """Regret 9, then from each place on the value beside it."""
    regret = np.full(trials, 9.0)
    for place, value in steps:
        regret[place - 1 :] = value
    return regret


# Arms


def test_every_arm_with_the_common_start_begins_with_it(table):
    start = [table.answer(a, np.zeros(len(table), bool)) for a in ask.start_design(table.genome, seed=4)]
    assert len(set(start)) == ask.START
    for name in CHEAP:
        rows = arms.ARMS[name].search(table, 4, 12).rows.tolist()
        assert (rows[: ask.START] == start) == arms.ARMS[name].start, name
    assert [a.digest for a in ask.start_design(table.genome, 5)] != [
        a.digest for a in ask.start_design(table.genome, 4)
    ]


@pytest.mark.parametrize("name", [*CHEAP, *PEERS])
def test_an_arm_trains_nothing_twice_and_repeats_by_its_seed(described, name):
    if name in PEERS:
        pytest.importorskip(PEERS[name], exc_type=ImportError)
    trials = 12 if arms.ARMS[name].slow else TRIALS
    first, again = (runs.run_one(runs.Task(described, name, 1, trials)) for _ in range(2))
    assert isinstance(first, record.Search), first
    assert len(set(first.rows)) == len(first.rows) == trials
    assert first.rows == again.rows


def test_a_small_space_is_used_up_and_no_more(table):
    for name in ("random", "one-shot-ridge"):
        assert sorted(arms.ARMS[name].search(table, 0, 100).rows) == list(range(len(table)))


def test_conditional_tpe_is_never_asked_for_an_inactive_gene(table):
    made = []

    def load(*arguments):
        made.append(arms.conditional_tpe(*arguments))
        return made[0]

    arms.by_sampler(load)(table, 0, TRIALS)
    trials = made[0].base.study.trials
    assert sum(t.state.name == "COMPLETE" for t in trials) == TRIALS
    assert all(set(t.params) == set(table.genome.architecture(t.params)) for t in trials)


def test_an_arm_says_which_tables_it_cannot_search(described):
    macro = BENCHMARKS / "data" / "nasbench_macro.toml"
    assert runs.skipped([described], list(arms.ARMS)) == []
    assert runs.skipped([macro, described], ["random", "mo-asha", "tpe-conditional"]) == [
        "mo-asha: the table has no curve (nasbench_macro)",
        "tpe-conditional: no gene is conditional (nasbench_macro)",
    ]
    assert runs.Plan().tasks(macro, "mo-asha") == []


def test_slow_arms_get_few_seeds_and_trials_and_the_grid_one(described):
    plan = runs.Plan(seeds=5, few_seeds=2, trials=40, few_trials=20)
    assert [(t.seed, t.trials) for t in plan.tasks(described, "gp")] == [(0, 20), (1, 20)]
    assert [t.seed for t in plan.tasks(described, "grid")] == [0]
    assert [(t.seed, t.trials) for t in plan.tasks(described, "tpe")] == [(s, 40) for s in range(5)]


def test_an_order_that_spreads():
    assert oneshot.spread(np.array([[0.0], [0.1], [1.0], [0.5]])).tolist() == [0, 2, 3, 1]


# MO-ASHA


def test_rungs_cost_a_third_of_the_next():
    assert asha.rungs(np.arange(1, 19)) == [1, 5, 17]
    assert asha.rungs(np.array([12, 212])) == [0, 1]
    assert asha.rungs(np.array([1.0])) == [0]


def test_mo_asha_pays_for_the_epochs_that_it_adds(table):
    trace = asha.mo_asha(table, 0, 10)
    assert trace.fulls.sum() == pytest.approx(10, abs=1)
    assert trace.fulls.sum() <= 10 + 1e-9
    np.testing.assert_allclose(np.unique(trace.fulls.round(9)), np.array([1, 2, 6]).round(9) / 9)
    for row in trace.rows[trace.complete]:
        assert trace.fulls[trace.rows == row].sum() == pytest.approx(1)


def test_mo_asha_promotes_what_no_other_dominates(table):
    ladder = asha.Ladder(table, 0)
    rows = np.lexsort((table.costs[:, 0], table.errors[:, 0]))  # the first is dominated by none
    for worse in (rows[-1], rows[0], rows[-2]):
        assert ladder.next()[1] == 0
        ladder.train(int(worse), 0)
    promoted, rung = ladder.next()
    assert rung == 1
    assert promoted in (rows[0], rows[-1], rows[-2])
    others = [r for r in (rows[0], rows[-1], rows[-2]) if r != promoted]
    seen = np.column_stack([table.errors[:, 0], table.costs])
    assert not any((seen[o] <= seen[promoted]).all() for o in others)
    ladder.train(promoted, 1)
    assert ladder.next()[1] == 0


# Ratios


def test_the_ratio_is_that_of_the_fulls_needed():
    ours, peer = curves([falling(50, (10, 2.0))] * 4, "nsga2"), curves([falling(50, (20, 2.0), (50, 1.0))] * 4)
    found = scores.ratios(ours, peer)
    assert sorted(found) == [25, 50]
    assert found[25].values[0] == 2
    assert found[25].interval == (2, 2)
    assert found[25].reached.all()


def test_not_reached_is_an_upper_bound_and_said_so():
    ours, peer = curves([falling(50, (10, 2.0))] * 3, "nsga2"), curves([falling(50, (40, 1.0))] * 3)
    ratio = scores.ratios(ours, peer)[50]
    assert ratio.values[0] == 40 / 50
    assert not ratio.reached[0]
    assert page._ratio(ratio, 3) == "at most 0.80 (0.80 to 0.80)"
    assert page._ratio(ratio, 30, name=True) == "at most 0.80 (0.80 to 0.80, peer, 3 seeds)"
    mean = scores.mean_ratio({"x": ratio, "y": scores.ratios(peer, peer)[50]}, {"x": "a", "y": "b"})
    assert mean.values[0] == pytest.approx(np.sqrt(0.8))
    assert not mean.reached[0]


def test_each_family_of_tables_counts_once():
    def of(ratio):
        return scores.Ratio(25, np.full(3, ratio), np.ones(3, bool), "tpe", 5)

    mean = scores.mean_ratio({"x1": of(2.0), "x2": of(8.0), "y": of(1.0)}, {"x1": "x", "x2": "x", "y": "y", "z": "z"})
    assert mean.values[0] == pytest.approx(2)  # 4 in the family x, 1 in y


def test_only_common_seeds_are_compared_and_one_search_stands_for_all():
    ours = curves([falling(25, (5, s)) for s in (3.0, 2.0, 1.0)], "nsga2")
    few = curves([falling(25, (20, 2.0))], seeds=[1])
    grid = curves([falling(25, (20, 2.0))], same=True)
    assert scores.ratios(ours, few)[25].seeds == 1
    assert scores.ratios(ours, few)[25].values[0] == 4
    assert scores.ratios(ours, grid)[25].seeds == 3


def test_the_best_peer_is_chosen_at_each_checkpoint():
    ours = curves([falling(50, (10, 1.0))], "nsga2")
    early, late = curves([falling(50, (5, 2.0))], "early"), curves([falling(50, (30, 1.0))], "late")
    found = scores.against_best(ours, [early, late, curves([falling(25, (1, 3.0))], "short")])
    assert {fulls: r.peer for fulls, r in found.items()} == {25: "early", 50: "late"}
    assert {fulls: r.values[0] for fulls, r in found.items()} == {25: 0.5, 50: 3}


# Record, resumption and failures


@pytest.fixture
def counted(monkeypatch):
    """A cheap arm that counts its searches."""
    searched = []

    def search(table, seed, trials):
        searched.append((seed, trials))
        return arms.ARMS["random"].search(table, seed, trials)

    monkeypatch.setitem(arms.ARMS, "counted", arms.Arm(search))
    return searched


def test_what_the_record_holds_is_not_run_again(described, tmp_path, counted):
    out, table = tmp_path / "out" / "r.parquet", load_table(described)
    tasks = runs.Plan(seeds=2, trials=11).tasks(described, "counted")
    assert runs.run_all(record.Record(out), tasks, jobs=1) == []
    assert not out.with_suffix(".jsonl").exists()
    held = record.Record(out)
    runs.run_all(held, tasks, jobs=1)
    assert counted == [(0, 11), (1, 11)]
    trace = arms.ARMS["random"].search(table, 1, 11)
    assert held.of(table, "counted")[1].rows == trace.rows.tolist()
    runs.run_all(held, [*tasks, replace(tasks[0], seed=2), replace(tasks[0], trials=12)], jobs=1)
    assert counted[2:] == [(2, 11), (0, 12)]
    runs.run_all(record.Record(out), tasks[:1], jobs=1, again=True)
    assert counted[4:] == [(0, 11)]
    assert [s.seed for s in record.Record(out).of(table, "counted")] == [0]


def test_a_run_that_was_cut_off_loses_one_search(described, tmp_path, counted):
    out, table = tmp_path / "r.parquet", load_table(described)
    begun = record.Record(out)
    for task in runs.Plan(seeds=2, trials=5).tasks(described, "counted"):
        begun.add(runs.run_one(task))
    journal = out.with_suffix(".jsonl")
    journal.write_text(journal.read_text()[:-20])
    assert [s.seed for s in record.Record(out).of(table, "counted")] == [0]


def test_partial_trainings_are_paid_for_with_the_next_complete_one(described, tmp_path):
    out, table = tmp_path / "r.parquet", load_table(described)
    runs.run_all(record.Record(out), [runs.Task(described, "mo-asha", 0, 12)], jobs=1)
    trace = arms.ARMS["mo-asha"].search(table, 0, 12)
    kept = record.Record(out).of(table, "mo-asha")[0].trace()
    assert kept.rows.tolist() == trace.rows[trace.complete].tolist()
    grid, judge = np.arange(1, 13, dtype=float), Judge(table)
    regret = on_grid(judge.regret(trace), trace.fulls, grid)
    assert regret[0] > regret[-1]
    np.testing.assert_array_equal(on_grid(judge.regret(kept), kept.fulls, grid), regret)


def test_another_table_of_the_name_is_refused(described, tmp_path):
    held = record.Record(tmp_path / "r.parquet")
    table = load_table(described)
    held.add(replace(runs.run_one(runs.Task(described, "random", 0, 5)), digest="other"))
    with pytest.raises(arms.MachineError.__mro__[1], match="other contents"):
        held.of(table, "random")


def test_a_failing_search_is_listed_and_stops_no_other(described, tmp_path, monkeypatch):
    def fails(table, seed, trials):
        if seed == 1:
            raise ValueError("no such luck")
        return arms.ARMS["random"].search(table, seed, trials)

    monkeypatch.setitem(arms.ARMS, "unlucky", arms.Arm(fails))
    monkeypatch.setitem(arms.ARMS, "absent", arms.Arm(arms.peer("search_quality_absent", "Sampler")))
    held = record.Record(tmp_path / "r.parquet")
    tasks = [t for arm in ("unlucky", "absent") for t in runs.Plan(seeds=3, trials=5).tasks(described, arm)]
    failed = runs.run_all(held, tasks, jobs=1)
    assert [s.seed for s in held.of(load_table(described), "unlucky")] == [0, 2]
    said = page.failures(failed).splitlines()
    assert said[:2] == ["4 searches FAILED:", "- unlucky on small, seeds [1]: ValueError: no such luck"]
    assert said[2].startswith("- absent on small, seeds [0, 1, 2]: a peer is not installed")
    assert ".[bench]" in said[2]
    assert page.failures([]) == "No search failed."


def test_one_run_prints_the_tables_and_draws_the_picture(described, tmp_path, monkeypatch, capsys):
    main = runpy.run_path(str(BENCHMARKS / "search_quality"))["main"]
    options = ["--tables", str(described), "--arms", "nsga2-no-screening", "random", "optuna-nsga2-50", "grid"]
    options += ["--seeds", "3", "--trials", "26", "--ours", "nsga2-no-screening"]
    options += ["--out", str(tmp_path / "r.parquet"), "--picture", str(tmp_path / "p.png")]
    monkeypatch.setattr(sys, "argv", ["search_quality", *options])
    assert main() == 0
    first = capsys.readouterr().out
    assert "| optuna-nsga2-50 | **geometric mean** |" in first
    assert first.rstrip().endswith("No search failed.")
    assert (tmp_path / "p.png").stat().st_size > 10_000
    monkeypatch.setattr(sys, "argv", ["search_quality", *options, "--redraw"])
    assert main() == 0
    assert capsys.readouterr().out == first
