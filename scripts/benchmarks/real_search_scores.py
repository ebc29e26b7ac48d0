"""What ``real_search`` and ``real_pruning`` judge fronts by: budget regret on test data, of one seed's searches."""

from __future__ import annotations

import numpy as np
import pandas as pd
from compare_samplers_scores import picked

BUDGETS = 20
POINTS = 100  # error points of a fraction


def regrets(seed: pd.DataFrame, arm: str, at: str) -> dict[tuple[str, float], float]:
    """Budget regret in points of each arm and checkpoint of one seed.

    Args:
        seed: A row a front model: ``flops, error, test``, ``median`` (error of all complete models), and two columns:
        arm: The column that names the arm.
        at: The column of the checkpoint; the last one of all arms together is what is compared with.
    """
    union = seed[seed[at] == seed[at].max()]
    best = union[union["error"] <= [union.loc[union["flops"] <= f, "error"].min() for f in union["flops"]]]
    budgets = np.geomspace(best["flops"].min(), best["flops"].max(), BUDGETS)
    cap = float(union["median"].mean())
    everything = np.array([_outcome(union, b, cap) for b in budgets])
    return {
        (str(name), float(point)): POINTS * float(np.mean([_outcome(front, b, cap) for b in budgets] - everything))
        for (name, point), front in seed.groupby([arm, at])
    }


def _outcome(front: pd.DataFrame, budget: float, cap: float) -> float:
    """The test error that a user gets within a budget; the cap where nothing meets it, or what does is worse."""
    model = picked(front, budget)
    return cap if model is None else min(float(model["test"]), cap)
