"""When the trials of ``report_speed`` began and what was timed: latencies, the reference network, finalists again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from nas_moo.evaluation import Evaluation
from nas_moo.identity import MeasurementKey
from nas_moo.measurement import Measurement
from nas_moo.results import StudyResult
from nas_moo.study.contention import CONTENDED, REFERENCE, Contention, Doubt

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WORKERS, BETWEEN = 4, 0.05  # and the seconds from one trial of a worker to its next
PAUSE = timedelta(hours=8)  # of all workers, in the middle
EVERY = 20  # networks between two timings of the reference
DRIFTED = 0.08  # of the spans between two of them
NAME = "latency_eager"
METHOD = "eager, batch 1, float32, wall clock, 1 thread, a processor; median of block medians, protocol 3"
KEY = MeasurementKey(
    network="", input_shape=(1, 8, 8), batch=1, dtype="float32", memory_format="contiguous", mode=NAME,
    cache="warm", threads=1, torch="2.13.0+cpu", cuda=None, cudnn=None, driver=None, runtime=None, device="a processor",
    uuid=None, power_cap_w=None, clock="wall clock, 1 thread", protocol=2,
)  # fmt: skip


def started(made: Sequence[Evaluation]) -> list[Evaluation]:
    """The trials with a worker and a begin: each goes to the worker that is free first."""
    free = [BEGIN] * WORKERS
    placed = []
    for place, one in enumerate(made):
        worker = int(np.argmin([t.timestamp() for t in free]))
        if place == len(made) // 2:
            free = [max(free) + PAUSE] * WORKERS
        begin = free[worker].isoformat(timespec="milliseconds")
        placed.append(dataclasses.replace(one, worker=f"worker-{worker}", started=begin))
        free[worker] += timedelta(seconds=sum(one.seconds.values()) + BETWEEN)
    return placed


def timing(ms: float, network: str, rng: np.random.Generator) -> Measurement:
    """A latency of about ``ms``, with all that a search stores of one."""
    blocks = ms * rng.lognormal(0, 0.01, 8)
    value, half = float(np.median(blocks)), float(1.5 * blocks.std())
    caveats = ["not converged"] if rng.random() < 0.05 else []
    details = {
        "protocol": 3, "preset": "search", "precision": 0.02, "block_medians": blocks.tolist(), "samples": 400,
        "calls_per_sample": 1, "warmup": 12, "steady": True, "converged": not caveats, "few_blocks": False,
        "trend": 0.0, "p95": value * 1.1, "p99": value * 1.3, "wall_over_thread": 1.01, "contended": False,
        "host_share": None, "host_bound": None, "jumps": 0, "seconds": 0.09, "preparation_s": 0.0014,
        "key": (KEY.to_dict() | {"network": network}), "gpu": [], "other_processes": None, "caveats": caveats,
    }  # fmt: skip
    return Measurement(value, "ms", value - half, value + half, "95 % t and sign test of medians", 8, METHOD, details)


def references(made: Sequence[Evaluation]) -> dict[str, list[list[float]]]:
    """Attributes of the study: what each worker's timings of the reference network came to."""
    rng = np.random.default_rng(1)
    told: dict[str, list[list[float]]] = {}
    for worker in dict.fromkeys(e.worker for e in made):
        numbers = [e.number for e in made if e.worker == worker][::EVERY]
        told[REFERENCE + worker] = [[n, 0.4 * float(rng.lognormal(0, 0.01))] for n in numbers]
    return told


def contentions(made: Sequence[Evaluation]) -> dict[str, Contention]:
    """Attributes of the study: spans in which the reference moved, and their networks measured again."""
    rng = np.random.default_rng(2)
    timed = [e for e in made if NAME in e.measurements]
    told = {}
    for begin in range(0, len(timed), EVERY):
        if rng.random() < DRIFTED:
            span = timed[begin : begin + EVERY]
            doubts = tuple(_doubt(e, timing(0.95 * e.measurements[NAME].value, "", rng)) for e in span)
            told[f"{CONTENDED}{span[0].worker}:{begin}"] = Contention(0.06, doubts)
    return told


def _doubt(evaluation: Evaluation, again: Measurement) -> Doubt:
    return Doubt(evaluation.architecture.network_digest, NAME, evaluation.measurements[NAME].value, again)


def finalists(result: StudyResult, folder: Path) -> tuple[Path, ...]:
    """Files of the front's models, timed again on two devices in three rounds, as ``nas-moo measure`` writes them."""
    rng = np.random.default_rng(3)
    models = result.trials[result.trials["front"]].drop_duplicates("network_digest")
    paths = []
    for device in ("a processor", "another processor"):
        lines = [_line(result, row, device, rng) for row in models.to_dict("records")]
        paths.append(folder / f"{device.replace(' ', '-')}.jsonl")
        paths[-1].write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return tuple(paths)


def _line(result: StudyResult, row: dict[Any, Any], device: str, rng: np.random.Generator) -> dict[str, Any]:
    slower = 1.0 if device == KEY.device else 1.7 * float(rng.lognormal(0, 0.1))
    rounds = (slower * row[NAME] * rng.lognormal(0, 0.01, 3)).tolist()
    value = float(np.median(rounds))
    key = KEY.to_dict() | {"network": row["network_digest"], "device": device}
    return {
        "format": 1, "kind": "latency", "study": result.name, "id": row["id"], "asked": NAME, "mode": NAME,
        "network_digest": row["network_digest"], "code_digest": result.description["space"]["code_digest"],
        "value": value, "low": min(rounds), "high": max(rounds), "unit": "ms", "key": key, "conditions": device,
        "method": METHOD, "caveats": [], "rounds": [{"value": v} for v in rounds],
    }  # fmt: skip
