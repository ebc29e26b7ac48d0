"""How good the fronts of several studies are: what their seeds attain, hypervolumes, and whose front beats whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import moocore
import numpy as np
from numpy.typing import NDArray

from nas_moo.objectives.intervals import t_quantile
from nas_moo.pareto import Array, growth, nondominated, scaled
from nas_moo.results import StudyResult, reference_point
from reports.compare_numbers import Group


@dataclass(frozen=True, eq=False)
class Trace:
    """The hypervolume of one study after each training."""

    trainings: NDArray[np.int64]
    volume: Array

    def at(self, trainings: int) -> float:
        """After so many; 0 before the first complete one."""
        place = int(np.searchsorted(self.trainings, trainings, side="right")) - 1
        return float(self.volume[place]) if place >= 0 else 0.0


@dataclass(frozen=True, eq=False)
class Volumes:
    """Hypervolumes of studies whose numbers were measured alike.

    Attributes:
        condition: As a panel's.
        reference: The one point that all are measured from: by objective, the worst of all studies x 1.1.
        coordinates: What is multiplied.
        traces: Of each group, by seed.
    """

    condition: str
    reference: Mapping[str, float]
    coordinates: tuple[str, ...]
    traces: tuple[tuple[Group, Mapping[Any, Trace]], ...]

    @property
    def reached(self) -> int:
        """Trainings that every study has come to."""
        return min(int(t.trainings[-1]) for _, of in self.traces for t in of.values())


@dataclass(frozen=True)
class Estimate:
    """A mean over studies, with its 95 % t-interval; without one where there is a single study."""

    mean: float
    low: float
    high: float
    n: int
    paired: bool = False

    @property
    def known(self) -> bool:
        """There is an interval."""
        return self.low == self.low


def attained(fronts: Sequence[Array]) -> dict[str, Array]:
    """The empirical attainment function of several fronts of two objectives (Grunert da Fonseca et al. 2001).

    Returns:
        Corners of what is attained by "best" (one of them), "median" (half of them) and "worst" (all).
    """
    n = len(fronts)
    sets = np.repeat(np.arange(1, n + 1), [len(f) for f in fronts])
    rows = moocore.eaf(np.vstack(fronts), sets)
    level = np.rint(rows[:, 2] * n / 100).astype(int)
    wanted = {"best": 1, "median": (n + 1) // 2, "worst": n}
    return {name: np.unique(rows[level == k, :2], axis=0) for name, k in wanted.items()}


def volumes(name: str, found: Sequence[Group]) -> Volumes | None:
    """The hypervolume of each study from one point; None where no study has a complete trial."""
    members = [m for g in found for m in g.members if len(m.complete)]
    if not members:
        return None
    objectives = sorted(members[0].objectives, key=lambda o: o.stage != "trained")
    columns, log = [o.name for o in objectives], [o.log for o in objectives]
    reference = reference_point(np.vstack([m.complete[columns].to_numpy(dtype=float) for m in members]))
    origin = scaled(reference[None, :], log)[0]
    traces = [
        (g, {seed: _trace(m, columns, log, origin) for seed, m in g.seeds().items() if len(m.complete)}) for g in found
    ]
    return Volumes(
        name,
        dict(zip(columns, reference.tolist(), strict=True)),
        tuple(f"log {o.label}" if o.log else o.label for o in objectives),
        tuple((g, of) for g, of in traces if of),
    )


def _trace(result: StudyResult, columns: list[str], log: list[bool], origin: Array) -> Trace:
    trials = result.trials.sort_values("number")
    done = (trials["state"] == "complete").to_numpy()
    trained = trials["trained"].to_numpy(dtype=bool)
    trainings = np.cumsum(trained if trained.any() else done)
    points = scaled(trials.loc[done, columns].to_numpy(dtype=float), log)
    steps, _ = growth(points, origin)
    return Trace(trainings[done].astype(np.int64), steps)


def estimate(values: Sequence[float]) -> Estimate:
    """The mean and its interval."""
    mean, n = float(np.mean(values)), len(values)
    if n < 2:
        return Estimate(mean, float("nan"), float("nan"), n)
    half = t_quantile(n - 1) * float(np.std(values, ddof=1)) / n**0.5
    return Estimate(mean, mean - half, mean + half, n)


def difference(one: Mapping[Any, float], other: Mapping[Any, float]) -> Estimate:
    """The mean of ``one`` minus that of ``other``, by seed: over the seeds that both have where there are two or more.

    Otherwise that of two independent samples (Welch 1947).
    """
    shared = [seed for seed in one if seed in other]
    if len(shared) >= 2:
        paired = estimate([one[s] - other[s] for s in shared])
        return Estimate(paired.mean, paired.low, paired.high, paired.n, paired=True)
    a, b = list(one.values()), list(other.values())
    mean, n = float(np.mean(a) - np.mean(b)), min(len(a), len(b))
    if n < 2:
        return Estimate(mean, float("nan"), float("nan"), n)
    parts = [float(np.var(v, ddof=1)) / len(v) for v in (a, b)]
    total = sum(parts)
    if total == 0:
        return Estimate(mean, mean, mean, n)
    degrees = total**2 / sum(p**2 / (len(v) - 1) for p, v in zip(parts, (a, b), strict=True))
    half = t_quantile(max(int(degrees), 1)) * total**0.5
    return Estimate(mean, mean - half, mean + half, n)


def covered(by: Group, of: Group) -> list[float]:
    """Share of the front of one group that the other dominates (the C-metric of Zitzler and Thiele 1999).

    One for each pair of studies with one seed; for all pairs where no seed is shared.
    """
    pairs = [(m, of.seeds()[seed]) for seed, m in by.seeds().items() if seed in of.seeds()]
    pairs = pairs or [(a, b) for a in by.members for b in of.members]
    return [_share(a, b) for a, b in pairs if len(a.complete) and len(b.complete)]


def _share(by: StudyResult, of: StudyResult) -> float:
    columns = [o.name for o in by.objectives]
    a, b = (r.trials.loc[r.trials["front"], columns].to_numpy(dtype=float) for r in (by, of))
    dominates = (a[None] <= b[:, None]).all(axis=2) & (a[None] < b[:, None]).any(axis=2)  # (of, by)
    return float(np.any(dominates, axis=1).mean())


def pooled(found: Sequence[Group]) -> dict[str, int]:
    """How many models of the common front of all studies come from each group; one of them has a complete model."""
    members = [(g.name, m) for g in found for m in g.members if len(m.complete)]
    columns = [o.name for o in members[0][1].objectives]
    fronts = [m.trials.loc[m.trials["front"], columns].to_numpy(dtype=float) for _, m in members]
    keep = nondominated(np.vstack(fronts))
    names = np.repeat([name for name, _ in members], [len(f) for f in fronts])[keep]
    return {g.name: int((names == g.name).sum()) for g in found}
