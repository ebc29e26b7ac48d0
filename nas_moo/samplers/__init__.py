"""Who proposes the next architecture.

Every sampler is an Optuna ``BaseSampler`` over a genome of fixed length that never proposes a known architecture:
``load_sampler`` wraps Optuna's own in ``DistinctSampler``; ``GridSampler`` walks the genome.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from nas_moo.errors import UnknownNameError, UserInputError
from nas_moo.evaluation import Origin
from nas_moo.genome import Architecture, Genome

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from nas_moo.samplers.nsga2 import Reader

DEFAULT_SAMPLER = "nsga2"
RANDOM_START = 10  # trials that TPE and GP draw evenly, Optuna's own default


@dataclass(frozen=True)
class SamplerOptions:
    """What a sampler may be told.

    Attributes:
        seed: Of its random numbers.
        population: Trials of one generation (NSGA-II and III).
        grid_steps: Values that a real gene takes on the grid.
    """

    seed: int = 0
    population: int = 20
    grid_steps: int | None = None

    def __post_init__(self) -> None:
        if self.population < 2:
            raise UserInputError("a population is too small to breed", value=self.population, do="Give 2 or more.")
        if self.grid_steps is not None and self.grid_steps < 2:
            raise UserInputError("a grid takes too few steps", value=self.grid_steps, do="Give --grid-steps 2 or more.")


@dataclass(frozen=True, eq=False)
class Problem:
    """What a sampler of ours may know of the objectives.

    Attributes:
        error: Place of the one objective that only training tells.
        costs: Names of the others, in order: measured before training.
        log: Which of those are compared in their logarithm.
        ask: Gives the costs of any candidate by name. Those that are not known are left out: a latency that was not
            measured yet, or all of them where the network cannot be built.
        limits: Largest admissible costs by name.
    """

    error: int
    costs: tuple[str, ...]
    log: tuple[bool, ...]
    ask: Callable[[Architecture], Mapping[str, float]]
    limits: Mapping[str, float] = field(default_factory=dict)


def _nsga2(options: SamplerOptions) -> BaseSampler:
    from optuna.samplers import NSGAIISampler

    return NSGAIISampler(population_size=options.population, seed=options.seed)


def _nsga3(options: SamplerOptions) -> BaseSampler:
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import NSGAIIISampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # its interface may change; its results may be compared
        return NSGAIIISampler(population_size=options.population, seed=options.seed)


def _random(options: SamplerOptions) -> BaseSampler:
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=options.seed)


def _tpe(options: SamplerOptions) -> BaseSampler:
    from optuna.samplers import TPESampler

    return TPESampler(seed=options.seed, n_startup_trials=RANDOM_START)


def _gp(options: SamplerOptions) -> BaseSampler:
    from optuna.samplers import GPSampler

    return GPSampler(seed=options.seed, n_startup_trials=RANDOM_START)


_OPTUNA: Mapping[str, Callable[[SamplerOptions], BaseSampler]] = {
    "gp": _gp,
    "nsga3": _nsga3,
    "optuna-nsga2": _nsga2,
    "random": _random,
    "tpe": _tpe,
}
SAMPLERS = (*sorted([*_OPTUNA, "nsga2"]), "grid")
WITH_POPULATION = ("nsga2", "nsga3", "optuna-nsga2")


def check_sampler(name: str) -> str:
    """Return the name; raise where no sampler has it."""
    if name not in SAMPLERS:
        raise UnknownNameError("sampler", name, SAMPLERS)
    return name


def load_sampler(
    name: str,
    genome: Genome,
    options: SamplerOptions,
    is_known: Callable[[Architecture], bool],
    problem: Problem | None = None,
    *,
    read: Reader | None = None,
    seeds: Sequence[Architecture] = (),
) -> BaseSampler:
    """A sampler by its name.

    Args:
        name: "optuna-nsga2" (Deb et al. 2002), "nsga3" (Deb and Jain 2014), "random", "tpe" (Ozaki et al. 2022) and
            "gp" are Optuna's; "nsga2" and "grid" are ours.
        genome: What it proposes.
        options: Those that do not concern the sampler are ignored by it; the caller refuses them.
        is_known: Whether an architecture was proposed before; such a one is drawn again.
        problem: With it, "nsga2" screens candidates by their costs and a surrogate of the error.
        read: A finished trial as "nsga2" selects it; None: by its values and constraints alone.
        seeds: Proposed before anything else, those that are not known.
    """
    sampler = _by_name(name, genome, options, is_known, problem, read)
    if not seeds:
        return sampler
    from nas_moo.samplers.seeded import SeededSampler

    return SeededSampler(sampler, genome, is_known, seeds)


def _by_name(
    name: str,
    genome: Genome,
    options: SamplerOptions,
    is_known: Callable[[Architecture], bool],
    problem: Problem | None,
    read: Reader | None,
) -> BaseSampler:
    check_sampler(name)
    if name == "grid":
        from nas_moo.samplers.grid import GridSampler

        return GridSampler(genome, is_known, options.grid_steps)
    if name == "nsga2":
        from nas_moo.samplers.nsga2 import NSGA2Sampler

        return NSGA2Sampler(
            genome, is_known, population=options.population, seed=options.seed, problem=problem, read=read
        )
    from nas_moo.samplers.distinct import DistinctSampler

    base = _OPTUNA[name](options)
    return DistinctSampler(base, genome, is_known, options.seed, partial(_origin, name, base))


def _origin(name: str, base: BaseSampler, study: Study, trial: FrozenTrial) -> Origin:
    """How a sampler of Optuna comes by its proposal for a trial."""
    from optuna.samplers import BaseGASampler

    if isinstance(base, BaseGASampler):  # the first generation has no parents, and is drawn evenly
        return "bred" if base.get_trial_generation(study, trial) > 0 else "random"
    # A trial sees no more finished ones than its own number; with some that failed, later ones are drawn evenly, too.
    return "random" if name == "random" or trial.number < RANDOM_START else "model"
