"""The whole state of a training after an epoch, as tensors and plain numbers: what is stored, and goes on from there.

Nothing in it is code: tensors by name, and what JSON can say. A training that goes on from its snapshot is the training
that was never stopped, bit for bit on a CPU.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nas_moo.errors import CorruptError, UserInputError

_MODEL, _OPTIMIZER, _RANDOM = "model.", "optimizer.", "random."


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One training between two epochs.

    Attributes:
        tensors: Parameters, buffers, the optimizer's state and random states by name, on the CPU; copies.
        numbers: The rest as plain JSON: the epoch, the steps taken, the optimizer's settings, the gradients' scale.
    """

    tensors: Mapping[str, Tensor]
    numbers: Mapping[str, Any]

    @property
    def epoch(self) -> int:
        """The last epoch that was trained."""
        return int(self.numbers["epoch"])


class Randomness:
    """A random state of our own that takes the place of PyTorch's global one for a while.

    Attributes:
        states: Of the CPU, and of the CUDA device where there is one.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._cuda = [device] if device.type == "cuda" else []
        self.states = [torch.Generator(d).manual_seed(seed).get_state() for d in (torch.device("cpu"), *self._cuda)]

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Draw from it inside; PyTorch's own state is as it was afterwards."""
        with torch.random.fork_rng(devices=self._cuda):
            torch.set_rng_state(self.states[0])
            for device, state in zip(self._cuda, self.states[1:], strict=True):
                torch.cuda.set_rng_state(state, device)
            try:
                yield
            finally:
                self.states = [torch.get_rng_state(), *(torch.cuda.get_rng_state(d) for d in self._cuda)]


def take(
    model: nn.Module, optimizer: torch.optim.Optimizer, random_states: Sequence[Tensor], numbers: Mapping[str, Any]
) -> Snapshot:
    """Copy the state of a training.

    Args:
        model: Its parameters and buffers are copied, those too that a ``state_dict`` leaves out.
        optimizer: Its state may hold tensors and plain numbers.
        random_states: In an order of the caller's.
        numbers: Whatever else the caller needs; plain JSON.

    Raises:
        UserInputError: the optimizer's state holds something else.
    """
    tensors = {_MODEL + name: value for name, value in _tensors(model).items()}
    tensors |= {f"{_RANDOM}{i}": state for i, state in enumerate(random_states)}
    described = optimizer.state_dict()
    plain: dict[str, dict[str, Any]] = {}
    for place, entries in described["state"].items():
        plain[str(place)] = {key: value for key, value in entries.items() if not isinstance(value, Tensor)}
        tensors |= {f"{_OPTIMIZER}{place}.{k}": v for k, v in entries.items() if isinstance(v, Tensor)}
    told = {**numbers, "optimizer": {"state": plain, "groups": described["param_groups"]}}
    try:
        told = json.loads(json.dumps(told))
    except (TypeError, ValueError) as error:
        raise UserInputError(
            f"the optimizer's state cannot be stored ({error})",
            value=type(optimizer).__name__,
            do="Use an optimizer whose state is tensors and plain numbers, or search with --no-thaw.",
        ) from error
    return Snapshot({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}, told)


def restore(snapshot: Snapshot, model: nn.Module, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Bring a fresh model and its optimizer into the state of a snapshot.

    Returns:
        The random states, as they were given to ``take``.

    Raises:
        CorruptError: the snapshot is of another network or optimizer.
    """
    own = _tensors(model)
    stored = _part(snapshot, _MODEL)
    if {n: v.shape for n, v in own.items()} != {n: v.shape for n, v in stored.items()}:
        raise CorruptError(
            "a checkpoint is of another network than the one that the space builds now",
            value=sorted(set(own) ^ set(stored))[:5] or "other shapes",
            do="Take the version of the space that the study was made with.",
        )
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(stored[name])
    _restore_optimizer(snapshot, optimizer)
    states = _part(snapshot, _RANDOM)
    return [states[str(i)] for i in range(len(states))]


def _restore_optimizer(snapshot: Snapshot, optimizer: torch.optim.Optimizer) -> None:
    told = snapshot.numbers["optimizer"]
    state: dict[int, dict[str, Any]] = {int(place): dict(entries) for place, entries in told["state"].items()}
    for name, value in _part(snapshot, _OPTIMIZER).items():
        place, _, key = name.partition(".")
        state.setdefault(int(place), {})[key] = value.clone()
    try:
        groups = [
            {key: tuple(v) if isinstance(fresh.get(key), tuple) else v for key, v in group.items()}  # JSON has lists
            for group, fresh in zip(told["groups"], optimizer.param_groups, strict=True)
        ]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    except ValueError as error:
        raise CorruptError(
            f"a checkpoint is of another optimizer ({error})",
            value=type(optimizer).__name__,
            do="Take the version of the space that the study was made with.",
        ) from error


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """What a network is made of, shared tensors once."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _part(snapshot: Snapshot, prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): value for n, value in snapshot.tensors.items() if n.startswith(prefix)}
