import pytest
import torch
from torch import nn

from nas_moo.errors import SpaceError
from nas_moo.objectives import Candidate
from nas_moo.objectives.params import Params


def measure(model):
    return Params().measure(Candidate(None, model, (3,), 2, torch.device("cpu")))


def test_all_parameters_count_and_buffers_do_not():
    measured = measure(nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2, bias=False)))
    assert (measured.value, measured.unit, measured.interval) == (20 + 10 + 10, "parameters", "exact")


def test_a_frozen_parameter_counts_and_is_told():
    model = nn.Linear(3, 5)
    model.weight.requires_grad_(False)
    measured = measure(model)
    assert (measured.value, measured.details["trainable"]) == (20, 5)


def test_a_shared_tensor_counts_once():
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    second.weight = first.weight
    assert measure(nn.Sequential(first, second, first)).value == 16


def test_a_lazy_parameter_without_a_shape_is_refused():
    with pytest.raises(SpaceError, match=r"1\.weight"):
        measure(nn.Sequential(nn.Linear(3, 5), nn.LazyLinear(2)))
