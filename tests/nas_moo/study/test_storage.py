"""Storages: where they are, what they refuse, and what happens to broken ones."""

import sqlite3
import subprocess
import sys

import optuna
import pytest

import nas_moo
from nas_moo.errors import (
    CorruptError,
    MachineError,
    StudyMismatchError,
    UnknownNameError,
    UserInputError,
)
from nas_moo.study.storage import Storage, check_study_name


def test_sqlite_writes_ahead_and_outlives_a_long_lock(searched, tiny):
    searched(trials=1)
    connection = Storage().optuna.engine.raw_connection()
    pragmas = {
        p: connection.cursor().execute(f"PRAGMA {p}").fetchone()[0]
        for p in ("journal_mode", "synchronous", "busy_timeout")
    }
    connection.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 1, "busy_timeout": 60_000}


def test_the_environment_names_the_storage(searched, tiny, monkeypatch):
    monkeypatch.setenv("NAS_MOO_STORAGE", "elsewhere/studies.db")
    searched(trials=1)
    assert (tiny / "elsewhere" / "studies.db").is_file()
    assert (tiny / "elsewhere" / "nas-moo-files").is_dir()
    assert not (tiny / "nas-moo.db").exists()


@pytest.mark.parametrize("url", ["sqlite:///sub/place.db", "sub/place.db"])
def test_a_path_and_a_url_are_the_same_place(searched, tiny, url):
    searched(trials=1, storage=url)
    assert (tiny / "sub" / "place.db").is_file()
    assert len(nas_moo.load_study("Tiny-blobs", "sub/place.db").trials) == 1


def test_a_missing_storage_is_not_made_by_reading(tiny):
    with pytest.raises(UserInputError, match="no study storage"):
        nas_moo.load_study("Tiny-blobs")
    assert not (tiny / "nas-moo.db").exists()


def test_what_is_no_database_is_corrupt(tiny):
    (tiny / "nas-moo.db").write_text("this is no database, and long enough to be read as one\n" * 100)
    with pytest.raises(CorruptError, match="cannot be read"):
        Storage()


def test_a_storage_that_cannot_be_made_is_the_machines_fault(tiny):
    (tiny / "file").write_text("")
    with pytest.raises(MachineError):
        Storage("file/nas-moo.db", create=True)


def test_a_url_without_a_driver_is_refused(tiny):
    with pytest.raises((UserInputError, MachineError)):
        Storage("nosuchdatabase://host/name", create=True)


def test_an_unknown_study_is_refused_with_those_there_are(searched):
    searched(trials=1)
    with pytest.raises(UnknownNameError, match="Tiny-blobs"):
        nas_moo.load_study("Tiny-blob")


def test_a_foreign_study_is_left_alone(searched):
    searched(trials=1)
    optuna.create_study(study_name="theirs", storage=Storage().optuna)
    assert Storage().names() == ["Tiny-blobs"]
    with pytest.raises(CorruptError, match="not made by nas-moo"):
        searched(study="theirs")


def test_a_flipped_byte_in_the_weights_is_found(searched, tiny):
    result = searched()
    best = result.front().iloc[0]
    path = tiny / "nas-moo-files" / result.name / "weights" / f"{best['digest']}.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptError, match="not what was written"):
        result.model(best["id"])


def test_deleting_a_study_removes_its_files(searched, tiny):
    name = searched(trials=1).name
    Storage().delete(name)
    assert Storage().names() == []
    assert not (tiny / "nas-moo-files" / name).exists()


def test_what_differs_is_shown_where_two_long_texts_differ(searched):
    searched(trials=1)
    study = Storage().open("Tiny-blobs")
    there = {**study.description["identity"], "methods_of_measurement": [f"{'the same, ' * 30}one by one, {'x' * 300}"]}
    study.optuna.set_user_attr("nas_moo", {**study.description, "identity": there})
    today = {**there, "methods_of_measurement": [f"{'the same, ' * 30}back to back, {'x' * 300}"]}
    with pytest.raises(StudyMismatchError) as raised:
        study.check_same(today)
    assert "one by one" in raised.value.what
    assert "back to back" in raised.value.value
    assert len(raised.value.value) < 140


def test_a_locked_database_is_waited_for(searched, tiny):
    searched(trials=1)
    other = sqlite3.connect(tiny / "nas-moo.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    import threading

    threading.Timer(1.5, lambda: other.execute("COMMIT")).start()
    assert searched(trials=2).trials["trained"].sum() == 2


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "-x", "a..b", "x" * 101, "with space", "ä"])
def test_names_that_would_not_do_as_files_are_refused(name):
    with pytest.raises(UserInputError, match="no name for a study"):
        check_study_name(name)


def test_ordinary_names_do():
    assert check_study_name("convnet-digits_2.1") == "convnet-digits_2.1"


def test_passwords_are_not_shown():
    with pytest.raises((UserInputError, MachineError)) as refused:
        Storage("nosuchdatabase://me:secret@host/name", create=True)
    assert "secret" not in str(refused.value)


def test_workers_may_make_a_storage_at_the_same_moment(tmp_path):
    make = "from nas_moo.study.storage import Storage; print(); input(); Storage('new.db', create=True).names()"
    command, pipe = [sys.executable, "-c", make], subprocess.PIPE
    workers = [subprocess.Popen(command, cwd=tmp_path, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    for worker in workers:
        worker.stdout.readline()  # it has imported everything
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    for worker in workers:
        worker.communicate(timeout=60)
    assert [worker.returncode for worker in workers] == [0] * 4
