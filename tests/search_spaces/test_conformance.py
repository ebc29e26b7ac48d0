import functools
from importlib.metadata import entry_points

import numpy as np
import pytest
import torch
from torch import nn

from nas_moo import Categorical, Genome, Integer
from nas_moo.data import load_data, split
from nas_moo.errors import SpaceError
from nas_moo.space import ENTRY_POINTS, load_space
from nas_moo.testing import check_space, random_architecture
from nas_moo.training import train
from search_spaces import optimizers

SPACES = sorted(entry_points(group=ENTRY_POINTS).names)
IMAGES = [(1, 8, 8), (3, 17, 20)]
CASES = [(name, shape) for name in SPACES for shape in IMAGES] + [("mlp", (5,))]


def test_the_gallery_is_registered():
    assert {"convnet", "convnet_augmented", "mlp"} <= set(SPACES)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_random_architectures_build_run_and_learn_a_step(name, shape):
    check_space(name, shape, 10)


@pytest.mark.parametrize("name", SPACES)
def test_the_genome_is_finite_and_described(name):
    genome = load_space(name).space.genome
    size = genome.size()
    assert size != "continuous"
    assert size > 1000
    assert [gene["name"] for gene in genome.describe()] == list(genome.names)
    assert {"batch_size", "schedule"} <= set(genome.names)


@pytest.mark.parametrize("name", SPACES)
def test_random_architectures_train_an_epoch_on_digits(name):
    data = load_data("digits")
    loaded = load_space(name)
    rng = np.random.default_rng(0)
    for _ in range(3):
        architecture = random_architecture(loaded.space.genome, rng)
        build = functools.partial(loaded.space.build, architecture, data.input_shape, data.n_classes)
        optimizer = functools.partial(loaded.space.optimizer, architecture)
        epochs = train(
            build, optimizer, loaded.recipe(architecture), split(data, seed=0)[0], epochs=1, seed=0, device="cpu"
        )
        assert next(epochs).train_loss < 10


class Tiny:
    genome = Genome(Integer("depth", 0, 2), *optimizers.GENES)
    optimizer = staticmethod(optimizers.build)

    def build(self, architecture, input_shape, n_classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, n_classes))


def test_a_users_space_passes():
    before = torch.get_rng_state()
    check_space(Tiny, (1, 8, 8), 3)
    assert torch.equal(torch.get_rng_state(), before)


def broken(**members):
    return type("Broken", (), {"genome": Tiny.genome, "optimizer": Tiny.optimizer, "build": Tiny.build} | members)


def build_by_batch_size(self, architecture, input_shape, n_classes):
    hidden = architecture["batch_size"]
    return nn.Sequential(nn.Flatten(), nn.Linear(64, hidden), nn.Linear(hidden, n_classes))


def build_by_clock(self, architecture, input_shape, n_classes):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, n_classes))
    nn.init.constant_(model[1].bias, build_by_clock.calls)
    build_by_clock.calls += 1
    return model


build_by_clock.calls = 0


def frozen(architecture, parameters):
    return torch.optim.SGD(parameters, lr=0.0)


def half(architecture, parameters):
    return torch.optim.SGD(list(parameters)[:1], lr=0.1)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (broken(build=lambda self, a, i, n: nn.Flatten()), r"gives \(1, 64\) where \(1, 3\) is due"),
        (broken(build=lambda self, a, i, n: nn.Linear(a["widht"], n)), "InactiveGeneError"),
        (broken(build=build_by_batch_size), "affects training changes the network"),
        (broken(build=build_by_clock), "same weights under the same seed"),
        (broken(optimizer=staticmethod(frozen)), "does not change in a training step"),
        (broken(optimizer=staticmethod(half)), "optimizer does not know"),
        (broken(genome=Genome(Categorical("batch_size", (8, 16)))), "reserved gene changes the network"),
    ],
)
def test_faults_of_a_users_space_are_named(space, message):
    with pytest.raises(SpaceError, match=message):
        check_space(space, (1, 8, 8), 3)
