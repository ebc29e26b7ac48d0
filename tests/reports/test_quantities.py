import math

import pytest

from reports.quantities import Quantity, column, passes_tenfold, quantity


def test_axis_has_unit_method_and_interval(study):
    assert quantity(study, "error").axis() == "validation error (%)\nhold-out, 359 images, 95 % Wilson"
    assert quantity(study, "flops").axis() == "FLOPs\nmultiply-adds, batch 1, fvcore"


def test_long_methods_are_cut_at_the_axis_only():
    shown = Quantity("t", "latency", "ms", 1.0, "word " * 40, "exact")
    assert len(shown.axis(50).splitlines()[1]) <= 50
    assert shown.source == "word " * 40


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 10], False),
        ([1, 10.5], True),
        ([0, 100], False),
        ([-1, 100], False),
        ([math.nan, 1, 20], True),
        ([], False),
    ],
)
def test_tenfold(values, expected):
    assert passes_tenfold(values) is expected


def test_columns_line_up():
    error = Quantity("error", "error", "%", 100.0, "", "exact")
    digits = column(error, [0.0123, 0.5])
    assert [digits.text(v) for v in (0.0123, 0.5)] == ["1.23", "50.00"]
    assert digits.interval(0.01, 0.02) == "1.00 to 2.00"
    assert digits.interval(0.01, 0.01) == digits.text(math.nan) == ""
    flops = Quantity("flops", "FLOPs", "FLOPs", 1.0, "", "exact")
    digits = column(flops, [12_300.0, 12_345_678.0])
    assert (digits.unit, digits.text(12_345_678.0)) == ("kFLOPs", "12,345.7")
    assert column(flops, [928.0]).text(12_345_678.0) == "12,345,678"


def test_ticks():
    flops = Quantity("flops", "FLOPs", "FLOPs", 1.0, "", "exact")
    assert [flops.tick(v) for v in (500, 1e3, 2e6, 1.5e9)] == ["500", "1k", "2M", "1.5G"]
