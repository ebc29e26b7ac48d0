"""When a training is given up early, by pruners that know what a model costs.

A ``Pruner`` is fitted to finished trainings and gives a ``Rule``; the rule looks at the beginning of a curve and at the
known costs, and gives a ``Verdict``. All of it is pure, so that the same object judges a live trial and re-judges a
finished study. Numpy alone, except for ``shadow``, which lets any of Optuna's pruners decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.pruners.base import FinishedCurves, Pruner, Rule, Verdict
from nas_moo.pruners.front import QUANTILE, FrontPruner
from nas_moo.pruners.halving import HalvingPruner
from nas_moo.pruners.median import MedianPruner
from nas_moo.pruners.never import NeverPruner
from nas_moo.pruners.rank import RankPruner

__all__ = [
    "DEFAULT_PRUNER",
    "DEFAULT_QUANTILE",
    "PRUNERS",
    "WITH_QUANTILE",
    "FinishedCurves",
    "Pruner",
    "Rule",
    "Verdict",
    "check_pruner",
    "load_pruner",
]

DEFAULT_PRUNER = "front"
DEFAULT_QUANTILE = QUANTILE
WITH_QUANTILE = ("front",)
OPTUNA = "optuna:"  # before the name of a class of Optuna's

_MADE: Mapping[str, Callable[[], Pruner]] = {
    "front": FrontPruner,
    "rank": RankPruner,
    "median": MedianPruner,
    "halving": HalvingPruner,
    "never": NeverPruner,
}
PRUNERS = tuple(_MADE)


def check_pruner(name: str) -> str:
    """Return the name; raise where no pruner has it."""
    if name not in PRUNERS and not name.startswith(OPTUNA):
        raise UnknownNameError("pruner", name, PRUNERS, also=f"Or {OPTUNA}NAME, a class of optuna.pruners.")
    return name


def load_pruner(name: str, quantile: float | None = None) -> Pruner:
    """A pruner by its name.

    Args:
        name: One of ``PRUNERS``, or "optuna:" and the name of a class of ``optuna.pruners``, which is made without
            arguments.
        quantile: Share of trainings that may end below what was thought possible; None: the default. Only "front" has
            one.

    Raises:
        UserInputError: there is no such pruner, the quantile is outside (0, 0.5], or the pruner has none.
    """
    check_pruner(name)
    if name in WITH_QUANTILE:
        return FrontPruner(DEFAULT_QUANTILE if quantile is None else quantile)
    if quantile is not None:
        raise UserInputError("this pruner has no quantile", value=name, do="Leave out --pruner-quantile.")
    if name.startswith(OPTUNA):
        from nas_moo.pruners.shadow import load_optuna

        return load_optuna(name.removeprefix(OPTUNA))
    return _MADE[name]()
