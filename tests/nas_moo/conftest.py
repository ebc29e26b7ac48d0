"""A space and data so small that a whole search takes a second, and a command line to drive it with."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TINY_SPACE = '''
"""A perceptron of one or two layers; 12 architectures."""
import torch
from torch import nn
from nas_moo import Categorical, Genome, Integer, at_least


class Tiny:
    genome = Genome(
        Integer("depth", 1, 2),
        Categorical("width_0", (2, 8), ordered=True),
        Categorical("width_1", (2, 8), ordered=True, active=at_least("depth", 2)),
        Categorical("learning_rate", (0.01, 0.1), affects="training"),
    )

    def optimizer(self, architecture, parameters):
        return torch.optim.SGD(parameters, lr=architecture["learning_rate"], momentum=0.9)

    def build(self, architecture, input_shape, n_classes):
        features, layers = input_shape[0], []
        for i in range(architecture["depth"]):
            layers += [nn.Linear(features, architecture[f"width_{i}"]), nn.ReLU()]
            features = architecture[f"width_{i}"]
        return nn.Sequential(*layers, nn.Linear(features, n_classes))


class Broken(Tiny):
    def build(self, architecture, input_shape, n_classes):
        raise ValueError("no such layer")


class Slow(Tiny):
    def build(self, architecture, input_shape, n_classes):
        import time
        time.sleep(0.3)
        return super().build(architecture, input_shape, n_classes)


class Explosive(Tiny):
    def build(self, architecture, input_shape, n_classes):
        network = super().build(architecture, input_shape, n_classes)
        nn.init.constant_(network[-1].bias, float("inf"))
        return network
'''
COSTS = ("error", "params", "flops")


@pytest.fixture(scope="session")
def write_tiny():
    """Writes ``space.py`` and ``blobs.npz`` (three classes of four features) into a folder."""

    def write(folder: Path) -> Path:
        (folder / "space.py").write_text(TINY_SPACE)
        rng = np.random.default_rng(0)
        y = np.repeat(np.arange(3), 40)
        x = rng.normal(size=(120, 4)).astype(np.float32) + np.eye(3, 4, dtype=np.float32)[y] * 2
        np.savez(folder / "blobs.npz", x=x, y=y)
        return folder

    return write


@pytest.fixture
def tiny(tmp_path, monkeypatch, write_tiny):
    """A folder with ``space.py`` and ``blobs.npz``, made the working directory."""
    write_tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_MOO_STORAGE", raising=False)
    return tmp_path


@pytest.fixture
def searched(tiny):
    """Run a tiny search, with changes."""
    import nas_moo

    def run(**changes):
        told = {"space": "space.py:Tiny", "data": "blobs.npz", "objectives": COSTS, "trials": 5, "epochs": 2, **changes}
        return nas_moo.search(told.pop("space"), told.pop("data"), told.pop("objectives"), **told)

    return run


class Cli:
    """``nas-moo`` as a process of its own."""

    def __init__(self, folder: Path):
        self.folder = folder

    def start(self, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-W", "error", "-m", "nas_moo", *arguments]
        env = {k: v for k, v in os.environ.items() if k != "NAS_MOO_STORAGE"}
        return subprocess.Popen(
            command, cwd=self.folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def json(self, *arguments: str):
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def cli(tiny):
    """The command line in the tiny folder."""
    return Cli(tiny)
