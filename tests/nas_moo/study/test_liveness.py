"""A worker that is killed loses nothing, and several workers share a study without doubling a training."""

import os
import signal
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

import nas_moo
from nas_moo.study.liveness import live_workers, mark_interrupted, worker_lock
from nas_moo.study.storage import Storage

SEARCH = (
    "search",
    "--space",
    "space.py:Slow",
    "--data",
    "blobs.npz",
    "--objective",
    "error",
    "--objective",
    "params",
    "--epochs",
    "2",
)


def wait_for_trials(path, count, process, timeout=60.0):
    """Until the log of the search has that many ended trials."""
    until = time.monotonic() + timeout
    while time.monotonic() < until and process.poll() is None:
        if path.is_file() and path.read_text().count('"event": "trial"') >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"no {count} trials: {process.communicate()[1] if process.poll() is not None else 'too slow'}")


def test_after_kill_9_the_same_command_finishes_exactly_what_was_asked_for(cli, tiny):
    process = cli.start(*SEARCH, "--trials", "8")
    wait_for_trials(tiny / "nas-moo-files" / "Slow-blobs" / "log.jsonl", 2, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    stopped = nas_moo.load_study("Slow-blobs")
    before = int(stopped.trials["trained"].sum())
    assert 2 <= before < 8
    done = cli(*SEARCH, "--trials", "8")
    assert done.returncode == 0, done.stderr
    result = nas_moo.load_study("Slow-blobs")
    assert result.trials["trained"].sum() == 8
    assert (result.trials["state"] != "running").all()
    assert result.complete["digest"].is_unique
    interrupted = result.trials[result.trials["state"] == "interrupted"]
    assert len(interrupted) <= 1
    if len(interrupted):
        assert "was interrupted (its worker died)" in done.stderr


def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(cli, tiny):
    process = cli.start(*SEARCH, "--trials", "40")
    wait_for_trials(tiny / "nas-moo-files" / "Slow-blobs" / "log.jsonl", 1, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "The same command goes on from here" in err
    assert "Traceback" not in err
    assert not (nas_moo.load_study("Slow-blobs").trials["state"] == "running").any()


def test_sigterm_ends_like_ctrl_c_with_its_own_code(cli, tiny):
    process = cli.start(*SEARCH, "--trials", "40")
    wait_for_trials(tiny / "nas-moo-files" / "Slow-blobs" / "log.jsonl", 1, process)
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "Traceback" not in err
    assert not (nas_moo.load_study("Slow-blobs").trials["state"] == "running").any()


def test_two_workers_share_a_study(cli, tiny):
    workers = [cli.start(*SEARCH, "--trials", "8", "--study", "shared")]
    wait_for_trials(tiny / "nas-moo-files" / "shared" / "log.jsonl", 1, workers[0])
    workers.append(cli.start(*SEARCH, "--trials", "8", "--study", "shared"))
    for worker in workers:
        _, err = worker.communicate(timeout=120)
        assert worker.returncode == 0, err
    result = nas_moo.load_study("shared")
    assert result.trials["trained"].sum() == 8
    assert result.complete["digest"].is_unique
    assert not (result.trials["state"] == "interrupted").any()


def test_a_worker_is_alive_while_it_holds_its_lock(searched):
    name = searched(trials=1).name
    study = Storage().open(name)
    assert live_workers(study) == []
    with worker_lock(study) as name:
        assert live_workers(study) == [name]
        assert str(os.getpid()) in name
    assert live_workers(study) == []


@pytest.mark.parametrize("write", ["set_trial_user_attr", "set_trial_state_values"])
def test_two_workers_may_end_the_same_dead_trial(searched, monkeypatch, write):
    """The other one is faster, once before the first write and once between both."""
    name = searched(trials=1).name
    study = Storage().open(name)
    dead = [study.optuna.ask() for _ in range(2)]
    for trial in dead:
        trial.set_user_attr("worker", f"{socket.gethostname()}-1-abcdef")
        trial.set_user_attr("started", datetime.now(UTC).isoformat())
    storage = study.storage.optuna if write == "set_trial_user_attr" else study.optuna._storage
    real = getattr(storage, write)

    def ended_by_another(trial_id, *arguments, **more):
        if trial_id == dead[0]._trial_id:
            monkeypatch.setattr(storage, write, real)
            study.optuna.tell(dead[0].number, state=TrialState.FAIL)
            raise UpdateFinishedTrialError
        return real(trial_id, *arguments, **more)

    monkeypatch.setattr(storage, write, ended_by_another)
    assert [t.number for t in mark_interrupted(study)] == [dead[1].number]
    assert all(t.state == TrialState.FAIL for t in study.trials()[-2:])


def test_a_lost_machine_blocks_nothing_for_longer_than_an_hour(searched):
    name = searched(trials=1).name
    study = Storage().open(name)
    for hours in (0.5, 2):
        trial = study.optuna.ask()
        trial.set_user_attr("worker", "another-host-12-abcdef")
        trial.set_user_attr("started", (datetime.now(UTC) - timedelta(hours=hours)).isoformat())
    (lost,) = mark_interrupted(study)
    assert lost.number == trial.number
