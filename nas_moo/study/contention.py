"""What the reference network told during a search: its times, and latencies that were marked and taken again."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from nas_moo.evaluation import Evaluation
from nas_moo.measurement import Measurement

CONTENDED = "nas_moo:contended:"  # and a name of its own for each, so that no worker writes over another's
REFERENCE = "nas_moo:reference:"  # and the worker: the times that it took of the reference network
CAVEAT = "contended"
Repeats: TypeAlias = Mapping[tuple[str, str, float], Measurement | None]


@dataclass(frozen=True)
class Doubt:
    """A measurement that was taken under contention.

    Attributes:
        network: Digest of the network: several trials may have taken the measurement over.
        objective: Its name.
        first: The value that is in doubt.
        again: What was measured afterwards; None where that failed.
    """

    network: str
    objective: str
    first: float
    again: Measurement | None


@dataclass(frozen=True)
class Contention:
    """What was measured between two timings of the reference network that do not agree.

    Attributes:
        drift: Change of the reference, relative to before.
        doubts: One a measurement.
    """

    drift: float
    doubts: tuple[Doubt, ...]

    def to_dict(self) -> dict[str, Any]:
        """The contention as plain JSON."""
        doubts = [{**vars(d), "again": d.again and d.again.to_dict()} for d in self.doubts]
        return {"drift": self.drift, "doubts": doubts}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Contention:
        """Read what ``to_dict`` wrote."""
        read = (Doubt(**{**d, "again": d["again"] and Measurement.from_dict(d["again"])}) for d in record["doubts"])
        return cls(record["drift"], tuple(read))


@dataclass(frozen=True)
class ReferenceTime:
    """One timing of the reference network.

    Attributes:
        number: Of the trial before or after whose timings it was taken.
        ms: Its latency.
    """

    number: int
    ms: float


def reference_times(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those that a study's attributes hold, as plain JSON: ``worker, number, ms``, a worker's own in their order."""
    found = {key.removeprefix(REFERENCE): rows for key, rows in attributes.items() if key.startswith(REFERENCE)}
    times = [{"worker": worker, "number": n, "ms": ms} for worker, rows in found.items() for n, ms in rows]
    return sorted(times, key=lambda t: (t["number"], t["worker"]))


def read_contentions(attributes: Mapping[str, Any]) -> list[Contention]:
    """Those that a study's attributes hold."""
    return [Contention.from_dict(v) for key, v in attributes.items() if key.startswith(CONTENDED)]


def repeats(contentions: Iterable[Contention]) -> Repeats:
    """What was measured again, by the objective, the network and the value that is in doubt."""
    return {(d.objective, d.network, d.first): d.again for c in contentions for d in c.doubts}


def sound(objective: str, network: str, measurement: Measurement, doubted: Repeats) -> Measurement | None:
    """The measurement, or what took its place where it is in doubt; None where nothing did."""
    found: Measurement | None = measurement
    left = len(doubted)  # a repeat can be in doubt, too, and one of the same value must not lead round in circles
    while found is not None and left and (key := (objective, network, found.value)) in doubted:
        found, left = doubted[key], left - 1
    return found


def marked(evaluations: Iterable[Evaluation], contentions: Iterable[Contention]) -> list[Evaluation]:
    """The trials with a caveat on each measurement that was taken under contention, and what it was the second time.

    The first value stays: the search went on with it, and the weights that were kept are those of its front.
    """
    doubts: defaultdict[str, list[tuple[Doubt, float]]] = defaultdict(list)
    for contention in contentions:
        for doubt in contention.doubts:
            doubts[doubt.network].append((doubt, contention.drift))
    return [_marked(e, doubts.get(e.architecture.network_digest, ())) for e in evaluations]


def _marked(evaluation: Evaluation, doubts: Iterable[tuple[Doubt, float]]) -> Evaluation:
    """One trial; ``doubts`` of its network, with the drift that raised each."""
    measurements = dict(evaluation.measurements)
    for doubt, drift in doubts:
        known = measurements.get(doubt.objective)
        if known is not None and known.value == doubt.first:
            measurements[doubt.objective] = _with_caveat(known, doubt.again, drift)
    return dataclasses.replace(evaluation, measurements=measurements)


def _with_caveat(first: Measurement, again: Measurement | None, drift: float) -> Measurement:
    caveats = [*first.caveats, *([] if CAVEAT in first.caveats else [CAVEAT])]
    details = {**first.details, "caveats": caveats, "reference_drift": drift}
    if again is not None:
        told = {"value": again.value, "low": again.low, "high": again.high, "caveats": list(again.caveats)}
        details["repeated"] = told
    return dataclasses.replace(first, details=details)
