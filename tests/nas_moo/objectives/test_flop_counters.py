"""Which counter counts, what it may leave out, and that it leaves nothing behind."""

import random
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from nas_moo.errors import UncountedOperatorError, UserInputError
from nas_moo.objectives import Candidate, flops, load_objective
from nas_moo.objectives.flop_trace import fault_of_fvcore
from nas_moo.objectives.flops import FVCORE, ORACLE, PROTOCOL, Flops, count_flops


class Function(nn.Module):
    def __init__(self, function, *layers):
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, *inputs):
        return self.function(self.layers, *inputs)


class Record:
    def __init__(self, y):
        self.y = y


def candidate(model, *shape):
    return Candidate(None, model, shape, 2, torch.device("cpu"))


def distances():
    return nn.Sequential(nn.Linear(4, 4), Function(lambda layers, x: torch.cdist(x, x)))


@pytest.mark.parametrize(
    "give",
    [
        lambda y, x: y,
        lambda y, x: x,
        lambda y, x: None,
        lambda y, x: {"logits": y, 3: "text", "hidden": [y, (x, None)]},
        lambda y, x: Record(y),
        lambda y, x: Record(y.relu()) and x,
    ],
)
def test_what_is_computed_counts_whatever_is_returned(give):
    model = Function(lambda layers, x: give(layers[0](x), x), nn.Linear(4, 8))
    assert count_flops(model, torch.zeros(3, 4)).total == 3 * 4 * 8


def test_what_is_thrown_away_counts_in_a_wrapper_and_in_a_network_that_calls_itself():
    wrapped = nn.DataParallel(Function(lambda layers, x: (layers[0](x), x)[1], nn.Linear(4, 8)))
    assert count_flops(wrapped, torch.zeros(3, 4)).total == 3 * 4 * 8

    class Again(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x, times=2):
            return self(self.layer(x), times - 1)["x"] if times == 2 else {"x": self.layer(x)}

    assert count_flops(Again(), torch.zeros(3, 4)).total == 2 * 3 * 16


def test_an_unknown_operator_in_a_compiled_module_has_its_place():
    with pytest.raises(UncountedOperatorError, match=r"aten::cdist in 1 \(Function\)"):
        count_flops(torch.compile(nn.Sequential(nn.Linear(4, 4), torch.compile(distances()[1]))), torch.zeros(3, 4))


def test_several_inputs_and_dtypes():
    model = Function(lambda layers, ids, x: layers[0](ids) @ x.transpose(1, 2), nn.Embedding(9, 4))
    assert count_flops(model, (torch.zeros(1, 5, dtype=torch.long), torch.zeros(1, 7, 4))).total == 5 * 7 * 4


def test_a_decision_by_values_is_followed():
    model = Function(lambda layers, x: layers[0](x) if x.sum() > 0 else x, nn.Linear(4, 4))
    assert [count_flops(model, x).total for x in (torch.zeros(1, 4), torch.ones(1, 4))] == [0, 16]


def test_operators_that_count_nothing_are_told():
    counted = count_flops(nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.LayerNorm(4), nn.GELU()), torch.zeros(1, 4))
    assert counted.free == {"aten::gelu": 2, "aten::layer_norm": 1}
    assert counted.uncounted == ()


def test_also_those_of_them_that_fvcore_passes_over_without_a_word():
    layers = [nn.ReLU(), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten(), nn.Sigmoid()]
    counted = count_flops(nn.Sequential(nn.Linear(4, 4), *layers), torch.zeros(1, 4))
    told = ("relu", "relu_", "dropout", "flatten", "sigmoid")
    assert counted.free == {f"aten::{name}": 1 for name in told}
    assert counted.by_operator == {"linear": 16}
    assert counted.by_module == {"": 16, "0": 16, **{str(i): 0 for i in range(1, 6)}}


def test_an_unknown_operator_can_be_allowed_and_is_named():
    with pytest.raises(UncountedOperatorError, match="--allow-uncounted"):
        count_flops(distances(), torch.zeros(3, 4))
    counted = count_flops(distances(), torch.zeros(3, 4), allow_uncounted=True)
    assert (counted.total, counted.uncounted) == (3 * 16, ("aten::cdist in 1 (Function)",))


def test_an_objective_that_allows_it_marks_the_measurement_and_names_its_method():
    strict, lenient = load_objective("flops", device="cpu"), load_objective("flops", device="cpu", allow_uncounted=True)
    with pytest.raises(UncountedOperatorError):
        strict.measure(candidate(distances(), 4))
    measured = lenient.measure(candidate(distances(), 4))
    assert (measured.value, measured.caveats) == (16, ("aten::cdist not counted",))
    assert measured.details["uncounted"] == ["aten::cdist in 1 (Function)"]
    assert lenient.measure(candidate(nn.Linear(4, 4), 4)).caveats == ()
    assert "left out and marked" in lenient.method
    assert strict.method != lenient.method


def test_the_method_has_the_counter_and_the_protocol():
    method = Flops().method
    assert f", {FVCORE};" in method
    assert f"protocol {PROTOCOL}" in method
    assert count_flops(nn.Linear(4, 4), torch.zeros(1, 4)).protocol == PROTOCOL


@pytest.fixture
def no_fvcore(monkeypatch):
    monkeypatch.setitem(sys.modules, "fvcore.nn", None)
    fault_of_fvcore.cache_clear()
    yield
    fault_of_fvcore.cache_clear()


def test_without_fvcore_the_other_counter_takes_over(no_fvcore):
    assert "ImportError" in fault_of_fvcore() or "ModuleNotFoundError" in fault_of_fvcore()
    layers = [nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(256, 2)]
    counted = count_flops(nn.Sequential(*layers), torch.zeros(1, 3, 8, 8))
    assert counted.by_module == {"": 1280, "0": 768, "1": 0, "2": 512}
    assert (counted.total, counted.counter) == (1280, ORACLE)
    objective = Flops()
    measured = objective.measure(candidate(nn.Linear(4, 4), 4))
    assert f", {ORACLE};" in objective.method
    assert (measured.value, measured.method, measured.caveats) == (16, objective.method, ())
    with pytest.raises(UncountedOperatorError, match=r"_cdist_forward in 1 \(Function\)"):
        count_flops(distances(), torch.zeros(3, 4))


def test_a_wrong_fvcore_is_not_believed(monkeypatch):
    class Analysis:
        def __init__(self, *given):
            pass

        def __getattr__(self, name):
            return lambda *a, **k: self

        def by_module_and_operator(self):
            return {"": {"linear": 7}}

        def unsupported_ops(self, name):
            return {}

    monkeypatch.setitem(sys.modules, "fvcore.nn", SimpleNamespace(FlopCountAnalysis=Analysis))
    fault_of_fvcore.cache_clear()
    try:
        assert "counts {'linear': 7}" in fault_of_fvcore()
    finally:
        fault_of_fvcore.cache_clear()


def test_a_network_that_cannot_be_traced_is_counted_by_the_other_and_marked(monkeypatch):
    objective = Flops()

    def fails(model, inputs):
        raise RuntimeError("the tracer gives up")

    monkeypatch.setattr(flops, "tally_by_trace", fails)
    measured = objective.measure(candidate(nn.Linear(4, 4), 4))
    assert (measured.value, measured.method) == (16, objective.method)
    assert measured.caveats == ("counted by FlopCounterMode, since fvcore cannot trace it",)
    branches = Function(lambda layers, x: layers[0](x) if x.sum() > 0 else x, nn.Linear(4, 4))
    with pytest.raises(UserInputError, match=r"cannot be counted: .*tracer gives up.*FlopCounterMode: RuntimeError"):
        count_flops(branches, torch.zeros(1, 4))


def test_a_forward_that_fails_on_values_is_not_counted_without_them():
    with pytest.raises(IndexError, match="out of range"):
        count_flops(nn.Embedding(4, 4), torch.full((1, 3), 9))


def test_a_compiled_function_is_no_hole():
    product = torch.compile(lambda x, w: x @ w)
    model = Function(lambda layers, x: product(x, layers[0].weight), nn.Linear(8, 4))
    assert count_flops(model, torch.zeros(3, 4)).total == 3 * 4 * 8


class Vandal(nn.Module):
    """Changes its tensors in every way PyTorch has, and may then fail."""

    def __init__(self, fails):
        super().__init__()
        self.fails = fails
        self.linear, self.words = nn.Linear(4, 4), nn.Embedding(3, 4, max_norm=0.1)
        self.register_buffer("seen", torch.zeros(4))
        self.table = nn.Parameter(torch.ones(2, 2))

    def forward(self, x):
        self.linear.weight.requires_grad_(False)
        self.linear.weight.view(-1)[0] = 9
        self.linear.bias.detach().numpy()[:] = 7
        self.table.data = torch.zeros(5)
        torch._foreach_add_([self.linear.bias], 1.0)
        F.batch_norm(x, self.seen, torch.ones(4), training=True)
        torch.add(self.seen, 1, out=self.seen)
        self.linear.register_forward_hook(lambda *a: None)
        self.train()
        np.random.rand()  # noqa: NPY002
        y = self.linear(x) + self.words(torch.zeros(len(x), dtype=torch.long)) + torch.randn(4) * random.random()  # noqa: S311
        x.add_(1)
        if self.fails:
            raise ValueError("the forward failed")
        return y


def state(model):
    return (
        {name: tensor.tolist() for name, tensor in model.state_dict().items()},
        [(n, id(p), p.requires_grad, p.grad) for n, p in model.named_parameters()],
        [(m.training, list(m._forward_hooks), list(m._forward_pre_hooks), sorted(vars(m))) for m in model.modules()],
        torch.get_rng_state().tolist(),
        random.getstate(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        torch.backends.mha.get_fastpath_enabled(),
    )


@pytest.mark.parametrize("counter", [FVCORE, ORACLE])
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_behind(request, fails, counter):
    if counter == ORACLE:
        request.getfixturevalue("no_fvcore")
    fault_of_fvcore()
    model, x = Vandal(fails), torch.ones(2, 4)
    model.words.eval()
    before = state(model)
    if fails or counter == ORACLE:  # without data, numpy() already fails
        with pytest.raises((ValueError, UserInputError)):
            count_flops(model, x)
    else:
        assert count_flops(model, x).total == 2 * 16
    assert state(model) == before
    assert x.tolist() == torch.ones(2, 4).tolist()


def test_large_parameters_are_not_copied(monkeypatch):
    from nas_moo.objectives import untouched

    copies = []
    put_back = untouched._put_back
    monkeypatch.setattr(untouched, "_put_back", lambda kept: (copies.extend(t for t, _ in kept), put_back(kept)))
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))
    count_flops(model, torch.zeros(1, 3, 8, 8))
    assert {id(t) for t in copies} == {id(b) for b in model.buffers()}
