import contextlib

import pytest
import torch
from torch import nn

from nas_moo.objectives import Candidate, runtimes
from nas_moo.objectives.latency import LatencyEager, LatencyOnnx

GPU = torch.device("cuda", 0)


def test_onnx_runtime_works_on_the_stream_that_is_timed(streams):
    with contextlib.ExitStack() as stack:
        name, options = runtimes._cuda_provider(stack, GPU)
        assert name == "CUDAExecutionProvider"
        assert options["user_compute_stream"] == str(torch.cuda.current_stream(GPU).cuda_stream) == "4711"
        assert [s.cuda_stream for s in streams[-1].waited_for] == [0]
    assert torch.cuda.current_stream(GPU).cuda_stream == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_onnx_runtime_is_timed_until_the_gpu_is_done(monkeypatch):
    """Its kernels are cuDNN's and cuBLAS's, as PyTorch's: far below eager would be the time of handing work over."""
    runtime = pytest.importorskip("onnxruntime", exc_type=ImportError)
    if "CUDAExecutionProvider" not in runtime.get_available_providers():
        pytest.skip("this ONNX Runtime has no CUDA provider")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # else one of the two may round and the other not
    net = nn.Sequential(*[nn.Sequential(nn.Linear(4096, 4096), nn.ReLU()) for _ in range(8)])
    work = Candidate(None, net, (4096,), 4096, GPU)
    eager = LatencyEager(GPU, batch=1024).measure(work)
    assert eager.value > 1
    assert LatencyOnnx(GPU, batch=1024).measure(work).value > 0.4 * eager.value
