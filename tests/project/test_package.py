"""What is built, what an import drags in, and what the public names are."""

import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import nas_moo

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "optuna", "pandas", "seaborn", "matplotlib", "fvcore", "sklearn", "scipy", "moocore"}


def imported_by(statement):
    """The heavy packages that a fresh interpreter has after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return HEAVY & set(done.stdout.split())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_module_of_the_three_packages_and_nothing_else(wheel):
    names = {n for n in wheel.namelist() if ".dist-info/" not in n}
    sources = {
        str(p.relative_to(ROOT))
        for package in ("nas_moo", "search_spaces", "reports")
        for p in (ROOT / package).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert names == sources
    assert "reports/page.html" in names
    assert "nas_moo/py.typed" in names


def test_the_wheel_declares_its_command_licence_and_entry_points(wheel):
    entry_points = wheel.read(next(n for n in wheel.namelist() if n.endswith("entry_points.txt"))).decode()
    assert "nas-moo = nas_moo.cli:main" in entry_points
    assert "[nas_moo.spaces]" in entry_points
    assert any(n.endswith("licenses/LICENSE") for n in wheel.namelist())


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import nas_moo", set()),
        ("import nas_moo.cli", set()),
        ("import reports", set()),
        ("import search_spaces", set()),
        ("from nas_moo import Genome, Integer, Measurement, Recipe, load_space", set()),
        ("import nas_moo.objectives", set()),
        ("import nas_moo.pareto", {"moocore"}),
        ("from nas_moo.pruners import load_pruner; load_pruner('front')", {"moocore"}),
        ("import nas_moo.results, nas_moo.choose", {"moocore", "pandas"}),
        ("import nas_moo.objectives.latency, nas_moo.device", {"torch"}),
        ("import nas_moo.measure.write, nas_moo.measure.__main__, nas_moo.lease", {"torch"}),
        ("import nas_moo.measure.options", set()),
        ("import nas_moo.finalists", {"moocore", "pandas"}),
    ],
)
def test_an_import_drags_in_no_more_than_it_needs(statement, allowed):
    assert imported_by(statement) <= allowed


def test_every_public_name_is_there():
    for name in nas_moo.__all__:
        assert getattr(nas_moo, name) is not None
    assert set(nas_moo.__all__) <= set(dir(nas_moo))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nas_moo.nothing


def test_no_public_function_has_the_name_of_a_submodule():
    submodules = {p.stem for p in (ROOT / "nas_moo").iterdir() if p.suffix == ".py" or p.is_dir()}
    assert not submodules & set(nas_moo.__all__)


def test_the_version_is_the_same_everywhere():
    assert nas_moo.__version__ == importlib.metadata.version("nas-moo")


def test_the_constraints_pin_every_dependency():
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    needed = importlib.metadata.requires("nas-moo") or []
    for requirement in needed:
        name = requirement.split(";")[0].strip()
        for sign in "<>=!~ [":
            name = name.split(sign)[0]
        assert name.lower() in pinned, name
