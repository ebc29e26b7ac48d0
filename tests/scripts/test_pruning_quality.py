"""The side by side of pruners: its arms begin alike, what it records is true, and its tables say what was recorded."""

import importlib
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from nas_moo.pruners import FinishedCurves
from nas_moo.replay.judge import Judge
from nas_moo.replay.table import load_table

BENCHMARKS = Path(__file__).parents[2] / "scripts" / "benchmarks"
sys.path.append(str(BENCHMARKS))
arms, page, record, rules = (
    importlib.import_module(f"pruning_quality_{name}") for name in ("arms", "page", "record", "rules")
)
ask, searches = (importlib.import_module(f"search_quality_{name}") for name in ("ask", "record"))
TINY = BENCHMARKS / "data" / "tiny_cnn_seed0.toml"
ARM = "optuna-nsga2-50 median"


@pytest.fixture(scope="module")
def tiny():
    return load_table(TINY)


@pytest.fixture(scope="module")
def outcome(tiny):
    return record.outcome(tiny, ARM, 20, arms.ARMS[ARM].search(tiny, 3, 20))


def test_arms_begin_with_the_common_start_and_prune_what_they_are_named_for(tiny):
    start = [tiny.answer(a, np.zeros(len(tiny), bool)) for a in ask.start_design(tiny.genome, seed=3)]
    assert arms.ARMS[ARM].search(tiny, 3, 10).rows.tolist() == start
    for name, arm in arms.ARMS.items():
        assert arm.pruner in name
        told, knows = arm.pruning(tiny), arm.pruner == "knowing"
        assert told.thaw is ("no-thaw" not in name and not knows)
        assert (told.control_share == 0.0) is ("no-controls" in name or knows)
        assert arm.pruner != "front" or f"q={told.quantile}" in name


def test_who_knows_the_end_gives_up_at_once_what_will_be_dominated(tiny):
    trace = arms.ARMS["nsga2 knowing"].search(tiny, 3, 20)
    assert set(trace.pruning.points) == {1}
    assert trace.pruning.wrong == 0
    assert len(trace.pruning.pruned) > 10


def test_cuts_are_those_of_the_search(tiny, outcome):
    trace = arms.ARMS[ARM].search(tiny, 3, 20)
    cuts, volume = outcome.cuts, Judge(tiny).hypervolume(trace)[-1]
    assert outcome.search.rows == trace.rows[trace.complete].tolist()
    assert cuts.pruned == len(trace.pruning.pruned) > 2
    assert cuts.trained == len(set(trace.rows))
    assert cuts.stopped == cuts.pruned + cuts.controls
    assert 0 <= cuts.volume_lost <= 1 - volume
    lost = set(trace.pruning.pruned) & set(tiny.front)
    assert cuts.front_pruned == pytest.approx(len(lost) / len(tiny.front))


def test_the_record_of_cuts_keeps_the_last_of_a_seed(tmp_path, outcome):
    kept = record.CutsRecord(tmp_path / "cuts.csv")
    kept.add(outcome.cuts)
    kept.add(outcome.cuts)
    again = record.CutsRecord(tmp_path / "cuts.csv")
    assert again.of(ARM)["pruned"].tolist() == [outcome.cuts.pruned]
    assert f"`{ARM}` | 1 | {outcome.cuts.trained} | {outcome.cuts.pruned}" in page.cuts_table(again)


def test_joint_ranks_give_up_what_is_worse_than_the_median_rank():
    """Of twenty layers, each dominated by the one before, the eleventh and later are."""
    curves = np.linspace(0.1, 0.6, 20)[:, None] * np.array([1.5, 1.2, 1.0])
    costs = np.linspace(1, 20, 20)[:, None]
    rule = rules.JointRankPruner().fit(FinishedCurves(np.array([1.0, 2.0, 3.0]), curves, costs, costs))
    stopped = [rule.decide(c[:2], k, k).stop for c, k in zip(curves, costs, strict=True)]
    assert stopped == [False] * 10 + [True] * 10
    assert not rule.decide(curves[19, :2], costs[0] / 2, costs[0] / 2).stop  # the smallest never is
    assert not rule.decide(curves[19], costs[19], costs[19]).stop


def test_the_script_runs_what_is_missing_and_prints_the_tables(tiny, tmp_path, monkeypatch, capsys):
    out, baselines = tmp_path / "out" / "searches.parquet", searches.Record(tmp_path / "baselines.parquet")
    for seed in range(3):
        baselines.add(searches.finished(tiny, "nsga2", 12, arms.ARMS[ARM].search(tiny, seed, 12)))
    given = ["--tables", str(TINY), "--arms", ARM, "--seeds", "2", "--trials", "12", "--out", str(out)]
    given += ["--baselines", str(baselines.path)]
    for runs in (2, 0):
        monkeypatch.setattr(sys, "argv", ["pruning_quality", *given])
        assert runpy.run_path(str(BENCHMARKS / "pruning_quality"))["main"]() == 0
        printed = capsys.readouterr()
        assert len(printed.err.splitlines()) == runs
    assert f"| tiny_cnn_seed0 | `{ARM}` | 2 |" in printed.out
    assert "| tiny_cnn_seed0 | `nsga2` | 2 |" in printed.out
    assert len(searches.Record(out).searches) == 2
