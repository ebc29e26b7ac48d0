"""What a pruner's rule says of a training, from the trials that have finished."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from optuna.trial import FrozenTrial

from nas_moo.evaluation import OUTBID_REASON, Judgement
from nas_moo.measurement import Measurement
from nas_moo.pareto import Array
from nas_moo.pruners import FinishedCurves, Rule, Verdict, load_pruner
from nas_moo.pruners.control import Asked, Control, at_level, cautious_level
from nas_moo.study.config import Setup
from nas_moo.study.evaluate import BEFORE_TRAINING
from nas_moo.study.history import History
from nas_moo.study.record import TrialRecord, read_judgement, read_measurements

LOOK_SECONDS = 10.0  # at least between two looks, during a training, at what other workers have finished


class Judge:
    """Judges trainings of one study, by its finished trials alone.

    Args:
        setup: Of the search.
        history: What this worker knows; read again during long trainings.
    """

    def __init__(self, setup: Setup, history: History) -> None:
        self._setup, self._history = setup, history
        made = setup.made_pruner
        self._asked = self._pruner = load_pruner(setup.pruner, setup.pruner_quantile) if made is None else made
        self._costs = [o.name for o in setup.objectives if o.stage in BEFORE_TRAINING]
        self._seen, self._looked = 0, time.monotonic()
        self._curves, self._low, self._high = list[list[float]](), list[Array](), list[Array]()
        self._controls: list[Control] = []
        self._rule: Rule | None = None
        self.level = 0  # how often the rule has turned more cautious
        self.overdone = False  # it should have, and knows no other way
        self.numbers: list[int] = []  # of the trials that the rule is fitted to, in its order

    @property
    def caution(self) -> str | None:
        """What a user should know of the pruner."""
        return self._asked.caution

    @property
    def controls(self) -> int:
        """How many trainings the pruner would have stopped, and were trained to their end."""
        return len(self._controls)

    @property
    def rule(self) -> Rule:
        """Fitted to the finished trials that the worker knows."""
        if self._absorb() or self._rule is None:
            finished = self._finished()
            level = cautious_level(finished, self._controls, self._setup.pruner_quantile)
            self._pruner = at_level(self._asked, level)
            self.overdone = level > 0 and self._pruner is self._asked
            self.level = 0 if self.overdone else level
            self._rule = self._pruner.fit(finished)
        return self._rule

    def verdict(self, curve: Sequence[float], measured: Mapping[str, Measurement]) -> Verdict:
        """What the rule says of a training that has come so far."""
        low, high = self._ends(measured)
        return self.rule.decide(np.array(curve, dtype=float), low, high)

    def judge(self, record: TrialRecord) -> Verdict:
        """What the rule says of a running trial."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._history.refresh()
            self._looked = time.monotonic()
        return self.verdict([e.error for e in record.curve], record.measurements)

    def judgement(
        self, record: TrialRecord, verdict: Verdict, *, control: bool = False, outbid: bool = False
    ) -> Judgement:
        """A decision to stop a running trial, as it is stored."""
        told = verdict.evidence
        rival = told.get("rival")
        return Judgement(
            pruner=self._pruner.name,
            control=control,
            reason=OUTBID_REASON if outbid else verdict.reason,
            epoch=len(record.curve),
            last_error=record.curve[-1].error,
            predicted=_number(told.get("predicted")),
            spread=_number(told.get("spread")),
            bound=_number(told.get("bound")),
            threshold=_number(told.get("threshold")),
            rival=None if rival is None else self.numbers[int(rival)],
            rival_error=_number(told.get("rival_error")),
            finished=len(self.numbers),
            quantile=_number(told.get("quantile")),
            level=self.level,
            costs={name: record.measurements[name].value for name in self._costs},
            outbid=outbid,
        )

    def _finished(self) -> FinishedCurves:
        n, epochs = len(self.numbers), self._setup.epochs
        low, high = (np.array(ends, dtype=float).reshape(n, len(self._costs)) for ends in (self._low, self._high))
        curves, unit = np.array(self._curves).reshape(n, epochs), self._setup.trained_objectives[0].unit
        return FinishedCurves(np.arange(1.0, epochs + 1), curves, low, high, unit)

    def _absorb(self) -> bool:
        """Take in the trials that were completed since; whether there are any."""
        fresh, self._seen = self._history.complete[self._seen :], len(self._history.complete)
        return sum(map(self._add, fresh)) > 0

    def _add(self, trial: FrozenTrial) -> bool:
        """Whether a trial has a whole curve: one that was added by hand has none."""
        curve = [trial.intermediate_values.get(e) for e in range(1, self._setup.epochs + 1)]
        measured = read_measurements(trial)
        if None in curve or any(name not in measured for name in self._costs):
            return False
        low, high = self._ends(measured)
        judgement = read_judgement(trial)
        if judgement is not None and judgement.control and self._made(judgement):
            self._controls.append(Control(len(self.numbers), judgement.bound, judgement.level))
        self.numbers.append(trial.number)
        self._curves.append([float(e) for e in curve if e is not None])
        self._low.append(low)
        self._high.append(high)
        return True

    def _made(self, judgement: Judgement) -> bool:
        """Whether the decision is one of today's pruner, at its quantile: that of another says nothing of it."""
        behind = Asked.behind(judgement.pruner, judgement.quantile, judgement.level)
        return behind.is_same(Asked(self._asked.name, self._setup.pruner_quantile))

    def _ends(self, measured: Mapping[str, Measurement]) -> tuple[Array, Array]:
        costs = [measured[name] for name in self._costs]
        return np.array([m.low for m in costs], dtype=float), np.array([m.high for m in costs], dtype=float)


def is_judged(verdict: Verdict) -> bool:
    """Whether the rule has compared the training with anything: it may judge few epochs, or have seen too little."""
    return verdict.stop or not {"bound", "threshold", "rival"}.isdisjoint(verdict.evidence)


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in few characters: ``0-4,6``."""
    told: list[list[int]] = []
    for number in sorted(numbers):
        if told and number == told[-1][1] + 1:
            told[-1][1] = number
        else:
            told.append([number, number])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in told)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
