"""The ways to run a network that are timed: each has a name of its own, and no front mixes two.

- ``latency_eager``: PyTorch dispatches each operator from Python, which at batch 1 is most of the time on a GPU;
- ``latency``: the GPU replays a captured graph, so the host plays no part. On a CPU there is none, and ``latency``
  stands for ``latency_eager`` there;
- ``latency_compiled``: what torch.compile makes of it;
- ``latency_onnx`` and ``latency_trt``: what is deployed, by ONNX Runtime and by TensorRT (in ``runtimes``).

A mode checks that its network computes what the network itself computes, before anything is timed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils import _pytree

from nas_moo.device import is_out_of_memory
from nas_moo.errors import SpaceError, UserInputError

Call: TypeAlias = Callable[[int], object]
Prepare: TypeAlias = Callable[[ExitStack, nn.Module, Sequence[Tensor]], Call]
_WARM_UP_CALLS = 3
_TOLERANCE = {"float32": 1e-3, "TF32": 1e-2, "float16": 5e-2}


class ModeError(SpaceError):
    """A network that works, but not in this mode."""


@dataclass(frozen=True)
class Mode:
    """A way to run a network.

    Attributes:
        name: Of the objective.
        label: For an axis.
        says: For the method's text.
        devices: Kinds of device it works on.
        prepare: Given a stack for what is undone afterwards, the network in evaluation mode on the device, and inputs:
            what is timed, by the number of the call.
        dtype: What it computes in.
        rounds_alike: On a GPU it rounds all operations to TF32, or none, whatever PyTorch does with each.
        runtime: Name and version of what runs the network on a device, where it is not PyTorch; raises where it is not
            installed for that device.
    """

    name: str
    label: str
    says: str
    devices: tuple[str, ...]
    prepare: Prepare
    dtype: str = "float32"
    rounds_alike: bool = False
    runtime: Callable[[torch.device], str | None] = lambda device: None

    def require(self, device: torch.device) -> None:
        """Refuse a device that the mode has no meaning on.

        Raises:
            UserInputError: this is one.
        """
        if device.type not in self.devices:
            raise UserInputError(
                f"{self.name} cannot be measured on this device",
                value=str(device),
                do=f"It is for {' and '.join(self.devices)}; latency_eager is for every device.",
            )


def _eager(stack: ExitStack, model: nn.Module, inputs: Sequence[Tensor]) -> Call:
    if any(hasattr(m, "_orig_mod") or getattr(m, "_compiled_call_impl", None) for m in model.modules()):
        stack.enter_context(torch.compiler.set_stance("force_eager"))
    return lambda number: model(inputs[number % len(inputs)])


def _graph(stack: ExitStack, model: nn.Module, inputs: Sequence[Tensor]) -> Call:
    """One graph for each input, so that no copy of an input is timed; they share their memory."""
    expected = output_of(model, inputs[0])
    device, handled = inputs[0].device, sys.exception()
    stack.enter_context(torch.cuda.device(device))
    try:
        _warm_up(model, inputs[0])
        graphs, outputs = _captured(stack, model, inputs)
    except RuntimeError as error:  # what a capture forbids is told as one: a wait for the GPU, a copy to the host
        torch.cuda.synchronize(device)
        cause = _first_cause(error, handled)
        if is_out_of_memory(cause):
            raise cause from None
        raise ModeError(
            f"this network cannot be captured as a CUDA graph ({_first_line(cause)})",
            value=type(model).__name__,
            do="Time it with --objective latency_eager, or take what waits for the GPU out of its forward.",
        ) from error
    graphs[0].replay()
    require_same("the captured graph", expected, outputs[0], "float32")
    outputs.clear()
    return lambda number: graphs[number % len(graphs)].replay()


def _warm_up(model: nn.Module, x: Tensor) -> None:
    """A few calls on another stream, as before every capture; the last one may not wait for the GPU.

    What waits could not be captured, and a capture that fails is not easily got rid of: it is better not begun.
    """
    current = torch.cuda.current_stream(x.device)
    side = torch.cuda.Stream(x.device)  # type: ignore[no-untyped-call]
    side.wait_stream(current)
    debug = torch.cuda.get_sync_debug_mode()
    with torch.cuda.stream(side):
        for _ in range(_WARM_UP_CALLS):
            model(x.clone())
        torch.cuda.set_sync_debug_mode("error")
        try:
            model(x.clone())
        finally:
            torch.cuda.set_sync_debug_mode(debug)
    current.wait_stream(side)


def _captured(stack: ExitStack, model: nn.Module, inputs: Sequence[Tensor]) -> tuple[list[Any], list[Any]]:
    """A graph for each input, and its outputs; where a capture fails, PyTorch is as before."""
    device = inputs[0].device
    before, pool = torch.cuda.current_stream(device), torch.cuda.graph_pool_handle()
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    graphs: list[Any] = []
    outputs: list[Any] = []
    try:
        for x in inputs:
            graphs.append(torch.cuda.CUDAGraph())
            stack.callback(graphs[-1].reset)
            with torch.cuda.graph(graphs[-1], pool=pool, stream=stream):
                outputs.append(model(x))
    except BaseException:
        _leave_capture(before, pool)
        raise
    return graphs, outputs


def _leave_capture(before: torch.cuda.Stream, pool: Any) -> None:
    """Take back what ``torch.cuda.graph`` leaves where it cannot end a capture: its stream and its memory."""
    if torch.cuda.current_stream(before.device) == before:
        return
    torch.cuda.set_stream(before)
    for name in ("_cuda_endAllocateToPool", "_cuda_releasePool"):
        undo = getattr(torch._C, name, None)
        with suppress(RuntimeError):  # it had not begun, or has ended: that depends on where the capture failed
            if undo is not None:
                undo(before.device.index, pool)


def _compiled(stack: ExitStack, model: nn.Module, inputs: Sequence[Tensor]) -> Call:
    expected = output_of(model, inputs[0])
    # Each network of a space is new code to the compiler, which gives up after a few variants of one class.
    stack.callback(torch.compiler.reset)
    torch.compiler.reset()
    compiled = torch.compile(model, dynamic=False)
    try:
        found = compiled(inputs[0].clone())
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ModeError(
            f"torch.compile fails on this network ({type(error).__name__}: {_first_line(error)})",
            value=type(model).__name__,
            do="Time it with --objective latency_eager; on a CPU torch.compile needs a C++ compiler.",
        ) from error
    require_same("the compiled network", expected, found, "float32")
    return lambda number: compiled(inputs[number % len(inputs)])


def output_of(model: nn.Module, x: Tensor) -> Any:
    """What the network computes, before the mode is tried: so a network that fails is told from a mode that does.

    Of a copy, as each mode's answer that is compared with it: a network may write into its input.
    """
    return model(x.clone())


def require_same(what: str, expected: Any, found: Any, dtype: str) -> None:
    """Refuse to time something that computes another function than the network.

    Raises:
        ModeError: an output differs by more than rounding, relative to the largest.
    """
    wanted, got = (
        [leaf for leaf in _pytree.tree_leaves(output) if isinstance(leaf, Tensor)] for output in (expected, found)
    )
    apart = [_apart(one, other) for one, other in zip(wanted, got, strict=False)]
    off = max(apart, default=0.0) if len(wanted) == len(got) else math.inf
    if not off <= _TOLERANCE[dtype]:
        raise ModeError(
            f"{what} gives other outputs than the network",
            value=f"off by {off:.3g} of the largest output",
            do="Time a network that draws random numbers in evaluation mode, uses torch.autocast in its forward, or "
            "remembers earlier inputs with --objective latency_eager.",
        )


def _apart(one: Tensor, other: Tensor) -> float:
    """The largest difference relative to the largest finite value of ``one``; where both are not a number, none."""
    if one.shape != other.shape:
        return math.inf
    a, b = one.detach().float().cpu().flatten(), other.detach().float().cpu().flatten()
    differing = ~((a == b) | (a.isnan() & b.isnan()))
    if not differing.any():
        return 0.0
    apart = float((a - b)[differing].abs().max())
    scale = float(a[a.isfinite()].abs().max()) if a.isfinite().any() else 1.0
    return math.inf if math.isnan(apart) else apart / (scale or 1.0)


def _first_cause(error: BaseException, handled: BaseException | None) -> BaseException:
    """What began it: the end of a failed capture raises another error. What was ``handled`` before is none of it."""
    while (earlier := error.__cause__ or error.__context__) is not None and earlier is not handled:
        error = earlier
    return error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]


EAGER = Mode("latency_eager", "eager latency", "eager", ("cpu", "cuda"), _eager)
GRAPH = Mode("latency", "latency", "replay of a CUDA graph", ("cuda",), _graph)
COMPILED = Mode("latency_compiled", "compiled latency", "torch.compile", ("cpu", "cuda"), _compiled)
