"""Pareto arithmetic against definitions written out, and against known pictures."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nas_moo import pareto

GRIDDED = st.integers(0, 5).map(float)  # a coarse grid, so that equal values and equal points occur


def clouds(columns: int):
    return st.integers(1, 25).flatmap(lambda n: hnp.arrays(np.float64, (n, columns), elements=GRIDDED))


def dominates(a, b) -> bool:
    return bool((a <= b).all() and (a < b).any())


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4).flatmap(clouds))
def test_the_front_is_what_nothing_dominates(values):
    expected = [not any(dominates(other, point) for other in values) for point in values]
    assert pareto.nondominated(values).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4).flatmap(clouds))
def test_ranks_peel_fronts(values):
    ranks, rest, level = pareto.ranks(values), np.arange(len(values)), 0
    while len(rest):
        front = pareto.nondominated(values[rest])
        assert set(np.flatnonzero(ranks == level)) == set(rest[front])
        rest, level = rest[~front], level + 1


@settings(max_examples=40, deadline=None)
@given(clouds(2))
def test_hypervolume_counts_the_cells_under_the_reference(values):
    reference = np.array([6.0, 6.0])
    cells = itertools.product(range(6), range(6))
    covered = sum(any((point <= np.array(cell)).all() for point in values) for cell in cells)
    assert pareto.hypervolume(values, reference) == pytest.approx(covered)


def test_points_beyond_the_reference_count_nothing():
    assert pareto.hypervolume(np.array([[1.0, 9.0]]), np.array([2.0, 2.0])) == 0.0
    assert pareto.hypervolume(np.zeros((0, 2)), np.array([2.0, 2.0])) == 0.0
    assert pareto.hypervolume(np.array([[0.5], [1.5]]), np.array([2.0])) == 1.5


def test_permuting_objectives_permutes_the_front():
    values = np.random.default_rng(0).random((50, 3))
    assert pareto.nondominated(values).tolist() == pareto.nondominated(values[:, [2, 0, 1]]).tolist()


def test_crowding_of_deb_2002():
    distance = pareto.crowding(np.array([[0.0, 4.0], [1.0, 2.0], [2.0, 1.0], [4.0, 0.0]]))
    assert math.isinf(distance[0])
    assert math.isinf(distance[3])
    assert distance[1] == pytest.approx(2 / 4 + 3 / 4)
    assert distance[2] == pytest.approx(3 / 4 + 2 / 4)


def test_crowding_ignores_an_objective_without_spread():
    assert pareto.crowding(np.array([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]]))[1] == pytest.approx(1.0)


def test_the_knee_is_nearest_to_the_ideal_point():
    front = np.array([[0.0, 10.0], [1.0, 2.0], [5.0, 1.0], [10.0, 0.0]])
    assert pareto.knee_score(front).argmax() == 1


def test_the_knee_does_not_depend_on_units():
    front = np.array([[0.0, 10.0], [1.0, 2.0], [5.0, 1.0], [10.0, 0.0]])
    assert np.allclose(pareto.knee_score(front), pareto.knee_score(front * [1e-3, 1e6]))


def test_the_staircase_keeps_what_is_better_than_all_cheaper():
    x, y = pareto.staircase(np.array([3.0, 1.0, 2.0, 2.0]), np.array([1.0, 5.0, 7.0, 2.0]))
    assert x.tolist() == [1.0, 2.0, 3.0]
    assert y.tolist() == [5.0, 2.0, 1.0]


def test_costs_are_scaled_to_their_logarithm():
    scaled = pareto.scaled(np.array([[0.5, math.e]]), [False, True])
    assert scaled.tolist() == [[0.5, 1.0]]


def test_two_correlated_costs_do_not_make_the_smallest_model_the_knee():
    front = np.array([[0.02, 3.0, 3.0], [0.04, 2.0, 2.0], [0.30, 1.0, 1.0]])
    assert pareto.knee_score(front).argmax() == 1


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_growth_is_the_hypervolume_of_every_beginning(objectives):
    rng = np.random.default_rng(objectives)
    values = rng.integers(0, 12, (400, objectives)).astype(float) + 12.0 * (np.arange(400) < 200)[:, None]
    reference = np.full(objectives, 20.0)  # some lie beyond it
    volumes, sizes = pareto.growth(values, reference)
    for k in (1, 2, 7, 100, 255, 256, 257, 400):
        assert volumes[k - 1] == pytest.approx(pareto.hypervolume(values[:k], reference))
        assert sizes[k - 1] == pareto.nondominated(values[:k]).sum() if objectives > 1 else True
    assert (np.diff(volumes) >= 0).all()


def test_growth_of_nothing():
    assert [len(a) for a in pareto.growth(np.zeros((0, 2)), np.ones(2))] == [0, 0]
