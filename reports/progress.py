"""Is it still getting better? The hypervolume of the front after each training, from a fixed reference point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from nas_moo.errors import UserInputError
from nas_moo.measurement import counted, format_quantity
from nas_moo.pareto import Array, scaled
from nas_moo.pareto import hypervolume as volume
from nas_moo.results import StudyResult
from reports import style
from reports.section import Picture, Section, Table

QUESTION = "Is it still getting better?"
WORTH = 0.02  # of the hypervolume; a rule of thumb, not a test
FEW = 8  # below so many trainings a share of them says nothing


@dataclass(frozen=True, eq=False)
class Progress:
    """The hypervolume after each trial that finished.

    Attributes:
        trainings: How many trials had cost training by then, ascending; how many were complete where none is trained.
        complete: How many of them were complete.
        hypervolume: Of the front of the complete ones; never falls.
        front: How many models were on that front.
        reference: The point it is measured from, by objective name, in the objectives' own units.
        fixed_by: How many complete trials fixed the reference.
        provisional: The reference will still move.
        beyond: Complete trials that lie beyond the reference, and so count nothing.
        coordinates: What is multiplied: the labels of the objectives, costs in logarithm.
        noun: What ``trainings`` counts: "training" or "complete trial".
    """

    trainings: NDArray[np.int64]
    complete: NDArray[np.int64]
    hypervolume: Array
    front: NDArray[np.int64]
    reference: Mapping[str, float]
    fixed_by: int
    provisional: bool
    beyond: int
    coordinates: tuple[str, ...]
    noun: str = "training"

    def gained(self, share: float = 0.25) -> float:
        """What the last ``share`` of the trainings added, relative to the hypervolume now."""
        now = self.hypervolume[-1]
        before = self.hypervolume[self.trainings <= (1 - share) * self.trainings[-1]]
        return float((now - (before[-1] if len(before) else 0.0)) / now) if now > 0 else 0.0


def hypervolume(result: StudyResult, ax: Axes | None = None) -> Axes:
    """Draw the hypervolume over trainings.

    Raises:
        UserInputError: no trial is complete.
    """
    progress = gather(result)
    if progress is None:
        raise UserInputError("no trial is complete", value=result.name, do="Run the search for longer.")
    return draw(progress, ax)


def gather(result: StudyResult) -> Progress | None:
    """Collect the hypervolume after each trial, in the order of their numbers; None where none is complete."""
    found = result.hypervolume_reference()
    if found is None:
        return None
    reference, fixed_by = found
    log = [o.log for o in result.objectives]
    origin = scaled(reference[None, :], log)[0]
    trials = result.trials.sort_values("number")
    done = (trials["state"] == "complete").to_numpy()
    points = result.coordinates(trials[done])
    steps = _volumes(points, origin)
    last = np.cumsum(done) - 1
    seen = last >= 0
    trained = trials["trained"].to_numpy(dtype=bool)
    return Progress(
        trainings=np.cumsum(trained if trained.any() else done)[seen].astype(np.int64),
        complete=last[seen] + 1,
        hypervolume=steps[last[seen], 0],
        front=steps[last[seen], 1].astype(np.int64),
        reference={o.name: float(v) for o, v in zip(result.objectives, reference, strict=True)},
        fixed_by=fixed_by,
        provisional=result.description.get("hypervolume_reference") is None,
        beyond=int((points >= origin).any(axis=1).sum()),
        coordinates=tuple(f"log {o.label}" if o.log else o.label for o in result.objectives),
        noun="training" if trained.any() else "complete trial",
    )


def _volumes(points: Array, origin: Array) -> Array:
    """Hypervolume and size of the front of the first 1, 2, ... points, shape (points, 2).

    A dominated point changes neither, so most points of a long study cost one comparison.
    """
    front, now = np.zeros((0, points.shape[1])), 0.0
    out = np.zeros((len(points), 2))
    for i, point in enumerate(points):
        dominated = ((front <= point).all(axis=1) & (front < point).any(axis=1)).any()
        if not dominated:
            front = np.vstack([front[~((point <= front).all(axis=1) & (point < front).any(axis=1))], point])
            now = max(now, volume(front, origin))  # the sum may differ in its last bit
        out[i] = now, len(front)
    return out


def draw(progress: Progress, ax: Axes | None = None, size: tuple[float, float] = (7.2, 3.6)) -> Axes:
    """Draw the hypervolume as a stepped line and return its axes."""
    with style.applied():
        ax = style.axes(ax, size)
        x, y = progress.trainings, progress.hypervolume
        rises = np.flatnonzero(np.diff(np.r_[0.0, y]) > 0)
        ax.fill_between(x, y, step="post", color=style.FRONT, alpha=0.10, linewidth=0)
        ax.plot(x, y, drawstyle="steps-post", color=style.FRONT, linewidth=1.6)
        ax.plot(
            x[rises], y[rises], "o", color=style.FRONT, markersize=4, markeredgecolor=style.PAPER, markeredgewidth=0.5,
            label=f"a {progress.noun} that improved the front ({len(rises):,})",
        )  # fmt: skip
        fixed = np.flatnonzero(progress.complete >= progress.fixed_by)
        if not progress.provisional and len(fixed):
            ax.axvline(
                float(x[fixed[0]]), color=style.MUTED, linewidth=1, linestyle=(0, (4, 3)),
                label=f"reference point fixed, by {progress.fixed_by} complete trials",
            )  # fmt: skip
        ax.set_xlim(0, max(float(x[-1]) * 1.02, 1.0))
        ax.set_ylim(0, float(y[-1]) * 1.08 or 1.0)
        style.whole_numbers(ax.xaxis)
        style.plain_numbers(ax.yaxis)
        style.title_axis(ax.xaxis, f"{progress.noun}s")
        noun = "hypervolume (provisional)" if progress.provisional else "hypervolume"
        style.title_axis(ax.yaxis, f"{noun}\n{' × '.join(progress.coordinates)}")
        style.legend(ax)
    return ax


def section(result: StudyResult) -> Section:
    """The question's part of the page."""
    progress = gather(result)
    if progress is None:
        return Section("progress", QUESTION, missing="No trial is complete yet, so there is no front to measure.")
    units = {o.name: o.unit for o in result.objectives}
    labels = {o.name: o.label for o in result.objectives}
    corner = ", ".join(
        format_quantity(v, units[n]) if labels[n] == units[n] else f"{labels[n]} {format_quantity(v, units[n])}"
        for n, v in progress.reference.items()
    )
    reference = (
        f"Hypervolume is the part of objective space that the front covers up to a reference point: {corner}. "
        f"{'Costs count in their natural logarithm. ' if any(o.log for o in result.objectives) else ''}"
    ) + (
        f"The point is provisional: the worst values so far × 1.1 (complete trials: {progress.fixed_by}). It moves "
        "until the study has enough of them to fix it, so numbers of two reports cannot be compared yet."
        if progress.provisional
        else f"The first {progress.fixed_by} complete trials fixed it; it stays where it is when the search is resumed."
    )
    alt = f"Hypervolume rises to {progress.hypervolume[-1]:.4g} after {progress.trainings[-1]} {progress.noun}s."
    return Section(
        "progress", QUESTION, sentences=(_verdict(progress), reference),
        pictures=(Picture("hypervolume", alt, "The table has the same line at a few places.", lambda: draw(progress)),),
        tables=(_table(progress),), beside=True,
    )  # fmt: skip


def _verdict(progress: Progress) -> str:
    last = int(progress.trainings[-1])
    rises = progress.trainings[np.flatnonzero(np.diff(np.r_[0.0, progress.hypervolume]) > 0)]
    if not len(rises):
        return "No complete trial lies inside the reference point yet."
    if last < FEW:
        return f"{last} {progress.noun}{'s' if last != 1 else ''} so far: too few to say whether more would help."
    gained = f"{100 * progress.gained():.1f} % of today's hypervolume"
    told = f"The last {_quarter(last)} of {last} {progress.noun}s added {gained}"
    told += f"; the front last improved at {progress.noun} {int(rises[-1])}."
    advice = "are likely to pay" if progress.gained() > WORTH else "will bring little"
    return f"{told} More of them {advice}."


def _quarter(trainings: int) -> int:
    return trainings - int(0.75 * trainings)


def _table(progress: Progress) -> Table:
    wanted = np.unique(np.round(np.linspace(1, progress.trainings[-1], 8)).astype(int))
    places = sorted({int(np.searchsorted(progress.trainings, w, side="right")) - 1 for w in wanted} - {-1})
    rows = tuple(
        (
            f"{progress.trainings[i]:,}", f"{progress.complete[i]:,}", f"{progress.front[i]:,}",
            f"{progress.hypervolume[i]:.4f}",
        )
        for i in places
    )  # fmt: skip
    if progress.beyond:
        beyond = counted(progress.beyond, "complete trial")
        note = f"Beyond the reference point in some objective, and counting nothing: {beyond}."
    else:
        note = "Every complete trial lies inside the reference point."
    return Table(
        (f"{progress.noun}s", "complete", "on the front", "hypervolume"), rows, numbers=(0, 1, 2, 3), notes=(note,)
    )
