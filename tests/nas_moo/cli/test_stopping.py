"""Signals, a reader that leaves, and a disk that refuses."""

import json
import os
import signal
import subprocess
import sys

import pytest

import nas_moo


@pytest.fixture
def start(folder):
    """Start ``nas-moo`` as a process in the folder."""

    def start(*arguments, **options):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([sys.executable, "-m", "nas_moo", *arguments], cwd=folder, text=True, **pipes)

    return start


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_search_with_one_document(folder, run, search, number, code):
    (folder / "raises.py").write_text(
        "import signal\nfrom space import Tiny\n\nclass Raises(Tiny):\n    def optimizer(self, *_):\n"
        f"        signal.raise_signal({int(number)})\n"
    )
    before = signal.getsignal(signal.SIGINT)
    try:
        ended, out, err = run(*search, "--space", "raises.py:Raises", "--study", f"stopped{code}", "--json")
    finally:
        signal.signal(signal.SIGINT, before)  # what is left of a stopped process ignores it
    assert ended == code
    assert json.loads(out)["error"].startswith("stopped")
    assert "Traceback" not in err
    assert nas_moo.load_study(f"stopped{code}").trials["state"].tolist() == ["interrupted"]


def test_a_reader_that_has_seen_enough_is_no_failure(start):
    reader, writer = os.pipe()
    os.close(reader)
    process = start("search", "--help", stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110
def test_output_that_cannot_be_written_is_said(start):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        process = start("nonsense", "--json", stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "No space left on device" in err
    assert "Traceback" not in err


def test_a_terminal_without_our_signs_still_shows_everything(start, studied):
    process = start("choose", "Tiny-blobs", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "error" in out


def test_a_disk_that_fills_up_during_the_search_is_said(folder, run, search):
    resource = pytest.importorskip("resource")
    _, most = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (280_000, most))
    try:
        code, _, err = run(*search, "--trials", "12", "--storage", "full/full.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert code == 4
    assert "the study storage does not work" in err
    assert "Begins study" in err
    assert "Traceback" not in err
