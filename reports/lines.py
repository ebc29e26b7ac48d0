"""The models of the front as lines through their genes and objectives: parallel coordinates, an axis a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D

from nas_moo.errors import UserInputError
from nas_moo.pareto import Array
from nas_moo.results import StudyResult
from reports import style
from reports.coded import Coded, coded
from reports.importance_numbers import Importance, gather
from reports.importance_pictures import shortened
from reports.quantities import Quantity, passes_tenfold, quantity, trained_objective

MOST_MODELS, MOST_GENES = 60, 12
FEW_MODELS = 12  # more are drawn without dots, which cost bytes and hide lines
WIDTH, ROW, HEAD = 8.2, 0.42, 0.75  # inches
INACTIVE = 1.14  # where inactive genes stand; an axis goes from 0 to 1
_SPREAD, _WIDEST = 0.33, 0.035  # models at one value lie side by side: of the distance between two values, at most
_LETTER = 0.0175  # of an axis, a letter of a tick's label
_LONGEST_NAME, _LONGEST_VALUE = 24, 14  # characters


@dataclass(frozen=True)
class Rail:
    """One axis: its name, and its ticks with their places from 0 to 1."""

    name: str
    ticks: tuple[tuple[float, str], ...]
    objective: bool = False


@dataclass(frozen=True, eq=False)
class Lines:
    """What the picture shows.

    Attributes:
        rails: The genes in the genome's order, then the objectives.
        places: From 0 to 1 along each axis, NaN where inactive, shape (models, rails); by ascending error.
        ids: Of the models.
        chosen: Row of the chosen model; None where it is not among them.
        shown: The objective that colours the lines.
        colours: From 0 (the lowest) to 1 along it, shape (models,).
        models: How many are on the front.
        genes: How many have several values.
    """

    rails: tuple[Rail, ...]
    places: Array
    ids: tuple[str, ...]
    chosen: int | None
    shown: Quantity
    colours: Array
    models: int
    genes: int


def parallel(result: StudyResult, ax: Axes | None = None) -> Axes:
    """Draw each model of the front as a line through its genes and objectives.

    Raises:
        UserInputError: the front is empty.
        StudyMismatchError: as ``StudyResult.require_one_key``.
    """
    if result.complete.empty:
        raise UserInputError("this study has no front yet", value=result.name, do="Let the search go on.")
    genes = coded(result)
    return draw(collect(result, genes, gather(result, genes)), ax)


def collect(result: StudyResult, genes: Sequence[Coded], found: Sequence[Importance]) -> Lines:
    """Collect the picture of a front that is not empty; ``found`` says which genes to show where there are too many."""
    first = trained_objective(result) or result.objectives[0]
    front = result.trials[result.trials["front"]].sort_values([first.name, "number"], kind="stable")
    at = result.trials.index.get_indexer(front.index)[:MOST_MODELS]
    drawn = _most_important(genes, found)
    rails, columns = [], []
    for gene in drawn:
        rail, places = _gene(gene, gene.values[at])
        rails.append(rail)
        columns.append(places)
    for objective in result.objectives:
        shown = quantity(result, objective.name)
        rail, places = _objective(shown, result.trials[objective.name].to_numpy(dtype=float)[at] * shown.scale)
        rails.append(rail)
        columns.append(places)
    place = len(drawn) + [o.name for o in result.objectives].index(first.name)
    ids = tuple(front["id"].astype(str))[:MOST_MODELS]
    chosen = result.choose().id
    return Lines(
        tuple(rails), np.column_stack(columns), ids, ids.index(chosen) if chosen in ids else None,
        quantity(result, first.name), columns[place], len(front), len(genes),
    )  # fmt: skip


def _most_important(genes: Sequence[Coded], found: Sequence[Importance]) -> list[Coded]:
    """As many as fit: those with the highest share for any objective, or the first ones, in the genome's order."""
    shares: dict[str, float] = {}
    for one in found:
        for gene, share in zip(one.table["gene"], one.table["share"], strict=True):
            shares[str(gene)] = max(shares.get(str(gene), 0.0), float(share))
    ranked = sorted(genes, key=lambda g: -shares.get(g.name, 0.0))[:MOST_GENES]
    kept = {g.name for g in ranked}
    return [g for g in genes if g.name in kept]


def _gene(gene: Coded, values: Array) -> tuple[Rail, Array]:
    """The axis and the places on it; models at one value are spread a little, by ascending error."""
    levels = gene.levels
    if not len(levels):
        ends = (gene.low, gene.high)
        return Rail(gene.name, tuple((float(i), gene.text(end)) for i, end in enumerate(ends))), gene.positions(values)
    room = 1 / len(levels)
    centres = (np.arange(len(levels)) + 0.5) * room
    at = (values - gene.low) / gene.step
    rank = np.arange(len(values)) / max(len(values) - 1, 1) - 0.5
    longest = min(max(int(room / _LETTER) - 1, 3), _LONGEST_VALUE)
    ticks = [(float(c), shortened(gene.text(v), longest)) for c, v in zip(centres, levels, strict=True)]
    step = -(-len(levels) // int(1 / (5 * _LETTER)))  # no more labels than fit with four letters each
    return Rail(gene.name, tuple(ticks[::step])), (at + 0.5) * room + 2 * min(_SPREAD * room, _WIDEST) * rank


def _objective(shown: Quantity, values: Array) -> tuple[Rail, Array]:
    low, high = float(values.min()), float(values.max())
    log = passes_tenfold(values)
    scaled = np.log(values) if log else values
    if low == high:
        return Rail(shown.title, ((0.5, shown.tick(_rounded(low))),), objective=True), np.full(len(values), 0.5)
    places = (scaled - scaled.min()) / (scaled.max() - scaled.min())
    middle = float(np.sqrt(low * high)) if log else (low + high) / 2
    ticks = zip((0.0, 0.5, 1.0), (low, middle, high), strict=True)
    return Rail(shown.title, tuple((p, shown.tick(_rounded(v))) for p, v in ticks), objective=True), places


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def draw(lines: Lines, ax: Axes | None = None) -> Axes:
    """Draw the picture and return its axes."""
    with style.applied():
        ax = style.axes(ax, (WIDTH, HEAD + ROW * len(lines.rails)))
        rows = np.arange(len(lines.rails)) + 0.35 * np.array([rail.objective for rail in lines.rails])
        places = np.where(np.isnan(lines.places), INACTIVE, lines.places)
        _draw_rails(ax, lines, rows)
        _draw_lines(ax, lines, places, rows)
        ax.set_yticks(rows, [shortened(rail.name, _LONGEST_NAME) for rail in lines.rails])
        ax.set_ylim(rows[-1] + 0.6, -0.45)
        ax.set_xlim(-0.06, INACTIVE + 0.07 if np.isnan(lines.places).any() else 1.06)
        ax.set_xticks([])
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        ax.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2, labelcolor=style.INK, columnspacing=1.4
        )
    return ax


def _draw_rails(ax: Axes, lines: Lines, rows: Array) -> None:
    gap = np.full(len(rows), np.nan)
    along = np.column_stack([0 * rows, 0 * rows + 1, gap]).ravel()
    ax.plot(along, np.repeat(rows, 3), color=style.GRID, linewidth=1.2, zorder=1)
    ticks = [(place, row) for row, rail in zip(rows, lines.rails, strict=True) for place, _ in rail.ticks]
    ax.plot(*np.transpose(ticks), "|", color=style.MUTED, markersize=5, markeredgewidth=0.9, zorder=1.5)
    for row, rail in zip(rows, lines.rails, strict=True):
        for place, text in rail.ticks:
            ax.text(
                place, row + 0.34, text, ha="center", va="center", fontsize=7, color=style.INK, zorder=6,
                bbox={"facecolor": style.PAPER, "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
            )  # fmt: skip
    if np.isnan(lines.places).any():
        ax.text(INACTIVE, -0.4, "inactive", ha="center", va="center", fontsize=7.5, color=style.MUTED)


def _draw_lines(ax: Axes, lines: Lines, places: Array, rows: Array) -> None:
    colours = _colours()(lines.colours)
    others = [i for i in range(len(places)) if i != lines.chosen][::-1]  # the lowest error is drawn last
    segments = [np.column_stack([places[i], rows]) for i in others]
    ax.add_collection(LineCollection(segments, colors=colours[others], linewidths=1.1, alpha=0.8, zorder=2))
    for i in others if len(places) <= FEW_MODELS else ():
        ax.plot(places[i], rows, "o", color=colours[i], markersize=3.2, zorder=2.5)
    for end, label in ((0.0, f"lowest {shortened(lines.shown.label, 22)}"), (1.0, "highest")):
        ax.add_line(Line2D([], [], color=mpl.colors.to_hex(_colours()(end)), linewidth=2, label=label))
    if lines.chosen is not None:
        ax.plot(
            places[lines.chosen], rows, "o-", color=style.CHOSEN, linewidth=2.2, markersize=5, zorder=5,
            label=f"chosen: {lines.ids[lines.chosen]}",
        )  # fmt: skip


def _colours() -> LinearSegmentedColormap:
    """The middle of viridis: told apart under colour blindness, and seen on white and on dark paper."""
    middle = mpl.colormaps["viridis"](np.linspace(0.33, 0.8, 64))
    return LinearSegmentedColormap.from_list("error", middle)
