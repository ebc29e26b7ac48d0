"""What a search may be told: options that it has no use for, or that do not go together, are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from nas_moo.errors import UserInputError
from nas_moo.objectives import Objective
from nas_moo.pruners import DEFAULT_PRUNER, Pruner, as_pruner
from nas_moo.pruners.front import FEWEST_POINTS
from nas_moo.results import TRIAL_COLUMNS
from nas_moo.samplers import WITH_POPULATION, check_sampler

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

PrunerLike: TypeAlias = "str | Pruner | BasePruner"
MOST_THREADS = 1024
ON_THE_DEVICE = ("latency", "throughput", "memory")


def check_sampler_options(sampler: str, population: int | None, grid_steps: int | None, *, screening: bool) -> None:
    """Refuse what the sampler has no use for."""
    if grid_steps is not None and sampler != "grid":
        raise UserInputError("only the grid takes steps", value=f"--sampler {sampler}", do="Leave out --grid-steps.")
    if population is not None and check_sampler(sampler) not in WITH_POPULATION:
        raise UserInputError("this sampler has no population", value=sampler, do="Leave out --population.")
    if not screening and sampler != "nsga2":
        raise UserInputError("this sampler screens nothing", value=sampler, do="Leave out --no-screening.")


def checked_pruner(
    given: PrunerLike | None,
    quantile: float | None,
    control_share: float | None,
    objectives: Sequence[Objective],
    epochs: int,
    *,
    thaw: bool,
) -> Pruner:
    """The pruner, checked with its options: what is asked for is had, or refused."""
    pruner = as_pruner(DEFAULT_PRUNER if given is None else given, quantile)
    name = pruner.name
    asked = {"--pruner": given is not None and name != "never", "--pruner-quantile": quantile is not None}
    asked |= {"--control-share": control_share is not None, "--no-thaw": not thaw}
    option = next((option for option, is_given in asked.items() if is_given), None)
    if option is None:
        return pruner
    trained = sum(o.stage == "trained" for o in objectives)
    if name == "never":
        raise UserInputError("nothing is pruned here", value="--pruner never", do=f"Leave out {option}.")
    if not trained:
        raise UserInputError(
            "nothing is trained here, so nothing is pruned",
            value=", ".join(o.name for o in objectives),
            do=f"Leave out {option}, or add an objective that is trained, such as error.",
        )
    if trained != 1:
        raise UserInputError(
            f"a training is judged by one objective, and here are {trained} that need training",
            value=", ".join(o.name for o in objectives if o.stage == "trained"),
            do=f"Leave out {option}, or search with one of them.",
        )
    if epochs == 1:
        raise UserInputError("a training of one epoch cannot be stopped early", value=1, do=f"Leave out {option}.")
    if quantile is not None and epochs < FEWEST_POINTS:
        raise UserInputError(
            f"fewer than {FEWEST_POINTS} epochs are no curve, and are judged without a quantile",
            value=epochs,
            do="Leave out --pruner-quantile, or give more --epochs.",
        )
    return pruner


def check_ranges(**given: int) -> None:
    """Refuse counts below 1, and more threads than any machine has."""
    for name, value in given.items():
        most = MOST_THREADS if name == "threads" else None
        if value < 1 or (most is not None and value > most):
            wanted = "1 or more" if most is None else f"1 to {most}"
            raise UserInputError(f"--{name} is out of range", value=value, do=f"Give {wanted}.")


def check_timing_options(objectives: Sequence[str], *, batch: int, precision: float | None, cold_cache: bool) -> None:
    """Refuse what only latency has a use for, where it is no objective."""
    if any(o.startswith(ON_THE_DEVICE) for o in objectives):
        return
    given = {"--batch": batch != 1, "--precision": precision is not None, "--cold-cache": cold_cache}
    for option in (name for name, is_given in given.items() if is_given):
        raise UserInputError("only what is timed takes this option", value=option, do=f"Leave out {option}.")


def check_objectives(objectives: Sequence[Objective]) -> None:
    """Refuse none at all, one twice, and names that columns of the results have."""
    if not objectives:
        raise UserInputError("a search without objectives", value=(), do="Give at least one --objective.")
    names = [o.name for o in objectives]
    if len(set(names)) < len(names):
        raise UserInputError("an objective is given twice", value=names, do="Give each once.")
    taken = [*TRIAL_COLUMNS, *(f"{name}{end}" for name in names for end in ("_low", "_high"))]
    for name in names:
        if name in taken or name.startswith(("gene_", "seconds_")):
            raise UserInputError(
                "an objective has the name of another column of the results", value=name, do="Rename the objective."
            )
