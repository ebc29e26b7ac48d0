"""The trials of a study, read by column: what its tables need of them, without an object for each row of the database.

Optuna's own reading makes an object of every parameter, attribute and epoch, which takes most of the time of a report.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

# As Optuna 5 lays them out, on every database; another layout is refused where the storage is opened.
_TRIALS = sa.table("trials", *map(sa.column, ("trial_id", "number", "study_id", "state")))
_USER = sa.table("trial_user_attributes", *map(sa.column, ("trial_id", "key", "value_json")))
_SYSTEM = sa.table("trial_system_attributes", *map(sa.column, ("trial_id", "key", "value_json")))
_EPOCHS = sa.table(
    "trial_intermediate_values",
    *map(sa.column, ("trial_id", "step", "intermediate_value", "intermediate_value_type")),
)
_NO_NUMBERS = {"NAN": math.nan, "INF_POS": math.inf, "INF_NEG": -math.inf}
_CURVE = "curve"  # the attribute that makes the values of single epochs needless


def read_trials(storage: RDBStorage, study: int) -> list[FrozenTrial]:
    """Every trial by number, without its parameters, values and times, and without the epochs that its curve tells.

    Args:
        storage: The database.
        study: Optuna's id of the study.
    """
    with storage.engine.connect() as connection:
        # The trials first: one that ends meanwhile is told as running, not as finished without its attributes.
        of_study = sa.select(_TRIALS.c.trial_id, _TRIALS.c.number, _TRIALS.c.state).where(_TRIALS.c.study_id == study)
        trials = connection.execute(of_study.order_by(_TRIALS.c.number)).all()
        user, system = (_attributes(connection, table, study) for table in (_USER, _SYSTEM))
        epochs = _epochs(connection, study)
    return [
        FrozenTrial(
            number=number, trial_id=i, state=TrialState[state], value=None, datetime_start=None, datetime_complete=None,
            params={}, distributions={}, user_attrs=user[i], system_attrs=system[i], intermediate_values=epochs[i],
        )
        for i, number, state in trials
    ]  # fmt: skip


def _attributes(connection: sa.Connection, table: sa.TableClause, study: int) -> defaultdict[int, dict[str, Any]]:
    rows = sa.select(table).join(_TRIALS, _TRIALS.c.trial_id == table.c.trial_id).where(_TRIALS.c.study_id == study)
    found: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for trial, key, value in connection.execute(rows):
        found[trial][key] = json.loads(value)
    return found


def _epochs(connection: sa.Connection, study: int) -> defaultdict[int, dict[int, float]]:
    """Of trials that were killed, or still run."""
    told = sa.exists().where(_USER.c.trial_id == _EPOCHS.c.trial_id, _USER.c.key == _CURVE)
    rows = (
        sa.select(_EPOCHS)
        .join(_TRIALS, _TRIALS.c.trial_id == _EPOCHS.c.trial_id)
        .where(_TRIALS.c.study_id == study, ~told)
    )
    found: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for trial, step, value, kind in connection.execute(rows):
        found[trial][step] = _NO_NUMBERS.get(kind, value)
    return found
