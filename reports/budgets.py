"""The limits that a search was under, as lines in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from nas_moo.choose import limit_units
from nas_moo.measurement import format_quantity
from nas_moo.pareto import Array
from nas_moo.results import StudyResult
from reports import style
from reports.quantities import Quantity


@dataclass(frozen=True)
class Budget:
    """A limit that the search was under.

    Attributes:
        axis: "x" or "y".
        value: In the units that are shown.
        text: With label and unit.
    """

    axis: str
    value: float
    text: str


def budgets_of(result: StudyResult, across: Quantity, up: Quantity) -> tuple[Budget, ...]:
    """The study's limits on what lies along the two axes."""
    limits = result.description.get("limits") or {}
    units = limit_units(result.objectives)
    return tuple(
        Budget(axis, limit * shown.scale, f"budget of {format_quantity(limit, units[shown.name])}")
        for axis, shown in (("x", across), ("y", up))
        if (limit := limits.get(shown.name)) is not None
    )


def draw_budgets(ax: Axes, shown: Sequence[Budget]) -> list[Annotation]:
    """A line for each budget, with its limit beside it where there is more room."""
    notes = []
    for budget in shown:
        upright = budget.axis == "x"
        (ax.axvline if upright else ax.axhline)(
            budget.value, color=style.INK, linewidth=1.0, linestyle=(0, (5, 3)), zorder=3.5
        )
        middle = ax.transData.inverted().transform(ax.transAxes.transform((0.5, 0.5)))[0 if upright else 1]
        before = budget.value > middle
        offset, sides = (-4, ("right", "top")) if before else (4, ("left", "bottom"))
        notes.append(
            ax.annotate(
                budget.text, (budget.value, 0.985) if upright else (0.995, budget.value),
                xycoords=("data", "axes fraction") if upright else ("axes fraction", "data"),
                xytext=(offset, 0) if upright else (0, offset), textcoords="offset points",
                ha=sides[0] if upright else "right", va="top" if upright else sides[1],
                fontsize=8.0, color=style.INK, zorder=7,
                bbox={"facecolor": style.PAPER, "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
            )
        )  # fmt: skip
    return notes


def marks(ax: Axes, shown: Sequence[Budget], notes: Sequence[Annotation]) -> Array:
    """Points along the budgets' lines and all over what is written beside them, in data coordinates."""
    found = [np.zeros((0, 2))]
    for budget in shown:
        ends = np.full((2, 2), budget.value)
        ends[:, 1 if budget.axis == "x" else 0] = ax.get_ylim() if budget.axis == "x" else ax.get_xlim()
        found.append(between(ends))
    if notes:
        cast(Figure, ax.get_figure(root=True)).draw_without_rendering()  # else the layout is not settled
    for note in notes:
        box = Text.get_window_extent(note)
        grid = np.stack(np.meshgrid(np.linspace(box.x0, box.x1, 20), np.linspace(box.y0, box.y1, 5)), axis=-1)
        found.append(np.repeat(ax.transData.inverted().transform(grid.reshape(-1, 2)), 3, axis=0))
    return np.vstack(found)


def between(line: Array, steps: int = 40) -> Array:
    """Points along a line, so that a label can avoid it."""
    shares = np.linspace(0, 1, steps)[:, None]
    return np.vstack([line, *(a + (b - a) * shares for a, b in pairwise(line))])
