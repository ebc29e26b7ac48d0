"""The pictures of finalists: ranks from the search to the last round, each device's front, devices side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory

from nas_moo.errors import UnknownNameError
from nas_moo.finalists import DeviceFront, is_latency, join, read_measurements
from nas_moo.pareto import Array, staircase
from nas_moo.results import StudyResult
from reports import style
from reports.labels import Label, place
from reports.quantities import Column, Quantity, passes_tenfold, quantity, trained_objective
from reports.section import HALF, WIDE

MOST_MODELS, MOST_ROUNDS, MOST_DEVICES = 24, 8, 4
_HEIGHT = 3.9  # inches
LOOKS = {
    "certain": ("certain members", style.FRONT, "o", style.FRONT),
    "front": ("on the front by their values", style.FRONT, "o", style.PAPER),
    "possible": ("possibly on the front", style.MUTED, "D", style.PAPER),
    "beaten": ("no longer on the front", style.MUTED, "X", style.MUTED),
}
_DEVICES = ((style.FRONT, "o"), (style.CHOSEN, "s"), (style.MUTED, "D"), (style.FRONT_ELSEWHERE, "^"))
_SEARCH, _NOW = "search", "all"


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks in latency of the models that were timed on one device, 1 for the fastest.

    Attributes:
        title: The device and the mode.
        columns: "search", "round 1" ..., "all" rounds together; what is not known has none.
        models: A row a model, fastest first: ``id``, ``standing`` and ``latency`` as timed again, in words.
        ranks: Shape (models, columns); models with equal latencies keep the order of ``models``. NaN where unknown.
        left_out: Models for which the picture has no room.
    """

    title: str
    columns: tuple[str, ...]
    models: pd.DataFrame
    ranks: Array
    left_out: int

    @property
    def rounds(self) -> list[int]:
        """Which columns are rounds."""
        return [i for i, column in enumerate(self.columns) if column.startswith("round")]

    @property
    def between_rounds(self) -> int:
        """Models whose rank is not the same in all rounds."""
        return int((np.ptp(self.ranks[:, self.rounds], axis=1) > 0).sum()) if self.rounds else 0


@dataclass(frozen=True, eq=False)
class OneDevice:
    """The front as one device times it.

    Attributes:
        title: The device and the mode.
        y: The objective that latency is traded against.
        models: ``id, latency, low, high`` (ms), ``y`` (as shown), ``standing``.
        steps: Corners of the front of these two, shape (corners, 2).
        y_range: Of all devices together, so that pictures can be compared.
        log: Whether latency and ``y`` are on logarithmic axes.
        others: Labels of the objectives that are not drawn.
    """

    title: str
    y: Quantity
    models: pd.DataFrame
    steps: Array
    y_range: tuple[float, float]
    log: tuple[bool, bool]
    others: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Devices:
    """The same models on several devices.

    Attributes:
        titles: Of the devices.
        models: Ids, fastest on the first device first.
        latency: Lower end, value and upper end in ms, shape (devices, models, 3); NaN where a model was not timed.
        left_out: Models, and devices, for which the picture has no room.
    """

    titles: tuple[str, ...]
    models: tuple[str, ...]
    latency: Array
    left_out: tuple[int, int]


def finalist_ranks(
    result: StudyResult, measurements: Sequence[str | Path], ax: Axes | None = None, *, device: str | None = None
) -> Axes:
    """Draw how ranks in latency changed from the search to each round of a later timing.

    Args:
        result: The study.
        measurements: Files that ``nas-moo measure`` wrote.
        ax: Where to draw; a new figure without it.
        device: A part of the device's title; by default the first.

    Raises:
        UnknownNameError: no such device is in the files.
    """
    return draw_ranks(ranks(_front(result, measurements, device)), ax)


def finalist_front(
    result: StudyResult, measurements: Sequence[str | Path], ax: Axes | None = None, *, device: str | None = None
) -> Axes:
    """Draw the front as a device times it; arguments and errors as for ``finalist_ranks``."""
    return draw_device(one_device(result, _front(result, measurements, device)), ax)


def finalist_devices(result: StudyResult, measurements: Sequence[str | Path], ax: Axes | None = None) -> Axes:
    """Draw the latencies of the same models on each device that the files are of."""
    return draw_devices(devices(join(result, read_measurements(measurements))), ax)


def _front(result: StudyResult, measurements: Sequence[str | Path], device: str | None) -> DeviceFront:
    fronts = join(result, read_measurements(measurements))
    found = [f for f in fronts if device is None or device in f.title]
    if not found:
        raise UnknownNameError("device of these measurements", str(device), [f.title for f in fronts])
    return found[0]


def ranks(front: DeviceFront) -> Ranks:
    """Collect the ranks: in the search, in each round and together."""
    models, columns = front.models, {}
    if models["before"].notna().any():
        columns[_SEARCH] = models["before"].to_numpy(dtype=float)
    rounds = min((len(r) for r in models["rounds"]), default=0)
    if 1 < rounds <= MOST_ROUNDS:
        columns |= {f"round {i + 1}": np.array([r[i] for r in models["rounds"]]) for i in range(rounds)}
    columns[_NOW] = models["latency"].to_numpy(dtype=float)
    digits = milliseconds(models["latency"])
    told = pd.DataFrame(
        {"id": models["id"], "standing": models["standing"], "latency": [digits.text(v) for v in models["latency"]]}
    )
    found = np.column_stack([_ranked(values) for values in columns.values()])
    shown = spread(len(told))
    return Ranks(front.title, tuple(columns), told.iloc[shown], found[shown], len(told) - len(shown))


def _ranked(values: Array) -> Array:
    return np.asarray(pd.Series(values).rank(method="first"), dtype=float)


def one_device(result: StudyResult, front: DeviceFront, fronts: Sequence[DeviceFront] = ()) -> OneDevice:
    """Collect the front of one device; of all ``fronts`` the range of the other objective.

    Raises:
        UnknownNameError: the study has nothing beside latency that it could be traded against.
    """
    y = _against(result)
    if y is None:
        raise UnknownNameError("objective beside latency", result.name, [])
    values = result.trials.set_index("id")[y.name].groupby(level=0).first().astype(float) * y.scale
    models = front.models[["id", "latency", "low", "high", "standing"]].assign(y=front.models["id"].map(values))
    everywhere = pd.concat([f.models["id"] for f in (front, *fronts)]).map(values)
    corners = staircase(models["latency"].to_numpy(dtype=float), models["y"].to_numpy(dtype=float))
    log = passes_tenfold([*models["low"], *models["high"]]), passes_tenfold(everywhere)
    y_range = float(everywhere.min()), float(everywhere.max())
    others = tuple(o.label for o in result.objectives if not is_latency(o.name) and o.name != y.name)
    return OneDevice(front.title, y, models, np.column_stack(corners), y_range, log, others)


def _against(result: StudyResult) -> Quantity | None:
    """What latency is traded against: what is trained for, or else the first objective that is no latency."""
    others = [o for o in result.objectives if not is_latency(o.name)]
    first = trained_objective(result) or (others[0] if others else None)
    return None if first is None else quantity(result, first.name)


def devices(fronts: Sequence[DeviceFront]) -> Devices:
    """Collect the latencies of all models on each device."""
    shown = fronts[:MOST_DEVICES]
    ids = list(dict.fromkeys(str(i) for f in shown for i in f.models["id"]))
    latency = np.full((len(shown), len(ids), 3), np.nan)
    for d, front in enumerate(shown):
        of = front.models.drop_duplicates("id").set_index("id")[["low", "latency", "high"]]
        latency[d] = of.reindex(ids).to_numpy(dtype=float)
    rows = spread(len(ids))
    return Devices(
        tuple(f.title for f in shown), tuple(ids[i] for i in rows), latency[:, rows],
        (len(ids) - len(rows), len(fronts) - len(shown)),
    )  # fmt: skip


def spread(n: int) -> list[int]:
    """Places of the models that a picture has room for, evenly from the fastest to the slowest."""
    return [int(i) for i in np.linspace(0, n - 1, min(n, MOST_MODELS)).round()]


def milliseconds(values: pd.Series) -> Column:
    """A column in which the smallest value keeps three digits."""
    return Column("ms", 1.0, min(max(2 - math.floor(math.log10(float(values.min()))), 0), 5))


def draw_ranks(found: Ranks, ax: Axes | None = None, width: float = WIDE) -> Axes:
    """Draw a line a model through its ranks; certain members stand out, and names stand at both ends."""
    with style.applied():
        n = len(found.models)
        ax = style.axes(ax, (width, 1.55 + 0.22 * max(n, 4)))
        x = np.arange(len(found.columns), dtype=float)
        for standing in ("beaten", "possible", "front", "certain"):
            label, colour, marker, face = LOOKS[standing]
            own = np.flatnonzero(found.models["standing"] == standing)
            for i in own:
                ax.plot(
                    x, found.ranks[i], color=colour, linewidth=2.2 if standing == "certain" else 1.3, marker=marker,
                    markersize=5, markerfacecolor=face, markeredgecolor=colour,
                    linestyle=(0, (3, 2)) if standing == "beaten" else "-", zorder=3 + (standing == "certain"),
                    label=f"{label} ({len(own)})" if i == own[0] else None,
                )  # fmt: skip
        _rank_names(ax, found)
        ax.set_xlim(x[0] - 0.06 * len(x), x[-1] + 0.06 * len(x))
        ax.set_ylim(float(np.nanmax(found.ranks)) + 0.6, 0.4)
        # Later rounds by their number alone: on half a page there is no room for more.
        ax.set_xticks(x, [c.removeprefix("round ") if c != "round 1" else c for c in found.columns])
        ax.set_yticks([])
        ax.grid(visible=False, axis="y")
        ax.spines["left"].set_visible(False)
        style.title_axis(ax.yaxis, f"rank in latency, the fastest on top\n{found.title}")
        style.legend_beside_names(ax)
    return ax


def _rank_names(ax: Axes, found: Ranks) -> None:
    """Rank and id before a model's first known rank, its id and latency behind the last."""
    outside = blended_transform_factory(ax.transAxes, ax.transData)
    for model, row in zip(found.models.to_dict("records"), found.ranks, strict=True):
        colour = style.FRONT if model["standing"] == "certain" else style.INK
        if not math.isnan(row[0]):
            ax.text(-0.012, row[0], f"{row[0]:.0f}  {model['id']}", transform=outside, ha="right", va="center",
                    fontsize=8, color=colour)  # fmt: skip
        ax.text(1.012, row[-1], f"{row[-1]:.0f}  {model['id']}  {model['latency']} ms", transform=outside, ha="left",
                va="center", fontsize=8, color=colour)  # fmt: skip


def draw_device(found: OneDevice, ax: Axes | None = None, width: float = HALF) -> Axes:
    """Draw the front of one device in steps, with intervals and how surely each model is on it."""
    with style.applied():
        ax = style.axes(ax, (width, _HEIGHT))
        models = found.models
        limits = [
            _limits(float(models["low"].min()), float(models["high"].max()), log=found.log[0]),
            _limits(*found.y_range, log=found.log[1]),
        ]
        if len(found.steps):
            corners = np.r_[found.steps[:, 0], limits[0][1]], np.r_[limits[1][1], found.steps[:, 1]]
            ax.plot(
                np.repeat(corners[0], 2)[:-1], np.repeat(corners[1], 2)[1:], color=style.FRONT, linewidth=1.2, zorder=2
            )
        ax.hlines(models["y"], models["low"], models["high"], color=style.FRONT_ELSEWHERE, linewidth=4, zorder=3)
        for standing, (label, colour, marker, face) in LOOKS.items():
            rows = models[models["standing"] == standing]
            if len(rows):
                ax.plot(
                    rows["latency"], rows["y"], marker, markersize=6, markerfacecolor=face, markeredgecolor=colour,
                    markeredgewidth=1.2, zorder=4, label=f"{label} ({len(rows)})",
                )  # fmt: skip
        style.scale_axis(ax.xaxis, Quantity("latency", "latency", "ms", 1.0, "", ""), *limits[0], log=found.log[0])
        style.scale_axis(ax.yaxis, found.y, *limits[1], log=found.log[1])
        style.title_axis(ax.xaxis, f"latency (ms), with its interval\n{found.title}")
        style.title_axis(ax.yaxis, found.y.title)
        style.legend(ax)
        away = models[models["standing"].isin(("possible", "beaten"))]
        labels = [Label(float(m["latency"]), float(m["y"]), str(m["id"])) for m in away.to_dict("records")]
        place(ax, labels[:6], models[["latency", "y"]].to_numpy(dtype=float))
    return ax


def draw_devices(found: Devices, ax: Axes | None = None, width: float = WIDE) -> Axes:
    """Draw each model's latency and interval on each device, a row a model."""
    with style.applied():
        n = len(found.models)
        ax = style.axes(ax, (width, 1.5 + 0.25 * max(n, 3)))
        rows, least, most = np.arange(n, dtype=float), np.nanmin(found.latency), np.nanmax(found.latency)
        log = passes_tenfold(found.latency[np.isfinite(found.latency)])
        for d, title in enumerate(found.titles):
            colour, marker = _DEVICES[d]
            low, value, high = found.latency[d].T
            ax.hlines(rows, low, high, color=colour, linewidth=3.5, alpha=0.5, zorder=2)
            ax.plot(
                value, rows, marker, markersize=5, color=colour, markeredgecolor=style.PAPER, markeredgewidth=0.5,
                linestyle="none", zorder=3, label=title,
            )  # fmt: skip
        ax.set_ylim(n - 0.4, -0.6)
        style.scale_axis(
            ax.xaxis, Quantity("latency", "latency", "ms", 1.0, "", ""), *_limits(least, most, log=log), log=log
        )
        ax.set_yticks(rows, found.models)
        ax.tick_params(axis="y", length=0)
        style.title_axis(ax.xaxis, "latency (ms), with its interval")
        style.title_axis(ax.yaxis, "models, the fastest on the first device on top")
        style.legend_beside_names(ax)
    return ax


def _limits(low: float, high: float, *, log: bool) -> tuple[float, float]:
    """The range with room around it."""
    if log:
        room = max((high / low) ** 0.07, 1.05)
        return low / room, high * room
    room = (high - low) * 0.08 or abs(high) * 0.08 or 1.0
    return low - room, high + room
