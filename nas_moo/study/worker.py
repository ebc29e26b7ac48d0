"""One worker's part of a study: ask, evaluate, tell."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from nas_moo.device import free_memory
from nas_moo.errors import MachineError, SpaceError, UserInputError
from nas_moo.evaluation import Outcome
from nas_moo.lease import TimeLimitReachedError
from nas_moo.measurement import surely_at_least
from nas_moo.pareto import nondominated
from nas_moo.results import ID_LENGTH, REFERENCE_TRIALS, reference_point
from nas_moo.samplers import load_sampler
from nas_moo.samplers.distributions import SpaceExhaustedError, distributions
from nas_moo.samplers.seeded import RepeatingSampler
from nas_moo.study import weights
from nas_moo.study.alone import Alone
from nas_moo.study.config import Setup
from nas_moo.study.contention import CONTENDED, REFERENCE, Contention, ReferenceTime
from nas_moo.study.costs import known_before_training
from nas_moo.study.evaluate import evaluate, measure, untrained, violations
from nas_moo.study.history import History
from nas_moo.study.individuals import IndividualReader
from nas_moo.study.liveness import live_workers
from nas_moo.study.progress import EventLog
from nas_moo.study.pruning import Pruning
from nas_moo.study.record import TrialRecord
from nas_moo.study.storage import StoredStudy, now

if TYPE_CHECKING:
    from torch import nn

    from nas_moo.genome import Architecture
    from nas_moo.measurement import Measurement
    from nas_moo.objectives import Objective

SCREENED_IN_A_ROW = 200
UNNAMED_SECONDS = 1.0  # from a proposal to its record, hardly ever longer
FAILED_AT_START = 3
FAILED_ALIKE = 5
_STATES = {"complete": TrialState.COMPLETE, "screened": TrialState.PRUNED, "pruned": TrialState.PRUNED}


@dataclass
class Streaks:
    """Runs of trials that lead nowhere, and stop a search."""

    untrained: int = 0
    failed_alike: int = 0
    failed_with: str = ""
    failed_from_start: int | None = 0  # None once anything worked
    nearest_miss: tuple[float, str] = (float("inf"), "")

    def note(self, outcome: Outcome, broken: Mapping[str, float]) -> None:
        """Count one outcome."""
        self.untrained = 0 if outcome.trained or outcome.state == "complete" else self.untrained + 1
        failed = outcome.state == "failed" and outcome.kind != "nan"
        self.failed_alike = self.failed_alike + 1 if failed and outcome.reason == self.failed_with else int(failed)
        self.failed_with = outcome.reason if failed else ""
        if not failed:
            self.failed_from_start = None
        elif self.failed_from_start is not None:
            self.failed_from_start += 1
        if broken and sum(broken.values()) < self.nearest_miss[0]:
            self.nearest_miss = (sum(broken.values()), outcome.reason)

    def check(self, outcome: Outcome, limits: Mapping[str, float]) -> None:
        """Raise where going on would lead nowhere."""
        if self.failed_from_start == FAILED_AT_START:
            raise SpaceError(
                f"the first {FAILED_AT_START} networks failed ({outcome.kind})",
                value=outcome.reason,
                do="Mend that (space, objective or data); then give the search another --study, or delete this one "
                "with `nas-moo studies --delete`.",
            )
        if self.failed_alike == FAILED_ALIKE:
            raise MachineError(
                f"{FAILED_ALIKE} networks in a row failed in the same way ({outcome.kind})",
                value=outcome.reason,
                do="Check the device and the space; the same command then goes on.",
            )
        if self.untrained == SCREENED_IN_A_ROW:
            raise UserInputError(
                f"{SCREENED_IN_A_ROW} architectures in a row came to no training; "
                f"the nearest miss: {self.nearest_miss[1] or outcome.reason}",
                value=dict(limits),
                do="Loosen the limits (--max), or widen the space.",
            )


class Worker:
    """Asks, evaluates and tells until there is nothing left to do."""

    def __init__(self, setup: Setup, study: StoredStudy, log: EventLog, name: str) -> None:
        self.setup, self.study, self.log, self.name = setup, study, log, name
        self.genome = setup.space.space.genome
        self.distributions = distributions(self.genome)
        self.history = History(study, setup.limits, trains=bool(setup.trained_objectives))
        self.deadline = time.monotonic() + setup.time_limit if setup.time_limit is not None else None
        self.alone = Alone(
            setup,
            self.measure_again,
            self.note_contention,
            lambda text: log("note", text=text),
            self.note_reference,
            self.deadline,
        )
        self.reference_times: list[list[float]] = []
        self.streaks = Streaks(failed_from_start=None if self.history.complete else 0)
        entropy = [setup.options.seed, len(study.trials()), len(live_workers(study))]
        options = replace(setup.options, seed=int(np.random.SeedSequence(entropy).generate_state(1)[0]))
        self.sampler = RepeatingSampler(
            load_sampler(
                setup.sampler,
                self.genome,
                options,
                self.history.is_known,
                known_before_training(setup, self.history.measured) if setup.screens else None,
                read=IndividualReader(setup),
                seeds=setup.seed_architectures,
            ),
            self.genome,
        )
        study.optuna.sampler = self.sampler
        self.pruning = Pruning(setup, self.history, study.folder, log, self.sampler) if setup.prunes else None

    def go(self) -> None:
        """Work until the study has its trainings, the space is exhausted or the time is over."""
        self.log("start", study=self.study.name, asked=self.setup.trials, done=self.history.trained, worker=self.name)
        self.log_notes()
        if self.pruning is not None:
            self.pruning.sweep()
        while self.is_wanted() and not self.out_of_time():
            self.thaw()
            try:
                trial = self.study.optuna.ask(fixed_distributions=self.distributions)
            except SpaceExhaustedError as end:
                self.study.optuna.tell(end.trial, state=TrialState.FAIL)
                self.thaw(nothing_new=True)
                if self.sampler.again is not None:
                    continue
                self.log("exhausted", reason=end.what, architectures=end.value, do=end.do)
                break
            if not self.is_wanted(trial):
                self.study.optuna.tell(trial, state=TrialState.FAIL)
                break
            self.one(trial)
        self.alone.close()
        self.history.refresh()
        self.log(
            "end",
            done=self.history.trained,
            asked=self.setup.trials,
            running_elsewhere=len(self.history.running),
            out_of_time=self.out_of_time(),
        )

    def log_notes(self) -> None:
        """Say what of the things asked for is done otherwise, or not at all."""
        if self.setup.wants_screening and not self.setup.screens:
            trained = len(self.setup.trained_objectives)
            self.log("note", text=f"nsga2 does not screen: that takes one trained objective, not {trained}, and a cost")
        if self.pruning is not None:
            self.pruning.say()
        elif self.setup.pruner != "never" and (trained := len(self.setup.trained_objectives)) > 1:
            self.log("note", text=f"No pruning: a training is judged by one objective, and here are {trained}")
        if given := self.setup.seed_architectures:
            new = sum(not self.history.is_known(a) for a in given)
            now = min(new, max(self.setup.trials - self.history.trained, 0))
            later = f", {new - now} wait for more --trials" if new > now else ""
            self.log("note", text=f"Seed architectures: {now} to train first, {len(given) - new} known already{later}")

    def is_wanted(self, trial: Trial | None = None) -> bool:
        """Whether the study lacks trainings that no other running trial is about to bring.

        Workers may ask at the same moment: of the running trials only the first so many go on, by number, and every
        worker sees the same order.
        """
        self.history.refresh()
        ahead = sum(trial is None or t.number < trial.number for t in self.history.running)
        return self.history.trained + ahead < self.setup.trials

    def thaw(self, *, nothing_new: bool = False) -> None:
        """Let the sampler propose a pruned trial again, where the pruner would no longer stop it."""
        if self.pruning is not None and (pruned := self.pruning.to_thaw(nothing_new=nothing_new)) is not None:
            self.sampler.again = dict(pruned.params)

    def one(self, trial: Trial) -> None:
        """One trial, whatever becomes of it."""
        architecture = self.genome.architecture(trial.params)
        continues = None if self.pruning is None else self.pruning.continuation(architecture)
        record = TrialRecord(trial, architecture, self.name, now("milliseconds"), continues, self.sampler.origin)
        self.see_earlier(record)  # after the record is written: of two workers with one architecture, the later sees it
        if self.is_running_elsewhere(record):
            self.tell(record, Outcome("duplicate", "race", "another worker proposed it at the same moment"))
            return
        if self.is_settled(record):
            self.tell(record, Outcome("duplicate", "known", "another trial of it had ended before it began"))
            return
        try:
            referee = None if self.pruning is None else self.pruning.after_epoch
            outcome, model = evaluate(record, self.setup, self.history.measured, self.out_of_time, self.alone, referee)
            if model is not None:
                self.keep_weights(record, model)
        except TimeLimitReachedError:
            self.tell(record, Outcome("interrupted", "time limit", "the time limit was reached"))
            return
        except BaseException as error:
            self.tell(record, Outcome("interrupted", "stopped", f"stopped from outside ({type(error).__name__})"))
            raise
        if outcome.kind == "oom":
            free_memory(self.setup.device)
        self.tell(record, outcome)
        self.streaks.note(outcome, violations(record.measurements, self.setup.limits))
        self.streaks.check(outcome, self.setup.limits)

    def tell(self, record: TrialRecord, outcome: Outcome) -> None:
        """End a trial: attributes first, then the constraints, then the state; a finished trial takes no more."""
        try:
            self.write_end(record, outcome)
        except UpdateFinishedTrialError:  # silent for so long that another machine took us for dead
            self.log("lost", number=record.number, reason="another worker ended it as interrupted")
            self.history.refresh()
            return
        self.history.refresh()
        if self.pruning is not None:
            self.pruning.ended(record, outcome)
        if outcome.state == "complete":
            self.after_complete()
        self.log_trial(record, outcome)

    def write_end(self, record: TrialRecord, outcome: Outcome) -> None:
        """Store outcome, constraints and state."""
        record.close(outcome)
        for name, limit in self.setup.limits.items():
            least = surely_at_least(record.measurements, name)
            if least is not None:
                record.trial.set_constraint(name, least / limit - 1.0)
        if outcome.state == "pruned":  # with intermediate values and no constraint, TPE would fail on it
            record.trial.set_constraint("pruned", 1.0)
        values = None
        if outcome.state == "complete":
            values = [record.measurements[o.name].value for o in self.setup.objectives]
        self.study.optuna.tell(record.trial, values, state=_STATES.get(outcome.state, TrialState.FAIL))

    def log_trial(self, record: TrialRecord, outcome: Outcome) -> None:
        """Say how a trial ended, and before that whether it could not go on from where it was pruned."""
        if record.began_anew:
            self.log(
                "note", text=f"Trial {record.number} began anew, for its checkpoint does not fit: {record.began_anew}"
            )
        self.log(
            "trial",
            number=record.number,
            id=record.architecture.digest[:ID_LENGTH],
            state=outcome.state,
            kind=outcome.kind,
            reason=outcome.reason,
            values={name: m.value for name, m in record.measurements.items()},
            caveats={name: list(m.caveats) for name, m in record.measurements.items() if m.caveats},
            seconds=round(sum(record.seconds.values()), 3),
            seconds_waiting=round(record.seconds.get("waiting", 0.0), 3),
            done=self.history.trained,
            asked=self.setup.trials,
        )

    def measure_again(self, architecture: Architecture, objective: Objective) -> Measurement:
        """A network whose latency was taken while something else used the device."""
        candidate = untrained(self.setup, architecture)
        found = measure(objective, candidate)
        self.history.measured[objective.name, architecture.network_digest] = found
        return found

    def note_contention(self, found: Contention) -> None:
        """Store and say that the reference network has moved, and what was measured again."""
        networks = sorted({d.network for d in found.doubts})
        self.study.optuna.set_user_attr(f"{CONTENDED}{self.name}:{now()}:{networks[0]}", found.to_dict())
        self.log("contended", drift=found.drift, networks=networks)

    def note_reference(self, time: ReferenceTime) -> None:
        """Store what the reference network took, in this worker's own list: how the device drifted is read from it."""
        self.reference_times.append([time.number, round(time.ms, 6)])
        self.study.optuna.set_user_attr(f"{REFERENCE}{self.name}", self.reference_times)

    def keep_weights(self, record: TrialRecord, model: nn.Module) -> None:
        """Save the model before it is told, unless a complete one dominates it: so no kill can lose a front member."""
        self.history.refresh()
        own = [record.measurements[o.name].value for o in self.setup.objectives]
        others = [t.values for t in self.history.complete]
        if nondominated(np.array([own, *others], dtype=float))[0]:
            weights.save(self.study.folder, record.architecture.digest, model)

    def after_complete(self) -> None:
        """Drop the weights of models that left the front, and freeze the hypervolume's reference when it is time."""
        complete = sorted(self.history.complete, key=lambda t: t.number)
        values = np.array([t.values for t in complete], dtype=float)
        front = {complete[i].user_attrs["digest"] for i in np.flatnonzero(nondominated(values))}
        running = {t.user_attrs.get("digest") for t in self.history.running}  # about to be told, maybe
        gone = (weights.kept(self.study.folder) - front - running) & self.history.finished
        weights.sweep(self.study.folder, gone)
        if len(complete) >= REFERENCE_TRIALS:
            point = reference_point(values[:REFERENCE_TRIALS])
            names = [o.name for o in self.setup.objectives]
            self.study.fix_reference(dict(zip(names, point.tolist(), strict=True)), REFERENCE_TRIALS)

    def out_of_time(self) -> bool:
        """Whether the time limit is reached."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def is_settled(self, record: TrialRecord) -> bool:
        """Whether another trial has told what this one would tell."""
        if record.continues is None:
            return self.history.is_settled(record.architecture)
        postponed = self.history.postponed.get(record.architecture.digest)
        return postponed is None or postponed.number != record.continues.number

    def see_earlier(self, record: TrialRecord) -> None:
        """Read what other workers do; for a moment wait for earlier trials that have not said yet what they train."""
        deadline = time.monotonic() + UNNAMED_SECONDS
        self.history.refresh()
        while time.monotonic() < deadline and any(
            t.number < record.number and "digest" not in t.user_attrs for t in self.history.running
        ):
            time.sleep(0.02)
            self.history.refresh()

    def is_running_elsewhere(self, record: TrialRecord) -> bool:
        """Whether an earlier trial of another worker has the same architecture and has not ended."""
        return any(
            t.number < record.number and t.user_attrs.get("digest") == record.architecture.digest
            for t in self.history.running
        )
