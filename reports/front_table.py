"""The front as a table: every objective with its interval, unseen data, what is certain, and genes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nas_moo.choose import ties
from nas_moo.results import StudyResult
from reports.front import front_roles
from reports.quantities import Column, Quantity, column, quantity, trained_objective, unjudged
from reports.section import Cell, Table

MOST_ROWS = 300
TIES_NAMED = 3
MEANING = (
    "Certain: every other complete model is distinguishably worse in some objective. Tied: the intervals let another "
    "one equal or beat it in all of them. Intervals are compared as if they had nothing in common, errors on the same "
    "examples too, so a tie may be broken by a closer look."
)


@dataclass(frozen=True)
class Shown:
    """One objective's column of the table."""

    shown: Quantity
    digits: Column

    @classmethod
    def of(cls, result: StudyResult, name: str) -> Shown:
        """The objective of that name, with digits for the front's values."""
        shown = quantity(result, name)
        return cls(shown, column(shown, result.front()[name]))

    @property
    def title(self) -> str:
        """Label and unit of the column."""
        label = self.shown.label
        return self.digits.unit if self.digits.unit.endswith(label) else f"{label} ({self.digits.unit})"

    def cell(self, value: float, low: float, high: float) -> Cell:
        """The value, with the interval in small print."""
        return Cell(self.digits.text(float(value)), self.digits.interval(float(low), float(high)))

    def told(self, row: pd.Series) -> str:
        """The value of a row of ``trials`` in a sentence: ``2.78 % (1.52 to 5.04)``."""
        low, value, high = (float(row[f"{self.shown.name}{end}"]) for end in ("_low", "", "_high"))
        interval = self.digits.interval(low, high)
        return f"{self.digits.text(value)} {self.digits.unit}{f' ({interval})' if interval else ''}"


def members(result: StudyResult) -> pd.DataFrame:
    """The models of the front that the table shows: all, or as many as it holds, evenly along the first objective."""
    front = result.front()
    if len(front) <= MOST_ROWS:
        return front
    special = front.index[front["id"].isin(front_roles(result))]
    spread = np.linspace(0, len(front) - 1, MOST_ROWS - len(special)).round().astype(int)
    return front.loc[sorted({*spread.tolist(), *special.tolist()})].reset_index(drop=True)


def tied(result: StudyResult, front: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """For each model of the front, the complete models that tie with it; the front's own first."""
    on_front = set(result.front()["id"])
    found = {str(row["id"]): ties(row, result.complete, result.objectives) for _, row in front.iterrows()}
    return {i: tuple(sorted(others, key=lambda o: o not in on_front)) for i, others in found.items()}


def table(
    result: StudyResult, front: pd.DataFrame, opened: pd.DataFrame, tying: dict[str, tuple[str, ...]]
) -> Table:  # fmt: skip
    """The front with intervals, test values, standing and genes.

    Args:
        result: The study.
        front: The rows to show, as of ``members``.
        opened: Test values of the front.
        tying: As of ``tied``.
    """
    trained, roles, judged = trained_objective(result), front_roles(result), not unjudged(result)
    test = {str(row["id"]): row for _, row in opened.iterrows()}
    columns = [Shown.of(result, o.name) for o in result.objectives]
    head, rows = ["model"], []
    for objective, shown in zip(result.objectives, columns, strict=True):
        head.append(shown.title)
        if objective is trained:
            head.append(f"test {'error ' if shown.shown.unit == '%' else ''}({shown.digits.unit})")
    for _, row in front.iterrows():
        role = ", ".join(roles.get(str(row["id"]), ()))
        cells = [Cell(str(row["id"]), role, strong="chosen" in role)]
        for objective, shown in zip(result.objectives, columns, strict=True):
            cells.append(shown.cell(row[objective.name], row[f"{objective.name}_low"], row[f"{objective.name}_high"]))
            if objective is trained:
                one = test.get(str(row["id"]))
                cells.append(Cell("–") if one is None else shown.cell(one["test"], one["test_low"], one["test_high"]))
        if judged:
            cells.append(_standing(tying[str(row["id"])]))
        cells.append(Cell("", ", ".join(f"{name} {value}" for name, value in genes(row))))
        rows.append(tuple(cells))
    numbers = tuple(range(1, len(head)))
    head += ["certain?", "genes"] if judged else ["genes"]
    return Table(tuple(head), tuple(rows), numbers, "The front", _notes(result, front, opened, columns))


def _standing(others: Sequence[str]) -> Cell:
    if not others:
        return Cell("certain")
    more = f" and {len(others) - TIES_NAMED:,} more" if len(others) > TIES_NAMED else ""
    return Cell("tied", f"with {', '.join(others[:TIES_NAMED])}{more}")


def genes(row: pd.Series) -> tuple[tuple[str, str], ...]:
    """Name and value of each active gene of a row of ``trials``."""
    named = [(str(c).removeprefix("gene_"), row[c]) for c in row.index if str(c).startswith("gene_")]
    return tuple(
        (name, f"{value:.4g}" if isinstance(value, float) else str(value))
        for name, value in named
        if not pd.isna(value)
    )


def _notes(
    result: StudyResult, front: pd.DataFrame, opened: pd.DataFrame, columns: Sequence[Shown]
) -> tuple[str, ...]:  # fmt: skip
    total = int(result.trials["front"].sum())
    hidden = f" {len(front):,} of {total:,} models, evenly along the front; all are in front.csv." if (
        len(front) < total
    ) else ""  # fmt: skip
    sources = " ".join(f"{upper(c.shown.label)}: {c.shown.source}." for c in columns)
    told = (
        f"In small print: intervals. {sources}{hidden}",
        "" if unjudged(result) else MEANING,
        _caveats(result),
        _unseen(result, opened),
    )
    return tuple(n for n in told if n)


def upper(text: str) -> str:
    """The text with a capital."""
    return f"{text[:1].upper()}{text[1:]}"


def _caveats(result: StudyResult) -> str:
    """Which measurements of the front are not to be trusted blindly, and how many of all; empty where all are sound."""
    told, front = [], result.front()
    labels = {o.name: o.label for o in result.objectives}
    rows = result.measurements
    for name, label in labels.items():
        own = rows[rows["objective"] == name]
        for caveat in sorted({c for details in own["details"] for c in details.get("caveats", ())}):
            marked = own[[caveat in details.get("caveats", ()) for details in own["details"]]]
            doubted = set(marked["id"])
            here = [str(i) for i in front["id"] if i in doubted]
            on_front = f", on the front {', '.join(here)}" if here else ", none of them on the front"
            told.append(f"{upper(label)}: {caveat} for {len(marked):,} of {len(own):,} models{on_front}.")
    return " ".join(told)


def _unseen(result: StudyResult, opened: pd.DataFrame) -> str:
    """Whether test data were looked at, when, and what they say of the front as a whole."""
    trained = trained_objective(result)
    if trained is None:
        return ""
    if opened.empty:
        return "There are no test values: none were sealed for these models."
    both = result.front().merge(opened, on="id")
    gap = float((both["test"] - both[trained.name]).mean())
    shown = quantity(result, trained.name)
    size = f"{abs(gap) * shown.scale:.2g} {'points' if shown.unit == '%' else shown.unit}"
    how = "worse" if gap > 0 else "better"
    intervals = ", ".join(sorted(set(opened["interval"])))
    if result.replayed:
        origin = f"Test values ({intervals}) are the recorded table's; they took no part in search or choice."
    else:
        origin = (
            f"Test values ({intervals}) were computed with the validation values and sealed; they took no part in "
            f"search or choice. This report unsealed those of the front ({len(opened):,}), and the study recorded it."
        )
    return (
        f"{origin} On average the front is {size} {how} on test than on validation data; models picked for a low "
        "validation error look better there than they are."
    )
