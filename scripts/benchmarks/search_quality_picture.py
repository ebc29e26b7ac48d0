"""The picture of ``search_quality``: median regret over fulls, a panel a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from search_quality_ask import START
from search_quality_scores import Curves

from nas_moo.replay.compare import CHECKPOINTS
from reports import style

SHOWN = {  # peers by name, with colours that every common colour blindness tells apart; all others are grey
    "random": style.MUTED,
    "optuna-nsga2-50": "#009e73",
    "tpe": "#e69f00",
    "one-shot-forest": "#cc79a7",
    "mo-asha": "#8a6fb0",
    "botorch-qlognehvi": "#56b4e9",
}
OURS_COLOUR, OTHERS = style.CHOSEN, "#c9d0d8"
BANDS = ("optuna-nsga2-50", "tpe")  # beside ours: more of them hide each other
WIDTH, PANEL_HEIGHT, COLUMNS = 7.2, 2.2, 3  # inches: the text width of a printed page


def draw(found: Mapping[str, Mapping[str, Curves]], ours: str, path: Path) -> None:
    """Write the picture of the curves of each table and arm."""
    with style.applied():
        figure = picture(found, ours)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Software": None})


def picture(found: Mapping[str, Mapping[str, Curves]], ours: str) -> Figure:
    """A panel a table; without arms of a single search, such as a grid, which would need a scale of their own."""
    found = {t: {name: c for name, c in arms.items() if not c.same} for t, arms in found.items()}
    rows = -(-len(found) // COLUMNS)
    figure = Figure(figsize=(WIDTH, rows * PANEL_HEIGHT + 0.8), layout="constrained")
    panels = figure.subplots(rows, min(COLUMNS, len(found)), squeeze=False, sharex=True)
    for ax, (table, arms) in zip(panels.flat, found.items(), strict=False):
        _panel(ax, arms, ours)
        ax.set_title(table, loc="left", fontsize=8.5, fontweight="bold")
    for ax in list(panels.flat)[len(found) :]:
        ax.set_visible(False)
    figure.supxlabel("full trainings", fontsize=8.5)
    figure.supylabel("median budget regret (error points)", fontsize=8.5)
    run = {arm for arms in found.values() for arm in arms}
    figure.legend(handles=_handles(run, ours), loc="outside upper center", ncols=4)
    return figure


def _panel(ax: Axes, arms: Mapping[str, Curves], ours: str) -> None:
    for name, curves in arms.items():
        if name != ours and name not in SHOWN:
            _line(ax, curves, OTHERS, width=0.9, order=1)
    for name, colour in SHOWN.items():
        if name in arms:
            _line(ax, arms[name], colour, width=1.2, order=3, band=name in BANDS)
    if ours in arms:
        _line(ax, arms[ours], OURS_COLOUR, width=2.2, order=4, band=True)
    ax.set(xscale="log", xlim=(START, max(c.fulls for c in arms.values())), ylim=_limits(arms))
    ax.xaxis.set_major_locator(FixedLocator([START, *CHECKPOINTS]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))


def _limits(arms: Mapping[str, Curves]) -> tuple[float, float]:
    """From 0, or the lowest median, to a little above what is known after the common start."""
    top = 1.15 * max(c.quartiles(START)[1] for c in arms.values())
    lowest = min(float(np.median(c.regret, axis=0).min()) for c in arms.values())
    return min(0.0, lowest - 0.05 * top), top


def _line(ax: Axes, curves: Curves, colour: str, *, width: float, order: int, band: bool = False) -> None:
    fulls = np.arange(1, curves.fulls + 1)
    low, middle, high = np.quantile(curves.regret, (0.25, 0.5, 0.75), axis=0)
    ax.step(fulls, middle, where="post", color=colour, linewidth=width, zorder=order)
    if band:
        ax.fill_between(fulls, low, high, step="post", color=colour, alpha=0.15, linewidth=0, zorder=order - 0.5)


def _handles(run: set[str], ours: str) -> list[Line2D]:
    named = [(name, colour, 1.6) for name, colour in SHOWN.items() if name in run]
    if ours in run:
        named.insert(0, (f"{ours} (ours)", OURS_COLOUR, 2.6))
    if run - set(SHOWN) - {ours}:
        named.append(("the other peers", OTHERS, 1.6))
    return [Line2D([], [], color=colour, linewidth=width, label=name) for name, colour, width in named]
