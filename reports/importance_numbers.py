"""How much each choice matters, for each objective: shares with intervals, and what a choice without effect would show.

An objective that is trained for is judged by the complete models, a cost by every network that it was measured of: a
training gene cannot change a cost, so each network counts once and these genes are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas_moo.choose import ObjectiveInfo
from nas_moo.pareto import Array
from nas_moo.results import StudyResult
from reports.coded import Coded
from reports.ped_anova import Grid, best_of, importance
from reports.quantities import Quantity, quantity

FEWEST = 20  # models; fewer say nothing
BEST_SHARE, FEWEST_BEST = 0.1, 8
RESAMPLES = 100
_SEED = 0
_NORMAL = 1.96  # standard errors on either side of a 95 % interval
_CHANCE = 0.95
COLUMNS = ("gene", "share", "low", "high", "chance", "matters", "active", "active_best", "condition")


@dataclass(frozen=True, eq=False)
class Importance:
    """What decides one objective.

    Attributes:
        shown: The objective.
        of: What was judged: "complete models" or "networks".
        n: How many.
        best: How many of them are the best, which the others are compared with.
        limit: The worst of the best, in the unit that is shown.
        table: A row a gene, the most important first: ``share`` of the importance of all genes, its interval, the share
            that a gene without effect stays below in 95 of 100 cases (``chance``), whether it ``matters`` (is above),
            and where it is ``active`` (models, and of the best) under a ``condition``; empty where ``missing``.
        unable: Genes that cannot change it, because they change the training alone.
        missing: Why there is no table.
    """

    shown: Quantity
    of: str
    n: int
    best: int
    limit: float
    table: pd.DataFrame
    unable: tuple[str, ...] = ()
    missing: str = ""

    @property
    def mattering(self) -> list[str]:
        """Genes above chance, the most important first."""
        return [str(g) for g in self.table.loc[self.table["matters"], "gene"]]


def gather(result: StudyResult, genes: Sequence[Coded], objective: str | None = None) -> tuple[Importance, ...]:
    """The importance of each of the genes for every objective, or for one.

    Raises:
        UnknownNameError: the study has no such objective.
        StudyMismatchError: as ``StudyResult.require_one_key``.
    """
    result.require_one_key()
    wanted = quantity(result, objective).name if objective else None
    return tuple(_of(result, o, genes) for o in result.objectives if wanted in (None, o.name))


def _of(result: StudyResult, objective: ObjectiveInfo, genes: Sequence[Coded]) -> Importance:
    shown, trained = quantity(result, objective.name), objective.stage == "trained"
    of = "complete models" if trained else "networks"
    rows = np.flatnonzero(_judged(result.trials, objective))
    values = result.trials[objective.name].to_numpy(dtype=float)[rows]
    able = [g for g in genes if trained or not g.training]
    unable = tuple(g.name for g in genes if g not in able)
    best, missing = 0, ""
    if len(rows) < FEWEST:
        are = f"{of} are" if len(rows) != 1 else f"{of.removesuffix('s')} is"
        missing = f"{len(rows)} {are} too few to say what decides {shown.label}: it takes {FEWEST}."
    elif not able:
        missing = f"No gene of this study has several values and can change {shown.label}."
    else:
        once = np.ones((1, len(rows)))
        is_best = best_of(values, once, BEST_SHARE, FEWEST_BEST)[0] > 0
        best = int(is_best.sum())
        if best > len(rows) / 2:
            missing = f"{best} of {len(rows)} {of} are among the best in {shown.label} or tie with them."
    if missing:
        return Importance(shown, of, len(rows), best, np.nan, _empty(), unable, missing)
    table = _table(able, rows, values, is_best)
    return Importance(shown, of, len(rows), best, float(values[is_best].max()) * shown.scale, table, unable)


def _judged(trials: pd.DataFrame, objective: ObjectiveInfo) -> NDArray[np.bool_]:
    """Trials that have the objective; a model, or for a cost a network, once."""
    has = np.isfinite(trials[objective.name].to_numpy(dtype=float))
    key = "network_digest"
    if objective.stage == "trained":
        has, key = has & (trials["state"] == "complete").to_numpy(), "digest"
    again = trials.loc[has, key].duplicated().to_numpy()
    has[np.flatnonzero(has)[again]] = False
    return np.asarray(has, dtype=bool)


def _table(genes: Sequence[Coded], rows: NDArray[np.intp], values: Array, is_best: NDArray[np.bool_]) -> pd.DataFrame:
    grids = [Grid(cells[rows], size, not g.choices) for g in genes for cells, size in (g.cells(),)]
    once = np.ones((1, len(rows)))
    found = importance(grids, once * is_best, once)[:, 0]
    rng = np.random.default_rng(_SEED)
    total = found.sum() or 1.0
    again = _shares(_resampled(grids, values, rng)).std(axis=1, ddof=1)
    chance = np.quantile(_at_random(grids, int(is_best.sum()), rng), _CHANCE, axis=1) / total
    share = found / total
    active = np.array([g.cells >= 0 for g in grids])
    table = pd.DataFrame(
        {
            "gene": [g.name for g in genes],
            "share": share,
            "low": np.maximum(share - _NORMAL * again, 0),
            "high": np.minimum(share + _NORMAL * again, 1),
            "chance": chance,
            "matters": share > chance,
            "active": active.sum(axis=1),
            "active_best": active[:, is_best].sum(axis=1),
            "condition": [g.condition for g in genes],
        }
    )
    return table.sort_values("share", ascending=False, kind="stable").reset_index(drop=True)


def _resampled(grids: Sequence[Grid], values: Array, rng: np.random.Generator) -> Array:
    """The importance in bootstrap resamples of the models, shape (genes, resamples)."""
    n = len(values)
    drawn = rng.integers(n, size=(RESAMPLES, n)) + n * np.arange(RESAMPLES)[:, None]
    weights = np.bincount(drawn.ravel(), minlength=RESAMPLES * n).reshape(RESAMPLES, n).astype(float)
    return importance(grids, best_of(values, weights, BEST_SHARE, FEWEST_BEST), weights)


def _at_random(grids: Sequence[Grid], best: int, rng: np.random.Generator) -> Array:
    """The importance where as many models, picked at random, take the place of the best."""
    n = len(grids[0].cells)
    picked = np.zeros((RESAMPLES, n))
    np.put_along_axis(picked, np.argpartition(rng.random((RESAMPLES, n)), best, axis=1)[:, :best], 1.0, axis=1)
    return importance(grids, picked, np.ones_like(picked))


def _shares(found: Array) -> Array:
    total = found.sum(axis=0)
    return np.asarray(found / np.where(total > 0, total, 1.0))


def _empty() -> pd.DataFrame:
    return pd.DataFrame(columns=list(COLUMNS)).astype({"matters": bool, "share": float})
