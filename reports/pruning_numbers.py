"""The statistics of pruning: epochs that were not run, decisions that were overruled, and who was stopped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from nas_moo import hindsight
from nas_moo.pareto import Array
from nas_moo.pruners.control import ControlReport
from nas_moo.results import StudyResult
from reports.quantities import Quantity, quantity, trained_objective

FEWEST_RANKED = 8  # models, below which a rank correlation says nothing
FEWEST_BEST = 10  # models that "the best" are, where a tenth is fewer
PRUNED, CONTROL = "pruned", "control"


@dataclass(frozen=True)
class Account:
    """What was run and what was not.

    Attributes:
        trainings: That were begun; one that went on later, or was interrupted and begun again, counts once.
        stopped: Of those, that a pruner stopped, once or several times.
        outbid: Of the others, that were given up for now in favour of a new one that promised more.
        thawed: Of both, those that a later trial went on with.
        decisions: To stop a training or to let it wait, that were followed.
        controls: Decisions that were overruled, and whose training has come to its end.
        epochs: Run by all trials.
        saved: Not run, since their trial was stopped for good.
        spent: Of those that were run, how many a control ran after it would have been stopped.
        seconds: Of training.
        saved_seconds: What the epochs that were not run would have taken, each as long as the trial's own.
    """

    trainings: int
    stopped: int
    outbid: int
    thawed: int
    decisions: int
    controls: int
    epochs: int
    saved: int
    spent: int
    seconds: float
    saved_seconds: float

    @property
    def share(self) -> float:
        """Of the epochs that all trainings would have run."""
        return self.saved / max(self.epochs + self.saved, 1)


@dataclass(frozen=True, eq=False)
class Pruning:
    """The statistics of a study's pruning.

    Attributes:
        shown: The objective that trainings are judged by.
        decisions: A row a decision: the columns of ``prunings``, ``digest``, ``kind`` ("pruned" or "control"),
            ``final`` (what a control ended with), ``front`` (it is on the study's front), ``thawed``, and the costs.
            One that was overruled, and whose training has not come to its end, is none: it says nothing.
        pruners: Names.
        account: Epochs and seconds.
        control: What the control arm says.
        size: The objective by which networks are large or small; empty where there is none.
        thirds: A row a third of the networks by size: ``low, high, judged, stopped, share``.
        ranks: A row an epoch: ``epoch, all, best``: rank correlation of its error with the final one, over all complete
            trainings and over those that ended best; NaN where there are too few.
        best: How many those are: a tenth, and at least ten.
        complete: How many complete trainings there are.
        epochs: Of a whole training.
        control_share: Of decisions, that the last run was told to overrule; None: what is the default.
    """

    shown: Quantity
    decisions: pd.DataFrame
    pruners: tuple[str, ...]
    account: Account
    control: ControlReport
    size: str
    thirds: pd.DataFrame
    ranks: pd.DataFrame
    best: int
    complete: int
    epochs: int
    control_share: float | None = None

    def of(self, kind: str) -> pd.DataFrame:
        """The decisions of one kind."""
        return self.decisions[self.decisions["kind"] == kind]

    @property
    def given_up(self) -> pd.DataFrame:
        """Of each training that was given up, the last decision."""
        return self.of(PRUNED).drop_duplicates("digest", keep="last")


def gather(result: StudyResult) -> Pruning | None:
    """Collect the statistics; None where no pruner decided anything that has shown its worth."""
    trained, control = trained_objective(result), hindsight.controls(result)
    if trained is None or control is None:
        return None
    decisions = _decisions(result, trained.name)
    if decisions.empty:
        return None
    size = _size(result)
    return Pruning(
        shown=quantity(result, trained.name),
        decisions=decisions,
        pruners=tuple(sorted(decisions["pruner"].unique())),
        account=_account(result, decisions),
        control=control,
        size=size,
        thirds=_thirds(result, size),
        ranks=_ranks(hindsight.curves(result)),
        best=_best(len(result.complete)),
        complete=len(result.complete),
        epochs=int(result.description["epochs"]),
        control_share=next((run.get("control_share") for run in result.description.get("runs", [])[::-1]), None),
    )


def _decisions(result: StudyResult, error: str) -> pd.DataFrame:
    of_trial = result.trials.set_index("number")
    open_ = result.prunings["control"] & ~result.prunings["number"].isin(result.complete["number"])
    prunings = result.prunings[~open_].sort_values("number")
    numbers = prunings["number"]
    costs = {o.name: numbers.map(of_trial[o.name]) for o in result.objectives if o.name != error}
    gone_on = set(result.trials["number"]) - set(hindsight.pruned_for_good(result)["number"])
    return prunings.assign(
        digest=numbers.map(of_trial["digest"]),
        kind=np.where(prunings["control"], CONTROL, PRUNED),
        final=numbers.map(of_trial[error]).astype(float),
        front=numbers.map(of_trial["front"]).astype(bool),
        thawed=~prunings["control"] & numbers.isin(gone_on),
        **costs,
    )


def account(result: StudyResult) -> Account | None:
    """What pruning saved; None where no pruner decided anything."""
    trained = trained_objective(result)
    return None if trained is None or result.prunings.empty else _account(result, _decisions(result, trained.name))


def _account(result: StudyResult, decisions: pd.DataFrame) -> Account:
    epochs, pruned = int(result.description["epochs"]), hindsight.pruned_for_good(result)
    per_epoch = result.epochs.groupby("number")["seconds"].mean()
    left = epochs - pruned["epochs"]
    controls, followed = (decisions[decisions["kind"] == kind] for kind in (CONTROL, PRUNED))
    reached = result.trials.set_index("number")["epochs"]
    stopped = set(followed.loc[~followed["outbid"], "digest"])
    return Account(
        trainings=result.trials.loc[result.trials["trained"], "digest"].nunique(),
        stopped=len(stopped),
        outbid=len(set(followed["digest"]) - stopped),
        thawed=followed.loc[followed["thawed"], "digest"].nunique(),
        decisions=len(followed),
        controls=len(controls),
        epochs=int(result.trials["epochs_run"].sum()),
        saved=int(left.sum()),
        spent=int((controls["number"].map(reached) - controls["epoch"]).sum()),
        seconds=float(result.trials.get("seconds_training", pd.Series(dtype=float)).sum()),
        saved_seconds=float((left * pruned["number"].map(per_epoch)).sum()),
    )


def _size(result: StudyResult) -> str:
    names = [o.name for o in result.objectives if o.stage != "trained"]
    return next((name for name in ("params", "flops", *names) if name in names), "")


def _thirds(result: StudyResult, size: str) -> pd.DataFrame:
    """How many of each third by size were stopped for good; without rows where there are no three sizes."""
    pruned = hindsight.pruned_for_good(result)
    columns = ["low", "high", "judged", "stopped", "share"]
    rows = pd.concat([result.complete, pruned])
    if not size or rows[size].nunique() < 3:
        return pd.DataFrame(columns=columns)
    stopped = rows["state"].eq("pruned")
    place = rows[size].rank(method="min").sub(1).mul(3).floordiv(len(rows))
    found = [
        (part[size].min(), part[size].max(), len(part), int(stopped[part.index].sum()), stopped[part.index].mean())
        for _, part in rows.groupby(place)
    ]
    return pd.DataFrame(found, columns=columns)


def _ranks(known: hindsight.Curves) -> pd.DataFrame:
    errors, n = known.finished.curves, len(known.finished)
    best = np.argsort(known.finished.final, kind="stable")[: _best(n)]
    everyone = [
        _spearman(errors[:, e], errors[:, -1]) if n >= FEWEST_RANKED else np.nan for e in range(errors.shape[1])
    ]
    few = n < 3 * len(best)  # they would be most of all
    among = [np.nan if few else _spearman(errors[best, e], errors[best, -1]) for e in range(errors.shape[1])]
    return pd.DataFrame({"epoch": known.finished.epochs.astype(int), "all": everyone, "best": among})


def _best(n: int) -> int:
    return max(round(n / 10), FEWEST_BEST)


def _spearman(one: Array, other: Array) -> float:
    a, b = (pd.Series(v).rank().to_numpy() for v in (one, other))
    return float("nan") if np.ptp(a) == 0 or np.ptp(b) == 0 else float(np.corrcoef(a, b)[0, 1])
