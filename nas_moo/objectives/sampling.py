"""Taking samples: calls that are numbered, and blocks of them within a deadline."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING

from nas_moo.errors import MachineError

if TYPE_CHECKING:
    from nas_moo.objectives.timing import Sample, Timer, TimingPreset

STEADY_WINDOW = 5
FEWEST_BLOCKS = 3
# A block that took so much longer than the others was not a slow one: the machine slept, or its clock was set.
_JUMP_FACTOR, _JUMP_SECONDS, _MOST_JUMPS = 20.0, 1.0, 3


class Sampler:
    """Runs calls through the timer and numbers them.

    Attributes:
        calls: How many there were.
        seconds_per_call: Of each sample, with what ran before it.
    """

    def __init__(self, call: Callable[[int], object], timer: Timer, before: Callable[[], object] | None) -> None:
        self._call, self._timer, self._before = call, timer, before
        self.calls = 0
        self.seconds_per_call: list[float] = []

    def sample(self, calls: int) -> Sample:
        """Time so many calls together.

        Raises:
            MachineError: the clock stood still, or ran backwards.
        """
        first = self.calls
        self.calls += calls

        def run() -> None:
            for number in range(first, first + calls):
                self._call(number)

        began = self._timer.now()
        if self._before is not None:
            self._before()
        sample = self._timer.time(run)
        self.seconds_per_call.append(_elapsed(began, self._timer.now()) / calls)
        if not sample.wall_ms > 0:
            raise MachineError(
                "the clock stood still or ran backwards during a call",
                value=f"{sample.wall_ms} ms",
                do="Measure on another machine.",
            )
        return sample


class Blocks:
    """Takes blocks of samples within a deadline, and throws away those in which the clock jumped."""

    def __init__(self, sampler: Sampler, timer: Timer, preset: TimingPreset, calls: int, *, deadline: float) -> None:
        self._sampler, self._timer, self._calls, self._deadline = sampler, timer, calls, deadline
        left = deadline - timer.now()
        per_sample = statistics.median(sampler.seconds_per_call[-STEADY_WINDOW:]) * calls
        # As many samples a block as let the preset's number of blocks fit into the time that is left.
        self.size = max(1, min(preset.samples_per_block, int(left / per_sample / preset.blocks) if per_sample else 1))
        self._seconds = [self.size * per_sample]
        self.taken: list[list[Sample]] = []
        self.jumps = 0

    def has_time(self) -> bool:
        """Whether another block may be begun."""
        return len(self.taken) < FEWEST_BLOCKS or self._timer.now() + statistics.median(self._seconds) <= self._deadline

    def take(self) -> None:
        """One more block; none where the clock jumped in it, and the deadline moves by the jump."""
        began = self._timer.now()
        block = [self._sampler.sample(self._calls) for _ in range(self.size)]
        took = _elapsed(began, self._timer.now())
        usual = statistics.median(self._seconds)
        if self.jumps < _MOST_JUMPS and took > _JUMP_SECONDS + _JUMP_FACTOR * usual:
            self.jumps += 1
            self._deadline += took - usual
            return
        self.taken.append(block)
        self._seconds.append(took)


def _elapsed(began: float, now: float) -> float:
    if now < began:
        raise MachineError(
            "the clock that budgets run on ran backwards",
            value=f"{now - began} s",
            do="Measure on another machine, or see why its clock is set.",
        )
    return now - began
