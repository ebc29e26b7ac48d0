"""Measuring a network without leaving a trace in it, or in the random numbers that training will draw."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Put back each module's attributes (mode, hooks, submodules, caches), and the values of parameters and buffers.

    A tensor that a forward keeps as an attribute is dropped again: one made in inference mode would break training.
    Lists and dictionaries held by a module get their items back; other objects are not looked into. A model that is
    moved inside must be moved back inside.
    """
    attributes = [(module, dict(vars(module))) for module in model.modules()]
    containers = [(v, copy.copy(v)) for _, own in attributes for v in own.values() if isinstance(v, dict | list)]
    values = [(tensor, tensor.detach().clone()) for tensor in (*model.parameters(), *model.buffers())]
    try:
        yield
    finally:
        for container, held in containers:
            container.clear()
            container.update(held) if isinstance(container, dict) else container.extend(held)
        for module, own in attributes:
            vars(module).clear()
            vars(module).update(own)
        with torch.no_grad():
            for tensor, value in values:
                if not torch.equal(tensor, value):
                    tensor.copy_(value)


@contextmanager
def same_random_state(device: torch.device) -> Iterator[None]:
    """Put back the random states of PyTorch (CPU and device) and of Python."""
    state = random.getstate()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(state)
