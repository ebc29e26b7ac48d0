"""Which model do I take? The chosen one with its reason, the front it was chosen from, and unseen data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from nas_moo.choose import Choice, limit_units
from nas_moo.measurement import counted, format_quantity
from nas_moo.results import StudyResult
from reports.front import Front, draw, gather
from reports.front_table import genes, upper
from reports.quantities import Quantity, column, quantity, trained_objective, unjudged
from reports.section import Picture, Section

QUESTION = "Which model do I take?"
ALL = "The next question has each of them, with intervals, test values and genes."
LARGE, SMALL = (8.2, 4.5), (5.4, 4.4)  # inches
CUT = 50  # methods longer than this may be cut at an axis, so the caption has them in full


@dataclass(frozen=True)
class Card:
    """The chosen model, as the page shows it first.

    Attributes:
        choice: The model and the reason.
        values: A row an objective: label, value, interval, method.
        genes: Name and value of each active gene.
        test: Its error on the test data, with interval; empty where there is none.
        judged: Ties are by intervals; else only models with the same values tie, since some objective has none.
        remarks: What its measurements are marked with.
    """

    choice: Choice
    values: tuple[tuple[str, str, str, str], ...]
    genes: tuple[tuple[str, str], ...]
    test: str
    judged: bool
    remarks: tuple[str, ...]


def card(result: StudyResult, opened: pd.DataFrame) -> Card | None:
    """The chosen model; None where no trial is complete. ``opened`` is what ``result.unseal`` gave."""
    if result.complete.empty:
        return None
    choice = result.choose()
    row = result.find(choice.id)
    values = []
    for objective in result.objectives:
        shown = quantity(result, objective.name)
        digits = column(shown, [float(row[objective.name])])
        interval = digits.interval(float(row[f"{objective.name}_low"]), float(row[f"{objective.name}_high"]))
        values.append((shown.label, f"{digits.text(float(row[objective.name]))} {digits.unit}", interval, shown.source))
    test = opened[opened["id"] == choice.id]
    trained = trained_objective(result)
    told = ""
    if trained is not None and not test.empty:
        digits = column(quantity(result, trained.name), [float(row[trained.name])])
        one = test.iloc[0]
        told = f"{digits.text(one['test'])} {digits.unit}"
        if digits.interval(one["test_low"], one["test_high"]):
            told += f" ({digits.interval(one['test_low'], one['test_high'])}, {one['interval']})"
    return Card(choice, tuple(values), genes(row), told, not unjudged(result), _remarks(result, int(row["number"])))


def _remarks(result: StudyResult, trial: int) -> tuple[str, ...]:
    """What the measurements of this trial are marked with, and what a second one came to."""
    told = []
    labels = {o.name: o.label for o in result.objectives}
    rows = result.measurements[result.measurements["number"] == trial]
    for one in rows[rows["objective"].isin(labels)].to_dict("records"):
        marks, again = one["details"].get("caveats", ()), one["details"].get("repeated")
        if not marks:
            continue
        second = f"; measured again, it was {100 * (again['value'] / one['value'] - 1):+.0f} %" if again else ""
        told.append(f"{upper(labels[one['objective']])} is marked as {', '.join(marks)}{second.replace('-', '−')}.")
    return (*told, *_broken(result, trial))


def _broken(result: StudyResult, trial: int) -> list[str]:
    """Budgets of the search that this model may pass: the choice keeps none."""
    trials = result.trials[result.trials["number"] == trial]
    limits = {n: float(v) for n, v in (result.description.get("limits") or {}).items() if f"{n}_high" in trials}
    high = {name: float(trials[f"{name}_high"].iloc[0]) for name in limits}
    units = limit_units(result.objectives, limits)
    return [
        f"It may pass the search's budget: {name} up to {format_quantity(high[name], units[name])}, "
        f"at most {format_quantity(limit, units[name])} was asked for."
        for name, limit in limits.items()
        if high[name] > limit
    ]


def section(result: StudyResult) -> Section:
    """The question's part of the page."""
    if result.complete.empty:
        return Section("choice", QUESTION, missing=_why_none(result))
    front = result.front()
    are = "is" if len(front) == 1 else "are"
    sentences = [
        f"{len(front):,} of {counted(len(result.complete), 'complete model')} {are} on the front: no other one is at "
        "least as good in every objective and better in one.",
        ALL,
    ]
    if len(result.objectives) < 2:
        sentences.append("The study has one objective, so there is no trade-off to draw.")
    return Section("choice", QUESTION, sentences=tuple(sentences), pictures=tuple(_pictures(result)))


def _why_none(result: StudyResult) -> str:
    if result.trials.empty:
        return "No trial has started yet, so there is no model to choose."
    counted = ", ".join(f"{n} {state}" for state, n in result.trials["state"].value_counts().items())
    return f"No trial is complete yet ({counted}), so there is no model to choose. The last sections say what happened."


def _pairs(result: StudyResult) -> list[tuple[str, str]]:
    """Each pair as (x, y): what is trained for stands upright, costs lie along the bottom."""
    pairs = []
    for first, second in combinations(result.objectives, 2):
        upright = second.stage == "trained" and first.stage != "trained"
        pairs.append((first.name, second.name) if upright else (second.name, first.name))
    return pairs


def _pictures(result: StudyResult) -> list[Picture]:
    """A picture of each pair; of three objectives, also one of the first pair with the third as colour."""
    pairs, told = _pairs(result), set[str]()
    odd = len(pairs) % 2 == 1
    pictures = [_picture(result, x, y, told, wide=odd and i == 0) for i, (x, y) in enumerate(pairs)]
    if len(result.objectives) == 3:
        (third,) = (o.name for o in result.objectives if o.name not in pairs[0])
        pictures.append(_picture(result, *pairs[0], told, third, wide=True))
    return pictures


def _picture(
    result: StudyResult, x: str, y: str, told: set[str], colour: str | None = None, *, wide: bool
) -> Picture:  # fmt: skip
    """One picture; its caption has the methods that no caption before it (``told``) has."""
    front = gather(result, x, y, colour=colour)
    name = f"front-{x}-{y}{f'-by-{colour}' if colour else ''}"
    size = LARGE if wide else SMALL
    return Picture(name, _alt(front), _caption(front, told), lambda: draw(front, size=size), wide)


def _alt(front: Front) -> str:
    spans = []
    for shown, column_ in ((front.x, 0), (front.y, 1)):
        low, high = front.steps[:, column_].min(), front.steps[:, column_].max()
        spans.append(f"{shown.title} from {low:.4g} to {high:.4g}")
    by = f", coloured by {front.colour.title}" if front.colour else ""
    return f"Front of {front.y.label} against {front.x.label}: {len(front.steps)} steps, {' and '.join(spans)}{by}."


def _caption(front: Front, told: set[str]) -> str:
    drawn = [shown for shown in (front.x, front.y, front.colour) if shown is not None]
    words = _methods(drawn, told)
    if any(shown.has_intervals for shown in drawn[:2]):
        words.append("Bars are the intervals of models on the front.")
    if front.colour:
        words.append(f"Colour: {front.colour.label} of the models on the front.")
    if front.coincident:
        words.append(f"Hidden, exactly behind another one: {counted(front.coincident, 'point')}.")
    if any(front.log):
        words.append("Logarithmic where a range passes ten times.")
    return " ".join([*words, *front.unseen_budgets])


def _methods(drawn: Iterable[Quantity], told: set[str]) -> list[str]:
    """Methods that an axis may have cut, each in one caption of the section."""
    new = [shown for shown in drawn if len(shown.source) > CUT and shown.name not in told]
    told.update(shown.name for shown in new)
    return [f"{upper(shown.title)}: {shown.source}." for shown in new]
