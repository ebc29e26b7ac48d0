"""When a training is given up early, by pruners that know what a model costs.

A ``Pruner`` is fitted to finished trainings and gives a ``Rule``; the rule looks at the beginning of a curve and at the
known costs, and gives a ``Verdict``. All of it is pure, so that the same object judges a live trial and re-judges a
finished study. Numpy alone, except for ``shadow``, which lets any of Optuna's pruners decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
    "as_pruner",
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


def as_pruner(given: Any, quantile: float | None = None) -> Pruner:
    """A pruner as users may give it: by its name, one of ours or of their own, or any of Optuna's.

    Args:
        given: A name, a ``Pruner``, or an ``optuna.pruners.BasePruner``.
        quantile: As in ``load_pruner``, beside a name.

    Raises:
        UserInputError: it is none of these, or was made with a quantile of its own.
    """
    if isinstance(given, str):
        return load_pruner(given, quantile)
    if quantile is not None:
        raise UserInputError(
            "a pruner that is made already takes no quantile", value=quantile, do="Give it when you make the pruner."
        )
    if _is_pruner(given):
        pruner: Pruner = given
        return pruner
    from nas_moo.pruners.shadow import of_optuna

    if (shadow := of_optuna(given)) is None:
        raise UserInputError(
            "this is no pruner",
            value=repr(given),
            do=f"Give a name ({', '.join(PRUNERS)}, {OPTUNA}NAME), an object with name, caution, fit and cautious, or "
            "a pruner that was made from a class of optuna.pruners.",
        )
    return shadow


def _is_pruner(given: Any) -> bool:
    callables = all(callable(getattr(given, method, None)) for method in ("fit", "cautious"))
    return (
        not isinstance(given, type)
        and callables
        and hasattr(given, "caution")
        and isinstance(getattr(given, "name", None), str)
    )


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
