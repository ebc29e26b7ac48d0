"""The benchmark of pruning on real trainings: its judge, and one run of a second."""

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[2] / "scripts/benchmarks"


@pytest.fixture(scope="module")
def scripts():
    """``real_pruning`` and what it judges by."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        loader = SourceFileLoader("real_pruning", str(BENCHMARKS / "real_pruning"))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader("real_pruning", loader))
        loader.exec_module(module)
        yield module


def front(arm, at, models):
    rows = [(f, e, t, 0.5, arm, at) for f, e, t in models]
    return pd.DataFrame(rows, columns=["flops", "error", "test", "median", "arm", "at"])


def test_regret_is_what_a_user_misses_within_budgets(scripts):
    everything = [(10, 0.3, 0.3), (100, 0.1, 0.1)]
    table = pd.concat([front("a", 2, everything), front("b", 2, everything[:1]), front("b", 1, everything[1:])])
    found = scripts.regrets(table, "arm", "at")
    assert found["a", 2.0] == 0
    assert found["b", 2.0] == pytest.approx(100 * (0.3 - 0.1) / 20), "only the largest of 20 budgets allows the better"
    assert found["b", 1.0] == pytest.approx(100 * (0.5 - 0.3) * 19 / 20), "below it, nothing: the median counts"


def test_a_run_is_a_row_a_front_model_and_goes_on_between_checkpoints(scripts):
    found = scripts.run("rank", 0, [0.0, 0.01], 2, "random")
    assert set(found["seconds"]) == {0.0, 0.01}
    spent = found.groupby("seconds")["spent"].first()
    assert spent[0.01] > spent[0.0] > 0
    trained = found.groupby("seconds")["trained"].first()
    assert trained[0.01] > trained[0.0] == 1, "a search stops at the end of a trial"
    assert found[["flops", "error", "test", "median"]].notna().all(axis=None)


def test_the_report_has_a_row_a_checkpoint(scripts):
    models = [(10, 0.3, 0.3), (100, 0.1, 0.1)]
    told = pd.concat(
        front(pruner, 0, models).assign(pruner=pruner, seed=seed, seconds=s, trained=30, pruned=5)
        for pruner in ("front", "never") for seed in (0, 1) for s in (30.0, 60.0)
    )  # fmt: skip
    lines = scripts.report(told).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| 30 | 30 / 30 | 5 | 0.00 | 0.00 | +0.00")
    assert lines[3].endswith("0 of 2 |")
