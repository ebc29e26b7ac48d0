"""Does the front hold where it is timed again? The finalists on each device: rank changes, ties, and what is sure."""

from __future__ import annotations

import math

from nas_moo.finalists import DeviceFront
from nas_moo.measurement import counted
from nas_moo.results import StudyResult
from reports.quantities import Column
from reports.section import Cell, Section, Table

QUESTION = "Does the front hold when it is timed again?"
STANDINGS = {
    "certain": "certain",
    "front": "on the front",
    "possible": "possibly",
    "beaten": "no",
}
MEANING = (
    "On the front: certain where no latencies inside the intervals let another of these models dominate it, possibly "
    "where some put it there. Errors count as their values, since all models are validated on the same examples. A tie "
    "is a model whose interval overlaps."
)


def section(result: StudyResult, fronts: tuple[DeviceFront, ...]) -> Section:
    """The question's part of the page."""
    sentences = [_verdict(front) for front in fronts]
    if len(fronts) > 1:
        sentences.append(_across(fronts))
    return Section("finalists", QUESTION, sentences=tuple(sentences), tables=tuple(_table(f) for f in fronts))


def _verdict(front: DeviceFront) -> str:
    models = front.models
    certain = int((models["standing"] == "certain").sum())
    gone = [str(i) for i in models.loc[models["standing"] == "beaten", "id"]]
    told = f"{front.title}: of {counted(len(models), 'model')} timed again, {certain} "
    told += "is a certain member of the front" if certain == 1 else "are certain members of the front"
    told += (
        f", and {', '.join(gone)} {'leaves' if len(gone) == 1 else 'leave'} it." if gone else ", and none leaves it."
    )
    changed = _moved(front)
    if models["before"].notna().all() and len(models) > 1:
        told += f" {changed} of them changed their rank in latency." if changed else " No rank in latency changed."
    return told


def _moved(front: DeviceFront) -> int:
    return int((front.models["rank"] != front.models["rank_before"]).sum())


def _across(fronts: tuple[DeviceFront, ...]) -> str:
    sure = [set(f.models.loc[f.models["standing"] == "certain", "id"]) for f in fronts]
    shared = sorted(set.intersection(*sure))
    if not shared:
        return f"No model is a certain member of all {len(fronts)} fronts: which to deploy depends on the device."
    return f"Certain members of all {len(fronts)} fronts: {', '.join(shared)}."


def _table(front: DeviceFront) -> Table:
    digits = _column(float(front.models["latency"].min()))
    rows = []
    for _, m in front.models.iterrows():
        before = "–" if math.isnan(m["before"]) else digits.text(m["before"])
        rank = "" if math.isnan(m["rank_before"]) else _change(int(m["rank_before"]), int(m["rank"]))
        rows.append(
            (
                Cell(m["id"], strong=m["standing"] == "certain"),
                Cell(digits.text(m["latency"]), digits.interval(m["low"], m["high"])),
                before,
                Cell(str(m["rank"]), rank),
                STANDINGS[m["standing"]],
                Cell("", ", ".join(m["ties"]) or "none"),
                Cell("", ", ".join(m["caveats"])),
            )
        )
    notes = [f"{front.method}. {MEANING}"]
    if front.missing:
        notes.append(f"Not timed: {', '.join(front.missing)}.")
    if front.failed:
        notes.append(f"Could not be timed: {', '.join(f'{i} ({why})' for i, why in front.failed)}.")
    head = ("model", "latency (ms)", "in the search (ms)", "rank", "on the front", "ties", "remarks")
    return Table(head, tuple(rows), numbers=(1, 2, 3), title=front.title, notes=tuple(notes))


def _change(before: int, now: int) -> str:
    return "as in the search" if before == now else f"was {before}"


def _column(least: float) -> Column:
    return Column("ms", 1.0, min(max(2 - math.floor(math.log10(least)), 0), 5))
