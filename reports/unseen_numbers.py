"""The statistics of unseen data: the test errors of the front against the validation errors that chose it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kendalltau
from scipy.stats import t as student

from nas_moo.choose import ObjectiveInfo
from nas_moo.pareto import Array, nondominated
from nas_moo.results import StudyResult
from reports.agreement import MOST, Agreement, agreement, sample
from reports.quantities import Quantity, passes_tenfold, quantity, trained_objective

CONFIDENCE = "95 %"  # what the name of an interval begins with, if it is one of confidence
_ENDS = ("", "_low", "_high")
_EXAMPLES = 3


@dataclass(frozen=True)
class Gap:
    """Test minus validation error, in the unit that is shown.

    Attributes:
        mean: Over the models of the front; above zero the front was optimistic.
        low: Lower end of a 95 % t-interval over the models: had the search found others, on the same examples.
        high: Its upper end; NaN for fewer than two models.
        examples: By how much other examples would move the mean, at most: half a 95 % interval if all models erred on
            the same ones. NaN where the errors have no such intervals.
    """

    mean: float
    low: float
    high: float
    examples: float


@dataclass(frozen=True)
class Flips:
    """Pairs of models that change places between validation and test.

    Attributes:
        pairs: With different validation errors.
        changed: The lower validation error has the higher test error.
        apart: Of the changed ones, those whose test intervals do not overlap.
        examples: The widest of them by id, the better on test first.
        used: How many models were compared; of very many a sample.
    """

    pairs: int
    changed: int
    apart: int
    examples: tuple[tuple[str, str], ...]
    used: int


@dataclass(frozen=True)
class Folds:
    """Under k-fold validation, how much the front's errors differ from fold to fold.

    Attributes:
        count: Of folds; 0 where they were not stored.
        spread: Median over models of the standard deviation over folds.
        agreement: Mean of Kendall's tau between the orders that two folds give the models; NaN below three models.
    """

    count: int
    spread: float
    agreement: float


@dataclass(frozen=True, eq=False)
class Unseen:
    """The front on validation and on test data, in the units that are shown.

    Attributes:
        shown: The error.
        models: ``id, validation, validation_low, validation_high, test, test_low, test_high, gap, gap_low, gap_high,
            rank, test_rank, stays, beaten_by`` by ascending validation error. The gap is test minus validation, with
            the interval of a difference of two independent values (Newcombe 1998, method 10); NaN where theirs are
            none of confidence. A model stays where no other one of them dominates it by test error and costs;
            ``beaten_by`` is the best on test of those that do.
        interval: What the intervals of test errors are.
        judged: They are intervals at all: a recorded error may have none.
        gap: The optimism.
        ranks: How far the two orders agree.
        flips: Where they do not.
        folds: None under hold-out validation.
        chosen: Id of the chosen model.
        without: Models of the front that have no test value.
        costs: Labels of the other objectives.
        log: Both axes are logarithmic.
    """

    shown: Quantity
    models: pd.DataFrame
    interval: str
    judged: bool
    gap: Gap
    ranks: Agreement
    flips: Flips
    folds: Folds | None
    chosen: str
    without: int
    costs: tuple[str, ...]
    log: bool

    @property
    def unit(self) -> str:
        """Of a difference of two errors."""
        return "points" if self.shown.unit == "%" else self.shown.unit


def gather(result: StudyResult, opened: pd.DataFrame) -> Unseen | None:
    """Compare the front on both data; None where nothing is trained or no model has a test value.

    Args:
        result: The study.
        opened: What ``result.unseal`` gave.
    """
    objective = trained_objective(result)
    if objective is None or result.complete.empty:
        return None
    front = result.front().drop_duplicates("id")
    both = front.merge(opened.drop_duplicates("id"), on="id").dropna(subset=["test"])
    if both.empty:
        return None
    shown = quantity(result, objective.name)
    models = _models(result, objective, both, shown.scale)
    kinds = sorted({str(i) for i in both["interval"]})
    judged = bool((models["test_high"] > models["test_low"]).any())
    confident = judged and all(k.startswith(CONFIDENCE) for k in (*kinds, shown.interval))
    models = _with_gaps(models, confident=confident)
    drawn = np.r_[models["validation"], models["test"]]
    return Unseen(
        shown=shown,
        models=models,
        interval=" or ".join(kinds),
        judged=judged,
        gap=_gap(models, confident=confident),
        ranks=agreement(_of(models, "validation"), _of(models, "test")),
        flips=_flips(models, judged=judged),
        folds=_folds(result, objective, both, shown.scale),
        chosen=result.choose().id,
        without=len(front) - len(both),
        costs=tuple(o.label for o in result.objectives if o is not objective),
        log=passes_tenfold(drawn),
    )


def _models(result: StudyResult, objective: ObjectiveInfo, both: pd.DataFrame, scale: float) -> pd.DataFrame:
    table = pd.DataFrame({"id": both["id"].astype(str)})
    for end in _ENDS:
        table[f"validation{end}"] = both[f"{objective.name}{end}"].astype(float) * scale
        table[f"test{end}"] = both[f"test{end}"].astype(float) * scale
    values = both[[o.name for o in result.objectives]].to_numpy(dtype=float, copy=True)
    values[:, result.objectives.index(objective)] = both["test"].to_numpy(dtype=float)
    stays = nondominated(values)
    table = table.assign(
        rank=table["validation"].rank(method="min").astype(int),
        test_rank=table["test"].rank(method="min").astype(int),
        stays=stays,
        beaten_by=_beaten_by(values, stays, _of(table, "test"), table["id"].tolist()),
    )
    return table.sort_values(["validation", "test", "id"], kind="stable").reset_index(drop=True)


def _with_gaps(models: pd.DataFrame, *, confident: bool) -> pd.DataFrame:
    gap = models["test"] - models["validation"]
    down = np.hypot(models["test"] - models["test_low"], models["validation_high"] - models["validation"])
    up = np.hypot(models["test_high"] - models["test"], models["validation"] - models["validation_low"])
    none = np.nan if not confident else 0.0
    return models.assign(gap=gap, gap_low=gap - down + none, gap_high=gap + up + none)


def _of(models: pd.DataFrame, column: str) -> Array:
    return models[column].to_numpy(dtype=float)


def _beaten_by(values: Array, stays: NDArray[np.bool_], test: Array, ids: list[str]) -> list[str]:
    found = [""] * len(ids)
    order = [int(i) for i in np.argsort(test, kind="stable") if stays[i]]
    kept = values[order]
    for i in np.flatnonzero(~stays):
        beats = (kept <= values[i]).all(axis=1) & (kept < values[i]).any(axis=1)
        found[int(i)] = ids[order[int(np.argmax(beats))]]
    return found


def _gap(models: pd.DataFrame, *, confident: bool) -> Gap:
    gaps = _of(models, "gap")
    mean, half = float(gaps.mean()), math.nan
    if len(gaps) > 1:
        half = float(student.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / math.sqrt(len(gaps)))
    halves = [(_of(models, f"{part}_high") - _of(models, f"{part}_low")).mean() / 2 for part in ("validation", "test")]
    return Gap(mean, mean - half, mean + half, math.hypot(*halves) if confident else math.nan)


def _flips(models: pd.DataFrame, *, judged: bool) -> Flips:
    models = models.iloc[sample(len(models), MOST)]
    validation, low, test, high = (_of(models, c) for c in ("validation", "test_low", "test", "test_high"))
    worse = validation[:, None] < validation[None, :]
    changed = worse & (test[:, None] > test[None, :])
    apart = changed & (low[:, None] > high[None, :]) if judged else np.zeros_like(changed)
    first, second = np.nonzero(apart)
    widest = np.argsort(-(test[first] - test[second]), kind="stable")[:_EXAMPLES]
    ids = models["id"].tolist()
    pairs = tuple((ids[second[k]], ids[first[k]]) for k in widest.tolist())
    return Flips(int(worse.sum()), int(changed.sum()), int(apart.sum()), pairs, len(models))


def _folds(result: StudyResult, objective: ObjectiveInfo, both: pd.DataFrame, scale: float) -> Folds | None:
    if "fold" not in str(result.description.get("validation") or "").replace("-", "").lower():
        return None
    rows = result.measurements
    rows = rows[(rows["objective"] == objective.name) & rows["number"].isin(both["number"])]
    stored = [d["folds"] for d in rows["details"] if len(d.get("folds") or ()) > 1]
    if not stored or len({len(s) for s in stored}) > 1:
        return Folds(0, math.nan, math.nan)
    errors = np.array(stored, dtype=float) * scale
    return Folds(errors.shape[1], float(np.median(errors.std(axis=1, ddof=1))), _between_folds(errors))


def _between_folds(errors: Array) -> float:
    if len(errors) < 3:
        return math.nan
    taus = [kendalltau(a, b, method="asymptotic").statistic for a, b in combinations(errors.T, 2)]
    return float(np.nanmean(taus)) if np.isfinite(taus).any() else math.nan
