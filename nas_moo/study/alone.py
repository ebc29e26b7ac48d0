"""A worker's time on the device: alone for timings, together with others for trainings, watched for foreign load."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from nas_moo.genome import Architecture
from nas_moo.lease import Lease, Share
from nas_moo.measurement import Measurement
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
        seen: Is handed each timing of the reference.
        say: Is told for whom a timing waits.
    """

    def __init__(
        self,
        setup: Setup,
        repeat: Repeat | None = None,
        tell: Callable[[Contention], None] = lambda found: None,
        say: Callable[[str], None] = lambda text: None,
        seen: Callable[[ReferenceTime], None] = lambda time: None,
    ) -> None:
        latencies = [latency for o in setup.objectives if (latency := _latency(o)) is not None]
        self.lease = Lease(setup.device, say=say)
        self._reference = Reference(latencies[0]) if latencies and repeat is not None else None
        self._repeat, self._tell, self._seen = repeat, tell, seen
        self._before_ms: float | None = None
        self._timed: list[Timed] = []
        self._share: Share | None = None

    @contextmanager
    def timing(self, record: TrialRecord, objectives: Sequence[Objective]) -> Iterator[None]:
        """Have the device alone while these objectives of a trial are measured.

        Raises:
            MachineError: others hold it for longer than the lease's time-out.
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
    def training(self) -> Iterator[None]:
        """Use the device together with others who train."""
        with self.lease.shared() as self._share:
            try:
                yield
            finally:
                self._share = None

    def pause(self) -> None:
        """Between two epochs: let those who wait to time go first."""
        if self._share is not None:
            self._share.pause()

    def close(self) -> None:
        """The search ends: time the reference once more."""
        if self._timed:
            with self.lease.alone():
                self._look()

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
