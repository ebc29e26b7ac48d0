"""What did pruning save, and what may it have cost? In words, pictures and tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from nas_moo import hindsight
from nas_moo.measurement import counted, format_quantity
from nas_moo.pruners.audit import Audit
from nas_moo.pruners.control import BOX, Asked, ControlReport, Loss, Share
from nas_moo.results import StudyResult
from reports import pruning_pictures as pictures
from reports.pruning_numbers import PRUNED, Account, Pruning, gather
from reports.quantities import trained_objective
from reports.section import WIDE, Picture, Section, Table

QUESTION = "What did pruning save, and what did it cost?"
LARGEST_RATIO = 2.0  # between thirds of the networks by size: above it, one of them is stopped out of proportion
FEW_CONTROLS = 10


def section(result: StudyResult) -> Section:
    """The question's part of the page."""
    pruning, audits = gather(result), hindsight.audits(result)
    if pruning is None:
        audit = _audit_table(audits, result)
        return Section("pruning", QUESTION, missing=_why_none(result), tables=audit)
    tables = [_account_table(pruning.account, pruning.epochs), _control_table(pruning.control, pruning.shown.unit)]
    if len(pruning.thirds):
        tables.append(_size_table(result, pruning))
    tables += _audit_table(audits, result)
    return Section(
        "pruning", QUESTION, sentences=(" ".join(words(pruning)),), pictures=_pictures(result, pruning),
        tables=tuple(tables),
    )  # fmt: skip


def _why_none(result: StudyResult) -> str:
    if trained_objective(result) is None:
        return "No objective of this study is trained, so there was nothing to stop."
    if len(result.prunings):
        return "Nothing was pruned yet: each decision was overruled, and none of these trainings has come to its end."
    pruner = result.description.get("pruner")
    if pruner in (None, "never"):
        return "Nothing was pruned: the search ran without a pruner."
    trained = int(result.trials["trained"].sum())
    return (
        f"Nothing was pruned: {pruner} has not wanted to stop any of {counted(trained, 'training')}. "
        "Pruners decide once ten or more have finished, and stop what is surely beaten."
    )


def _pictures(result: StudyResult, pruning: Pruning) -> tuple[Picture, ...]:
    stopped = len(pruning.given_up)
    shown = [
        Picture(
            "pruning-epochs", f"Epochs of the decisions to give a training up ({len(pruning.of(PRUNED)):,} in all).",
            "When decisions to give a training up were made, and when they were overruled. A training that went on may "
            "meet several.",
            partial(pictures.draw_epochs, pruning),
        ),
        Picture(
            "pruning-curves", f"Learning curves; of those that were given up ({stopped:,}), up to that epoch.",
            f"Triangles: the epoch of the last decision. Vertical: {pruning.shown.title}: {pruning.shown.source}.",
            partial(pictures.draw_cuts, pictures.cuts(result, pruning)),
        ),
    ]  # fmt: skip
    if stopped:
        for cost in [o.name for o in result.objectives if o.stage != "trained"][:2]:
            of_cost = pictures.plane(result, pruning, cost)
            shown.append(
                Picture(
                    f"pruning-{cost}", f"Trainings that were given up ({stopped:,}), by {of_cost.x.label} and error.",
                    "Lines lead from the error at the epoch of the decision to the final one that was predicted. What "
                    "would have ended left of the front, or below it, is a loss if it never goes on.",
                    partial(pictures.draw_plane, of_cost),
                )
            )  # fmt: skip
    if len(pictures.bounded(pruning)):
        shown.append(
            Picture(
                "pruning-controls", "Final errors of overruled trainings against their bounds.",
                "Overruled decisions. In the grey part a training ended lower than the pruner thought possible.",
                partial(pictures.draw_controls, pruning),
            )
        )  # fmt: skip
    if pruning.ranks[["all", "best"]].notna().any(axis=None):
        shown.append(
            Picture(
                "pruning-ranks", "Rank correlation of the errors after each epoch with the final errors.",
                "How far the order after an epoch is the final order, among complete trainings alone: what was stopped "
                "early has no final error, so the truth is likely higher.",
                partial(pictures.draw_ranks, pruning),
            )
        )  # fmt: skip
    if len(shown) % 2:  # the page gives it both columns
        shown[0] = replace(shown[0], draw=partial(pictures.draw_epochs, pruning, size=(WIDE, pictures.SIZE[1])))
    return tuple(shown)


def _account_table(account: Account, epochs: int) -> Table:
    timed = account.seconds > 0  # a replay may have no seconds
    rows = [
        ("trainings begun", f"{account.trainings:,}", ""),
        ("trainings stopped", f"{account.stopped:,}", ""),
        ("trainings outbid by a new one", f"{account.outbid:,}", ""),
        ("of these two, went on later", f"{account.thawed:,}", ""),
        ("decisions followed", f"{account.decisions:,}", ""),
        ("decisions overruled (controls)", f"{account.controls:,}", ""),
        ("epochs run", f"{account.epochs:,}", f"{account.seconds:,.1f}" if timed else "–"),
        ("epochs not run", f"{account.saved:,}", f"{account.saved_seconds:,.1f}" if timed else "–"),
        ("epochs of controls after the decision", f"{account.spent:,}", ""),
    ]
    note = f"A whole training has {counted(epochs, 'epoch')}."
    note += " What was not run would have taken as long as the trial's own epochs." if timed else ""
    return Table(("", "number", "seconds"), tuple(rows), numbers=(1, 2), title="What it saved", notes=(note,))


def _control_table(arm: ControlReport, unit: str) -> Table:
    rows = [
        ("ended non-dominated", share_text(arm.nondominated)),
        ("ended below their bound", share_text(arm.below)),
        ("hypervolume lost (estimate)", _loss_text(arm.hypervolume, arm.pruned, 100, "%")),
        ("budget regret lost (estimate)", _loss_text(arm.regret, arm.pruned, 100 if unit == "%" else 1, _points(unit))),
    ]
    notes = (
        "Some decisions are overruled at random, one coin a trial. Non-dominated: among the complete trainings, costs "
        "within their intervals counted as equal. Below the bound: at most the quantile, if the pruner is calibrated.",
        "Lost: what each control added alone, for every training that was stopped for good; those that would have "
        "replaced each other are counted one by one, so it is on the high side. Budget regret: mean over budgets of "
        f"the first cost. {BOX}",
    )
    return Table(("of the controls", ""), tuple(rows), title="What it may have lost", notes=notes)


def _loss_text(loss: Loss | None, pruned: int, scale: float, unit: str) -> str:
    if loss is None:
        return "not known"
    if not pruned:
        return f"0 {unit}: nothing is stopped for good"
    if loss.high == 0:
        return f"0 {unit}: no control added anything"
    return f"{scale * loss.estimate:.2g} {unit} (95 %: {scale * loss.low:.2g} to {scale * loss.high:.2g})"


def _points(unit: str) -> str:
    return "points" if unit == "%" else unit


def _size_table(result: StudyResult, pruning: Pruning) -> Table:
    size = next(o for o in result.objectives if o.name == pruning.size)
    names = ("smallest third", "middle third", "largest third")
    rows = tuple(
        (
            name,
            f"{format_quantity(row['low'], size.unit)} to {format_quantity(row['high'], size.unit)}",
            f"{int(row['judged']):,}",
            f"{int(row['stopped']):,}",
        )
        for name, (_, row) in zip(names, pruning.thirds.iterrows(), strict=False)
    )
    note = f"Given up: stopped or outbid, and not gone on with to another end. {_size_note(size_ratio(pruning.thirds))}"
    shares = tuple((float(s), "pruned") for s in pruning.thirds["share"])
    return Table(
        ("networks", size.label, "trained", "given up"), rows, numbers=(2, 3), title="Who was given up", notes=(note,),
        shares=shares,
    )  # fmt: skip


def _size_note(ratio: float) -> str:
    if math.isnan(ratio):
        return "Of the smallest and of the largest third that is none."
    if math.isinf(ratio):
        return "Either of the smallest or of the largest third that is none, so there is no factor between them."
    return (
        f"Between the smallest and the largest third the share differs by a factor of {ratio:.1f}. Over "
        f"{LARGEST_RATIO:g} is a warning where the small ones are given up more often."
    )


def _audit_table(audits: Sequence[Audit], result: StudyResult) -> tuple[Table, ...]:
    """What every pruner would have done; no table where there are too few trainings to say."""
    if not audits:
        return ()
    unit = next(o.unit for o in result.objectives if o.stage == "trained")
    scale, shown = (100, "points") if unit == "fraction" else (1, unit)
    rows = tuple(
        (
            audit.pruner,
            f"{audit.stopped:,}",
            percent(audit.saved),
            f"{audit.front_lost} of {audit.front}",
            percent(audit.hypervolume_lost),
            "–" if audit.regret_lost is None else f"{scale * audit.regret_lost:.2g}",
        )
        for audit in audits
    )
    notes = (
        f"Each of the {audits[0].judged:,} complete trainings, judged by a pruner that was fitted to all others and so "
        "knows a little more than one that runs along; what was pruned has no end, and is not among them. Front: what "
        "no other one dominates where costs within their intervals count as equal, so it may be smaller than the "
        f"study's. Lost: by what the pruner would have stopped, had it stayed so. {BOX}",
    )
    return (
        Table(
            ("pruner", "stopped", "epochs saved", "front lost", "hypervolume lost", f"budget regret ({shown})"), rows,
            numbers=(1, 2, 3, 4, 5), title="What every pruner would have done here", notes=notes,
        ),
    )  # fmt: skip


def words(pruning: Pruning) -> tuple[str, ...]:
    """What pruning saved here, what it may have lost, and what to change."""
    return (_saved(pruning.account, pruning.pruners), _lost(pruning), _advice(pruning))


def _saved(account: Account, pruners: tuple[str, ...]) -> str:
    run_or_not = counted(account.epochs + account.saved, "epoch")
    told = (
        f"The pruner {' and '.join(pruners)} stopped {account.stopped:,} of {counted(account.trainings, 'training')}. "
        f"{account.saved:,} of {run_or_not} {_were(account.saved)} not run ({100 * account.share:.0f} %)"
    )
    if account.seconds > 0:
        told += f", about {account.saved_seconds:,.2g} s beside {account.seconds:,.2g} s of training"
    told += "."
    if account.outbid:
        told += (
            f" {account.outbid:,} more {_were(account.outbid)} outbid: a new architecture promised more for each epoch "
            "that was left."
        )
    if account.decisions > account.stopped + account.outbid:
        told += f" Some were given up several times: that took {account.decisions:,} decisions."
    if account.thawed:
        told += (
            f" {account.thawed:,} went on later, from the checkpoint; what has not come to an end waits for its turn."
        )
    if account.controls:
        told += (
            f" {counted(account.controls, 'decision')} {_were(account.controls)} overruled at random, to learn what "
            f"the others are worth; that took {counted(account.spent, 'epoch')}."
        )
    return told


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _lost(pruning: Pruning) -> str:
    arm = pruning.control
    if not arm.nondominated.n:
        return (
            "No decision was overruled, so nothing is known of what the stopped trainings would have come to: one in a "
            "hundred could be missing from the front, or half of them."
        )
    told = (
        f"{arm.nondominated.hits:,} of {counted(arm.nondominated.n, 'overruled training')} ended non-dominated (95 %: "
        f"{percent(arm.nondominated.interval[0])} to {percent(arm.nondominated.interval[1])})"
    )
    others = f" {_others(arm)}" if arm.others else ""
    if not arm.pruned:
        return f"{told}, but nothing is stopped for good, so none of it is lost.{others}"
    told += ", and that share of the stopped ones may be missing from the front"
    if arm.hypervolume is None or arm.hypervolume.high == 0:
        return f"{told}; none of them added to its hypervolume.{others}"
    return (
        f"{told}; together they ({arm.pruned:,}) are estimated at {percent(arm.hypervolume.estimate)} of the "
        f"hypervolume ({percent(arm.hypervolume.low)} to {percent(arm.hypervolume.high)}), which is on the high side."
        f"{others}"
    )


def _others(arm: ControlReport) -> str:
    """Which pruner the controls are those of, where there are others."""
    return (
        f"That is said of {arm.asked}, which decided last; {counted(arm.others, 'control')} of other pruners, or of "
        f"other quantiles, {_were(arm.others)} left out."
    )


def _advice(pruning: Pruning) -> str:
    arm, asked = pruning.control, pruning.control.asked or Asked("")
    quantile, told = asked.quantile, []
    if arm.nondominated.interval[0] > 0.05 or (arm.below.n and arm.below.interval[0] > (quantile or 1.0)):
        other = "rank" if asked.pruner == "front" else "front"  # without curves, front is rank with a smaller margin
        told.append(f"It stops too much: {'halve --pruner-quantile' if quantile else f'use --pruner {other}'}.")
    elif arm.nondominated.n < FEW_CONTROLS and pruning.control_share == 0:
        told.append("With --control-share 0 that stays so: leave it out to learn what the stopped trainings are worth.")
    elif arm.nondominated.n < FEW_CONTROLS:
        told.append("These are too few controls to change anything by; more trainings, or --control-share, give more.")
    elif arm.nondominated.interval[1] < 0.05:
        told.append("It can be bolder: surely fewer than one in twenty of the stopped would have reached the front.")
    else:
        most = percent(arm.nondominated.interval[1])
        told.append(f"Nothing here asks for another setting, but so few controls cannot exclude a share of {most}.")
    if (ratio := size_ratio(pruning.thirds)) > LARGEST_RATIO and _favours_large(pruning.thirds):
        times = f"{ratio:.1f} times as often as the largest" if math.isfinite(ratio) else "and none of the largest"
        told.append(
            f"Of the smallest third of the networks, trainings were given up {times}: small networks train slowly and "
            "are on the front because they are small, so look whether they are missing there."
        )
    return " ".join(told)


def size_ratio(thirds: pd.DataFrame) -> float:
    """Between the shares of the smallest and of the largest third that were stopped, at least 1; NaN without any."""
    if len(thirds) < 3:
        return float("nan")
    low, high = sorted((float(thirds["share"].iloc[0]), float(thirds["share"].iloc[-1])))
    return float("nan") if high == 0 else float("inf") if low == 0 else high / low


def _favours_large(thirds: pd.DataFrame) -> bool:
    return bool(thirds["share"].iloc[0] > thirds["share"].iloc[-1])


def share_text(share: Share) -> str:
    """Hits of n and the interval: ``1 of 12 (95 %: 0.4 % to 35 %)``."""
    if not share.n:
        return "none"
    low, high = share.interval
    return f"{share.hits:,} of {share.n:,} (95 %: {percent(low)} to {percent(high)})"


def percent(share: float) -> str:
    """A share in per cent, two digits."""
    return f"{100 * share:.2g} %" if abs(share) < 0.995 else f"{100 * share:.0f} %"
