"""Measuring a network without leaving a trace in it, or in the random numbers that training will draw."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Put back each module's attributes (mode, hooks, submodules, caches), and the values of parameters and buffers.

    A tensor that a forward keeps as an attribute is dropped again: one made in inference mode would break training.
    Lists and dictionaries held by a module get their items back; other objects are not looked into. A model that is
    moved inside must be moved back inside.
    """
    with _same_attributes(model), _same_values([*model.parameters(), *model.buffers()]):
        yield


@contextmanager
def _same_attributes(model: nn.Module) -> Iterator[None]:
    attributes = [(module, dict(vars(module))) for module in model.modules()]
    containers = [(v, v.copy()) for _, own in attributes for v in own.values() if isinstance(v, dict | list)]
    tensors = [(t, t.requires_grad, t.grad) for t in (*model.parameters(), *model.buffers()) if t.is_leaf]
    try:
        yield
    finally:
        for container, held in containers:
            if not container and not held:
                continue
            container.clear()
            container.update(held) if isinstance(container, dict) else container.extend(held)
        for module, own in attributes:
            vars(module).clear()
            vars(module).update(own)
        for tensor, requires_grad, grad in tensors:
            tensor.requires_grad_(requires_grad)
            tensor.grad = grad


@contextmanager
def _same_values(tensors: Sequence[Tensor]) -> Iterator[None]:
    kept = [(tensor, tensor.detach().clone()) for tensor in tensors]
    try:
        yield
    finally:
        _put_back(kept)


@contextmanager
def _same_values_unless_written(tensors: Sequence[Tensor]) -> Iterator[None]:
    """As ``_same_values``, and copies a tensor only when an operator is about to write into it."""
    copies = _CopyOnWrite(tensors)
    aliases = [(tensor, tensor.detach()) for tensor in tensors]
    try:
        with copies:
            yield
    finally:
        for tensor, alias in aliases:
            if (tensor.data_ptr(), tensor.shape) != (alias.data_ptr(), alias.shape):
                tensor.data = alias  # another tensor was assigned to its ``data``
        _put_back(copies.kept)


def _put_back(kept: Sequence[tuple[Tensor, Tensor]]) -> None:
    with torch.no_grad():
        for tensor, value in kept:
            if not tensor.is_meta and not torch.equal(tensor, value):
                tensor.copy_(value)


class _CopyOnWrite(TorchFunctionMode):
    """Keeps the values of tensors from before the first function that may write into them.

    A copy of everything would take longer than the forward of a network with many parameters. (A dispatch mode would
    see the operators themselves, but PyTorch's tracer loses convolutions below one.)
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__()
        self.kept: list[tuple[Tensor, Tensor]] = []
        self._open: dict[int, list[Tensor]] = {}
        for tensor in tensors:
            self._open.setdefault(_storage(tensor), []).append(tensor)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Copy what the function may write into, and run it."""
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") not in _READERS or kwargs.get("out") is not None or kwargs.get("max_norm"):
            for tensor in tree_leaves((args, kwargs)):
                if isinstance(tensor, Tensor):
                    self._keep(tensor)
        return func(*args, **kwargs)

    def _keep(self, tensor: Tensor) -> None:
        try:
            storages = [_storage(tensor)]
        except NotImplementedError:  # inside torch.vmap nobody says whose memory it is
            storages = list(self._open)
        owners = [owner for storage in storages for owner in self._open.pop(storage, ())]
        if owners:
            with _no_trace():
                self.kept += [(owner, owner.detach().clone()) for owner in owners]


@contextmanager
def _no_trace() -> Iterator[None]:
    """Keep a copy of ours out of a trace of the network."""
    tracing: Any = torch._C._get_tracing_state()
    if tracing is None:
        yield
        return
    torch._C._set_tracing_state(None)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch._C._set_tracing_state(tracing)  # type: ignore[attr-defined]


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


# Functions that do not write into their arguments, and are given large parameters. Of any other, that is not known.
_READING = """__get__ __getitem__ __len__ __matmul__ __rmatmul__ add addmm baddbmm batch_norm bmm cat chunk conv1d
    conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d dim einsum embedding expand group_norm gru
    is_floating_point layer_norm linear lstm matmul mm mul multi_head_attention_forward mv numel permute reshape
    rnn_relu rnn_tanh scaled_dot_product_attention size split stack stride sub t transpose unbind view"""
_READERS = frozenset(_READING.split())


@contextmanager
def same_random_state(device: torch.device) -> Iterator[None]:
    """Put back the random states of PyTorch (CPU and device), of Python, and of NumPy where it is loaded."""
    state = random.getstate()
    numpy = sys.modules.get("numpy")
    numpy_state = numpy.random.get_state() if numpy is not None else None
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(state)
        if numpy is not None and numpy_state is not None:
            numpy.random.set_state(numpy_state)


@contextmanager
def at_rest(model: nn.Module, device: torch.device) -> Iterator[nn.Module]:
    """The network as its operators are counted: evaluated, without gradients, fused attention or compiled modules.

    The model, the random states and PyTorch's settings are as before afterwards.

    Args:
        model: The network.
        device: Where it computes.

    Yields:
        The network, or its original where it was compiled.
    """
    fast_path = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.enter_context(same_random_state(device))
        stack.enter_context(_same_attributes(model))
        stack.enter_context(_same_values(list(model.buffers())))  # batch_norm does not say that it writes into them
        stack.enter_context(_same_values_unless_written(list(model.parameters())))
        stack.enter_context(torch.no_grad())
        if "torch._dynamo" in sys.modules:  # otherwise nothing is compiled
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast_path)
        torch.backends.mha.set_fastpath_enabled(False)  # nn.MultiheadAttention as the products it consists of
        yield _without_compilation(model).eval()


def _without_compilation(model: nn.Module) -> nn.Module:
    original: nn.Module = getattr(model, "_orig_mod", model)
    for parent in list(original.modules()):
        parent._compiled_call_impl = None
        for name, child in parent._modules.items():
            inner = getattr(child, "_orig_mod", None)
            if isinstance(inner, nn.Module):
                parent._modules[name] = inner
    return original
