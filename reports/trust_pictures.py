"""The pictures of trust in a timing: each model's interval and blocks, and the reference network over the study."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from nas_moo.errors import UserInputError
from nas_moo.measurement import DRIFT_LIMIT, format_quantity
from nas_moo.results import StudyResult
from reports import style
from reports.quantities import Column
from reports.section import WIDE
from reports.trust_numbers import Reference, Timings, gather, reference, timed

MOST_MODELS = 24  # rows that can be read
_ROW, _FRAME = 0.19, 1.45  # inches
_ROOM, _MANY = 1.15, 150  # more dots become pixels: each costs as much as a letter


def timings(result: StudyResult, objective: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw how well the timings of the front's models are known.

    Args:
        result: The study.
        objective: One that was timed; by default the first.
        ax: Where to draw; a new figure without it.

    Raises:
        UserInputError: the study times nothing, or not this objective, or no model of it is on a front.
    """
    names = [o.name for o in timed(result)]
    name = objective or (names[0] if names else "")
    if name not in names or not result.trials["front"].any():
        raise UserInputError(
            "this study has no front with timings of this objective", value=objective or "latency",
            do=f"Give one of: {', '.join(names)}." if names else "Search with --objective latency.",
        )  # fmt: skip
    return draw_timings(gather(result, name), ax)


def reference_drift(result: StudyResult, ax: Axes | None = None) -> Axes:
    """Draw the time of the reference network over the study.

    Raises:
        UserInputError: the study has not kept it.
    """
    found = reference(result)
    if found is None:
        raise UserInputError(
            "this study has no times of the reference network", value=result.name,
            do="They are kept by searches that measure a latency or a throughput.",
        )  # fmt: skip
    return draw_reference(found, ax)


def drawn(models: pd.DataFrame) -> pd.DataFrame:
    """The rows that a picture has room for, evenly along the front."""
    if len(models) <= MOST_MODELS:
        return models
    return models.iloc[np.linspace(0, len(models) - 1, MOST_MODELS).round().astype(int)]


def draw_timings(found: Timings, ax: Axes | None = None, width: float = WIDE) -> Axes:
    """Draw each model's interval, block medians, p95 and second value, all relative to its value."""
    rows = drawn(found.models)
    low, high = _range(rows, found.resolution)
    with style.applied():
        ax = style.axes(ax, (width, _FRAME + _ROW * max(len(rows), 3)))
        places = np.arange(len(rows), dtype=float)
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.set_xlim(100 * low, 100 * high)
        if math.isfinite(found.resolution):
            reach = 100 * found.resolution
            ax.axvspan(
                max(-reach, 100 * low), min(reach, 100 * high), color=style.GRID, linewidth=0, zorder=0.5,
                label="closer ones are equal",
            )  # fmt: skip
        _blocks(ax, rows, places, low, high)
        _intervals(ax, rows, places)
        _ticks(ax, rows, places, high)
        ax.grid(visible=False, axis="y")
        ax.set_yticks(places, _names(found, rows))
        ax.tick_params(axis="y", length=0)
        _per_cent(ax)
        style.title_axis(ax.xaxis, f"difference from the model's own {found.shown.label} (%)")
        style.title_axis(ax.yaxis, f"models of the front, fastest first,\nand their {found.shown.title}")
        style.legend_beside_names(ax)
    return ax


def _range(rows: pd.DataFrame, resolution: float) -> tuple[float, float]:
    """From what must be seen: intervals, second values and the band; far blocks and p95 are brought to the edge."""
    band = resolution if math.isfinite(resolution) else 0.0
    again = rows["again"].dropna()
    low = max(rows["below"].max(), -again.min() if len(again) else 0.0, band, 0.005)
    high = max(rows["above"].max(), again.max() if len(again) else 0.0, band, 0.005)
    blocks = np.abs(_flat(rows))
    usual = float(np.quantile(blocks, 0.98)) if len(blocks) else 0.0
    room = _ROOM * max(high, min(usual, 1.4 * high))
    return -_ROOM * max(low, min(usual, 1.4 * low)), room * (1.35 if (rows["p95"] > room).any() else 1.0)


def _flat(rows: pd.DataFrame) -> NDArray[np.float64]:
    return np.array([b for blocks in rows["blocks"] for b in blocks], dtype=float)


def _blocks(ax: Axes, rows: pd.DataFrame, places: NDArray[np.float64], low: float, high: float) -> None:
    x, y = _flat(rows), np.repeat(places, [len(b) for b in rows["blocks"]])
    inside = (x >= low) & (x <= high)
    if not len(x):
        return
    beyond = f"{int((~inside).sum()):,} of " if (~inside).any() else ""
    ax.scatter(
        100 * x[inside], y[inside], s=11, color=style.MUTED, alpha=0.6, linewidth=0, zorder=3,
        label=f"block medians ({beyond}{len(x):,}{' beyond' if beyond else ''})", rasterized=len(x) > _MANY,
    )  # fmt: skip


def _intervals(ax: Axes, rows: pd.DataFrame, places: NDArray[np.float64]) -> None:
    ax.hlines(places, -100 * rows["below"], 100 * rows["above"], color=style.FRONT_ELSEWHERE, linewidth=6, zorder=2)
    marked = np.array([bool(m) for m in rows["marks"]])
    for some, face, label in ((~marked, style.FRONT, "value and interval"), (marked, style.PAPER, "one with a remark")):
        if some.any():
            ax.plot(
                np.zeros(int(some.sum())), places[some], "o", markersize=4.8, markerfacecolor=face,
                markeredgecolor=style.FRONT, markeredgewidth=1.2, zorder=4, label=label,
            )  # fmt: skip


def _ticks(ax: Axes, rows: pd.DataFrame, places: NDArray[np.float64], high: float) -> None:
    """The second values, and p95: a tick, or an arrow with its number at the edge."""
    again = rows["again"].to_numpy(dtype=float)
    known = np.isfinite(again)
    if known.any():
        ax.plot(
            100 * again[known], places[known], "D", markersize=4.2, markerfacecolor="none",
            markeredgecolor=style.CHOSEN, markeredgewidth=1.2, zorder=5, label="measured again",
        )  # fmt: skip
    p95 = rows["p95"].to_numpy(dtype=float)
    inside = np.isfinite(p95) & (p95 <= high)
    if inside.any():
        ax.plot(
            100 * p95[inside], places[inside], "|", markersize=9, markeredgecolor=style.INK, markeredgewidth=1.4,
            zorder=4, label="p95 of single calls",
        )  # fmt: skip
    for share, place in zip(p95, places, strict=True):
        if share > high:
            ax.annotate(
                f"p95 {100 * share:+.0f} % →", (1.0, place), xycoords=("axes fraction", "data"), xytext=(-2, 0),
                textcoords="offset points", ha="right", va="center", fontsize=7.5, color=style.INK, zorder=6,
            )  # fmt: skip


def digits_of(found: Timings) -> Column:
    """As many decimals as give the smallest value four digits: intervals are a per cent wide."""
    least = float(found.models["value"].min()) * found.shown.scale
    return Column(found.shown.unit, found.shown.scale, min(max(3 - math.floor(math.log10(least)), 0), 6))


def _names(found: Timings, rows: pd.DataFrame) -> list[str]:
    digits = digits_of(found)
    return [f"{i}   {digits.text(v)}" for i, v in zip(rows["id"], rows["value"].astype(float), strict=True)]


def draw_reference(found: Reference, ax: Axes | None = None, width: float = WIDE) -> Axes:
    """Draw the reference network's time over the trials, each worker's timings joined, movements marked."""
    with style.applied():
        ax = style.axes(ax, (width, 3.2))
        times = found.times
        ax.axhline(0, color=style.MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        for _, own in times.groupby("worker", sort=False):
            ax.plot(own["number"], 100 * own["share"], color=style.FRONT, linewidth=1.2, alpha=0.7, zorder=2)
            after = np.flatnonzero(own["moved"])
            for i in after:
                ax.plot(
                    own["number"].iloc[i - 1 : i + 1], 100 * own["share"].iloc[i - 1 : i + 1], color=style.CHOSEN,
                    linewidth=2.0, zorder=3,
                )  # fmt: skip
        many = len(times) > _MANY
        for some, colour, marker, label in (
            (~times["moved"], style.FRONT, "o", "a timing of the reference"),
            (
                times["moved"],
                style.CHOSEN,
                "D",
                f"more than {100 * DRIFT_LIMIT:.0f} % from the last",
            ),
        ):
            rows = times[some]
            if len(rows):
                ax.plot(
                    rows["number"], 100 * rows["share"], marker, color=colour, markersize=4.5, zorder=4,
                    markeredgecolor=style.PAPER, markeredgewidth=0.5, label=f"{label} ({len(rows):,})", rasterized=many,
                )  # fmt: skip
        last = float(times["number"].max())
        ax.set_xlim(-0.02 * max(last, 1), max(last, 1) * 1.02)
        reach = 100 * max(float(times["share"].abs().max()), DRIFT_LIMIT)
        ax.set_ylim(
            100 * min(times["share"].min(), -DRIFT_LIMIT) - 0.1 * reach,
            100 * max(times["share"].max(), DRIFT_LIMIT) + 0.1 * reach,
        )
        style.whole_numbers(ax.xaxis)
        ax.yaxis.set_major_locator(MaxNLocator(5))
        ax.yaxis.set_major_formatter(FuncFormatter(_signed))
        style.title_axis(ax.xaxis, "trial")
        style.title_axis(
            ax.yaxis,
            f"time of the reference network\nagainst its median of {format_quantity(found.median_ms, 'ms')} (%)",
        )
        style.legend(ax)
    return ax


def _per_cent(ax: Axes) -> None:
    ax.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(_signed))


def _signed(value: float, _: int | None = None) -> str:
    return f"{value:+.4g}".replace("-", "−") if value else "0"
