"""The network that a study keeps: what was trained, together with the standardisation of its data."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nas_moo.data import Scaling


class StandardisedNetwork(nn.Module):
    """Takes raw examples, as in ``Dataset.x``, and gives logits.

    Attributes:
        network: What the search space built.
        mean: Of the training part, by channel or feature.
        std: Likewise.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, scaling: Scaling) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.from_numpy(scaling.mean.copy()))
        self.register_buffer("std", torch.from_numpy(scaling.std.copy()))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (batch, classes) for raw ``x`` of shape (batch, ...)."""
        logits: Tensor = self.network((x - self.mean) / self.std)
        return logits
