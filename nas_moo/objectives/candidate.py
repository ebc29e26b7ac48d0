"""The network of an architecture, ready to be measured."""

from __future__ import annotations

import inspect

import torch
from torch import nn

from nas_moo.errors import SpaceError
from nas_moo.genome import Architecture
from nas_moo.objectives import Candidate
from nas_moo.space import SearchSpace


def untrained(
    space: SearchSpace, architecture: Architecture, input_shape: tuple[int, ...], n_classes: int, device: torch.device
) -> Candidate:
    """The network as the space builds it.

    Raises:
        SpaceError: it is none, or takes several inputs.
        Exception: whatever the user's ``build`` raises.
    """
    model = space.build(architecture, input_shape, n_classes)
    if not isinstance(model, nn.Module):
        raise SpaceError(
            "build() returned no network", value=type(model).__name__, do="Return a torch.nn.Module from it."
        )
    inputs = _needed_inputs(model)
    if len(inputs) > 1:
        raise SpaceError(
            "the network's forward needs several inputs",
            value=", ".join(inputs),
            do="Let forward() take one tensor of examples; give the other parameters a default, or stack the inputs.",
        )
    return Candidate(architecture, model, input_shape, n_classes, device)


def _needed_inputs(model: nn.Module) -> list[str]:
    """The parameters of ``forward`` that have no default."""
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):  # written in C, as a scripted module's is
        return []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in positional and p.default is inspect.Parameter.empty]
