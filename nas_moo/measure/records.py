"""The rounds of one model in one mode, put together as one line of the file that a report joins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nas_moo.identity import MeasurementKey
from nas_moo.measurement import Measurement
from nas_moo.objectives.intervals import median_interval
from nas_moo.objectives.reference import Drift

FORMAT = 1
CONTENDED = "contended"


@dataclass(frozen=True)
class Round:
    """One measurement of a model.

    Attributes:
        measurement: With the key it stands under.
        drift: The reference network before and after the models that were timed with it.
        attempts: How often they were timed until the reference stayed; the last counts.
    """

    measurement: Measurement
    drift: Drift
    attempts: int


def combine(rounds: Sequence[Round]) -> dict[str, Any]:
    """Value, interval and record of a model that was timed in three rounds or more.

    The value is the median of the rounds, and the interval is between them: it holds what changes from one round to
    the next, which no single round sees. It is no narrower than what changed within the calmest of them.
    """
    measured = [r.measurement for r in rounds]
    values = [m.value for m in measured]
    value, low, high, interval = median_interval(values)
    reach = min(max(m.value / low, high / m.value) for m in measured for low, high in [m.details["within"]])
    low, high = min(low, value / reach), max(high, value * reach)
    key = MeasurementKey.from_dict(measured[0].details["key"])
    relative = math.exp(sum(math.log(r.measurement.value / r.drift.before_ms) for r in rounds) / len(rounds))
    return {
        "value": value,
        "unit": measured[0].unit,
        "low": low,
        "high": high,
        "interval": f"{interval.replace('medians', 'rounds')}",
        "relative_to_reference": relative,
        "p95": _median_of([m.details["p95"] for m in measured]),
        "p99": _median_of([m.details["p99"] for m in measured]),
        "rounds": [_told(r) for r in rounds],
        "caveats": _caveats(rounds),
        "method": measured[0].method,
        "key": key.to_dict(),
        "key_digest": key.digest,
        "conditions": key.conditions,
    }


def _told(one: Round) -> dict[str, Any]:
    m = one.measurement
    return {
        "value": m.value, "low": m.low, "high": m.high, "blocks": m.n, "converged": m.details["converged"],
        "host_bound": m.details["host_bound"], "wall_over_thread": m.details["wall_over_thread"],
        "gpu": m.details["gpu"], "other_processes": m.details["other_processes"], "caveats": list(m.caveats),
        "reference_ms": [one.drift.before_ms, one.drift.after_ms], "attempts": one.attempts,
    }  # fmt: skip


def _caveats(rounds: Sequence[Round]) -> list[str]:
    """What holds for half of the rounds or more; and contended, where the reference never stayed."""
    every = [caveat for r in rounds for caveat in r.measurement.caveats]
    often = {c for c in every if 2 * every.count(c) >= len(rounds)}
    if any(r.drift.is_contended for r in rounds):
        often.add(CONTENDED)
    return sorted(often)


def _median_of(values: Sequence[float | None]) -> float | None:
    known = sorted(v for v in values if v is not None)
    return known[len(known) // 2] if len(known) == len(values) else None
