"""The check for machines with a GPU: what it does where there is none, and the file that it leaves."""

import json
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


def test_what_was_found_becomes_one_file_named_by_device_and_versions(tmp_path):
    found = tmp_path / "found"
    (found / "report").mkdir(parents=True)
    device = {"name": "A GPU (80 GB)", "torch": "2.13.0+cu130", "cuda": "13.0", "driver": "580.1"}
    (found / "tests.xml").write_text(JUNIT)
    (found / "measuring.json").write_text(json.dumps({"device": device, "coverage": {"summaries": {}}}))
    (found / "training_overhead.txt").write_text("ours 1.0\n")
    (found / "report" / "front.json").write_text(json.dumps({"models": [{"id": "a"}]}))
    (found / "finalists.jsonl").write_text('{"kind": "session"}\n{"kind": "latency"}\n')
    script = ROOT / "scripts" / "benchmarks" / "gpu_record"
    subprocess.run([sys.executable, script, found, tmp_path / "out"], check=True, capture_output=True)
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == "A-GPU-80-GB-torch-2.13.0+cu130-cuda-13.0-driver-580.1.json"
    made = json.loads(path.read_text())
    assert made["tests"] == {"run": 3, "failed": ["tests.a::two"], "skipped": ["tests.b::three"]}
    assert made["device"] == device
    assert made["front"] == [{"id": "a"}]
    assert len(made["finalists"]) == 2
