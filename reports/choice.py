"""Which model do I take? The chosen one with its reason, the front it was chosen from, and unseen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from nas_moo.choose import Choice
from nas_moo.measurement import counted
from nas_moo.results import StudyResult
from reports.front import Front, draw, front_roles, gather
from reports.quantities import Column, Quantity, column, quantity, trained_objective
from reports.section import Cell, Picture, Section, Table

QUESTION = "Which model do I take?"
MOST_ROWS = 60
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
    """

    choice: Choice
    values: tuple[tuple[str, str, str, str], ...]
    genes: tuple[tuple[str, str], ...]
    test: str


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
    return Card(choice, tuple(values), genes(row), told)


def genes(row: pd.Series) -> tuple[tuple[str, str], ...]:
    """Name and value of each active gene of a row of ``trials``."""
    named = [(str(c).removeprefix("gene_"), row[c]) for c in row.index if str(c).startswith("gene_")]
    return tuple((name, _gene(value)) for name, value in named if not pd.isna(value))


def _gene(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def section(result: StudyResult, opened: pd.DataFrame) -> Section:
    """The question's part of the page; ``opened`` holds the test values of the front."""
    if result.complete.empty:
        return Section("choice", QUESTION, missing=_why_none(result))
    front = result.front()
    are = "is" if len(front) == 1 else "are"
    sentences = [
        f"{len(front):,} of {counted(len(result.complete), 'complete model')} {are} on the front: no other one is at "
        "least as good in every objective and better in one."
    ]
    pairs = _pairs(result)
    if not pairs:
        sentences.append("The study has one objective, so there is no trade-off to draw.")
    pictures = [_picture(result, x, y, SMALL if len(pairs) > 1 else LARGE) for x, y in pairs]
    if len(pairs) % 2:
        pictures[:1] = [_picture(result, *pairs[0], LARGE)]  # the page gives it both columns
    return Section(
        "choice", QUESTION, sentences=tuple(sentences), pictures=tuple(pictures),
        tables=(front_table(result, front, opened),),
    )  # fmt: skip


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


def _picture(result: StudyResult, x: str, y: str, size: tuple[float, float]) -> Picture:
    front = gather(result, x, y)
    return Picture(f"front-{x}-{y}", _alt(front), _caption(front), lambda: draw(front, size=size))


def _alt(front: Front) -> str:
    spans = []
    for shown, column_ in ((front.x, 0), (front.y, 1)):
        low, high = front.steps[:, column_].min(), front.steps[:, column_].max()
        spans.append(f"{shown.title} from {low:.4g} to {high:.4g}")
    return f"Front of {front.y.label} against {front.x.label}: {len(front.steps)} steps, {' and '.join(spans)}."


def _caption(front: Front) -> str:
    told = [f"{_upper(shown.title)}: {shown.source}." for shown in (front.x, front.y) if len(shown.source) > CUT]
    told.append("Bars are the intervals of models on the front.")
    if front.coincident:
        told.append(f"Hidden, exactly behind another one: {counted(front.coincident, 'point')}.")
    if any(front.log):
        told.append("Logarithmic where a range passes ten times.")
    return " ".join(told)


def front_table(result: StudyResult, front: pd.DataFrame, opened: pd.DataFrame) -> Table:
    """The front with intervals, test values and genes."""
    trained, roles = trained_objective(result), front_roles(result)
    test: Mapping[str, pd.Series] = {str(row["id"]): row for _, row in opened.iterrows()}
    columns = [_Shown.of(result, o.name) for o in result.objectives]
    head, rows = ["model"], []
    for objective, shown in zip(result.objectives, columns, strict=True):
        head.append(shown.title)
        if objective is trained:
            head.append(
                f"test error ({shown.digits.unit})" if shown.shown.unit == "%" else f"test ({shown.digits.unit})"
            )
    for _, row in front.head(MOST_ROWS).iterrows():
        role = ", ".join(roles.get(str(row["id"]), ()))
        cells: list[str | Cell] = [Cell(str(row["id"]), role, strong="chosen" in role)]
        for objective, shown in zip(result.objectives, columns, strict=True):
            cells.append(shown.cell(row[objective.name], row[f"{objective.name}_low"], row[f"{objective.name}_high"]))
            if objective is trained:
                one = test.get(str(row["id"]))
                cells.append(Cell("–") if one is None else shown.cell(one["test"], one["test_low"], one["test_high"]))
        cells.append(Cell("", ", ".join(f"{name} {value}" for name, value in genes(row))))
        rows.append(tuple(cells))
    hidden = f" The first {MOST_ROWS} of {len(front):,}; all are in front.csv." if len(front) > MOST_ROWS else ""
    notes = (
        f"In small print: intervals. {_sources(columns)}{hidden}",
        caveat_note(result, front),
        test_note(result, front, opened),
    )
    return Table(
        (*head, "genes"), tuple(rows), numbers=tuple(range(1, len(head))), title="The front",
        notes=tuple(n for n in notes if n),
    )  # fmt: skip


@dataclass(frozen=True)
class _Shown:
    """One objective's column of the table."""

    shown: Quantity
    digits: Column

    @classmethod
    def of(cls, result: StudyResult, name: str) -> _Shown:
        shown = quantity(result, name)
        return cls(shown, column(shown, result.front()[name]))

    @property
    def title(self) -> str:
        label = self.shown.label
        return self.digits.unit if self.digits.unit.endswith(label) else f"{label} ({self.digits.unit})"

    def cell(self, value: float, low: float, high: float) -> Cell:
        return Cell(self.digits.text(float(value)), self.digits.interval(float(low), float(high)))


def caveat_note(result: StudyResult, front: pd.DataFrame) -> str:
    """Which measurements of the front are not to be trusted blindly, and how many of all; empty where all are sound."""
    told = []
    labels = {o.name: o.label for o in result.objectives}
    rows = result.measurements
    for name, label in labels.items():
        own = rows[rows["objective"] == name]
        for caveat in sorted({c for details in own["details"] for c in details.get("caveats", ())}):
            marked = own[[caveat in details.get("caveats", ()) for details in own["details"]]]
            here = [str(i) for i in front["id"] if i in set(marked["id"])]
            on_front = f", on the front {', '.join(here)}" if here else ", none of them on the front"
            told.append(f"{_upper(label)}: {caveat} for {len(marked):,} of {counted(len(own), 'model')}{on_front}.")
    return " ".join(told)


def _sources(columns: list[_Shown]) -> str:
    return " ".join(f"{_upper(c.shown.label)}: {c.shown.source}." for c in columns)


def _upper(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def test_note(result: StudyResult, front: pd.DataFrame, opened: pd.DataFrame) -> str:
    """Whether test data were looked at, when, and what they say of the front as a whole."""
    trained = trained_objective(result)
    if trained is None:
        return ""
    if opened.empty:
        return "There are no test values: none were sealed for these models."
    both = front.merge(opened, on="id")
    gap = float((both["test"] - both[trained.name]).mean())
    shown = quantity(result, trained.name)
    size = f"{abs(gap) * shown.scale:.2g} {'points' if shown.unit == '%' else shown.unit}"
    how = "worse" if gap > 0 else "better"
    intervals = ", ".join(sorted(set(opened["interval"])))
    return (
        f"Test values ({intervals}) were computed with the validation values and sealed; they took no part in search "
        f"or choice. This report unsealed those of the front ({len(opened):,}), and the study has recorded it. On "
        f"average the front is {size} {how} on test than on validation data; models picked for a low validation error "
        "look better there than they are."
    )
