"""Fully connected networks, for feature vectors and for images read as one vector."""

from __future__ import annotations

import math

from torch import nn

from nas_moo.genes import Categorical, Integer, at_least
from nas_moo.genome import Architecture, Genome
from search_spaces import optimizers

MAX_DEPTH = 4
WIDTHS = (8, 16, 32, 64, 128, 256)
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


class MLP:
    """Up to four hidden layers of their own widths; depth 0 is multinomial logistic regression."""

    genome = Genome(
        Integer("depth", 0, MAX_DEPTH),
        *[Categorical(f"width_{i}", WIDTHS, ordered=True, active=at_least("depth", i + 1)) for i in range(MAX_DEPTH)],
        Categorical("activation", tuple(ACTIVATIONS), active=at_least("depth", 1)),
        Categorical("norm", ("none", "batch"), active=at_least("depth", 1)),
        # Dropout is idle in a deployed network, so it changes no latency: a gene of the training.
        Categorical("dropout", (0.0, 0.1, 0.25), ordered=True, affects="training", active=at_least("depth", 1)),
        *optimizers.GENES,
    )
    optimizer = staticmethod(optimizers.build)

    def build(self, architecture: Architecture, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """Flatten, hidden layers, one logit a class."""
        features = math.prod(input_shape)
        layers: list[nn.Module] = [nn.Flatten()]
        for i in range(architecture["depth"]):
            width = architecture[f"width_{i}"]
            layers += hidden_layer(architecture, features, width)
            features = width
        return nn.Sequential(*layers, nn.Linear(features, n_classes))


def hidden_layer(architecture: Architecture, features: int, width: int) -> list[nn.Module]:
    """Linear, normalisation where chosen, activation, dropout."""
    normed = architecture["norm"] == "batch"
    return [
        nn.Linear(features, width, bias=not normed),
        *([nn.BatchNorm1d(width)] if normed else []),
        ACTIVATIONS[architecture["activation"]](),
        nn.Dropout(architecture["dropout"]),
    ]
