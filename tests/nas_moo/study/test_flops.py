"""FLOPs in a search: counted once a network, under a method with the protocol, and what may stay uncounted."""

import pytest

import nas_moo
from nas_moo.cli import main
from nas_moo.errors import StudyMismatchError, UserInputError
from nas_moo.objectives import flops

SPACE = '''
import torch
from torch import nn
from space import Tiny


class Distant(nn.Module):
    def forward(self, x):
        return x + torch.cdist(x[:, None], x[:, None]).flatten(1)


class Odd(Tiny):
    """Networks of two layers have an operator that nobody can count."""

    def build(self, architecture, input_shape, n_classes):
        network = super().build(architecture, input_shape, n_classes)
        return nn.Sequential(network, Distant()) if architecture["depth"] == 2 else network
'''


@pytest.fixture
def odd(tiny):
    (tiny / "odd.py").write_text(SPACE)
    return tiny


def test_a_network_is_counted_once(searched, monkeypatch):
    counted = []
    count = flops.count_flops
    monkeypatch.setattr(flops, "count_flops", lambda model, *a, **k: (counted.append(model), count(model, *a, **k))[1])
    result = searched(objectives=("error", "flops"), trials=9, sampler="random", epochs=1)
    networks = result.trials["network_digest"].nunique()
    assert len(result.trials) == 9 > networks  # learning rates differ
    assert len(counted) == networks
    searched(objectives=("error", "flops"), trials=10, sampler="random", epochs=1)
    known = len(set(nas_moo.load_study("Tiny-blobs").trials["network_digest"]))
    assert len(counted) == known


def test_the_protocol_is_part_of_the_study(searched, monkeypatch):
    result = searched(objectives=("error", "flops"), trials=2)
    kept = result.measurements[result.measurements["objective"] == "flops"]
    assert all(f"protocol {flops.PROTOCOL}" in m for m in kept["method"])
    assert all(d["protocol"] == flops.PROTOCOL for d in kept["details"])
    monkeypatch.setattr(flops, "PROTOCOL", flops.PROTOCOL + 1)
    with pytest.raises(StudyMismatchError, match="methods of measurement"):
        searched(objectives=("error", "flops"), trials=3)


def test_a_network_that_cannot_be_counted_fails_its_trial_and_no_other(odd, searched):
    result = searched(space="odd.py:Odd", objectives=("error", "flops"), trials=4, sampler="random", epochs=1)
    failed = result.trials[result.trials["state"] == "failed"]
    assert set(failed["gene_depth"]) == {2}
    assert set(failed["kind"]) == {"flops"}
    assert all("aten::cdist" in reason for reason in failed["reason"])


def test_it_can_be_allowed_and_the_record_says_so(odd, searched, capsys):
    told = {"space": "odd.py:Odd", "objectives": ("error", "flops"), "sampler": "random", "epochs": 1}
    result = searched(**told, trials=6, allow_uncounted=True)
    assert set(result.trials["state"]) == {"complete"}
    kept = result.measurements[result.measurements["objective"] == "flops"].set_index("number")
    for _, trial in result.trials.iterrows():
        caveats = ["aten::cdist not counted"] if trial["gene_depth"] == 2 else []
        assert kept.loc[trial["number"], "details"].get("caveats", []) == caveats
    with pytest.raises(StudyMismatchError, match="methods of measurement"):
        searched(**told, trials=7)
    marked = result.trials[result.trials["gene_depth"] == 2]["digest"].iloc[0]
    assert main(["show", "Odd-blobs", "--model", marked]) == 0
    assert "aten::cdist not counted" in capsys.readouterr().out
    assert main(["report", "Odd-blobs", "--out", "page"]) == 0
    page = (odd / "page" / "index.html").read_text(encoding="utf-8")
    assert "aten::cdist not counted for" in page


def test_the_command_line_allows_it_too(odd):
    words = ["search", "--space", "odd.py:Odd", "--data", "blobs.npz", "--objective", "error", "--objective", "flops"]
    assert main([*words, "--trials", "3", "--epochs", "1", "--allow-uncounted"]) == 0


def test_it_is_refused_where_nothing_is_counted(searched):
    with pytest.raises(UserInputError, match="only flops"):
        searched(objectives=("error", "params"), allow_uncounted=True)
