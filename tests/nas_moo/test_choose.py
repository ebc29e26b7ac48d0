"""Choosing: the knee, limits at the upper end of intervals, ties, and what is said when nothing fits."""

import pandas as pd
import pytest

from nas_moo.choose import ObjectiveInfo, choose, parse_limits
from nas_moo.errors import UnknownNameError, UserInputError

ERROR = ObjectiveInfo("error", "fraction", "validation error", "trained", False, "hold-out")
FLOPS = ObjectiveInfo("flops", "FLOPs", "FLOPs", "static", True, "fvcore")
LATENCY = ObjectiveInfo("latency_eager", "ms", "latency", "device", True, "clock")
OBJECTIVES = (ERROR, FLOPS, LATENCY)


def models(rows):
    """Rows of (id, error, half its interval, flops, latency, half its interval)."""
    table = pd.DataFrame(rows, columns=["id", "error", "de", "flops", "latency_eager", "dt"])
    for name, half in (("error", table.pop("de")), ("flops", 0.0), ("latency_eager", table.pop("dt"))):
        table[f"{name}_low"], table[f"{name}_high"] = table[name] - half, table[name] + half
    return table


TABLE = models(
    [
        ("large", 0.02, 0.005, 1e8, 8.0, 0.1),
        ("middle", 0.04, 0.005, 1e7, 2.0, 0.1),
        ("small", 0.30, 0.01, 1e6, 0.5, 0.01),
        ("bad", 0.31, 0.01, 2e8, 9.0, 0.1),
    ]
)


def test_without_limits_the_knee_is_chosen_and_said():
    choice = choose(TABLE, OBJECTIVES)
    assert choice.id == "middle"
    assert "knee of 2 models on the front with error ≤ 17 % (the median)" in choice.reason
    assert choice.runner_up == "large"


def test_networks_that_hardly_learn_do_not_decide_what_a_compromise_is():
    good = [
        ("a", 0.014, 0.0, 1.2e6, 0.28, 0.0),
        ("b", 0.036, 0.0, 5.2e4, 0.22, 0.0),
        ("c", 0.111, 0.0, 2.2e4, 0.18, 0.0),
    ]
    broken = [("d", 0.54, 0.0, 3.5e5, 0.09, 0.0), ("e", 0.89, 0.0, 1.3e4, 0.17, 0.0), ("f", 0.9, 0.0, 2e6, 1.0, 0.0)]
    assert choose(models(good), OBJECTIVES).id == choose(models(good + broken), OBJECTIVES).id == "b"


def test_with_a_limit_the_lowest_error_within_it_is_chosen():
    choice = choose(TABLE, OBJECTIVES, {"latency": "2.5ms"})
    assert choice.id == "middle"
    assert choice.runner_up == "small"
    assert "2 of 4 models" in choice.reason


def test_a_limit_holds_for_the_upper_end_of_the_interval():
    assert choose(TABLE, OBJECTIVES, {"latency": "2.05ms"}).id == "small"
    assert choose(TABLE, OBJECTIVES, {"latency": "2.1ms"}).id == "middle"


def test_a_limited_error_leaves_the_costs_to_choose_by():
    choice = choose(TABLE, OBJECTIVES, {"error": "5%"})
    assert choice.id == "middle"
    assert "lowest flops" in choice.reason


def test_nothing_feasible_names_the_nearest_and_by_how_much():
    choice = choose(TABLE, OBJECTIVES, {"latency": "0.4ms", "flops": "500k"})
    assert not choice.feasible
    assert choice.id == "small"
    assert choice.violations == pytest.approx({"latency_eager": 0.275, "flops": 1.0})
    assert "+27.5%" in choice.reason


def test_models_worse_only_inside_the_intervals_are_ties():
    tied = models(
        [("a", 0.040, 0.005, 1e6, 1.0, 0.1), ("b", 0.044, 0.005, 1e6, 1.05, 0.1), ("c", 0.060, 0.005, 1e6, 1.0, 0.1)]
    )
    choice = choose(tied, OBJECTIVES)
    assert choice.id == "a"
    assert choice.ties == ("b",)


def test_by_overrides_the_rule():
    assert choose(TABLE, OBJECTIVES, by="error").id == "large"
    assert choose(TABLE, OBJECTIVES, {"latency": "2.5ms"}, by="latency").id == "small"
    with pytest.raises(UnknownNameError):
        choose(TABLE, OBJECTIVES, by="beauty")


def test_latency_alone_means_the_one_latency_objective():
    assert parse_limits({"latency": "2ms"}, OBJECTIVES) == {"latency_eager": 2.0}
    with pytest.raises(UserInputError, match="two limits"):
        parse_limits({"latency": "2ms", "latency_eager": "3ms"}, OBJECTIVES)
    with pytest.raises(UnknownNameError):
        parse_limits({"latency": "2ms"}, (ERROR, FLOPS))


@pytest.mark.parametrize("limit", ["0", "-1ms", float("nan"), "inf"])
def test_a_limit_that_cannot_be_met_is_refused(limit):
    with pytest.raises(UserInputError):
        parse_limits({"latency": limit}, OBJECTIVES)


def test_an_empty_study_has_no_choice():
    with pytest.raises(UserInputError, match="no complete model"):
        choose(TABLE.iloc[:0], OBJECTIVES)


def test_one_model_is_the_choice():
    choice = choose(TABLE.iloc[:1], OBJECTIVES)
    assert (choice.id, choice.runner_up, choice.ties) == ("large", None, ())


def test_a_limit_may_name_a_percentile_of_a_latency():
    assert parse_limits({"latency_p99": "500us"}, OBJECTIVES) == {"latency_eager_p99": 0.5}
    assert parse_limits({"latency": 1.0, "latency_p95": 2.0}, OBJECTIVES) == {
        "latency_eager": 1.0,
        "latency_eager_p95": 2.0,
    }
    with pytest.raises(UserInputError, match="only latencies have percentiles"):
        parse_limits({"flops_p99": 1.0}, OBJECTIVES)
    with pytest.raises(UnknownNameError):
        parse_limits({"latency_p50": 1.0}, OBJECTIVES)
    with pytest.raises(UserInputError, match="two limits"):
        parse_limits({"latency_p99": 1.0, "latency_eager_p99": 2.0}, OBJECTIVES)


def test_a_percentile_that_is_known_of_no_model_is_told():
    table = TABLE.assign(latency_eager_p99_high=float("nan"))
    with pytest.raises(UserInputError, match=r"no model's percentile is known.* fewer than 300 of them") as raised:
        choose(table, OBJECTIVES, {"latency_p99": "9ms"})
    assert raised.value.value == "latency_eager_p99"
    assert "--precision 1%" in raised.value.do


def test_a_model_whose_percentile_is_unknown_keeps_no_limit_on_it():
    table = TABLE.assign(latency_eager_p99_high=[9.0, float("nan"), 0.6, 10.0])
    choice = choose(table, OBJECTIVES, {"latency_p99": "9ms"})
    assert (choice.id, choice.feasible) == ("large", True)
    assert "latency_eager_p99 ≤ 9 ms" in choice.reason
    least = choose(table, OBJECTIVES, {"latency_p99": "0.5ms"})
    assert (least.id, least.feasible) == ("small", False)
    assert least.violations == {"latency_eager_p99": pytest.approx(0.2)}
    for told in (choice.reason, least.reason):
        assert told.endswith("; latency_eager_p99 is not known of 1 models, which count as too slow")
    known = choose(TABLE.assign(latency_eager_p99_high=1.0), OBJECTIVES, {"latency_p99": "9ms"})
    assert "not known" not in known.reason


def test_where_no_model_has_every_percentile_the_message_says_which_is_unknown():
    nan = float("nan")
    table = TABLE.assign(latency_eager_p95_high=[9.0, nan, nan, nan], latency_eager_p99_high=[nan, 1.0, 1.0, 1.0])
    least = choose(table, OBJECTIVES, {"latency_p95": "10ms", "latency_p99": "2ms"})
    assert not least.feasible
    assert "is not known against" in least.reason
    assert "nan" not in least.reason
    assert "inf" not in least.reason
