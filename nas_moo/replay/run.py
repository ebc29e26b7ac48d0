"""One search in which a recorded table answers: a real sampler in a real Optuna study."""

from __future__ import annotations

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
from optuna.trial import FrozenTrial

from nas_moo.genome import Architecture, Genome
from nas_moo.replay.table import RecordedTable
from nas_moo.replay.trace import Trace
from nas_moo.samplers import Problem, SamplerOptions, load_sampler
from nas_moo.samplers.base import WrappingSampler
from nas_moo.samplers.distinct import REDRAWS
from nas_moo.samplers.distributions import SpaceExhaustedError, distributions


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
    return load_sampler(name, genome, options, is_known, costs.problem if screening else None)


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


def replay_search(table: RecordedTable, load: Loader, options: SamplerOptions, trials: int) -> Trace:
    """One search: propose, answer from the table, tell, until the trials or the table are used up.

    Args:
        table: It answers.
        load: Makes the sampler.
        options: Of the sampler; its seed is the search's.
        trials: Full trainings at most.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ledger = Ledger(table)
    oracle, space = CostOracle(ledger), distributions(table.genome)
    sampler = load(table.genome, options, ledger.is_known, oracle)
    if not table.complete:
        sampler = RecordedSampler(sampler, ledger)
    study = optuna.create_study(directions=["minimize"] * table.objectives.shape[1], sampler=sampler)
    rows, proposing, asked = list[int](), list[float](), list[int]()
    for _ in range(trials):
        begun = _proposing_time(sampler)
        try:
            trial = study.ask(fixed_distributions=space)
        except SpaceExhaustedError:
            break
        spent = _proposing_time(sampler) - begun
        row = table.answer(table.genome.architecture(trial.params), ledger.tried)
        ledger.note(row)
        oracle.note(row)
        begun = _proposing_time(sampler)
        study.tell(trial, table.objectives[row].tolist())
        rows.append(row)
        proposing.append(spent + _proposing_time(sampler) - begun)
        asked.append(oracle.asked)
    return Trace(
        seed=options.seed,
        rows=np.array(rows, dtype=np.intp),
        fulls=np.ones(len(rows)),
        complete=np.ones(len(rows), dtype=bool),
        proposing=np.array(proposing),
        asked=np.array(asked, dtype=np.intp),
        duplicates=ledger.duplicates,
    )


def replay_seeds(
    table: RecordedTable,
    load: Loader,
    options: SamplerOptions,
    *,
    trials: int,
    seeds: int,
    jobs: int = 1,
    progress: Callable[[Trace], None] = lambda _: None,
) -> list[Trace]:
    """One search for each seed from 0, in order.

    Args:
        table: It answers.
        load: Makes the samplers; with several jobs it must be a function of a module.
        options: Of the samplers, except for the seed.
        trials: Full trainings at most of each.
        seeds: How many.
        jobs: Processes.
        progress: Told of each search when it has ended.
    """
    told = [replace(options, seed=seed) for seed in range(seeds)]
    traces = []
    for trace in _searches(table, load, told, trials, min(jobs, seeds)):
        progress(trace)
        traces.append(trace)
    return traces


def _searches(
    table: RecordedTable, load: Loader, told: Sequence[SamplerOptions], trials: int, jobs: int
) -> Iterator[Trace]:
    if jobs <= 1:
        yield from (replay_search(table, load, options, trials) for options in told)
        return
    search = partial(_search_here, load, trials)
    # A fork would copy the threads' locks of numerical libraries; the table goes to each process once.
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_remember, initargs=(table,)) as pool:
        yield from pool.map(search, told)


_TABLE: list[RecordedTable] = []


def _remember(table: RecordedTable) -> None:
    _TABLE[:] = [table]


def _search_here(load: Loader, trials: int, options: SamplerOptions) -> Trace:
    return replay_search(_TABLE[0], load, options, trials)


def _proposing_time(sampler: BaseSampler) -> float:
    looking = sampler.seconds if isinstance(sampler, RecordedSampler) else 0.0
    return time.process_time() - looking
