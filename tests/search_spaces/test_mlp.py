import torch
from torch import nn

from search_spaces.mlp import ACTIVATIONS, MLP

SMALLEST = {gene.name: gene.values()[0] for gene in MLP.genome.genes}


def built(input_shape=(7,), **values):
    return MLP().build(MLP.genome.architecture(SMALLEST | values), input_shape, 3)


def linear_sizes(model):
    return [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, nn.Linear)]


def test_depth_zero_is_logistic_regression():
    assert linear_sizes(built()) == [(7, 3)]


def test_layers_have_the_widths_they_are_given():
    assert linear_sizes(built(depth=3, width_0=64, width_1=8, width_2=32)) == [(7, 64), (64, 8), (8, 32), (32, 3)]


def test_images_are_flattened():
    assert built((3, 4, 5), depth=1)(torch.zeros(2, 3, 4, 5)).shape == (2, 3)


def test_activation_norm_and_dropout_are_honoured():
    for name, kind in ACTIVATIONS.items():
        assert any(isinstance(m, kind) for m in built(depth=1, activation=name))
    assert sum(isinstance(m, nn.BatchNorm1d) for m in built(depth=2, norm="batch")) == 2
    assert [m.p for m in built(depth=2, dropout=0.25) if isinstance(m, nn.Dropout)] == [0.25, 0.25]


def test_dropout_changes_no_network_digest():
    one, two = (MLP.genome.architecture(SMALLEST | {"depth": 1, "dropout": p}) for p in (0.0, 0.25))
    assert one.network_digest == two.network_digest
    assert one.digest != two.digest
