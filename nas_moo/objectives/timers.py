"""The clocks of the devices, and what empties their caches."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from nas_moo.errors import UserInputError
from nas_moo.objectives.timing import Sample, Timer

_CPU_CACHE_BYTES = 64 * 2**20  # more than a core's share of the last level on most processors
_GPU_CACHE_TIMES = 4


class CpuTimer:
    """The wall clock, and the calling thread's processor time beside it."""

    clock = "wall clock, 1 thread"

    def now(self) -> float:
        """Seconds since some fixed moment."""
        return time.perf_counter()

    def time(self, calls: Callable[[], object]) -> Sample:
        """Run the calls, which return when they are done."""
        thread, wall = time.thread_time_ns(), time.perf_counter_ns()
        calls()
        wall_ns = time.perf_counter_ns() - wall
        return Sample(wall_ns / 1e6, (time.thread_time_ns() - thread) / 1e6)


class CudaTimer:
    """CUDA events around the calls, on the device's current stream, and the host's time until the calls returned."""

    clock = "CUDA events"

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def now(self) -> float:
        """Seconds since some fixed moment."""
        return time.perf_counter()

    def time(self, calls: Callable[[], object]) -> Sample:
        """Run the calls and wait for the GPU."""
        with torch.cuda.device(self._device):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            begin.record()
            host = time.perf_counter_ns()
            calls()
            host_ns = time.perf_counter_ns() - host
            end.record()
            end.synchronize()
            return Sample(begin.elapsed_time(end), host_ms=host_ns / 1e6)


def timer_of(device: torch.device) -> Timer:
    """The device's own clock.

    Raises:
        UserInputError: there is none here.
    """
    if device.type == "cpu":
        return CpuTimer()
    if device.type == "cuda":
        return CudaTimer(device)
    raise UserInputError(
        "there is no clock here for this device", value=str(device), do="Use cpu or cuda, or leave latency out."
    )


def cache_emptier(device: torch.device) -> Callable[[], object]:
    """Writes more memory than the device's cache holds, so that nothing of a network is left in it.

    It returns when that is done: beside work that goes on, the host would hand over the calls that are to be timed.
    """
    if device.type != "cuda":
        cpu_buffer = torch.zeros(_CPU_CACHE_BYTES // 4, dtype=torch.float32, device=device)
        return lambda: cpu_buffer.add_(1.0)
    size = _GPU_CACHE_TIMES * int(torch.cuda.get_device_properties(device).L2_cache_size)
    buffer = torch.zeros(size // 4, dtype=torch.float32, device=device)

    def empty() -> None:
        buffer.add_(1.0)
        torch.cuda.synchronize(device)

    return empty
