"""How long an example takes where many are computed together: the inverse of throughput, so that less is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from nas_moo.device import is_out_of_memory
from nas_moo.errors import SpaceError, UserInputError
from nas_moo.measurement import Measurement, format_quantity
from nas_moo.objectives.latency import Latency
from nas_moo.objectives.modes import EAGER, GRAPH
from nas_moo.objectives.timing import SEARCH, Timer, TimingPreset

if TYPE_CHECKING:
    from nas_moo.objectives import Candidate, Stage

LARGEST_BATCH = 4096
_WORTH = 0.98  # of the time an example takes: a doubled batch that saves less ends the climb


@dataclass(frozen=True)
class _Tried:
    batch: int
    latency: Measurement

    @property
    def per_example(self) -> float:
        return self.latency.value / self.batch


class Throughput:
    """Milliseconds an example, in batches: of a fixed size, or of the best size whose latency keeps a limit.

    Args:
        device: Where to measure; on a GPU by the replay of a graph, on a CPU eagerly.
        batch: Examples a call, where no limit is given.
        limit_ms: Batches are doubled from 1 as long as the upper end of a call's latency keeps this limit and an
            example takes clearly less; the best of them counts.
        preset: Time budget and precision of each batch size.
        timer: The clock; by default the device's own.
        cold_cache: As for ``Latency``.

    Raises:
        UserInputError: a batch beside a limit, a limit that is not positive, or what ``Latency`` refuses.
    """

    name = "throughput"
    unit = "ms"
    label = "time per example"
    stage: Stage = "device"
    log = True

    def __init__(
        self,
        device: torch.device | str,
        *,
        batch: int = 1,
        limit_ms: float | None = None,
        preset: TimingPreset = SEARCH,
        timer: Timer | None = None,
        cold_cache: bool = False,
    ) -> None:
        if limit_ms is not None and batch != 1:
            raise UserInputError(
                "a throughput has a batch and a limit", value=batch, do="Leave out --batch, or the limit."
            )
        if limit_ms is not None and not 0 < limit_ms < float("inf"):
            raise UserInputError("a latency limit is not positive", value=limit_ms, do="Write throughput@20ms.")
        self._mode = GRAPH if str(device).startswith("cuda") else EAGER
        self._device, self._how = device, {"preset": preset, "timer": timer, "cold_cache": cold_cache}
        self.limit_ms, self.latency = limit_ms, self._latency(batch)
        size = f"batch {batch}" if limit_ms is None else f"best batch within {format_quantity(limit_ms, 'ms')}"
        self.method = f"time of a call over its examples, {size}; {self.latency.method}"

    @property
    def conditions(self) -> list[str]:
        """As for ``Latency``, with the limit."""
        return [*self.latency.conditions, f"limit_ms: {self.limit_ms}"]

    def is_same(self, candidate: Candidate, known: Measurement) -> bool:
        """Whether a stored measurement is what ``measure`` would give."""
        return self.latency.is_same(candidate, known)

    def measure(self, candidate: Candidate) -> Measurement:
        """The time of a call over its examples, with its 95 % interval; ``details["batch"]`` says how many they were.

        Raises:
            SpaceError: no batch keeps the limit, or what ``Latency`` raises.
            Exception: whatever the forward raises.
        """
        best = _Tried(self.latency.batch, self.latency.measure(candidate))
        if self.limit_ms is not None:
            best = self._climb(candidate, best)
        m, n = best.latency, best.batch
        details: dict[str, Any] = {
            **m.details,
            # Where a climb begins is a condition, which all models share; where it ended is a result of this one.
            "key": self.latency.key_of(candidate).to_dict(),
            "batch": n,
            "call_ms": m.value,
            "examples_per_second": 1e3 * n / m.value,
        }
        return Measurement(m.value / n, self.unit, m.low / n, m.high / n, m.interval, m.n, self.method, details)

    def _climb(self, candidate: Candidate, first: _Tried) -> _Tried:
        if self.limit_ms is None or first.latency.high > self.limit_ms:
            raise SpaceError(
                "no batch of this network keeps the latency limit of its throughput",
                value=f"{format_quantity(first.latency.high, 'ms')} for one example",
                do=f"Allow more than {format_quantity(self.limit_ms or 0.0, 'ms')}, or widen the space.",
            )
        best = first
        while best.batch < LARGEST_BATCH:
            try:
                doubled = _Tried(2 * best.batch, self._latency(2 * best.batch).measure(candidate))
            except Exception as error:
                if is_out_of_memory(error):
                    break
                raise
            if doubled.latency.high > self.limit_ms or doubled.per_example > _WORTH * best.per_example:
                break
            best = doubled
        return best

    def _latency(self, batch: int) -> Latency:
        return Latency(self._mode, self._device, batch=batch, **self._how)  # type: ignore[arg-type]
