"""One trial as it is stored: attributes written piece by piece while it runs, since a finished one takes no more."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, Trial, TrialState

from nas_moo.evaluation import EpochRecord, Evaluation, Judgement, Origin, Outcome, State, seal
from nas_moo.genome import Architecture
from nas_moo.measurement import Measurement

if TYPE_CHECKING:
    from nas_moo.snapshot import Snapshot

SEALED = "sealed_test"
SIGN_OF_LIFE = "sign_of_life"
SIGN_SECONDS = 60.0  # at least between two signs of life
_MEASURED = "measurement:"
_PREDICTED = "predicted:"
_CONTINUES = "continues"
_GENERATION = ":generation"  # behind the name of a sampler of Optuna
_PRUNED, _CONTROL = "pruned", "control"
_OPTUNA_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
}


@dataclass(frozen=True, eq=False)
class Continuation:
    """A pruned trial that another one goes on with.

    Attributes:
        number: Of the pruned trial.
        curve: Its epochs; empty where its checkpoint is gone, and the training begins anew.
        snapshots: What it kept of its training, one a fold; empty likewise.
    """

    number: int
    curve: tuple[EpochRecord, ...]
    snapshots: tuple[Snapshot, ...]

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return len(self.curve)


class TrialRecord:
    """Writes one running trial.

    Args:
        trial: Of Optuna.
        architecture: Of the trial.
        worker: Who runs it.
        started: When.
        continues: The pruned trial that it goes on with; its epochs begin the curve.
        origin: How its sampler came to propose it.
    """

    def __init__(
        self,
        trial: Trial,
        architecture: Architecture,
        worker: str,
        started: str,
        continues: Continuation | None = None,
        origin: Origin = "",
    ) -> None:
        self.trial, self.architecture, self.continues = trial, architecture, continues
        self.measurements: dict[str, Measurement] = {}
        self.curve: list[EpochRecord] = []
        self.seconds: dict[str, float] = {}
        self._last_sign = time.monotonic()
        for key, value in (
            ("architecture", dict(architecture)),
            ("digest", architecture.digest),
            ("network_digest", architecture.network_digest),
            ("worker", worker),
            ("started", started),
            ("origin", origin if continues is None else "thawed"),
        ):
            trial.set_user_attr(key, value)
        self.judgement: Judgement | None = None
        self.began_anew = ""  # why the checkpoint of the pruned trial could not be used
        if continues is not None:
            trial.set_user_attr(_CONTINUES, {"trial": continues.number, "epochs": len(continues.curve)})
            for epoch in continues.curve:
                self.epoch(epoch)

    @property
    def number(self) -> int:
        """The trial's number in its study."""
        return self.trial.number

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add what happens inside to the seconds of a stage."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun

    def measured(self, name: str, measurement: Measurement) -> None:
        """Store one objective."""
        self.measurements[name] = measurement
        self.trial.set_user_attr(_MEASURED + name, measurement.to_dict())

    def epoch(self, record: EpochRecord) -> None:
        """Store one epoch; its error also becomes Optuna's intermediate value, which Optuna's own plots draw.

        ``trial.report`` raises in a study of several objectives, the storage below it does not.
        """
        self.curve.append(record)
        self.trial.storage.set_trial_intermediate_value(self.trial._trial_id, record.epoch, record.error)
        if time.monotonic() - self._last_sign > SIGN_SECONDS:  # for workers on other machines
            self.trial.set_user_attr(SIGN_OF_LIFE, datetime.now(UTC).isoformat(timespec="seconds"))
            self._last_sign = time.monotonic()

    def begin_anew(self, why: str) -> None:
        """Forget the epochs of the pruned trial: its checkpoint does not fit, and the training starts at its first."""
        if self.continues is not None:
            self.continues = Continuation(self.continues.number, (), ())
            self.trial.set_user_attr(_CONTINUES, {"trial": self.continues.number, "epochs": 0})
        self.curve.clear()
        self.began_anew = why

    def judged(self, judgement: Judgement) -> None:
        """Store a pruner's decision to stop the trial, followed or not."""
        self.judgement = judgement
        self.trial.set_user_attr(_CONTROL if judgement.control else _PRUNED, vars(judgement))

    def predicted(self, name: str, value: float) -> None:
        """Store what an objective that is not reached was expected to be."""
        self.trial.set_user_attr(_PREDICTED + name, value)

    def note(self, key: str, text: str) -> None:
        """Store a remark beside the results."""
        self.trial.set_user_attr(key, text)

    def sealed(self, measurement: Measurement) -> None:
        """Store the test error where no table shows it."""
        self.trial.set_user_attr(SEALED, seal(measurement))

    def close(self, outcome: Outcome) -> None:
        """Store how it ended; the last thing before the trial is told."""
        self.trial.set_user_attr("curve", [r.to_dict() for r in self.curve])
        self.trial.set_user_attr("seconds", {k: round(v, 6) for k, v in self.seconds.items()})
        self.trial.set_user_attr("outcome", vars(outcome))


def read_outcome(trial: FrozenTrial) -> Outcome:
    """How a stored trial ended."""
    stored: dict[str, Any] | None = trial.user_attrs.get("outcome")
    if stored is None or not trial.state.is_finished():
        return Outcome(_OPTUNA_STATES[trial.state])
    return Outcome(**stored)


def read_measurements(trial: FrozenTrial) -> dict[str, Measurement]:
    """The objectives that a stored trial reached."""
    return {
        key.removeprefix(_MEASURED): Measurement.from_dict(value)
        for key, value in trial.user_attrs.items()
        if key.startswith(_MEASURED)
    }


def read_predictions(trial: FrozenTrial) -> dict[str, float]:
    """What the objectives that a pruned trial did not reach were predicted to be."""
    return {
        key.removeprefix(_PREDICTED): float(value)
        for key, value in trial.user_attrs.items()
        if key.startswith(_PREDICTED)
    }


def read_judgement(trial: FrozenTrial) -> Judgement | None:
    """The pruner's decision to stop a stored trial; None where there was none."""
    stored: dict[str, Any] | None = trial.user_attrs.get(_PRUNED) or trial.user_attrs.get(_CONTROL)
    if stored is None:
        return None
    told: dict[str, Any] = {f.name: stored.get(f.name) for f in fields(Judgement)}  # one of another version has others
    return Judgement(**told | {"outbid": bool(told["outbid"])})


def read_continues(trial: FrozenTrial) -> tuple[int | None, int]:
    """Number of the pruned trial that a stored one continues, and how many epochs that one had trained."""
    stored: dict[str, int] | None = trial.user_attrs.get(_CONTINUES)
    return (None, 0) if stored is None else (stored["trial"], stored["epochs"])


def read_evaluation(trial: FrozenTrial, training_genes: frozenset[str]) -> Evaluation:
    """A stored trial, whole."""
    attrs = trial.user_attrs
    continues, inherited = read_continues(trial)
    return Evaluation(
        number=trial.number,
        architecture=Architecture(attrs["architecture"], training_genes),
        measurements=read_measurements(trial),
        curve=read_curve(trial),
        outcome=read_outcome(trial),
        seconds=attrs.get("seconds", {}),
        worker=attrs.get("worker", ""),
        started=attrs.get("started", ""),
        judgement=read_judgement(trial),
        continues=continues,
        inherited=inherited,
        origin=attrs.get("origin", ""),
        generation=read_generation(trial),
    )


def read_generation(trial: FrozenTrial) -> int | None:
    """The generation of a stored trial, which the genetic samplers of Optuna write; None where there is none."""
    return next((int(v) for key, v in trial.system_attrs.items() if key.endswith(_GENERATION)), None)


def read_curve(trial: FrozenTrial) -> tuple[EpochRecord, ...]:
    """The epochs; of a trial that was killed, or still runs, only the errors are known yet."""
    if "curve" in trial.user_attrs:
        return tuple(EpochRecord.from_dict(r) for r in trial.user_attrs["curve"])
    errors = sorted(trial.intermediate_values.items())
    return tuple(EpochRecord(epoch, error, math.nan, math.nan, math.nan) for epoch, error in errors)
