"""``nas-moo flops``: a network of a file or of a space, counted twice."""

import json
import re
import warnings

import pytest

import nas_moo

NETWORKS = """
import sys
import torch
from torch import nn


def build():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2))


def words():
    return nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 5))


class Pair(nn.Module):
    def forward(self, a, b):
        return {"product": a @ b, "nothing": None}


class Branch(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(x) if x.sum() >= 0 else x


class Distances(nn.Module):
    def forward(self, x):
        return torch.cdist(x @ x.T, x @ x.T)


class Keyed(nn.Module):
    def forward(self, x):
        return x["a"]


class Warns(nn.Module):
    def forward(self, x):
        import warnings
        warnings.warn("mine")
        return x @ x.T


def compiled():
    return torch.compile(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))


def partly_compiled():
    return nn.Sequential(torch.compile(nn.Linear(4, 4)), nn.ReLU())


ready = nn.Linear(4, 4)
number = 3


def of_width(width):
    return nn.Linear(width, 2)


def broken():
    raise ValueError("no such layer")


def quits():
    sys.exit(3)


def none():
    return 3


def lazy():
    return nn.LazyLinear(4)


def scripted():
    return torch.jit.script(nn.Linear(4, 4))
"""
GENES = {"depth": 1, "width_0": 8, "learning_rate": 0.1}
IMAGE = ("--input", "1,3,8,8")


@pytest.fixture(scope="module")
def networks(folder):
    (folder / "networks.py").write_text(NETWORKS)
    (folder / "one.json").write_text(json.dumps(GENES))
    (folder / "two.json").write_text(json.dumps([GENES, {**GENES, "width_0": 2}]))
    (folder / "wrong.json").write_text(json.dumps({**GENES, "width_0": 5}))
    return folder


def test_a_network_of_a_file(networks, document):
    told = document("flops", "--module", "networks.py:build", *IMAGE)
    assert told["flops"] == told["oracle_flops"] == 64 * 3 * 4 + 256 * 2
    assert told["by_module"] == {"": 1280, "0": 768, "1": 0, "2": 0, "3": 512}
    assert (told["uncounted"], told["agreement"], told["counter"]) == ([], True, "fvcore")
    assert told["inputs"] == ["1,3,8,8:float32"]
    assert told["protocol"] >= 1


def test_the_same_as_text(networks, run):
    code, out, _ = run("flops", "--module", "networks.py:build", *IMAGE)
    assert code == 0
    assert "1,280 FLOPs" in out
    assert "one multiply-add = one FLOP" in out
    assert "counts the same" in out
    assert "Not counted: nothing" in out
    assert [line.split()[:3] for line in out.splitlines() if "Conv2d" in line] == [["0", "Conv2d", "768"]]
    assert "by convention: flatten × 1, relu × 1\n" in out


@pytest.mark.parametrize("name", ["compiled", "partly_compiled"])
def test_a_compiled_network_shows_the_classes_of_its_original(networks, run, name):
    code, out, _ = run("flops", "--module", f"networks.py:{name}", "--input", "2,4")
    assert code == 0
    assert "OptimizedModule" not in out
    assert [line.split()[1] for line in out.splitlines() if "Linear" in line] == ["Linear"]
    assert "the network  Sequential" in out


def test_a_forward_that_fails_is_told_without_warnings_and_one_that_works_with_them(networks, run):
    for name, code in (("Keyed", 2), ("Warns", 0)):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found, _, err = run("flops", "--module", f"networks.py:{name}", "--input", "2,4")
        assert found == code
        assert ("forward failed (TypeError" in err) == bool(code)
        assert ("mine" in [str(w.message) for w in told]) == (not code)
        assert code == 0 or not told


@pytest.mark.parametrize(
    ("name", "inputs", "count"),
    [
        ("words", ["1,7:int64"], 7 * 4 * 5),
        ("Pair", ["2,3", "3,5"], 2 * 3 * 5),
        ("ready", ["2,4"], 2 * 16),
        ("Distances", ["2,4"], None),
    ],
)
def test_dtypes_several_inputs_and_dictionaries(networks, document, refused, name, inputs, count):
    given = ["flops", "--module", f"networks.py:{name}", *(word for i in inputs for word in ("--input", i))]
    if count is None:
        assert "aten::cdist" in refused(2, *given)["value"]
        told = document(*given, "--allow-uncounted")
        assert (told["flops"], told["oracle_flops"], told["agreement"]) == (2 * 2 * 2 * 4, None, None)
        assert told["uncounted"] == ["aten::cdist in the network itself (Distances)"]
        assert "_cdist_forward" in told["oracle_note"]
    else:
        told = document(*given)
        assert told["flops"] == told["oracle_flops"] == count


def test_a_decision_by_values_has_no_second_opinion(networks, run, document):
    given = ("flops", "--module", "networks.py:Branch", "--input", "1,4")
    told = document(*given)
    assert (told["flops"], told["oracle_flops"], told["agreement"]) == (16, None, None)
    assert "without data" in told["oracle_note"]
    assert "no second opinion" in run(*given)[1]


def test_a_network_that_counts_nothing_is_told_too(networks, run):
    (networks / "idle.py").write_text("from torch import nn\nbuild = nn.ReLU\n")
    assert "0 FLOPs" in run("flops", "--module", "idle.py:build", "--input", "1,4")[1]


@pytest.mark.parametrize(
    ("options", "shape", "classes"),
    [
        (("--data", "blobs.npz"), 4, 3),
        (("--input", "2,6", "--classes", "5"), 6, 5),
        (("--data", "blobs.npz", "--classes", "7"), 4, 7),
    ],
)
def test_a_network_of_a_space(networks, document, options, shape, classes):
    told = document("flops", "--space", "space.py:Tiny", "--architecture", "one.json", *options)
    batch = 2 if "--input" in options else 1
    assert told["flops"] == told["oracle_flops"] == batch * (shape * 8 + 8 * classes)
    assert (told["architecture"], told["classes"]) == (GENES, classes)


def test_a_shipped_space_is_built_for_digits(networks, document):
    genes = {
        "depth": 1, "width_0": 32, "activation": "relu", "norm": "none", "dropout": 0.0, "optimizer": "sgd",
        "learning_rate_sgd": 0.01, "weight_decay_l2": 0.0001, "batch_size": 64, "schedule": "cosine",
    }  # fmt: skip
    (networks / "mlp.json").write_text(json.dumps([genes]))
    told = document("flops", "--space", "mlp", "--architecture", "mlp.json")
    assert (told["flops"], told["inputs"]) == (64 * 32 + 32 * 10, ["1,1,8,8:float32"])


def test_a_space_alone_says_how_to_get_an_architecture_and_that_works(studied, networks, refused, run, document):
    said = refused(2, "flops", "--space", "space.py:Tiny")["do"]
    command = re.search(r"`nas-moo (.*) > FILE`", said)[1]
    model = nas_moo.load_study("Tiny-blobs").front()["id"][0]
    written = run(*command.replace("STUDY", "Tiny-blobs").replace("ID", model).split())[1]
    (networks / "a.json").write_text(written)
    told = document("flops", "--space", "space.py:Tiny", "--architecture", "a.json", "--data", "blobs.npz")
    assert told["architecture"] == json.loads(written)["architecture"]


def test_a_model_of_a_study_is_counted_from_what_show_prints(studied, networks, document):
    model = nas_moo.load_study("Tiny-blobs").trials["digest"][0]
    shown = document("show", "Tiny-blobs", "--model", model)
    (networks / "shown.json").write_text(json.dumps(shown))
    told = document("flops", "--space", "space.py:Tiny", "--architecture", "shown.json", "--data", "blobs.npz")
    assert told["architecture"] == shown["architecture"]
    assert told["agreement"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--module", "absent.py:build", *IMAGE), "no such file"),
        (("--module", "networks.py:absent", *IMAGE), "unknown name"),
        (("--module", "networks.py", *IMAGE), "a place and a name"),
        (("--module", "networks.py:of_width", *IMAGE), "needs arguments"),
        (("--module", "networks.py:broken", *IMAGE), "ValueError: no such layer"),
        (("--module", "networks.py:quits", *IMAGE), "SystemExit"),
        (("--module", "networks.py:none", *IMAGE), "no network"),
        (("--module", "networks.py:number", *IMAGE), "neither a function nor a network"),
        (("--module", "networks.py:lazy", *IMAGE), "lazy"),
        (("--module", "networks.py:build"), "without inputs"),
        (("--module", "networks.py:build", "--input", "1,3,9,9"), "forward failed (RuntimeError"),
        (("--module", "networks.py:Pair", "--input", "2,3"), "forward failed (TypeError"),
        (("--module", "networks.py:build", "--input", "1,3,8,8:int64"), "forward failed"),
        (("--module", "networks.py:build", "--input", "1x3x8x8"), "no input"),
        (("--module", "networks.py:build", "--input", "1,3,8,8:number"), "no input"),
        (("--module", "networks.py:build", "--input", "0,3,8,8"), "no input"),
        (("--module", "networks.py:build", "--input", ""), "no input"),
        (("--module", "networks.py:build", "--input", "9999999,9999999"), "cannot be had"),
        (("--module", "networks.py:build", *IMAGE, "--classes", "3"), "belongs to --space"),
        (("--module", "networks.py:build", *IMAGE, "--space", "mlp"), "command line"),
        ((), "command line"),
        (("--space", "space.py:Tiny"), "no network yet"),
        (("--space", "space.py:Tiny", "--architecture", "one.json", "--classes", "0"), "out of range"),
        (("--space", "space.py:Tyni", "--architecture", "one.json"), "unknown name"),
        (("--space", "space.py:Tiny", "--architecture", "absent.json"), "cannot be read"),
        (("--space", "space.py:Tiny", "--architecture", "two.json"), "2 architectures"),
        (("--space", "space.py:Tiny", "--architecture", "wrong.json"), "architecture 1"),
        (("--space", "space.py:Broken", "--architecture", "one.json"), "cannot build"),
        (("--space", "space.py:Tiny", "--architecture", "one.json", "--data", "absent.npz"), "no such data"),
        (("--space", "space.py:Tiny", "--architecture", "one.json", *IMAGE, *IMAGE), "one input"),
    ],
)
def test_what_cannot_be_counted_is_refused(networks, refused, options, told):
    assert told in refused(2, "flops", *options)["error"]


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_torchscript_is_refused(networks, refused):
    assert "TorchScript" in refused(2, "flops", "--module", "networks.py:scripted", "--input", "1,4")["error"]
