"""A description is taken at its word, or refused with one clear message."""

import pytest

from nas_moo.errors import UserInputError
from nas_moo.genes import Categorical, Integer, Real, one_of
from nas_moo.replay.description import read_description

WIDTH = 'active = { gene = "depth", at_least = 2 }'


def test_a_description_is_read_whole(described):
    read = read_description(described(("[costs]\n", '[costs]\nflops = { column = "ms" }\n')))
    assert read.table.name == "table.csv"
    assert read.complete
    assert read.where is None
    assert (read.curve, read.epochs, read.test, read.box) == (("err_1", "err_3"), None, "test", (0.1, 0.5))
    assert [(c.name, c.column, c.log, c.unit) for c in read.costs] == [
        ("flops", "ms", False, ""),
        ("latency", "ms", True, "ms"),
    ]
    assert read.genome.names == ("depth", "width", "block")
    assert read.genome.size() == 6
    assert read.genome["width"].ordered


def test_other_genes_and_seconds(described):
    real = '[[genes]]\nname = "rate"\nkind = "real"\nlow = 1e-3\nhigh = 1\nlog = true\n[[genes]]\nname = "block"'
    read = read_description(
        described(
            ('[[genes]]\nname = "block"', real),
            (WIDTH, 'active = { gene = "depth", one_of = [2] }'),
            ("[costs]", '[seconds]\ntraining = "s"\ntiming = 2\n[costs]'),
        )
    )
    assert read.genome["rate"] == Real("rate", 0.001, 1.0, log=True)
    assert read.genome["depth"] == Integer("depth", 1, 2)
    assert read.genome["width"] == Categorical("width", (4, 8), ordered=True, active=one_of("depth", 2))
    assert (read.training_seconds, read.timing_seconds) == ("s", 2.0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("complete = true", "complete = 1", "complete of the description is not true or false"),
        ("complete = true", 'complet = "true"', r"unknown key in the description.*Did you mean 'complete'"),
        ('table = "table.csv"', "", "the description lacks a key: 'table'"),
        ('test = "test"', 'tset = "test"', r"unknown key in \[error\]"),
        ('test = "test"', 'test = "err_3"', "the search would see the test error"),
        ('curve = ["err_1", "err_3"]', "", r"\[error\] lacks a key: 'curve'"),
        ('curve = ["err_1", "err_3"]', 'curve = "err_1"', "not a list"),
        ('curve = ["err_1", "err_3"]', "curve = []", "not a list of texts"),
        ('curve = ["err_1", "err_3"]', 'curve = ["err_1", "err_1"]', "a column twice"),
        ("box = [0.1, 0.5]", "box = [0.5, 0.1]", "the box of errors is no range"),
        ("box = [0.1, 0.5]", "box = [0, 50]", "the box of errors is no range"),
        ("box = [0.1, 0.5]", "epochs = [3, 3]", "epochs do not rise"),
        ("box = [0.1, 0.5]", "epochs = [0, 3]", "epochs do not rise"),
        ("box = [0.1, 0.5]", "epochs = [1, inf]", "epochs do not rise"),
        ('latency = { column = "ms", log = true, unit = "ms" }', "", "there is none"),
        ("latency = {", "error = {", "cannot be told from the error"),
        ('unit = "ms"', 'units = "ms"', r"unknown key in \[latency\].*Did you mean 'unit'"),
        ('"ms", log = true', '"ms", log = "yes"', r"log of \[latency\] is not true or false"),
        ('kind = "integer"', 'kind = "int"', "unknown kind of gene 'depth'"),
        ("low = 1\n", "", "gene 'depth' lacks a key: 'low'"),
        ("low = 1\n", "low = 1.5\n", "low of gene 'depth' is not whole number"),
        ("low = 1\n", "low = 3\n", "empty or uneven range"),
        ("high = 2", "high = 2\nchoices = [1]", "unknown key in gene 'depth'"),
        ('name = "width"', 'name = "depth"', "gene twice: 'depth'"),
        ("choices = [4, 8]", "choices = [4, 4]", "no choices, or one twice"),
        (WIDTH, 'active = { gene = "height", at_least = 2 }', "active under a gene that does not stand before"),
        (WIDTH, 'active = { gene = "depth" }', "under no condition, or under two"),
        (WIDTH, 'active = { gene = "depth", at_most = 2 }', "unknown key in active of gene 'width'"),
        ("[costs]", '[seconds]\ntime = "s"\n[costs]', r"unknown key in \[seconds\]"),
        ("[costs]", "[seconds]\ntiming = -1\n[costs]", "timing takes no such time"),
        ("[error]", "[error", "is no TOML"),
    ],
)
def test_a_wrong_description_is_refused(described, old, new, message):
    with pytest.raises(UserInputError, match=message):
        read_description(described((old, new)))


def test_a_description_that_is_not_there_is_refused(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(UserInputError, match="no such description"):
            read_description(path)
