"""What meets my limit? The front with all that is known of it, limits to try out, and what typical ones cost."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from nas_moo.choose import limit_units
from nas_moo.measurement import format_quantity
from nas_moo.results import StudyResult
from reports import front_table, sliders
from reports.front_table import Shown, upper
from reports.quantities import column, quantity, trained_objective, unjudged
from reports.section import Cell, Section, Table

QUESTION = "What meets my limit?"
QUARTERS = {0.25: "a quarter of all", 0.5: "half", 0.75: "three quarters"}


@dataclass(frozen=True)
class Typical:
    """What is left under a limit that a share of all complete models keeps by its value.

    Attributes:
        cost: Name of the limited objective.
        share: Of the complete models.
        limit: In the objective's own unit, rounded up: rounded down it would leave out the models at the quartile.
        model: The row of the lowest goal among the models that keep it at the upper end of their intervals; None where
            none does.
    """

    cost: str
    share: float
    limit: float
    model: pd.Series | None


def section(result: StudyResult, opened: pd.DataFrame) -> Section:
    """The question's part of the page; ``opened`` holds the test values of the front."""
    if result.complete.empty:
        return Section("limits", QUESTION, missing="No trial is complete yet, so there is no model to limit.")
    front = front_table.members(result)
    tying = front_table.tied(result, front)
    found, rests = typical(result), [_certain(front, tying, unjudged(result)), _budgets(result)]
    tables = [front_table.table(result, front, opened, tying)]
    if found:
        rests[1:1] = _sentences(result, found)
        tables.append(_typical_table(result, found))
    return Section(
        "limits", QUESTION, sentences=tuple(rests), tables=tuple(tables), sliders=sliders.gather(result, front)
    )  # fmt: skip


def goal(result: StudyResult) -> str:
    """The objective that limits of the others make worse: the trained one, or the first."""
    trained = trained_objective(result)
    return trained.name if trained is not None else result.objectives[0].name


def typical(result: StudyResult) -> tuple[Typical, ...]:
    """The lowest goal under each quartile of each other objective, as ``nas-moo choose`` picks it."""
    wanted, found = goal(result), []
    for objective in result.objectives:
        if objective.name == wanted:
            continue
        quartiles = result.complete[objective.name].quantile(list(QUARTERS))
        shown = quantity(result, objective.name)
        digits = column(shown, quartiles)
        for share, value in quartiles.items():
            if value <= 0:
                continue  # no limit can be kept there
            limit = float(sliders.number_above(float(value) * digits.scale)) / digits.scale
            choice = result.choose({objective.name: limit}, by=wanted)
            model = result.find(choice.id) if choice.feasible else None
            found.append(Typical(objective.name, float(str(share)), limit, model))
    return tuple(found)


def _certain(front: pd.DataFrame, tying: dict[str, tuple[str, ...]], unjudged: tuple[str, ...]) -> str:
    sure = sum(not others for others in tying.values())
    if unjudged:
        return f"How certain a place on the front is cannot be said: no interval is known of {' and '.join(unjudged)}."
    if len(front) == 1:
        return f"The front has one model, and it is {'certain' if sure else 'tied with others'}, given the intervals."
    told = {0: "none is certain to be", 1: "1 is certain to be"}.get(sure, f"{sure:,} are certain to be")
    return (
        f"Of {len(front):,} models on the front, {told} there, given the intervals; "
        f"{len(front) - sure:,} {'ties' if len(front) - sure == 1 else 'tie'} with another."
    )


def _budgets(result: StudyResult) -> str:
    limits = result.description.get("limits") or {}
    if not limits:
        return "The search had no budget."
    units = limit_units(result.objectives, limits)
    told = " and ".join(f"{name} at most {format_quantity(float(v), units[name])}" for name, v in limits.items())
    return f"The search had a budget, {told}: what surely passes it was not trained."


def _sentences(result: StudyResult, found: tuple[Typical, ...]) -> list[str]:
    wanted = Shown.of(result, goal(result))
    best = result.front().sort_values(wanted.shown.name, kind="stable").iloc[0]
    told = [f"The lowest {wanted.shown.label} is {wanted.told(best)}, of {best['id']}."]
    for one in found:
        if one.share != 0.5 or one.model is None:
            continue
        told.append(
            f"With {quantity(result, one.cost).label} at most {_limit(result, one)}, the median, it is "
            f"{wanted.told(one.model)}, of {one.model['id']}."
        )
    return [" ".join(told)]


def _limit(result: StudyResult, one: Typical) -> str:
    digits = Shown.of(result, one.cost).digits
    return f"{float(sliders.number(one.limit * digits.scale)):,.12g}\N{NO-BREAK SPACE}{digits.unit}"


def _typical_table(result: StudyResult, found: tuple[Typical, ...]) -> Table:
    wanted = Shown.of(result, goal(result))
    rows: list[tuple[str | Cell, ...]] = []
    for one in found:
        label = quantity(result, one.cost).label
        limited = (f"{upper(label)} at most {_limit(result, one)}", QUARTERS[one.share])
        if one.model is None:
            rows.append((*limited, "–", Cell("none", "all intervals reach beyond the limit")))
            continue
        name = wanted.shown.name
        value = wanted.cell(one.model[name], one.model[f"{name}_low"], one.model[f"{name}_high"])
        rows.append((*limited, value, Cell(str(one.model["id"]))))
    return Table(
        ("limit", "kept by the values of", wanted.title, "model"), tuple(rows), numbers=(2,),
        title=f"Lowest {wanted.shown.label} under typical limits",
        notes=("Quartiles of the complete models' values, rounded up. As with nas-moo choose --max, a model keeps a "
               "limit where the upper end of its interval does.",),
    )  # fmt: skip
