"""Any of Optuna's pruners as one of ours: it decides in a single-objective study that is kept in memory for it alone.

Optuna has no pruning for several objectives (``Trial.should_prune`` raises), and its pruners read a whole study. So
they are shown one whose only objective is the error, with the finished trainings and the one to be judged. Such a
pruner sees no costs, and nothing of trainings that were given up.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.measurement import counted
from nas_moo.pareto import Array
from nas_moo.pruners.base import FinishedCurves, Verdict, check_curve
from nas_moo.pruners.curves import CurveModel
from nas_moo.pruners.median import BLIND
from nas_moo.pruners.rank import expected

_NAME = "shadow"  # Hyperband draws brackets by the study's name


class OptunaPruner:
    """Lets a pruner of Optuna decide.

    Args:
        pruner: Any; it is asked at every epoch, with the epoch as the step.
    """

    caution = BLIND

    def __init__(self, pruner: BasePruner) -> None:
        self._pruner = pruner
        self._name = f"optuna:{_told(pruner)}"  # now: Hyperband changes its arguments when it is used
        self._mirrored: tuple[FinishedCurves, list[FrozenTrial]] | None = None

    @property
    def name(self) -> str:
        """Its class, with those arguments that are none of the defaults."""
        return self._name

    def fit(self, finished: FinishedCurves) -> ShadowRule:
        """See ``Pruner``. Trainings that an earlier fit has mirrored are not mirrored again."""
        known: list[FrozenTrial] = []
        if self._mirrored is not None:
            before, trials = self._mirrored
            same = len(before) <= len(finished) and np.array_equal(before.curves, finished.curves[: len(before)])
            known = trials if same else []
        with _quiet():
            study = _study(self._pruner, known)
            for curve in finished.curves[len(known) :]:
                trial = study.ask()
                for step, error in zip(_steps(finished.epochs), curve.tolist(), strict=True):
                    trial.report(error, step)
                    trial.should_prune()  # successive halving and Hyperband write down who came how far
                study.tell(trial, float(curve[-1]))
        self._mirrored = finished, study.get_trials()
        return ShadowRule(self._pruner, finished, self._mirrored[1])

    def cautious(self) -> OptunaPruner:
        """Itself."""
        return self


@dataclass(frozen=True, eq=False)
class ShadowRule:
    """``OptunaPruner``, fitted."""

    pruner: BasePruner
    finished: FinishedCurves
    trials: Sequence[FrozenTrial]

    def decide(self, curve: Array, low: Array, high: Array) -> Verdict:
        """See ``Rule``. The study is made anew each time: what a pruner notes of a training shall not count twice."""
        check_curve(curve, low, high, self.finished)
        epochs, stop = self.finished.epochs, False
        with _quiet():
            study = _study(self.pruner, self.trials)
            trial = study.ask()
            for step, error in zip(_steps(epochs), curve.tolist(), strict=False):
                trial.report(error, step)
                stop = bool(trial.should_prune())
        epoch, name = float(epochs[len(curve) - 1]), type(self.pruner).__name__
        seen = {"epoch": epoch, "last_error": float(curve[-1]), "finished": len(self.finished)}
        if not stop or len(curve) == len(epochs):
            return Verdict(False, f"{name} of Optuna lets it go on", seen)
        seen |= expected(CurveModel(self.finished), curve, low, high)
        return Verdict(True, f"{name} of Optuna stops it after {counted(epoch, 'epoch')}", seen)


def load_optuna(name: str) -> OptunaPruner:
    """A class of ``optuna.pruners``, made without arguments.

    Raises:
        UserInputError: there is none, or it takes arguments.
    """
    known = [n for n in dir(optuna.pruners) if n.endswith("Pruner") and n != "BasePruner"]
    if name not in known:
        raise UnknownNameError("pruner of Optuna", name, known)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # its interface may change; what it decides is asked
            return OptunaPruner(getattr(optuna.pruners, name)())
    except TypeError:
        raise UserInputError(
            "this pruner of Optuna takes arguments",
            value=name,
            do=f"Make it in Python: nas_moo.search(..., pruner=optuna.pruners.{name}(...)).",
        ) from None


def of_optuna(given: Any) -> OptunaPruner | None:
    """Any pruner of Optuna, made already, as one of ours; None where it is none."""
    return OptunaPruner(given) if isinstance(given, BasePruner) else None


def _told(pruner: BasePruner) -> str:
    """A pruner as its constructor could be called; Optuna keeps each argument under its name and an underscore.

    For a default it may keep None or an infinite number; neither is told, nor what has no text of its own.
    """
    told = []
    for name, parameter in inspect.signature(type(pruner)).parameters.items():
        value = getattr(pruner, f"_{name}", parameter.default)
        if isinstance(value, BasePruner):
            told.append(f"{name}={_told(value)}")
        elif isinstance(value, int | float | str) and value != parameter.default and value not in (math.inf, -math.inf):
            told.append(f"{name}={value!r}")
    return type(pruner).__name__ + (f"({', '.join(told)})" if told else "")


def _study(pruner: BasePruner, trials: Sequence[FrozenTrial]) -> optuna.Study:
    study = optuna.create_study(study_name=_NAME, pruner=pruner)
    study.add_trials(trials)
    return study


def _steps(epochs: Array) -> list[int]:
    """The epochs, or the places on the curve where those are no whole numbers."""
    whole = (epochs == np.round(epochs)).all()
    return [int(e) for e in epochs] if whole else list(range(1, len(epochs) + 1))


@contextmanager
def _quiet() -> Iterator[None]:
    """The user's log is about their study."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
