"""FLOPs by fvcore's convention, one multiply-add = one FLOP, with no operator silently counted as zero.

fvcore traces the network and says which module ran an operator; what an operator counts is our own table
(``flop_handles``), because fvcore's mixes multiply-adds with element operations and passes over attention, recurrent
layers and convolutions with ``padding="same"``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn

from nas_moo.errors import UncountedOperatorError
from nas_moo.measurement import Measurement
from nas_moo.objectives.flop_handles import FREE, HANDLES, UNCOUNTED
from nas_moo.objectives.params import require_shapes
from nas_moo.objectives.untouched import same_random_state, untouched

if TYPE_CHECKING:
    from nas_moo.objectives import Candidate, Stage

PROTOCOL = 1
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class FlopCount:
    """The multiply-adds of one forward call.

    Attributes:
        total: Of the whole network.
        by_module: By the module's name; a module holds what its children do, "" is the whole.
        by_operator: By PyTorch's name of the operator; those that count nothing are left out.
        protocol: Version of the counting rules; counts of two versions are not compared.
    """

    total: int
    by_module: Mapping[str, int]
    by_operator: Mapping[str, int]
    protocol: int = PROTOCOL


class Flops:
    """Multiply-adds of one forward call on one example."""

    name = "flops"
    unit = "FLOPs"
    label = "FLOPs"
    stage: Stage = "static"
    log = True
    method = (
        "multiply-adds at batch 1 (one multiply-add = one FLOP), fvcore; matrix products, convolutions, attention and "
        f"recurrent layers count, element operations, norms, pooling, interpolation do not; protocol {PROTOCOL}"
    )

    def measure(self, candidate: Candidate) -> Measurement:
        """The count, exact, on an input of zeros.

        Raises:
            UncountedOperatorError: the network uses an operator whose count is not known.
            SpaceError: a lazy parameter without a shape.
        """
        tensors = [*candidate.model.parameters(), *candidate.model.buffers()]
        device = tensors[0].device if tensors else candidate.device
        counted = count_flops(candidate.model, torch.zeros(1, *candidate.input_shape, device=device))
        details = {"protocol": PROTOCOL, "by_operator": dict(counted.by_operator)}
        return Measurement.exact(counted.total, self.unit, self.method, **details)


def count_flops(model: nn.Module, inputs: Tensor | tuple[Tensor, ...]) -> FlopCount:
    """Count the multiply-adds of ``model(*inputs)`` in evaluation mode.

    The model is as before afterwards, also where its forward raises: parameters, buffers, attributes, hooks and mode,
    and the random states of PyTorch and Python. A compiled module is counted by its original.

    Args:
        model: On the inputs' device; fvcore cannot trace convolutions on "meta".
        inputs: With the batch dimension.

    Raises:
        UncountedOperatorError: an operator whose count is not known, with the module that runs it.
        SpaceError: a lazy parameter without a shape.
        Exception: whatever the forward raises.
    """
    require_shapes(model)
    outcome: list[FlopCount | BaseException] = []

    def count() -> None:
        try:
            outcome.append(_count(model, inputs))
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            outcome.append(error)

    # PyTorch's tracer keeps a state for each thread, and a TypeError in a traced size spoils it for all later traces.
    with _ONE_AT_A_TIME:
        thread = threading.Thread(target=count, name="nas-moo count_flops")
        thread.start()
        thread.join()
    result = outcome[0]
    if isinstance(result, BaseException):
        raise result
    return result


def _count(model: nn.Module, inputs: Tensor | tuple[Tensor, ...]) -> FlopCount:
    device = inputs.device if isinstance(inputs, Tensor) else inputs[0].device
    with untouched(model), same_random_state(device), _no_attention_fast_path(), torch.no_grad():
        original = _without_compilation(model).eval()
        _refuse_scripts(original)
        analysis = FlopCountAnalysis(original, inputs).clear_op_handles()
        analysis.set_op_handle(**dict.fromkeys(FREE, _nothing), **HANDLES)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        counts = analysis.by_module_and_operator()
        _refuse_uncounted(original, counts, {name: analysis.unsupported_ops(name) for name in counts})
    by_operator = {name: int(n) for name, n in counts[""].items() if n}
    return FlopCount(
        total=sum(by_operator.values()),
        by_module={name: int(sum(operators.values())) for name, operators in counts.items()},
        by_operator=by_operator,
    )


def _nothing(inputs: list[Any], outputs: list[Any]) -> int:
    return 0


def _refuse_uncounted(
    model: nn.Module, counts: Mapping[str, Mapping[str, float]], unknown: Mapping[str, Mapping[str, int]]
) -> None:
    places: dict[str, list[str]] = {}
    for module in counts:
        marked = [name.removeprefix(UNCOUNTED) for name in counts[module] if name.startswith(UNCOUNTED)]
        for operator in (*unknown[module], *marked):
            places.setdefault(operator, []).append(module)
    if not places:
        return
    told = []
    for operator, modules in places.items():
        inner = [m for m in modules if not any(o != m and o.startswith(f"{m}." if m else "") for o in modules)]
        told += [f"{operator} in {_describe(model, module)}" for module in inner]
    raise _uncounted("; ".join(told))


def _refuse_scripts(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise _uncounted(f"TorchScript in {name or 'the network itself'}")


def _describe(model: nn.Module, name: str) -> str:
    return f"{name or 'the network itself'} ({type(model.get_submodule(name)).__name__})"


def _uncounted(what: str) -> UncountedOperatorError:
    return UncountedOperatorError(
        "the FLOPs of an operator are not known",
        value=what,
        do="Write it with convolutions, linear layers, matmul or two-operand einsum, or leave out the flops objective.",
    )


def _without_compilation(model: nn.Module) -> nn.Module:
    original: nn.Module = getattr(model, "_orig_mod", model)
    for parent in list(original.modules()):
        parent._compiled_call_impl = None
        for name, child in parent._modules.items():
            inner = getattr(child, "_orig_mod", None)
            if isinstance(inner, nn.Module):
                parent._modules[name] = inner
    return original


@contextmanager
def _no_attention_fast_path() -> Iterator[None]:
    """Trace nn.MultiheadAttention as the products it consists of."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
