"""The search space of ``compare_samplers``: four genes, three of them continuous, two of them of the training."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from nas_moo import Architecture, Genome, Integer, Real

MOMENTUM = 0.9


class SmallConvNet:
    """One convolution at full resolution, then ``depth`` that each halve the image, all of one width.

    The width is a real gene, rounded when the network is built, so that ``--grid-steps`` thins it out like the rates:
    with 3 steps the grid has 2 x 3 x 3 x 3 = 54 points.
    """

    genome = Genome(
        Integer("depth", 1, 2),
        Real("width", 4, 32, log=True),
        Real("learning_rate", 0.001, 1.0, log=True, affects="training"),
        Real("weight_decay", 1e-6, 1e-2, log=True, affects="training"),
    )

    def build(self, architecture: Architecture, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """The network for images of shape (channels, height, width)."""
        channels, width = input_shape[0], round(architecture["width"])
        layers: list[nn.Module] = []
        for stride in (1, *[2] * architecture["depth"]):
            convolution = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, n_classes))

    def optimizer(self, architecture: Architecture, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """SGD with Nesterov momentum; batches of 64 and a cosine schedule, the defaults of a recipe."""
        return torch.optim.SGD(
            parameters,
            lr=architecture["learning_rate"],
            momentum=MOMENTUM,
            nesterov=True,
            weight_decay=architecture["weight_decay"],
        )
