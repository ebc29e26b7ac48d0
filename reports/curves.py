"""How did they learn? The validation error of every model after each epoch, the front's above the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from nas_moo.errors import UserInputError
from nas_moo.measurement import counted
from nas_moo.results import StudyResult
from reports import style
from reports.quantities import Quantity, column, passes_tenfold, quantity, trained_objective
from reports.section import Cell, Picture, Section, Table

QUESTION = "How did they learn?"
MANY_CURVES = 300  # above it single lines are a smear, and quantiles say more
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Curves:
    """Learning curves in the unit that is shown.

    Attributes:
        shown: The objective that was trained for.
        front: ``number, id, epoch, error`` of the models on the front.
        others: The same of complete dominated and of other trained trials, and their ``state``; empty where ``bands``
            stand for them.
        bands: A row an epoch, a column a quantile, and ``n``, how many curves reached the epoch; empty where there
            are few curves.
        n_others: How many curves ``others`` or ``bands`` hold.
        chosen: Id of the chosen model; empty where there is none.
        log: The vertical axis is logarithmic.
    """

    shown: Quantity
    front: pd.DataFrame
    others: pd.DataFrame
    bands: pd.DataFrame
    n_others: int
    chosen: str
    log: bool


def learning_curves(result: StudyResult, ax: Axes | None = None) -> Axes:
    """Draw the learning curves.

    Raises:
        UserInputError: no epoch was trained.
    """
    curves = gather(result)
    if curves is None:
        raise UserInputError(
            "this study has no learning curve", value=result.name, do="Search with a trained objective."
        )
    return draw(curves, ax)


def gather(result: StudyResult) -> Curves | None:
    """Collect the curves; None where the study trains nothing or no epoch has ended."""
    objective = trained_objective(result)
    if objective is None or result.epochs.empty:
        return None
    shown = quantity(result, objective.name)
    of_trial = result.trials.set_index("number")
    table = result.epochs[["number", "id", "epoch", "error"]].sort_values(["number", "epoch"])
    table = table.assign(
        error=table["error"].astype(float) * shown.scale,
        state=table["number"].map(of_trial["state"]),
        front=table["number"].map(of_trial["front"]).astype(bool),
    ).dropna(subset=["error"])
    front, others = table[table["front"]].drop(columns="front"), table[~table["front"]].drop(columns="front")
    count = others["number"].nunique()
    many = count + front["number"].nunique() > MANY_CURVES
    return Curves(
        shown=shown,
        front=front.drop(columns="state"),
        others=others.iloc[:0] if many else others,
        bands=_bands(others) if many else _bands(others.iloc[:0]),
        n_others=count,
        chosen="" if result.complete.empty else result.choose().id,
        log=passes_tenfold(table["error"]),
    )


def _bands(curves: pd.DataFrame) -> pd.DataFrame:
    grouped = curves.groupby("epoch")["error"]
    return pd.DataFrame({q: grouped.quantile(q) for q in QUANTILES} | {"n": grouped.size()})


def draw(curves: Curves, ax: Axes | None = None, size: tuple[float, float] = (7.2, 4.2)) -> Axes:
    """Draw the curves and return their axes."""
    with style.applied():
        ax = style.axes(ax, size)
        seen = np.r_[curves.front["error"], curves.others["error"], curves.bands[[0.05, 0.95]].to_numpy().ravel()]
        epochs = np.r_[curves.front["epoch"], curves.others["epoch"], curves.bands.index.to_numpy()]
        room = 0.05 * (seen.max() - seen.min()) or 1.0
        positive = seen[seen > 0]
        low, high = (positive.min() / 1.1, seen.max() * 1.1) if curves.log else (seen.min() - room, seen.max() + room)
        style.scale_axis(
            ax.yaxis, curves.shown, float(max(low, 0.0 if not curves.log else low)), float(high), log=curves.log
        )
        ax.set_xlim(min(float(epochs.min()), 1.0), max(float(epochs.max()), 2.0))
        style.whole_numbers(ax.xaxis)
        style.title_axis(ax.xaxis, "epoch")
        _draw_front(ax, curves)  # first in the legend; its lines lie above the others
        _draw_bands(ax, curves)
        _draw_others(ax, curves)
        style.legend(ax)
    return ax


def _draw_bands(ax: Axes, curves: Curves) -> None:
    if curves.bands.empty:
        return
    epochs, colour = curves.bands.index.to_numpy(), style.STATE_COLOURS["complete"]
    for low, high, alpha, label in ((0.05, 0.95, 0.22, "5 to 95 %"), (0.25, 0.75, 0.38, "25 to 75 %")):
        ax.fill_between(
            epochs, curves.bands[low], curves.bands[high], color=colour, alpha=alpha, linewidth=0,
            label=f"{label} of the other {curves.n_others:,}",
        )  # fmt: skip
    ax.plot(epochs, curves.bands[0.5], color=colour, linewidth=1.8, zorder=4.5, label="their median")


def _draw_others(ax: Axes, curves: Curves) -> None:
    states = [s for s in style.STATE_COLOURS if s in set(curves.others["state"])]
    for state in states:
        rows = curves.others[curves.others["state"] == state]
        lines = _lines(rows)
        name = "dominated" if state == "complete" else state
        dashes = "solid" if state == "complete" else (0, (3, 1.5))
        ax.add_collection(
            LineCollection(
                lines, colors=style.STATE_COLOURS[state], linewidths=0.8, alpha=0.55 if state == "complete" else 0.9,
                linestyles=[dashes], rasterized=len(curves.others) > 10 * style.MANY_POINTS, zorder=2,
                label=f"{name} ({len(lines):,})",
            )
        )  # fmt: skip
        ends = np.array([line[-1] for line in lines])
        if state != "complete":
            ax.plot(
                *ends.T, linestyle="none", marker=style.STATE_MARKERS.get(state, "x"), markersize=4.5,
                markerfacecolor="none", markeredgecolor=style.STATE_COLOURS[state], clip_on=False, zorder=3,
            )  # fmt: skip


def _draw_front(ax: Axes, curves: Curves) -> None:
    if curves.front.empty:
        return
    lines = _lines(curves.front)
    ax.add_collection(
        LineCollection(lines, colors=style.FRONT, linewidths=1.0, alpha=0.75, zorder=4, label=f"front ({len(lines):,})")
    )
    chosen = curves.front[curves.front["id"] == curves.chosen]
    if not chosen.empty:
        ax.plot(
            chosen["epoch"], chosen["error"], color=style.CHOSEN, linewidth=2.2, zorder=5,
            label=f"chosen: {curves.chosen}",
        )  # fmt: skip
    ends = np.array([line[-1] for line in lines])
    ax.plot(*ends.T, "o", color=style.FRONT, markersize=3.5, clip_on=False, zorder=4)


def _lines(rows: pd.DataFrame) -> list[np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    return [group[["epoch", "error"]].to_numpy(dtype=float) for _, group in rows.groupby("number", sort=True)]


def section(result: StudyResult) -> Section:
    """The question's part of the page."""
    if trained_objective(result) is None:
        return Section("curves", QUESTION, missing="No objective of this study is trained, so nothing was learned.")
    curves = gather(result)
    if curves is None:
        return Section("curves", QUESTION, missing="No epoch of training has ended yet, so there is no curve.")
    total = curves.n_others + curves.front["number"].nunique()
    drawn = (
        f"{total:,} curves are too many to tell apart: bands hold the share of the other curves that is named."
        if not curves.bands.empty
        else f"One line for each of {counted(total, 'trained trial')}; lines that stop early were pruned, failed or "
        "cut off."
    )
    alt = f"Learning curves of {counted(total, 'trial')}, {curves.front['number'].nunique()} of them on the front."
    caption = f"Vertical: {curves.shown.title}: {curves.shown.source}."
    return Section(
        "curves", QUESTION, sentences=(*_still_falling(curves), drawn),
        pictures=(Picture("learning-curves", alt, caption, lambda: draw(curves)),),
        tables=(_table(curves),) if not curves.front.empty else (), beside=True,
    )  # fmt: skip


def _at(group: pd.DataFrame, share: float) -> tuple[int, float]:
    """Epoch and error after ``share`` of a curve."""
    place = max(round(share * len(group)), 1) - 1
    return int(group["epoch"].iloc[place]), float(group["error"].iloc[place])


def _still_falling(curves: Curves) -> tuple[str, ...]:
    groups = [g for _, g in curves.front.groupby("number") if len(g) >= 4]
    if not groups:
        return ()
    gains = np.array([_at(g, 0.75)[1] - _at(g, 1.0)[1] for g in groups])
    gain = f"{float(np.median(gains)):.2g} {'points' if curves.shown.unit == '%' else curves.shown.unit}"
    if np.median(gains) <= 0:
        return ("In the last quarter of its epochs the front's typical model learned nothing more.",)
    return (f"The last quarter of the epochs lowered the error of the front's typical model by {gain} (median).",)


def _table(curves: Curves, most: int = 20) -> Table:
    groups = [g for _, g in curves.front.groupby("number")]
    groups.sort(key=lambda g: float(g["error"].iloc[-1]))
    finals = [_at(g, 1.0)[1] / curves.shown.scale for g in groups]
    digits = column(curves.shown, finals)
    rows: tuple[tuple[str | Cell, ...], ...] = tuple(
        (
            Cell(str(g["id"].iloc[0]), strong=str(g["id"].iloc[0]) == curves.chosen),
            *(digits.text(_at(g, share)[1] / curves.shown.scale) for share in (0.0, 0.5, 1.0)),
            f"{_at(g, 1.0)[0]}",
        )
        for g in groups[:most]
    )
    return Table(
        ("model", f"first ({digits.unit})", "half", "last", "epochs"), rows, numbers=(1, 2, 3, 4),
        notes=() if len(groups) <= most else (f"The {most} with the lowest error of {len(groups)}.",),
    )  # fmt: skip
