"""Measurements are valid at birth; limits are read with their units."""

import math

import pytest

from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.measurement import Measurement, counted, format_quantity, parse_quantity, split_tail, surely_at_least


def test_a_measurement_survives_being_stored():
    m = Measurement(0.1, "fraction", 0.05, 0.2, "95 % Wilson", 360, "hold-out", {"folds": [0.1]})
    assert Measurement.from_dict(m.to_dict()) == m


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_measurement_is_infinite_or_nan(value):
    with pytest.raises(UserInputError, match="not a finite number"):
        Measurement.exact(value, "ms", "x")


def test_no_measurement_lies_outside_its_interval():
    with pytest.raises(UserInputError, match="outside its own interval"):
        Measurement(3.0, "ms", 1.0, 2.0, "95 %", 5, "x")


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("2ms", "ms", 2.0),
        ("500us", "ms", 0.5),
        ("500 µs", "ms", 0.5),
        ("0.002s", "ms", 2.0),
        ("1.5", "ms", 1.5),
        (1.5, "ms", 1.5),
        ("50M", "FLOPs", 50e6),
        ("1.2GFLOPs", "FLOPs", 1.2e9),
        ("3e4", "parameters", 3e4),
        ("10k", "parameters", 10e3),
        ("5%", "fraction", 0.05),
        ("0.05", "fraction", 0.05),
        ("0.7", "nats", 0.7),
    ],
)
def test_quantities_are_read_in_the_objectives_unit(text, unit, expected):
    assert parse_quantity(text, unit) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "unit"),
    [("2MB", "ms"), ("5%", "ms"), ("2ms", "FLOPs"), ("2ms", "fraction"), ("2m", "FLOPs"), ("3x", "nats")],
)
def test_a_unit_of_something_else_is_refused(text, unit):
    with pytest.raises(UnknownNameError, match="unknown unit"):
        parse_quantity(text, unit)


@pytest.mark.parametrize("text", ["", "ms", "two", "1,5ms", "2ms!"])
def test_what_is_no_quantity_is_refused(text):
    with pytest.raises(UserInputError):
        parse_quantity(text, "ms")


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.0312, "fraction", "3.12 %"),
        (1.81e6, "FLOPs", "1.81 MFLOPs"),
        (900, "FLOPs", "900 FLOPs"),
        (0.012, "ms", "12 µs"),
        (12.3, "ms", "12.3 ms"),
        (2.5e4, "parameters", "25 k parameters"),
        (0.5, "nats", "0.5 nats"),
    ],
)
def test_quantities_are_written_for_people(value, unit, expected):
    assert format_quantity(value, unit) == expected


def test_what_a_value_is_surely_at_least_is_its_lower_end_or_the_percentile_that_is_asked_for():
    timed = Measurement(2.0, "ms", 1.5, 2.5, "95 %", 8, "m", {"p95": None, "p99": 4.0})
    told = {"latency_eager": timed, "odd_p99": timed}
    assert surely_at_least(told, "latency_eager") == 1.5
    assert surely_at_least(told, "latency_eager_p99") == 4.0
    assert surely_at_least(told, "latency_eager_p95") is None
    assert surely_at_least(told, "odd_p99") == 1.5
    assert surely_at_least(told, "flops") is None
    assert split_tail("latency_p99") == ("latency", "p99")
    assert split_tail("p99") == ("p99", "")


def test_a_count_has_its_noun_in_the_singular_where_it_is_one():
    assert [counted(n, "epoch") for n in (0, 1, 2, 1.0, 1000, 2.5)] == [
        "0 epochs", "1 epoch", "2 epochs", "1 epoch", "1,000 epochs", "2.5 epochs",
    ]  # fmt: skip
    assert counted(2, "latency", "latencies") == "2 latencies"
