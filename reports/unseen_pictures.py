"""The pictures of unseen data: test against validation error of the front, and the difference of the two."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nas_moo.pareto import Array
from reports import style
from reports.labels import Label, place
from reports.unseen_numbers import Unseen

MOST_BARS = 60  # models that are drawn with their intervals
SIZE = (5.4, 5.0)  # inches; about square inside the axes, and two stand beside each other on a wide page
_PADDING = 0.06


def draw(found: Unseen, ax: Axes | None = None, size: tuple[float, float] = SIZE) -> Axes:
    """Draw the models with both intervals around the diagonal, and return the axes."""
    with style.applied():
        ax = style.axes(ax, size)
        columns = [f"{part}{end}" for part in ("validation", "test") for end in ("", "_low", "_high")]
        low, high = _range(found.models[columns].to_numpy(dtype=float).ravel(), log=found.log)
        ax.plot([low, high], [low, high], color=style.MUTED, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1.5,
                label="test as validation")  # fmt: skip
        _draw_models(ax, found)
        style.scale_axis(ax.xaxis, found.shown, low, high, log=found.log)
        style.scale_axis(ax.yaxis, found.shown, low, high, log=found.log)
        style.title_axis(ax.xaxis, _title(found, "validation", found.shown.interval))
        style.title_axis(ax.yaxis, _title(found, "test", found.interval))
        ax.set_aspect("equal")
        ax.text(0.02, 0.98, "worse on test", transform=ax.transAxes, va="top", fontsize=8.5, color=style.MUTED)
        _draw_labels(ax, found)
    return ax


def _title(found: Unseen, data: str, interval: str) -> str:
    label = found.shown.label.replace("validation ", "")
    return f"{data} {label} ({found.shown.unit})" + (f"\n{interval}" if interval else "")


def _range(seen: Array, *, log: bool) -> tuple[float, float]:
    """Limits of an axis, with room around what is drawn."""
    seen = seen[seen > 0] if log else seen
    low, high = float(np.nanmin(seen)), float(np.nanmax(seen))
    if log:
        room = (high / low) ** _PADDING
        return low / room, high * room
    room = (high - low) * _PADDING or abs(high) * _PADDING or 1.0
    return low - room, high + room


def _draw_models(ax: Axes, found: Unseen) -> None:
    many = len(found.models) > style.MANY_POINTS
    looks = ((True, "stays on the front", style.FRONT, "o", 40), (False, "leaves it", style.FRONT_ELSEWHERE, "D", 30))
    for stays, label, colour, marker, size in looks:
        rows = found.models[found.models["stays"] == stays]
        if rows.empty:
            continue
        if len(found.models) <= MOST_BARS and found.judged:
            across, up = (
                [rows[part] - rows[f"{part}_low"], rows[f"{part}_high"] - rows[part]] for part in ("validation", "test")
            )
            ax.errorbar(
                rows["validation"], rows["test"], xerr=across, yerr=up, fmt="none", ecolor=colour, elinewidth=0.9,
                alpha=0.45, zorder=3,
            )  # fmt: skip
        ax.scatter(
            rows["validation"], rows["test"], s=size, color=colour, marker=marker, edgecolor=style.PAPER, linewidth=0.6,
            zorder=4, rasterized=many, label=f"{label} ({len(rows):,})",
        )  # fmt: skip


def _draw_labels(ax: Axes, found: Unseen) -> None:
    models = found.models
    ids, x, y = models["id"].tolist(), models["validation"].to_numpy(), models["test"].to_numpy()
    roles: dict[str, list[str]] = {}
    if found.chosen in ids:
        roles[found.chosen] = ["chosen"]
        at = ids.index(found.chosen)
        ax.scatter(
            x[at : at + 1], y[at : at + 1], s=110, facecolor="none", edgecolor=style.CHOSEN, linewidth=1.8, zorder=5,
            label="chosen",
        )  # fmt: skip
    first, best = ids[0], ids[int(np.argmin(y))]
    if first == best:
        roles.setdefault(first, []).append("lowest on both")
    else:
        roles.setdefault(first, []).append("lowest validation")
        roles.setdefault(best, []).append("lowest test")
    style.legend(ax)
    places = {i: ids.index(i) for i in roles}
    labels = [Label(float(x[k]), float(y[k]), f"{i}\n{', '.join(roles[i])}") for i, k in places.items()]
    place(ax, labels, _marks(ax, models))


def _marks(ax: Axes, models: pd.DataFrame) -> Array:
    """What labels should leave visible: the models, thrice, their bars and the diagonal."""
    x, y = (models[part].to_numpy(dtype=float) for part in ("validation", "test"))
    low, high = ax.get_xlim()
    line = np.geomspace(low, high, 60) if ax.get_xscale() == "log" else np.linspace(low, high, 60)
    marks = [np.column_stack([line, line]), *[np.column_stack([x, y])] * 3]
    if len(models) <= MOST_BARS:
        for share in np.linspace(0, 1, 12):
            across, up = (
                models[f"{part}_low"] + share * (models[f"{part}_high"] - models[f"{part}_low"])
                for part in ("validation", "test")
            )
            marks += [np.column_stack([across, y]), np.column_stack([x, up])]
    return np.asarray(np.clip(np.vstack(marks), low, high), dtype=float)


def draw_gaps(found: Unseen, ax: Axes | None = None, size: tuple[float, float] = SIZE) -> Axes:
    """Draw test minus validation error over validation error, with the mean and its interval, and return the axes."""
    with style.applied():
        ax = style.axes(ax, size)
        models, gap = found.models, found.gap
        has_bars = len(models) <= MOST_BARS and bool(models["gap_low"].notna().any())
        low, high = _range(models["validation"].to_numpy(dtype=float), log=found.log)
        ends = models[["gap", "gap_low", "gap_high"] if has_bars else ["gap"]].to_numpy(dtype=float)
        bottom, top = _range(np.r_[0.0, gap.low, gap.high, ends.ravel()], log=False)
        ax.axhline(0, color=style.MUTED, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1.5, label="test as validation")
        ax.axhline(gap.mean, color=style.CHOSEN, linewidth=1.4, zorder=2, label="mean")
        if np.isfinite(gap.low):
            ax.axhspan(
                gap.low, gap.high, color=style.CHOSEN, alpha=0.15, linewidth=0, zorder=1, label="95 % t-interval"
            )
        if has_bars:
            spread = [models["gap"] - models["gap_low"], models["gap_high"] - models["gap"]]
            ax.errorbar(models["validation"], models["gap"], yerr=spread, fmt="none", ecolor=style.FRONT,
                        elinewidth=0.9, alpha=0.45, zorder=3)  # fmt: skip
        ax.scatter(models["validation"], models["gap"], s=40, color=style.FRONT, edgecolor=style.PAPER, linewidth=0.6,
                   zorder=4, rasterized=len(models) > style.MANY_POINTS, label=f"front ({len(models):,})")  # fmt: skip
        style.scale_axis(ax.xaxis, found.shown, low, high, log=found.log)
        style.scale_axis(ax.yaxis, found.shown, bottom, top, log=False)
        style.title_axis(ax.xaxis, _title(found, "validation", found.shown.interval))
        label = found.shown.label.replace("validation ", "")
        told = "95 % Newcombe (1998)" if has_bars else found.interval
        style.title_axis(ax.yaxis, f"test − validation {label} ({found.unit})\n{told}")
        style.legend(ax)
    return ax
