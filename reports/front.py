"""Which models does no other one beat? The front of two objectives, with everything that was tried around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.text import Annotation

from nas_moo.choose import KNEE
from nas_moo.pareto import Array, nondominated, staircase
from nas_moo.results import StudyResult
from reports import style
from reports.budgets import Budget, between, budgets_of, draw_budgets, marks
from reports.colours import Scale, scale_bar
from reports.labels import Label, place
from reports.quantities import Quantity, cut, passes_tenfold, quantity, trained_objective

ON_FRONT, ELSEWHERE, DOMINATED, PRUNED = "front", "front elsewhere", "dominated", "pruned"
LONGEST = 48  # characters of a line inside the picture
_PADDING = 0.07


@dataclass(frozen=True, eq=False)
class Front:
    """What one picture of a front shows, in the units that are shown.

    Attributes:
        x: The objective along the horizontal axis.
        y: The other one.
        points: ``id, number, x, x_low, x_high, y, y_low, y_high, z, group``; a row a trial that has both values. ``z``
            is the objective that colours it, NaN without one. The group is "front" (on the study's front and on the
            front of this pair), "front elsewhere" (on the study's front through an objective that is not drawn),
            "dominated", or "pruned" (at its last epoch).
        steps: Corners of the pair's front, shape (corners, 2), by ascending x.
        others: Labels of the objectives that are not drawn.
        labels: What is written beside a model, by its id: chosen, knee, lowest of an objective.
        coincident: Points that lie exactly on another one and so hide it.
        log: Whether the horizontal and the vertical axis are logarithmic.
        budgets: Limits of the search on what is drawn.
        colour: The objective that colours the front; None where none does.
    """

    x: Quantity
    y: Quantity
    points: pd.DataFrame
    steps: Array
    others: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    coincident: int
    log: tuple[bool, bool]
    budgets: tuple[Budget, ...] = ()
    colour: Quantity | None = None

    @property
    def unseen_budgets(self) -> tuple[str, ...]:
        """What is to be said of budgets that lie beyond everything that is drawn."""
        return tuple(f"The {b.text} lies outside the picture." for b in self.budgets if not self._shows(b))

    @property
    def shown_budgets(self) -> tuple[Budget, ...]:
        """The budgets that lie inside the axes."""
        return tuple(filter(self._shows, self.budgets))

    def _shows(self, budget: Budget) -> bool:
        axis = "xy".index(budget.axis)
        low, high = _limits(self, budget.axis, self.log[axis])
        return low <= budget.value <= high

    def group(self, name: str) -> pd.DataFrame:
        """The points of one group."""
        return self.points[self.points["group"] == name]


def pareto(
    result: StudyResult,
    x: str | None = None,
    y: str | None = None,
    ax: Axes | None = None,
    *,
    colour: str | None = None,
    chosen: str | None = None,
) -> Axes:
    """Draw the front of two objectives, and of a third as its colour.

    Args:
        result: The study.
        x: Objective along the horizontal axis; by default the study's second.
        y: The other one; by default the study's first.
        ax: Where to draw; a new figure without it.
        colour: Objective that colours the models of the front.
        chosen: Id of the model to mark as chosen; by default the one that ``result.choose()`` picks.
    """
    names = [o.name for o in result.objectives]
    return draw(gather(result, x or names[min(1, len(names) - 1)], y or names[0], colour=colour, chosen=chosen), ax)


def gather(
    result: StudyResult, x: str, y: str, *, colour: str | None = None, chosen: str | None = None
) -> Front:  # fmt: skip
    """Collect what the picture of objectives ``x`` and ``y`` shows.

    Raises:
        UnknownNameError: the study has no such objective.
    """
    across, up = quantity(result, x), quantity(result, y)
    by = quantity(result, colour) if colour is not None else None
    complete = result.complete
    pair = nondominated(complete[[across.name, up.name]].to_numpy(dtype=float))
    group = np.where(~complete["front"], DOMINATED, np.where(pair, ON_FRONT, ELSEWHERE))
    rows = (complete.assign(group=group), _pruned(result))
    points = pd.concat([_points(r, across, up, by) for r in rows], ignore_index=True)
    finished = points[points["group"] != PRUNED]
    corners = staircase(finished["x"].to_numpy(dtype=float), finished["y"].to_numpy(dtype=float))
    return Front(
        x=across,
        y=up,
        points=points,
        steps=np.column_stack(corners),
        others=tuple(o.label for o in result.objectives if o.name not in (across.name, up.name)),
        labels=_labels(result, across, up, pair, chosen),
        coincident=int(points[["x", "y"]].duplicated().sum()),
        log=(passes_tenfold(points["x"]), passes_tenfold(points["y"])),
        budgets=budgets_of(result, across, up),
        colour=by,
    )


def _points(rows: pd.DataFrame, across: Quantity, up: Quantity, by: Quantity | None) -> pd.DataFrame:
    columns = {"id": rows["id"], "number": rows["number"]}
    for axis, shown in (("x", across), ("y", up)):
        for suffix in ("", "_low", "_high"):
            columns[f"{axis}{suffix}"] = rows[f"{shown.name}{suffix}"].astype(float) * shown.scale
    columns["z"] = rows[by.name].astype(float) * by.scale if by else pd.Series(np.nan, index=rows.index)
    table = pd.DataFrame(columns | {"group": rows["group"]})
    return table.dropna(subset=["x", "y"]).reset_index(drop=True)


def _pruned(result: StudyResult) -> pd.DataFrame:
    """Pruned trials with the error of their last epoch in place of the one that they never reached."""
    rows = result.trials[result.trials["state"] == "pruned"].assign(group=PRUNED)
    trained = trained_objective(result)
    if trained is None or rows.empty:
        return rows
    last = result.epochs.sort_values("epoch").groupby("number")["error"].last()
    reached = rows["number"].map(last).astype(float)
    return rows.assign(**{f"{trained.name}{suffix}": reached for suffix in ("", "_low", "_high")})


def front_roles(result: StudyResult, chosen: str | None = None) -> dict[str, list[str]]:
    """What is special about models of the front, by id: chosen, knee, lowest of each objective."""
    front = result.complete[result.complete["front"]]
    roles: dict[str, list[str]] = {}
    if front.empty:
        return roles
    roles.setdefault(chosen or result.choose().id, []).append("chosen")
    if len(front) > 2:
        roles.setdefault(result.choose(by=KNEE).id, []).append("knee")
    names = [o.name for o in result.objectives]
    for objective in result.objectives:
        best = front.sort_values([objective.name, *names], kind="stable")
        roles.setdefault(str(best["id"].iloc[0]), []).append(f"lowest {objective.label}")
    return roles


def _labels(
    result: StudyResult,
    across: Quantity,
    up: Quantity,
    pair: np.ndarray[tuple[int], np.dtype[np.bool_]],
    chosen: str | None,
) -> tuple[tuple[str, str], ...]:
    drawn = {"chosen", "knee", f"lowest {across.label}", f"lowest {up.label}"}
    roles = {i: [r for r in told if r in drawn] for i, told in front_roles(result, chosen).items()}
    return tuple((i, f"{i}\n{', '.join(told)}") for i, told in roles.items() if told)


def draw(front: Front, ax: Axes | None = None, size: tuple[float, float] = (7.2, 4.7)) -> Axes:
    """Draw the picture and return its axes."""
    with style.applied():
        ax = style.axes(ax, size)
        limits = [_limits(front, axis, log) for axis, log in zip("xy", front.log, strict=True)]
        outline = _outline(front, limits)
        ax.plot(*outline.T, color=style.FRONT, linewidth=1.3, alpha=0.75, zorder=3)
        _draw_intervals(ax, front)
        _draw_points(ax, front)
        style.scale_axis(ax.xaxis, front.x, *limits[0], log=front.log[0])  # last: seaborn labels the axes too
        style.scale_axis(ax.yaxis, front.y, *limits[1], log=front.log[1])
        notes = draw_budgets(ax, front.shown_budgets)
        _draw_labels(ax, front, outline, notes)
    return ax


def _limits(front: Front, axis: str, log: bool) -> tuple[float, float]:
    """The range of all points and of the front's intervals, with room around it."""
    members = front.points[front.points["group"].isin((ON_FRONT, ELSEWHERE))]
    seen = pd.concat([front.points[axis], members[f"{axis}_low"], members[f"{axis}_high"]]).to_numpy(dtype=float)
    seen = seen[seen > 0] if log else seen
    if not len(seen):
        return 0.0, 1.0
    low, high = float(seen.min()), float(seen.max())
    if log:
        room = (high / low) ** _PADDING
        return low / room, high * room
    room = (high - low) * _PADDING or abs(high) * _PADDING or 1.0
    return low - room, high + room


def _outline(front: Front, limits: list[tuple[float, float]]) -> Array:
    """Every corner of the stepped line, from the upper to the right edge of the picture, shape (corners, 2)."""
    if not len(front.steps):
        return np.zeros((0, 2))
    (_, right), (_, top) = limits
    x = np.r_[front.steps[:, 0], right]
    y = np.r_[top, front.steps[:, 1]]
    return np.column_stack([np.repeat(x, 2)[:-1], np.repeat(y, 2)[1:]])


def _draw_intervals(ax: Axes, front: Front) -> None:
    for name, colour in ((ON_FRONT, style.FRONT), (ELSEWHERE, style.FRONT_ELSEWHERE)):
        rows = front.group(name)
        if rows.empty:
            continue
        colour = style.MUTED if front.colour else colour
        spread = {
            axis: [rows[axis] - rows[f"{axis}_low"], rows[f"{axis}_high"] - rows[axis]]
            for axis in "xy"
            if (rows[f"{axis}_high"] > rows[f"{axis}_low"]).any()
        }
        if spread:
            ax.errorbar(
                rows["x"], rows["y"], xerr=spread.get("x"), yerr=spread.get("y"), fmt="none", ecolor=colour,
                elinewidth=1.0, alpha=0.6, zorder=4, rasterized=len(rows) > style.MANY_POINTS,
            )  # fmt: skip


def _draw_points(ax: Axes, front: Front) -> None:
    complete, pruned = style.STATE_COLOURS["complete"], style.STATE_COLOURS["pruned"]
    looks = (
        (ON_FRONT, "front", style.FRONT, "o", 46, 1.0, 5.5),
        (
            ELSEWHERE,
            cut(f"on the front through {' or '.join(front.others)}", LONGEST),
            style.FRONT_ELSEWHERE,
            "D",
            30,
            1.0,
            5,
        ),
        (DOMINATED, "dominated", complete, style.STATE_MARKERS["complete"], 20, 0.55, 2),
        (PRUNED, "pruned, at its last epoch", pruned, style.STATE_MARKERS["pruned"], 24, 1.0, 2.5),
    )
    members = front.points["group"].isin((ON_FRONT, ELSEWHERE))
    scale = Scale.of(front.points.loc[members, "z"]) if front.colour else None
    for name, label, colour, marker, size, alpha, order in looks:
        rows = front.group(name)
        if rows.empty:
            continue
        many = len(rows) > style.MANY_POINTS  # their edges would stay white on dark paper
        look: dict[str, Any] = {"color": colour, "edgecolor": style.PAPER, "linewidth": 0.0 if many else 0.6}
        if scale and name in (ON_FRONT, ELSEWHERE):
            look = {"c": rows["z"], "cmap": scale.map, "norm": scale.norm, "edgecolor": style.MUTED, "linewidth": 0.8}
        sns.scatterplot(
            data=rows, x="x", y="y", ax=ax, marker=marker, s=size, alpha=alpha, zorder=order, rasterized=many,
            label=f"{label} ({len(rows):,})", legend=False, **look,
        )  # fmt: skip
        if name == PRUNED:
            ax.collections[-1].set(facecolor="none", edgecolor=colour, linewidth=0.9)
    if scale and front.colour:
        scale_bar(ax, front.colour, scale)


def _draw_labels(ax: Axes, front: Front, outline: Array, notes: list[Annotation]) -> None:
    rows = front.points[front.points["group"].isin((ON_FRONT, ELSEWHERE))]
    places = {i: (float(x), float(y)) for i, x, y in zip(rows["id"], rows["x"], rows["y"], strict=True)}
    labels = [
        Label(*places[i], "\n".join(cut(line, LONGEST) for line in text.split("\n")))
        for i, text in front.labels
        if i in places
    ]
    for label in labels:
        if "chosen" in label.text:
            ax.scatter(
                [label.x], [label.y], s=120, facecolor="none", edgecolor=style.CHOSEN, linewidth=1.8, zorder=6,
                label="chosen",
            )  # fmt: skip
    style.legend(ax)
    members = np.repeat(rows[["x", "y"]].to_numpy(dtype=float), 5, axis=0)  # hiding one is as bad as hiding five others
    points = front.points[["x", "y"]].to_numpy(dtype=float)
    place(ax, labels, np.vstack([points, members, between(outline), marks(ax, front.shown_budgets, notes)]))
