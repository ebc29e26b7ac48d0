"""What a worker knows of its study: each finished trial is read once, the running ones anew."""

from __future__ import annotations

from collections.abc import Mapping

from optuna.trial import FrozenTrial, TrialState

from nas_moo.genome import Architecture
from nas_moo.study.evaluate import KnownMeasurements, violations
from nas_moo.study.record import read_judgement, read_measurements, read_outcome
from nas_moo.study.storage import StoredStudy

_SETTLED = ("complete", "pruned", "failed")


class History:
    """The finished trials of a study, indexed.

    Attributes:
        complete: Those that have every objective, in the order in which this worker learned of them.
        postponed: Pruned trials that nobody has gone on with to another end, by their digest.
        controls: How many trials a pruner would have stopped, and was overruled.
        running: Of all workers.
        measured: What is known before training, by objective and network.
        trained: How many count towards ``--trials``.
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
        self.controls = 0
        self.running: list[FrozenTrial] = []
        self.measured: KnownMeasurements = {}
        self.trained = 0
        self.finished: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        """Read what happened since."""
        trials = self._study.trials()
        self.running = [t for t in trials if t.state == TrialState.RUNNING]  # one that waits in a queue is nobody's yet
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._read:
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
        self.trained += outcome.trained if self._trains else outcome.state == "complete"
        if trial.state == TrialState.COMPLETE:
            self.complete.append(trial)
        broken = outcome.state == "screened" and bool(violations(measurements, self._limits))
        if outcome.state in _SETTLED or broken:
            self._settled.add(digest)
        if outcome.state in _SETTLED:
            self.postponed.pop(digest, None)
        judgement = read_judgement(trial)
        self.controls += judgement is not None and judgement.control
        if outcome.state == "pruned":
            self.postponed[digest] = trial
        for name, measurement in measurements.items():
            self.measured[name, trial.user_attrs["network_digest"]] = measurement
