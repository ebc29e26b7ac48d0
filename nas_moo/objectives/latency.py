"""Latency of one forward pass on the device at hand, in one of the modes that ``modes`` describes.

Needs PyTorch alone, so that a target machine can run it. The procedure is in ``timing``, the clocks in ``timers``; here
are the network made ready, and the state that is put back afterwards.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nas_moo.device import CONTENTION_LIMIT, fingerprint, measurement_key
from nas_moo.errors import SpaceError, UserInputError
from nas_moo.identity import MeasurementKey, is_same_key
from nas_moo.lease import waiting
from nas_moo.measurement import Measurement, format_quantity
from nas_moo.nvidia import GpuState, compute_processes, foreign, gpu_state
from nas_moo.objectives.intervals import widened
from nas_moo.objectives.modes import COMPILED, EAGER, GRAPH, Mode, ModeError
from nas_moo.objectives.params import require_shapes
from nas_moo.objectives.runtimes import ONNX, TRT
from nas_moo.objectives.tf32 import EVERYTHING, tf32
from nas_moo.objectives.timers import cache_emptier, timer_of
from nas_moo.objectives.timing import PROTOCOL, SEARCH, Timer, Timing, TimingPreset, time_call
from nas_moo.objectives.untouched import same_random_state, untouched

if TYPE_CHECKING:
    from nas_moo.objectives import Candidate, Stage

MODES = {mode.name: mode for mode in (EAGER, GRAPH, COMPILED, ONNX, TRT)}
# By how much a network's latency differs from one measurement to the next (95 %), unseen by any single one: where its
# memory lies, how the machine is today. docs/benchmarks.md shows how it was found, on a CPU.
RUN_TO_RUN = 0.01
SETTLE_S = 0.08  # of work, in which a GPU that idled raises its clocks
HOST_BOUND = 0.9  # of the time, after which the host had only just handed over all work
CHANGED = "writes into its inputs"  # each call then works on what the one before left, until it overflows
_INPUT_SEED = 0


class Latency:
    """Milliseconds of one call: inference mode, on the device at hand, alone.

    Args:
        mode: How the network is run.
        device: Where to measure.
        batch: Examples a call.
        preset: Time budget and precision.
        timer: The clock; by default the device's own.
        cold_cache: Empty the device's caches before each call, which is then timed by itself.

    Raises:
        UserInputError: the mode is not for this device, what it runs on is not installed, or a batch is below 1.
    """

    unit = "ms"
    stage: Stage = "device"
    log = True

    def __init__(
        self,
        mode: Mode,
        device: torch.device | str,
        *,
        batch: int = 1,
        preset: TimingPreset = SEARCH,
        timer: Timer | None = None,
        cold_cache: bool = False,
    ) -> None:
        self.mode, self.device, self.preset = mode, indexed(torch.device(device)), preset
        self.batch, self.cold_cache = checked_batch(batch), cold_cache
        self.timer = timer or timer_of(self.device)
        mode.require(self.device)
        self.name, self.label = mode.name, mode.label
        runtime = mode.runtime(self.device)
        self.key = measurement_key(
            self.device, mode=mode.name, batch=batch, dtype=self._precision(),
            cache="cold" if cold_cache else "warm", runtime=runtime, clock=self.timer.clock, protocol=PROTOCOL,
        )  # fmt: skip
        told = [
            f"batch {batch}",
            self.key.dtype,
            *([runtime] if runtime else []),
            *(["cold cache"] if cold_cache else []),
        ]
        singly = cold_cache or preset.is_one_by_one
        self.method = (
            f"{mode.says}, {', '.join(told)}, {self.timer.clock}, {fingerprint(self.device).key}; median of block "
            f"medians of calls {'one by one' if singly else 'back to back'}, protocol {PROTOCOL}"
        )

    @property
    def conditions(self) -> list[str]:
        """What values of this objective depend on beside the network and its input: a study keeps to one."""
        return [f"{name}: {v}" for name, v in self.key.to_dict().items() if name not in ("network", "input_shape")]

    def is_same(self, candidate: Candidate, known: Measurement) -> bool:
        """Whether a stored measurement is what ``measure`` would give: the whole key is the same."""
        return is_same_key(known.details.get("key"), self.key_of(candidate).to_dict())

    def key_of(self, candidate: Candidate) -> MeasurementKey:
        """What a measurement of this candidate stands under."""
        network = candidate.architecture.network_digest if candidate.architecture is not None else ""
        return replace(self.key, network=network, input_shape=tuple(candidate.input_shape))

    def measure(self, candidate: Candidate) -> Measurement:
        """The median with its 95 % interval, which reckons with ``RUN_TO_RUN``.

        ``details["within"]`` is the interval of what changes while it runs; ``details["converged"]`` says whether that
        is as narrow as asked.

        The model, its device and the random states are as before afterwards, also where its forward raises.

        Raises:
            UserInputError: the candidate is for another device.
            SpaceError: parameters that are not float32, lazy ones without a shape, another precision than the key's,
                or (ModeError) a network that works and does not run in this mode; of one that cannot be captured, the
                eager latency is told.
            Exception: whatever the forward raises.
        """
        if indexed(candidate.device) != self.device:
            raise UserInputError(
                f"this latency is measured on {self.device}, and the candidate is for another device",
                value=str(candidate.device),
                do="Load the objective for that device: its method names the device.",
            )
        require_float32(candidate.model, self.name)
        if (now := self._precision()) != self.key.dtype:
            raise SpaceError(
                f"{self.name} is stored as {self.key.dtype}, and PyTorch has been set otherwise since",
                value=now,
                do="Set what may be rounded to TF32 when the space's file is imported, not when a network is built.",
            )
        try:
            return self._measure(candidate)
        except ModeError as error:
            if self.mode.name != GRAPH.name:
                raise
            eager = Latency(EAGER, self.device, batch=self.batch, preset=self.preset, timer=self.timer).measure(
                candidate
            )
            told = f"{format_quantity(eager.value, self.unit)} as {eager_name()}"
            raise ModeError(f"{error.what}; it takes {told}", value=error.value, do=error.do) from error

    def _precision(self) -> str:
        return precision(self.device, self.mode.dtype, alike=self.mode.rounds_alike)

    def _measure(self, candidate: Candidate) -> Measurement:
        started = self.timer.now()
        with ready(candidate.model, self.device) as stack:
            shape = (self.batch, *candidate.input_shape)
            inputs = random_inputs(shape, self.preset.inputs, self.device)
            call = self.mode.prepare(stack, candidate.model, inputs)
            before = cache_emptier(self.device) if self.cold_cache else None
            if self.device.type == "cuda":  # the first call loads libraries and code, in a new process for seconds
                call(0)
                torch.cuda.synchronize(self.device)
            gpu = gpu_state(self.key.uuid)
            # What is done once, and be it the start of CUDA, does not count towards the time for measuring.
            prepared = self.timer.now()
            settle_s = SETTLE_S if self.device.type == "cuda" else 0.0
            timing = time_call(call, self.timer, self.preset, started=prepared, before=before, settle_s=settle_s)
            gpu_after = gpu_state(self.key.uuid)
            has_changed = not torch.equal(inputs[0], random_inputs(shape, 1, self.device)[0])
        key = self.key_of(candidate)
        details = timing_details(timing, self.preset) | {
            "seconds": self.timer.now() - started,
            "preparation_s": prepared - started,
            "key": key.to_dict(),
            "gpu": [state.to_dict() for state in (gpu, gpu_after) if state is not None],
            "other_processes": _others(self.device, self.key.uuid),
        }
        details["caveats"] = caveats(timing, details["other_processes"], gpu, gpu_after) + [CHANGED] * has_changed
        low, high = widened(timing.value, timing.low, timing.high, RUN_TO_RUN)
        return Measurement(
            timing.value,
            self.unit,
            low,
            high,
            f"{timing.interval}, and {RUN_TO_RUN:.0%} from run to run",
            len(timing.block_medians),
            self.method,
            details,
        )


LatencyEager = functools.partial(Latency, EAGER)
LatencyGraph = functools.partial(Latency, GRAPH)
LatencyCompiled = functools.partial(Latency, COMPILED)
LatencyOnnx = functools.partial(Latency, ONNX)
LatencyTrt = functools.partial(Latency, TRT)


def eager_name() -> str:
    """Under which a network that cannot be captured is measured."""
    return EAGER.name


def timing_details(timing: Timing, preset: TimingPreset) -> dict[str, Any]:
    """A timing as the record keeps it."""
    ratio, share = timing.wall_over_thread, timing.host_share
    return {
        "protocol": PROTOCOL,
        "preset": preset.name,
        "precision": preset.precision,
        "within": [timing.low, timing.high],
        "block_medians": list(timing.block_medians),
        "samples": timing.samples,
        "calls_per_sample": timing.calls_per_sample,
        "warmup": timing.warmup,
        "steady": timing.steady,
        "converged": timing.converged,
        "few_blocks": len(timing.block_medians) < preset.blocks,
        "trend": timing.trend,
        "p95": timing.p95,
        "p99": timing.p99,
        "wall_over_thread": ratio,
        "contended": None if ratio is None else ratio > CONTENTION_LIMIT,
        "host_share": share,
        "host_bound": None if share is None else share > HOST_BOUND,
        "jumps": timing.jumps,
    }


def caveats(timing: Timing, others: list[int] | None, *gpu: GpuState | None) -> list[str]:
    """What a reader must know before trusting the number."""
    slowed = sorted({reason for state in gpu if state is not None for reason in state.slowed_by or ()})
    found = {
        "not converged": not timing.converged,
        "contended": timing.wall_over_thread is not None and timing.wall_over_thread > CONTENTION_LIMIT,
        "drifting": abs(timing.trend) > 0.05,
        "host-bound": timing.host_share is not None and timing.host_share > HOST_BOUND,
        "other processes on the GPU": bool(others),
        f"slowed down by {', '.join(slowed)}": bool(slowed),
        "the clock jumped": timing.jumps > 0,
    }
    return [caveat for caveat, holds in found.items() if holds]


def _others(device: torch.device, uuid: str | None) -> list[int] | None:
    """The processes that hold the GPU and do not wait while we time on it; None where that cannot be read."""
    running = compute_processes(uuid)
    return None if running is None else list(foreign(running, os.getpid(), waiting(device)))


def indexed(device: torch.device) -> torch.device:
    """The device as tensors name theirs: "cuda" is "cuda:0", and "cpu:0" is "cpu"."""
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else torch.device(device.type)


def checked_batch(batch: int) -> int:
    """The batch; raises where it is no positive whole number."""
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise UserInputError("a batch is no positive whole number", value=batch, do="Give 1 or more.")
    return batch


def precision(device: torch.device, dtype: str = "float32", *, alike: bool = False) -> str:
    """What a network computes in, with what the device may round; ``alike``: all, where PyTorch rounds any."""
    if device.type != "cuda" or dtype != "float32":
        return dtype
    rounded = tf32()
    if rounded and alike:
        rounded = EVERYTHING
    return f"float32 (TF32 in {' and '.join(rounded)})" if rounded else "float32"


def require_float32(model: nn.Module, objective: str) -> None:
    """Refuse a network that is not float32 throughout, or whose lazy parameters have no shape.

    Raises:
        SpaceError: it is one.
    """
    require_shapes(model)
    others = {
        str(tensor.dtype)
        for tensor in (*model.parameters(), *model.buffers())
        if tensor.is_floating_point() and tensor.dtype != torch.float32
    }
    if others:
        raise SpaceError(
            f"{objective} is measured of float32 networks, and this one has other parameters",
            value=", ".join(sorted(others)),
            do="Build the network in float32.",
        )


def random_inputs(shape: tuple[int, ...], count: int, device: torch.device) -> list[Tensor]:
    """Standard normal inputs, the same ones for every network."""
    generator = torch.Generator().manual_seed(_INPUT_SEED)
    return [torch.randn(shape, generator=generator).to(device) for _ in range(count)]


@contextmanager
def ready(model: nn.Module, device: torch.device) -> Iterator[ExitStack]:
    """The model in evaluation and inference mode on the device, one CPU thread; all put back afterwards.

    Yields:
        A stack for what else is to be undone.
    """
    tensors = [*model.parameters(), *model.buffers()]
    home = tensors[0].device if tensors else device
    threads = torch.get_num_threads()
    with ExitStack() as stack:
        # The number of calls depends on the clock: a network that draws random numbers must not shift later ones.
        stack.enter_context(same_random_state(device))
        stack.enter_context(untouched(model))
        if device.type == "cpu":
            stack.callback(torch.set_num_threads, threads)
            torch.set_num_threads(1)
        stack.callback(model.to, home)
        model.eval().to(device)
        stack.enter_context(torch.inference_mode())
        yield stack
