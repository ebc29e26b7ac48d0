import types

import pytest
import torch

from nas_moo.objectives.timers import CudaTimer, cache_emptier

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize(("device", "waits"), [(CPU, 0), (GPU, 1)])
def test_a_cache_is_empty_before_the_calls_are_handed_over(monkeypatch, device, waits):
    """What empties a GPU's cache goes on after it returned, and the host would hand over the calls beside it."""
    done = []
    zeros = torch.zeros

    class Buffer:
        def add_(self, value):
            done.append("write")

    def allocate(count, dtype, device):
        return zeros(count, dtype=dtype) if device.type == "cpu" else Buffer()

    monkeypatch.setattr(torch, "zeros", allocate)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda of: types.SimpleNamespace(L2_cache_size=2**20))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda of: done.append("wait"))
    cache_emptier(device)()
    assert done == ["write", "wait"] * waits


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_nothing_is_left_to_do_when_the_cache_is_empty():
    empty = cache_emptier(GPU)
    empty()
    left = CudaTimer(GPU).time(torch.cuda.current_stream(GPU).synchronize)
    working = CudaTimer(GPU).time(empty)
    empty()
    assert torch.cuda.current_stream(GPU).query()
    assert left.wall_ms < working.wall_ms
