"""A replayed search as the study that it stands for, so that a report opens it like one that trained.

What a table does not tell is left out: there are no weights and no workers, seconds only where it has a column of
them, and intervals nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from nas_moo.choose import ObjectiveInfo
from nas_moo.errors import UserInputError
from nas_moo.evaluation import OUTBID, OUTBID_REASON, EpochRecord, Evaluation, Judgement, Outcome, seal
from nas_moo.measurement import NOT_RECORDED, Measurement
from nas_moo.pareto import Array
from nas_moo.pruners import Verdict
from nas_moo.replay.description import Cost
from nas_moo.replay.pruning import Training
from nas_moo.replay.summary import Arm
from nas_moo.replay.table import RecordedTable
from nas_moo.replay.trace import Trace
from nas_moo.results import ID_LENGTH, RECORDED, REFERENCE_TRIALS, StudyResult, build_result, reference_point

ERROR = "error"
_COUNTS = {"flops": ("FLOPs", "FLOPs"), "params": ("parameters", "parameters")}  # label and unit
_MILLISECONDS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}  # every latency is shown in ms


def replayed_study(table: RecordedTable, arm: Arm, trace: Trace, trials: int, command: str = "") -> StudyResult:
    """The tables of one replayed search.

    Args:
        table: It answered.
        arm: Sampler and pruner.
        trace: What the search did.
        trials: What it might spend, in full trainings.
        command: For the record, as it was typed.

    Raises:
        UserInputError: the trace was read from elsewhere, and does not tell how far each row was trained.
    """
    if len(trace.trainings) != len(trace.rows):
        raise UserInputError(
            "this trace does not tell how far its rows were trained", value=trace.seed, do="Replay the search again."
        )
    objectives = (_error(table), *(_cost(table, c) for c in table.described))
    evaluations = _evaluations(table, arm, trace, objectives)
    complete = [t.row for t in trace.trainings if t.verdict is None]
    about = _describe(table, arm, trace, trials, command) | {"objectives": [asdict(o) for o in objectives]}
    if len(complete) >= REFERENCE_TRIALS:
        first = [e.measurements for e in evaluations if e.outcome.state == "complete"][:REFERENCE_TRIALS]
        point = reference_point(_values(first, objectives))
        named = dict(zip((o.name for o in objectives), point.tolist(), strict=True))
        about["hypervolume_reference"] = {"values": named, "trials": REFERENCE_TRIALS}
    return build_result(f"{table.name}-{arm.name}-seed{trace.seed}", about, evaluations, seals=_seals(table, complete))


def _values(measured: Sequence[Mapping[str, Measurement]], objectives: Sequence[ObjectiveInfo]) -> Array:
    return np.array([[m[o.name].value for o in objectives] for m in measured])


def _error(table: RecordedTable) -> ObjectiveInfo:
    points = ", ".join(f"{e:g}" for e in table.epochs)
    plain = table.epochs.tolist() == list(range(1, len(table.epochs) + 1))
    method = f"recorded in {table.name}" + ("" if plain else f", whose curves have points at {points} epochs")
    return ObjectiveInfo(ERROR, "fraction", "validation error", "trained", log=False, method=method)


def _cost(table: RecordedTable, cost: Cost) -> ObjectiveInfo:
    label, unit = _COUNTS.get(cost.name, (cost.name.replace("_", " "), cost.unit))
    unit, stage = ("ms", "device") if _is_latency(cost) else (unit, "static")
    method = f"recorded in {table.name}, column {cost.column}"
    if unit == "FLOPs":
        method += "; the table does not say whether a multiply-add counts as one or two"
    return ObjectiveInfo(cost.name, unit, label, stage, log=cost.log, method=method)


def _is_latency(cost: Cost) -> bool:
    return cost.name.startswith("latency") and cost.unit in _MILLISECONDS


def _evaluations(
    table: RecordedTable, arm: Arm, trace: Trace, objectives: Sequence[ObjectiveInfo]
) -> tuple[Evaluation, ...]:
    last, completed = dict[int, int](), dict[int, int]()  # row to trial
    found = list[Evaluation]()
    for number, training in enumerate(trace.trainings):
        before = last.pop(training.row, None)
        inherited = 0 if before is None else trace.trainings[before].points
        measured = _measurements(table, training, objectives)
        outcome = Outcome("complete", trained=True)
        if training.verdict is None:
            completed[training.row] = number
        else:
            last[training.row] = number
            outcome = _given_up(arm, training, training.verdict)
        seconds = {} if table.seconds is None else {"training": float(table.seconds[training.row] * training.fulls)}
        found.append(
            Evaluation(
                number,
                table.architectures[training.row],
                measured,
                _curve(table, training),
                outcome,
                seconds,
                judgement=_judgement(table, arm, training, completed),
                continues=before,
                inherited=inherited,
            )
        )
    return tuple(found)


def _given_up(arm: Arm, training: Training, verdict: Verdict) -> Outcome:
    if training.decision is not None and training.decision.outbid:
        return Outcome("pruned", OUTBID, OUTBID_REASON, trained=True)
    return Outcome("pruned", arm.pruner, verdict.reason, trained=True)


def _measurements(
    table: RecordedTable, training: Training, objectives: Sequence[ObjectiveInfo]
) -> dict[str, Measurement]:
    measured = {}
    for cost, o, value in zip(table.described, objectives[1:], table.costs[training.row].tolist(), strict=True):
        if cost.name in _COUNTS:
            measured[o.name] = Measurement.exact(value, o.unit, o.method)
        else:
            scale = _MILLISECONDS[cost.unit] if _is_latency(cost) else 1.0
            measured[o.name] = _recorded(value * scale, o.unit, o.method)
    if training.verdict is None:
        measured[ERROR] = _recorded(float(table.errors[training.row, -1]), "fraction", objectives[0].method)
    return measured


def _recorded(value: float, unit: str, method: str) -> Measurement:
    return Measurement(value, unit, value, value, NOT_RECORDED, 1, method)


def _curve(table: RecordedTable, training: Training) -> tuple[EpochRecord, ...]:
    """A point an epoch; nothing where the table has final errors alone."""
    if len(table.epochs) == 1:
        return ()
    errors, whole = table.errors[training.row, : training.points], table.seconds
    shares = [table.share(1), *(table.share(p) - table.share(p - 1) for p in range(2, training.points + 1))]
    return tuple(
        EpochRecord(
            epoch, float(error), math.nan, math.nan, math.nan if whole is None else float(whole[training.row] * share)
        )
        for epoch, (error, share) in enumerate(zip(errors, shares, strict=True), 1)
    )


def _judgement(table: RecordedTable, arm: Arm, training: Training, numbers: Mapping[int, int]) -> Judgement | None:
    decision = training.decision
    if decision is None:
        return None
    told = decision.verdict.evidence

    def number(name: str) -> float | None:
        return None if told.get(name) is None else float(told[name])

    return Judgement(
        pruner=arm.pruner,
        control=decision.control,
        reason=OUTBID_REASON if decision.outbid else decision.verdict.reason,
        epoch=decision.points,
        last_error=float(table.errors[training.row, decision.points - 1]),
        predicted=number("predicted"),
        spread=number("spread"),
        bound=number("bound"),
        threshold=number("threshold"),
        rival=None if decision.rival is None else numbers[decision.rival],
        rival_error=number("rival_error"),
        finished=decision.finished,
        quantile=number("quantile"),
        level=decision.level,
        costs=table.cost_of(training.row),
        outbid=decision.outbid,
    )


def _seals(table: RecordedTable, complete: Sequence[int]) -> dict[str, str]:
    if table.test is None:
        return {}
    method = f"test error recorded in {table.name}"
    return {
        table.architectures[row].digest[:ID_LENGTH]: seal(_recorded(float(table.test[row]), "fraction", method))
        for row in complete
    }


def _describe(table: RecordedTable, arm: Arm, trace: Trace, trials: int, command: str) -> dict[str, Any]:
    return {
        "format": 1,
        "command": command,
        "space": {"reference": f"genes of {table.name}"},
        "genome": table.genome.describe(),
        "size": table.genome.size(),
        "data": {"name": f"recorded table {table.name}", "digest": table.digest, "parts": {"rows": len(table)}},
        "validation": RECORDED,
        "epochs": len(table.epochs),
        "seed": trace.seed,
        "sampler": arm.sampler,
        "population": arm.population,
        "screening": arm.screening and arm.sampler == "nsga2",
        "pruner": None if arm.pruner == "never" else arm.pruner,
        "pruner_quantile": arm.quantile,
        "control_share": arm.control_share,
        "thaw": arm.thaw,
        "trials": trials,
        "limits": {},
    }
