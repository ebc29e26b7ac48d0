"""The command line in this process, in a folder that a module's tests share."""

import json

import pytest

from nas_moo.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_tiny):
    """A working directory with a blank and an accent in its path."""
    path = write_tiny(tmp_path_factory.mktemp("a folder é"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.delenv("NAS_MOO_STORAGE", raising=False)
        yield path


SEARCH = ("search", "--space", "space.py:Tiny", "--data", "blobs.npz", "--objective", "error", "--objective", "params")


@pytest.fixture(scope="module")
def search():
    """The words of a search that takes a second; later options win."""
    return (*SEARCH, "--epochs", "1", "--trials", "2")


@pytest.fixture(scope="module")
def studied(folder, search):
    """The folder with a study of eight models, ``Tiny-blobs``."""
    assert main([*search, "--trials", "8"]) == 0
    return folder


@pytest.fixture
def run(capsys):
    """Run a command: exit code, standard output, standard error."""

    def run(*arguments):
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def document(run):
    """Run a command with ``--json`` that succeeds: its one document."""

    def document(*arguments):
        code, out, err = run(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    return document


@pytest.fixture
def refused(run):
    """Run a command that must fail with a code and one message of three parts, in text and in JSON: its three parts."""

    def refused(code, *arguments):
        text_code, out, err = run(*arguments)
        json_code, document, _ = run(*arguments, "--json")
        assert (text_code, json_code) == (code, code), err
        parts = json.loads(document)
        assert set(parts) == {"error", "value", "do"}
        assert parts["error"]
        assert parts["do"]
        assert out == ""
        assert "Traceback" not in err
        assert sum(line.startswith("nas-moo: ") for line in err.splitlines()) == 1
        assert parts["do"] in err
        return parts

    return refused
