"""One gene against one objective: every trial at its value, with the median along the gene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.pareto import Array
from nas_moo.results import StudyResult
from reports import style
from reports.coded import Coded, coded
from reports.importance_numbers import Importance, gather
from reports.importance_pictures import shortened
from reports.quantities import Quantity, passes_tenfold, quantity, trained_objective

MOST = 4  # panels
MOST_POINTS = 150  # of a panel and a kind, apart from the front, where several panels are drawn
COLUMNS, PANEL = 4, (2.05, 2.3)  # inches
FRONT, OTHERS, PRUNED = "front", "not on the front", "pruned, at its last epoch"
_JITTER = 0.3  # of the distance between two values, to either side
_GOLDEN = 0.6180339887498949  # multiples of it, without their whole part, lie evenly
_BINS, _FEWEST_IN_BIN = 8, 5
MOST_TICKS = 12
_ROOM = 26  # characters of tick labels that fit side by side


@dataclass(frozen=True, eq=False)
class Slice:
    """What one panel shows.

    Attributes:
        gene: The gene.
        shown: The objective.
        points: ``x, y, group``; a row a trial where the gene is active. Values that are told apart one by one stand at
            their place 0, 1, 2, ..., moved aside by the trial's number.
        median: Of the objective along the gene, pruned trials apart: ``x, y``.
        log: The objective's axis is logarithmic.
    """

    gene: Coded
    shown: Quantity
    points: pd.DataFrame
    median: pd.DataFrame
    log: bool


def slice_plot(result: StudyResult, gene: str, objective: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw an objective, by default the study's first, against one gene.

    Raises:
        UnknownNameError: the study has no such objective, or no such gene with several values.
        UserInputError: no trial that has the gene has the objective.
    """
    shown = cut(result, _found(coded(result), gene), objective or result.objectives[0].name)
    if shown.points.empty:
        raise UserInputError("no trial has both this gene and this objective", value=gene, do="Let the search go on.")
    return draw(shown, ax)


def slices(
    result: StudyResult,
    objective: str | None = None,
    genes: Sequence[str] | None = None,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw an objective against several genes, by default those that matter most for it.

    Args:
        result: The study.
        objective: By default the study's first.
        genes: In the order of the panels.
        axes: One for each gene; a new figure without them.

    Raises:
        UnknownNameError: the study has no such objective, or no such gene with several values.
        UserInputError: there are too few models to say which genes matter, or not one of ``axes`` for each gene.
    """
    name, known = objective or result.objectives[0].name, coded(result)
    if genes is None:
        (found,) = gather(result, known, name)
        if found.missing:
            raise UserInputError(found.missing, value=found.n, do="Name the genes, or let the search go on.")
        genes = [str(g) for g in found.table["gene"][: MOST if axes is None else len(axes)]]
    if axes is not None and len(axes) != len(genes):
        raise UserInputError("a panel has no axes, or too many", value=len(axes), do=f"Give {len(genes)}.")
    return draw_all([cut(result, _found(known, gene), name) for gene in genes], axes)


def _found(genes: Sequence[Coded], name: str) -> Coded:
    known = {gene.name: gene for gene in genes}
    if name not in known:
        raise UnknownNameError("gene with several values", name, list(known))
    return known[name]


def pairs(found: Sequence[Importance]) -> list[tuple[str, str]]:
    """Gene and objective of each panel of the page: in turn the next gene that matters for each objective.

    Where fewer than two matter in all, the most important ones are shown whether they matter or not.
    """
    usable = [one for one in found if not one.missing]
    ranked = {one.shown.name: one.mattering for one in usable if one.mattering}
    if sum(map(len, ranked.values())) < COLUMNS:
        ranked = {one.shown.name: [str(g) for g in one.table["gene"][:COLUMNS]] for one in usable}
    turns = max(map(len, ranked.values()), default=0)
    dealt = [(genes[t], name) for t in range(turns) for name, genes in ranked.items() if t < len(genes)][:MOST]
    return [pair for name in ranked for pair in dealt if pair[1] == name]


def cut(result: StudyResult, gene: Coded, objective: str) -> Slice:
    """Collect one panel.

    Raises:
        UnknownNameError: the study has no such objective.
    """
    shown = quantity(result, objective)
    rows, group = _grouped(result, shown.name)
    points = pd.DataFrame(
        {
            "x": _places(gene)[result.trials.index.get_indexer(rows.index)],
            "y": rows[shown.name].to_numpy(dtype=float) * shown.scale,
            "group": group,
            "number": rows["number"].to_numpy(),
        }
    ).dropna(subset=["x", "y"])
    median = _median(gene, points[points["group"] != PRUNED])
    if len(gene.levels):
        points["x"] += 2 * _JITTER * (points["number"] * _GOLDEN % 1 - 0.5)
    return Slice(gene, shown, points.drop(columns="number"), median, passes_tenfold(points["y"]))


def _grouped(result: StudyResult, objective: str) -> tuple[pd.DataFrame, list[str]]:
    """Trials that have the objective and what they are drawn as."""
    trained = next(o.stage for o in result.objectives if o.name == objective) == "trained"
    if not trained:
        return result.trials, [FRONT if front else OTHERS for front in result.trials["front"]]
    rows = pd.concat([result.complete, _pruned(result, objective)])
    state = zip(rows["front"], rows["state"], strict=True)
    return rows, [FRONT if front else OTHERS if state == "complete" else PRUNED for front, state in state]


def _pruned(result: StudyResult, objective: str) -> pd.DataFrame:
    """Pruned trials with the error of their last epoch in place of the one that they never reached."""
    rows = result.trials[result.trials["state"] == "pruned"]
    trained = trained_objective(result)
    if trained is None or trained.name != objective:
        return rows.iloc[:0]  # curves are those of the study's first trained objective
    last = result.epochs.sort_values("epoch").groupby("number")["error"].last()
    return rows.assign(**{objective: rows["number"].map(last).astype(float)})


def _places(gene: Coded) -> Array:
    """Where each trial stands: the place of its value, or the value where there are too many to tell apart."""
    return (gene.values - gene.low) / gene.step if len(gene.levels) else gene.values


def _median(gene: Coded, points: pd.DataFrame) -> pd.DataFrame:
    """At each value, or in bins of as many trials where the values are many; too few make no line."""
    if len(gene.levels):
        return points.groupby("x")[["y"]].median().reset_index()
    bins = min(_BINS, len(points) // _FEWEST_IN_BIN)
    if bins < 2:
        return points.iloc[:0][["x", "y"]]
    ranks = points["x"].rank(method="first").to_numpy() - 1
    return points.groupby((ranks * bins // len(points)).astype(int))[["x", "y"]].median()


def draw_all(shown: Sequence[Slice], axes: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw several panels, by default in a figure of their own with one legend, and return their axes."""
    if axes is not None:
        return [draw(one, ax) for one, ax in zip(shown, axes, strict=True)]
    with style.applied():
        columns = min(COLUMNS, len(shown))
        lines = -(-len(shown) // columns)
        figure = Figure(figsize=(PANEL[0] * max(columns, 2), PANEL[1] * lines + 0.3), layout="constrained")
        panels = [figure.add_subplot(lines, columns, place + 1) for place in range(len(shown))]
        few = [replace(one, points=_thinned(one.points)) for one in shown]
        crowded = sum(len(one.points) for one in few) > style.MANY_POINTS
        for ax, one in zip(panels, few, strict=True):
            _draw(ax, one, crowded=crowded)
        handles = {text: h for ax in panels for h, text in zip(*ax.get_legend_handles_labels(), strict=True)}
        wanted = [text for text in (FRONT, OTHERS, PRUNED, "median") if text in handles]
        figure.legend(
            [handles[text] for text in wanted], wanted, loc="outside upper left", ncols=3, labelcolor=style.INK,
            columnspacing=1.4, handletextpad=0.4,
        )  # fmt: skip
    return panels


def _thinned(points: pd.DataFrame) -> pd.DataFrame:
    """At most ``MOST_POINTS`` of each kind, evenly over the study, and the whole front."""
    kept = [
        rows if group == FRONT else rows.iloc[np.unique(np.linspace(0, len(rows) - 1, MOST_POINTS).round().astype(int))]
        for group, rows in points.groupby("group", sort=False)
    ]
    return pd.concat(kept) if kept else points


def draw(shown: Slice, ax: Axes | None = None, size: tuple[float, float] = (5.4, 3.9)) -> Axes:
    """Draw one panel with its legend and return its axes."""
    with style.applied():
        ax = style.axes(ax, size)
        _draw(ax, shown, crowded=len(shown.points) > style.MANY_POINTS)
        style.legend(ax)
    return ax


def _draw(ax: Axes, shown: Slice, *, crowded: bool) -> None:
    complete, pruned = style.STATE_COLOURS["complete"], style.STATE_COLOURS["pruned"]
    looks = (
        (FRONT, style.FRONT, style.PAPER, "o", 5.2, 4), (OTHERS, complete, complete, "o", 3.0, 2),
        (PRUNED, "none", pruned, style.STATE_MARKERS["pruned"], 4.0, 2.1),
    )  # fmt: skip
    for group, face, edge, marker, size, order in looks:
        rows = shown.points[shown.points["group"] == group]
        if not rows.empty:
            ax.plot(
                rows["x"], rows["y"], linestyle="none", marker=marker, markersize=size, markerfacecolor=face,
                markeredgecolor=edge, markeredgewidth=0.6, label=group, zorder=order,
                rasterized=crowded and group != FRONT,
            )  # fmt: skip
    if not shown.median.empty:
        apart = len(shown.gene.levels)
        ax.plot(
            shown.median["x"], shown.median["y"], linestyle="-" if shown.gene.ordered else "none", color=style.INK,
            linewidth=1.2, marker="_" if apart else "none", markersize=10, markeredgewidth=2, label="median", zorder=3,
        )  # fmt: skip
    _upright(ax, shown)
    _along(ax, shown.gene)


def _upright(ax: Axes, shown: Slice) -> None:
    seen = shown.points["y"].to_numpy()
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    room = (high / low) ** 0.06 if shown.log else (high - low) * 0.06 or abs(high) * 0.06 or 1.0
    limits = (low / room, high * room) if shown.log else (low - room, high + room)
    style.scale_axis(ax.yaxis, shown.shown, *limits, log=shown.log)
    style.title_axis(ax.yaxis, shown.shown.title)
    if not shown.log:
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def _along(ax: Axes, gene: Coded) -> None:
    levels = gene.levels
    style.title_axis(ax.xaxis, shortened(gene.name, 34) + (", logarithmic" if gene.log and not len(levels) else ""))
    if len(levels):
        _name_levels(ax, gene, levels)
        return
    if gene.log:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(numticks=6))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=gene.kind == "integer"))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    scaled = (gene.high / gene.low) ** 0.04 if gene.log else 0.04 * (gene.high - gene.low)
    ax.set_xlim(*((gene.low / scaled, gene.high * scaled) if gene.log else (gene.low - scaled, gene.high + scaled)))


def _name_levels(ax: Axes, gene: Coded, levels: Array) -> None:
    """A tick for each value, as many as can be read; long names lean."""
    step = -(-len(levels) // MOST_TICKS)
    texts = [gene.text(level) for level in levels[::step]]
    leaning = sum(len(t) + 1 for t in texts) > _ROOM
    ax.set_xticks(
        np.arange(0, len(levels), step), [shortened(t, 14) for t in texts], rotation=30 if leaning else 0,
        ha="right" if leaning else "center",
    )  # fmt: skip
    ax.tick_params(axis="x", length=0)
    ax.set_xlim(-0.6, len(levels) - 0.4)
    ax.grid(visible=False, axis="x")
