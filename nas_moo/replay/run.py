"""One search in which a recorded table answers: a real sampler in a real Optuna study."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from typing import Any, TypeAlias

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from nas_moo.genome import Architecture, Genome
from nas_moo.replay.pruning import Pruning, Trainer, Training
from nas_moo.replay.table import RecordedTable
from nas_moo.replay.trace import Trace
from nas_moo.samplers import Problem, SamplerOptions, load_sampler
from nas_moo.samplers.base import GenomeSampler, WrappingSampler
from nas_moo.samplers.distinct import REDRAWS
from nas_moo.samplers.distributions import SpaceExhaustedError, distributions
from nas_moo.samplers.nsga2 import read_trial
from nas_moo.samplers.population import Individual


@dataclass
class Ledger:
    """What a replayed search has trained so far."""

    table: RecordedTable
    tried: NDArray[np.bool_] = field(init=False)
    duplicates: int = field(default=0, init=False)
    _known: set[str] = field(default_factory=set, init=False)
    _drawn_again: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.tried = np.zeros(len(self.table), dtype=bool)

    def is_known(self, architecture: Architecture) -> bool:
        """Whether it was trained; every known one is a proposal drawn again."""
        known = architecture.digest in self._known
        self._drawn_again += known
        return known

    def note(self, row: int) -> None:
        """A row was trained."""
        self.tried[row] = True
        self._known.add(self.table.architectures[row].digest)
        self.duplicates += min(self._drawn_again, REDRAWS)  # the rest looked for what is left, and was not drawn
        self._drawn_again = 0


class CostOracle:
    """Tells a sampler the costs of candidates, as measuring untrained networks would, and counts whom it was asked for.

    A trained architecture is counted too, once: its costs had to be measured as well. In a sample of a space the row
    that would answer the candidate tells its costs.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._asked = ledger, set[int]()

    def __call__(self, architecture: Architecture) -> dict[str, float]:
        """The costs by their names."""
        table = self._ledger.table
        row = table.answer(architecture, self._ledger.tried)
        self._asked.add(row)
        return table.cost_of(row)

    @property
    def problem(self) -> Problem:
        """What a sampler may know: the error comes first among a table's objectives."""
        described = self._ledger.table.described
        return Problem(0, tuple(c.name for c in described), tuple(c.log for c in described), self)

    @property
    def asked(self) -> int:
        """How many distinct architectures were asked for."""
        return len(self._asked)

    def note(self, row: int) -> None:
        """A row was trained, and so measured."""
        self._asked.add(row)


Loader: TypeAlias = Callable[[Genome, SamplerOptions, Callable[[Architecture], bool], CostOracle], BaseSampler]

_PREDICTED, _CURVE, _LEFT = "predicted", "curve", "remaining"  # attributes of trials
_ROUNDING = 1e-9  # shares of trainings may sum up to a little less than a whole


def load_named(
    name: str,
    genome: Genome,
    options: SamplerOptions,
    is_known: Callable[[Architecture], bool],
    costs: CostOracle,
    *,
    screening: bool = True,
) -> BaseSampler:
    """A sampler of nas-moo as a ``Loader`` wants it."""
    return load_sampler(name, genome, options, is_known, costs.problem if screening else None, read=_read)


class RecordedSampler(WrappingSampler):
    """Replaces each proposal by the nearest untried row of a sample, before anything is stored.

    So every sampler is told the genes that were really trained, and keeps its own bookkeeping: a trial added from
    elsewhere would get no generation in NSGA-II and never breed.

    Attributes:
        seconds: CPU seconds spent looking for rows; no search outside a replay would spend them.
    """

    def __init__(self, base: BaseSampler, ledger: Ledger) -> None:
        super().__init__(base, ledger.table.genome)
        self._ledger, self.seconds = ledger, 0.0

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The active genes of the row that answers; inactive ones stay as they were proposed.

        Raises:
            SpaceExhaustedError: no row is left.
        """
        table, tried = self._ledger.table, self._ledger.tried
        if tried.all():
            raise SpaceExhaustedError(
                "every row of the table has been tried",
                trial=trial.number,
                value=len(table),
                do="Nothing is left to replay.",
            )
        drawn = self.base.sample_relative(study, trial, self.base.infer_relative_search_space(study, trial))
        begun = time.process_time()
        row = table.answer(self._genome.architecture(drawn), tried)
        answered = {**drawn, **table.architectures[row]}
        self.seconds += time.process_time() - begun
        return answered


def replay_search(
    table: RecordedTable, load: Loader, options: SamplerOptions, trials: int, pruning: Pruning | None = None
) -> Trace:
    """One search: propose, answer from the table, tell, until the trials or the table are used up.

    Args:
        table: It answers.
        load: Makes the sampler.
        options: Of the sampler; its seed is the search's.
        trials: What may be spent, in full trainings; the last one is trained as far as it gets.
        pruning: When trainings are given up; None: never.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = _Search(table, load, options, pruning or Pruning())
    while search.spent < trials - _ROUNDING and search.step():
        pass
    return search.trace()


class _Search:
    """A search as it goes."""

    def __init__(self, table: RecordedTable, load: Loader, options: SamplerOptions, pruning: Pruning) -> None:
        self.spent = 0.0
        self._table, self._seed, self._pruning = table, options.seed, pruning
        self._ledger = Ledger(table)
        self._oracle, self._space = CostOracle(self._ledger), distributions(table.genome)
        sampler = load(table.genome, options, self._ledger.is_known, self._oracle)
        self._sampler = sampler if table.complete else RecordedSampler(sampler, self._ledger)
        self._study = optuna.create_study(directions=["minimize"] * table.objectives.shape[1], sampler=self._sampler)
        self._trainer = Trainer(table, pruning, options.seed, self._goes_on)
        self._genes = dict[int, dict[str, Any]]()  # of the rows that were proposed, inactive ones too
        self._numbers = dict[int, int]()  # of the trials whose rows were given up
        self._trainings, self._proposing, self._asked = list[Training](), list[float](), list[int]()

    def step(self) -> bool:
        """One training; False where nothing is left to train."""
        begun = _proposing_time(self._sampler)
        row, trial = self._trainer.thaw(), None
        if row is None:
            try:
                trial = self._study.ask(fixed_distributions=self._space)
            except SpaceExhaustedError:
                return False
            spent = _proposing_time(self._sampler) - begun
            row = self._table.answer(self._table.genome.architecture(trial.params), self._ledger.tried)
            self._ledger.note(row)
            self._genes[row] = trial.params
            self._oracle.note(row)
            begun = _proposing_time(self._sampler) - spent
        training = self._trainer.train(row, len(self._trainings), wanted=trial is not None)
        self._tell(trial, training)
        self._trainings.append(training)
        self._proposing.append(_proposing_time(self._sampler) - begun)
        self._asked.append(self._oracle.asked)
        self.spent += training.fulls
        return True

    def trace(self) -> Trace:
        """What it did."""
        return Trace(
            seed=self._seed,
            rows=np.array([t.row for t in self._trainings], dtype=np.intp),
            fulls=np.array([t.fulls for t in self._trainings]),
            complete=np.array([t.verdict is None for t in self._trainings], dtype=bool),
            proposing=np.array(self._proposing),
            asked=np.array(self._asked, dtype=np.intp),
            duplicates=self._ledger.duplicates,
            pruning=self._trainer.trace(),
            trainings=tuple(self._trainings),
        )

    def _goes_on(self, row: int, points: int, remaining: float) -> bool:
        if not isinstance(self._sampler, GenomeSampler):
            return True
        curve = tuple(self._table.errors[row, :points].tolist())
        return self._sampler.goes_on(self._genes[row], self._table.objectives[row][1:], curve, remaining)

    def _tell(self, trial: Trial | None, training: Training) -> None:
        """Tell Optuna; what goes on is a trial of its own, with the genes and the generation of the one before."""
        values, complete = self._table.objectives[training.row].tolist(), training.verdict is None
        predicted = None if complete else self._trainer.predicted(training)
        attributes: dict[str, Any] = {_CURVE: self._table.errors[training.row, : training.points].tolist()}
        if predicted is not None:
            remaining = 1.0 - self._table.share(training.points) if self._pruning.thaw else math.inf
            attributes |= {_PREDICTED: [predicted, *values[1:]], _LEFT: remaining}
        if trial is None:
            before = self._study.get_trials(deepcopy=False)[self._numbers[training.row]]
            kept = {k: v for k, v in before.system_attrs.items() if not k.startswith("constraints:")}
            state = TrialState.COMPLETE if complete else TrialState.PRUNED
            self._study.add_trial(
                create_trial(
                    state=state,
                    values=values if complete else None,
                    params=before.params,
                    distributions=before.distributions,
                    user_attrs=attributes,
                    system_attrs=kept if complete else {**kept, "constraints:pruned": 1.0},
                )
            )
        elif complete:
            trial.set_user_attr(_CURVE, attributes[_CURVE])
            self._study.tell(trial, values)
        else:
            self._numbers[training.row] = trial.number
            for name, value in attributes.items():
                trial.set_user_attr(name, value)
            trial.set_constraint("pruned", 1.0)  # without it TPE cannot read the study
            self._study.tell(trial, state=TrialState.PRUNED)


def _read(trial: FrozenTrial) -> Individual | None:
    """A finished trial of a replay; a pruned one with the final error that is expected."""
    curve = tuple(trial.user_attrs.get(_CURVE, ()))
    if trial.state == TrialState.PRUNED:
        if _PREDICTED not in trial.user_attrs:
            return None
        values = np.array(trial.user_attrs[_PREDICTED])
        return Individual(trial.params, values, values, values, 0.0, False, curve, trial.user_attrs[_LEFT])
    found = read_trial(trial)
    return None if found is None else replace(found, curve=curve)


def replay_seeds(
    table: RecordedTable,
    load: Loader,
    options: SamplerOptions,
    *,
    trials: int,
    seeds: int,
    jobs: int = 1,
    pruning: Pruning | None = None,
    progress: Callable[[Trace], None] = lambda _: None,
) -> list[Trace]:
    """One search for each seed from 0, in order.

    Args:
        table: It answers.
        load: Makes the samplers; with several jobs it must be a function of a module.
        options: Of the samplers, except for the seed.
        trials: What each may spend, in full trainings.
        seeds: How many.
        jobs: Processes.
        pruning: When trainings are given up; None: never.
        progress: Told of each search when it has ended.
    """
    told = [replace(options, seed=seed) for seed in range(seeds)]
    traces = []
    for trace in _searches(table, load, told, trials, min(jobs, seeds), pruning):
        progress(trace)
        traces.append(trace)
    return traces


def _searches(
    table: RecordedTable,
    load: Loader,
    told: Sequence[SamplerOptions],
    trials: int,
    jobs: int,
    pruning: Pruning | None,
) -> Iterator[Trace]:
    if jobs <= 1:
        yield from (replay_search(table, load, options, trials, pruning) for options in told)
        return
    search = partial(_search_here, load, trials, pruning)
    # A fork would copy the threads' locks of numerical libraries; the table goes to each process once.
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_remember, initargs=(table,)) as pool:
        yield from pool.map(search, told)


_TABLE: list[RecordedTable] = []


def _remember(table: RecordedTable) -> None:
    _TABLE[:] = [table]


def _search_here(load: Loader, trials: int, pruning: Pruning | None, options: SamplerOptions) -> Trace:
    return replay_search(_TABLE[0], load, options, trials, pruning)


def _proposing_time(sampler: BaseSampler) -> float:
    looking = sampler.seconds if isinstance(sampler, RecordedSampler) else 0.0
    return time.process_time() - looking
