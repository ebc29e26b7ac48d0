"""Which processes work on a study, and what the dead ones left behind.

A worker holds an operating-system lock on a file of its own; the system lets go of it whatever the worker dies of. So a
lock that can be taken belongs to a dead worker, and a running trial of a dead worker is interrupted. Of another machine
the locks cannot be judged: there a worker is dead when its trial has given no sign for an hour.
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from nas_moo.evaluation import Outcome
from nas_moo.study.record import SIGN_OF_LIFE
from nas_moo.study.storage import StoredStudy

SILENT_SECONDS = 3600.0  # after which a worker of another machine counts as dead
_SUFFIX = ".lock"


@contextmanager
def worker_lock(study: StoredStudy) -> Iterator[str]:
    """Live as a worker of this study.

    Yields:
        The worker's name: host, process and a random part.
    """
    folder = _folder(study)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    path = folder / f"{name}{_SUFFIX}"
    with FileLock(path):
        yield name
    path.unlink(missing_ok=True)


def live_workers(study: StoredStudy) -> list[str]:
    """Names of the workers that hold their lock; files of dead ones are removed."""
    alive = []
    for path in sorted(_folder(study).glob(f"*{_SUFFIX}")):
        if _is_held(path):
            alive.append(path.name.removesuffix(_SUFFIX))
        else:
            path.unlink(missing_ok=True)
    return alive


def mark_interrupted(study: StoredStudy) -> list[FrozenTrial]:
    """End the running trials of dead workers as interrupted."""
    alive = set(live_workers(study))
    dead = []
    for trial in study.trials():
        if trial.state != TrialState.RUNNING or _is_alive(trial, alive):
            continue
        outcome = Outcome("interrupted", "died", "its worker died", trained=False)
        try:
            study.storage.optuna.set_trial_user_attr(trial._trial_id, "outcome", vars(outcome))
            study.optuna.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        except UpdateFinishedTrialError:  # another worker was faster, also than the look at whether one was
            continue
        dead.append(trial)
    return dead


def _is_alive(trial: FrozenTrial, alive: set[str]) -> bool:
    worker = str(trial.user_attrs.get("worker", ""))
    if not worker:  # asked a moment ago by a live worker that has not signed it yet
        return bool(alive)
    if worker in alive:
        return True
    if worker.rsplit("-", 2)[0] == socket.gethostname():
        return False
    last_sign = datetime.fromisoformat(str(trial.user_attrs.get(SIGN_OF_LIFE, trial.user_attrs["started"])))
    return (datetime.now(UTC) - last_sign).total_seconds() < SILENT_SECONDS


def _folder(study: StoredStudy) -> Path:
    """Beside an SQLite file, which all its users see; for a database server, one folder of this machine."""
    if study.storage.path is not None:
        return study.folder / "workers"
    key = hashlib.sha256(f"{study.storage.place} {study.name}".encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / "nas-moo-workers" / key


def _is_held(path: Path) -> bool:
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
