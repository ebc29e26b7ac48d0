"""Bad input ends in one message of three parts and the documented exit code, and nothing is written."""

import json
import sqlite3

import numpy as np
import optuna
import pytest

STUDY = "Tiny-blobs"
SPACES = """
from space import Tiny, nn, torch
from nas_moo import Categorical, Genome


class NoGenome(Tiny):
    genome = [1]


class NoBuild(Tiny):
    build = None


class NoInit(Tiny):
    def __init__(self):
        raise RuntimeError("not yet")


class Property(Tiny):
    @property
    def genome(self):
        raise ValueError("not yet")


class BatchSize(Tiny):
    genome = Genome(Categorical("batch_size", ("many", "few"), affects="training"))


class Schedule(Tiny):
    genome = Genome(Categorical("schedule", ("cosine", "zigzag"), affects="training"))


class NoModule(Tiny):
    def build(self, *_):
        return "a network"


class Exits(Tiny):
    def build(self, *_):
        raise SystemExit("bye")


class Wide(Tiny):
    def build(self, architecture, input_shape, n_classes):
        return nn.Linear(input_shape[0], n_classes + 1)


class NoOptimizer(Tiny):
    def optimizer(self, *_):
        return None
"""
OBJECTIVES = """
import numpy as np
from nas_moo import Measurement


class Mine:
    name, unit, label, stage, log, method = "mine", "FLOPs", "Mine", "static", True, "counted"

    def measure(self, candidate):
        return Measurement.exact(np.float32(3), "FLOPs", "counted")


class Raises(Mine):
    def measure(self, candidate):
        raise ValueError("oh no")


class Float(Mine):
    def measure(self, candidate):
        return 3.0


class TrainedFloat(Float):
    stage = "trained"


class NaN(Mine):
    def measure(self, candidate):
        return Measurement.exact(float("nan"), "FLOPs", "counted")


class Negative(Mine):
    def measure(self, candidate):
        return Measurement.exact(-3.0, "FLOPs", "counted")


class OtherUnit(Mine):
    def measure(self, candidate):
        return Measurement.exact(3.0, "ms", "counted")


class Unstorable(Mine):
    def measure(self, candidate):
        return Measurement.exact(3.0, "FLOPs", "counted", kept=np.arange(3))


class Column(Mine):
    name = "state"


class Bound(Mine):
    name = "error_low"
"""
FUNCTIONS = """
def ragged():
    return [[1, 2], [3]], [0, 1]


def leaves():
    raise SystemExit(4)


def named():
    return {"x": [[1.0], [2.0]], "y": [0, 1], "class_names": 3}
"""


def listing(folder):
    """Every file and folder, but the database's own helpers and compiled modules."""
    passing = ("-wal", "-shm", ".pyc", "__pycache__")
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.name.endswith(passing)}


@pytest.fixture(scope="module")
def place(folder):
    """The folder with faulty spaces, objectives and data in it."""
    for name, text in (("bad.py", SPACES), ("mine.py", OBJECTIVES), ("functions.py", FUNCTIONS)):
        (folder / name).write_text(text)
    (folder / "fails.py").write_text("1 / 0\n")
    (folder / "leaves.py").write_text("import sys\nsys.exit(3)\n")
    (folder / "syntax.py").write_text("class Tower(:\n")
    (folder / "text.npz").write_text("no archive")
    (folder / "empty folder").mkdir()
    good = {"depth": 1, "width_0": 8, "learning_rate": 0.1}
    for name, document in {
        "no seeds": [],
        "no list": "depth",
        "unknown": [good, {**good, "colour": "red"}],
        "missing": [{**good, "depth": 2}],
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    (folder / "outside.csv").write_text("depth,width_0,learning_rate\n1,8,0.1\n1,3,0.1\n")
    x, y = np.ones((30, 2), np.float32), np.repeat(np.arange(3), 10)
    for name, arrays in {
        "no_y": {"x": x},
        "lengths": {"x": x, "y": y[:9]},
        "gap": {"x": x, "y": y * 2},
        "range": {"x": x, "y": y - 1},
        "objects": {"x": x.astype(object), "y": y},
        "shape": {"x": x[:, 0], "y": y},
        "names": {"x": x, "y": y, "class_names": np.array("a")},
    }.items():
        np.savez(folder / f"{name}.npz", **arrays)
    return folder


@pytest.mark.parametrize(
    "options",
    [
        ("--space", "convnett"),
        ("--space", "none.py:Tower"),
        ("--space", "space.py:Towr"),
        ("--space", "~nobody-of-this-name/space.py:Tiny"),
        ("--space", "fails.py:Tower"),
        ("--space", "leaves.py:Tower"),
        ("--space", "syntax.py:Tower"),
        *[("--space", f"bad.py:{name}") for name in ("NoGenome", "NoBuild", "NoInit", "Property", "BatchSize")],
        ("--space", "bad.py:Schedule"),
        ("--objective", "beauty"),
        ("--objective", "error"),
        ("--objective", "mine.py:Column"),
        ("--objective", "mine.py:Bound"),
        ("--data", "nothing"),
        ("--data", "nothing.npz"),
        ("--data", "~nobody-of-this-name/x.npz"),
        ("--data", "text.npz"),
        ("--data", "empty folder"),
        *[("--data", f"{name}.npz") for name in ("no_y", "lengths", "gap", "range", "objects", "shape", "names")],
        *[("--data", f"functions.py:{name}") for name in ("ragged", "leaves", "named", "nothing")],
        *[("--max", limit) for limit in ("params", "params=", "params=2ms", "params=0", "flops=3", "params=soon")],
        ("--max", "params=3", "--max", "params=4"),
        *[("--validation", way) for way in ("kfold:1", "kfold:1000", "kfold:x", "loo")],
        ("--epochs", "0"),
        ("--trials", "-3"),
        ("--trials", "x"),
        *[("--time-limit", limit) for limit in ("soon", "-1", "0")],
        ("--seed", "-1"),
        ("--seed", str(2**32)),
        ("--threads", "99999999999"),
        ("--batch", "0"),
        ("--sampler", "annealing"),
        ("--population", "1"),
        ("--grid-steps", "3"),
        ("--no-screening", "--sampler", "optuna-nsga2"),
        ("--no-screening", "--sampler", "random"),
        *[("--seed-architectures", f"{name}.json") for name in ("none", "no seeds", "no list", "unknown", "missing")],
        *[("--seed-architectures", name) for name in ("", "empty folder", "outside.csv", "text.npz")],
        ("--device", "abacus"),
        *[("--study", name) for name in ("", "../up", "a/b", "x" * 101)],
        ("--storage", ""),
        ("--storage", "empty folder"),
        ("--storage", "sqlite://"),
        ("--storage", "sqlite:///x.db?timeout=3"),
        ("--storage", "abacus://x"),
        ("--storage", "mysql+nodriver://x"),
        ("--nonsense",),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anything_is_written(place, refused, search, options):
    before = listing(place)
    refused(2, *search, *options)
    assert listing(place) == before


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("search", "--space", "mlp"),
        ("status",),
        ("status", "none", "--storage", "none.db"),
        ("studies", "--yes"),
    ],
)
def test_commands_that_cannot_be_read_or_find_nothing(place, refused, arguments):
    refused(2, *arguments)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--space", "bad.py:NoModule"), "build() returned no network"),
        (("--space", "bad.py:Exits"), "SystemExit: bye"),
        (("--space", "bad.py:Wide"), "the network's output is not"),
        (("--space", "bad.py:NoOptimizer"), "optimizer() returned no optimizer"),
        (("--objective", "mine.py:Raises"), "oh no"),
        (("--objective", "mine.py:Float"), "returned no Measurement"),
        (("--objective", "mine.py:TrainedFloat"), "returned no Measurement"),
        (("--objective", "mine.py:NaN"), "not a finite number"),
        (("--objective", "mine.py:Negative"), "is not positive"),
        (("--objective", "mine.py:OtherUnit"), "another unit"),
        (("--objective", "mine.py:Unstorable"), "cannot be stored"),
        (("--space", "convnet"), "needs images"),
    ],
)
def test_what_shows_only_at_work_stops_the_search_after_three(place, run, search, options, told):
    code, out, err = run(*search, "--trials", "5", "--study", options[1].replace(":", "-"), *options, "--json")
    assert code == 2
    assert told in json.loads(out)["value"]
    assert "Traceback" not in err


def test_a_number_of_numpy_s_is_a_measurement_too(place, document, search):
    assert document(*search, "--objective", "mine.py:Mine", "--study", "mine")["front"][0]["mine"] == 3.0


class TestOfAStudy:
    """What is refused of a study that is there."""

    @pytest.mark.parametrize(
        "options",
        [
            ("--objective", "flops"),
            ("--epochs", "2"),
            ("--seed", "1"),
            ("--validation", "kfold:3"),
            ("--space", "space.py:Slow"),
            ("--space", "mlp"),
            ("--data", "digits"),
        ],
    )
    def test_another_question(self, studied, refused, search, options):
        assert "was begun with a different value of" in refused(3, *search, "--study", STUDY, *options)["error"]

    def test_changed_data(self, studied, refused, search):
        kept = (studied / "blobs.npz").read_bytes()
        with np.load(studied / "blobs.npz") as old:
            np.savez(studied / "blobs.npz", x=old["x"] + 1, y=old["y"])
        assert "'data'" in refused(3, *search)["error"]
        (studied / "blobs.npz").write_bytes(kept)

    @pytest.mark.parametrize(
        "arguments",
        [
            ("show", STUDY, "--model", "zzz"),
            ("show", STUDY, "--model", ""),
            ("choose", STUDY, "--by", "nonsense"),
            ("choose", STUDY, "--max", "latency=2ms"),
            ("choose", STUDY, "--max", "params=1", "--max", "params=2"),
            ("report", STUDY, "--out", "space.py"),
            ("report", STUDY, "--out", "."),
            ("report", STUDY, "--format", "pdf"),
            ("report", STUDY, "--format", "csv", "--measurements", "none.jsonl"),
            ("studies", "--delete", "../.."),
        ],
    )
    def test_unknown_parts_of_it(self, studied, refused, arguments):
        before = listing(studied)
        refused(2, *arguments)
        assert listing(studied) == before

    @pytest.mark.parametrize(
        "arguments", [("report", STUDY, "--out", "space.py/report"), ("demo", "--out", "space.py/demo")]
    )
    def test_where_nothing_can_be_written(self, studied, refused, arguments):
        refused(4, *arguments)


class TestOfAStorage:
    """Files that are no storage of ours stay as they are."""

    def test_a_text_file(self, place, refused, search):
        before = (place / "space.py").read_bytes()
        refused(3, "studies", "--storage", "space.py")
        refused(3, *search, "--storage", "space.py")
        assert (place / "space.py").read_bytes() == before

    def test_a_database_of_something_else(self, place, refused, search):
        with sqlite3.connect(place / "foreign.db") as connection:
            connection.execute("CREATE TABLE letters (text)")
        connection.close()
        before = (place / "foreign.db").read_bytes()
        refused(3, "studies", "--storage", "foreign.db")
        refused(3, *search, "--storage", "foreign.db")
        assert (place / "foreign.db").read_bytes() == before

    def test_a_study_of_optuna_s_own(self, place, refused, search):
        study = optuna.create_study(study_name=STUDY, storage="sqlite:///optuna.db")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
        assert "not made by nas-moo" in refused(3, *search, "--storage", "optuna.db")["error"]

    def test_a_study_whose_making_was_cut_off_is_made_anew(self, place, document, search):
        """A kill can fall between Optuna's making of the study and our describing it."""
        optuna.create_study(study_name=STUDY, storage="sqlite:///cut.db", directions=["minimize"] * 2)
        assert document(*search, "--storage", "cut.db")["trained"] == 2
