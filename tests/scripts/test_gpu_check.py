"""The check for machines with a GPU: what it does where there is none, and the file that it leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
JUNIT = """<testsuites><testsuite>
<testcase classname="tests.a" name="one"/>
<testcase classname="tests.a" name="two"><failure message="no"/></testcase>
<testcase classname="tests.b" name="three"><skipped message="no trt"/></testcase>
</testsuite></testsuites>"""


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_checked_and_that_is_said():
    done = subprocess.run([ROOT / "scripts" / "gpu_check"], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "nothing was checked" in done.stderr


# In the place of the Python that scripts/gpu_check calls: it notes each step, and leaves what the step would.
PYTHON = """#!{python}
import os, runpy, sys
from pathlib import Path
step = {{"-c": "check", "pytest": "tests", "nas_moo": sys.argv[3:4] and sys.argv[3]}}.get(
    sys.argv[2] if sys.argv[1] == "-m" else sys.argv[1], Path(sys.argv[1]).name
)
if step == "gpu_record":
    os.execv(sys.executable, [sys.executable, "{record}", *sys.argv[2:]])
with open("steps", "a") as file:
    print(step, file=file)
after = dict(zip(sys.argv, sys.argv[1:]))
left = {{"tests": ("--junitxml", '''{junit}'''), "measuring": ("--json", '''{measuring}'''),
        "measure": ("--out", '{{"kind": "session"}}\\n')}}
if step == "training_overhead":
    print("ours 1.0")
if step in os.environ["FAILING"].split():
    sys.exit(3)
if step in left:
    Path(after[left[step][0]]).write_text(left[step][1])
if step == "report":
    Path(after["--out"]).mkdir()
    (Path(after["--out"]) / "front.json").write_text('{{"models": [{{"id": "a"}}]}}')
"""
DEVICE = {"name": "A GPU", "torch": "2.13.0+cu130", "cuda": "13.0", "driver": "580.1"}


def checked(folder, failing):
    """What scripts/gpu_check leaves in a folder where all but its own text stands in for the real thing."""
    (folder / "scripts").mkdir()
    (folder / ".venv" / "bin").mkdir(parents=True)
    script, python = folder / "scripts" / "gpu_check", folder / ".venv" / "bin" / "python"
    script.write_bytes((ROOT / "scripts" / "gpu_check").read_bytes())
    (folder / "scripts" / "setup").write_text("#!/bin/sh\n")
    python.write_text(
        PYTHON.format(
            python=sys.executable, record=ROOT / "scripts" / "benchmarks" / "gpu_record", junit=JUNIT,
            measuring=json.dumps({"device": DEVICE, "coverage": {}}),
        )
    )  # fmt: skip
    for path in (script, folder / "scripts" / "setup", python):
        path.chmod(0o755)
    done = subprocess.run([script], capture_output=True, text=True, check=False, env=os.environ | {"FAILING": failing})
    (path,) = (folder / "docs" / "measurements").iterdir()
    return done, json.loads(path.read_text()), (folder / "steps").read_text().split()


STEPS = ["check", "check", "tests", "training_overhead", "measuring", "search", "measure", "report"]


def test_a_check_without_failures_is_whole(tmp_path):
    done, made, steps = checked(tmp_path, "")
    assert (done.returncode, steps) == (0, STEPS), done.stderr
    assert (made["failed"], made["missing"]) == ([], {})
    assert made["training_overhead"] == ["ours 1.0"]


@pytest.mark.parametrize(
    ("failing", "missing"),
    [
        ("training_overhead", set()),  # it misses its target, and has said by how much
        ("tests measuring", {"tests", "measuring"}),
        ("search measure report", {"front", "finalists"}),
    ],
)
def test_a_step_that_fails_costs_none_of_the_others(tmp_path, failing, missing):
    done, made, steps = checked(tmp_path, failing)
    assert (done.returncode, steps) == (1, STEPS), done.stderr
    assert made["failed"] == [f"{step} (exit code 3)" for step in failing.split()]
    assert set(made["missing"]) == missing
    assert set(made) >= {"tests", "measuring", "training_overhead", "front", "finalists"} - missing
    assert made["device"]["name"]
    for name in missing:
        assert f"Missing: {name} " in done.stdout


def test_what_was_found_becomes_one_file_named_by_device_and_versions(tmp_path):
    found = tmp_path / "found"
    (found / "report").mkdir(parents=True)
    device = {"name": "A GPU (80 GB)", "torch": "2.13.0+cu130", "cuda": "13.0", "driver": "580.1"}
    (found / "tests.xml").write_text(JUNIT)
    (found / "measuring.json").write_text(json.dumps({"device": device, "coverage": {"summaries": {}}}))
    (found / "training_overhead.txt").write_text("ours 1.0\n")
    (found / "failed.txt").write_text("tests (exit code 1)\n")
    (found / "report" / "front.json").write_text(json.dumps({"models": [{"id": "a"}]}))
    (found / "finalists.jsonl").write_text('{"kind": "session"}\n{"kind": "latency"}\n')
    script = ROOT / "scripts" / "benchmarks" / "gpu_record"
    subprocess.run([sys.executable, script, found, tmp_path / "out"], check=True, capture_output=True)
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == "A-GPU-80-GB-torch-2.13.0+cu130-cuda-13.0-driver-580.1.json"
    made = json.loads(path.read_text())
    assert made["tests"] == {"run": 3, "failed": ["tests.a::two"], "skipped": ["tests.b::three"]}
    assert made["device"] == device
    assert (made["failed"], made["missing"]) == (["tests (exit code 1)"], {})
    assert made["front"] == [{"id": "a"}]
    assert len(made["finalists"]) == 2
