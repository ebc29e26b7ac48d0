"""Is it still getting better, and was the search worth it? Hypervolume over what was spent, beside random search."""

from __future__ import annotations

from functools import partial
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.evaluation import ORIGINS, Origin
from nas_moo.measurement import counted, format_quantity
from nas_moo.pareto import Array
from nas_moo.results import StudyResult
from reports import style
from reports.progress_numbers import FEWEST_RANDOM, OVER, Over, Progress, gather
from reports.section import Picture, Section, Table

QUESTION = "Is it still getting better, and was the search worth it?"
WORTH = 0.02  # of the hypervolume; a rule of thumb, not a test
FEW = 8  # below so many trainings a share of them says nothing
MANY_MARKS = 24  # generations, above which not each is marked
WIDE, HALF = (9.0, 3.6), (5.4, 3.4)  # inches; on a wide page one takes the whole width, or two stand beside each other
IN_GENERATIONS = ("nsga3", "optuna-nsga2")  # samplers
AXES = {
    "epochs": "epochs run, with those of pruned and failed trials",
    "seconds": "seconds of work, all workers together, without waiting",
}


def hypervolume(result: StudyResult, ax: Axes | None = None, over: Over = "trainings") -> Axes:
    """Draw the hypervolume over "trainings", "epochs" or "seconds".

    Raises:
        UnknownNameError: ``over`` is none of them.
        UserInputError: no trial is complete, or the study does not say what its trials took of this.
    """
    if over not in OVER:
        raise UnknownNameError("axis of the hypervolume", over, OVER)
    progress = gather(result)
    if progress is None:
        raise UserInputError("no trial is complete", value=result.name, do="Run the search for longer.")
    if progress.spent(over) is None:
        raise UserInputError(f"this study stores no {over}", value=result.name, do='Draw it over "trainings".')
    return draw(progress, ax, over=over)


def draw(
    progress: Progress,
    ax: Axes | None = None,
    size: tuple[float, float] = (7.2, 3.6),
    over: Over = "trainings",
    legend: bool = True,
) -> Axes:
    """Draw the hypervolume as a stepped line and return its axes."""
    with style.applied():
        ax = style.axes(ax, size)
        spent = cast(Array, progress.spent(over))
        x, y = spent, progress.hypervolume
        rises = progress.rises
        corners = np.unique(np.r_[0, rises, len(x) - 1])  # in between it is level
        ax.fill_between(x[corners], y[corners], step="post", color=style.FRONT, alpha=0.10, linewidth=0)
        ax.plot(x[corners], y[corners], drawstyle="steps-post", color=style.FRONT, linewidth=1.6)
        ax.plot(
            x[rises], y[rises], "o", color=style.FRONT, markersize=4, markeredgecolor=style.PAPER, markeredgewidth=0.5,
            rasterized=len(rises) > style.MANY_POINTS,
            label=f"a {progress.noun} that improved the front ({len(rises):,})",
        )  # fmt: skip
        _draw_chance(ax, progress, over)
        fixed = np.flatnonzero(progress.complete >= progress.fixed_by)
        if not progress.provisional and len(fixed):
            ax.axvline(
                float(x[fixed[0]]), color=style.MUTED, linewidth=1, linestyle=(0, (4, 3)),
                label=f"reference point fixed, by {progress.fixed_by} complete trials",
            )  # fmt: skip
        _draw_generations(ax, progress, over)
        ax.set_xlim(0, max(float(x[-1]) * 1.02, 1.0 if over == "trainings" else 0.0) or 1.0)
        ax.set_ylim(0, _highest(progress) * 1.08 or 1.0)
        style.whole_numbers(ax.xaxis) if over != "seconds" or x[-1] > 20 else style.plain_numbers(ax.xaxis)
        style.plain_numbers(ax.yaxis)
        style.title_axis(ax.xaxis, AXES.get(over, f"{progress.noun}s"))
        noun = "hypervolume (provisional)" if progress.provisional else "hypervolume"
        if legend:
            style.title_axis(ax.yaxis, f"{noun}\n{' × '.join(progress.coordinates)}")
            style.legend(ax)
        else:
            ax.set_title(noun, loc="left", fontsize="medium", color=style.INK)
    return ax


def _highest(progress: Progress) -> float:
    return float(max(progress.hypervolume[-1], 0.0 if progress.chance is None else progress.chance.high.max()))


def _draw_chance(ax: Axes, progress: Progress, over: Over) -> None:
    """Random search up to where it ends; nothing is extrapolated."""
    chance = progress.chance
    if chance is None or chance.each[over] == 0:
        return
    x = chance.taken * chance.each[over]
    ax.fill_between(x, chance.low, chance.high, color=style.MUTED, alpha=0.2, linewidth=0)
    ax.plot(
        x, chance.mean, color=style.INK, linewidth=1.4, linestyle=(0, (5, 2)),
        label=f"random trials alone ({chance.trials:,}): mean and middle 90 %",
    )  # fmt: skip
    ax.plot(x[-1], chance.mean[-1], "s", color=style.INK, markersize=5, label="no more random trials")


def _draw_generations(ax: Axes, progress: Progress, over: Over) -> None:
    """Marks on the horizontal axis, of as many generations as can be told apart."""
    at = progress.generations.get(over)
    if at is None:
        return
    each = next(step for k in range(9) for step in (10**k, 2 * 10**k, 5 * 10**k) if len(at) <= step * MANY_MARKS)
    ax.plot(
        at[each - 1 :: each], np.zeros(len(at[each - 1 :: each])), linestyle="none", marker=2, markersize=9,
        color=style.INK, clip_on=False, transform=blended_transform_factory(ax.transData, ax.transAxes),
        label="a new generation" if each == 1 else f"each {each}th generation",
    )  # fmt: skip


def section(result: StudyResult) -> Section:
    """The question's part of the page."""
    progress = gather(result)
    if progress is None:
        return Section("progress", QUESTION, missing="No trial is complete yet, so there is no front to measure.")
    sentences = (_verdict(progress), _chance(result, progress), _reference(result, progress))
    return Section(
        "progress", QUESTION, sentences=sentences, pictures=_pictures(result, progress),
        tables=tuple(t for t in (_origins(progress), _table(progress)) if t is not None),
    )  # fmt: skip


def _pictures(result: StudyResult, progress: Progress) -> tuple[Picture, ...]:
    known: tuple[Over, ...] = tuple(over for over in OVER if progress.spent(over) is not None)
    size = WIDE if len(known) != 2 else HALF
    reached = f"Hypervolume rises to {progress.hypervolume[-1]:.4g}"
    captions = {
        "trainings": _caption(result, progress),
        "epochs": "Marks as above. Trials in the order in which they began; epochs that one inherited count once.",
        "seconds": "Marks as above. Building, measuring and training; not proposing, storing, or waiting.",
    }
    alts = {
        "trainings": f"{reached} after {progress.trainings[-1]:,} {progress.noun}s.",
        **{o: f"{reached} after {s[-1]:,.0f} {o}." for o in known[1:] if (s := progress.spent(o)) is not None},
    }
    return tuple(
        Picture(
            "hypervolume" if over == "trainings" else f"hypervolume-{over}", alts[over], captions[over],
            partial(draw, progress, size=size if over == "trainings" else HALF, over=over,
                    legend=over == "trainings"),
        )
        for over in known
    )  # fmt: skip


def _caption(result: StudyResult, progress: Progress) -> str:
    told = "The table has the same line at a few places."
    if progress.chance is not None:
        told += (
            f" Random trials: {progress.chance.orders} random orders of those that were drawn evenly from the space; "
            "the band closes where all are taken."
        )
    if not progress.generations and (sampler := result.description.get("sampler")):
        why = "is in its first" if sampler in IN_GENERATIONS else "has none, since it proposes one trial at a time"
        told += f" No generations are marked: {sampler} {why}."
    return told


def _reference(result: StudyResult, progress: Progress) -> str:
    units = {o.name: o.unit for o in result.objectives}
    labels = {o.name: o.label for o in result.objectives}
    corner = ", ".join(
        format_quantity(v, units[n]) if labels[n] == units[n] else f"{labels[n]} {format_quantity(v, units[n])}"
        for n, v in progress.reference.items()
    )
    told = f"Hypervolume is the part of objective space that the front covers up to a reference point: {corner}. "
    if any(o.log for o in result.objectives):
        told += "Costs count in their natural logarithm. "
    if progress.provisional:
        return (
            f"{told}The point is provisional: the worst values so far × 1.1 (complete trials: {progress.fixed_by}). It "
            "moves until the study has enough of them to fix it, so numbers of two reports cannot be compared yet."
        )
    return f"{told}The first {progress.fixed_by} complete trials fixed it; it stays when the search is resumed."


def _verdict(progress: Progress) -> str:
    """What the last trainings brought, and what the next ones may bring."""
    last, noun = int(progress.trainings[-1]), progress.noun
    rises = progress.trainings[progress.rises]
    if not len(rises):
        return "No complete trial lies inside the reference point yet."
    if last < FEW:
        return f"{last} {noun}{'s' if last != 1 else ''} so far: too few to say whether more would help."
    now, before = progress.gained(), progress.gained(until=0.75)
    since = last - int(rises[-1])
    told = (
        f"The last {_quarter(last)} of {last:,} {noun}s added {100 * now:.1f} % of today's hypervolume, the quarter "
        f"before them {100 * before:.1f} %; the front last improved at {noun} {int(rises[-1]):,}"
        f"{f', {since:,} ago' if since else ''}. {_next(rises, last, noun)}"
    )
    shrinking = now * min(now / before, 1.0) if before > 0 else now
    advice = "are likely to pay" if shrinking > WORTH else "may pay" if now > WORTH else "will bring little"
    return f"{told} By these rules of thumb, more of them {advice}."


def _next(rises: NDArray[np.int64], last: int, noun: str) -> str:
    """When the next improvement may be due, at the rate of the last half."""
    half = last - last // 2
    recent = len(np.unique(rises[rises > last - half]))
    if not recent:
        return f"None of the last {half:,} improved it: the next is likely to take at least as many again."
    wait = max(round(half / recent), 1)
    return (
        f"{recent:,} of the last {half:,} improved it: at that rate the next improvement takes about {wait:,} "
        f"{noun}{'s' if wait != 1 else ''}."
    )


def _quarter(trainings: int) -> int:
    return trainings - int(0.75 * trainings)


def _chance(result: StudyResult, progress: Progress) -> str:
    """What can be said of random search, and what cannot."""
    origins, noun, chance = progress.origins, progress.noun, progress.chance
    column = "trained" if noun == "training" else "trials"
    trained = {str(o): int(n) for o, n in zip(origins["origin"], origins[column], strict=True) if n}
    unknown = trained.get("", 0)
    if chance is not None:
        total = float(progress.hypervolume[-1])
        share = chance.mean[-1] / total if total > 0 else 0.0
        others = origins[origins["origin"] != "random"]
        added = others["added"].sum() / total if total > 0 else 0.0
        return (
            f"Random search: {chance.trials:,} architectures were drawn evenly from the space, and reach "
            f"{100 * share:.1f} % of today's hypervolume by themselves; the other {others[column].sum():,} {noun}s "
            f"added {100 * added:.1f} %. After that the study has no random trials to compare with, so what random "
            "search would have reached by now is not known."
        )
    if unknown:
        why = "a replay does not store it" if result.replayed else "an earlier version made them"
        return (
            f"Random search: how {unknown:,} of the {noun}s came to be proposed is not stored ({why}), so there is "
            "nothing random to compare with."
        )
    if set(trained) <= {"random", "thawed"}:
        return f"All {noun}s were drawn evenly from the space: this is random search, and nothing else is beside it."
    random = trained.get("random", 0)
    return (
        f"Random search: {random or 'no'} {noun}{'s were' if random != 1 else ' was'} drawn evenly from the space, "
        f"and fewer than {FEWEST_RANDOM} are nothing to compare with."
    )


def _origins(progress: Progress) -> Table | None:
    """Who brought what; None where it is not stored."""
    known = progress.origins
    if set(known["origin"]) <= {""}:
        return None
    total = float(progress.hypervolume[-1])
    rows = tuple(
        (
            f"{row['origin'] or 'unknown'}: {ORIGINS[cast(Origin, row['origin'])]}", f"{row['trials']:,}",
            f"{row['trained']:,}", f"{row['improved']:,}", f"{100 * row['added'] / total if total else 0.0:.1f} %",
            f"{row['front']:,}",
        )
        for _, row in known.iterrows()
    )  # fmt: skip
    note = "Early trials improve an empty front easily: what is added later is harder won, whoever proposes it."
    return Table(
        ("proposed", "trials", "trained", "improved the front", "hypervolume added", "on the front now"), rows,
        numbers=(1, 2, 3, 4, 5), title="Who brought what", notes=(note,),
    )  # fmt: skip


def _table(progress: Progress) -> Table:
    wanted = np.unique(np.round(np.linspace(1, progress.trainings[-1], 8)).astype(int))
    places = sorted({int(np.searchsorted(progress.trainings, w, side="right")) - 1 for w in wanted} - {-1})
    spent = [(o, s) for o in OVER[1:] if (s := progress.spent(o)) is not None]
    rows = tuple(
        (
            f"{progress.trainings[i]:,}", *(f"{s[i]:,.0f}" for _, s in spent), f"{progress.complete[i]:,}",
            f"{progress.front[i]:,}", f"{progress.hypervolume[i]:.4f}",
        )
        for i in places
    )  # fmt: skip
    if progress.beyond:
        beyond = counted(progress.beyond, "complete trial")
        note = f"Beyond the reference point in some objective, and counting nothing: {beyond}."
    else:
        note = "Every complete trial lies inside the reference point."
    head = (f"{progress.noun}s", *(o for o, _ in spent), "complete", "on the front", "hypervolume")
    return Table(head, rows, numbers=tuple(range(len(head))), title="Step by step", notes=(note,))
