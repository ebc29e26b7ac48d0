"""The numbers of a search's progress: hypervolume over what was spent, random search beside it, who brought what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas_moo.evaluation import ORIGINS
from nas_moo.pareto import Array, growth, hypervolume, scaled
from nas_moo.results import StudyResult

Over: TypeAlias = Literal["trainings", "epochs", "seconds"]
OVER: tuple[Over, ...] = get_args(Over)

FEWEST_RANDOM = 3  # trials drawn evenly, below which they make no line
ORDERS = 200  # in which the random trials are taken; fewer where there are many of them
WORK = 20_000  # orders times places of the random line, at most, where trials are many
BAND = (0.05, 0.95)
ORIGIN_COLUMNS = ("origin", "trials", "trained", "improved", "added", "front")


@dataclass(frozen=True, eq=False)
class Chance:
    """What random search alone would have come to, by the trials of the study that were drawn evenly.

    Attributes:
        trials: How many of those there are; one that went on after it was pruned counts once.
        taken: How many of them are taken, ascending, up to all.
        mean: Hypervolume of so many of them, over random orders; unbiased for that many fresh ones.
        low: What 5 % of the orders stay below.
        high: What 5 % of the orders pass.
        orders: How many orders.
        each: What one of them takes on average: trainings, epochs, seconds.
    """

    trials: int
    taken: NDArray[np.int64]
    mean: Array
    low: Array
    high: Array
    orders: int
    each: Mapping[Over, float]


@dataclass(frozen=True, eq=False)
class Progress:
    """The hypervolume after each trial that finished.

    Attributes:
        trainings: How many trials had cost training by then, ascending; how many were complete where none is trained.
        complete: How many of them were complete.
        hypervolume: Of the front of the complete ones; never falls.
        front: How many models were on that front.
        reference: The point it is measured from, by objective name, in the objectives' own units.
        fixed_by: How many complete trials fixed the reference.
        provisional: The reference will still move.
        beyond: Complete trials that lie beyond the reference, and so count nothing.
        coordinates: What is multiplied: the labels of the objectives, costs in logarithm.
        noun: What ``trainings`` counts: "training" or "complete trial".
        epochs: How many epochs were run by then, those of pruned and failed trials too; None where none was.
        seconds: Of work by then, all workers together, without waiting for the device; None where none are stored.
        chance: Random search beside it; None where there are too few trials drawn evenly, or no others.
        origins: A row a way of proposing: ``origin, trials, trained, improved`` (the front), hypervolume ``added``, how
            many are on the ``front`` now.
        generations: What was spent before each generation but the first; empty where there are none.
    """

    trainings: NDArray[np.int64]
    complete: NDArray[np.int64]
    hypervolume: Array
    front: NDArray[np.int64]
    reference: Mapping[str, float]
    fixed_by: int
    provisional: bool
    beyond: int
    coordinates: tuple[str, ...]
    noun: str = "training"
    epochs: Array | None = None
    seconds: Array | None = None
    chance: Chance | None = None
    origins: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ORIGIN_COLUMNS)))
    generations: Mapping[Over, Array] = field(default_factory=dict)

    def spent(self, over: Over) -> Array | None:
        """What had been spent after each trial; None where it is not known."""
        found: dict[Over, Array | None] = {
            "trainings": self.trainings.astype(float), "epochs": self.epochs, "seconds": self.seconds
        }  # fmt: skip
        return found[over]

    @property
    def rises(self) -> NDArray[np.intp]:
        """Places at which the hypervolume rose."""
        return np.flatnonzero(np.diff(np.r_[0.0, self.hypervolume]) > 0)

    def gained(self, share: float = 0.25, until: float = 1.0) -> float:
        """What the ``share`` of the trainings that ends at ``until`` added, relative to the hypervolume now."""
        now, last = self.hypervolume[-1], self.trainings[-1]
        end, begin = (self._at(part * last) for part in (until, until - share))
        return float((end - begin) / now) if now > 0 else 0.0

    def _at(self, trainings: float) -> float:
        before = self.hypervolume[self.trainings <= trainings]
        return float(before[-1]) if len(before) else 0.0


def gather(result: StudyResult) -> Progress | None:
    """Collect the hypervolume after each trial, in the order of their numbers; None where none is complete."""
    found = result.hypervolume_reference()
    if found is None:
        return None
    reference, fixed_by = found
    origin = scaled(reference[None, :], [o.log for o in result.objectives])[0]
    trials = result.trials.sort_values("number").reset_index(drop=True)
    done = (trials["state"] == "complete").to_numpy()
    points = result.coordinates(trials[done])
    volumes, sizes = growth(points, origin)
    last = np.cumsum(done) - 1
    seen = last >= 0
    counted = _counted(trials, done)
    spent = {over: np.cumsum(each) for over, each in counted.items()}
    added = np.zeros(len(trials))
    added[done] = np.diff(np.r_[0.0, volumes])
    return Progress(
        trainings=spent["trainings"][seen].astype(np.int64),
        complete=last[seen] + 1,
        hypervolume=volumes[last[seen]],
        front=sizes[last[seen]],
        reference={o.name: float(v) for o, v in zip(result.objectives, reference, strict=True)},
        fixed_by=fixed_by,
        provisional=result.description.get("hypervolume_reference") is None,
        beyond=int((points >= origin).any(axis=1).sum()),
        coordinates=tuple(f"log {o.label}" if o.log else o.label for o in result.objectives),
        noun="training" if trials["trained"].any() else "complete trial",
        epochs=spent["epochs"][seen] if spent["epochs"][-1] > 0 else None,
        seconds=spent["seconds"][seen] if spent["seconds"][-1] > 0 else None,
        chance=_chance(trials, points, origin, counted),
        origins=_origins(trials, added),
        generations=_generations(trials, counted, spent),
    )


def _counted(trials: pd.DataFrame, done: NDArray[np.bool_]) -> dict[Over, Array]:
    """What each trial took."""
    trained = trials["trained"].to_numpy(dtype=bool)
    stages = [c for c in trials.columns if c.startswith("seconds_") and c != "seconds_waiting"]
    seconds = trials[stages].astype(float).fillna(0.0).sum(axis=1) if stages else trials["seconds"].fillna(0.0)
    return {
        "trainings": (trained if trained.any() else done).astype(float),
        "epochs": trials["epochs_run"].to_numpy(dtype=float),
        "seconds": seconds.to_numpy(dtype=float),
    }


def _chance(trials: pd.DataFrame, points: Array, reference: Array, counted: Mapping[Over, Array]) -> Chance | None:
    """Random subsets of the trials that were drawn evenly.

    The first of them alone would be one order of many, and a lucky or unlucky one. All that such a trial took counts
    towards it, also what a later trial spent that went on with it, and what was screened before training.
    """
    first = _begun_by(trials)
    drawn = trials["origin"].to_numpy()[first] == "random"
    ends = pd.Series(counted["trainings"][drawn] > 0).groupby(first[drawn]).any()
    n = int(ends.sum())
    others = counted["trainings"][~drawn].sum()
    if n < FEWEST_RANDOM or others == 0:
        return None
    done = (trials["state"] == "complete").to_numpy()
    drawn_points = points[drawn[done]]
    values = np.full((n, points.shape[1]), np.inf)  # of those that came to nothing
    values[: len(drawn_points)] = drawn_points
    taken = np.unique(np.round(np.linspace(1, n, 40)).astype(np.int64))
    orders = int(np.clip(WORK // (len(taken) * max(n / 50, 1)), 20, ORDERS))
    rng = np.random.default_rng(0)  # a report has the same bytes each time
    found = np.array([[hypervolume(values[order[:k]], reference) for k in taken] for order in _orders(n, orders, rng)])
    low, high = np.quantile(found, BAND, axis=0)
    each = {over: float(took[drawn].sum() / n) for over, took in counted.items()}
    return Chance(n, taken, found.mean(axis=0), low, high, orders, each)


def _orders(n: int, orders: int, rng: np.random.Generator) -> Array:
    return np.array([rng.permutation(n) for _ in range(orders)])


def _begun_by(trials: pd.DataFrame) -> NDArray[np.intp]:
    """The row of the trial that each one goes on with at last; its own where it began anew."""
    first = np.arange(len(trials))
    place = {int(number): row for row, number in enumerate(trials["number"])}
    for row in np.flatnonzero(trials["continues"].notna()):
        before = place.get(int(trials["continues"].iloc[row]))
        first[row] = row if before is None else first[before]
    return first


def _origins(trials: pd.DataFrame, added: Array) -> pd.DataFrame:
    told = trials[["origin", "trained", "front"]].assign(improved=added > 0, added=added, trials=1)
    table = told.groupby("origin", sort=False)[list(ORIGIN_COLUMNS[1:])].sum()
    order = [origin for origin in ORIGINS if origin in table.index]
    return table.loc[order].reset_index()


def _generations(trials: pd.DataFrame, counted: Mapping[Over, Array], spent: Mapping[Over, Array]) -> dict[Over, Array]:
    first = trials["generation"].dropna().drop_duplicates().index.to_numpy()[1:]
    return {over: (spent[over] - counted[over])[first] for over in OVER} if len(first) else {}
