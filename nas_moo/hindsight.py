"""A finished study as its pruner could have seen it: whole curves with their costs, and what the controls came to.

Reads tables alone, so that a report, a command and a notebook say the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas_moo.errors import UserInputError
from nas_moo.pareto import Array
from nas_moo.pruners import PRUNERS, WITH_QUANTILE, FinishedCurves, load_pruner
from nas_moo.pruners.audit import FEWEST, Audit, audit_study
from nas_moo.pruners.control import Asked, Control, ControlReport, judge_controls
from nas_moo.results import StudyResult


@dataclass(frozen=True, eq=False)
class Curves:
    """The complete trainings of a study.

    Attributes:
        numbers: Of their trials, ascending, shape (n,).
        finished: Their curves and costs, in that order.
        costs: Names of the costs, in the study's order.
    """

    numbers: NDArray[np.int64]
    finished: FinishedCurves
    costs: tuple[str, ...]


def curves(result: StudyResult) -> Curves:
    """The complete trainings, and what pruners are told of them.

    Raises:
        UserInputError: the study has not exactly one trained objective.
    """
    trained = [o.name for o in result.objectives if o.stage == "trained"]
    if not trained:
        raise UserInputError(
            "nothing is trained in this study, so there is nothing to prune",
            value=", ".join(o.name for o in result.objectives),
            do="Name a study with one trained objective, such as error.",
        )
    if len(trained) != 1:
        raise UserInputError(
            "pruners judge studies with one trained objective", value=", ".join(trained), do="Name a study with one."
        )
    costs = [o.name for o in result.objectives if o.stage != "trained"]
    epochs = int(result.description["epochs"])
    complete = result.complete[result.complete["epochs"] == epochs].sort_values("number")
    numbers = complete["number"].to_numpy(dtype=np.int64)
    low, high = (complete[[f"{c}{end}" for c in costs]].to_numpy(dtype=float) for end in ("_low", "_high"))
    return Curves(
        numbers, FinishedCurves(np.arange(1.0, epochs + 1), _errors(result, numbers, epochs), low, high), tuple(costs)
    )


def pruned_for_good(result: StudyResult) -> pd.DataFrame:
    """The rows of trials that were pruned and that no later trial has gone on with to another end."""
    settled = result.trials[result.trials["state"].isin(("complete", "pruned", "failed"))]
    return result.trials[(result.trials["state"] == "pruned") & ~result.trials["number"].isin(settled["continues"])]


def controls(result: StudyResult) -> ControlReport | None:
    """What the control arm says of the pruner that decided last; those of others, and of other quantiles, do not count.

    Returns:
        None where no pruner has decided anything, or the study trains nothing.
    """
    if result.prunings.empty or sum(o.stage == "trained" for o in result.objectives) != 1:
        return None
    known = curves(result)
    places = {int(number): place for place, number in enumerate(known.numbers)}
    columns = (result.prunings[c] for c in ("number", "pruner", "quantile", "level"))
    behind = {int(number): _behind(*of) for number, *of in zip(*columns, strict=True)}
    asked = behind[max(behind)]
    own = [number for number, other in behind.items() if other.is_same(asked)]
    ended = result.prunings[result.prunings["control"] & result.prunings["number"].isin(known.numbers)]
    rows = ended[ended["number"].isin(own)]
    arm = [
        Control(places[int(row["number"])], None if np.isnan(row["bound"]) else float(row["bound"]), int(row["level"]))
        for _, row in rows.iterrows()
    ]
    given_up = pruned_for_good(result)["number"]
    outbid = result.prunings.loc[result.prunings["outbid"], "number"]  # no decision of the pruner: no coin is thrown
    report = judge_controls(known.finished, arm, int((given_up.isin(own) & ~given_up.isin(outbid)).sum()))
    return replace(report, asked=asked, others=len(ended) - len(rows))


def _behind(pruner: str, quantile: float, level: int) -> Asked:
    return Asked.behind(pruner, None if np.isnan(quantile) else float(quantile), int(level))


def audits(result: StudyResult) -> list[Audit]:
    """What every pruner of nas-moo would have saved and lost; none where there are too few trainings to say.

    The study's own quantile is that of pruners that have one.
    """
    if sum(o.stage == "trained" for o in result.objectives) != 1 or result.description["epochs"] == 1:
        return []
    known = curves(result)
    if len(known.finished) < FEWEST:
        return []
    quantile = result.description.get("pruner_quantile")
    return audit_study(
        known.finished, [load_pruner(name, quantile if name in WITH_QUANTILE else None) for name in PRUNERS]
    )


def _errors(result: StudyResult, numbers: NDArray[np.int64], epochs: int) -> Array:
    """Shape (trials, epochs)."""
    wide = result.epochs.pivot_table(index="number", columns="epoch", values="error", aggfunc="last")
    return np.asarray(wide.reindex(index=numbers, columns=range(1, epochs + 1)).to_numpy(dtype=float))
