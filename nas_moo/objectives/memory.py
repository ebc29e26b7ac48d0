"""Memory that a forward pass takes: its peak on a GPU; on a CPU an estimate, which is marked as one."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode

from nas_moo.device import fingerprint, free_memory
from nas_moo.measurement import Measurement
from nas_moo.objectives.latency import checked_batch, indexed, precision, random_inputs, ready, require_float32

if TYPE_CHECKING:
    from nas_moo.objectives import Candidate, Stage

_MIB = 2**20
_CALLS = 2  # the first one may choose algorithms, and with them a workspace


class Memory:
    """MiB of parameters, buffers, inputs and what a forward pass holds at its worst moment, in inference mode.

    On a CUDA device: the peak of the allocator, workspaces included. Elsewhere: the sum of all tensors that live at one
    time, as PyTorch's dispatcher makes them; what a kernel takes for itself is not seen.

    Args:
        device: Where to measure.
        batch: Examples a pass.
    """

    name = "memory"
    unit = "MiB"
    stage: Stage = "device"
    log = True

    def __init__(self, device: torch.device | str, *, batch: int = 1) -> None:
        self.device, self.batch = indexed(torch.device(device)), checked_batch(batch)
        self.is_exact = self.device.type == "cuda"
        self.label = "peak memory" if self.is_exact else "memory (estimated)"
        how = "peak of the allocator" if self.is_exact else "estimated: tensors that live at one time"
        told = f"batch {batch}, {precision(self.device)}, {fingerprint(self.device).key}"
        self.method = f"{how}; parameters, buffers and inputs included; {told}"

    def measure(self, candidate: Candidate) -> Measurement:
        """The peak; the model is as before afterwards.

        Raises:
            SpaceError: parameters that are not float32, or lazy ones without a shape.
            Exception: whatever the forward raises.
        """
        require_float32(candidate.model, self.name)
        shape = (self.batch, *candidate.input_shape)
        peak = self._on_the_gpu(candidate, shape) if self.is_exact else self._estimate(candidate, shape)
        caveats = [] if self.is_exact else ["estimated"]
        return Measurement.exact(peak / _MIB, self.unit, self.method, bytes=peak, caveats=caveats)

    def _on_the_gpu(self, candidate: Candidate, shape: tuple[int, ...]) -> int:
        _forget_others(self.device)
        before = torch.cuda.memory_allocated(self.device)
        with ready(candidate.model, self.device):
            (x,) = random_inputs(shape, 1, self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
            for _ in range(_CALLS):
                candidate.model(x)
            torch.cuda.synchronize(self.device)
            return int(torch.cuda.max_memory_allocated(self.device) - before)

    def _estimate(self, candidate: Candidate, shape: tuple[int, ...]) -> int:
        with ready(candidate.model, self.device):
            (x,) = random_inputs(shape, 1, self.device)
            held = _storages([*candidate.model.parameters(), *candidate.model.buffers(), x])
            with _Living(held) as living:
                candidate.model(x)
            return int(sum(held.values()) + living.peak)


def _forget_others(device: torch.device) -> None:
    """Free what earlier networks left, cuBLAS's workspaces too: they stay, and only the first network would pay."""
    torch.cuda.synchronize(device)
    clear = getattr(torch._C, "_cuda_clearCublasWorkspaces", None)
    if clear is not None:
        clear()
    free_memory(device)


class _Living(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the bytes of tensors that are made within it, while they live.

    Args:
        known: Storages that were there before, by address.
    """

    def __init__(self, known: dict[int, int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known, self._now, self.peak = known, 0, 0
        self._seen: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for leaf in _pytree.tree_leaves(made):
            if isinstance(leaf, Tensor):
                self._add(leaf.untyped_storage())
        return made

    def _add(self, storage: torch.UntypedStorage) -> None:
        if storage.data_ptr() in self._known or storage in self._seen:
            return
        self._seen.add(storage)
        size = storage.nbytes()
        self._now += size
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._gone, size)

    def _gone(self, size: int) -> None:
        self._now -= size


def _storages(tensors: Iterable[Tensor]) -> dict[int, int]:
    """Bytes by address; a shared one once."""
    return {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
