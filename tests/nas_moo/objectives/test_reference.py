import types

import pytest
import torch

from nas_moo.objectives import reference

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


class Latency:
    """Each timing takes half as long as the one before: a GPU whose clocks rise."""

    def __init__(self, mode, device, **more):
        self.mode, self.device, self.timer, self.ms = mode, device, None, 8.0

    def measure(self, candidate):
        self.ms /= 2
        return types.SimpleNamespace(value=self.ms)


@pytest.mark.parametrize(("device", "times"), [(CPU, [4.0, 2.0, 1.0]), (GPU, [2.0, 1.0, 0.5])])
def test_the_first_timing_on_a_gpu_is_thrown_away(monkeypatch, device, times):
    monkeypatch.setattr(reference, "Latency", Latency)
    found = reference.Reference(Latency(reference.EAGER, device))
    assert [found.time() for _ in times] == times
