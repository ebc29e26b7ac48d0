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
from nas_moo.pruners import DEFAULT_PRUNER, DEFAULT_QUANTILE, OPTUNA, WITH_QUANTILE, load_pruner
from nas_moo.pruners.control import check_share
from nas_moo.results import TRIAL_COLUMNS
from nas_moo.samplers import WITH_POPULATION, SamplerOptions, check_sampler
from nas_moo.space import LoadedSpace, SearchSpace, load_space
from nas_moo.study.seeds import SeedArchitectures, read_seeds
from nas_moo.study.storage import FORMAT, check_study_name, default_study_name, now

if TYPE_CHECKING:
    import torch

DEFAULT_OBJECTIVES = ("error", "flops", "latency")
LARGEST_SEED = 2**32 - 1  # what numpy's and scikit-learn's generators take
MOST_THREADS = 1024
ON_THE_DEVICE = ("latency", "throughput", "memory")
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
    pruner: str | None = None,
    pruner_quantile: float | None = None,
    control_share: float | None = None,
    thaw: bool = True,
) -> Setup:
    """Check and load everything a search is told.

    Raises:
        UserInputError: something cannot be had; nothing was stored.
    """
    _check_ranges(trials=trials, epochs=epochs, batch=batch, threads=threads)
    if not 0 <= seed <= LARGEST_SEED:
        raise UserInputError("a seed is out of range", value=seed, do=f"Give --seed 0 to {LARGEST_SEED}.")
    if time_limit is not None and not time_limit > 0:
        raise UserInputError(
            "a time limit is not positive", value=time_limit, do="Give seconds, or text such as 10min."
        )
    _check_sampler_options(sampler, population, grid_steps, screening=screening)
    loaded = load_space(space)
    dataset = load_data(data)
    where = resolve_device(device)
    _check_timing_options(objectives, batch=batch, precision=precision, cold_cache=cold_cache)
    if allow_uncounted and "flops" not in objectives:
        raise UserInputError(
            "only flops can leave operators uncounted", value="--allow-uncounted", do="Leave it out, or measure flops."
        )
    percentiles = any(split_tail(name)[1] for name in limits or {})
    how: dict[str, Any] = {"batch": batch, "precision": precision, "cold_cache": cold_cache, "percentiles": percentiles}
    how["allow_uncounted"] = allow_uncounted
    measured = tuple(load_objective(o, device=where, **how) for o in objectives)
    _check_objectives(measured)
    if validation != "holdout" and not any(o.stage == "trained" for o in measured):
        raise UserInputError(
            "nothing is trained here, so nothing is validated", value=validation, do="Leave out --validation."
        )
    chosen = _pruner(pruner, pruner_quantile, control_share, measured, epochs, thaw=thaw)
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
        pruner=chosen,
        pruner_quantile=_quantile(chosen, pruner_quantile),
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


def _check_sampler_options(sampler: str, population: int | None, grid_steps: int | None, *, screening: bool) -> None:
    """Refuse what the sampler has no use for."""
    if grid_steps is not None and sampler != "grid":
        raise UserInputError("only the grid takes steps", value=f"--sampler {sampler}", do="Leave out --grid-steps.")
    if population is not None and check_sampler(sampler) not in WITH_POPULATION:
        raise UserInputError("this sampler has no population", value=sampler, do="Leave out --population.")
    if not screening and sampler != "nsga2":
        raise UserInputError("this sampler screens nothing", value=sampler, do="Leave out --no-screening.")


def _pruner(
    given: str | None,
    quantile: float | None,
    control_share: float | None,
    objectives: Sequence[Objective],
    epochs: int,
    *,
    thaw: bool,
) -> str:
    """The pruner, checked with its options: what is asked for is had, or refused."""
    name = DEFAULT_PRUNER if given is None else given
    load_pruner(name, quantile)
    asked = {"--pruner": given not in (None, "never"), "--pruner-quantile": quantile is not None}
    asked |= {"--control-share": control_share is not None, "--no-thaw": not thaw}
    option = next((option for option, is_given in asked.items() if is_given), None)
    if option is None:
        return name
    trained = sum(o.stage == "trained" for o in objectives)
    if name == "never":
        raise UserInputError("nothing is pruned here", value="--pruner never", do=f"Leave out {option}.")
    if trained != 1:
        raise UserInputError(
            "a training is judged by one objective; here are others than one that need training",
            value=[o.name for o in objectives if o.stage == "trained"],
            do=f"Leave out {option}, or search with one of them.",
        )
    if epochs == 1:
        raise UserInputError("a training of one epoch cannot be stopped early", value=1, do=f"Leave out {option}.")
    return name


def _quantile(pruner: str, given: float | None) -> float | None:
    return DEFAULT_QUANTILE if given is None and pruner in WITH_QUANTILE else given


def _check_ranges(**given: int) -> None:
    for name, value in given.items():
        most = MOST_THREADS if name == "threads" else None
        if value < 1 or (most is not None and value > most):
            wanted = "1 or more" if most is None else f"1 to {most}"
            raise UserInputError(f"--{name} is out of range", value=value, do=f"Give {wanted}.")


def _check_timing_options(objectives: Sequence[str], *, batch: int, precision: float | None, cold_cache: bool) -> None:
    """Refuse what only latency has a use for, where it is no objective."""
    if any(o.startswith(ON_THE_DEVICE) for o in objectives):
        return
    given = {"--batch": batch != 1, "--precision": precision is not None, "--cold-cache": cold_cache}
    for option in (name for name, is_given in given.items() if is_given):
        raise UserInputError("only what is timed takes this option", value=option, do=f"Leave out {option}.")


def _check_objectives(objectives: Sequence[Objective]) -> None:
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


def installed_versions() -> dict[str, str]:
    """Of nas-moo, Python and the packages that numbers depend on."""
    found = {"python": platform.python_version(), "platform": f"{sys.platform} {platform.machine()}"}
    for package in VERSIONED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a source tree that was not installed
            found[package] = "not installed"
    return found
