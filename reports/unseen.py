"""Does the front hold on unseen data? The test errors of its models against the validation errors that chose them."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from nas_moo.errors import UserInputError
from nas_moo.measurement import counted
from nas_moo.results import StudyResult
from reports.agreement import Agreement
from reports.quantities import Column, column, trained_objective
from reports.section import Cell, Picture, Section, Table
from reports.unseen_numbers import Unseen, gather
from reports.unseen_pictures import MOST_BARS, draw, draw_gaps

QUESTION = "Does the front hold on unseen data?"
MOST_ROWS = 60
HELD = 0.5  # of the front; below it the front does not hold


def validation_against_test(result: StudyResult, opened: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw test against validation error of the front.

    Args:
        result: The study.
        opened: The test values, as ``result.unseal(purpose=...)`` gives them; the study records that they were opened.
        ax: Where to draw; a new figure without it.

    Raises:
        UserInputError: nothing is trained, or no model of the front has a test value.
    """
    found = gather(result, opened)
    if found is None:
        raise UserInputError(_why_none(result), value=result.name, do="Search with a trained objective.")
    return draw(found, ax)


def section(result: StudyResult, opened: pd.DataFrame) -> Section:
    """The question's part of the page; ``opened`` holds the test values of the front."""
    found = gather(result, opened)
    if found is None:
        return Section("unseen", QUESTION, missing=_why_none(result))
    sentences = (_verdict(found), _optimism(found), _order(found), _by_folds(found))
    return Section(
        "unseen", QUESTION, sentences=tuple(s for s in sentences if s), pictures=_pictures(found),
        tables=(_table(found),),
    )  # fmt: skip


def _pictures(found: Unseen) -> tuple[Picture, ...]:
    n, hidden = len(found.models), int(found.models[["validation", "test"]].duplicated().sum())
    caption = (
        "On the dashed line a model is as good on test as on validation data; above it, worse. Both axes have the same "
        f"scale. {_bars(found)}"
        f"{'Hidden, exactly behind another one: ' + counted(hidden, 'point') + '. ' if hidden else ''}"
        f"Validation: {found.shown.source}."
    )
    alt = f"Test against validation error of {n:,} models of the front, around the diagonal."
    gaps = "How much worse each model is on test data. The band is the interval of the mean over models. "
    if found.models["gap_low"].notna().any() and n <= MOST_BARS:
        gaps += "Bars are intervals of each difference, by the examples of both data (Newcombe 1998, method 10)."
    of_gaps = f"Test minus validation error of the same models: {_signed(found.gap.mean)} {found.unit} on average."
    return (
        Picture("unseen", alt, caption, lambda: draw(found)),
        Picture("unseen-difference", of_gaps, gaps.strip(), lambda: draw_gaps(found)),
    )


def _bars(found: Unseen) -> str:
    if not found.judged:
        return "The errors have no intervals. "
    if len(found.models) > MOST_BARS:
        return f"So many models ({len(found.models):,}) are drawn without their intervals. "
    return "Bars are the intervals of both. "


def _why_none(result: StudyResult) -> str:
    if trained_objective(result) is None:
        return "No objective of this study is trained, so there is no error that other data could change."
    if result.complete.empty:
        return "No trial is complete yet, so there is no front to test."
    return "No model of the front has a test value: none were sealed for this study."


def _verdict(found: Unseen) -> str:
    n, stay = len(found.models), int(found.models["stays"].sum())
    if n == 1:
        return "One model is on the front, so test data can change its error, and not its place."
    surely = _surely_worse(found)
    left = "No" if surely or not found.judged else "Unclear"
    chosen_leaves = not found.models.loc[found.models["id"] == found.chosen, "stays"].all()
    most = "Partly" if chosen_leaves else "Mostly"
    answer = "Yes" if stay == n else most if stay >= HELD * n else left
    told = (
        f"{answer}: {stay:,} of {n:,} models {'stays' if stay == 1 else 'stay'} on the front when test errors replace "
    )
    told += "validation errors, compared with each other"
    told += "; the test errors of all other models were not opened for this." if not found.without else "."
    if found.without:
        told += f" {found.without:,} more have no test value."
    if stay < n and found.judged:
        told += f" {surely or 'None'} of those that leave {'are' if surely > 1 else 'is'} surely worse, with a test "
        told += "interval above that of the model that beats it."
    return told


def _surely_worse(found: Unseen) -> int:
    """How many of those that leave have a test interval above that of the model that beats them."""
    gone = found.models[~found.models["stays"]]
    rivals = found.models.set_index("id").loc[gone["beaten_by"], "test_high"].to_numpy(dtype=float)
    return int((gone["test_low"].to_numpy(dtype=float) > rivals).sum())


def _optimism(found: Unseen) -> str:
    gap, n = found.gap, len(found.models)
    size, how = f"{abs(gap.mean):.2g} {found.unit}", "above" if gap.mean > 0 else "below"
    told = f"The test error is {'on average ' if n > 1 else ''}{size} {how} the validation error"
    if math.isfinite(gap.low):
        told += f" (95 % t-interval over the {n} models, on these examples: {_signed(gap.low)} to {_signed(gap.high)})"
    told += "."
    if math.isfinite(gap.examples):
        chance = "more" if abs(gap.mean) > gap.examples else "no more"
        told += (
            f" All models share the same examples: other ones would move it by up to {gap.examples:.2g} {found.unit} "
            f"either way (95 %), so the difference is {chance} than the choice of examples explains."
        )
        apart = int(((found.models["gap_low"] > 0) | (found.models["gap_high"] < 0)).sum())
        one = "model differs by more than its" if apart < 2 else "models differ by more than their"
        told += f" {apart or 'No'} {one} own interval."
    return told


def _order(found: Unseen) -> str:
    if len(found.models) < 2:
        return ""
    flips, models = found.flips, found.models
    told = (
        f"{kendall(found.ranks)} between the two orders. "
        if found.ranks.n > 2 and math.isfinite(found.ranks.kendall)
        else ""
    )
    if flips.pairs:
        told += f"{flips.changed:,} of {flips.pairs:,} pairs change places"
        if flips.used < len(models):
            told += f" (in a sample of {flips.used:,} models)"
        if found.judged and flips.changed:
            named = ", ".join(f"{better} before {worse}" for better, worse in flips.examples)
            more = "" if flips.apart <= len(flips.examples) else f" and {flips.apart - len(flips.examples):,} more"
            told += f", {flips.apart or 'none'} of them with test intervals apart"
            told += f" ({named}{more})" if named else ""
        told += ". "
    first = models.iloc[0]
    told += f"The model with the lowest validation error ({first['id']}) is number {first['test_rank']} by test error"
    chosen = models[models["id"] == found.chosen]
    if len(chosen) and found.chosen != first["id"]:
        one = chosen.iloc[0]
        told += (
            f"; the chosen model ({found.chosen}) is number {one['rank']} by validation and {one['test_rank']} by test"
        )
    if len(chosen) and not chosen.iloc[0]["stays"]:
        told += f"; by test errors, {chosen.iloc[0]['beaten_by']} is at least as good as the chosen model in everything"
    return f"{told}."


def kendall(ranks: Agreement) -> str:
    """Kendall's tau in words, with n and interval."""
    told = f"n = {ranks.used:,}{f' drawn from {ranks.n:,}' if ranks.used < ranks.n else ''}"
    low, high = ranks.kendall_interval
    if math.isfinite(low):
        told += f"; 95 % bootstrap over models {low:.2f} to {high:.2f}"
    return f"Kendall's tau is {ranks.kendall:.2f} ({told})"


def _by_folds(found: Unseen) -> str:
    folds = found.folds
    if folds is None:
        return ""
    if not folds.count:
        return "Validation was k-fold, but the errors of single folds were not stored."
    told = (
        f"Validation was {folds.count}-fold: a model's error has a standard deviation over folds of {folds.spread:.2g} "
        f"{found.unit} (median)"
    )
    if math.isfinite(folds.agreement):
        told += f", and two folds order the front with a Kendall's tau of {folds.agreement:.2f} (mean)"
    return f"{told}."


def _signed(value: float) -> str:
    return f"{value:+.2g}".replace("-", "−")


def _table(found: Unseen) -> Table:
    stored = column(found.shown, found.models["validation"] / found.shown.scale)
    digits = Column(stored.unit, 1.0, stored.decimals)  # the models' numbers are in the shown unit already
    rows = []
    for m in found.models.head(MOST_ROWS).to_dict("records"):
        stays = Cell("yes") if m["stays"] else Cell("no", f"beaten by {m['beaten_by']}")
        rows.append(
            (
                Cell(m["id"], "chosen" if m["id"] == found.chosen else "", strong=m["id"] == found.chosen),
                Cell(digits.text(m["validation"]), digits.interval(m["validation_low"], m["validation_high"])),
                Cell(digits.text(m["test"]), digits.interval(m["test_low"], m["test_high"])),
                _difference(m, digits.decimals),
                f"{m['rank']} → {m['test_rank']}",
                stays,
            )
        )
    unit = found.shown.unit
    head = ("model", f"validation ({unit})", f"test ({unit})", f"difference ({found.unit})", "rank", "stays")
    return Table(head, tuple(rows), numbers=(1, 2, 3, 4), title="The front on both data", notes=_notes(found))


def _difference(m: dict[Hashable, Any], decimals: int) -> Cell:
    ends = [f"{v:+.{decimals}f}".replace("-", "−") for v in (m["gap"], m["gap_low"], m["gap_high"])]
    return Cell(ends[0], "" if math.isnan(m["gap_low"]) else f"{ends[1]} to {ends[2]}")


def _notes(found: Unseen) -> tuple[str, ...]:
    named = ", ".join(["test error", *found.costs])
    told = f"A model stays where none of these models is at least as good in all of {named}, and better in one."
    if len(found.models) > MOST_ROWS:
        told += f" The first {MOST_ROWS} of {len(found.models):,}; all are in front.csv."
    kinds = f"Intervals: validation {found.shown.interval}, test {found.interval}. " if found.judged else ""
    curse = (
        "Of many models with about the same true error, those that were lucky on the validation examples reach the "
        "front, so it looks better there than it is (the winner's curse). Test values took no part in the search. How "
        "much is luck, and how much is that the test examples are harder, cannot be told from the front alone."
    )
    return f"{kinds}{told}", curse
