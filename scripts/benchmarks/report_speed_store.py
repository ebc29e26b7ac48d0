"""The study of ``report_speed`` in an SQLite file: the rows that a search leaves there, written at once.

Through Optuna a trial takes some 25 ms of processor time, and ten thousand of them minutes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from optuna.distributions import distribution_to_json
from report_speed_study import GENOME, NAME, OBJECTIVES, describe, evaluations, seals
from report_speed_timings import contentions, references

from nas_moo.evaluation import Evaluation
from nas_moo.samplers.distributions import distributions, parameters
from nas_moo.study.record import SEALED, TrialRecord
from nas_moo.study.storage import Storage

WHEN = "2026-01-02 03:04:05.000000"
STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "screened": "PRUNED", "running": "RUNNING"}  # others: FAIL
INSERTS = {
    "trials": "(trial_id, number, study_id, state, datetime_start, datetime_complete) VALUES (?, ?, ?, ?, ?, ?)",
    "trial_values": "(trial_id, objective, value, value_type) VALUES (?, ?, ?, 'FINITE')",
    "trial_params": "(trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)",
    "trial_user_attributes": "(trial_id, key, value_json) VALUES (?, ?, ?)",
    "trial_intermediate_values": "(trial_id, step, intermediate_value, intermediate_value_type)"
    " VALUES (?, ?, ?, 'FINITE')",
}


def store(trials: int, epochs: int, path: Path, objectives: int = 3) -> None:
    """Write the study into a new SQLite file."""
    study = Storage(path, create=True).create(NAME, describe(trials, epochs, objectives)).optuna
    made = evaluations(trials, epochs, objectives)
    sealed = seals(made)
    told: dict[str, Any] = {**references(made), **{key: c.to_dict() for key, c in contentions(made).items()}}
    for key, value in told.items():
        study.set_user_attr(key, value)
    with closing(sqlite3.connect(path)) as connection, connection:
        for evaluation in made:
            for table, rows in _rows(evaluation, study._study_id, sealed).items():
                connection.executemany(f"INSERT INTO {table} {INSERTS[table]}", rows)


def _rows(evaluation: Evaluation, study: int, sealed: Mapping[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    trial, state = evaluation.number + 1, evaluation.outcome.state
    attributes, errors = _written(evaluation, sealed)
    ended = None if state == "running" else WHEN
    m = evaluation.measurements
    values = [m[o].value for o in OBJECTIVES if o in m] if state == "complete" else []
    return {
        "trials": [(trial, evaluation.number, study, STATES.get(state, "FAIL"), WHEN, ended)],
        "trial_values": [(trial, i, value) for i, value in enumerate(values)],
        "trial_params": [(trial, *row) for row in _parameters(evaluation)],
        "trial_user_attributes": [(trial, key, json.dumps(value)) for key, value in attributes.items()],
        "trial_intermediate_values": [(trial, *row) for row in errors.items()],
    }  # fmt: skip


def _parameters(evaluation: Evaluation) -> Iterator[tuple[str, float, str]]:
    values = parameters(evaluation.architecture, GENOME)
    for name, distribution in distributions(GENOME).items():
        yield name, distribution.to_internal_repr(values[name]), distribution_to_json(distribution)


def _written(evaluation: Evaluation, sealed: Mapping[str, str]) -> tuple[dict[str, Any], dict[int, float]]:
    """What ``TrialRecord`` writes of it: attributes, and the error of each epoch."""
    attributes: dict[str, Any] = {}
    errors: dict[int, float] = {}
    trial: Any = SimpleNamespace(
        number=evaluation.number,
        _trial_id=0,
        set_user_attr=attributes.__setitem__,
        storage=SimpleNamespace(set_trial_intermediate_value=lambda _, epoch, error: errors.update({epoch: error})),
    )
    record = TrialRecord(
        trial, evaluation.architecture, evaluation.worker, evaluation.started, origin=evaluation.origin
    )
    if evaluation.continues is not None:
        attributes["continues"] = {"trial": evaluation.continues, "epochs": evaluation.inherited}
    for name, measurement in evaluation.measurements.items():
        record.measured(name, measurement)
    for epoch in evaluation.curve:
        record.epoch(epoch)
    if evaluation.judgement is not None:
        record.judged(evaluation.judgement)
    if "error" in evaluation.measurements:
        attributes[SEALED] = sealed[evaluation.architecture.digest[:8]]
    if evaluation.outcome.state != "running":
        record.seconds = dict(evaluation.seconds)
        record.close(evaluation.outcome)
    return attributes, errors
