import itertools
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_moo.errors import InactiveGeneError, UnknownNameError, UserInputError
from nas_moo.genes import Categorical, Integer, Real, at_least, one_of
from nas_moo.genome import Architecture, Genome

exactly = settings(max_examples=80, deadline=None, derandomize=True)


@st.composite
def genomes(draw, *, real=False):
    """Up to five genes, each perhaps active under one before it."""
    genes = []
    for i in range(draw(st.integers(1, 5))):
        before = [g for g in genes if not isinstance(g, Real)]
        active = draw(st.none() | st.sampled_from(before).flatmap(conditions)) if before else None
        more = {"active": active, "affects": draw(st.sampled_from(["network", "training"]))}
        kind = draw(st.sampled_from(["integer", "ordered", "choices", *(["real"] if real else [])]))
        if kind == "integer":
            genes.append(Integer(f"g{i}", 1, 1 + 2 * draw(st.integers(0, 2)), step=2, **more))
        elif kind == "real":
            genes.append(Real(f"g{i}", 0.1, 10.0, log=draw(st.booleans()), **more))
        else:
            choices = tuple("abc"[: draw(st.integers(1, 3))])
            genes.append(Categorical(f"g{i}", choices, ordered=kind == "ordered", **more))
    return Genome(*genes)


def conditions(gene):
    values = st.sampled_from(gene.values())
    some = st.lists(values, min_size=1, max_size=2, unique=True).map(lambda v: one_of(gene.name, *v))
    ordered = isinstance(gene, Integer) or gene.ordered
    return some | values.map(lambda v: at_least(gene.name, v)) if ordered else some


def everything(genome, steps=None):
    for values in itertools.product(*(gene.values(steps) for gene in genome.genes)):
        yield dict(zip(genome.names, values, strict=True))


@given(genomes())
@exactly
def test_size_and_grid_agree_with_brute_force(genome):
    distinct = {genome.architecture(values).digest for values in everything(genome)}
    walked = [a.digest for a in genome.grid()]
    assert genome.size() == genome.grid_size() == len(distinct) == len(walked)
    assert set(walked) == distinct


@given(genomes(real=True), st.integers(2, 3))
@exactly
def test_grid_of_a_continuous_genome(genome, steps):
    distinct = {genome.architecture(values).digest for values in everything(genome, steps)}
    walked = [a.digest for a in genome.grid(steps)]
    assert len(walked) == len(set(walked)) == genome.grid_size(steps)
    assert set(walked) == distinct
    active_reals = {n for a in genome.grid(steps) for n in a if isinstance(genome[n], Real)}
    assert (genome.size() == "continuous") == bool(active_reals)


@given(genomes(), st.data())
@exactly
def test_inactive_genes_reach_no_digest(genome, data):
    values = {g.name: data.draw(st.sampled_from(g.values())) for g in genome.genes}
    architecture = genome.architecture(values)
    changed = {
        g.name: values[g.name] if g.name in architecture else data.draw(st.sampled_from(g.values()))
        for g in genome.genes
    }
    only_active = dict(architecture)
    assert genome.architecture(changed) == genome.architecture(only_active) == architecture
    assert genome.architecture(changed).network_digest == architecture.network_digest


@given(genomes(), st.data())
@exactly
def test_network_digest_follows_network_genes_only(genome, data):
    one, two = (
        genome.architecture({g.name: data.draw(st.sampled_from(g.values())) for g in genome.genes}) for _ in range(2)
    )

    def network(architecture):
        return {k: v for k, v in architecture.items() if genome[k].affects == "network"}

    assert (one.network_digest == two.network_digest) == (network(one) == network(two))
    assert (one.digest == two.digest) == (dict(one) == dict(two))
    assert one.training_genes == {k for k in one if genome[k].affects == "training"}


def test_digest_does_not_depend_on_the_order_of_genes():
    assert Architecture({"a": 1, "b": 2}).digest == Architecture({"b": 2, "a": 1}).digest
    assert len({Architecture({"a": 1}), Architecture({"a": 1}), Architecture({"a": 2})}) == 2


def test_activity_is_inherited():
    genome = Genome(
        Integer("a", 0, 1), Integer("b", 0, 1, active=at_least("a", 1)), Integer("c", 0, 1, active=at_least("b", 0))
    )
    assert list(genome.architecture({"a": 0, "b": 1, "c": 1})) == ["a"]
    assert genome.size() == 1 + 4


def test_reading_an_inactive_gene_raises_and_names_those_there():
    genome = Genome(Integer("depth", 1, 2), Integer("width", 1, 9, active=at_least("depth", 2)))
    architecture = genome.architecture({"depth": 1})
    with pytest.raises(InactiveGeneError, match="Active here: depth"):
        architecture["width"]
    assert "width" not in architecture
    assert architecture.get("width", 5) == 5
    assert repr(architecture) == "Architecture(depth=1)"


def test_architecture_checks_what_it_is_given():
    genome = Genome(Integer("depth", 1, 5, step=2), Categorical("on", (False, True)), Real("x", 0, 1))
    good = {"depth": 3, "on": True, "x": 1}
    assert isinstance(genome.architecture(good)["x"], float)
    wrong = ({"depth": 2}, {"depth": 7}, {"depth": True}, {"depth": 3.0}, {"on": 1}, {"x": math.nan}, {"x": 2})
    for change in wrong:
        with pytest.raises(UserInputError, match="cannot have this value"):
            genome.architecture(good | change)
    with pytest.raises(UserInputError, match="no value"):
        genome.architecture({"depth": 3})
    with pytest.raises(UnknownNameError, match="Did you mean 'depth'"):
        genome.architecture(good | {"dept": 1})


@pytest.mark.parametrize(
    "make",
    [
        lambda: Integer("a", 2, 1),
        lambda: Integer("a", 0, 5, step=2),
        lambda: Integer("a", 0, 5, step=0),
        lambda: Integer("a", 0.5, 1),
        lambda: Integer("a", 0, 8, log=True),
        lambda: Integer("no name", 0, 1),
        lambda: Real("a", 1, 1),
        lambda: Real("a", 0, math.inf),
        lambda: Real("a", 0, 1, log=True),
        lambda: Categorical("a", ()),
        lambda: Categorical("a", (1, "1")),
        lambda: Categorical("", (1, 2)),
        lambda: Genome(Integer("a", 0, 1), Integer("a", 0, 1)),
        lambda: Genome(Integer("a", 0, 1, active=at_least("b", 1)), Integer("b", 0, 1)),
        lambda: Genome(Real("b", 0, 1), Integer("a", 0, 1, active=at_least("b", 1))),
        lambda: Genome(Categorical("b", "xy"), Integer("a", 0, 1, active=at_least("b", "x"))),
        lambda: Genome(Categorical("b", "xy", ordered=True), Integer("a", 0, 1, active=at_least("b", "z"))),
        lambda: Genome(Categorical("b", "xy"), Integer("a", 0, 1, active=one_of("b", "z"))),
        lambda: Genome(Integer("b", 0, 1), Integer("a", 0, 1, active=at_least("b", "1"))),
    ],
)
def test_faulty_genes_are_refused_at_birth(make):
    with pytest.raises(UserInputError):
        make()


def test_values_of_a_real_gene():
    assert Real("a", 0.01, 1, log=True).values(3) == pytest.approx((0.01, 0.1, 1))
    assert Real("a", 0, 1).values(5) == (0, 0.25, 0.5, 0.75, 1)
    with pytest.raises(UserInputError, match="Say how many steps"):
        Real("a", 0, 1).values()


def test_a_million_of_millions_is_counted_at_once():
    wide = [Integer(f"w{i}", 1, 1000, active=at_least("depth", i)) for i in range(1, 9)]
    assert Genome(Integer("depth", 0, 8), *wide).size() == sum(1000**d for d in range(9))


def test_describe_is_plain_json():
    genome = Genome(
        Integer("a", 1, 8, log=True),
        Categorical("b", (1, None), active=at_least("a", 2), affects="training"),
        Real("c", 0, 1, active=one_of("b", None)),
    )
    described = json.loads(json.dumps(genome.describe()))
    assert described[1] == {
        "name": "b",
        "kind": "categorical",
        "affects": "training",
        "choices": [1, None],
        "ordered": False,
        "active": {"gene": "a", "at_least": 2},
    }
    assert described[2]["active"] == {"gene": "b", "one_of": [None]}
