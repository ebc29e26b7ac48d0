"""What a report costs: the study is the same stored and in memory, every section is timed, the page is weighed."""

import importlib
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from nas_moo.evaluation import STATES
from nas_moo.study.storage import load_study

BENCHMARKS = Path(__file__).parents[2] / "scripts" / "benchmarks"
sys.path.append(str(BENCHMARKS))
studies = importlib.import_module("report_speed_study")
stored = importlib.import_module("report_speed_store")
script = runpy.run_path(str(BENCHMARKS / "report_speed"))
TRIALS, EPOCHS = 120, 6


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "study.db"
    stored.store(TRIALS, EPOCHS, path)
    return load_study(studies.NAME, path)


@pytest.mark.parametrize("table", ["trials", "epochs", "measurements", "prunings"])
def test_what_is_loaded_is_what_was_made(loaded, table):
    pair = [getattr(result, table) for result in (loaded, studies.in_memory(TRIALS, EPOCHS))]
    if table == "measurements":  # in the order of the database
        pair = [t.sort_values(["number", "objective"], ignore_index=True) for t in pair]
    pd.testing.assert_frame_equal(*pair, check_exact=True)


def test_the_study_has_every_way_to_end_and_goes_on_with_what_was_pruned(loaded):
    assert set(studies.in_memory(1000, 3).trials["state"]) == set(STATES)
    assert loaded.trials["continues"].notna().any()
    assert set(loaded.prunings["control"]) == set(loaded.prunings["outbid"]) == {True, False}
    assert {"random", "bred", "screened", "thawed"} == set(loaded.trials["origin"])
    assert loaded.trials["worker"].nunique() == 4
    assert sum(c.startswith("gene_") for c in loaded.trials.columns) == 10
    assert [o.name for o in loaded.objectives] == ["error", "flops", "latency_eager"]
    loaded.require_one_key()
    assert len(loaded.unseal(purpose="report")) == loaded.trials["front"].sum() > 2


def test_the_reference_is_timed_and_what_was_measured_while_it_moved_is_marked():
    made = studies.in_memory(600, 3)
    times = pd.DataFrame(made.description["reference_times"])
    assert set(times["worker"]) == set(made.trials["worker"])
    details = made.measurements.loc[made.measurements["objective"] == "latency_eager", "details"]
    assert {c for d in details for c in d["caveats"]} == {"contended", "not converged"}
    assert all(("repeated" in d) == ("contended" in d["caveats"]) for d in details)


def homes():
    return [m for m in vars(script["page"]).values() if isinstance(m, ModuleType) and hasattr(m, "section")]


def test_a_report_is_timed_section_by_section_and_weighed(tmp_path):
    before = {home: home.section for home in homes()}, script["style"].files
    costs = script["measure"](40, 4, tmp_path, 4)
    assert ({home: home.section for home in homes()}, script["style"].files) == before, "all is left as it was"
    report = tmp_path / "report-40-4"
    assert costs.page == (report / "index.html").stat().st_size > 50_000
    names = [part.name for part in costs.parts]
    assert {"choice", "progress", "finalists", "made"} <= set(names)
    assert len(names) == len(set(names))
    assert names == re.findall(r'<section id="([^"]*)"', (report / "index.html").read_text())
    assert sum(p.pictures for p in costs.parts) == len(list((report / "figures").glob("*.svg")))
    assert sum(p.draw + p.gather for p in costs.parts) < costs.write
    assert min(costs.load, costs.wall, *(p.draw for p in costs.parts if p.pictures)) > 0
    assert sum(p.bytes for p in costs.parts) < costs.page
    rows = script["table"](costs)[2:]
    assert [row.split("|")[1].strip() for row in rows[: len(names)]] == [f"`{name}`" for name in names]
    (speed, spent, most), *sizes = script["verdicts"](costs, {3: costs, 4: costs})
    assert ("seconds" in speed, spent, most) == (True, costs.load + costs.write, 20.0)
    assert [weighed for _, weighed, _ in sizes] == [costs.page] * 2
