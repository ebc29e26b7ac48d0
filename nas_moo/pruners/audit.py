"""What rules would have saved and lost on finished trainings, without training anything.

Of a study only its own complete trainings are known, so each is judged by a rule fitted to all others (leave one out).
A recorded table knows the truth: a rule is fitted to some of its rows and judges all the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_moo.errors import UserInputError
from nas_moo.pruners import leave_one_out
from nas_moo.pruners.base import FinishedCurves, Pruner, Rule
from nas_moo.pruners.control import Box, best_within, budgets_of, is_dominated

FEWEST = 12  # complete trainings, of which an audit says anything


@dataclass(frozen=True)
class Audit:
    """One rule, judged on finished trainings.

    Attributes:
        pruner: Its name.
        quantile: Of the pruner; None where it has none.
        judged: Trainings.
        stopped: Of those, that the rule would have given up.
        epochs: That the judged trainings took.
        epochs_saved: Of those, that the rule would not have run.
        saved: The same as a share.
        front: Members of the front of all trainings that were judged.
        front_lost: Of those, given up.
        hypervolume_lost: Share of the hypervolume of all trainings (see ``Box``) that those not given up lack.
        regret_lost: Rise of the lowest error within a budget, the mean over budgets of the first cost, in units of the
            error (see ``best_within``); None where that cost has no logarithm.
    """

    pruner: str
    quantile: float | None
    judged: int
    stopped: int
    epochs: float
    epochs_saved: float
    saved: float
    front: int
    front_lost: int
    hypervolume_lost: float
    regret_lost: float | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def audit_study(finished: FinishedCurves, pruners: Sequence[Pruner]) -> list[Audit]:
    """One for each pruner, by leave-one-out.

    Args:
        finished: The complete trainings of a study.
        pruners: To be judged.

    Raises:
        UserInputError: there are too few, or they have no curve.
    """
    _check(finished)
    everyone = np.arange(len(finished))
    front = _front(finished, everyone)
    found = []
    for pruner in pruners:
        points = leave_one_out.trained_points(pruner, finished)
        points = left_out(pruner, finished) if points is None else points
        found.append(_audit(pruner, finished, everyone, points, front))
    return found


def left_out(pruner: Pruner, finished: FinishedCurves) -> NDArray[np.intp]:
    """Points that each training would have run under a rule that was fitted to all others; fits one for each."""
    everyone = np.arange(len(finished))
    rules = (pruner.fit(finished.among(np.delete(everyone, i))) for i in everyone)
    return np.array([trained_points(rule, finished, i) for i, rule in enumerate(rules)])


def audit_table(rows: FinishedCurves, fitted: NDArray[np.intp], pruners: Sequence[Pruner]) -> list[Audit]:
    """One for each pruner, fitted to some rows of a table and judged on all others.

    Args:
        rows: All rows.
        fitted: The places of those that count as finished.
        pruners: To be judged.

    Raises:
        UserInputError: there are too few, or they have no curve.
    """
    _check(rows.among(fitted))
    others = np.setdiff1d(np.arange(len(rows)), fitted)
    front = _front(rows, others)
    found = []
    for pruner in pruners:
        rule = pruner.fit(rows.among(fitted))
        points = [trained_points(rule, rows, i) for i in others.tolist()]
        found.append(_audit(pruner, rows, others, np.array(points), front))
    return found


def trained_points(rule: Rule, finished: FinishedCurves, place: int) -> int:
    """Points of its curve that a training would have run under a rule; all of them where nothing stops it."""
    curve, low, high = finished.curves[place], finished.low[place], finished.high[place]
    for points in range(1, len(curve)):
        if rule.decide(curve[:points], low, high).stop:
            return points
    return len(curve)


def _check(finished: FinishedCurves) -> None:
    if len(finished) < FEWEST:
        raise UserInputError(
            f"an audit needs {FEWEST} complete trainings", value=len(finished), do="Train more, or ask later."
        )
    if len(finished.epochs) == 1:
        raise UserInputError("the trainings have no curve", value=1, do="There is nothing to prune by.")


def _front(everything: FinishedCurves, judged: NDArray[np.intp]) -> set[int]:
    return {int(i) for i in judged if not is_dominated(everything, int(i))}


def _audit(
    pruner: Pruner, everything: FinishedCurves, judged: NDArray[np.intp], points: NDArray[np.intp], front: set[int]
) -> Audit:
    stopped = judged[points < len(everything.epochs)]
    kept = np.setdiff1d(np.arange(len(everything)), stopped)
    box = Box.of(everything)
    whole, left = box.hypervolume(slice(None)), box.hypervolume(kept)
    budgets = budgets_of(everything)
    regret = None
    if len(budgets):
        best = best_within(everything, np.arange(len(everything)), budgets)
        regret = float((best_within(everything, kept, budgets) - best).mean())
    total, run = float(len(judged) * everything.epochs[-1]), float(everything.epochs[points - 1].sum())
    return Audit(
        pruner=pruner.name,
        quantile=getattr(pruner, "quantile", None),
        judged=len(judged),
        stopped=len(stopped),
        epochs=total,
        epochs_saved=total - run,
        saved=1 - run / total,
        front=len(front),
        front_lost=len(front & set(stopped.tolist())),
        hypervolume_lost=1 - left / whole if whole else 0.0,
        regret_lost=regret,
    )
