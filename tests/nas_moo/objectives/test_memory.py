import gc

import pytest
import torch
from torch import nn

from nas_moo.errors import SpaceError, UserInputError
from nas_moo.objectives import Candidate, load_objective, memory
from nas_moo.objectives.memory import Memory

CPU = torch.device("cpu")


def bytes_of(model, shape, batch=1):
    return Memory(CPU, batch=batch).measure(Candidate(None, model, shape, 2, CPU)).details["bytes"]


def test_the_estimate_is_the_one_by_hand():
    net = nn.Sequential(nn.Linear(4, 1000), nn.ReLU(), nn.Linear(1000, 2))
    weights = (4 * 1000 + 1000 + 1000 * 2 + 2) * 4
    # At the worst moment an activation and what it is made of live: the 1,000 numbers before and after the ReLU.
    assert bytes_of(net, (4,), batch=3) == weights + 3 * 4 * 4 + 2 * 3 * 1000 * 4


def test_in_place_shared_and_freed_tensors_count_once():
    inplace = nn.Sequential(nn.Linear(4, 1000), nn.ReLU(inplace=True), nn.Linear(1000, 2))
    weights = (4 * 1000 + 1000 + 1000 * 2 + 2) * 4
    assert bytes_of(inplace, (4,)) == weights + 16 + 1000 * 4 + 2 * 4
    one = nn.Linear(100, 100)
    deep = nn.Sequential(*[one] * 6)
    assert bytes_of(deep, (100,)) == (100 * 100 + 100) * 4 + 400 + 2 * 400


def test_a_view_takes_no_memory():
    class Views(nn.Module):
        def forward(self, x):
            return x.reshape(-1).reshape(x.shape).transpose(0, 1)

    assert bytes_of(Views(), (10,), batch=10) == 400


def test_an_estimate_is_marked_as_one():
    objective = load_objective("memory", device=CPU, batch=2)
    found = objective.measure(Candidate(None, nn.Linear(4, 2), (4,), 2, CPU))
    assert (found.unit, found.interval, found.caveats) == ("MiB", "exact", ("estimated",))
    assert "estimated" in objective.label
    assert "estimated" in objective.method
    assert found.value == found.details["bytes"] / 2**20


def test_the_network_is_left_as_it_was():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, 2)).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    bytes_of(net, (1, 8, 8))
    assert net.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(UserInputError, match="batch"):
        Memory(CPU, batch=0)
    with pytest.raises(SpaceError, match="float64"):
        bytes_of(nn.Linear(4, 2).double(), (4,))


def test_a_gpu_holds_nothing_of_earlier_networks_when_a_peak_is_measured(monkeypatch):
    """Waits first, for nothing that is still used may be freed; the cache is emptied last, for all that came free."""
    done = []
    for owner, name in ((torch.cuda, "synchronize"), (torch._C, "_cuda_clearCublasWorkspaces"), (gc, "collect"),
                        (torch.cuda, "empty_cache")):  # fmt: skip
        monkeypatch.setattr(owner, name, lambda *of, name=name: done.append(name), raising=False)
    memory._forget_others(torch.device("cuda", 0))
    assert done == ["synchronize", "_cuda_clearCublasWorkspaces", "collect", "empty_cache"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_peak_on_a_gpu_is_the_same_whatever_ran_before():
    device = torch.device("cuda", 0)
    small, large = (nn.Sequential(nn.Linear(n, n), nn.ReLU(), nn.Linear(n, 10)) for n in (64, 1024))
    objective = Memory(device, batch=8)
    first = objective.measure(Candidate(None, small, (64,), 10, device)).details["bytes"]
    objective.measure(Candidate(None, large, (1024,), 10, device))
    again = objective.measure(Candidate(None, small, (64,), 10, device)).details["bytes"]
    assert first == again


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_peak_on_a_gpu_holds_weights_and_activations():
    device = torch.device("cuda", 0)
    net = nn.Sequential(nn.Linear(1024, 4096), nn.ReLU(), nn.Linear(4096, 10))
    objective = load_objective("memory", device=device, batch=64)
    found = objective.measure(Candidate(None, net, (1024,), 10, device))
    least = sum(p.numel() for p in net.parameters()) * 4 + 64 * (1024 + 2 * 4096) * 4
    assert found.caveats == ()
    assert least <= found.details["bytes"] < 2 * least + 128 * 2**20  # workspaces
    assert next(net.parameters()).device == CPU
