"""What a worker does about pruning: follows or overrules decisions, keeps checkpoints, and thaws what was pruned.

Pruning is postponement: a pruned trial keeps the state of its training, and a later trial goes on with it where the
pruner, fitted to what has finished since, would no longer stop it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from nas_moo.errors import CorruptError, UserInputError
from nas_moo.evaluation import OUTBID, Judgement, Outcome
from nas_moo.genome import Architecture
from nas_moo.pruners import Verdict
from nas_moo.pruners.base import is_checked, is_comparable, may_wait
from nas_moo.pruners.control import is_control
from nas_moo.results import ID_LENGTH
from nas_moo.samplers.base import GenomeSampler
from nas_moo.study import checkpoints
from nas_moo.study.config import Setup
from nas_moo.study.evaluate import violations
from nas_moo.study.history import History
from nas_moo.study.judge import Judge, is_judged, ranges
from nas_moo.study.progress import EventLog
from nas_moo.study.record import Continuation, TrialRecord, read_curve, read_judgement, read_measurements
from nas_moo.training import Epoch


class Pruning:
    """One worker's part in it.

    Args:
        setup: Of a search that prunes.
        history: What the worker knows.
        folder: Of the study's files.
        log: Is told of each decision.
        sampler: Has its say in which trainings go on.
    """

    def __init__(self, setup: Setup, history: History, folder: Path, log: EventLog, sampler: GenomeSampler) -> None:
        self._setup, self._history, self._folder, self._log = setup, history, folder, log
        self._sampler = sampler
        self._judge = Judge(setup, history)
        self._looked_at, self._may_thaw, self._hopeful = 0, True, -1
        self._said, self._wanted = set[str](), set[int]()
        self._epochs = np.arange(1.0, setup.epochs + 1)

    def say(self) -> None:
        """Say what a user should know of the pruner before it decides."""
        if self._judge.caution is not None:
            self._log("note", text=f"Pruner {self._setup.pruner}: {self._judge.caution}")

    def after_epoch(self, record: TrialRecord, epoch: Epoch) -> Outcome | None:
        """Ask the pruner; gives the outcome of a trial that is stopped."""
        if record.judgement is not None:  # a control, which trains to its end
            return None
        verdict = self._judge.judge(record)
        self._say_caution(verdict)
        wanted = record.continues is not None and record.continues.number in self._wanted
        if not verdict.stop or wanted:
            return self._outbid(record, verdict, epoch)
        control = is_control(self._setup.options.seed, record.number, self._judge.controls, self._setup.control_share)
        judgement = self._judge.judgement(record, verdict, control=control)
        if not control and self._setup.thaws:
            self._keep(record, judgement, epoch)
        self._note(record, judgement)
        return None if control else Outcome("pruned", judgement.pruner, judgement.reason, trained=True)

    def _outbid(self, record: TrialRecord, verdict: Verdict, epoch: Epoch) -> Outcome | None:
        """Ask the sampler about a training that the pruner lets go on; only what can be kept is given up for it."""
        if not self._setup.thaws or not is_comparable(verdict) or not is_checked(len(record.curve), self._epochs):
            return None
        waiting = sum(map(is_outbid, self._history.postponed.values()))
        if not may_wait(waiting, len(self._history.complete)):
            return None
        trained, errors = self._setup.trained_objectives[0], [e.error for e in record.curve]
        costs = [record.measurements[o.name].value for o in self._setup.objectives if o is not trained]
        remaining = 1.0 - len(errors) / self._setup.epochs
        if self._sampler.goes_on(record.trial.params, np.array(costs), errors, remaining):
            return None
        judgement = self._judge.judgement(record, verdict, outbid=True)
        if not self._keep(record, judgement, epoch):
            return None
        self._note(record, judgement)
        return Outcome("pruned", OUTBID, judgement.reason, trained=True)

    def _say_caution(self, verdict: Verdict) -> None:
        """Say where the controls have changed the pruner, or should have, and where too little has finished for it."""
        level = self._judge.level
        if level:
            told = f"The pruner turns more cautious, by what controls have shown (step {level})"
            self._say_once(f"level {level}", told)
        if self._judge.overdone:
            told = (
                f"Controls show that {self._setup.pruner} stops too much, and it knows no other way: use --pruner front"
            )
            self._say_once("overdone", told)
        if verdict.reason.startswith("too few"):
            self._say_once(f"too few {level}", f"No pruning {'for now' if level else 'yet'}: {verdict.reason}")

    def _note(self, record: TrialRecord, judgement: Judgement) -> None:
        """Store and log a decision."""
        record.judged(judgement)
        if judgement.predicted is not None and not judgement.control:
            record.predicted(self._setup.trained_objectives[0].name, judgement.predicted)
        self._log(
            "judged",
            number=record.number,
            id=record.architecture.digest[:ID_LENGTH],
            finished_trials=ranges(self._judge.numbers),
            **vars(judgement),
        )

    def to_thaw(self, *, nothing_new: bool = False) -> FrozenTrial | None:
        """The pruned trial to go on with before another is proposed; None where there is none.

        Looked for when the pruner has learned something, and never twice in a row: what is new has its turn, too.

        Args:
            nothing_new: The space is exhausted, so there is nothing else to do.
        """
        complete = len(self._history.complete)
        if not nothing_new and (not self._may_thaw or complete == self._looked_at):
            self._may_thaw = True
            return None
        there = checkpoints.kept(self._folder) if self._setup.thaws else {}
        left_to_sampler = self._setup.screens and not nothing_new  # it proposes what was outbid when that promises most
        busy = {t.user_attrs.get("digest") for t in self._history.running}
        free = [
            t
            for digest, t in self._history.postponed.items()
            if t.number in there
            and digest not in busy
            and not violations(read_measurements(t), self._setup.limits)
            and not (left_to_sampler and is_outbid(t))
        ]
        hopeful = best_first(free, self._judge)
        if hopeful:
            self._may_thaw, self._hopeful = False, hopeful[0].number
            return hopeful[0]
        self._looked_at = complete
        return None

    def continuation(self, architecture: Architecture) -> Continuation | None:
        """What a trial of this architecture goes on with: the pruner or the sampler wants it again.

        Without its checkpoint, which another machine has or which had to make room, it begins anew.
        """
        trial = self._history.postponed.get(architecture.digest)
        if trial is None or not self._setup.thaws:
            return None
        found = self._stored(trial)
        by = "pruner" if trial.number == self._hopeful else "sampler"
        if by == "sampler":  # it knows more than the pruner, which would stop the training again at once
            self._wanted.add(trial.number)
        self._log("thawed", number=trial.number, id=architecture.digest[:ID_LENGTH], epoch=found.epochs, by=by)
        return found

    def ended(self, record: TrialRecord, outcome: Outcome) -> None:
        """A trial was told: what it continued is needed no more, if it came to an end of its own."""
        if record.continues is not None and outcome.state in ("complete", "pruned", "failed"):
            checkpoints.remove(self._folder, record.continues.number)

    def sweep(self) -> None:
        """Drop checkpoints that nothing will go on with: of trials that were continued, or killed before they ended."""
        wanted = {t.number for t in (*self._history.running, *self._history.postponed.values())}
        for number in set(checkpoints.kept(self._folder)) - wanted:
            checkpoints.remove(self._folder, number)

    def _stored(self, trial: FrozenTrial) -> Continuation:
        curve, folds = read_curve(trial), len(self._setup.splits)
        if trial.number in checkpoints.kept(self._folder):
            try:
                snapshots = checkpoints.load(self._folder, trial.number, folds=folds, epoch=len(curve))
                return Continuation(trial.number, curve, snapshots)
            except CorruptError as error:
                self._log("note", text=str(error))
                checkpoints.remove(self._folder, trial.number)
        return Continuation(trial.number, (), ())

    def _keep(self, record: TrialRecord, judgement: Judgement, epoch: Epoch) -> bool:
        """Keep a checkpoint, and let go of others where they take too much room; False where there can be none."""
        try:
            snapshots = epoch.snapshots()
        except UserInputError as error:
            self._say_once("not kept", f"Pruned trials are not kept: {error}")
            return False
        checkpoints.save(self._folder, record.number, snapshots)
        judgements = {t.number: j for t in self._history.postponed.values() if (j := read_judgement(t)) is not None}
        hopelessness = {n: excess(vars(j)) for n, j in (judgements | {record.number: judgement}).items()}
        for number in checkpoints.to_drop(checkpoints.kept(self._folder), hopelessness):
            checkpoints.remove(self._folder, number)
        return True

    def _say_once(self, matter: str, text: str) -> None:
        if matter not in self._said:
            self._said.add(matter)
            self._log("note", text=text)


def is_outbid(trial: FrozenTrial) -> bool:
    """Whether a pruned trial was given up for a new one that promised more."""
    judgement = read_judgement(trial)
    return judgement is not None and judgement.outbid


def best_first(postponed: list[FrozenTrial], judge: Judge) -> list[FrozenTrial]:
    """The policy of thawing: those that the pruner would no longer stop, the one with most to hope for first."""
    hopes = []
    for trial in postponed:
        verdict = judge.verdict([e.error for e in read_curve(trial)], read_measurements(trial))
        if is_judged(verdict) and not verdict.stop:
            hopes.append((excess(verdict.evidence), trial.number, trial))
    return [trial for _, _, trial in sorted(hopes, key=lambda hope: hope[:2])]


def excess(evidence: Mapping[str, Any]) -> float:
    """How far a training is above what it has to beat, relative to that.

    Its bound against a rival, or its last error where the pruner predicts none; against the threshold of a pruner that
    is blind to costs.
    """
    bound, rival, threshold = (evidence.get(name) for name in ("bound", "rival_error", "threshold"))
    reached = evidence["last_error"] if bound is None or rival is None else bound
    beaten = threshold if rival is None else rival
    return float("inf") if beaten is None else float((reached - beaten) / max(abs(beaten), 1e-12))
