"""The optimizer and its settings, as genes that every space can add, and the optimizer that they make.

Each gene holds the number that the optimizer is given, never a level that is scaled behind it. SGD wants rates ten to
a hundred times those of the adaptive optimizers, and weight decay that is decoupled from the gradient (AdamW) wants
other strengths than an L2 penalty inside it, so these have genes of their own, active with their optimizer.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nas_moo.genes import Categorical, one_of
from nas_moo.genome import Architecture
from nas_moo.space import SCHEDULES

MOMENTUM = 0.9

GENES = (
    Categorical("optimizer", ("sgd", "adamw", "rmsprop"), affects="training"),
    Categorical(
        "learning_rate_sgd",
        (0.003, 0.01, 0.03, 0.1, 0.3),
        ordered=True,
        affects="training",
        active=one_of("optimizer", "sgd"),
    ),
    Categorical(
        "learning_rate_adaptive",
        (0.0001, 0.0003, 0.001, 0.003, 0.01),
        ordered=True,
        affects="training",
        active=one_of("optimizer", "adamw", "rmsprop"),
    ),
    Categorical(
        "weight_decay_l2",
        (0.0, 0.00001, 0.0001, 0.001),
        ordered=True,
        affects="training",
        active=one_of("optimizer", "sgd", "rmsprop"),
    ),
    Categorical(
        "weight_decay_decoupled",
        (0.0, 0.001, 0.01, 0.1),
        ordered=True,
        affects="training",
        active=one_of("optimizer", "adamw"),
    ),
    Categorical("batch_size", (32, 64, 128, 256), ordered=True, affects="training"),
    Categorical("schedule", SCHEDULES, affects="training"),
)


def build(architecture: Architecture, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer that the genes name: SGD with Nesterov momentum 0.9, AdamW or RMSprop.

    Weights decay; biases and the scales of normalisation layers, which have one dimension, do not.
    """
    name = architecture["optimizer"]
    decay = architecture["weight_decay_decoupled" if name == "adamw" else "weight_decay_l2"]
    rate = architecture["learning_rate_sgd" if name == "sgd" else "learning_rate_adaptive"]
    everything = list(parameters)
    groups = [
        {"params": [p for p in everything if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in everything if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if name == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=MOMENTUM, nesterov=True)
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=rate)
    return torch.optim.RMSprop(groups, lr=rate)
