"""What a search is told, checked before anything is stored."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from nas_moo.choose import ObjectiveInfo, parse_limits
from nas_moo.data import Dataset, Split, load_data, split
from nas_moo.device import fingerprint, resolve_device
from nas_moo.errors import UserInputError
from nas_moo.genome import Architecture
from nas_moo.measurement import split_tail
from nas_moo.objectives import Conditioned, Objective, load_objective
from nas_moo.pruners import OPTUNA, Pruner
from nas_moo.pruners.control import check_share
from nas_moo.samplers import WITH_POPULATION, SamplerOptions, check_sampler
from nas_moo.space import LoadedSpace, SearchSpace, load_space
from nas_moo.study.options import (
    PrunerLike,
    check_objectives,
    check_ranges,
    check_sampler_options,
    check_timing_options,
    checked_pruner,
)
from nas_moo.study.seeds import SeedArchitectures, read_seeds
from nas_moo.study.storage import FORMAT, check_study_name, default_study_name, now

if TYPE_CHECKING:
    import torch

DEFAULT_OBJECTIVES = ("error", "flops", "latency")
LARGEST_SEED = 2**32 - 1  # what numpy's and scikit-learn's generators take
VERSIONED = ("nas-moo", "torch", "optuna", "fvcore", "numpy", "pandas", "moocore", "scikit-learn")


@dataclass(frozen=True, eq=False)
class Setup:
    """One search, ready to run.

    Attributes:
        name: Of the study.
        space: The search space.
        dataset: The data.
        objectives: In order; the first one of stage "trained" is what a learning curve shows.
        sampler: Who proposes.
        options: What the sampler is told.
        trials: Trained trials that the study shall have in total.
        epochs: Of each training.
        time_limit: Seconds that this run may take, or None.
        validation: "holdout" or "kfold:K".
        limits: Largest admissible values by objective, in its unit.
        device: Where networks are trained and timed.
        threads: Of a training on a CPU.
        screening: Our NSGA-II may screen its children before it proposes one.
        seed_architectures: Trained before what the sampler proposes.
        pruner: Who stops trainings that are not worth their end.
        pruner_quantile: Share of trainings that may end below the pruner's bound; None for pruners without.
        made_pruner: The pruner, where it was not given by its name.
        control_share: Of the decisions to stop a training, how many are overruled; None: a quarter, and once there are
            enough controls a twentieth.
        thaw: Pruned trials keep a checkpoint, and go on when the pruner would no longer stop them.
    """

    name: str
    space: LoadedSpace
    dataset: Dataset
    objectives: tuple[Objective, ...]
    sampler: str
    options: SamplerOptions
    trials: int
    epochs: int
    time_limit: float | None
    validation: str
    limits: Mapping[str, float]
    device: torch.device
    threads: int = 1
    screening: bool = True
    seed_architectures: tuple[Architecture, ...] = ()
    pruner: str = "never"
    pruner_quantile: float | None = None
    made_pruner: Pruner | None = None
    control_share: float | None = None
    thaw: bool = True

    @cached_property
    def splits(self) -> tuple[Split, ...]:
        """One a fold; one in all under hold-out."""
        return split(self.dataset, validation=self.validation, seed=self.options.seed)

    @property
    def trained_objectives(self) -> tuple[Objective, ...]:
        """Those that need training."""
        return tuple(o for o in self.objectives if o.stage == "trained")

    @property
    def wants_screening(self) -> bool:
        """Whether the sampler screens its children where the objectives let it."""
        return self.screening and self.sampler == "nsga2"

    @property
    def screens(self) -> bool:
        """Whether it does: one objective is trained, and the others are costs."""
        return self.wants_screening and len(self.trained_objectives) == 1 < len(self.objectives)

    @property
    def prunes(self) -> bool:
        """Whether trainings may be stopped: there is one objective to judge them by, and an end to spare."""
        return self.pruner != "never" and len(self.trained_objectives) == 1 and self.epochs > 1

    @property
    def thaws(self) -> bool:
        """Whether pruned trials may go on; Optuna's own pruners do not say when they have changed their mind."""
        return self.prunes and self.thaw and not self.pruner.startswith(OPTUNA)

    def identity(self) -> dict[str, Any]:
        """What must be the same for the study to go on: everything that its numbers depend on."""
        return {
            "search_space": self.space.space.genome.describe(),
            "class_of_the_search_space": type(self.space.space).__qualname__,
            "code_of_the_search_space": self.space.code_digest,
            "data": self.dataset.digest,
            "objectives": [o.name for o in self.objectives],
            "methods_of_measurement": [o.method for o in self.objectives],
            "conditions_of_measurement": [
                c for o in self.objectives if isinstance(o, Conditioned) for c in o.conditions
            ]
            or None,
            "number_of_epochs": self.epochs if self.trained_objectives else None,
            "kind_of_training_device": self.device.type if self.trained_objectives else None,
            "validation": self.validation,
            "seed": self.options.seed,
        }

    def describe(self, command: str) -> dict[str, Any]:
        """The study's description as it is stored."""
        first = self.splits[0]
        return {
            "format": FORMAT,
            "name": self.name,
            "created": now(),
            "command": command,
            "space": {"reference": self.space.reference, "code_digest": self.space.code_digest},
            "genome": self.space.space.genome.describe(),
            "size": self.space.space.genome.size(),
            "data": {
                "reference": self.dataset.reference,
                "name": self.dataset.name,
                "digest": self.dataset.digest,
                "input_shape": list(self.dataset.input_shape),
                "n_classes": self.dataset.n_classes,
                "class_names": list(self.dataset.class_names),
                "parts": {
                    "train": len(first.train.y),
                    "validation": len(first.validation.y),
                    "test": len(first.test.y),
                },
            },
            "objectives": [asdict(objective_info(o)) for o in self.objectives],
            "validation": self.validation,
            "epochs": self.epochs,
            "seed": self.options.seed,
            "threads": self.threads,
            "sampler": self.sampler,
            "population": self.options.population if self.sampler in WITH_POPULATION else None,
            "screening": self.screens,
            "pruner": self.pruner if self.prunes else None,
            "pruner_quantile": self.pruner_quantile if self.prunes else None,
            "control_share": self.control_share if self.prunes else None,
            "thaw": self.thaws,
            "seed_architectures": [a.digest for a in self.seed_architectures],
            "trials": self.trials,
            "limits": dict(self.limits),
            "device": fingerprint(self.device).to_dict(),
            "versions": installed_versions(),
            "identity": self.identity(),
        }


def configure(
    space: str | SearchSpace | type,
    data: str | Dataset,
    objectives: Sequence[str] = DEFAULT_OBJECTIVES,
    *,
    study: str | None = None,
    trials: int = 60,
    epochs: int = 15,
    sampler: str,
    population: int | None = None,
    grid_steps: int | None = None,
    seed: int = 0,
    validation: str = "holdout",
    limits: Mapping[str, str | float] | None = None,
    time_limit: float | None = None,
    device: str = "auto",
    batch: int = 1,
    precision: float | None = None,
    cold_cache: bool = False,
    threads: int = 1,
    screening: bool = True,
    seed_architectures: SeedArchitectures | None = None,
    allow_uncounted: bool = False,
    pruner: PrunerLike | None = None,
    pruner_quantile: float | None = None,
    control_share: float | None = None,
    thaw: bool = True,
) -> Setup:
    """Check and load everything a search is told.

    Raises:
        UserInputError: something cannot be had; nothing was stored.
    """
    check_ranges(trials=trials, epochs=epochs, batch=batch, threads=threads)
    if not 0 <= seed <= LARGEST_SEED:
        raise UserInputError("a seed is out of range", value=seed, do=f"Give --seed 0 to {LARGEST_SEED}.")
    if time_limit is not None and not time_limit > 0:
        raise UserInputError(
            "a time limit is not positive", value=time_limit, do="Give seconds, or text such as 10min."
        )
    check_sampler_options(sampler, population, grid_steps, screening=screening)
    loaded = load_space(space)
    dataset = load_data(data)
    where = resolve_device(device)
    check_timing_options(objectives, batch=batch, precision=precision, cold_cache=cold_cache)
    if allow_uncounted and "flops" not in objectives:
        raise UserInputError(
            "only flops can leave operators uncounted", value="--allow-uncounted", do="Leave it out, or measure flops."
        )
    percentiles = any(split_tail(name)[1] for name in limits or {})
    how: dict[str, Any] = {"batch": batch, "precision": precision, "cold_cache": cold_cache, "percentiles": percentiles}
    how["allow_uncounted"] = allow_uncounted
    measured = tuple(load_objective(o, device=where, **how) for o in objectives)
    check_objectives(measured)
    if validation != "holdout" and not any(o.stage == "trained" for o in measured):
        raise UserInputError(
            "nothing is trained here, so nothing is validated", value=validation, do="Leave out --validation."
        )
    chosen = checked_pruner(pruner, pruner_quantile, control_share, measured, epochs, thaw=thaw)
    setup = Setup(
        name=check_study_name(study) if study is not None else default_study_name(loaded.name, dataset.name),
        space=loaded,
        dataset=dataset,
        objectives=measured,
        sampler=check_sampler(sampler),
        options=SamplerOptions(seed, SamplerOptions.population if population is None else population, grid_steps),
        trials=trials,
        epochs=epochs,
        time_limit=time_limit,
        validation=validation,
        limits=parse_limits(limits or {}, [objective_info(o) for o in measured]),
        device=where,
        threads=threads,
        screening=screening,
        seed_architectures=() if seed_architectures is None else read_seeds(seed_architectures, loaded.space.genome),
        pruner=chosen.name,
        pruner_quantile=getattr(chosen, "quantile", None),
        made_pruner=None if pruner is None or isinstance(pruner, str) else chosen,
        control_share=check_share(control_share),
        thaw=thaw,
    )
    _ = setup.splits  # wrong folds and classes too small to split are found here
    return setup


def objective_info(objective: Objective) -> ObjectiveInfo:
    """What a stored study keeps of an objective."""
    return ObjectiveInfo(
        objective.name, objective.unit, objective.label, objective.stage, objective.log, objective.method
    )


def installed_versions() -> dict[str, str]:
    """Of nas-moo, Python and the packages that numbers depend on."""
    found = {"python": platform.python_version(), "platform": f"{sys.platform} {platform.machine()}"}
    for package in VERSIONED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a source tree that was not installed
            found[package] = "not installed"
    return found
