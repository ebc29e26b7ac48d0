"""Multiply-adds by fvcore, which traces a network and says which module ran which operator.

What an operator counts is our own table (``flop_handles``), because fvcore's mixes multiply-adds with element
operations and passes over attention, recurrent layers and convolutions with ``padding="same"``.
"""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

from nas_moo.objectives.flop_handles import FREE, HANDLES, UNCOUNTED, Handle
from nas_moo.objectives.flop_tally import Tally, innermost


def _ran(operator: str, inputs: list[Any], outputs: list[Any]) -> Any:
    return Counter({f"{_FREE}{operator}": 1})


def tally_by_trace(model: nn.Module, inputs: tuple[Tensor, ...]) -> Tally:
    """Trace ``model(*inputs)`` and count its operators.

    PyTorch's tracer keeps a state for each thread, and a TypeError in a traced size spoils it for all later traces:
    give each call a thread of its own. The model keeps a hook.

    Args:
        model: In evaluation mode, on the inputs' device, which is not "meta": the trace runs convolutions.
        inputs: With the batch dimension.

    Raises:
        ImportError: there is no fvcore.
        Exception: whatever the forward, fvcore or PyTorch's tracer raises.
    """
    from fvcore.nn import FlopCountAnalysis

    _return_every_value(model.module if isinstance(model, _WRAPPERS) else model)  # which fvcore unwraps
    analysis = FlopCountAnalysis(model, inputs).clear_op_handles().set_op_handle(**HANDLES, **_FREE_HANDLES)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    counts = analysis.by_module_and_operator()
    unknown: dict[str, list[str]] = {}
    for name in counts:
        marked = [o.removeprefix(UNCOUNTED) for o in counts[name] if o.startswith(UNCOUNTED)]
        for operator in (*analysis.unsupported_ops(name), *marked):
            unknown.setdefault(operator, []).append(name)
    return Tally(
        counts={
            name: {o: int(n) for o, n in operators.items() if n and not o.startswith((UNCOUNTED, _FREE))}
            for name, operators in counts.items()
        },
        free={o.removeprefix(_FREE): int(n) for o, n in counts[""].items() if o.startswith(_FREE)},
        unknown={operator: innermost(modules) for operator, modules in unknown.items()},
    )


# fvcore passes over some operators without a word (``relu``, ``dropout``), but not over those that have a handle.
_FREE = "free: "
_FREE_HANDLES: dict[str, Handle] = {o: functools.partial(_ran, o) for o in FREE}
_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)
_LITERALS = ("prim::Constant", "prim::ListConstruct")


@functools.cache
def fault_of_fvcore() -> str | None:
    """Why fvcore cannot count here, found out on a small network; None where it can."""
    linear = nn.utils.skip_init(nn.Linear, 3, 5)  # type: ignore[no-untyped-call]  # no random numbers
    try:
        with torch.no_grad():
            counted = tally_by_trace(linear.eval(), (torch.zeros(2, 3),)).counts[""]
    except Exception as error:  # noqa: BLE001 - whatever a future PyTorch makes of it
        return f"{type(error).__name__}: {error}"
    return None if counted == {"linear": 2 * 3 * 5} else f"it counts {counted} in a linear layer"


def _return_every_value(model: nn.Module) -> None:
    """Make every unused value a result of the trace, which otherwise forgets what was computed and not returned.

    So the network may return what it likes: a dictionary, a record, None.
    """
    calls: list[None] = []  # a network may call itself; only the outermost call ends the trace
    model.register_forward_pre_hook(lambda module, inputs: calls.append(None))

    def finish(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        calls.pop()
        return output if calls else _with_all_unused(inputs[0])

    model.register_forward_hook(finish)


def _with_all_unused(result: Tensor) -> Tensor:
    graph = torch._C._get_tracing_state().graph()
    unused: list[Any] = []
    blocks: list[Any] = [graph]
    while blocks:
        for node in blocks.pop().nodes():
            kind = node.kind()
            if kind == "prim::TracedModuleForward":
                blocks.extend(node.blocks())
            elif kind not in _LITERALS:
                unused += [value for value in node.outputs() if not value.uses()]
    for value in unused:
        graph.registerOutput(value)
    return result
