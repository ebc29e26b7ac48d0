"""The table answers what was recorded, and refuses what does not match its description."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_moo.errors import UserInputError
from nas_moo.genes import Categorical, Integer, Real, at_least
from nas_moo.genome import Genome
from nas_moo.pareto import hypervolume
from nas_moo.replay.columns import curve_columns
from nas_moo.replay.nearest import GeneDistance
from nas_moo.replay.table import load_table

DATA = Path(__file__).resolve().parents[3] / "scripts" / "benchmarks" / "data"
SAMPLE = ("complete = true", "complete = false")


def test_the_table_holds_what_the_file_says(table):
    assert len(table) == 6
    np.testing.assert_array_equal(table.errors[3], [0.6, 0.4, 0.2])
    np.testing.assert_array_equal(table.epochs, [1, 2, 3])
    np.testing.assert_array_equal(table.objectives[0], [0.4, 1.0])
    assert table.test[5] == 0.24
    assert table.cost_of(4) == {"latency": 3.0}
    assert dict(table.architectures[1]) == {"depth": 1, "block": "none"}
    assert dict(table.architectures[3]) == {"depth": 2, "width": 8, "block": "plain"}
    assert table.front.tolist() == [0, 2, 3]
    assert table.share(1) == pytest.approx(1 / 3)


def test_every_row_answers_for_itself(table):
    nothing = np.zeros(6, dtype=bool)
    assert [table.answer(a, nothing) for a in table.architectures] == list(range(6))
    assert table.answer(table.architectures[2], np.ones(6, dtype=bool)) == 2


def test_a_sample_answers_with_the_nearest_row_that_was_not_tried(described):
    table = load_table(described(SAMPLE, rows=[0, 2, 4, 5]))
    asked, tried = table.genome.architecture({"depth": 2, "width": 8, "block": "none"}), np.zeros(4, dtype=bool)
    answers = []
    for _ in range(4):
        answers.append(table.answer(asked, tried))
        tried[answers[-1]] = True
    # itself; another width; another width and block; another depth, no width, and another block
    assert answers == [3, 2, 1, 0]
    with pytest.raises(UserInputError, match="every row of the table has answered"):
        table.answer(asked, tried)


GENOME = Genome(
    Integer("depth", 1, 4),
    Categorical("width", (4, 8, 16), ordered=True, active=at_least("depth", 2)),
    Categorical("block", ("a", "b", "c")),
    Real("rate", 0.001, 1.0, log=True),
)
ARCHITECTURES = st.builds(
    lambda d, w, b, r: GENOME.architecture({"depth": d, "width": w, "block": b, "rate": r}),
    st.integers(1, 4),
    st.sampled_from((4, 8, 16)),
    st.sampled_from("abc"),
    st.floats(0.001, 1.0),
)


def plain_distance(a, b):
    """The definition, gene by gene."""
    depth = abs(a["depth"] - b["depth"]) / 3
    if ("width" in a) != ("width" in b):
        width = 1.0
    else:
        places = (4, 8, 16)
        width = abs(places.index(a["width"]) - places.index(b["width"])) / 2 if "width" in a else 0.0
    rate = abs(np.log10(a["rate"]) - np.log10(b["rate"])) / 3
    return depth + width + (a["block"] != b["block"]) + rate


@given(st.lists(ARCHITECTURES, min_size=1, max_size=5), ARCHITECTURES)
def test_the_distance_is_that_of_its_definition(recorded, asked):
    found = GeneDistance(GENOME, recorded)(asked)
    np.testing.assert_allclose(found, [plain_distance(a, asked) for a in recorded], atol=1e-12)


def test_rows_equally_near_are_not_told_apart_by_their_place_in_the_file(described):
    rows = [2, 3, 4]
    answers = set()
    for order in (rows, rows[::-1]):
        table = load_table(described(SAMPLE, rows=order))
        asked = table.genome.architecture({"depth": 1, "block": "plain"})
        answers.add(table.architectures[table.answer(asked, np.zeros(3, dtype=bool))].digest)
    assert len(answers) == 1


def test_where_chooses_rows(described):
    table = load_table(
        described(SAMPLE, ('table = "table.csv"', 'table = "table.csv"\nwhere = "depth == 2 and ms < 8"'))
    )
    assert len(table) == 3


@pytest.mark.parametrize("where", ["seed == 0", "depth", "depth ==", "@np.pi > 0", "depth + 'a' > 1", "depth > 9"])
def test_a_wrong_where_is_refused(described, where):
    with pytest.raises(UserInputError, match=r"where|no row of the table is left"):
        load_table(described(('table = "table.csv"', f'table = "table.csv"\nwhere = "{where}"')))


@pytest.mark.parametrize(
    ("named", "found"),
    [
        (["e_1", "e_3"], ["e_1", "e_2", "e_3"]),
        (["e_2", "e_3"], ["e_2", "e_3"]),
        (["e_1"], ["e_1"]),
        (["e_3", "e_1", "e_2"], ["e_3", "e_1", "e_2"]),
        (["err_12ep", "err_200ep"], ["err_12ep", "err_200ep"]),
        (["e_3", "x_9"], ["e_3", "x_9"]),
        (["a01_e", "a03_e"], ["a01_e", "a02_e", "a03_e"]),
    ],
)
def test_a_numbered_run_is_filled_in(named, found):
    existing = ["e_1", "e_2", "e_3", "err_12ep", "err_200ep", "x_9", "a01_e", "a02_e", "a03_e"]
    assert list(curve_columns(named, existing)) == found


@pytest.mark.parametrize(("named", "message"), [(["e_1", "e_5"], "has a gap"), (["e_5", "e_1"], "falls")])
def test_a_run_with_a_gap_is_refused(named, message):
    with pytest.raises(UserInputError, match=message):
        curve_columns(named, ["e_1", "e_2", "e_5"])


def test_epochs_are_those_of_the_description(described):
    table = load_table(
        described(('curve = ["err_1", "err_3"]', 'curve = ["err_1", "err_2", "err_3"]\nepochs = [12, 20, 212]'))
    )
    assert table.share(1) == 12 / 212


def test_the_default_box_goes_from_the_lowest_error_to_the_median(described):
    assert load_table(described(("box = [0.1, 0.5]", ""))).box == (0.2, 0.35)


@pytest.mark.parametrize(
    ("replacement", "columns", "message"),
    [
        (('test = "test"', 'test = "tset"'), {}, "unknown column for the test error.*Did you mean 'test'"),
        (('column = "ms"', 'column = "us"'), {}, "unknown column for cost 'latency'"),
        (('name = "block"', 'name = "kind"'), {}, "unknown column for gene 'kind'"),
        (('"err_3"]', '"err_4"]'), {}, "has a gap: 'err_4'"),
        (("box =", "epochs = [1, 2]\nbox ="), {}, "the curve has 3 points and epochs 2"),
        (None, {"err_2": [0.1, 0.2, 40.0, 0.1, 0.1, 0.1]}, "is no error between 0 and 1: 40.0"),
        (None, {"test": [0.1, 0.2, -0.4, 0.1, 0.1, 0.1]}, "is no error between 0 and 1: -0.4"),
        (None, {"err_3": [0.1, 0.2, None, 0.1, None, 0.1]}, "lacks 2 of 6 values: 'err_3'"),
        (None, {"ms": [1, 2, None, 3, 4, 5]}, "lacks 1 of 6 values: 'ms'"),
        (None, {"ms": list("abcdef")}, "holds no numbers: 'ms'"),
        (None, {"ms": [1, 2, 3, 4, 5, float("inf")]}, "holds an infinite number|holds no numbers"),
        (None, {"ms": [0, 1, 2, 3, 4, 5]}, "has no logarithm"),
        (None, {"ms": [2] * 6}, "is the same everywhere"),
        (None, {"depth": [1, 1, 2, 2, 2, 3]}, "row 5 of the table is no architecture.*cannot have this value"),
        (None, {"width": [None, None, 4, None, 4, 8]}, "row 3 .*an active gene has no value: 'width'"),
        (None, {"width": [None, None, 4, 8, 4, 5]}, "row 5 .*gene 'width' cannot have this value"),
        (None, {"block": ["plain", "none", "plain", "plain", "plain", "none"]}, "rows 2 and 4 are the same"),
        (("box = [0.1, 0.5]", "box = [0.1, 0.15]"), {}, "no final error is inside the box"),
        (("choices = [4, 8]", "choices = [4, 8, 16]"), {}, "called complete and has 6 architectures"),
        (('table = "table.csv"', 'table = "other.csv"'), {}, "does not exist"),
        (('table = "table.csv"', 'table = "tiny.toml"'), {}, "of no known kind"),
        (("[costs]", '[seconds]\ntraining = "err_0"\n[costs]'), {"err_0": [0.0] * 6}, "a training took no time"),
        (("box = [0.1, 0.5]", ""), {"err_3": [0.2] * 6}, "half of the errors are the lowest"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_match_is_refused(described, replacement, columns, message):
    with pytest.raises(UserInputError, match=message) as refused:
        load_table(described(*([replacement] if replacement else []), **columns))
    assert refused.value.exit_code == 2


def test_a_continuous_space_is_never_complete(described):
    path = described(('kind = "integer"', 'kind = "real"'), ('active = { gene = "depth", at_least = 2 }', ""),
                     width=[4, 8, 4, 8, 4, 8], depth=[1, 1.2, 1.3, 2, 1.4, 2])  # fmt: skip
    with pytest.raises(UserInputError, match=r"called complete.*'continuous'"):
        load_table(path)


def test_a_damaged_table_is_refused(described, tmp_path):
    (tmp_path / "table.parquet").write_bytes(b"no parquet")
    with pytest.raises(UserInputError, match="cannot be read"):
        load_table(described(("table.csv", "table.parquet")))


def test_parquet_with_short_floats_is_the_same_table(described, tmp_path):
    path = described(("choices = [4, 8]", "choices = [0.1, 0.8]"), ("table.csv", "table.parquet"))
    frame = pd.read_csv(tmp_path / "table.csv")
    frame["width"] = (frame["width"] / 10).replace(0.4, 0.1).astype("float32")
    frame.to_parquet(tmp_path / "table.parquet")
    assert load_table(path).architectures[2]["width"] == 0.1


@pytest.mark.parametrize("name", [p.stem for p in sorted(DATA.glob("*.toml")) if not p.stem.startswith("nb201")])
def test_the_shipped_descriptions_match_their_tables(name):
    table = load_table(DATA / f"{name}.toml")
    assert table.complete
    assert table.genome.size() == len(table)


def test_nas_bench_201_has_the_known_hypervolumes():
    """Own figures for CIFAR-10, RTX 2080 Ti at batch 256: errors up to 20 points above the best, costs linear."""
    table = load_table(DATA / "nb201_cifar10_2080ti_256.toml")
    error = pd.read_parquet(DATA / "nb201_cifar10.parquet")["err_200ep"].to_numpy(dtype=float)
    values = np.column_stack([error, table.costs[:, 0] / 1e6, table.costs[:, 1]])
    low, high = np.array([0.083933, 7.783, 5.9554]), np.array([0.283933, 220.1197, 44.3109])
    unit = (values - low) / (high - low)
    for chosen, known in (((0, 1), 0.9592), ((0, 2), 0.9288), ((0, 1, 2), 0.9006)):
        assert hypervolume(unit[:, chosen], np.ones(len(chosen))) == pytest.approx(known, abs=5e-5)
    assert table.share(1) == 12 / 212
