"""One trial, top to bottom: build, static objectives, device objectives, budgets, training, sealed test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from torch import nn

from nas_moo.choose import limit_units
from nas_moo.device import is_out_of_memory
from nas_moo.errors import CorruptError, NasMooError, UserInputError
from nas_moo.evaluation import EpochRecord, Outcome
from nas_moo.genome import Architecture
from nas_moo.lease import TimeLimitReachedError
from nas_moo.measurement import Measurement, format_quantity, surely_at_least
from nas_moo.objectives import Candidate, Conditioned, Objective, Stage
from nas_moo.objectives import candidate as candidates
from nas_moo.study.config import Setup, objective_info
from nas_moo.study.network import StandardisedNetwork
from nas_moo.study.record import TrialRecord
from nas_moo.training import Diverged, Epoch, predict, train_folds

if TYPE_CHECKING:
    from nas_moo.study.alone import Alone

BEFORE_TRAINING: tuple[Stage, ...] = ("static", "device")
KnownMeasurements = dict[tuple[str, str], Measurement]
Referee: TypeAlias = Callable[[TrialRecord, Epoch], Outcome | None]


class TrialError(Exception):
    """A step of a trial raised; the original error is the cause."""

    def __init__(self, step: str, trained: bool) -> None:
        super().__init__(step)
        self.step, self.trained = step, trained


def evaluate(
    record: TrialRecord,
    setup: Setup,
    known: KnownMeasurements,
    out_of_time: Callable[[], bool],
    alone: Alone,
    referee: Referee | None = None,
) -> tuple[Outcome, nn.Module | None]:
    """Evaluate one architecture, writing each piece as it becomes known.

    Args:
        record: Of the running trial.
        setup: Of the search.
        known: Measurements before training by objective and network digest; added to.
        out_of_time: Asked before the training, and after each of its epochs.
        alone: The worker's time on the device.
        referee: Asked after each epoch but the last; an outcome that it gives ends the training.

    Returns:
        How it ended, and the trained network where it is complete and was trained (of the first fold, where there
        are folds).

    Raises:
        TimeLimitReachedError: before the training, between two epochs, or waiting for the device.
        MachineError: others hold the device for too long.
    """
    try:
        with _step(record, "build"):
            candidate = untrained(setup, record.architecture)
        _measure_before_training(record, setup, candidate, known, alone)
        broken = violations(record.measurements, setup.limits)
        if broken:
            return _screened(record, setup, broken), None
        if not setup.trained_objectives:
            return Outcome("complete"), None
        if out_of_time():  # measuring took, or waited for, what was left
            raise TimeLimitReachedError
        with alone.training(record):
            return _train(record, setup, candidate, out_of_time, alone, referee)
    except TrialError as error:
        return _failed(error), None
    except Diverged as error:
        return Outcome("failed", "nan", str(error), trained=True), None


def violations(measurements: Mapping[str, Measurement], limits: Mapping[str, float]) -> dict[str, float]:
    """By how much each limit is surely broken (lower end of the interval, or a percentile), relative to the limit."""
    known = {name: surely_at_least(measurements, name) for name in limits}
    excess = {name: least / limits[name] - 1.0 for name, least in known.items() if least is not None}
    return {name: share for name, share in excess.items() if share > 0}


def training_seed(seed: int, architecture: Architecture) -> int:
    """Of one training: the same architecture in the same study is trained the same, whenever it is proposed."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{architecture.digest}".encode()).digest()[:4], "big")


def untrained(setup: Setup, architecture: Architecture) -> Candidate:
    """The network as the space builds it.

    Raises:
        SpaceError: it is none, or takes several inputs.
        Exception: whatever the user's ``build`` raises.
    """
    data = setup.dataset
    return candidates.untrained(setup.space.space, architecture, data.input_shape, data.n_classes, setup.device)


def _measure_before_training(
    record: TrialRecord, setup: Setup, candidate: Candidate, known: KnownMeasurements, alone: Alone
) -> None:
    """Static objectives first: they cost milliseconds, and the device is asked only for what they let through."""
    for stage in BEFORE_TRAINING:
        of_stage = [o for o in setup.objectives if o.stage == stage]
        new = [o for o in of_stage if not _is_known(o, candidate, known)]
        with alone.timing(record, new) if new and stage == "device" else nullcontext():
            for objective in new:
                with _step(record, stage, objective.name):
                    found = measure(objective, candidate)
                known[objective.name, record.architecture.network_digest] = found
                record.measured(objective.name, found)
        for objective in (o for o in of_stage if o not in new):
            record.measured(objective.name, known[objective.name, record.architecture.network_digest])
        if violations(record.measurements, setup.limits):
            return


def _is_known(objective: Objective, candidate: Candidate, known: KnownMeasurements) -> bool:
    """Whether a trial of the same network has measured this, and under all the same conditions where it matters."""
    found = known.get((objective.name, candidate.architecture.network_digest))
    if found is None or not isinstance(objective, Conditioned):
        return found is not None
    return objective.is_same(candidate, found)


def measure(objective: Objective, candidate: Candidate) -> Measurement:
    """Measure, and check what came back: an objective may be the user's own.

    Raises:
        UserInputError: it is no measurement of this objective that could be stored.
    """
    found = objective.measure(candidate)
    if not isinstance(found, Measurement):
        raise UserInputError(
            f"objective {objective.name} returned no Measurement",
            value=repr(found)[:80],
            do="Return nas_moo.Measurement.exact(value, unit, method), or one with an interval.",
        )
    if (found.unit, found.method) != (objective.unit, objective.method):
        raise UserInputError(
            f"objective {objective.name} measured in another unit, or by another method, than it says",
            value=(found.unit, found.method),
            do=f"Return {objective.unit!r} and {objective.method!r}, as the objective's own members have it.",
        )
    if objective.log and not found.low > 0:
        raise UserInputError(
            f"objective {objective.name} is a cost (log = True), and is not positive",
            value=found.low,
            do="Return values above 0, or set log = False.",
        )
    try:
        json.dumps(found.to_dict(), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserInputError(
            f"objective {objective.name} returned what cannot be stored ({error})",
            value=found.details,
            do="Put plain numbers, texts and lists into its details.",
        ) from error
    return found


def _screened(record: TrialRecord, setup: Setup, broken: Mapping[str, float]) -> Outcome:
    units = limit_units(tuple(objective_info(o) for o in setup.objectives), broken)
    told = "; ".join(
        f"{name} at least {format_quantity(setup.limits[name] * (1 + broken[name]), units[name])}, "
        f"limit {format_quantity(setup.limits[name], units[name])}"
        for name in broken
    )
    return Outcome("screened", f"budget:{next(iter(broken))}", told)


def _train(
    record: TrialRecord,
    setup: Setup,
    candidate: Candidate,
    out_of_time: Callable[[], bool],
    alone: Alone,
    referee: Referee | None,
) -> tuple[Outcome, nn.Module | None]:
    curve_objective = setup.trained_objectives[0]
    for epoch in _epochs(record, setup, alone):
        with _step(record, "training", curve_objective.name, trained=True):
            measured = measure(curve_objective, replace(candidate, predictions=epoch.predictions))
        record.epoch(_epoch_record(epoch, measured))
        if epoch.number < setup.epochs:
            if referee is not None and (pruned := referee(record, epoch)) is not None:
                return pruned, None
            if out_of_time():
                raise TimeLimitReachedError
    validated = replace(candidate, model=epoch.models[0], predictions=epoch.predictions)
    for objective in setup.trained_objectives:
        with _step(record, "training", objective.name, trained=True):
            measured = measure(objective, validated)
        record.measured(objective.name, measured)
    if (tested := _tested(record, setup, validated, epoch.models)) is not None:
        record.sealed(tested)
    return Outcome("complete", trained=True), StandardisedNetwork(epoch.models[0], setup.splits[0].scaling)


def _tested(
    record: TrialRecord, setup: Setup, validated: Candidate, models: tuple[nn.Module, ...]
) -> Measurement | None:
    """The test value, or None where the test data gives none: it decides nothing, so it fails no trial."""
    with record.stage("training"):
        try:
            predictions = tuple(
                predict(model, s.test, device=setup.device) for model, s in zip(models, setup.splits, strict=True)
            )
            return measure(setup.trained_objectives[0], replace(validated, predictions=predictions))
        except UserInputError as error:
            record.note("no_test_value", str(error))
            return None


def _epochs(record: TrialRecord, setup: Setup, alone: Alone) -> Iterator[Epoch]:
    """The epochs of all folds in lockstep; what a step raises is told apart from what our code raises."""
    space, architecture = setup.space.space, record.architecture
    with _step(record, "build"):
        recipe = setup.space.recipe(architecture)
    trained = partial(
        train_folds,
        lambda: space.build(architecture, setup.dataset.input_shape, setup.dataset.n_classes),
        lambda parameters: space.optimizer(architecture, parameters),
        recipe,
        setup.splits,
        epochs=setup.epochs,
        seed=training_seed(setup.options.seed, architecture),
        device=setup.device,
    )
    snapshots = record.continues.snapshots if record.continues is not None else ()
    epochs = trained(resume=snapshots or None)
    while True:
        with _step(record, "training", trained=True):
            try:
                epoch = next(epochs, None)
            except CorruptError as error:
                if not snapshots:
                    raise
                record.begin_anew(str(error))
                snapshots, epochs = (), trained()
                epoch = next(epochs, None)
        snapshots = ()  # they fit, or are not used
        if epoch is None:
            return
        yield epoch
        if epoch.number < setup.epochs:  # what is trained to its end waits for nobody, and cannot be lost by that
            with record.stage("waiting"):
                alone.pause()


def _epoch_record(epoch: Epoch, measured: Measurement) -> EpochRecord:
    folds = tuple(measured.details.get("folds", (measured.value,)))
    return EpochRecord(epoch.number, measured.value, epoch.train_loss, epoch.learning_rate, epoch.seconds, folds)


@contextmanager
def _step(record: TrialRecord, stage: str, what: str | None = None, *, trained: bool = False) -> Iterator[None]:
    """Time a stage, and mark whatever a user's network raises in it as this trial's failure."""
    with record.stage(stage):
        try:
            yield
        except Diverged:
            raise
        except (Exception, SystemExit) as error:
            raise TrialError(what or stage, trained) from error


def _failed(error: TrialError) -> Outcome:
    cause = error.__cause__
    kind = "oom" if is_out_of_memory(cause) else error.step
    reason = str(cause) if isinstance(cause, NasMooError) else f"{type(cause).__name__}: {cause}"
    return Outcome("failed", kind, reason, trained=error.trained)
