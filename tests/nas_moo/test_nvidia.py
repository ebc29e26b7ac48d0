import sys
import types

import pytest

from nas_moo import nvidia


class NVMLError(Exception):
    pass


@pytest.fixture
def gpu(monkeypatch):
    """A library that answers as NVIDIA's does, but for the power, which this GPU does not tell."""

    def refuse(handle):
        raise NVMLError("not supported")

    asked = []
    library = types.SimpleNamespace(
        NVMLError=NVMLError,
        NVML_CLOCK_SM=1,
        NVML_CLOCK_MEM=2,
        NVML_TEMPERATURE_GPU=0,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: asked.append("shutdown"),
        nvmlDeviceGetHandleByUUID=lambda uuid: asked.append(uuid) or "handle",
        nvmlDeviceGetClockInfo=lambda handle, kind: {1: 1410, 2: 1593}[kind],
        nvmlDeviceGetTemperature=lambda handle, sensor: 61,
        nvmlDeviceGetPowerUsage=refuse,
        nvmlDeviceGetEnforcedPowerLimit=lambda handle: 350_000,
        nvmlDeviceGetUtilizationRates=lambda handle: types.SimpleNamespace(gpu=97),
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: 0x1 | 0x4 | 0x40,  # idle, power cap, temperature
        nvmlDeviceGetComputeRunningProcesses=lambda handle: [types.SimpleNamespace(pid=p) for p in (11, 12)],
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return asked


def test_what_the_driver_tells_is_read_and_what_it_refuses_is_none(gpu):
    state = nvidia.gpu_state("1234")
    assert state.to_dict() == {
        "sm_mhz": 1410,
        "memory_mhz": 1593,
        "temperature_c": 61,
        "power_w": None,
        "utilization": 97,
        "slowed_by": ["power cap", "temperature (hardware)"],
    }
    assert nvidia.power_cap("GPU-1234") == 350.0
    assert nvidia.compute_processes("1234") == (11, 12)
    assert gpu == ["GPU-1234", "shutdown"] * 3


@pytest.mark.parametrize("uuid", ["5678", "MIG-5678"])
def test_a_part_of_a_gpu_is_found_and_its_clocks_are_the_gpu_s(monkeypatch, gpu, uuid):
    library = sys.modules["pynvml"]

    def find(asked):
        if asked != "MIG-5678":
            raise NVMLError("not found")
        return "part"

    def whole(handle):
        if handle != "part":
            raise NVMLError("not a part")
        return "whole"

    def of_the_whole(handle, *kind):
        if handle != "whole":
            raise NVMLError("not supported")
        return 1000

    monkeypatch.setattr(library, "nvmlDeviceGetHandleByUUID", find)
    monkeypatch.setattr(library, "nvmlDeviceGetDeviceHandleFromMigDeviceHandle", whole, raising=False)
    for name in ("nvmlDeviceGetClockInfo", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetEnforcedPowerLimit"):
        monkeypatch.setattr(library, name, of_the_whole)
    monkeypatch.setattr(
        library,
        "nvmlDeviceGetComputeRunningProcesses",
        lambda handle: [types.SimpleNamespace(pid={"part": 11}[handle])],
    )
    state = nvidia.gpu_state(uuid)
    assert (state.sm_mhz, state.power_w, nvidia.power_cap(uuid)) == (1000, 1.0, 1.0)
    assert nvidia.compute_processes(uuid) == (11,)
    assert nvidia.gpu_state("GPU-5678") is None


def test_without_a_library_or_a_gpu_nothing_is_told(monkeypatch, gpu):
    assert nvidia.gpu_state(None) is None
    monkeypatch.setattr(
        sys.modules["pynvml"], "nvmlDeviceGetHandleByUUID", lambda uuid: (_ for _ in ()).throw(NVMLError)
    )
    assert nvidia.power_cap("1234") is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvidia.compute_processes("1234") is None


@pytest.mark.parametrize(
    ("processes", "friends", "others"),
    [
        ((7,), set(), ()),
        ((7, 8, 9), set(), (8, 9)),
        ((7, 8, 9), {8}, (9,)),
        ((1008,), set(), ()),  # in a container: it is us
        ((1008, 1009), set(), (1009,)),
        ((1008, 1009, 1010), (7,), (1010,)),  # the friend is in another container, and is its process 7
    ],
)
def test_foreign_processes_are_those_that_are_neither_this_one_nor_friends(processes, friends, others):
    assert nvidia.foreign(processes, 7, friends) == others
