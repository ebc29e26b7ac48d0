import contextlib
import sys

import pytest
import torch

GPU = torch.device("cuda", 0)


class Stream:
    """A stream as PyTorch's, on no device; the default one has the handle 0."""

    def __init__(self, device, handle=4711):
        self.device, self.cuda_stream, self.waited_for = device, handle, []

    def wait_stream(self, other):
        self.waited_for.append(other)


class Graph:
    """A captured graph, on no device. A capture that something invalidated cannot be ended."""

    capturing, begun = False, 0

    def capture_begin(self, *pool, **how):
        Graph.capturing, Graph.begun = True, Graph.begun + 1

    def capture_end(self):
        Graph.capturing = False
        if sys.exc_info()[0] is not None:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    def replay(self):
        pass

    def reset(self):
        pass


@pytest.fixture
def streams(monkeypatch):
    """CUDA streams without a device; the current one is last."""
    current = [Stream(GPU, handle=0)]

    @contextlib.contextmanager
    def switch(stream):
        current.append(stream)
        yield
        current.pop()

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: current[-1])
    monkeypatch.setattr(torch.cuda, "stream", switch)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: current.__setitem__(slice(None), [stream]))
    return current


@pytest.fixture
def captures(monkeypatch, streams):
    """PyTorch's own ``torch.cuda.graph`` over graphs and streams without a device; holds what is undone in memory."""
    undone, debug = [], ["default"]
    for name in ("synchronize", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda *device: None)
    monkeypatch.setattr(torch.cuda, "device", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 7))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: debug[-1])
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", debug.append)
    monkeypatch.setattr(torch._C, "_host_emptyCache", lambda: None, raising=False)
    for name in ("_cuda_endAllocateToPool", "_cuda_releasePool"):
        monkeypatch.setattr(torch._C, name, lambda *of, name=name: undone.append((name, *of)), raising=False)
    monkeypatch.setattr(Graph, "begun", 0)
    return undone
