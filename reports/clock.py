"""Where did the time go? A row a worker, a bar a trial; and the seconds of each stage."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from nas_moo.errors import UserInputError
from nas_moo.evaluation import STATES
from nas_moo.results import StudyResult
from reports import pruning_numbers, style
from reports.clock_numbers import Clock, gather, shares
from reports.section import Picture, Section, Table

QUESTION = "Where did the time go?"
MANY_BARS = 300  # trials, above which a bar is thinner than a pixel, and the share of the time says more
BINS = 240
MANY_WORKERS = 24
WIDE = 9.0  # inches
STAGES = {
    "build": "building the network",
    "static": "counting FLOPs and parameters",
    "device": "measuring on the device",
    "training": "training, validation and test",
    "waiting": "waiting for the device",
}
_UNITS = ((2 * 86400.0, 86400.0, "days"), (2 * 3600.0, 3600.0, "h"), (120.0, 60.0, "min"))


def timeline(result: StudyResult, ax: Axes | None = None) -> Axes:
    """Draw who worked on what when.

    Raises:
        UserInputError: no trial says when it began and how long it took.
    """
    clock = gather(result)
    if clock is None or clock.bars.empty:
        raise UserInputError(
            "no trial of this study says when it began and how long it took", value=result.name,
            do="Draw it for a study that was searched; a replay stores no times.",
        )  # fmt: skip
    return draw(clock, ax)


def draw(clock: Clock, ax: Axes | None = None, size: tuple[float, float] | None = None) -> Axes:
    """Draw the timeline and return its axes."""
    workers = clock.workers.nlargest(MANY_WORKERS, "busy").sort_index().index.to_numpy()
    with style.applied():
        ax = style.axes(ax, size or (WIDE, _height(clock)))
        scale, unit = _unit(clock.wall)
        row_of = {int(worker): row for row, worker in enumerate(workers)}
        if len(clock.bars) > MANY_BARS:
            _draw_shares(ax, clock, row_of, scale)
        else:
            _draw_bars(ax, clock, row_of, scale)
        marks = clock.open[clock.open["worker"].isin(row_of)]
        if len(marks):
            ax.plot(
                marks["begin"] / scale, marks["worker"].map(row_of), linestyle="none", marker=">", markersize=5,
                color=style.STATE_COLOURS["running"], zorder=4,
                label=f"began, and has no end: running or cut off ({len(clock.open):,})",
            )  # fmt: skip
        for i, at in enumerate(clock.pauses[:, 0]):
            ax.axvline(
                at / scale, color=style.INK, linewidth=1, linestyle=(0, (1, 1.5)), zorder=3,
                label="a pause of all workers, left out" if i == 0 else None,
            )  # fmt: skip
        ax.set_xlim(0, max(clock.wall / scale * 1.01, 1e-9))
        ax.set_ylim(len(workers) - 0.5, -0.5)
        ax.set_yticks(range(len(workers)), [str(w + 1) for w in workers])
        ax.grid(visible=False, axis="y")
        style.plain_numbers(ax.xaxis)
        style.title_axis(ax.xaxis, f"wall clock since the first trial ({unit})")
        style.title_axis(ax.yaxis, "worker")
        style.legend(ax)
    return ax


def _height(clock: Clock) -> float:
    return 1.55 + 0.26 * max(min(len(clock.workers), MANY_WORKERS), 1.5)


def _states(clock: Clock) -> Iterator[tuple[str, str, str]]:
    """State, colour and label of what is drawn."""
    counted = clock.bars["state"].value_counts()
    for state in STATES:
        if state in counted:
            yield state, style.STATE_COLOURS[state], f"{state} ({counted[state]:,})"


def _draw_bars(ax: Axes, clock: Clock, row_of: dict[int, int], scale: float) -> None:
    for state, colour, label in _states(clock):
        for worker, rows in clock.bars[clock.bars["state"] == state].groupby("worker", sort=True):
            if int(str(worker)) in row_of:
                spans = np.column_stack([rows["begin"], rows["end"] - rows["begin"]]) / scale
                ax.broken_barh(
                    [(float(a), float(b)) for a, b in spans], (row_of[int(str(worker))] - 0.36, 0.72),
                    facecolors=colour, edgecolors=style.PAPER, linewidth=0.5,
                )  # fmt: skip
        ax.bar(0, 0, color=colour, label=label)  # stands for its colour in the legend


def _draw_shares(ax: Axes, clock: Clock, row_of: dict[int, int], scale: float) -> None:
    """Areas that are as high as the share of a worker's time, one above another."""
    x = np.repeat(np.linspace(0.0, clock.wall, BINS + 1) / scale, 2)[1:-1]
    areas, colours = [], []
    for worker, row in row_of.items():
        found = shares(clock, worker, BINS, clock.wall)
        floor = np.full(2 * BINS, row + 0.36)
        for state, colour, _ in _states(clock):
            if state in found:
                top = floor - 0.72 * np.repeat(found[state], 2)
                areas.append(np.column_stack([np.r_[x, x[::-1]], np.r_[top, floor[::-1]]]))
                colours.append(colour)
                floor = top
    ax.add_collection(PolyCollection(areas, facecolors=colours, linewidths=0, rasterized=True))
    for _, colour, label in _states(clock):
        ax.bar(0, 0, color=colour, label=label)


def draw_stages(clock: Clock, ax: Axes | None = None, size: tuple[float, float] | None = None) -> Axes:
    """Draw the seconds of each stage by what became of the trials, and return the axes."""
    with style.applied():
        ax = style.axes(ax, size or (WIDE, _stages_height(clock)))
        scale, unit = _unit(clock.seconds)
        rows, left = np.arange(len(clock.stages)), np.zeros(len(clock.stages))
        for state in clock.by_state.columns:
            width = clock.by_state[state].to_numpy(dtype=float) / scale
            ax.barh(
                rows, width, left=left, height=0.66, color=style.STATE_COLOURS[state], edgecolor=style.PAPER,
                linewidth=0.5, label=f"{state} ({100 * width.sum() * scale / clock.seconds:.1f} %)",
            )  # fmt: skip
            left = left + width
        for row, (end, share) in enumerate(zip(left, clock.stages["share"], strict=True)):
            ax.annotate(
                f"{seconds_text(end * scale)}, {100 * share:.1f} %", (end, row), (4, 0), textcoords="offset points",
                va="center", color=style.INK, bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 1.0},
            )  # fmt: skip
        ax.set_xlim(0, float(left.max()) * 1.18)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_yticks(rows, [stage_text(s) for s in clock.stages["stage"]])
        ax.grid(visible=False, axis="y")
        style.plain_numbers(ax.xaxis)
        style.title_axis(ax.xaxis, f"time, all workers together, wall clock of each ({unit})")
        style.title_axis(ax.yaxis, "stage")
        style.legend(ax)
    return ax


def _stages_height(clock: Clock) -> float:
    return 1.5 + 0.3 * len(clock.stages)


def draw_both(clock: Clock) -> Axes:
    """Draw the timeline above the stages, and return the axes of the upper one; the stages alone without a timeline."""
    if clock.bars.empty:
        return draw_stages(clock)
    heights = [_height(clock), _stages_height(clock)]
    with style.applied():
        figure = Figure(figsize=(WIDE, sum(heights)), layout="constrained")
        upper, lower = figure.subplots(2, 1, height_ratios=heights)
    draw_stages(clock, lower)
    return draw(clock, upper)


def _unit(seconds: float) -> tuple[float, str]:
    return next(((scale, unit) for least, scale, unit in _UNITS if seconds >= least), (1.0, "s"))


def seconds_text(seconds: float) -> str:
    """Seconds as a person says them: ``0.42 s``, ``3.5 min``, ``12 h``."""
    scale, unit = _unit(seconds)
    return f"{seconds / scale:,.0f} {unit}" if seconds / scale >= 999.5 else f"{seconds / scale:.3g} {unit}"


def stage_text(stage: str) -> str:
    """What happens in a stage; its own name where nobody described it."""
    return STAGES.get(stage, stage)


def section(result: StudyResult) -> Section:
    """The question's part of the page."""
    if result.trials.empty:
        return Section("timeline", QUESTION, missing="No trial has started yet.")
    clock = gather(result)
    if clock is None:
        return Section(
            "timeline", QUESTION,
            missing="No trial of this study says how long it took: each stores its seconds when it ends, and a replay "
            "of recorded trainings has none.",
        )  # fmt: skip
    picture = Picture("timeline", _alt(clock), _caption(clock), lambda: draw_both(clock))
    sentences = (_stages_words(clock), _workers_words(clock), " ".join(_saved_words(result, clock)))
    tables = (_stages_table(clock), *([_workers_table(clock)] if len(clock.workers) else []))
    return Section("timeline", QUESTION, sentences=tuple(s for s in sentences if s), pictures=(picture,), tables=tables)


def _alt(clock: Clock) -> str:
    workers = f"{len(clock.workers):,} worker{'s' if len(clock.workers) != 1 else ''}"
    stages = "; ".join(f"{stage_text(s)} {seconds_text(clock.of(s))}" for s in clock.stages["stage"])
    return f"Timeline of {len(clock.bars):,} trials by {workers}. Time by stage: {stages}."


def _caption(clock: Clock) -> str:
    if clock.bars.empty:
        return "Time by stage, by what became of the trials."
    if len(clock.bars) > MANY_BARS:
        told = f"So many trials are drawn as the share of each worker's time, in {BINS} parts."
    else:
        told = "A bar is a trial; what is empty is between trials."
    if clock.to_the_second:
        told += " The study stores begins to the second, so short gaps may be none."
    if len(clock.workers) > MANY_WORKERS:
        told += f" The {MANY_WORKERS} busiest of {len(clock.workers):,} workers; the table names them."
    return f"{told} Below: the time of each stage, by what became of the trials."


def _stages_words(clock: Clock) -> str:
    first = clock.stages.iloc[0]
    told = (
        f"{100 * first['share']:.0f} % of {seconds_text(clock.seconds)} went into {stage_text(first['stage'])}"
        f"{', all workers together' if len(clock.workers) > 1 else ''}"
    )
    rest = [
        f"{stage_text(s)} took {seconds_text(clock.of(s))}"
        for s in ("training", "device", "waiting")
        if clock.of(s) > 0 and s != first["stage"]
    ]
    return f"{told}; {' and '.join(rest)}." if rest else f"{told}."


def _workers_words(clock: Clock) -> str:
    if clock.bars.empty:
        return "No trial says when it began, so there is no timeline."
    n = len(clock.workers)
    told = (
        f"{n:,} worker{'s were' if n != 1 else ' was'} at work for {seconds_text(clock.wall)} of wall clock; "
        f"{100 * clock.idle_share:.1f} % of {'their' if n != 1 else 'its'} time passed between trials or outside of "
        "the stages (proposing, storing, asking the pruner)."
    )
    if pauses := len(clock.pauses):
        told += (
            f" {'Once' if pauses == 1 else f'{pauses:,} times'} nobody worked, for "
            f"{seconds_text(float(clock.pauses[:, 1].sum()))}{' in all' if pauses != 1 else ''}; that is left out."
        )
    return told


def _saved_words(result: StudyResult, clock: Clock) -> Iterator[str]:
    """Time that gave no model, and time that was not spent."""
    lost = clock.by_state.reindex(columns=["failed", "interrupted", "screened"], fill_value=0.0).sum().sum()
    if lost > 0:
        yield (
            f'Failed, interrupted and screened trials took {100 * lost / clock.seconds:.1f} % of the time; "What '
            'happened to the trials?" has the reasons.'
        )
    if clock.duplicates[0]:
        n, took = clock.duplicates
        yield (
            f"{n:,} trial{'s were' if n != 1 else ' was'} dropped as duplicate{'s' if n != 1 else ''} of what another "
            f"worker had begun, {f'after {seconds_text(took)}' if took > 0 else 'before anything was measured'}."
        )
    if clock.known:
        told = " and ".join(f"{stage_text(stage)} in {n:,}" for stage, n in clock.known.items())
        yield (
            f"Not needed, since the network was known from an earlier trial or from choosing among candidates: {told} "
            f"of {clock.trials:,} trials."
        )
    account = pruning_numbers.account(result)
    if account is not None and account.saved:
        yield (
            f"Pruning left out {account.saved:,} of {account.epochs + account.saved:,} epochs, about "
            f'{seconds_text(account.saved_seconds)}; "What did pruning save, and what did it cost?" has the account.'
        )


def _stages_table(clock: Clock) -> Table:
    rows = [
        (
            stage_text(row["stage"]), f"{row['seconds']:,.2f}", f"{100 * row['share']:.1f} %", f"{row['trials']:,}",
            f"{row['median']:.3g}", f"{row['p95']:.3g}",
        )
        for _, row in clock.stages.iterrows()
    ]  # fmt: skip
    rows.append(("all stages", f"{clock.seconds:,.2f}", "100 %", f"{clock.trials:,}", "", ""))
    notes = ["Median and 95th percentile are over the trials in which the stage took any time."]
    if not clock.bars.empty:
        notes.append(f"Between trials, or outside of the stages: {clock.idle:,.2f} s of all workers together.")
    return Table(
        ("stage", "seconds", "share", "trials", "median (s)", "95 % (s)"), tuple(rows), numbers=(1, 2, 3, 4, 5),
        title="By stage", notes=tuple(notes),
    )  # fmt: skip


def _workers_table(clock: Clock) -> Table:
    shown = clock.workers.nlargest(MANY_WORKERS, "busy").sort_index()
    rows = tuple(
        (
            f"{place + 1}", row["worker"] or "not named", f"{row['trials']:,}", f"{row['begin']:,.1f}",
            f"{row['span']:,.1f}", f"{100 * _busy(row):.1f} %",
        )
        for place, (_, row) in zip(shown.index, shown.iterrows(), strict=True)
    )  # fmt: skip
    left = len(clock.workers) - len(shown)
    return Table(
        ("worker", "name", "trials", "begin (s)", "span (s)", "in a trial"), rows, numbers=(2, 3, 4, 5),
        title="By worker", notes=(f"And {left:,} that did less.",) if left else (),
    )  # fmt: skip


def _busy(worker: pd.Series) -> float:
    return float(worker["busy"] / worker["span"]) if worker["span"] > 0 else 1.0
