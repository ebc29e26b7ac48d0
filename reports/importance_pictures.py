"""The picture of importance: a row a gene, a panel an objective; each share with its interval and what chance shows."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nas_moo.errors import UserInputError
from nas_moo.pareto import Array
from nas_moo.results import StudyResult
from reports import style
from reports.coded import coded
from reports.importance_numbers import Importance, gather

MOST_GENES = 12  # rows; more are in the table
ROW, HEAD, PANEL, NAMES = 0.235, 1.35, 2.1, 1.9  # inches
_LONGEST_NAME = 26  # characters
UNABLE = "–"  # in the place of a gene that cannot change the objective
_MATTERS, _CHANCE, _LEVEL = "above chance", "within chance", "95 % of random picks stay below"


def importance(result: StudyResult, objective: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw how much each choice matters for one objective, by default the study's first.

    Raises:
        UnknownNameError: the study has no such objective.
        UserInputError: there are too few models to tell.
    """
    (found,) = gather(result, coded(result), objective or result.objectives[0].name)
    if found.missing:
        raise UserInputError(found.missing, value=found.n, do="Let the search go on.")
    genes = order([found])
    with style.applied():
        ax = style.axes(ax, (NAMES + 2.5 * PANEL, HEAD + ROW * len(genes)))
        _draw_panel(ax, found, genes, _furthest([found], genes))
        _name_rows(ax, genes)
        style.legend(ax)
    return ax


def draw(found: Sequence[Importance]) -> Axes:
    """Draw a panel for each objective that has numbers, and return the first one's axes."""
    drawn = [one for one in found if not one.missing]
    genes = order(drawn)
    with style.applied():
        size = (NAMES + PANEL * max(len(drawn), 2), HEAD + ROW * len(genes))
        figure = Figure(figsize=size, layout="constrained")
        panels = cast("list[Axes]", np.ravel(figure.subplots(1, len(drawn), sharey=True)).tolist())
        for ax, one in zip(panels, drawn, strict=True):
            _draw_panel(ax, one, genes, _furthest(drawn, genes))
            ax.label_outer()
        _name_rows(panels[0], genes)
        labelled = {text: h for ax in panels for h, text in zip(*ax.get_legend_handles_labels(), strict=True)}
        wanted = [text for text in (_MATTERS, _CHANCE, _LEVEL) if text in labelled]
        figure.legend(
            [labelled[text] for text in wanted], wanted, loc="outside upper left", ncols=3, labelcolor=style.INK
        )
    return panels[0]


def order(found: Sequence[Importance]) -> list[str]:
    """The genes that are drawn, those that matter most for the first objective first.

    Where there are too many, those that matter most for any objective are drawn.
    """
    shares = pd.concat([one.table.set_index("gene")["share"] for one in found], axis=1)
    most = shares.max(axis=1).sort_values(ascending=False, kind="stable").index[:MOST_GENES]
    by_first = shares.loc[most].iloc[:, 0].sort_values(ascending=False, kind="stable", na_position="last")
    return [str(gene) for gene in by_first.index]


def _furthest(found: Sequence[Importance], genes: Sequence[str]) -> float:
    rows = pd.concat([one.table[one.table["gene"].isin(genes)] for one in found])
    return float(np.clip(105 * rows[["share", "high"]].to_numpy(dtype=float).max(), 1.0, 104.0))


def _draw_panel(ax: Axes, found: Importance, genes: Sequence[str], furthest: float) -> None:
    rows = found.table.set_index("gene").reindex(list(genes))
    places = np.arange(len(genes), dtype=float)
    for matters, colour, label in ((True, style.FRONT, _MATTERS), (False, style.STATE_COLOURS["complete"], _CHANCE)):
        own = (rows["matters"] == matters).to_numpy()
        if not own.any():
            continue
        at, share = places[own], 100 * rows["share"].to_numpy(dtype=float)[own]
        reach = 100 * rows.loc[own, ["low", "high"]].to_numpy(dtype=float).T
        _strokes(ax, np.zeros(len(at)), share, at, color=colour, linewidth=10, alpha=0.28)
        _strokes(ax, reach[0], reach[1], at, color=colour, linewidth=1.3, zorder=3)
        ax.plot(
            share, at, "o" if matters else "D", markersize=5 if matters else 3.5, color=colour, label=label, zorder=3
        )
    chance = 100 * rows["chance"].to_numpy(dtype=float)
    looks: dict[str, Any] = {"linestyle": "none", "color": style.INK, "zorder": 2.5}
    ax.plot(chance, places, marker="|", markersize=9, markeredgewidth=1.3, label=_LEVEL, **looks)
    beyond = chance > furthest
    ax.plot(np.full(beyond.sum(), 0.985 * furthest), places[beyond], marker=">", markersize=3.5, **looks)
    for place, gene in enumerate(genes):
        if gene in found.unable:
            ax.text(furthest * 0.02, place, UNABLE, va="center", color=style.MUTED)
    ax.set_xlim(0, furthest)
    ax.set_ylim(len(genes) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    style.title_axis(ax.xaxis, "share of importance (%)")
    ax.set_title(
        f"{textwrap.shorten(found.shown.label, 30, placeholder=' …')}\nbest {found.best:,} of {found.n:,} {found.of}",
        loc="left", fontsize=8.5, color=style.INK, linespacing=1.35,
    )  # fmt: skip


def _name_rows(ax: Axes, genes: Sequence[str]) -> None:
    ax.set_yticks(np.arange(len(genes)), [shortened(g, _LONGEST_NAME) for g in genes])


def _strokes(ax: Axes, start: Array, end: Array, at: Array, **looks: Any) -> None:
    """Horizontal strokes as one line with gaps, which costs the bytes of one mark."""
    gap = np.full(len(at), np.nan)
    ax.plot(np.column_stack([start, end, gap]).ravel(), np.repeat(at, 3), solid_capstyle="butt", **looks)


def shortened(text: str, longest: int) -> str:
    """The text, cut in its middle where it is too long, because names differ at both ends."""
    if len(text) <= longest:
        return text
    kept = max(longest - 1, 2)
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
