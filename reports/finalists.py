"""Does the front hold where it is timed again? The finalists on each device: rank changes, ties, and what is sure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from nas_moo.finalists import DeviceFront, is_latency
from nas_moo.measurement import counted
from nas_moo.results import StudyResult
from reports import finalists_pictures as pictures
from reports.finalists_pictures import MOST_DEVICES, milliseconds
from reports.section import Cell, Picture, Section, Table, laid_out

QUESTION = "Does the front hold when it is timed again?"
STANDINGS = {
    "certain": "certain",
    "front": "on the front",
    "possible": "possibly",
    "beaten": "no",
}
MEANING = (
    "On the front: certain where no latencies inside the intervals let another of these models dominate it, on the "
    "front where it is there by the values alone, possibly where it is not but some latencies inside the intervals put "
    "it there. Errors count as their values, since all models are validated on the same examples; the table of the "
    "whole front counts their intervals too, so its “certain” is stricter. A tie is a model whose interval overlaps."
)


def section(result: StudyResult, fronts: tuple[DeviceFront, ...]) -> Section:
    """The question's part of the page."""
    sentences = [_verdict(front) for front in fronts]
    if len(fronts) > 1:
        sentences.append(_across(fronts))
    return Section(
        "finalists", QUESTION, sentences=tuple(sentences), pictures=laid_out(_pictures(result, fronts)),
        tables=tuple(_table(f) for f in fronts),
    )  # fmt: skip


def _pictures(result: StudyResult, fronts: Sequence[DeviceFront]) -> list[Callable[[float], Picture]]:
    """Devices side by side, the front of each, and the way of its ranks; of the first few devices."""
    shown = list(enumerate(fronts[:MOST_DEVICES], 1))
    drawn: list[Callable[[float], Picture]] = [partial(_devices_picture, fronts)] if len(fronts) > 1 else []
    if any(not is_latency(o.name) for o in result.objectives):
        drawn += [partial(_front_picture, pictures.one_device(result, f, fronts), number) for number, f in shown]
    ranks = [(number, pictures.ranks(f)) for number, f in shown]
    return drawn + [partial(_ranks_picture, r, number) for number, r in ranks if r.ranks.size > len(r.columns) > 1]


def _devices_picture(fronts: Sequence[DeviceFront], width: float) -> Picture:
    found = pictures.devices(fronts)
    models, others = found.left_out
    left = [f"{models} models between them" if models else "", f"{others} more devices" if others else ""]
    hidden = f" Not drawn: {' and '.join(filter(None, left))}." if any(left) else ""
    caption = f"The same networks on each device, with the intervals between rounds.{hidden}"
    alt = f"Latencies of {len(found.models)} models on {len(found.titles)} devices: {'; '.join(found.titles)}."
    return Picture("finalists-devices", alt, caption, lambda: pictures.draw_devices(found, width=width))


def _front_picture(found: pictures.OneDevice, number: int, width: float) -> Picture:
    steps = f"{len(found.steps)} steps of {len(found.models)} models"
    alt = f"{found.title}: front of {found.y.label} against latency, {steps}."
    off = len(found.models) - len(found.steps)
    caption = "The step line is the front of these two by their values; models in doubt are named."
    if off and found.others:
        caption += f" Models off the line can be on the front through {' or '.join(found.others)}."
    return Picture(f"finalists-front-{number}", alt, caption, lambda: pictures.draw_device(found, width=width))


def _ranks_picture(found: pictures.Ranks, number: int, width: float) -> Picture:
    hidden = f" {found.left_out} models between them are not drawn." if found.left_out else ""
    n = len(found.models)
    rounds = f" Between the rounds, {found.between_rounds} of {n} changed their rank." if found.rounds else ""
    alt = f"Ranks in latency of {n} models on {found.title}, from column {found.columns[0]} to {found.columns[-1]}."
    caption = f"Lines that cross are models that changed places; 1 is the fastest.{rounds}{hidden}"
    return Picture(f"finalists-ranks-{number}", alt, caption, lambda: pictures.draw_ranks(found, width=width))


def _verdict(front: DeviceFront) -> str:
    models = front.models
    certain = int((models["standing"] == "certain").sum())
    gone = [str(i) for i in models.loc[models["standing"] == "beaten", "id"]]
    told = f"{front.title}: of {counted(len(models), 'model')} timed again, {certain} "
    told += "is a certain member of the front" if certain == 1 else "are certain members of the front"
    leaves = f"{', '.join(gone)} {'leaves' if len(gone) == 1 else 'leave'}" if gone else "none surely leaves"
    told += f", and {leaves} it."
    if doubtful := [str(i) for i in models.loc[models["standing"] == "possible", "id"]]:
        told += f" By the new values {', '.join(doubtful)} would, but the intervals leave it open."
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
    digits = milliseconds(front.models["latency"])
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
