import subprocess
import sys

import pytest
import torch
from torch import nn

from nas_moo.errors import SpaceError
from nas_moo.objectives import Candidate, latency
from nas_moo.objectives.latency import LatencyEager, precision
from nas_moo.objectives.tf32 import tf32

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)

SETTINGS = {
    "pass": ("convolutions",),
    "b.cudnn.allow_tf32 = False": (),
    "b.cuda.matmul.allow_tf32 = True": ("convolutions", "products"),
    "torch.set_float32_matmul_precision('high')": ("convolutions", "products"),
    "b.cudnn.allow_tf32 = False; b.cuda.matmul.allow_tf32 = True": ("products",),
}
NEWER = {
    "b.cuda.matmul.fp32_precision = 'tf32'": ("convolutions", "products"),
    "b.cudnn.conv.fp32_precision = 'ieee'": ("recurrent layers",),
    "b.cudnn.rnn.fp32_precision = 'ieee'": ("convolutions but for recurrent layers",),
    "b.cudnn.allow_tf32 = False; b.cuda.matmul.fp32_precision = 'tf32'": ("products",),  # allow_tf32 of products raises
    "b.fp32_precision = 'ieee'; b.cudnn.allow_tf32 = False": (),
}


def test_what_is_rounded_is_read_however_it_was_set():
    """In a process of its own: the settings are of the whole of PyTorch, and not all can be put back."""
    settings = SETTINGS | (NEWER if hasattr(torch.backends, "fp32_precision") else {})
    code = (
        "import os, sys, torch\n"
        "from nas_moo.objectives.tf32 import tf32\n"
        "b = torch.backends\n"
        "for setting in sys.argv[1:]:\n"
        "    if not os.fork():\n"
        "        exec(setting)\n"
        "        os.write(1, (repr(tf32()) + chr(10)).encode())\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *settings], check=False, capture_output=True, text=True)
    assert done.stdout.splitlines() == [repr(rounded) for rounded in settings.values()], done.stderr


def test_before_pytorch_2_9_there_is_one_setting_for_convolutions(monkeypatch):
    class Matmul:
        allow_tf32 = True

    class Cudnn:
        allow_tf32 = False

    monkeypatch.setattr(torch.backends, "cudnn", Cudnn)
    monkeypatch.setattr(torch.backends.cuda, "matmul", Matmul)
    assert tf32() == ("products",)


def test_a_precision_is_told_with_what_is_rounded(monkeypatch):
    monkeypatch.setattr(latency, "tf32", lambda: ("convolutions",))
    assert precision(GPU) == "float32 (TF32 in convolutions)"
    assert precision(GPU, alike=True) == "float32 (TF32 in convolutions and products)"
    assert (precision(CPU), precision(GPU, "float16", alike=True)) == ("float32", "float16")
    monkeypatch.setattr(latency, "tf32", lambda: ())
    assert precision(GPU) == precision(GPU, alike=True) == "float32"


def test_a_network_is_not_timed_in_another_precision_than_the_stored_one(monkeypatch):
    objective = LatencyEager(CPU)
    monkeypatch.setattr(latency, "precision", lambda device, dtype, alike: "float32 (TF32 in products)")
    with pytest.raises(SpaceError, match=r"stored as float32, .*'float32 \(TF32 in products\)'"):
        objective.measure(Candidate(None, nn.Linear(4, 2), (4,), 2, CPU))
