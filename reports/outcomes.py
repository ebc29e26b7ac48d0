"""What happened to the trials? One line for each way to end, with how often and why."""

from __future__ import annotations

import pandas as pd

from nas_moo.evaluation import STATES
from nas_moo.hindsight import pruned_for_good
from nas_moo.measurement import counted
from nas_moo.results import StudyResult
from reports.section import Cell, Section, Table

QUESTION = "What happened to the trials?"
MEANINGS = {
    "complete": "every objective measured",
    "pruned": "stopped during training",
    "screened": "broke a budget before training",
    "failed": "could not be built, measured or trained",
    "interrupted": "cut off from outside; says nothing of the model",
    "duplicate": "proposed again; nothing was measured twice",
    "running": "still at work, or its process was killed",
}
OUTBID = "given up for now: a new training promised more"
COLUMNS = ("state", "kind", "reason", "others", "count", "share", "trained", "seconds")


def gather(result: StudyResult) -> pd.DataFrame:
    """A row each state and kind, in the order of ``STATES`` and then by falling count.

    Columns: ``state, kind``, the commonest ``reason``, how many ``others`` there are, ``count``, its ``share`` of all
    trials, how many were ``trained``, and their ``seconds``.
    """
    rows = []
    for (state, kind), group in result.trials.groupby(["state", "kind"], sort=True):
        reasons = group.loc[group["reason"] != "", "reason"].value_counts()
        seconds = float(group["seconds"].sum())
        rows.append(
            (
                str(state), str(kind), str(reasons.index[0]) if len(reasons) else "", max(len(reasons) - 1, 0),
                len(group), len(group) / len(result.trials), int(group["trained"].sum()), seconds,
            )
        )  # fmt: skip
    order = {state: place for place, state in enumerate(STATES)}
    rows.sort(key=lambda row: (order.get(row[0], len(order)), -row[4], row[1]))  # type: ignore[call-overload]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def section(result: StudyResult) -> Section:
    """The question's part of the page."""
    if result.trials.empty:
        return Section("outcomes", QUESTION, missing="No trial has started yet.")
    table = gather(result)
    timed = any(str(c).startswith("seconds_") for c in result.trials.columns)
    return Section("outcomes", QUESTION, sentences=(_summary(result, table),), tables=(_table(table, timed=timed),))


def _summary(result: StudyResult, table: pd.DataFrame) -> str:
    total, trained = len(result.trials), int(result.trials["trained"].sum())
    by_state = table.groupby("state", sort=False)["count"].sum()
    told = f"{counted(total, 'trial')} started, {trained:,} of them with training"
    told += f": {', '.join(f'{n:,} {state}' for state, n in by_state.items())}."
    if went_on := int((result.trials["state"] == "pruned").sum()) - len(pruned_for_good(result)):
        told += f" {went_on:,} of the pruned went on in a later trial, which counts by itself."
    lost = table.loc[table["state"] == "failed", "seconds"].sum()
    if lost > 0 and result.trials["seconds"].sum() > 0:
        told += f" Failed ones took {100 * lost / result.trials['seconds'].sum():.1f} % of the time."
    return told


def _table(table: pd.DataFrame, *, timed: bool) -> Table:
    rows = tuple(
        (
            Cell(row["state"], OUTBID if row["kind"] == "outbid" else MEANINGS.get(row["state"], "")),
            row["kind"] or "–",
            Cell(row["reason"] or "–", f"and {counted(row['others'], 'other wording')}" if row["others"] else ""),
            f"{row['count']:,}",
            f"{row['trained']:,}",
            f"{row['seconds']:,.1f}" if timed else "–",
        )
        for _, row in table.iterrows()
    )
    shares = tuple((float(row["share"]), str(row["state"])) for _, row in table.iterrows())
    note = "Seconds add up all stages and workers; waiting for a device counts."
    return Table(
        ("outcome", "kind", "reason (the commonest)", "trials", "trained", "seconds"), rows, numbers=(3, 4, 5),
        shares=shares, notes=(note if timed else "No seconds were recorded.",),
    )  # fmt: skip
