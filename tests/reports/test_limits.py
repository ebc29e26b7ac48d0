from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nas_moo.choose import parse_limits
from nas_moo.cli.options import read_limits
from reports import front_table, limits, sliders


@pytest.fixture(scope="module")
def gathered(study):
    return sliders.gather(study, front_table.members(study))


def test_certain_is_where_every_other_model_is_distinguishably_worse_somewhere(study):
    tying = front_table.tied(study, study.front())
    complete = study.complete.set_index("id")
    assert any(tying.values())
    for one, others in tying.items():
        for other in complete.index.difference([one]):
            worse = any(complete.loc[other, f"{o}_low"] > complete.loc[one, f"{o}_high"]
                        for o in ("error", "flops", "latency_eager"))  # fmt: skip
            assert (other in others) == (not worse)


def test_the_chosen_models_ties_are_those_of_the_choice(study):
    choice = study.choose()
    assert set(front_table.tied(study, study.front())[choice.id]) == set(choice.ties)


def test_the_table_has_every_model_of_the_front_with_all_that_is_known(study):
    opened = study.unseal(purpose="report")
    table = limits.section(study, opened).tables[0]
    assert table.head == (
        "model", "validation error (%)", "test error (%)", "kFLOPs", "latency (ms)", "certain?", "genes"
    )  # fmt: skip
    assert [str(row[0]) for row in table.rows] == list(study.front()["id"])
    first = study.front().iloc[0]
    assert table.rows[0][1].note == f"{100 * first['error_low']:.2f} to {100 * first['error_high']:.2f}"
    assert {row[5].text for row in table.rows} <= {"certain", "tied"}
    assert "learning_rate" in table.rows[0][6].note


def test_a_front_too_long_for_the_page_is_shown_evenly(study, monkeypatch):
    monkeypatch.setattr(front_table, "MOST_ROWS", 6)
    shown = front_table.members(study)
    front = study.front()
    assert 4 <= len(shown) <= 6 < len(front)
    assert {shown["id"].iloc[0], shown["id"].iloc[-1]} == {front["id"].iloc[0], front["id"].iloc[-1]}
    assert study.choose().id in set(shown["id"])
    notes = limits.section(study, study.unseal(purpose="report")).tables[0].notes
    assert f"{len(shown)} of {len(front)} models, evenly along the front; all are in front.csv." in notes[0]


def test_the_command_line_reads_each_stop_as_the_very_limit_the_page_uses(study, gathered):
    assert [s.label for s in gathered.sliders] == ["validation error", "FLOPs", "latency"]
    for slider in gathered.sliders:
        name = study.objectives[slider.column].name
        assert len(slider.stops) > 30
        for stop in slider.stops:
            assert parse_limits(read_limits([stop.argument]), study.objectives) == {name: stop.value}
    values = [[s.value for s in slider.stops] for slider in gathered.sliders]
    assert all((np.diff(v) > 0).all() for v in values)
    flops = values[1]
    assert np.diff(np.log(flops)).std() < 0.02, "a wide range should be spaced in logarithm"


def test_the_last_stop_is_still_a_limit_and_the_first_is_none_that_all_pass(study, gathered):
    front = study.front()
    for slider in gathered.sliders:
        name = study.objectives[slider.column].name
        low, high = slider.stops[0].value, slider.stops[-1].value
        assert front[f"{name}_low"].min() <= low
        assert high < front[f"{name}_high"].max()


def test_stops_are_written_as_people_write_them(gathered):
    assert gathered.sliders[0].stops[0].text.endswith(" %")
    assert gathered.sliders[2].stops[0].argument == "latency_eager=0.05ms"
    assert gathered.sliders[2].stops[0].text == "0.05 ms"
    assert all(s.text.endswith(" kFLOPs") for s in gathered.sliders[1].stops)


def test_a_unit_that_limits_do_not_know_is_left_out_of_the_command(study):
    shown = front_table.Shown.of(study, "latency_eager")
    odd = front_table.Shown(shown.shown, type(shown.digits)("J per 10 calls", 1.0, 2))
    found = sliders.stops("energy", "J per 10 calls", odd, np.array([[1.0, 2.0]]))
    assert found[0].text == "1 J per 10 calls"
    assert found[0].argument == "energy=1.0"


def test_names_are_quoted_for_a_shell():
    assert sliders.command("a b", ["'x y=1ms'"]) == "nas-moo choose 'a b' --max 'x y=1ms'"


def test_a_typical_limit_is_not_rounded_below_the_models_at_the_quartile(study):
    flops = study.trials["flops"].astype(float).where(study.trials["state"] != "complete", 15_647_360.0)
    equal = replace(study, trials=study.trials.assign(flops=flops, flops_low=flops, flops_high=flops))
    of_flops = [one for one in limits.typical(equal) if one.cost == "flops"]
    assert [one.limit for one in of_flops] == pytest.approx([15_700_000] * 3)
    assert all(one.model["error"] == equal.complete["error"].min() for one in of_flops)


@pytest.mark.parametrize(
    ("value", "told"), [(15_647_360, "15700000"), (592, "592"), (0.19, "0.19"), (0.1901, "0.191"), (9.999, "10")]
)
def test_a_number_is_rounded_up(value, told):
    assert sliders.number_above(value) == told


def test_typical_limits_are_answered_as_choose_answers(study):
    found = limits.typical(study)
    assert [(t.cost, t.share) for t in found] == [(c, q) for c in ("flops", "latency_eager") for q in (0.25, 0.5, 0.75)]
    for one in found[:3]:
        kept = study.complete[study.complete["flops_high"] <= one.limit]
        assert one.model["error"] == kept["error"].min()
        assert one.limit == pytest.approx(study.complete["flops"].quantile(one.share), rel=0.005)
    assert [t.model for t in found[3:]] == [None] * 3, "every latency of the fixture may be 1 ms"
    section = limits.section(study, study.unseal(purpose="report"))
    half = found[1]
    value, low, high = (100 * half.model[f"error{end}"] for end in ("", "_low", "_high"))
    assert f"the median, it is {value:.2f} % ({low:.2f} to {high:.2f}), of {half.model['id']}" in section.sentences[1]
    assert "all intervals reach beyond the limit" in section.tables[1].rows[-1][-1].note


def test_budgets_of_the_search_are_told(make):
    said = " ".join(limits.section(make(20, limits={"flops": 5e4}), _none()).sentences)
    assert "The search had a budget, flops at most 50 kFLOPs" in said
    assert "had no budget" in " ".join(limits.section(make(20), _none()).sentences)


@pytest.mark.parametrize(
    ("case", "tables", "has_sliders"),
    [
        ({"trials": 0}, 0, False),
        ({"trials": 3, "state": "failed"}, 0, False),
        ({"trials": 1}, 2, True),
        ({"trials": 9, "objectives": ("error",)}, 1, True),
        ({"trials": 9, "objectives": ("flops", "params")}, 2, False),
        ({"trials": 30, "objectives": ("flops", "error", "latency_eager", "params")}, 2, True),
    ],
)
def test_small_and_odd_studies(make, case, tables, has_sliders):
    section = limits.section(make(**case), _none())
    assert len(section.tables) == tables
    assert bool(section.sliders) == has_sliders
    assert bool(section.missing) == (tables == 0)


def _none():
    return pd.DataFrame(columns=["id", "test", "test_low", "test_high", "interval"])
