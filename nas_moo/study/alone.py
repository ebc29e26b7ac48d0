"""A worker's time on the device: alone for timings, together with others for trainings, watched for foreign load."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from nas_moo.genome import Architecture
from nas_moo.lease import Lease, Share, TimeLimitReachedError
from nas_moo.measurement import Measurement, counted
from nas_moo.objectives import Objective
from nas_moo.objectives.latency import Latency
from nas_moo.objectives.reference import EVERY, Drift, Reference
from nas_moo.objectives.throughput import Throughput
from nas_moo.study.config import Setup
from nas_moo.study.contention import Contention, Doubt, ReferenceTime
from nas_moo.study.record import TrialRecord

Repeat = Callable[[Architecture, Objective], Measurement]


@dataclass(frozen=True)
class Timed:
    """A latency that was measured since the reference was last timed."""

    number: int
    architecture: Architecture
    objective: Objective
    value: float


class Alone:
    """The lease on a search's device, and the reference network: timed at the start, every 20 models and at the end.

    Args:
        setup: Of the search.
        repeat: Builds and measures a network again, after the reference has moved; None watches nothing.
        tell: Is handed each contention.
        say: Is told for whom a timing waits, and what was not watched.
        seen: Is handed each timing of the reference.
        deadline: When the search's time is over, by ``time.monotonic``.
    """

    def __init__(
        self,
        setup: Setup,
        repeat: Repeat | None = None,
        tell: Callable[[Contention], None] = lambda found: None,
        say: Callable[[str], None] = lambda text: None,
        seen: Callable[[ReferenceTime], None] = lambda time: None,
        deadline: float | None = None,
    ) -> None:
        latencies = [latency for o in setup.objectives if (latency := _latency(o)) is not None]
        self.lease = Lease(setup.device, deadline=deadline, say=say)
        self._reference = Reference(latencies[0]) if latencies and repeat is not None else None
        self._repeat, self._tell, self._say, self._seen = repeat, tell, say, seen
        self._before_ms: float | None = None
        self._timed: list[Timed] = []
        self._share: Share | None = None

    @contextmanager
    def timing(self, record: TrialRecord, objectives: Sequence[Objective]) -> Iterator[None]:
        """Have the device alone while these objectives of a trial are measured.

        Raises:
            MachineError: others hold it for longer than the lease's time-out.
            TimeLimitReachedError: they hold it until the search's time is over.
        """
        with ExitStack() as stack:
            with record.stage("waiting"):
                stack.enter_context(self.lease.alone())
            with record.stage("device"):
                if self._reference is not None and self._before_ms is None:
                    self._before_ms = self._time(self._reference, record.number)
            yield
            for objective in (o for o in objectives if _latency(o) is not None):
                value = record.measurements[objective.name].value
                self._timed.append(Timed(record.number, record.architecture, objective, value))
            with record.stage("device"):
                if len(self._timed) >= EVERY:
                    self._look()

    @contextmanager
    def training(self, record: TrialRecord) -> Iterator[None]:
        """Use the device together with others who train.

        Raises:
            MachineError: others time on it for longer than the lease's time-out.
            TimeLimitReachedError: they do until the search's time is over.
        """
        with ExitStack() as stack:
            with record.stage("waiting"):
                self._share = stack.enter_context(self.lease.shared())
            try:
                yield
            finally:
                self._share = None

    def pause(self) -> None:
        """Between two epochs: let those who wait to time go first."""
        if self._share is not None:
            self._share.pause()

    def close(self) -> None:
        """The search ends: time the reference once more, unless its time is over."""
        if self._timed and not self._has_looked():
            self._say(
                "The time is over before the reference network was timed again: nothing tells whether anything else "
                f"used the device during the last {counted(len(self._timed), 'timing')}"
            )

    def _has_looked(self) -> bool:
        if time.monotonic() >= self.lease.deadline:
            return False
        try:
            with self.lease.alone():
                self._look()
        except TimeLimitReachedError:
            return False
        return True

    def _look(self) -> None:
        """Time the reference; where it has moved, the models since are marked and measured again."""
        timed, self._timed = self._timed, []
        if self._reference is None or self._before_ms is None:
            return
        drift = Drift(self._before_ms, self._time(self._reference, timed[-1].number))
        self._before_ms = drift.after_ms
        if not drift.is_contended:
            return
        doubts = (
            Doubt(t.architecture.network_digest, t.objective.name, t.value, self._again(t.architecture, t.objective))
            for t in timed
        )
        self._tell(Contention(drift.share, tuple(doubts)))

    def _time(self, reference: Reference, number: int) -> float:
        """The reference's latency now, of which is told."""
        ms = reference.time()
        self._seen(ReferenceTime(number, ms))
        return ms

    def _again(self, architecture: Architecture, objective: Objective) -> Measurement | None:
        """The second measurement; None where what worked a moment ago fails now, which ends no search."""
        if self._repeat is None:
            return None
        try:
            return self._repeat(architecture, objective)
        except (Exception, SystemExit):  # noqa: BLE001 - whatever a user's code raises, the first measurement is marked
            return None


def _latency(objective: Objective) -> Latency | None:
    """How an objective times, where it does."""
    if isinstance(objective, Throughput):
        return objective.latency
    return objective if isinstance(objective, Latency) else None
