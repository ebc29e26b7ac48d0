"""What ``sampler_overhead`` times: one workload, and searches of it that differ in their sampler alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import optuna
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseGASampler, BaseSampler, NSGAIISampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from nas_moo.genes import Categorical, Gene, Integer, Real, at_least
from nas_moo.genome import Architecture, Genome
from nas_moo.samplers import DEFAULT_SAMPLER, Problem, SamplerOptions, load_sampler
from nas_moo.samplers.distributions import anywhere, distributions

POPULATION = 50  # Optuna's default; ours is 20
STAGES = 4
WIDTHS = (16, 24, 32, 48, 64)
KERNELS = (3, 5, 7)


def _stage(place: int) -> tuple[Gene, Gene]:
    active = at_least("stages", place + 1) if place else None
    return (
        Categorical(f"width_{place}", WIDTHS, ordered=True, active=active),
        Categorical(f"kernel_{place}", KERNELS, ordered=True, active=active),
    )


GENOME = Genome(
    Integer("stages", 1, STAGES),
    *(gene for place in range(STAGES) for gene in _stage(place)),
    Categorical("activation", ("relu", "silu", "gelu")),
    Integer("head", 16, 512, log=True),
    Real("rate", 1e-3, 1e-1, log=True, affects="training"),
)
SPACE = distributions(GENOME)


@dataclass(frozen=True)
class Spent:
    """CPU seconds of some trials.

    Attributes:
        whole: In ``study.ask`` and ``study.tell``.
        hooks: Of those, inside the sampler.
    """

    whole: float
    hooks: float

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.whole + other.whole, self.hooks + other.hooks)


class Search(Protocol):
    """Something that goes on searching for some trials."""

    def step(self, trials: int) -> Spent:
        """Ask for trials one by one, evaluate them and tell."""


def costs(architecture: Architecture) -> dict[str, float]:
    """Two cheap functions of the genes."""
    stages = [(architecture[f"width_{i}"], architecture[f"kernel_{i}"]) for i in range(architecture["stages"])]
    flops = sum(width * width * kernel * kernel for width, kernel in stages) + 10.0 * architecture["head"]
    return {"flops": flops, "latency": sum(math.sqrt(w) * k for w, k in stages) + 0.01 * architecture["head"]}


def objectives(architecture: Architecture) -> list[float]:
    """An error that falls with the costs, around a best learning rate, with a noise of its own; then the costs."""
    measured = costs(architecture)
    noise = int(architecture.digest, 16) / 16**12
    best = {"relu": -2.0, "silu": -2.2, "gelu": -1.8}[architecture["activation"]]
    error = 5.0 / math.log(measured["flops"]) + 0.1 * (math.log10(architecture["rate"]) - best) ** 2 + 0.02 * noise
    return [error, *measured.values()]


class TimedSampler(BaseSampler):
    """Passes everything on to another sampler, and adds up the CPU seconds that it takes."""

    def __init__(self, base: BaseSampler) -> None:
        self.base, self.seconds = base, 0.0

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Pass on."""
        return self._timed(self.base.infer_relative_search_space, study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Pass on."""
        return self._timed(self.base.sample_relative, study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Pass on."""
        return self._timed(self.base.sample_independent, study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on."""
        self._timed(self.base.before_trial, study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Pass on."""
        self._timed(self.base.after_trial, study, trial, state, values)

    def _timed(self, hook: Callable[..., Any], *arguments: Any) -> Any:
        begun = time.process_time()
        result = hook(*arguments)
        self.seconds += time.process_time() - begun
        return result


class StudySearch:
    """A search in an Optuna study in memory.

    Args:
        load: Makes the sampler from what is known and a seed.
        finished: Trials that the study begins with.
        seed: Of the sampler and of those trials.
    """

    def __init__(self, load: Loader, finished: int, seed: int) -> None:
        self._known: set[str] = set()
        self.sampler = TimedSampler(load(self._is_known, seed))
        self.study = optuna.create_study(directions=["minimize"] * 3, sampler=self.sampler)
        self.study.add_trials(self._finished(finished, np.random.default_rng(seed)))
        if isinstance(self.sampler.base, BaseGASampler):
            for generation in range(1, finished // POPULATION + 1):  # as if it had bred them; each looks at the last
                self.sampler.base.get_parent_population(self.study, generation)

    def step(self, trials: int) -> Spent:
        """Ask for trials one by one, evaluate them and tell."""
        whole, inside = 0.0, self.sampler.seconds
        for _ in range(trials):
            begun = time.process_time()
            trial = self.study.ask(fixed_distributions=SPACE)
            whole += time.process_time() - begun
            values = self._evaluated(GENOME.architecture(trial.params))
            begun = time.process_time()
            self.study.tell(trial, values)
            whole += time.process_time() - begun
        return Spent(whole, self.sampler.seconds - inside)

    def _finished(self, count: int, rng: np.random.Generator) -> list[FrozenTrial]:
        """Trials drawn evenly. Optuna's NSGA-II breeds only from trials that have a generation."""
        key = f"{NSGAIISampler.__name__}:generation"
        trials = []
        for number in range(count):
            genes = {gene.name: anywhere(gene, rng) for gene in GENOME.genes}
            values = self._evaluated(GENOME.architecture(genes))
            attributes = {key: number // POPULATION}
            trials.append(
                optuna.create_trial(params=genes, distributions=SPACE, values=values, system_attrs=attributes)
            )
        return trials

    def _evaluated(self, architecture: Architecture) -> list[float]:
        self._known.add(architecture.digest)
        return objectives(architecture)

    def _is_known(self, architecture: Architecture) -> bool:
        return architecture.digest in self._known


Loader = Callable[[Callable[[Architecture], bool], int], BaseSampler]


def ours(population: int, *, screening: bool) -> Loader:
    """Our NSGA-II."""
    problem = Problem(0, ("flops", "latency"), (True, True), costs) if screening else None

    def load(is_known: Callable[[Architecture], bool], seed: int) -> BaseSampler:
        return load_sampler(
            DEFAULT_SAMPLER, GENOME, SamplerOptions(seed=seed, population=population), is_known, problem
        )

    return load


LOADERS: Mapping[str, Loader] = {
    "random": lambda _, seed: RandomSampler(seed=seed),
    "optuna-nsga2": lambda _, seed: NSGAIISampler(population_size=POPULATION, seed=seed),
    "nsga2 (20)": ours(20, screening=False),
    "nsga2 (50)": ours(POPULATION, screening=False),
    "screening": ours(20, screening=True),
}
