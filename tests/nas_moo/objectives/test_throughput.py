import dataclasses

import pytest
import torch
from torch import nn

from nas_moo.errors import SpaceError, UnknownNameError, UserInputError
from nas_moo.objectives import Candidate, load_objective
from nas_moo.objectives.throughput import Throughput
from nas_moo.objectives.timing import Sample

CPU = torch.device("cpu")


class Batched(nn.Module):
    """Writes down the batch of its last call, for the clock to look at."""

    def __init__(self):
        super().__init__()
        self.seen, self.most, self.error = [0], 10**6, torch.OutOfMemoryError("CUDA out of memory")

    def forward(self, x):
        if len(x) > self.most:
            raise self.error
        self.seen[:] = [len(x)]
        return x


class BatchTimer:
    """A call takes 1 ms and a tenth for each example, until 64 of them are as quick as it gets."""

    clock = "told"

    def __init__(self, net):
        self.net, self.seconds = net, 0.0

    def now(self):
        return self.seconds

    def time(self, calls):
        calls()
        n = self.net.seen[0]
        sample = 1.0 + 0.1 * n if n <= 64 else (1.0 + 6.4) * n / 64
        self.seconds += sample / 1e3
        return Sample(sample, sample)


def measured(net=None, **settings):
    net = net or Batched()
    objective = Throughput(CPU, timer=BatchTimer(net), **settings)
    return objective.measure(Candidate(None, net, (4,), 4, CPU)), objective


def test_the_time_of_an_example_is_that_of_the_call_over_the_batch():
    found, objective = measured(batch=8)
    assert found.value == pytest.approx(1.8 / 8)
    assert found.low <= found.value <= found.high
    assert found.details["examples_per_second"] == pytest.approx(8 / 1.8e-3)
    assert (found.unit, found.method, objective.name) == ("ms", objective.method, "throughput")
    assert "batch 8" in objective.method


@pytest.mark.parametrize(("limit", "batch"), [(1.5, 4), (2.7, 16), (100.0, 64)])
def test_the_best_batch_within_a_limit_is_found(limit, batch):
    found, objective = measured(limit_ms=limit)
    assert found.details["batch"] == batch
    assert found.details["call_ms"] <= limit
    assert "best batch within" in objective.method


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4503599627370496 bytes."),
    ],
)
def test_a_batch_that_does_not_fit_ends_the_climb(error):
    net = Batched()
    net.most, net.error = 8, error
    assert measured(net, limit_ms=100.0)[0].details["batch"] == 8


def test_a_larger_batch_that_fails_for_another_reason_fails_the_measurement():
    net = Batched()
    net.most, net.error = 8, RuntimeError("only up to 8 examples")
    with pytest.raises(RuntimeError, match="only up to 8"):
        measured(net, limit_ms=100.0)


def test_a_network_too_slow_for_any_batch_is_told():
    with pytest.raises(SpaceError, match=r"no batch .* keeps the latency limit"):
        measured(limit_ms=0.5)


def test_a_limit_stands_in_the_name_and_beside_no_batch():
    assert load_objective("throughput@20ms", device=CPU).limit_ms == 20.0
    assert load_objective("throughput@500us", device=CPU).limit_ms == 0.5
    assert load_objective("throughput", device=CPU, batch=16).latency.batch == 16
    with pytest.raises(UserInputError, match="a batch and a limit"):
        load_objective("throughput@20ms", device=CPU, batch=16)
    with pytest.raises(UserInputError, match="not positive"):
        load_objective("throughput@0ms", device=CPU)
    with pytest.raises(UserInputError, match="no quantity"):
        load_objective("throughput@soon", device=CPU)
    with pytest.raises(UnknownNameError):
        load_objective("latency@20ms", device=CPU)


def test_what_is_known_is_the_same_under_its_key():
    net = Batched()
    objective = Throughput(CPU, batch=4, timer=BatchTimer(net))
    candidate = Candidate(None, net, (4,), 4, CPU)
    known = objective.measure(candidate)
    assert objective.is_same(candidate, known)
    assert not Throughput(CPU, batch=8, timer=BatchTimer(net)).is_same(candidate, known)
    climbing = Throughput(CPU, limit_ms=9.0, timer=BatchTimer(net))
    found = climbing.measure(candidate)
    assert found.details["batch"] > 1
    assert found.details["key"] == climbing.latency.key_of(candidate).to_dict()
    assert climbing.is_same(candidate, found)
    assert not climbing.is_same(candidate, dataclasses.replace(known, details={}))
    assert climbing.conditions != Throughput(CPU, limit_ms=8.0).conditions


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_more_examples_a_call_take_less_each():
    device = torch.device("cuda", 0)
    candidate = Candidate(None, nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)), (256,), 10, device)
    one, many = (load_objective("throughput", device=device, batch=b).measure(candidate) for b in (1, 256))
    assert many.value < one.value
    assert load_objective("throughput@5ms", device=device).measure(candidate).details["batch"] > 1
