"""The pictures of a comparison: fronts over each other, what seeds attain, and hypervolume over trainings."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from nas_moo.pareto import Array
from reports import style
from reports.compare_numbers import Group, Panel
from reports.compare_scores import Volumes, attained

# Okabe and Ito (2008) without their yellow, which fades on paper; the marker says the same without colour.
COLOURS = (style.FRONT, style.CHOSEN, "#009e73", "#cc79a7", "#e69f00", style.FRONT_ELSEWHERE, style.MUTED)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("solid", (0, (5, 2)), (0, (1.5, 1.5)))


def colour(group: Group) -> str:
    """Of a group, in every picture."""
    return COLOURS[group.place % len(COLOURS)]


def marker(group: Group) -> str:
    """Of a group, in every picture."""
    return MARKERS[group.place % len(MARKERS)]


def _dashes(group: Group) -> str | tuple[float, tuple[float, ...]]:
    return DASHES[group.place // len(COLOURS) % len(DASHES)]


def draw_fronts(panel: Panel, ax: Axes | None = None, size: tuple[float, float] = (7.2, 4.7)) -> Axes:
    """Draw the front of each study as a stepped line with its models."""
    with style.applied():
        ax = style.axes(ax, size)
        for group, fronts in panel.fronts:
            for place, corners in enumerate(f for f in fronts if len(f)):
                line = _stepped(corners, panel)
                ax.plot(*line.T, color=colour(group), linestyle=_dashes(group), linewidth=1.2, alpha=0.75, zorder=3)
                ax.plot(
                    *corners.T, linestyle="none", marker=marker(group), markersize=5.5, color=colour(group), zorder=4,
                    markeredgecolor=style.PAPER, markeredgewidth=0.6, label=None if place else group.name,
                )  # fmt: skip
        _finish(ax, panel)
    return ax


def draw_attained(panel: Panel, ax: Axes | None = None, size: tuple[float, float] = (7.2, 4.7)) -> Axes:
    """Draw what half of a group's studies attain, and between which lines the best and the worst of them lie."""
    with style.applied():
        ax = style.axes(ax, size)
        for group, fronts in panel.fronts:
            found = [f for f in fronts if len(f)]
            if len(found) < 2:
                continue
            surfaces = attained(found)
            x, best, worst = _between(surfaces["best"], surfaces["worst"], panel)
            ax.fill_between(x, best, worst, step="post", color=colour(group), alpha=0.16, linewidth=0, zorder=2)
            ax.plot(
                *_stepped(surfaces["median"], panel).T, color=colour(group), linestyle=_dashes(group), linewidth=1.8,
                zorder=3,
            )  # fmt: skip
            ax.plot(
                *surfaces["median"].T, linestyle="none", marker=marker(group), markersize=5, color=colour(group),
                markeredgecolor=style.PAPER, markeredgewidth=0.6, zorder=4, label=group.name,
            )  # fmt: skip
        _finish(ax, panel)
    return ax


def draw_volumes(shown: Volumes, ax: Axes | None = None, size: tuple[float, float] = (7.2, 3.9)) -> Axes:
    """Draw the median hypervolume of each group over trainings, and the band from its lowest to its highest study."""
    with style.applied():
        ax = style.axes(ax, size)
        last = 1
        for group, of in shown.traces:
            end = min(int(t.trainings[-1]) for t in of.values())
            x = np.arange(1, end + 1)
            values = np.array([[trace.at(n) for n in x.tolist()] for trace in of.values()])
            if len(values) > 1:
                ax.fill_between(
                    x, values.min(axis=0), values.max(axis=0), step="post", color=colour(group), alpha=0.16, linewidth=0
                )
            middle = np.median(values, axis=0)
            ax.plot(x, middle, drawstyle="steps-post", color=colour(group), linestyle=_dashes(group), linewidth=1.6)
            every = np.unique(np.linspace(0, end - 1, 8).round().astype(int))
            ax.plot(
                x[every], middle[every], linestyle="none", marker=marker(group), markersize=5, color=colour(group),
                markeredgecolor=style.PAPER, markeredgewidth=0.6, label=group.name, clip_on=False, zorder=4,
            )  # fmt: skip
            last = max(last, end)
        ax.set_xlim(0, last * 1.02)
        ax.set_ylim(0, None)
        style.whole_numbers(ax.xaxis)
        style.plain_numbers(ax.yaxis)
        style.title_axis(ax.xaxis, "trainings")
        style.title_axis(ax.yaxis, f"hypervolume\n{' × '.join(shown.coordinates)}")
        style.legend(ax)
    return ax


def _finish(ax: Axes, panel: Panel) -> None:
    style.scale_axis(ax.xaxis, panel.x, *panel.limits[0], log=panel.log[0])
    style.scale_axis(ax.yaxis, panel.y, *panel.limits[1], log=panel.log[1])
    if panel.condition:
        style.title_axis(ax.xaxis, f"{panel.x.title}\n{panel.condition}")
    style.legend(ax)


def _stepped(corners: Array, panel: Panel) -> Array:
    """Every corner of the stepped line, from the upper to the right edge of the picture, shape (corners, 2)."""
    (_, right), (_, top) = panel.limits
    x, y = np.r_[corners[:, 0], right], np.r_[top, corners[:, 1]]
    return np.column_stack([np.repeat(x, 2)[:-1], np.repeat(y, 2)[1:]])


def _between(best: Array, worst: Array, panel: Panel) -> tuple[Array, Array, Array]:
    """Both lines at every place where one of them steps; the worst is at the upper edge where it has not begun."""
    (_, right), (_, top) = panel.limits
    x = np.unique(np.r_[best[:, 0], worst[:, 0], right])
    return x, _height(best, x, top), _height(worst, x, top)


def _height(corners: Array, x: Array, top: float) -> Array:
    place = np.searchsorted(corners[:, 0], x, side="right") - 1
    return np.asarray(np.where(place >= 0, corners[np.maximum(place, 0), 1], top))
