"""Where a label goes beside its point so that it hides no other label and as few points as can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from numpy.typing import NDArray

from reports.style import INK, MUTED, PAPER

_DIRECTIONS = tuple(math.radians(a) for a in (45, 20, 70, -45, -20, -70, 135, 160, 110, 225, 200, 250, 0, 90, 180, 270))
_DISTANCES = (12.0, 20.0, 32.0, 48.0, 68.0)
_MARGIN = 2.5


@dataclass(frozen=True)
class Label:
    """A text and the point it belongs to, in data coordinates."""

    x: float
    y: float
    text: str


def place(ax: Axes, labels: Sequence[Label], avoid: NDArray[np.float64]) -> tuple[Annotation, ...]:
    """Annotate each point, one after another, where the least lies under the text.

    Args:
        ax: With its final limits.
        labels: The most important first.
        avoid: Points that should stay visible, in data coordinates, shape (points, 2).
    """
    figure = cast(Figure, ax.get_figure(root=True))
    notes = [_annotation(ax, label) for label in labels]
    figure.draw_without_rendering()  # the layout has to be settled before anything is measured
    pixels_per_point = figure.dpi / 72
    marks = ax.transData.transform(avoid) / pixels_per_point if len(avoid) else np.zeros((0, 2))
    inside = np.asarray(ax.get_window_extent().extents) / pixels_per_point
    taken: list[NDArray[np.float64]] = []
    for label, note in zip(labels, notes, strict=True):
        size = np.asarray(note.get_window_extent().size) / pixels_per_point
        anchor = np.asarray(ax.transData.transform((label.x, label.y))) / pixels_per_point
        offsets = [_offset(angle, distance, size) for distance in _DISTANCES for angle in _DIRECTIONS]
        costs = [_cost(anchor + o, size, marks, taken, inside) + 0.04 * math.hypot(*(o + size / 2)) for o in offsets]
        best = offsets[int(np.argmin(costs))]
        note.set_position((float(best[0]), float(best[1])))
        taken.append(np.r_[anchor + best - _MARGIN, anchor + best + size + _MARGIN])
    return tuple(notes)


def _annotation(ax: Axes, label: Label) -> Annotation:
    return ax.annotate(
        label.text,
        (label.x, label.y),
        xytext=(0, 0),
        textcoords="offset points",
        fontsize=8.5,
        color=INK,
        linespacing=1.25,
        zorder=8,
        bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
        arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 4, "zorder": 6},
    )


def _offset(angle: float, distance: float, size: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the point to the text's lower left corner, in points, so that the gap between them is ``distance``."""
    x, y = math.cos(angle), math.sin(angle)
    return np.array([distance * x - size[0] * (1 - x) / 2, distance * y - size[1] * (1 - y) / 2])


def _cost(
    corner: NDArray[np.float64],
    size: NDArray[np.float64],
    marks: NDArray[np.float64],
    taken: Sequence[NDArray[np.float64]],
    inside: NDArray[np.float64],
) -> float:
    low, high = corner - _MARGIN, corner + size + _MARGIN
    covered = float(((marks > low) & (marks < high)).all(axis=1).sum())
    overlaps = sum(bool((low < box[2:]).all() and (high > box[:2]).all()) for box in taken)
    outside = float(np.maximum(inside[:2] - low, 0).sum() + np.maximum(high - inside[2:], 0).sum())
    return covered + 1000.0 * overlaps + 50.0 * outside
