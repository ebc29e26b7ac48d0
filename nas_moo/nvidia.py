"""What NVIDIA's management library says of a GPU: who uses it, its clocks, temperature, power and limits.

Everything is read and nothing set. Where nvidia-ml-py or the driver is not there, each function says None.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

_T = TypeVar("_T")
# Bits of nvmlClocksEventReasons (nvml.h); idle, application clocks and sync boost are no distress.
_SLOWED_BY = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "temperature (software)",
    0x40: "temperature (hardware)",
    0x80: "power brake",
}


_PREFIXES = ("GPU-", "MIG-")


@dataclass(frozen=True)
class GpuState:
    """A GPU at one moment; None for what this model or driver does not tell.

    Attributes:
        sm_mhz: Clock of the multiprocessors.
        memory_mhz: Clock of the memory.
        temperature_c: Of the chip.
        power_w: Drawn now.
        utilization: Per cent of the last sampling period in which any kernel ran.
        slowed_by: Reasons for which the clock is held down.
    """

    sm_mhz: int | None
    memory_mhz: int | None
    temperature_c: int | None
    power_w: float | None
    utilization: int | None
    slowed_by: tuple[str, ...] | None

    def to_dict(self) -> dict[str, Any]:
        """The state as plain JSON."""
        return asdict(self) | {"slowed_by": None if self.slowed_by is None else list(self.slowed_by)}


@contextmanager
def management() -> Iterator[Any]:
    """NVIDIA's management library, or None where nvidia-ml-py or the driver is not there."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        yield None
        return
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        yield None
        return
    try:
        yield nvml
    finally:
        nvml.nvmlShutdown()


def gpu_state(uuid: str | None) -> GpuState | None:
    """Clocks, temperature, power, load and what holds the clock down, now; of the whole GPU where it is split (MIG)."""

    def read(nvml: Any, handle: Any) -> GpuState:
        handle = _whole(nvml, handle)

        def ask(question: Callable[[], _T]) -> _T | None:
            try:
                return question()
            except (nvml.NVMLError, AttributeError):  # not every model answers every question, nor does every version
                return None

        power = ask(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        reasons = ask(lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
        if reasons is None:  # its name until NVML 12.2
            reasons = ask(lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
        return GpuState(
            sm_mhz=ask(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            memory_mhz=ask(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
            temperature_c=ask(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
            power_w=None if power is None else power / 1e3,
            utilization=ask(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
            slowed_by=None if reasons is None else tuple(name for bit, name in _SLOWED_BY.items() if reasons & bit),
        )

    return _asked(uuid, read)


def power_cap(uuid: str | None) -> float | None:
    """The power limit that is enforced, in watts; of the whole GPU where it is split (MIG)."""
    return _asked(uuid, lambda nvml, handle: float(nvml.nvmlDeviceGetEnforcedPowerLimit(_whole(nvml, handle))) / 1e3)


def compute_processes(uuid: str | None) -> tuple[int, ...] | None:
    """The processes that hold the GPU for computing, by the numbers that the driver knows them by."""
    return _asked(uuid, lambda nvml, handle: tuple(p.pid for p in nvml.nvmlDeviceGetComputeRunningProcesses(handle)))


def foreign(processes: tuple[int, ...], own: int, friends: Collection[int] = ()) -> tuple[int, ...]:
    """Those that are neither this process nor one that waits while we time.

    In a container the driver's numbers are not ours: where this process, which holds the GPU, is not among them, one
    of them is taken to be it, and one more to be each friend that is not among them.
    """
    others = tuple(p for p in processes if p != own and p not in friends)
    return others if own in processes else others[1 + sum(p not in processes for p in friends) :]


def _asked(uuid: str | None, question: Callable[[Any, Any], _T]) -> _T | None:
    with management() as nvml:
        if nvml is None or uuid is None:
            return None
        try:
            return question(nvml, _handle(nvml, uuid))
        except nvml.NVMLError:
            return None


def _handle(nvml: Any, uuid: str) -> Any:
    """The GPU of this UUID, or the part of one: PyTorch tells either without what NVML begins it with."""
    if uuid.startswith(_PREFIXES):
        return nvml.nvmlDeviceGetHandleByUUID(uuid)
    try:
        return nvml.nvmlDeviceGetHandleByUUID(_PREFIXES[0] + uuid)
    except nvml.NVMLError:
        return nvml.nvmlDeviceGetHandleByUUID(_PREFIXES[1] + uuid)


def _whole(nvml: Any, handle: Any) -> Any:
    """The GPU that a part belongs to, which has the clocks and the power; a GPU itself."""
    try:
        return nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
    except (nvml.NVMLError, AttributeError):  # it is no part, or the library knows none
        return handle
