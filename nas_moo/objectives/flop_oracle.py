"""Multiply-adds by PyTorch's own FlopCounterMode on tensors without data: the second opinion on fvcore's trace.

FlopCounterMode has traps, each met here:

- on the CPU it misses attention (pytorch#195460) and recurrent layers, so the network is put on "meta";
- under ``no_grad`` it stops with an AssertionError where a parameter that requires gradients is expanded;
- it knows no product with a vector (``mv``, ``dot``, also ``x @ vector``) and no ``addbmm``: they are given to it;
- it counts an operator that it does not know as zero, so every operator that ran is looked at a second time;
- it counts two operations for a multiply-add;
- it calls modules by the class of the one that was called first.

On "meta" nothing has a value: a network that decides by the values of its tensors cannot be counted here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from nas_moo.objectives.flop_handles import FREE
from nas_moo.objectives.flop_tally import Tally, innermost

_OUTSIDE = "Global"  # what FlopCounterMode calls all of it
# PyTorch's names below its own layers: what the operators of ``FREE`` and those that only move data consist of.
_BELOW = """_adaptive_avg_pool2d _adaptive_avg_pool3d _batch_norm_no_update _batch_norm_with_update
    _embedding_bag _embedding_bag_forward_only _fused_rms_norm _local_scalar_dense _log_softmax _native_batch_norm_legit
    _native_batch_norm_legit_no_training _pdist_forward _prelu_kernel _reshape_alias _safe_softmax _softmax _to_copy
    _unsafe_index _unsafe_view _weight_norm_interface arange batch_norm_update_stats bernoulli clone contiguous copy
    cudnn_batch_norm detach empty empty_strided expand full_like gather grid_sampler_2d grid_sampler_3d index
    log_sigmoid_forward max_unpool2d native_batch_norm native_dropout native_group_norm native_layer_norm new_empty
    new_empty_strided new_full new_zeros nonzero ones permute record_stream reshape roll select size slice split
    split_with_sizes stack sym_size t transpose type_as unbind view zeros zeros_like"""
_FREE_BELOW = frozenset(f"aten::{name}{suffix}" for name in _BELOW.split() for suffix in ("", "_"))


def tally_on_meta(model: nn.Module, inputs: tuple[Tensor, ...]) -> Tally:
    """Run ``model(*inputs)`` without data and count its operators. The model's tensors are replaced by empty ones.

    Args:
        model: In evaluation mode. Whoever wants its tensors back puts them back (``untouched``).
        inputs: With the batch dimension; their values are not looked at.

    Raises:
        Exception: whatever the forward raises, also because its tensors have no values.
    """
    _empty(model)
    given = tuple(t.detach().to("meta") for t in inputs)
    try:
        return _tally(model, given, "cpu")
    except Exception as own:  # noqa: BLE001 - it is raised below
        try:  # a network that makes tensors without saying on which device they shall be
            return _tally(model, given, "meta")
        except Exception:  # noqa: BLE001 - the first error is the network's own
            raise own from None


def _tally(model: nn.Module, inputs: tuple[Tensor, ...], default_device: str) -> Tally:
    counter = FlopCounterMode(display=False, custom_mapping=_ABSENT)
    seen = _Operators(counter)
    with torch.device(default_device) if default_device != "cpu" else nullcontext(), torch.no_grad(), seen, counter:
        model(*inputs)
    root = type(model).__name__
    names = {root: "", **{f"{root}.{name}": name for name, _ in model.named_modules() if name}}
    counts = {name: dict[str, int]() for name, _ in model.named_modules()}
    for theirs, operators in counter.get_flop_counts().items():
        if (name := "" if theirs == _OUTSIDE else names.get(theirs)) is not None:
            counts[name] = {packet.__name__: n // 2 for packet, n in operators.items() if n}
    unknown = {o: innermost(names.get(m, "") for m in modules) for o, modules in seen.unknown.items()}
    return Tally(counts, dict(seen.free), unknown)


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operator that runs, below the counter."""

    def __init__(self, counter: FlopCounterMode) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._counter = counter
        self.free: Counter[str] = Counter()
        self.unknown: dict[str, list[str]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note the operator, and run it."""
        name = str(func._schema.name) if hasattr(func, "_schema") else str(func)
        if getattr(func, "_overloadpacket", func) not in self._counter.flop_registry:
            if _is_free(func, name):
                self.free[name] += 1
            else:
                running = self._counter.mod_tracker.parents - {_OUTSIDE}
                self.unknown.setdefault(name, []).append(max(running, key=len, default=""))
        return func(*args, **(kwargs or {}))


def _is_free(func: Any, name: str) -> bool:
    if name in FREE or name in _FREE_BELOW or name.startswith("profiler::") or getattr(func, "is_view", False):
        return True
    return torch.Tag.pointwise in getattr(func, "tags", ())


def _empty(model: nn.Module) -> None:
    """Replace each tensor that a module holds, also in lists, by one without data, and a shared one by a shared one."""
    made: dict[int, Tensor] = {}

    def empty(tensor: Tensor) -> Tensor:
        if id(tensor) not in made:
            bare = tensor.detach().to("meta")
            made[id(tensor)] = nn.Parameter(bare, requires_grad=False) if isinstance(tensor, nn.Parameter) else bare
        return made[id(tensor)]

    for module in model.modules():
        own = vars(module)
        for name, value in list(own.items()):
            if name in ("_parameters", "_buffers"):
                value.update({k: empty(v) for k, v in value.items() if v is not None})
            elif any(isinstance(leaf, Tensor) for leaf in tree_leaves(value)):
                own[name] = tree_map_only(Tensor, empty, value)


def _product(position: int, axis: int = -1) -> Any:
    def flops(*shapes: Sequence[int], out_shape: Sequence[int], **options: Any) -> int:
        return 2 * math.prod(out_shape) * shapes[position][axis]

    return flops


def _addbmm(bias: Sequence[int], left: Sequence[int], right: Sequence[int], **options: Any) -> int:
    return 2 * math.prod(left) * right[-1]


_ABSENT = {
    torch.ops.aten.mv: _product(0),
    torch.ops.aten.addmv: _product(1),
    torch.ops.aten.dot: _product(0),
    torch.ops.aten.vdot: _product(0),
    torch.ops.aten.addbmm: _addbmm,
}
