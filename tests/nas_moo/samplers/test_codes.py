"""Genomes as numbers: there and back, conditions, distances, breeding inside the space."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_moo.genes import Categorical, Integer, Real, at_least, one_of
from nas_moo.genome import Genome
from nas_moo.samplers.codes import Codes, mutated

GENOME = Genome(
    Integer("depth", 1, 3),
    Integer("units", 8, 512, log=True),
    Integer("stride", 2, 8, step=2),
    Categorical("kernel", (3, 5, 7), ordered=True, active=at_least("depth", 2)),
    Categorical("block", ("plain", "res")),
    Categorical("shortcut", ("pool", "conv", None), active=one_of("block", "res")),
    Real("scale", 0.5, 2.0, active=one_of("shortcut", "conv", None)),
    Real("rate", 1e-4, 1.0, log=True, affects="training"),
    Categorical("alone", ("only",)),
)
CODES = Codes(GENOME)


def drawn(count, seed=0):
    return CODES.uniform(count, np.random.default_rng(seed))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_rows_and_values_say_the_same(seed):
    for row in drawn(20, seed):
        values = CODES.decode(row)
        GENOME.architecture(values)  # raises where one is outside its range
        assert CODES.encode(values) == pytest.approx(row)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_points_hide_what_is_inactive(seed):
    rows = drawn(20, seed)
    for row, point in zip(rows, CODES.points(rows), strict=True):
        architecture = GENOME.architecture(CODES.decode(row))
        assert [n for n, p in zip(GENOME.names, point, strict=True) if not np.isnan(p)] == list(architecture)


def test_a_gene_without_a_value_takes_its_first():
    row = CODES.encode({"depth": 1, "units": 8, "stride": 2, "block": "res", "rate": 1e-4})
    assert CODES.decode(row)["kernel"] == 3


def test_distances_are_those_of_gower():
    genome = Genome(
        Integer("depth", 1, 3),
        Categorical("block", ("a", "b", "c")),
        Integer("width", 1, 100, log=True, active=at_least("depth", 2)),
    )
    codes = Codes(genome)
    rows = np.array(
        [
            codes.encode({"depth": 1, "block": "a", "width": 50}),
            codes.encode({"depth": 3, "block": "c", "width": 10}),
            codes.encode({"depth": 2, "block": "a", "width": 100}),
        ]
    )
    points = codes.points(rows)
    apart = [a.spread(a.apart) for a in codes.axes(points, points)]
    assert apart[0][0] == pytest.approx([0, 1, 0.5])
    assert apart[1][0] == pytest.approx([0, 1, 0])
    assert apart[2][0] == pytest.approx([0, 1, 1])  # inactive in the first alone
    assert apart[2][1] == pytest.approx([1, 0, 0.5])


def test_distances_of_few_values_are_those_of_the_values_themselves():
    points = CODES.points(drawn(60))
    for column, found in enumerate(CODES.axes(points[:40], points[40:])):
        a, b = points[:40, column], points[40:, column]
        nominal = isinstance(gene := GENOME.genes[column], Categorical) and not gene.ordered
        apart = (a[:, None] != b) * 1.0 if nominal else np.abs(a[:, None] - b)
        hidden = np.isnan(a)[:, None], np.isnan(b)[None]
        expected = np.where(hidden[0] | hidden[1], hidden[0] != hidden[1], apart)
        assert found.spread(found.apart) == pytest.approx(expected)


def test_children_have_the_genes_of_their_parents_but_for_mutations():
    rng = np.random.default_rng(0)
    mothers, fathers = drawn(400, 1), drawn(400, 2)
    children = CODES.bred(mothers, fathers, rng)
    for child in children:
        GENOME.architecture(CODES.decode(child))
    inherited = (children == mothers) | (children == fathers)
    assert 0.8 < inherited.mean() < 0.95  # one gene of nine mutates; some change to what a parent has


@pytest.mark.parametrize("gene", GENOME.genes, ids=lambda g: g.name)
def test_a_mutation_stays_in_the_range_and_changes_something(gene):
    rng = np.random.default_rng(0)
    column = list(GENOME.names).index(gene.name)
    rows = drawn(200)
    after = mutated(gene, rows[:, column], rng)
    changed = after != rows[:, column]
    rows[:, column] = after
    seen = {str(CODES.decode(row)[gene.name]) for row in rows}
    for row in rows:
        gene.check(CODES.decode(row)[gene.name])
    if gene.count > 1:
        assert changed.mean() > 0.4
        assert len(seen) >= 2
    else:
        assert not changed.any()


def test_an_unordered_choice_mutates_to_each_of_the_others():
    gene = Categorical("op", tuple("abcde"))
    after = mutated(gene, np.full(1000, 2.0), np.random.default_rng(0))
    assert np.bincount(after.astype(int), minlength=5).tolist()[2] == 0
    assert (np.bincount(after.astype(int), minlength=5)[[0, 1, 3, 4]] > 200).all()
