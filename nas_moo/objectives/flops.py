"""FLOPs by fvcore's convention, one multiply-add = one FLOP, with no operator silently counted as zero.

fvcore's trace counts (``flop_trace``). Where it cannot run, on a PyTorch that it does not know or on a network that
cannot be traced, PyTorch's FlopCounterMode takes its place (``flop_oracle``), and is named. Both follow the same rules,
whose version is ``PROTOCOL``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from nas_moo.errors import UncountedOperatorError, UserInputError
from nas_moo.measurement import Measurement
from nas_moo.objectives.flop_oracle import tally_on_meta
from nas_moo.objectives.flop_tally import Tally
from nas_moo.objectives.flop_trace import fault_of_fvcore, tally_by_trace
from nas_moo.objectives.params import require_shapes
from nas_moo.objectives.untouched import at_rest

if TYPE_CHECKING:
    from nas_moo.objectives import Candidate, Stage

PROTOCOL = 1
FVCORE, ORACLE = "fvcore", "FlopCounterMode"
_ONE_AT_A_TIME = threading.Lock()
_T = TypeVar("_T")


@dataclass(frozen=True)
class FlopCount:
    """The multiply-adds of one forward call.

    Attributes:
        total: Of the whole network.
        by_module: By the module's name; a module holds what its children do, "" is the whole.
        by_operator: By PyTorch's name of the operator; those that count nothing are left out.
        free: How often each operator ran that counts nothing by convention.
        uncounted: The operators whose count is not known, each with its module; the total is without them.
        counter: Who counted: "fvcore" or "FlopCounterMode".
        protocol: Version of the counting rules; counts of two versions are not compared.
    """

    total: int
    by_module: Mapping[str, int]
    by_operator: Mapping[str, int]
    free: Mapping[str, int]
    uncounted: tuple[str, ...] = ()
    counter: str = FVCORE
    protocol: int = PROTOCOL


class Flops:
    """Multiply-adds of one forward call on one example.

    Args:
        allow_uncounted: Leave out operators whose count is not known, and mark the measurement. Such a study has a
            method of its own: its counts may be too low.
    """

    name = "flops"
    unit = "FLOPs"
    label = "FLOPs"
    stage: Stage = "static"
    log = True

    def __init__(self, *, allow_uncounted: bool = False) -> None:
        self.allow_uncounted = allow_uncounted
        self.counter = FVCORE if _in_own_thread(fault_of_fvcore) is None else ORACLE
        self.method = method_of(self.counter, allow_uncounted=allow_uncounted)

    def measure(self, candidate: Candidate) -> Measurement:
        """The count, exact, on an input of zeros.

        Raises:
            UncountedOperatorError: the network uses an operator whose count is not known.
            SpaceError: a lazy parameter without a shape.
        """
        tensors = [*candidate.model.parameters(), *candidate.model.buffers()]
        device = tensors[0].device if tensors else candidate.device
        example = torch.zeros(1, *candidate.input_shape, device=device)
        counted = count_flops(candidate.model, example, allow_uncounted=self.allow_uncounted)
        details: dict[str, object] = {"protocol": PROTOCOL, "by_operator": dict(counted.by_operator)}
        caveats = [f"{operator} not counted" for operator in dict.fromkeys(u.split(" ")[0] for u in counted.uncounted)]
        if counted.counter != self.counter:
            caveats.append(f"counted by {counted.counter}, since {self.counter} cannot trace it")
        if caveats:
            details |= {"caveats": caveats, "uncounted": list(counted.uncounted), "counter": counted.counter}
        return Measurement.exact(counted.total, self.unit, self.method, **details)


def method_of(counter: str, *, allow_uncounted: bool = False) -> str:
    """How a count is obtained, in words; counts with different ones are not compared."""
    left_out = "operators of unknown count are left out and marked; " if allow_uncounted else ""
    return (
        f"multiply-adds at batch 1 (one multiply-add = one FLOP), {counter}; matrix products, convolutions, attention "
        "and recurrent layers count, element operations, norms, pooling, interpolation do not; "
        f"{left_out}protocol {PROTOCOL}"
    )


def count_flops(model: nn.Module, inputs: Tensor | tuple[Tensor, ...], *, allow_uncounted: bool = False) -> FlopCount:
    """Count the multiply-adds of ``model(*inputs)`` in evaluation mode.

    The model is as before afterwards, also where its forward raises: parameters, buffers, attributes, hooks and mode,
    and the random states of PyTorch, Python and NumPy. A compiled module is counted by its original.

    Args:
        model: On the inputs' device.
        inputs: With the batch dimension.
        allow_uncounted: Leave out operators whose count is not known, and name them in the result.

    Raises:
        UncountedOperatorError: an operator whose count is not known, with the module that runs it.
        UserInputError: the network runs, and can be counted neither by fvcore nor by FlopCounterMode.
        SpaceError: a lazy parameter without a shape.
        Exception: whatever the forward raises.
    """
    require_shapes(model)
    given = (inputs,) if isinstance(inputs, Tensor) else inputs
    _refuse_scripts(model)
    counter, tally = FVCORE, None
    fault: object = _in_own_thread(fault_of_fvcore)
    if fault is None:
        try:
            tally = _in_own_thread(lambda: _tally(tally_by_trace, model, given))
        except Exception as error:  # noqa: BLE001 - the network's own fault, or the tracer's
            fault = error
            _in_own_thread(lambda: _call(model, given))  # raises, where it is the network's
    if tally is None:
        counter, tally = ORACLE, _second_choice(model, given, fault)
    return _finished(model, tally, counter, allow_uncounted=allow_uncounted)


def oracle_flops(model: nn.Module, inputs: Tensor | tuple[Tensor, ...]) -> int:
    """The same count by PyTorch's FlopCounterMode alone, on tensors without data.

    Raises:
        UncountedOperatorError: an operator whose count is not known.
        Exception: whatever the forward raises, also because its tensors have no values.
    """
    _refuse_scripts(model)
    given = (inputs,) if isinstance(inputs, Tensor) else inputs
    tally = _in_own_thread(lambda: _tally(tally_on_meta, model, given))
    return _finished(model, tally, ORACLE, allow_uncounted=False).total


def _second_choice(model: nn.Module, inputs: tuple[Tensor, ...], fault: object) -> Tally:
    try:
        return _in_own_thread(lambda: _tally(tally_on_meta, model, inputs))
    except Exception as error:
        raise UserInputError(
            "the FLOPs of this network cannot be counted",
            value=f"fvcore: {fault}; FlopCounterMode: {type(error).__name__}: {error}",
            do="Write its forward without deciding by the values of tensors, or leave out the flops objective.",
        ) from error


def _tally(
    counter: Callable[[nn.Module, tuple[Tensor, ...]], Tally], model: nn.Module, inputs: tuple[Tensor, ...]
) -> Tally:
    with at_rest(model, inputs[0].device) as original:
        return counter(original, tuple(t.detach().clone() for t in inputs))


def _call(model: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    with at_rest(model, inputs[0].device) as original:
        original(*(t.detach().clone() for t in inputs))


def _finished(model: nn.Module, tally: Tally, counter: str, *, allow_uncounted: bool) -> FlopCount:
    uncounted = tuple(f"{o} in {_describe(model, m)}" for o, modules in tally.unknown.items() for m in modules)
    if uncounted and not allow_uncounted:
        raise _uncounted(uncounted)
    return FlopCount(
        total=sum(tally.counts[""].values()),
        by_module={name: sum(operators.values()) for name, operators in tally.counts.items()},
        by_operator=dict(tally.counts[""]),
        free=dict(tally.free),
        uncounted=uncounted,
        counter=counter,
    )


def _refuse_scripts(model: nn.Module) -> None:
    scripts = [name for name, module in model.named_modules() if isinstance(module, torch.jit.ScriptModule)]
    if scripts:
        raise UncountedOperatorError(
            "the FLOPs of TorchScript are not known",
            value=f"TorchScript in {scripts[0] or 'the network itself'}",
            do="Build the network without torch.jit, or leave out the flops objective.",
        )


def _describe(model: nn.Module, name: str) -> str:
    named = getattr(model, "_orig_mod", model).named_modules()
    original = {own.replace("._orig_mod", ""): module for own, module in named}
    return f"{name or 'the network itself'} ({type(original.get(name, model)).__name__})"


def _uncounted(what: Iterable[str]) -> UncountedOperatorError:
    return UncountedOperatorError(
        "the FLOPs of an operator are not known",
        value="; ".join(what),
        do="Write it with convolutions, linear layers, matmul or einsum, leave out the flops objective, or allow it "
        "(--allow-uncounted): it then counts nothing, and the count is marked.",
    )


def _in_own_thread(work: Callable[[], _T]) -> _T:
    """Run in a thread that ends with it, one at a time: what a failed trace leaves behind stays in its thread."""
    outcome: list[_T] = []
    fault: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            fault.append(error)

    with _ONE_AT_A_TIME:
        thread = threading.Thread(target=run, name="nas-moo count_flops")
        thread.start()
        thread.join()
    if fault:
        raise fault[0]
    return outcome[0]
