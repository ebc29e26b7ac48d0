"""The pictures of pruning: when trainings were stopped, who they were, and what controls came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from nas_moo.pareto import Array, staircase
from nas_moo.results import StudyResult
from reports import style
from reports.pruning_numbers import CONTROL, PRUNED, Pruning
from reports.quantities import Quantity, passes_tenfold, quantity

SIZE = (5.4, 3.9)  # inches; two stand beside each other on a wide page
COLOURS = {PRUNED: style.STATE_COLOURS["pruned"], CONTROL: style.CHOSEN}
MOST_CURVES = 40  # of a kind


@dataclass(frozen=True, eq=False)
class Plane:
    """Who was stopped, in the plane of one cost and the error, in the units that are shown.

    Attributes:
        x: The cost.
        y: The error.
        complete: ``x, y`` of complete trainings.
        steps: Corners of their front in this plane, shape (corners, 2), by ascending cost.
        stopped: ``x, y`` (error when stopped) and ``predicted`` (final error) of what was given up, at the last time.
        log: Whether each axis is logarithmic.
    """

    x: Quantity
    y: Quantity
    complete: pd.DataFrame
    steps: Array
    stopped: pd.DataFrame
    log: tuple[bool, bool]


@dataclass(frozen=True, eq=False)
class Cuts:
    """Learning curves with the place where they were, or would have been, cut.

    Attributes:
        shown: The error.
        lines: ``number, epoch, error, kind`` of the curves that are drawn: "pruned", "control" or "complete".
        cuts: ``number, epoch, error, predicted, kind``: the last decision about each.
        left_out: How many curves are too many to draw, by kind.
        epochs: Of a whole training.
        log: The error's axis is logarithmic.
    """

    shown: Quantity
    lines: pd.DataFrame
    cuts: pd.DataFrame
    left_out: Mapping[str, int]
    epochs: int
    log: bool


def plane(result: StudyResult, pruning: Pruning, cost: str) -> Plane:
    """Collect the picture of one cost."""
    x, y = quantity(result, cost), pruning.shown
    complete = pd.DataFrame(
        {"x": result.complete[cost].astype(float) * x.scale, "y": result.complete[y.name].astype(float) * y.scale}
    )
    rows = pruning.given_up
    stopped = pd.DataFrame(
        {
            "x": rows[cost].astype(float) * x.scale,
            "y": rows["last_error"] * y.scale,
            "predicted": rows["predicted"] * y.scale,
        }
    )
    corners = staircase(complete["x"].to_numpy(), complete["y"].to_numpy())
    log = passes_tenfold([*complete["x"], *stopped["x"]]), passes_tenfold([*complete["y"], *stopped["y"]])
    return Plane(x, y, complete, np.column_stack(corners), stopped, log)


def cuts(result: StudyResult, pruning: Pruning) -> Cuts:
    """Collect the curves: of complete trainings, of controls, and of what was stopped, each at its last decision."""
    scale, decided = pruning.shown.scale, pd.concat([pruning.given_up, pruning.of(CONTROL)])
    kinds = dict(zip(decided["number"], decided["kind"], strict=True))
    complete = [n for n in result.complete["number"] if n not in kinds]
    wanted = {"complete": complete} | {
        k: decided.loc[decided["kind"] == k, "number"].tolist() for k in (PRUNED, CONTROL)
    }
    drawn = {kind: _spread(numbers) for kind, numbers in wanted.items()}
    lines = result.epochs[result.epochs["number"].isin([n for numbers in drawn.values() for n in numbers])]
    lines = lines.assign(kind=lines["number"].map(kinds).fillna("complete"), error=lines["error"] * scale)
    at = decided[decided["number"].isin(drawn[PRUNED] + drawn[CONTROL])]
    marks = at.assign(error=at["last_error"] * scale, predicted=at["predicted"] * scale)
    return Cuts(
        pruning.shown,
        lines[["number", "epoch", "error", "kind"]].sort_values(["number", "epoch"]),
        marks[["number", "epoch", "error", "predicted", "kind"]],
        {kind: len(numbers) - len(drawn[kind]) for kind, numbers in wanted.items()},
        pruning.epochs,
        passes_tenfold(lines["error"]),
    )


def _spread(numbers: list[int]) -> list[int]:
    """At most ``MOST_CURVES`` of them, evenly over the study."""
    if len(numbers) <= MOST_CURVES:
        return numbers
    return [numbers[i] for i in np.linspace(0, len(numbers) - 1, MOST_CURVES).round().astype(int)]


def draw_epochs(pruning: Pruning, ax: Axes | None = None, size: tuple[float, float] = SIZE) -> Axes:
    """Draw how many decisions to stop a training, or to let it wait, were made after each epoch, or overruled."""
    with style.applied():
        ax = style.axes(ax, size)
        given_up, below = pruning.of(PRUNED), pd.Series(0, index=range(pruning.epochs + 1))
        for label, rows, look in (
            ("stopped", given_up[~given_up["outbid"]], {"color": COLOURS[PRUNED], "linewidth": 0}),
            (
                "outbid",
                given_up[given_up["outbid"]],
                {"facecolor": "none", "edgecolor": COLOURS[PRUNED], "hatch": "////"},
            ),
            ("overruled", pruning.of(CONTROL), {"color": COLOURS[CONTROL], "linewidth": 0}),
        ):
            if rows.empty:
                continue
            counts = rows["epoch"].value_counts().reindex(below.index, fill_value=0)
            shown = counts[counts > 0].index
            ax.bar(shown, counts[shown], bottom=below[shown], width=0.8, label=f"{label} ({len(rows):,})", **look)
            below = below + counts
        ax.set_xlim(0.4, pruning.epochs + 0.6)
        ax.grid(visible=False, axis="x")
        style.whole_numbers(ax.xaxis)
        style.whole_numbers(ax.yaxis)
        style.title_axis(ax.xaxis, f"epoch of the decision, of {pruning.epochs}")
        style.title_axis(ax.yaxis, "decisions")
        style.legend(ax)
    return ax


def draw_plane(shown: Plane, ax: Axes | None = None, size: tuple[float, float] = SIZE) -> Axes:
    """Draw who was stopped below and above the front; a thin line leads to the final error that was predicted."""
    with style.applied():
        ax = style.axes(ax, size)
        everything = (
            [shown.complete["x"], shown.stopped["x"]],
            [
                shown.complete["y"],
                shown.stopped["y"],
                shown.stopped["predicted"].dropna(),
            ],
        )
        limits = [_limits(pd.concat(v), log) for v, log in zip(everything, shown.log, strict=True)]
        if len(shown.steps):
            corners = np.r_[shown.steps[:, 0], limits[0][1]], np.r_[limits[1][1], shown.steps[:, 1]]
            ax.plot(
                np.repeat(corners[0], 2)[:-1], np.repeat(corners[1], 2)[1:], color=style.FRONT, linewidth=1.3,
                zorder=3, label="front of the complete trainings",
            )  # fmt: skip
        sns.scatterplot(
            data=shown.complete, x="x", y="y", ax=ax, color=style.STATE_COLOURS["complete"], s=18, alpha=0.6,
            edgecolor=style.PAPER, linewidth=0.5, legend=False, label=f"complete ({len(shown.complete):,})", zorder=2,
            rasterized=len(shown.complete) > style.MANY_POINTS,
        )  # fmt: skip
        rows, many = shown.stopped, len(shown.stopped) > style.MANY_POINTS
        ax.vlines(
            rows["x"], rows["predicted"], rows["y"], color=COLOURS[PRUNED], linewidth=0.8, alpha=0.6, zorder=2.5,
            rasterized=many,
        )  # fmt: skip
        sns.scatterplot(
            data=rows, x="x", y="y", ax=ax, marker=style.STATE_MARKERS["pruned"], s=26, facecolor="none",
            edgecolor=COLOURS[PRUNED], linewidth=0.9, legend=False, label=f"given up, at that epoch ({len(rows):,})",
            zorder=4, rasterized=many,
        )  # fmt: skip
        style.scale_axis(ax.xaxis, shown.x, *limits[0], log=shown.log[0])  # last: seaborn labels the axes too
        style.scale_axis(ax.yaxis, shown.y, *limits[1], log=shown.log[1])
        style.legend(ax)
    return ax


def draw_cuts(shown: Cuts, ax: Axes | None = None, size: tuple[float, float] = SIZE) -> Axes:
    """Draw the curves: whole ones, those that were stopped up to the cut, and controls beyond it."""
    with style.applied():
        ax = style.axes(ax, size)
        style.scale_axis(ax.yaxis, shown.shown, *_limits(shown.lines["error"], shown.log), log=shown.log)
        ax.set_xlim(1, shown.epochs)
        looks = (
            ("complete", style.STATE_COLOURS["complete"], 0.45, 0.7, 2.0, "complete"),
            (PRUNED, COLOURS[PRUNED], 0.8, 0.9, 3.0, "given up"),
            (CONTROL, COLOURS[CONTROL], 0.95, 1.2, 4.0, "overruled"),
        )
        for kind, colour, alpha, width, order, label in looks:
            rows = shown.lines[shown.lines["kind"] == kind]
            if rows.empty:
                continue
            lines = [g[["epoch", "error"]].to_numpy(dtype=float) for _, g in rows.groupby("number", sort=True)]
            more = f" of {len(lines) + left:,}" if (left := shown.left_out.get(kind, 0)) else ""
            ax.add_collection(
                LineCollection(
                    lines, colors=colour, linewidths=width, alpha=alpha, zorder=order,
                    label=f"{label} ({len(lines):,}{more})",
                )
            )  # fmt: skip
            at = shown.cuts[shown.cuts["kind"] == kind]
            ax.plot(
                at["epoch"], at["error"], linestyle="none", marker=style.STATE_MARKERS["pruned"], markersize=4.5,
                markerfacecolor=style.PAPER, markeredgecolor=colour, markeredgewidth=0.9, zorder=order + 0.5,
                clip_on=False,
            )  # fmt: skip
        style.whole_numbers(ax.xaxis)
        style.title_axis(ax.xaxis, "epoch")
        style.legend(ax)
    return ax


def draw_controls(pruning: Pruning, ax: Axes | None = None, size: tuple[float, float] = SIZE) -> Axes:
    """Draw what controls ended with against the bound at which they would have been stopped."""
    with style.applied():
        ax = style.axes(ax, size)
        rows = bounded(pruning)
        seen = pd.concat([rows["bound"], rows["final"]])
        limits = _limits(seen, log=passes_tenfold(seen))
        inside = np.array(limits)
        ax.fill_between(inside, limits[0], inside, color=style.GRID, linewidth=0, zorder=1)
        ax.plot(
            inside, inside, color=style.MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=2, label="as low as its bound"
        )
        for front, colour, label in (
            (False, style.STATE_COLOURS["complete"], "dominated"),
            (True, style.FRONT, "on the front"),
        ):
            some = rows[rows["front"] == front]
            if some.empty:
                continue
            sns.scatterplot(
                data=some, x="bound", y="final", ax=ax, color=colour, s=34, edgecolor=style.PAPER, linewidth=0.6,
                legend=False, zorder=3, label=f"{label} ({len(some):,})",
            )  # fmt: skip
        log = passes_tenfold(seen)
        style.scale_axis(ax.xaxis, pruning.shown, *limits, log=log)
        style.scale_axis(ax.yaxis, pruning.shown, *limits, log=log)
        style.title_axis(ax.xaxis, f"bound: the lowest final error thought possible ({pruning.shown.unit})")
        style.title_axis(ax.yaxis, f"final {pruning.shown.title}")
        style.legend(ax)
    return ax


def draw_ranks(pruning: Pruning, ax: Axes | None = None, size: tuple[float, float] = SIZE) -> Axes:
    """Draw how well the errors after each epoch rank trainings as their final errors do."""
    with style.applied():
        ax = style.axes(ax, size)
        for column, colour, label in (
            ("all", style.FRONT, f"all complete trainings ({pruning.complete:,})"),
            ("best", style.CHOSEN, f"the best {pruning.best:,}"),
        ):
            rows = pruning.ranks.dropna(subset=[column])
            if not rows.empty:
                ax.plot(
                    rows["epoch"],
                    rows[column],
                    "o-",
                    color=colour,
                    linewidth=1.5,
                    markersize=3.5,
                    clip_on=False,
                    label=label,
                )
        lowest = float(np.nanmin(pruning.ranks[["all", "best"]].to_numpy(dtype=float)))
        ax.set_ylim(min(lowest - 0.05, 0.0), 1.03)
        ax.set_xlim(1, pruning.epochs)
        style.whole_numbers(ax.xaxis)
        style.plain_numbers(ax.yaxis)
        style.title_axis(ax.xaxis, "epoch")
        style.title_axis(ax.yaxis, "rank correlation with the final error (Spearman)")
        style.legend(ax)
    return ax


def bounded(pruning: Pruning) -> pd.DataFrame:
    """The controls that had a bound and were trained to their end, errors in the unit that is shown."""
    rows = pruning.of(CONTROL).dropna(subset=["bound", "final"])
    return rows.assign(bound=rows["bound"] * pruning.shown.scale, final=rows["final"] * pruning.shown.scale)


def _limits(values: pd.Series, log: bool) -> tuple[float, float]:
    """The range of the values with room around it."""
    seen = values.to_numpy(dtype=float)
    seen = seen[np.isfinite(seen) & ((seen > 0) | (not log))]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    if log:
        room = (high / low) ** 0.07 or 1.1
        return low / room, high * room
    room = (high - low) * 0.07 or abs(high) * 0.07 or 1.0
    return low - room, high + room
