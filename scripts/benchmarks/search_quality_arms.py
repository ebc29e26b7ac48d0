"""The arms of ``search_quality``, a line each. Peers are imported only when their arm runs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from optuna.samplers import BaseSampler
from search_quality_ask import StartedSampler
from search_quality_conditional import conditional_tpe

from nas_moo.errors import MachineError
from nas_moo.genome import Architecture, Genome
from nas_moo.replay.run import CostOracle, Loader, load_named, replay_search
from nas_moo.replay.table import RecordedTable
from nas_moo.replay.trace import Trace
from nas_moo.samplers import SamplerOptions
from nas_moo.samplers.nsga2 import NSGA2Sampler
from nas_moo.samplers.screening import Parts

Search: TypeAlias = Callable[[RecordedTable, int, int], Trace]  # of a table, a seed and full trainings at most
AGAIN, NO_CANDIDATES, ONCE = "drawn again", "no candidates", "each once"


@dataclass(frozen=True)
class Arm:
    """One side of the comparison.

    Attributes:
        search: Runs it.
        ours: It is no peer.
        start: It begins with the common start.
        costs: It asks for the costs of candidates before it chooses one of them.
        partly: It trains partly and goes on later.
        distinct: What becomes of a proposal that was trained already.
        slow: Gets few seeds and trials.
        one_seed: Every seed gives the same search.
        unfit: Why it cannot search a table; None where it can.
    """

    search: Search
    ours: bool = False
    start: bool = True
    costs: bool = False
    partly: bool = False
    distinct: str = AGAIN
    slow: bool = False
    one_seed: bool = False
    unfit: Callable[[RecordedTable], str | None] = lambda table: None


def by_sampler(load: Loader, population: int = 20, *, start: bool = True) -> Search:
    """Searches with an Optuna sampler, whose first proposals are replaced by the common start."""
    started = partial(load_started, load) if start else load

    def search(table: RecordedTable, seed: int, trials: int) -> Trace:
        return replay_search(table, started, SamplerOptions(seed=seed, population=population), trials)

    return search


def named(sampler: str, population: int = 20, **switches: Any) -> Search:
    """Searches with a sampler of nas-moo; the switches are those of ``load_named``."""
    return by_sampler(partial(load_named, sampler, **switches), population)


def with_parts(**parts: bool) -> Search:
    """Searches with our sampler, some parts of its screening switched off."""
    return by_sampler(partial(_load_parts, parts))


def peer(module: str, sampler: str, population: int = 20, **settings: Any) -> Search:
    """Searches with a class of a module beside this one, which takes the common start itself."""
    return by_sampler(partial(_load_peer, module, sampler, settings), population, start=False)


def load_started(
    load: Loader,
    genome: Genome,
    options: SamplerOptions,
    is_known: Callable[[Architecture], bool],
    costs: CostOracle,
) -> BaseSampler:
    """A sampler whose first proposals are the common start."""
    return StartedSampler(load(genome, options, is_known, costs), genome, options.seed)


def _load_parts(
    parts: dict[str, bool],
    genome: Genome,
    options: SamplerOptions,
    is_known: Callable[[Architecture], bool],
    costs: CostOracle,
) -> BaseSampler:
    return NSGA2Sampler(
        genome,
        is_known,
        population=options.population,
        seed=options.seed,
        problem=costs.problem,
        parts=Parts(**parts),
    )


def _load_peer(
    module: str,
    sampler: str,
    settings: dict[str, Any],
    genome: Genome,
    options: SamplerOptions,
    is_known: Callable[[Architecture], bool],
    costs: CostOracle,
) -> BaseSampler:
    made: BaseSampler = getattr(imported(module), sampler)(genome, options, is_known, costs, **settings)
    return made


def imported(module: str) -> Any:
    """A module beside this one.

    Raises:
        MachineError: the peer that it wraps is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MachineError(
            "a peer is not installed",
            value=error.name,
            do="Install the extra bench: python -m pip install -c constraints.txt -e '.[bench]'.",
        ) from None


def _mo_asha(table: RecordedTable, seed: int, trials: int) -> Trace:
    trace: Trace = imported("search_quality_asha").mo_asha(table, seed, trials)
    return trace


def _infinite(table: RecordedTable) -> str | None:
    return "the space is not finite" if table.genome.size() == "continuous" else None


def _unconditional(table: RecordedTable) -> str | None:
    return None if any(g.active is not None for g in table.genome.genes) else "no gene is conditional"


def _no_curve(table: RecordedTable) -> str | None:
    return None if len(imported("search_quality_asha").rungs(table.epochs)) > 1 else "the table has no curve"


_GRID = by_sampler(partial(load_named, "grid"), start=False)
ARMS: dict[str, Arm] = {
    "nsga2": Arm(named("nsga2"), ours=True, costs=True),
    "nsga2-no-screening": Arm(named("nsga2", screening=False), ours=True),
    "nsga2-no-breeding": Arm(with_parts(bred=False), ours=True, costs=True),
    "nsga2-no-linear": Arm(with_parts(linear=False), ours=True, costs=True),
    "random": Arm(named("random")),
    "grid": Arm(_GRID, start=False, distinct=ONCE, one_seed=True, unfit=_infinite),
    "optuna-nsga2-50": Arm(named("optuna-nsga2", 50)),
    "optuna-nsga2-20": Arm(named("optuna-nsga2", 20)),
    "nsga3-50": Arm(named("nsga3", 50)),
    "tpe": Arm(named("tpe")),
    "tpe-conditional": Arm(by_sampler(conditional_tpe), unfit=_unconditional),
    "gp": Arm(named("gp"), slow=True),
    "pymoo-nsga2-20": Arm(peer("search_quality_pymoo", "PymooSampler", algorithm="nsga2")),
    "pymoo-sms-emoa-20": Arm(peer("search_quality_pymoo", "PymooSampler", algorithm="sms-emoa")),
    "botorch-qlognehvi": Arm(
        peer("search_quality_botorch", "QLogNEHVISampler"), costs=True, distinct=NO_CANDIDATES, slow=True
    ),
    "one-shot-ridge": Arm(
        peer("search_quality_oneshot", "OneShotSampler", model="ridge"), costs=True, distinct=NO_CANDIDATES
    ),
    "one-shot-forest": Arm(
        peer("search_quality_oneshot", "OneShotSampler", model="forest"), costs=True, distinct=NO_CANDIDATES
    ),
    "mo-asha": Arm(_mo_asha, partly=True, distinct=ONCE, unfit=_no_curve),
    "syne-tune-morea-20": Arm(peer("search_quality_syne", "MoreaSampler")),
}
