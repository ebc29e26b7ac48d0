"""Latency of one eager call on the device at hand.

Eager means: PyTorch dispatches each operator from Python, which at batch 1 is most of the time on a GPU. The number is
kept apart, by its name, from the replay of a captured graph.

Needs PyTorch alone, so that a target machine can run it. The procedure is in ``timing``; here are the clocks, and the
state that is put back afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nas_moo.device import CONTENTION_LIMIT, fingerprint
from nas_moo.errors import SpaceError, UserInputError
from nas_moo.measurement import Measurement
from nas_moo.objectives.params import require_shapes
from nas_moo.objectives.timing import PROTOCOL, SEARCH, Sample, Timer, Timing, TimingPreset, time_call
from nas_moo.objectives.untouched import same_random_state, untouched

if TYPE_CHECKING:
    from nas_moo.objectives import Candidate, Stage

_INPUT_SEED = 0


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
    """CUDA events around the calls, on the device's current stream."""

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
            calls()
            end.record()
            end.synchronize()
            return Sample(begin.elapsed_time(end))


class LatencyEager:
    """Milliseconds of one eager call: float32, inference mode, on the device at hand.

    Args:
        device: Where to measure; a CPU or CUDA device.
        batch: Examples a call.
        preset: Time budget and precision.
        timer: The clock; by default the device's own.

    Raises:
        UserInputError: a device without a clock here, or a batch below 1.
    """

    name = "latency_eager"
    unit = "ms"
    stage: Stage = "device"
    log = True

    def __init__(
        self,
        device: torch.device | str,
        *,
        batch: int = 1,
        preset: TimingPreset = SEARCH,
        timer: Timer | None = None,
    ) -> None:
        self.device, self.batch, self.preset = _indexed(torch.device(device)), batch, preset
        if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
            raise UserInputError("a batch is no positive whole number", value=batch, do="Give 1 or more.")
        self.timer = timer or _timer(self.device)
        self.label = "eager latency"
        self.method = (
            f"batch {batch}, {_precision(self.device)}, {self.timer.clock}, {fingerprint(self.device).key}; "
            f"median of block medians of calls back to back, protocol {PROTOCOL}"
        )

    def measure(self, candidate: Candidate) -> Measurement:
        """The median with its 95 % interval; ``details["converged"]`` says whether it is as narrow as asked.

        The model, its device and the random states are as before afterwards, also where its forward raises.

        Raises:
            UserInputError: the candidate is for another device.
            SpaceError: parameters that are not float32, or lazy ones without a shape.
            Exception: whatever the forward raises.
        """
        if _indexed(candidate.device) != self.device:
            raise UserInputError(
                f"this latency is measured on {self.device}, and the candidate is for another device",
                value=str(candidate.device),
                do="Load the objective for that device: its method names the device.",
            )
        _require_float32(candidate.model)
        started = self.timer.now()
        with _ready(candidate.model, self.device):
            inputs = _inputs((self.batch, *candidate.input_shape), self.preset.inputs, self.device)
            timing = time_call(
                lambda number: candidate.model(inputs[number % len(inputs)]), self.timer, self.preset, started=started
            )
        return self._measurement(timing, self.timer.now() - started)

    def _measurement(self, timing: Timing, seconds: float) -> Measurement:
        ratio = timing.wall_over_thread
        blocks = len(timing.block_medians)
        return Measurement(
            value=timing.value,
            unit=self.unit,
            low=timing.low,
            high=timing.high,
            interval=timing.interval,
            n=blocks,
            method=self.method,
            details={
                "protocol": PROTOCOL,
                "preset": self.preset.name,
                "block_medians": list(timing.block_medians),
                "samples": timing.samples,
                "calls_per_sample": timing.calls_per_sample,
                "warmup": timing.warmup,
                "steady": timing.steady,
                "converged": timing.converged,
                "few_blocks": blocks < self.preset.blocks,
                "p95": timing.p95,
                "wall_over_thread": ratio,
                "contended": None if ratio is None else ratio > CONTENTION_LIMIT,
                "seconds": seconds,
                "caveats": self._caveats(timing),
            },
        )

    def _caveats(self, timing: Timing) -> list[str]:
        caveats = []
        if not timing.converged:
            caveats.append("not converged")
        if timing.wall_over_thread is not None and timing.wall_over_thread > CONTENTION_LIMIT:
            caveats.append("contended")
        return caveats


def _indexed(device: torch.device) -> torch.device:
    """The device as tensors name theirs: "cuda" is "cuda:0", and "cpu:0" is "cpu"."""
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else torch.device(device.type)


def _timer(device: torch.device) -> Timer:
    if device.type == "cpu":
        return CpuTimer()
    if device.type == "cuda":
        return CudaTimer(device)
    raise UserInputError(
        "latency_eager has no clock for this device", value=str(device), do="Use cpu or cuda, or leave latency out."
    )


def _precision(device: torch.device) -> str:
    if device.type != "cuda":
        return "float32"
    kinds = [("convolutions", torch.backends.cudnn.allow_tf32), ("products", torch.backends.cuda.matmul.allow_tf32)]
    rounded = [name for name, allowed in kinds if allowed]
    return f"float32 (TF32 in {' and '.join(rounded)})" if rounded else "float32"


def _require_float32(model: nn.Module) -> None:
    require_shapes(model)
    others = {
        str(tensor.dtype)
        for tensor in (*model.parameters(), *model.buffers())
        if tensor.is_floating_point() and tensor.dtype != torch.float32
    }
    if others:
        raise SpaceError(
            "latency_eager times float32 networks, and this one has other parameters",
            value=", ".join(sorted(others)),
            do="Build the network in float32.",
        )


def _inputs(shape: tuple[int, ...], count: int, device: torch.device) -> list[Tensor]:
    generator = torch.Generator().manual_seed(_INPUT_SEED)
    return [torch.randn(shape, generator=generator).to(device) for _ in range(count)]


@contextmanager
def _ready(model: nn.Module, device: torch.device) -> Iterator[None]:
    """The model in evaluation mode on the device, one CPU thread, nothing compiled; all put back afterwards."""
    tensors = [*model.parameters(), *model.buffers()]
    home = tensors[0].device if tensors else device
    threads = torch.get_num_threads()
    with ExitStack() as stack:
        # The number of calls depends on the clock: a network that draws random numbers must not shift later ones.
        stack.enter_context(same_random_state(device))
        stack.enter_context(untouched(model))
        if any(hasattr(m, "_orig_mod") or getattr(m, "_compiled_call_impl", None) for m in model.modules()):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if device.type == "cpu":
            stack.callback(torch.set_num_threads, threads)
            torch.set_num_threads(1)
        stack.callback(model.to, home)
        model.eval().to(device)
        stack.enter_context(torch.inference_mode())
        yield
