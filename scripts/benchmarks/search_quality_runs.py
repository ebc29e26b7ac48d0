"""The runs of ``search_quality``: one search a table, arm and seed; one that fails is listed and stops no other."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from search_quality_arms import ARMS
from search_quality_record import Record, Search, finished
from threadpoolctl import threadpool_limits

from nas_moo.errors import NasMooError
from nas_moo.replay.table import RecordedTable, load_table


@dataclass(frozen=True)
class Task:
    """A search to be run."""

    table: Path
    arm: str
    seed: int
    trials: int


@dataclass(frozen=True)
class Failure:
    """A search that could not be run, and why."""

    table: str
    arm: str
    seed: int
    message: str


@dataclass(frozen=True)
class Plan:
    """How much is run.

    Attributes:
        seeds: Searches of an arm on a table, seeded from 0.
        few_seeds: The same of a slow arm.
        trials: Full trainings of each.
        few_trials: The same of a slow arm.
    """

    seeds: int = 30
    few_seeds: int = 3
    trials: int = 200
    few_trials: int = 100

    def tasks(self, table: Path, arm: str) -> list[Task]:
        """The searches of an arm on a table; none where it cannot search it."""
        about = ARMS[arm]
        if about.unfit(load(table)) is not None:
            return []
        seeds = 1 if about.one_seed else min(self.seeds, self.few_seeds) if about.slow else self.seeds
        trials = min(self.trials, self.few_trials) if about.slow else self.trials
        return [Task(table, arm, seed, trials) for seed in range(seeds)]


@cache
def load(table: Path) -> RecordedTable:
    """A table, read once a process."""
    return load_table(table)


def skipped(tables: Sequence[Path], arms: Sequence[str]) -> list[str]:
    """Lines: which arm cannot search which tables, and why."""
    why: dict[tuple[str, str], list[str]] = {}
    for arm in arms:
        for table in tables:
            if (reason := ARMS[arm].unfit(load(table))) is not None:
                why.setdefault((arm, reason), []).append(load(table).name)
    return [f"{arm}: {reason} ({', '.join(names)})" for (arm, reason), names in why.items()]


def run_all(record: Record, tasks: Sequence[Task], jobs: int, *, again: bool = False) -> list[Failure]:
    """Run what the record does not hold yet, and return what failed.

    Args:
        record: Gets each search when it ends.
        tasks: To be run.
        jobs: Processes.
        again: Run also what the record holds; its searches of these arms and tables are forgotten first.
    """
    failures = []
    if again:
        record.forget({(load(t.table).name, t.arm) for t in tasks})
    todo = [t for t in tasks if not _held(record, t)]
    for number, outcome in enumerate(_outcomes(todo, jobs), 1):
        if isinstance(outcome, Failure):
            failures.append(outcome)
            print(f"[{number}/{len(todo)}] {_name(outcome)} FAILED: {outcome.message}", file=sys.stderr, flush=True)
        else:
            record.add(outcome)
            print(f"[{number}/{len(todo)}] {_name(outcome)}", file=sys.stderr, flush=True)
    record.pack()
    return failures


def run_one(task: Task) -> Search | Failure:
    """Search on one core, whatever a peer may raise."""
    table = load(task.table)
    try:
        with threadpool_limits(1), _quiet():
            trace = ARMS[task.arm].search(table, task.seed, task.trials)
    except NasMooError as error:
        return Failure(table.name, task.arm, task.seed, str(error))
    except Exception as error:  # noqa: BLE001 - peers raise anything, and the other arms have to run
        return Failure(table.name, task.arm, task.seed, f"{type(error).__name__}: {error}")
    return finished(table, task.arm, task.trials, trace)


def _held(record: Record, task: Task) -> bool:
    held = {s.seed: s.trials for s in record.of(load(task.table), task.arm)}
    return held.get(task.seed, 0) >= task.trials


def _outcomes(tasks: Sequence[Task], jobs: int) -> Iterator[Search | Failure]:
    if jobs <= 1 or len(tasks) <= 1:
        yield from map(run_one, tasks)
        return
    context = multiprocessing.get_context("spawn")  # PyTorch's threads do not survive a fork
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        for future in as_completed([pool.submit(run_one, task) for task in tasks]):
            yield future.result()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Peers warn of what a user of theirs should know; a thousand searches need not say it each time."""
    logging.getLogger("syne_tune").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _name(outcome: Search | Failure) -> str:
    return f"{outcome.table} {outcome.arm} seed {outcome.seed}"
