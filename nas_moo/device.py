"""The device at hand: finding it, naming it, and judging whether a clock can be trusted on it."""

from __future__ import annotations

import functools
import gc
import hashlib
import os
import platform
import re
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from nas_moo.errors import UserInputError
from nas_moo.identity import ANY, MeasurementKey
from nas_moo.nvidia import compute_processes, foreign, management, power_cap

Trust: TypeAlias = Literal["good", "poor", "unknown"]
CONTENTION_LIMIT = 1.2
_ACCEPTED = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_CPUINFO = Path("/proc/cpuinfo")
_DRIVER = Path("/proc/driver/nvidia/version")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_MACHINE_ID, _IS_MACHINE_ID = Path("/etc/machine-id"), re.compile(r"[0-9a-f]{32}")
_BUSY_SECONDS = 0.05
# PyTorch has a class for a full GPU alone: its CPU allocator, cuBLAS and cuDNN raise a RuntimeError that says it.
_NO_MEMORY = re.compile(
    r"out of memory|can't allocate memory|not enough memory|CU(?:BLAS|DNN)_STATUS_ALLOC_FAILED", re.IGNORECASE
)


@dataclass(frozen=True)
class Fingerprint:
    """What a number was measured on.

    Attributes:
        kind: "cpu", "cuda" or "mps".
        name: The model of the GPU, or of the processor.
        uuid: Of the GPU, which tells two of one model apart.
        torch: PyTorch's version with its build ("2.13.0+cpu").
        cuda: CUDA's version, as PyTorch was built with it.
        cudnn: cuDNN's version number.
        driver: Of the GPU.
        threads: PyTorch's threads for one operator, when the fingerprint was first taken.
        os: Name and release of the operating system.
        machine: The instruction set ("x86_64").
    """

    kind: str
    name: str
    uuid: str | None
    torch: str
    cuda: str | None
    cudnn: int | None
    driver: str | None
    threads: int
    os: str
    machine: str

    @property
    def key(self) -> str:
        """What a method's text says of the device; equal on two devices of one model with the same software."""
        parts = [self.kind, self.name, f"torch {self.torch}"]
        if self.cuda is not None:
            parts += [f"CUDA {self.cuda}", f"driver {self.driver or 'unknown'}"]
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """The fingerprint as plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Finding:
    """One thing that bears on whether timings can be trusted.

    Attributes:
        name: "load", "cores", "governor", "wall/thread", "gpu processes".
        value: What was read, in words.
        trust: "good", "poor", or "unknown" where it cannot be read here.
        advice: What to do where it is not good; empty where it is.
    """

    name: str
    value: str
    trust: Trust
    advice: str = ""


def resolve_device(name: str) -> torch.device:
    """The device of this name, with its index.

    Args:
        name: "auto" (the first CUDA device, else the CPU), "cpu", "cuda" (the first one), "cuda:1", "mps".

    Raises:
        UserInputError: no such name, or the device is not there.
    """
    if not _ACCEPTED.fullmatch(name):
        raise UserInputError(
            "this is no device that can be used", value=name, do="Give auto, cpu, cuda, cuda:1 or mps."
        )
    if name == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    device = torch.device(name)
    if device.type == "cuda":
        return _cuda_device(device.index or 0)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserInputError(
            "no Metal device (mps) can be used here", value=name, do="Use cpu, or run on a Mac with Apple silicon."
        )
    return device


def fingerprint(device: torch.device) -> Fingerprint:
    """What the device is and which software drives it; taken once a process."""
    return _fingerprint(device.type, device.index)


def measurement_key(
    device: torch.device,
    *,
    mode: str,
    batch: int,
    dtype: str,
    cache: str,
    runtime: str | None,
    clock: str,
    protocol: int,
) -> MeasurementKey:
    """The key of no network and no input yet, on this device as it is now."""
    found = fingerprint(device)
    return MeasurementKey(
        network=ANY,
        input_shape=(),
        batch=batch,
        dtype=dtype,
        memory_format="contiguous",
        mode=mode,
        cache=cache,
        threads=1 if device.type == "cpu" else torch.get_num_threads(),
        torch=found.torch,
        cuda=found.cuda,
        cudnn=found.cudnn,
        driver=found.driver,
        runtime=runtime,
        device=found.name,
        uuid=found.uuid,
        power_cap_w=power_cap(found.uuid),
        clock=clock,
        protocol=protocol,
        host=None if found.uuid else host_digest(),
    )


def host_digest(path: Path = _MACHINE_ID) -> str | None:
    """What tells this machine from another of its model, and no name: a digest of its ``/etc/machine-id``.

    None where there is none, as in most containers and outside Linux. The host's name does not stand in for it: a
    container has a new one at each start, and a laptop one in each network, and their studies could not go on. Nor does
    the file's text: it is meant to stay on its machine.
    """
    try:
        told = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not _IS_MACHINE_ID.fullmatch(told):  # empty, or "uninitialized" during the first start
        return None
    return hashlib.sha256(f"nas-moo:{told}".encode()).hexdigest()[:12]


def free_memory(device: torch.device) -> None:
    """Give back what nobody uses any more, so that the next network is not refused for the last one's sake."""
    gc.collect()  # a traceback that refers to itself holds the tensors of its frames
    if device.type == "cuda":
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether this was raised because memory did not suffice, of the host or of a device."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or bool(_NO_MEMORY.search(str(error)))


def timing_trust(device: torch.device) -> list[Finding]:
    """What on this machine bears on timings: load, cores, frequency governor, contention, other GPU processes.

    Nothing is changed on the machine; a busy loop of 0.05 s runs.
    """
    cores = _usable_cores()
    findings = [_judge_cores(cores), _judge_load(cores), _judge_governor(_GOVERNOR), _judge_contention()]
    if device.type == "cuda":
        findings.append(_judge_gpu_processes(device))
    return findings


def _cuda_device(index: int) -> torch.device:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        raise UserInputError(
            f"PyTorch sees {count or 'no'} CUDA device{'' if count == 1 else 's'} here",
            value=f"cuda:{index}",
            do=f"Use cpu{f' or cuda:0 to cuda:{count - 1}' if count else ''}; `nvidia-smi` lists the machine's GPUs.",
        )
    return torch.device("cuda", index)


@functools.cache
def _fingerprint(kind: str, index: int | None) -> Fingerprint:
    name, uuid, cuda, cudnn, driver = _processor_name(), None, None, None, None
    if kind == "cuda":
        properties = torch.cuda.get_device_properties(index or 0)
        name, uuid = properties.name, str(getattr(properties, "uuid", "")) or None
        cuda, driver = torch.version.cuda, _driver_version(_DRIVER)
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return Fingerprint(
        kind=kind,
        name=name,
        uuid=uuid,
        torch=str(torch.__version__),
        cuda=cuda,
        cudnn=cudnn,
        driver=driver,
        threads=torch.get_num_threads(),
        os=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
    )


def _processor_name(cpuinfo: Path = _CPUINFO) -> str:
    if platform.system() == "Darwin":  # platform.processor() says "arm" of every Apple chip
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    fields: dict[str, str] = {}
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
    if "model name" in fields:
        return fields["model name"]
    if "CPU part" in fields:  # ARM kernels print numbers in place of a name
        return f"{platform.machine()} implementer {fields.get('CPU implementer')} part {fields['CPU part']}"
    return platform.processor() or platform.machine()


def _driver_version(written: Path) -> str | None:
    with management() as nvml:
        if nvml is not None:
            return str(nvml.nvmlSystemGetDriverVersion())
    if not written.is_file():
        return None
    match = re.search(r"\b\d{3,}\.\d+(?:\.\d+)?\b", written.read_text(encoding="utf-8"))
    return match[0] if match else None


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _judge_cores(cores: int) -> Finding:
    if cores > 1:
        return Finding("cores", str(cores), "good")
    return Finding("cores", str(cores), "poor", "With one core, everything else that runs disturbs a timing.")


def _judge_load(cores: int) -> Finding:
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):
        return Finding("load", "cannot be read", "unknown", "See that nothing else runs.")
    told = f"{load:.2f} over the last minute, {cores} cores"
    if load + 1 <= cores:
        return Finding("load", told, "good")
    return Finding("load", told, "poor", "Wait until other work has ended, or measure on another machine.")


def _judge_governor(path: Path) -> Finding:
    try:
        governor = path.read_text(encoding="utf-8").strip()
    except OSError:
        return Finding("governor", "cannot be read", "unknown", "The processor's frequency may vary between timings.")
    if governor == "performance":
        return Finding("governor", governor, "good")
    return Finding("governor", governor, "poor", "The processor's frequency varies with load; compare within one run.")


def _judge_contention(seconds: float = _BUSY_SECONDS) -> Finding:
    wall, thread = time.perf_counter_ns(), time.thread_time_ns()
    end = wall + seconds * 1e9
    while time.perf_counter_ns() < end:
        pass
    ratio = (time.perf_counter_ns() - wall) / max(1, time.thread_time_ns() - thread)
    return _contention(ratio)


def _contention(ratio: float) -> Finding:
    told = f"{ratio:.2f} in a busy loop (trusted up to {CONTENTION_LIMIT})"
    if ratio <= CONTENTION_LIMIT:
        return Finding("wall/thread", told, "good")
    return Finding("wall/thread", told, "poor", "Other processes take this core's time: stop them, then measure.")


def _judge_gpu_processes(device: torch.device) -> Finding:
    running = compute_processes(fingerprint(device).uuid)
    if running is None:
        return Finding("gpu processes", "cannot be read", "unknown", "Install nvidia-ml-py, or look at nvidia-smi.")
    own = os.getpid()
    # Before this process has used the GPU it is not in the list, and whoever is is another.
    begun = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    others = foreign(running, own) if begun else tuple(p for p in running if p != own)
    if not others:
        return Finding("gpu processes", "none but this one", "good")
    told = f"{len(others)} others ({', '.join(map(str, others))})"
    return Finding("gpu processes", told, "poor", "Wait until they have ended, or take another GPU.")
