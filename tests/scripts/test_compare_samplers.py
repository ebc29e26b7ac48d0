"""The scores that the comparison of samplers is judged by."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[2] / "scripts" / "benchmarks"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


scores = loaded("compare_samplers_scores")


def run(*rows, sampler="grid", seed=0):
    table = pd.DataFrame(rows, columns=["flops", "error", "test"])
    return table.assign(sampler=sampler, seed=seed, training=range(1, len(table) + 1))


def test_the_grid_of_the_space_has_the_default_number_of_trainings():
    assert loaded("compare_samplers_space").SmallConvNet.genome.grid_size(3) == 54


def test_a_perfect_network_of_the_least_cost_fills_the_box():
    assert scores.Box((10, 1000)).share(np.array([[0.0, 10.0]])) == pytest.approx(1)


def test_share_by_hand():
    box = scores.Box((10, 1000 / scores.MARGIN))
    assert box.share(np.array([[0.1, 100.0], [0.05, 1000.0], [0.9, 10.0]])) == pytest.approx(0.25)


def test_shares_never_fall_and_a_failed_training_adds_nothing():
    table = run((100, np.nan, np.nan), (100, 0.1, 0.1), (100, 0.5, np.nan), (50, 0.05, 0.05))
    found = scores.shares(table, scores.Box((10, 1000)))
    assert found[0] == 0
    assert found[1] == found[2] < found[3]


def test_the_pick_goes_by_validation_and_then_by_size():
    table = run((100, 0.1, 0.3), (80, 0.1, 0.2), (500, 0.02, 0.4), (60, np.nan, np.nan))
    assert scores.picked(table, 100)["test"] == 0.2
    assert scores.picked(table, 70) is None
    assert scores.picked_error(table, [100, 1000]) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="within 70 FLOPs"):
        scores.picked_error(table, [70])


def test_what_is_picked_is_on_the_front_and_so_unsealed():
    rng = np.random.default_rng(0)
    table = run(*((f, e, e) for f, e in zip(rng.integers(10, 1000, 60), rng.integers(0, 9, 60) / 10, strict=True)))
    on_front = set(scores.front(table))
    assert {scores.picked(table, budget).name for budget in np.geomspace(table["flops"].min(), 1000, 30)} <= on_front


def test_paired_differences_go_seed_by_seed():
    table = pd.DataFrame(
        [("random", 0, 1.0), ("random", 1, 5.0), ("tpe", 1, 7.0), ("tpe", 0, 2.0)], columns=["sampler", "seed", "test"]
    )
    assert scores.paired(table, "tpe", "test").tolist() == [1.0, 2.0]


def test_the_interval_holds_the_mean_and_repeats():
    values = np.random.default_rng(1).normal(3, 1, 10)
    mean, low, high = scores.interval(values)
    assert low < mean < high
    assert (mean, low, high) == scores.interval(values)
    assert scores.interval(np.ones(5)) == (1.0, 1.0, 1.0)
