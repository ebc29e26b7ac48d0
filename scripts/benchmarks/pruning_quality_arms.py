"""The arms of ``pruning_quality``, a line each: a sampler, a pruner, and what is switched off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from pruning_quality_rules import JointRankPruner, KnowingPruner
from search_quality_arms import load_started

from nas_moo.pruners import DEFAULT_QUANTILE, Pruner, load_pruner
from nas_moo.replay.pruning import Pruning
from nas_moo.replay.run import load_named, replay_search
from nas_moo.replay.table import RecordedTable
from nas_moo.replay.trace import Trace
from nas_moo.samplers import SamplerOptions

BASELINES = ("nsga2", "optuna-nsga2-50", "mo-asha")  # of search_quality, whose record holds them


@dataclass(frozen=True)
class Arm:
    """One side of the comparison; it begins with the common start of ``search_quality``.

    Attributes:
        sampler: Of nas-moo.
        population: Of the sampler.
        pruner: Its name; "joint-rank" and "knowing" are those of ``pruning_quality_rules``.
        quantile: Of the pruner, where it has one.
        thaw: Pruned trainings may go on.
        controls: There is a control arm.
        outbid: The sampler may give up a training for now in favour of a new one.
    """

    sampler: str
    pruner: str
    population: int = 20
    quantile: float | None = None
    thaw: bool = True
    controls: bool = True
    outbid: bool = True

    def search(self, table: RecordedTable, seed: int, trials: int) -> Trace:
        """One search."""
        load = partial(load_started, partial(load_named, self.sampler))
        options = SamplerOptions(seed=seed, population=self.population)
        return replay_search(table, load, options, trials, self.pruning(table))

    def pruning(self, table: RecordedTable) -> Pruning:
        """As a replay is told."""
        quantile = (self.quantile or DEFAULT_QUANTILE) if self.pruner == "front" else None
        return Pruning(self._pruner(table, quantile), quantile, None if self.controls else 0.0, self.thaw, self.outbid)

    def _pruner(self, table: RecordedTable, quantile: float | None) -> Pruner:
        if self.pruner == "joint-rank":
            return JointRankPruner()
        return KnowingPruner(table) if self.pruner == "knowing" else load_pruner(self.pruner, quantile)


_OTHERS = ("rank", "median", "halving", "joint-rank")
ARMS: dict[str, Arm] = {
    "nsga2 front q=0.5": Arm("nsga2", "front", quantile=0.5),
    "nsga2 front q=0.1": Arm("nsga2", "front", quantile=0.1),
    "nsga2 front q=0.1 no-outbid": Arm("nsga2", "front", quantile=0.1, outbid=False),
    "nsga2 front q=0.1 no-thaw": Arm("nsga2", "front", quantile=0.1, thaw=False),
    "nsga2 front q=0.1 no-controls": Arm("nsga2", "front", quantile=0.1, controls=False),
    **{f"nsga2 {rule}": Arm("nsga2", rule) for rule in _OTHERS},
    "nsga2 knowing": Arm("nsga2", "knowing", thaw=False, controls=False, outbid=False),
    "optuna-nsga2-50 front q=0.1": Arm("optuna-nsga2", "front", population=50, quantile=0.1),
    **{f"optuna-nsga2-50 {rule}": Arm("optuna-nsga2", rule, population=50) for rule in _OTHERS},
}
