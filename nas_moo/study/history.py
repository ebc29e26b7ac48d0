"""What a worker knows of its study: each finished trial is read once, the running ones anew."""

from __future__ import annotations

from collections.abc import Mapping

from optuna.trial import FrozenTrial, TrialState

from nas_moo.genome import Architecture
from nas_moo.measurement import Measurement
from nas_moo.study.contention import Repeats, read_contentions, repeats, sound
from nas_moo.study.evaluate import KnownMeasurements, violations
from nas_moo.study.record import read_continues, read_measurements, read_outcome
from nas_moo.study.storage import StoredStudy

_SETTLED = ("complete", "pruned", "failed")


class History:
    """The finished trials of a study, indexed.

    Attributes:
        complete: Those that have every objective, in the order in which this worker learned of them.
        postponed: Pruned trials that nobody has gone on with to another end, by their digest.
        running: Of all workers.
        measured: What is known before training, by objective and network; of what was taken under contention, what was
            measured again, or nothing where that failed.
        trained: How many count towards ``--trials``; a training that goes on later counts once.
        finished: Digests.

    Args:
        study: Is read at each ``refresh``.
        limits: Of today: a trial that was screened under tighter ones settles nothing.
        trains: Whether the study trains at all; one of costs alone counts its complete trials.
    """

    def __init__(self, study: StoredStudy, limits: Mapping[str, float], *, trains: bool) -> None:
        self._study, self._limits, self._trains = study, limits, trains
        self._read: set[int] = set()
        self._settled: set[str] = set()
        self.complete: list[FrozenTrial] = []
        self.postponed: dict[str, FrozenTrial] = {}
        self.running: list[FrozenTrial] = []
        self.measured: KnownMeasurements = {}
        self._doubted: Repeats = {}
        self.trained = 0
        self._counted: set[str] = set()
        self.finished: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        """Read what happened since."""
        trials = self._study.trials()
        self.running = [t for t in trials if t.state == TrialState.RUNNING]  # one that waits in a queue is nobody's yet
        fresh = [t for t in trials if t.state.is_finished() and t.number not in self._read]
        if fresh:
            self._doubted = repeats(read_contentions(self._study.optuna.user_attrs))
            for (objective, network), known in list(self.measured.items()):  # of trials that were read before the doubt
                self._know(objective, network, known)
        for trial in fresh:
            self._read.add(trial.number)
            self._add(trial)

    def is_known(self, architecture: Architecture) -> bool:
        """Whether a trial has settled, or is settling, what this architecture is worth."""
        return self.is_settled(architecture) or any(
            t.user_attrs.get("digest") == architecture.digest for t in self.running
        )

    def is_settled(self, architecture: Architecture) -> bool:
        """Whether a finished trial has told what this architecture is worth."""
        return architecture.digest in self._settled

    def _add(self, trial: FrozenTrial) -> None:
        digest = trial.user_attrs.get("digest")
        if digest is None:
            return
        outcome, measurements = read_outcome(trial), read_measurements(trial)
        self.finished.add(digest)
        goes_on = read_continues(trial)[0] is not None
        if (outcome.counts if self._trains else outcome.state == "complete") and not (
            goes_on and digest in self._counted
        ):
            self._counted.add(digest)
            self.trained += 1
        if trial.state == TrialState.COMPLETE:
            self.complete.append(trial)
        broken = outcome.state == "screened" and bool(violations(measurements, self._limits))
        if outcome.state in _SETTLED or broken:
            self._settled.add(digest)
        if outcome.state in _SETTLED:
            self.postponed.pop(digest, None)
        if outcome.state == "pruned":
            self.postponed[digest] = trial
        for name, measurement in measurements.items():
            self._know(name, trial.user_attrs["network_digest"], measurement)

    def _know(self, objective: str, network: str, measurement: Measurement) -> None:
        """Take a measurement over for later trials of the network, unless it is in doubt."""
        found = sound(objective, network, measurement, self._doubted)
        if found is not None:
            self.measured[objective, network] = found
        elif self.measured.get((objective, network)) == measurement:
            del self.measured[objective, network]
