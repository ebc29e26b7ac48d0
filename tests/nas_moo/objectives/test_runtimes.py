import contextlib
import dataclasses
import inspect
import sys
import types

import pytest
import torch
from torch import nn

from nas_moo.errors import UserInputError
from nas_moo.objectives import Candidate, runtimes
from nas_moo.objectives.latency import Latency, LatencyEager, LatencyOnnx, LatencyTrt
from nas_moo.objectives.modes import ModeError
from nas_moo.objectives.runtimes import ONNX, TRT
from nas_moo.objectives.timing import TimingPreset

CPU = torch.device("cpu")
QUICK = TimingPreset(name="quick", budget_s=0.02)
GPU = torch.device("cuda", 0)


def test_onnx_runtime_works_on_the_stream_that_is_timed(streams):
    with contextlib.ExitStack() as stack:
        name, options = runtimes._cuda_provider(stack, GPU)
        assert name == "CUDAExecutionProvider"
        assert options["user_compute_stream"] == str(torch.cuda.current_stream(GPU).cuda_stream) == "4711"
        assert [s.cuda_stream for s in streams[-1].waited_for] == [0]
    assert torch.cuda.current_stream(GPU).cuda_stream == 0


class TensorRTModule(nn.Module):
    """Stands for an engine: the network itself, rounded as in float16."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x).half()


FLOAT32 = frozenset({torch.float32})


def until_2_9(program, *, enabled_precisions=FLOAT32, use_explicit_typing=False, **options):
    return {torch.float16} <= enabled_precisions and not use_explicit_typing


def until_2_12(program, *, enabled_precisions=FLOAT32, use_explicit_typing=True, enable_autocast=False, **options):
    if use_explicit_typing and enabled_precisions != FLOAT32:
        raise AssertionError("enabled_precisions should not be used when use_explicit_typing=True")
    return torch.float16 in enabled_precisions or enable_autocast


def since_2_13(program, *, enable_autocast=False, autocast_low_precision_type=None, **options):
    return enable_autocast and autocast_low_precision_type == torch.float16


@pytest.fixture
def tensorrt(monkeypatch, streams):
    """A Torch-TensorRT that knows the options of a version, as those versions do, and mode and inputs on a CPU."""
    asked = {}

    def install(compile_, engine=TensorRTModule):
        def build(model, ir, inputs, enabled_precisions=None, **options):
            takes = "enabled_precisions" in inspect.signature(compile_).parameters and enabled_precisions
            precisions = {"enabled_precisions": enabled_precisions} if takes else {}  # 2.13 drops it without a word
            asked.update(options, float16=compile_(None, **precisions, **options))
            return engine(model)

        library = types.SimpleNamespace(
            __version__="of a test", compile=build, dynamo=types.SimpleNamespace(compile=compile_)
        )
        monkeypatch.setitem(sys.modules, "torch_tensorrt", library)
        return Latency(dataclasses.replace(TRT, devices=("cpu",)), CPU, preset=QUICK), asked

    return install


@pytest.mark.parametrize("compile_", [until_2_9, until_2_12, since_2_13])
def test_tensorrt_builds_the_whole_network_in_float16_with_any_version(tensorrt, compile_):
    latency, asked = tensorrt(compile_)
    measured = latency.measure(Candidate(None, nn.Linear(4, 2), (4,), 2, CPU))
    assert asked["float16"] is True
    assert (asked["require_full_compilation"], asked["min_block_size"], asked["device"]) == (True, 1, CPU)
    assert measured.details["key"]["dtype"] == "float16"


def test_a_tensorrt_that_takes_no_part_of_the_network_is_not_timed(tensorrt):
    latency, _ = tensorrt(since_2_13, engine=lambda model: model)
    with pytest.raises(ModeError, match="runs no part of this network"):
        latency.measure(Candidate(None, nn.Linear(4, 2), (4,), 2, CPU))


def test_a_tensorrt_without_an_option_for_float16_is_refused_at_once(tensorrt):
    with pytest.raises(UserInputError, match="no option for float16"):
        tensorrt(lambda program, **options: False)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_tensorrt_computes_in_float16(monkeypatch):
    """Large products, for which tensor cores take half as long as in TF32, the quickest that float32 may be."""
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", True)
    try:
        latency = LatencyTrt(GPU, batch=1024)
    except UserInputError as absent:
        pytest.skip(str(absent))
    net = nn.Sequential(*[nn.Sequential(nn.Linear(4096, 4096), nn.ReLU()) for _ in range(8)])
    work = Candidate(None, net, (4096,), 4096, GPU)
    assert latency.measure(work).value < 0.75 * LatencyEager(GPU, batch=1024).measure(work).value


def test_an_onnx_runtime_without_cuda_is_refused_before_anything_is_searched(monkeypatch):
    library = types.SimpleNamespace(__version__="1.23", get_available_providers=lambda: ["CPUExecutionProvider"])
    for module in ("onnx", "onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, module, library)
    assert ONNX.runtime(CPU) == "onnxruntime 1.23"
    with pytest.raises(UserInputError, match=r"no CUDA provider.*CPUExecutionProvider.*onnxruntime-gpu"):
        LatencyOnnx(GPU)


@pytest.mark.parametrize(("rounded", "told"), [((), "0"), (("convolutions",), "1")])
def test_onnx_runtime_rounds_where_pytorch_does(monkeypatch, streams, rounded, told):
    monkeypatch.setattr(runtimes, "tf32", lambda: rounded)
    with contextlib.ExitStack() as stack:
        assert runtimes._cuda_provider(stack, GPU)[1]["use_tf32"] == told


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_onnx_runtime_is_timed_until_the_gpu_is_done(monkeypatch):
    """Its kernels are cuDNN's and cuBLAS's, as PyTorch's: far below eager would be the time of handing work over."""
    try:
        onnx = LatencyOnnx(GPU, batch=1024)
    except UserInputError as absent:
        pytest.skip(str(absent))
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # else one of the two may round and the other not
    net = nn.Sequential(*[nn.Sequential(nn.Linear(4096, 4096), nn.ReLU()) for _ in range(8)])
    work = Candidate(None, net, (4096,), 4096, GPU)
    eager = LatencyEager(GPU, batch=1024).measure(work)
    assert eager.value > 1
    assert onnx.measure(work).value > 0.4 * eager.value
