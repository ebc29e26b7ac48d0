"""What ``compare_samplers`` judges by: pure functions from the table of all trainings to scores and their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas_moo.pareto import hypervolume, nondominated, scaled

BASELINE = "random"
WORST_ERROR = 0.2
MARGIN = 1.1  # of the reference point beyond the largest network, so that the largest counts too
BUDGETS = 20
LOG = (False, True)  # error linear, FLOPs logarithmic
RESAMPLES = 10_000

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """Where hypervolume is measured: between an ideal and a reference point, error linear and FLOPs in logarithm.

    Attributes:
        flops: Of the smallest and the largest network of the space.
        worst_error: Of the reference point: a network that errs more often counts nothing.
    """

    flops: tuple[float, float]
    worst_error: float = WORST_ERROR

    def corners(self) -> Array:
        """Ideal and reference: shape (2, 2), error and log FLOPs."""
        return scaled(np.array([[0.0, self.flops[0]], [self.worst_error, self.flops[1] * MARGIN]]), LOG)

    def share(self, values: Array) -> float:
        """The share of the box that points of error and FLOPs dominate; those without an error count nothing."""
        ideal, reference = self.corners()
        points = scaled(values[~np.isnan(values[:, 0])], LOG)
        return hypervolume(points, reference) / float(np.prod(reference - ideal))

    def budgets(self) -> Array:
        """FLOPs that a user might allow: evenly spaced in logarithm from twice the smallest network to the largest."""
        return np.geomspace(2 * self.flops[0], self.flops[1], BUDGETS)


def box(trainings: pd.DataFrame, worst_error: float = WORST_ERROR) -> Box:
    """The box of a space whose grid reaches its smallest and its largest network."""
    grid = trainings.loc[trainings["sampler"] == "grid", "flops"]
    return Box((float(grid.min()), float(grid.max())), worst_error)


def shares(run: pd.DataFrame, box: Box) -> Array:
    """Share of the box after each training of one run, by the validation error."""
    values = run[["error", "flops"]].to_numpy(dtype=float)
    return np.array([box.share(values[:n]) for n in range(1, len(values) + 1)])


def sealed_share(run: pd.DataFrame, box: Box) -> float:
    """Share of the box by the test error, of the models that the validation error put on the front."""
    return box.share(run.loc[front(run), ["test", "flops"]].to_numpy(dtype=float))


def front(run: pd.DataFrame) -> pd.Index:
    """The trainings that no other of the run dominates."""
    complete = run[run["error"].notna()]
    return complete.index[nondominated(complete[["error", "flops"]].to_numpy(dtype=float))]


def picked(run: pd.DataFrame, budget: float) -> pd.Series | None:
    """What a user takes: the lowest validation error within a budget, and of equals the smaller network."""
    affordable = run[(run["flops"] <= budget) & run["error"].notna()]
    return None if affordable.empty else affordable.sort_values(["error", "flops"], kind="stable").iloc[0]


def picked_error(run: pd.DataFrame, budgets: Sequence[float] | Array, column: str = "test") -> float:
    """Mean error of what a user takes within each budget: by the test, or by the validation ("error") that chose it.

    Raises:
        ValueError: the run has no network that small.
    """
    errors = []
    for budget in budgets:
        model = picked(run, budget)
        if model is None:
            raise ValueError(f"no network within {budget:.0f} FLOPs: begin the budgets higher")
        errors.append(model[column])
    return float(np.mean(errors))


def score(trainings: pd.DataFrame, worst_error: float = WORST_ERROR) -> pd.DataFrame:
    """A row a run: ``sampler, seed``; the shares ``validation, test``; of the picks ``picked`` and ``promised``.

    ``picked`` is their mean test error, ``promised`` the mean validation error that they were chosen by.
    """
    bounds = box(trainings, worst_error)
    return pd.DataFrame(
        [
            {
                "sampler": sampler,
                "seed": seed,
                "validation": shares(run, bounds)[-1],
                "test": sealed_share(run, bounds),
                "picked": picked_error(run, bounds.budgets()),
                "promised": picked_error(run, bounds.budgets(), "error"),
            }
            for (sampler, seed), run in trainings.groupby(["sampler", "seed"], sort=False)
        ]
    )


def paired(scores: pd.DataFrame, sampler: str, column: str, baseline: str = BASELINE) -> Array:
    """A sampler's score minus the baseline's, seed by seed."""
    table = scores.pivot(index="seed", columns="sampler", values=column)
    return np.asarray(table[sampler] - table[baseline], dtype=float)


def interval(differences: Array, *, seed: int = 0) -> tuple[float, float, float]:
    """Mean, and the 95 % percentile-bootstrap interval of the mean (Efron 1979); too narrow for few values."""
    rng = np.random.default_rng(seed)
    drawn = rng.choice(differences, size=(RESAMPLES, len(differences))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(differences.mean()), float(low), float(high)


def quartiles(values: Array) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)
