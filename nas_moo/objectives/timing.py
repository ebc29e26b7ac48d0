"""How a call is timed: warm-up until steady, blocks of samples, and a stop when the median is known well enough.

Nothing here touches a network or a device: a ``Timer`` brings the clock, so that the procedure also runs on a fake one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from nas_moo.errors import UserInputError
from nas_moo.measurement import TAILS
from nas_moo.objectives.intervals import median_interval, trend
from nas_moo.objectives.sampling import FEWEST_BLOCKS, STEADY_WINDOW, Blocks, Sampler

PROTOCOL = 3
_STEADY_CHANGE = 0.05
_LOOK_AGAIN = 1.1
_ANY_MS = 1e-9
_MOST_GUESSES = 10


@dataclass(frozen=True)
class Sample:
    """Consecutive calls, timed together.

    Attributes:
        wall_ms: Time of all calls.
        thread_ms: Processor time of the calling thread meanwhile; None where the work is on a GPU.
        host_ms: Time until the calls had returned, where the work goes on after that, on a GPU; None elsewhere.
    """

    wall_ms: float
    thread_ms: float | None = None
    host_ms: float | None = None


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
        budget_s: Seconds for a model that is ready to run, warming up included.
        precision: Stop when the interval reaches no farther than this share of the value to either side.
        blocks: Fewest blocks before that stop.
        samples_per_block: Most samples whose median makes a block; fewer where the budget asks for it.
        min_sample_ms: Shortest sample; quicker calls are repeated within one.
        warmup_share: Largest share of the budget that warm-up takes, unless the device takes longer to settle.
        warmup_calls: Most calls that warm-up takes, once the device has settled.
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

    @property
    def is_one_by_one(self) -> bool:
        """Every sample is a single call."""
        return self.min_sample_ms <= _ANY_MS

    def __post_init__(self) -> None:
        if self.blocks < FEWEST_BLOCKS:
            raise UserInputError("too few blocks for an interval", value=self.blocks, do="Give 3 or more.")
        if min(self.samples_per_block, self.warmup_calls, self.inputs) < 1:
            raise UserInputError("a timing preset has a count below 1", value=self, do="Give 1 or more of each.")
        if not (min(self.budget_s, self.precision, self.min_sample_ms) > 0 and 0 < self.warmup_share < 1):
            raise UserInputError(
                "a timing preset cannot be kept", value=self, do="Give positive times, and a warm-up share below 1."
            )


SEARCH = TimingPreset()
CAREFUL = TimingPreset("careful", budget_s=10.0, precision=0.01, warmup_calls=1000, inputs=8)
_FINEST, _COARSEST = 0.001, 0.2


def with_precision(precision: float | None, default: TimingPreset = SEARCH) -> TimingPreset:
    """The default preset, or the careful one with another precision.

    Raises:
        UserInputError: a precision that no clock here reaches, or one that says nothing.
    """
    if precision is None:
        return default
    if not _FINEST <= precision <= _COARSEST:
        raise UserInputError(
            "a precision is out of range", value=precision, do=f"Give {_FINEST:.1%} to {_COARSEST:.0%}, such as 1%."
        )
    return replace(CAREFUL, precision=precision)


def one_by_one(preset: TimingPreset) -> TimingPreset:
    """The preset with a single call a sample, so that percentiles are of calls."""
    return replace(preset, min_sample_ms=_ANY_MS)


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
        converged: The interval is as narrow as the preset asks, from as many blocks, and there is no trend as large.
        trend: Change from the first third of the blocks to the last, relative; 0 where it may be chance.
        p95: 95th percentile of the samples; None with fewer than 60, or where a sample is more than one call.
        p99: 99th percentile; None with fewer than 300, or where a sample is more than one call.
        wall_over_thread: Wall time over the thread's processor time; None on a GPU.
        host_share: Share of the time after which the host had handed all work to the GPU; None on a CPU.
        jumps: Blocks that were thrown away since the clock jumped in them.
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
    trend: float
    p95: float | None
    p99: float | None
    wall_over_thread: float | None
    host_share: float | None
    jumps: int


def time_call(
    call: Callable[[int], object],
    timer: Timer,
    preset: TimingPreset,
    *,
    started: float,
    before: Callable[[], object] | None = None,
    settle_s: float = 0.0,
) -> Timing:
    """Time a call until its median is known within the preset's precision, or the budget is used up.

    A block is not begun where it would pass the budget, but three blocks are always taken.

    Args:
        call: Takes the number of the call, counted from 0, which chooses its input.
        timer: The clock.
        preset: The budget and the precision.
        started: The timer's ``now()`` when the budget began to run.
        before: Runs untimed before each sample, which is then a single call: to empty a cache, for example.
        settle_s: Shortest warm-up, for a device whose clocks rise only while it works.

    Raises:
        MachineError: the clock stood still, or ran backwards.
    """
    sampler = Sampler(call, timer, before)
    warm, steady = _warm_up(sampler, timer, preset, started, settle_s)
    calls = _calls_per_sample(sampler, preset, warm[-STEADY_WINDOW:]) if before is None else 1
    warmup = sampler.calls
    blocks = Blocks(sampler, timer, preset, calls, deadline=started + preset.budget_s)
    looks_at = preset.blocks
    while blocks.has_time():
        blocks.take()
        if len(blocks.taken) >= looks_at:
            if _is_converged(blocks.taken, calls, preset):
                break
            # Each look is another chance to stop on a lucky run of blocks, so looks become rare.
            looks_at = math.ceil(_LOOK_AGAIN * len(blocks.taken))
    return _summary(blocks.taken, calls, preset, warmup=warmup, steady=steady, jumps=blocks.jumps)


def _warm_up(
    sampler: Sampler, timer: Timer, preset: TimingPreset, started: float, settle_s: float
) -> tuple[list[Sample], bool]:
    """Single calls until the median of five is no longer clearly below that of the five before."""
    settled = started + settle_s
    end = max(settled, started + preset.warmup_share * preset.budget_s)
    samples: list[Sample] = []
    while len(samples) < preset.warmup_calls or timer.now() < settled:
        samples.append(sampler.sample(1))
        if timer.now() >= settled and _is_steady(samples):
            return samples, True
        if timer.now() >= end:
            break
    return samples, False


def _calls_per_sample(sampler: Sampler, preset: TimingPreset, singles: list[Sample]) -> int:
    """How many calls it takes for a sample of the shortest length."""
    calls = math.ceil(preset.min_sample_ms / statistics.median(s.wall_ms for s in singles))
    if calls == 1 or singles[-1].host_ms is None:
        return calls
    # A single call on a GPU is mostly the gap until it begins, which is not there from one call to the next.
    for _ in range(_MOST_GUESSES):
        took = statistics.median(sampler.sample(calls).wall_ms for _ in range(STEADY_WINDOW))
        if took >= preset.min_sample_ms:
            break
        calls = math.ceil(calls * preset.min_sample_ms / took)
    return calls


def _is_steady(samples: list[Sample]) -> bool:
    times = [s.wall_ms for s in samples[-2 * STEADY_WINDOW :]]
    if len(times) < 2 * STEADY_WINDOW:
        return False
    before, after = statistics.median(times[:STEADY_WINDOW]), statistics.median(times[STEADY_WINDOW:])
    return after >= before * (1 - _STEADY_CHANGE)


def _is_converged(blocks: list[list[Sample]], calls: int, preset: TimingPreset) -> bool:
    if len(blocks) < preset.blocks:
        return False
    medians = _medians(blocks, calls)
    value, low, high, _ = median_interval(medians)
    return max(high - value, value - low) <= preset.precision * value and abs(trend(medians)) <= preset.precision


def _medians(blocks: list[list[Sample]], calls: int) -> list[float]:
    return [statistics.median(s.wall_ms for s in block) / calls for block in blocks]


def _summary(
    blocks: list[list[Sample]], calls: int, preset: TimingPreset, *, warmup: int, steady: bool, jumps: int
) -> Timing:
    medians = _medians(blocks, calls)
    value, low, high, interval = median_interval(medians)
    samples = [s for block in blocks for s in block]
    walls = sorted(s.wall_ms for s in samples)
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
        trend=trend(medians),
        p95=_percentile(walls, 0.95, TAILS["p95"]) if calls == 1 else None,
        p99=_percentile(walls, 0.99, TAILS["p99"]) if calls == 1 else None,
        wall_over_thread=_ratio(walls, [s.thread_ms for s in samples]),
        host_share=_inverse(_ratio(walls, [s.host_ms for s in samples])),
        jumps=jumps,
    )


def _percentile(ordered: list[float], share: float, fewest: int) -> float | None:
    if len(ordered) < fewest:
        return None
    return ordered[math.ceil(share * len(ordered)) - 1]


def _ratio(walls: list[float], others: list[float | None]) -> float | None:
    known = [o for o in others if o is not None]
    return sum(walls) / sum(known) if len(known) == len(walls) and sum(known) > 0 else None


def _inverse(ratio: float | None) -> float | None:
    return None if ratio is None else 1 / ratio
