"""How a call is timed: warm-up until steady, blocks of samples, and a stop when the median is known well enough.

Nothing here touches a network or a device: a ``Timer`` brings the clock, so that the procedure also runs on a fake one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from nas_moo.errors import MachineError, UserInputError
from nas_moo.objectives.intervals import median_rank, t_quantile

PROTOCOL = 1
_STEADY_WINDOW = 5
_STEADY_CHANGE = 0.05
_FEWEST_SAMPLES = 3
_SAMPLES_FOR_P95 = 60
# A median of normal values scatters by this factor more than their mean.
_MEDIAN_FACTOR = math.sqrt(math.pi / 2)


@dataclass(frozen=True)
class Sample:
    """Consecutive calls, timed together.

    Attributes:
        wall_ms: Time of all calls.
        thread_ms: Processor time of the calling thread meanwhile; None where the work is on a GPU.
    """

    wall_ms: float
    thread_ms: float | None = None


class Timer(Protocol):
    """A clock for calls, and the one that budgets run on."""

    @property
    def clock(self) -> str:
        """What it is, for the method's text."""
        ...

    def now(self) -> float:
        """Seconds since some fixed moment."""
        ...

    def time(self, calls: Callable[[], object]) -> Sample:
        """Run ``calls`` and wait until their work is done."""
        ...


@dataclass(frozen=True)
class TimingPreset:
    """How much time a measurement may take, and how sure it is to be.

    Attributes:
        name: For the record.
        budget_s: Seconds for a model, moving it to the device and warming up included.
        precision: Stop when the interval reaches no farther than this share of the value to either side.
        blocks: Fewest blocks before that stop.
        samples_per_block: Most samples whose median makes a block; fewer where the budget asks for it.
        min_sample_ms: Shortest sample; quicker calls are repeated within one.
        warmup_share: Largest share of the budget that warm-up takes.
        warmup_calls: Most calls that warm-up takes.
        inputs: How many inputs take turns.
    """

    name: str = "search"
    budget_s: float = 0.3
    precision: float = 0.02
    blocks: int = 8
    samples_per_block: int = 50
    min_sample_ms: float = 0.2
    warmup_share: float = 0.3
    warmup_calls: int = 200
    inputs: int = 4

    def __post_init__(self) -> None:
        if self.blocks < _FEWEST_SAMPLES:
            raise UserInputError("too few blocks for an interval", value=self.blocks, do="Give 3 or more.")
        if min(self.samples_per_block, self.warmup_calls, self.inputs) < 1:
            raise UserInputError("a timing preset has a count below 1", value=self, do="Give 1 or more of each.")
        if not (min(self.budget_s, self.precision, self.min_sample_ms) > 0 and 0 < self.warmup_share < 1):
            raise UserInputError(
                "a timing preset cannot be kept", value=self, do="Give positive times, and a warm-up share below 1."
            )


SEARCH = TimingPreset()


@dataclass(frozen=True)
class Timing:
    """The time of one call, in milliseconds.

    Attributes:
        value: Median of the block medians.
        low: Lower end of the 95 % interval.
        high: Upper end.
        interval: How the interval was obtained.
        block_medians: One a block, in the order they ran.
        samples: Samples in all blocks together.
        calls_per_sample: Calls that were timed together.
        warmup: Calls before the first block.
        steady: Warm-up ended because times no longer fell.
        converged: The interval is as narrow as the preset asks, from as many blocks as it asks.
        p95: 95th percentile of the samples; None with fewer than 60, or where a sample is more than one call.
        wall_over_thread: Wall time over the thread's processor time; None on a GPU.
    """

    value: float
    low: float
    high: float
    interval: str
    block_medians: tuple[float, ...]
    samples: int
    calls_per_sample: int
    warmup: int
    steady: bool
    converged: bool
    p95: float | None
    wall_over_thread: float | None


def time_call(call: Callable[[int], object], timer: Timer, preset: TimingPreset, *, started: float) -> Timing:
    """Time a call until its median is known within the preset's precision, or the budget is used up.

    A block is not begun where it would pass the budget, but three samples are always taken.

    Args:
        call: Takes the number of the call, counted from 0, which chooses its input.
        timer: The clock.
        preset: The budget and the precision.
        started: The timer's ``now()`` when the budget began to run.
    """
    sampler = _Sampler(call, timer)
    warm, steady = _warm_up(sampler, timer, preset, started)
    typical_ms = statistics.median(s.wall_ms for s in warm[-_STEADY_WINDOW:])
    calls = math.ceil(preset.min_sample_ms / typical_ms)
    deadline = started + preset.budget_s
    per_block = _block_size(preset, deadline - timer.now(), typical_ms * calls / 1e3)
    blocks: list[list[Sample]] = []
    block_s = [per_block * calls * typical_ms / 1e3]
    while not _is_converged(blocks, calls, preset):
        began = timer.now()
        if len(blocks) >= _FEWEST_SAMPLES and began + statistics.median(block_s) > deadline:
            break
        blocks.append([sampler.sample(calls) for _ in range(per_block)])
        block_s.append(timer.now() - began)
    return _summary(blocks, calls, preset, warmup=len(warm), steady=steady)


def median_interval(block_medians: Sequence[float]) -> tuple[float, float, float, str]:
    """The median of three or more positive block medians, its 95 % interval, and the interval's name.

    From six blocks on, the interval is that of the sign test: blocks that another process disturbed widen it little.
    With fewer blocks it is a t-interval on the logarithms around the median, whose standard error is that of a median
    of normal values, √(π/2) s/√n. Both hold the value and stay above zero. They speak of noise from block to block: a
    disturbance that lasts as long as the whole measurement is in no block's difference from another.
    """
    n, value = len(block_medians), statistics.median(block_medians)
    rank = median_rank(n)
    if rank is not None:
        ordered = sorted(block_medians)
        return value, ordered[rank - 1], ordered[-rank], "95 % sign test of block medians"
    half = t_quantile(n - 1) * _MEDIAN_FACTOR * statistics.stdev(map(math.log, block_medians)) / math.sqrt(n)
    return value, value * math.exp(-half), value * math.exp(half), "95 % t of log block medians"


class _Sampler:
    """Runs calls through the timer and numbers them."""

    def __init__(self, call: Callable[[int], object], timer: Timer) -> None:
        self._call, self._timer, self._number = call, timer, 0

    def sample(self, calls: int) -> Sample:
        first = self._number
        self._number += calls

        def run() -> None:
            for number in range(first, first + calls):
                self._call(number)

        sample = self._timer.time(run)
        if not sample.wall_ms > 0:
            raise MachineError(
                "the clock stood still during a call", value=f"{sample.wall_ms} ms", do="Measure on another machine."
            )
        return sample


def _warm_up(sampler: _Sampler, timer: Timer, preset: TimingPreset, started: float) -> tuple[list[Sample], bool]:
    """Single calls until the median of five is no longer clearly below that of the five before."""
    end = started + preset.warmup_share * preset.budget_s
    samples: list[Sample] = []
    while len(samples) < preset.warmup_calls:
        samples.append(sampler.sample(1))
        if len(samples) >= 2 * _STEADY_WINDOW:
            times = [s.wall_ms for s in samples[-2 * _STEADY_WINDOW :]]
            before, after = statistics.median(times[:_STEADY_WINDOW]), statistics.median(times[_STEADY_WINDOW:])
            if after >= before * (1 - _STEADY_CHANGE):
                return samples, True
        if timer.now() >= end:
            break
    return samples, False


def _block_size(preset: TimingPreset, left_s: float, sample_s: float) -> int:
    """As many samples a block as let the preset's number of blocks fit into the time that is left."""
    return max(1, min(preset.samples_per_block, int(left_s / sample_s / preset.blocks)))


def _is_converged(blocks: list[list[Sample]], calls: int, preset: TimingPreset) -> bool:
    if len(blocks) < preset.blocks:
        return False
    value, low, high, _ = median_interval(_medians(blocks, calls))
    return max(high - value, value - low) <= preset.precision * value


def _medians(blocks: list[list[Sample]], calls: int) -> list[float]:
    return [statistics.median(s.wall_ms for s in block) / calls for block in blocks]


def _summary(blocks: list[list[Sample]], calls: int, preset: TimingPreset, *, warmup: int, steady: bool) -> Timing:
    medians = _medians(blocks, calls)
    value, low, high, interval = median_interval(medians)
    samples = [s for block in blocks for s in block]
    walls = sorted(s.wall_ms for s in samples)
    threads = [s.thread_ms for s in samples if s.thread_ms is not None]
    return Timing(
        value=value,
        low=low,
        high=high,
        interval=interval,
        block_medians=tuple(medians),
        samples=len(samples),
        calls_per_sample=calls,
        warmup=warmup,
        steady=steady,
        converged=_is_converged(blocks, calls, preset),
        p95=walls[math.ceil(0.95 * len(walls)) - 1] if calls == 1 and len(walls) >= _SAMPLES_FOR_P95 else None,
        wall_over_thread=sum(walls) / sum(threads) if len(threads) == len(walls) and sum(threads) > 0 else None,
    )
