"""The search: ask, evaluate, tell, until the study has the trainings that were asked for."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import optuna
import torch

from nas_moo.data import Dataset
from nas_moo.errors import MachineError, SpaceError, hide_password
from nas_moo.genes import Real
from nas_moo.lease import TimeLimitReachedError
from nas_moo.measurement import parse_quantity
from nas_moo.results import StudyResult
from nas_moo.samplers import DEFAULT_SAMPLER
from nas_moo.samplers.grid import check_grid_ends
from nas_moo.space import SearchSpace
from nas_moo.study.alone import Alone
from nas_moo.study.config import DEFAULT_OBJECTIVES, Setup, configure
from nas_moo.study.database import default_storage, storage_errors
from nas_moo.study.evaluate import evaluate
from nas_moo.study.history import History
from nas_moo.study.liveness import mark_interrupted, worker_lock
from nas_moo.study.options import PrunerLike
from nas_moo.study.progress import EventLog, Listener
from nas_moo.study.record import TrialRecord
from nas_moo.study.seeds import SeedArchitectures
from nas_moo.study.storage import Storage, now
from nas_moo.study.worker import Worker


def search(
    space: str | SearchSpace | type,
    data: str | Dataset,
    objectives: Sequence[str] = DEFAULT_OBJECTIVES,
    *,
    trials: int = 60,
    epochs: int = 15,
    sampler: str = DEFAULT_SAMPLER,
    population: int | None = None,
    grid_steps: int | None = None,
    seed: int = 0,
    validation: str = "holdout",
    max: Mapping[str, str | float] | None = None,  # noqa: A002 - reads as on the command line
    time_limit: str | float | None = None,
    device: str = "auto",
    batch: int = 1,
    precision: str | float | None = None,
    cold_cache: bool = False,
    threads: int = 1,
    screening: bool = True,
    seed_architectures: SeedArchitectures | None = None,
    allow_uncounted: bool = False,
    pruner: PrunerLike | None = None,
    pruner_quantile: float | None = None,
    control_share: float | None = None,
    thaw: bool = True,
    study: str | None = None,
    storage: str | Path | None = None,
    listener: Listener | None = None,
) -> StudyResult:
    """Search, or go on with a search; see ``nas-moo search --help``.

    Args:
        space: A name, ``file.py:Name``, ``package.module:Name``, or the class itself.
        data: A name, a path, ``module:function``, or a ``Dataset``.
        objectives: Names; all are minimised. "latency" is the latency objective of the device at hand.
        trials: How many trained trials the study shall have in total.
        epochs: Of each training.
        sampler: "optuna-nsga2", "nsga2", "nsga3", "random", "tpe", "gp" or "grid".
        population: Of NSGA-II and III; default 20.
        grid_steps: Values that a real gene takes on the grid.
        seed: Of the split, the trainings and the sampler.
        validation: "holdout" or "kfold:K".
        max: Limits such as ``{"latency": "2ms"}``: what surely breaks one is not trained.
        time_limit: For this run: seconds, or text such as "10min".
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        batch: Examples in one timed forward pass.
        precision: Of a latency: "1%" times until the interval reaches no farther than that to either side, ten seconds
            at most; by default a search takes 0.3 s a network, and 2 % where that is enough.
        cold_cache: Empty the device's caches before each timed call.
        threads: Of a training on a CPU. Small networks train no faster on several, and far slower on a busy machine;
            several searches side by side use several cores.
        screening: False: "nsga2" trains each child that it breeds, not the most promising.
        seed_architectures: Trained first, in this order, those that are not known: a JSON or CSV file, or a list of
            mappings from gene to value.
        allow_uncounted: Operators whose FLOPs are not known count nothing, and mark the model; otherwise they fail it.
        pruner: Who stops trainings early: "front", "rank", "median", "halving", "never", or "optuna:" and a class of
            ``optuna.pruners``; or one that you made: any of ``optuna.pruners``, or your own
            (``nas_moo.pruners.Pruner``); the study keeps its name. default "front" where one objective is trained.
        pruner_quantile: Of "front": the share of trainings that may end below what it thought possible.
        control_share: Share of its decisions that are overruled at random, to know what they are worth; default a
            quarter, and a twentieth once there are 40 such controls.
        thaw: Pruned trials keep a checkpoint, and go on when the pruner would no longer stop them.
        study: Its name; default ``SPACE-DATA``.
        storage: A path or URL; default ``NAS_MOO_STORAGE`` or ``nas-moo.db``.
        listener: Is handed each event of the log.

    Raises:
        UserInputError: something asked for cannot be had; nothing was stored.
        StudyMismatchError: the study was begun with other objectives, methods, space or data.
    """
    setup = configure(
        space, data, objectives, study=study, trials=trials, epochs=epochs, sampler=sampler, population=population,
        grid_steps=grid_steps, seed=seed, validation=validation, limits=max, time_limit=seconds(time_limit),
        device=device, batch=batch, precision=share(precision), cold_cache=cold_cache, threads=threads,
        screening=screening, seed_architectures=seed_architectures,
        allow_uncounted=allow_uncounted,
        pruner=pruner, pruner_quantile=pruner_quantile, control_share=control_share, thaw=thaw,
    )  # fmt: skip
    return run(setup, default_storage(storage), listener)


def seconds(text: str | float | None) -> float | None:
    """A time limit in seconds: a number, or text such as "90s", "10min", "2h"."""
    if not isinstance(text, str):
        return text
    for suffix, size in (("min", 60.0), ("h", 3600.0)):
        if text.endswith(suffix):
            return parse_quantity(text.removesuffix(suffix), "s") * size
    return parse_quantity(text, "s")


def share(text: str | float | None) -> float | None:
    """A precision as a share: a number, or text such as "1%"."""
    return parse_quantity(text, "fraction") if isinstance(text, str) else text


def run(setup: Setup, place: str, listener: Listener | None = None) -> StudyResult:
    """Run a search that was checked, in the storage at ``place``."""
    if setup.sampler == "grid":
        _check_grid(setup, place)
    storage = Storage(place, create=True)
    replaced = False
    if storage.has(setup.name):
        study = storage.open(setup.name)
        if study.is_worthless() and not study.is_same(setup.identity()):
            storage.delete(setup.name)  # a space that never built was mended: there is nothing to go on with
            replaced = True
    there = storage.has(setup.name)
    study = storage.open(setup.name) if there else storage.create(setup.name, setup.describe(_command()))
    study.check_same(setup.identity(), setup.limits)  # also where another worker was a moment faster
    study.begin_run(setup.describe(_command()))
    with storage_errors(storage.place):
        log = EventLog(study.folder, listener)
        if replaced:
            log("anew", study=study.name, reason="in the study of this name no network had been built")
        for trial in mark_interrupted(study):
            log("interrupted", number=trial.number, reason="its worker died")
        try:
            with worker_lock(study) as worker, _threads(setup.threads):
                Worker(setup, study, log, worker).go()
        finally:
            mark_interrupted(study)  # whatever line a signal stopped us at, no trial of ours stays running
    return study.result()


def _command() -> str:
    """The command line as a reader could type it."""
    return hide_password(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _check_grid(setup: Setup, place: str) -> None:
    """Refuse a grid that cannot end, before anything is stored."""
    points = setup.space.space.genome.grid_size(setup.options.grid_steps) + _beside_the_grid(setup)
    done = 0
    if Storage.is_there(place) and (storage := Storage(place)).has(setup.name):
        done = History(storage.open(setup.name), setup.limits, trains=True).trained
    check_grid_ends(points - done, setup.trials - done, lambda: seconds_of_one(setup), setup.time_limit)


def _beside_the_grid(setup: Setup) -> int:
    """How many seed architectures have a real gene's value that is none of its steps."""
    reals = [g for g in setup.space.space.genome.genes if isinstance(g, Real)]
    steps = {g.name: g.values(setup.options.grid_steps) for g in reals}
    return sum(any(a[name] not in steps[name] for name in steps if name in a) for a in setup.seed_architectures)


def seconds_of_one(setup: Setup) -> float:
    """How long one trial takes: the architecture of the genes' middle values, one epoch, scaled up to all of them.

    The first run warms up what only the first training of a process pays for; the second is timed.

    Raises:
        SpaceError: it fails.
        MachineError: others hold the device for the whole time limit, or for too long.
    """
    deadline = None if setup.time_limit is None else time.monotonic() + setup.time_limit
    alone = Alone(setup, deadline=deadline)
    genome = setup.space.space.genome
    steps = setup.options.grid_steps
    middle = genome.architecture({g.name: (v := g.values(steps))[len(v) // 2] for g in genome.genes})
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    scratch = optuna.create_study(directions=["minimize"] * len(setup.objectives))
    with _threads(setup.threads):
        for _ in range(2):
            record = TrialRecord(scratch.ask(), middle, "", now())
            try:
                outcome, _network = evaluate(record, replace(setup, epochs=1, limits={}), {}, lambda: False, alone)
            except TimeLimitReachedError as error:
                raise MachineError(
                    "nobody knows how long the grid takes: the device was in use for the whole time limit",
                    value=str(error),
                    do="Wait until the others have ended, stop them, or give it more time.",
                ) from error
            if outcome.state == "failed":
                raise SpaceError(
                    f"a middle network failed ({outcome.kind})", value=outcome.reason, do="Mend the space."
                )
    spent = {stage: s for stage, s in record.seconds.items() if stage != "waiting"}  # for others on the device
    return sum(s * (setup.epochs if stage == "training" else 1) for stage, s in spent.items())
