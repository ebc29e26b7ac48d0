import itertools

import pytest
import torch
from torch import nn

from nas_moo.genome import Genome
from search_spaces import optimizers

GENOME = Genome(*optimizers.GENES)
KINDS = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}


def test_every_architecture_gets_the_numbers_it_names():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    for architecture in itertools.islice(GENOME.grid(), 0, None, 7):
        made = optimizers.build(architecture, model.parameters())
        assert type(made) is KINDS[architecture["optimizer"]]
        rate, decay = (
            next(v for k, v in architecture.items() if k.startswith(prefix))
            for prefix in ("learning_rate", "weight_decay")
        )
        assert [group["lr"] for group in made.param_groups] == [rate, rate]
        assert [group["weight_decay"] for group in made.param_groups] == [decay, 0.0]


def test_biases_and_norms_do_not_decay():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    weights, others = optimizers.build(next(GENOME.grid()), model.parameters()).param_groups
    assert [p.shape for p in weights["params"]] == [(4, 3)]
    assert len(others["params"]) == 3


def test_weights_alone_make_one_group():
    model = nn.Linear(3, 4, bias=False)
    assert len(optimizers.build(next(GENOME.grid()), model.parameters()).param_groups) == 1


@pytest.mark.parametrize("name", KINDS)
def test_only_the_optimizers_own_genes_are_active(name):
    values = {gene.name: gene.values()[0] for gene in GENOME.genes} | {"optimizer": name}
    active = set(GENOME.architecture(values))
    assert active >= {"optimizer", "batch_size", "schedule"}
    assert ("learning_rate_sgd" in active) == (name == "sgd")
    assert ("weight_decay_decoupled" in active) == (name == "adamw")
    assert len(active) == 5


def test_all_genes_affect_the_training_and_are_finite():
    assert {gene.affects for gene in GENOME.genes} == {"training"}
    assert GENOME.size() == 3 * 5 * 4 * 4 * 3
