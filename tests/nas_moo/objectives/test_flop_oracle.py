"""The second counter against counts by hand, before anything is compared with it."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from nas_moo.errors import UncountedOperatorError
from nas_moo.objectives.flops import oracle_flops


class Function(nn.Module):
    def __init__(self, function, **parameters):
        super().__init__()
        self.function = function
        for name, shape in parameters.items():
            setattr(self, name, nn.Parameter(torch.zeros(shape)))

    def forward(self, *inputs):
        return self.function(self, *inputs)


def attend(model, x, **options):
    return F.scaled_dot_product_attention(x, x[..., :3, :], x[..., :3, :5], **options)


def packed(model, x):
    return model.lstm(nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 2])))[0].data


def with_lstm(function, *sizes):
    model = Function(function)
    model.lstm = nn.LSTM(*sizes)
    return model


bag = Function(lambda m, x: m.bag(x.long()))
bag.bag = nn.EmbeddingBag(9, 4)
TOKENS, IMAGE = (2, 7, 16), (1, 6, 9, 8)
BY_HAND = {
    "linear": (nn.Linear(16, 4), TOKENS, 2 * 7 * 16 * 4),
    "convolution": (nn.Conv2d(6, 8, 3, padding=1, bias=False), IMAGE, 9 * 8 * 8 * 6 * 9),
    "strided": (nn.Conv2d(6, 8, 3, stride=2), IMAGE, 4 * 3 * 8 * 6 * 9),
    "dilated": (nn.Conv2d(6, 8, 3, dilation=3), IMAGE, 3 * 2 * 8 * 6 * 9),
    "same": (nn.Conv2d(6, 8, 3, padding="same"), IMAGE, 9 * 8 * 8 * 6 * 9),
    "grouped": (nn.Conv2d(6, 12, 3, groups=3, padding=1), IMAGE, 9 * 8 * 12 * 2 * 9),
    "depthwise": (nn.Conv2d(6, 6, 5, groups=6, padding=2), IMAGE, 9 * 8 * 6 * 25),
    "transposed": (nn.ConvTranspose2d(6, 4, 2, stride=2), IMAGE, 9 * 8 * 6 * 4 * 4),
    "transposed in groups": (nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2), IMAGE, 9 * 8 * 6 * 2 * 9),
    "matrix and vector": (Function(lambda m, x: torch.mv(x[0], m.w), w=(16,)), TOKENS, 7 * 16),
    "a vector folded in": (Function(lambda m, x: x @ m.w, w=(16,)), TOKENS, 2 * 7 * 16),
    "dot": (Function(lambda m, x: torch.dot(x[0, 0], m.w), w=(16,)), TOKENS, 16),
    "addmv": (Function(lambda m, x: torch.addmv(x[0, :, 0], x[0], m.w), w=(16,)), TOKENS, 7 * 16),
    "addbmm": (Function(lambda m, x: torch.addbmm(m.b, x, m.w), b=(7, 3), w=(2, 16, 3)), TOKENS, 2 * 7 * 16 * 3),
    "broadcast": (Function(lambda m, x: x @ m.w, w=(5, 1, 16, 3)), TOKENS, 5 * 2 * 7 * 16 * 3),
    "attention": (Function(attend), (1, 2, 7, 16), 2 * 7 * 3 * (16 + 5)),
    "lstm": (nn.LSTM(16, 8, 2, bidirectional=True), TOKENS, 14 * 2 * (4 * 8 * (16 + 8) + 4 * 8 * (16 + 8))),
    "lstm with projection": (nn.LSTM(16, 8, proj_size=3), TOKENS, 14 * (4 * 8 * (16 + 3) + 3 * 8)),
    "gru": (nn.GRU(16, 8, batch_first=True), TOKENS, 14 * 3 * 8 * (16 + 8)),
    "rnn": (nn.RNN(16, 8, bidirectional=True), TOKENS, 14 * 2 * 8 * (16 + 8)),
    "packed": (with_lstm(packed, 4, 8), (5, 2, 4), (5 + 2) * 4 * 8 * (4 + 8)),
    "an expanded parameter": (
        Function(lambda m, x: m.t.expand(len(x), -1, -1) @ x.transpose(1, 2), t=(1, 5, 16)), TOKENS, 2 * 5 * 7 * 16,
    ),
    "a tensor without a device": (Function(lambda m, x: x @ torch.ones(16, 3)), TOKENS, 2 * 7 * 16 * 3),
    "what is thrown away": (Function(lambda m, x: (x @ m.w, x)[1], w=(16, 3)), TOKENS, 2 * 7 * 16 * 3),
    "a bag of embeddings": (bag, (2, 7), 0),
    "elements": (nn.Sequential(nn.BatchNorm2d(6), nn.GELU(), nn.AvgPool2d(2), nn.Upsample(scale_factor=2)), IMAGE, 0),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("name", BY_HAND)
def test_the_oracle_counts_what_a_hand_does(name):
    model, shape, by_hand = BY_HAND[name]
    assert oracle_flops(model, torch.zeros(shape)) == by_hand


def test_multi_head_attention_is_its_products():
    model = Function(lambda m, x: m.attention(x, x, x)[0])
    model.attention = nn.MultiheadAttention(16, 4, batch_first=True)
    assert oracle_flops(model, torch.zeros(TOKENS)) == 2 * (4 * 7 * 16 * 16 + 2 * 7 * 7 * 16)


def plain(model, x):
    """FlopCounterMode as it comes."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model.eval()(x)
    return counter.get_total_flops() / 2


@pytest.mark.parametrize("name", ["matrix and vector", "a vector folded in", "dot", "addmv", "addbmm"])
def test_the_trap_is_there_without_data_too(name):
    """Should this fail, PyTorch has learnt the operator, and ``_ABSENT`` can lose it."""
    model, shape, _ = BY_HAND[name]
    assert plain(model, torch.zeros(shape)) == 0


@pytest.mark.parametrize("model", [nn.LSTM(16, 8), Function(lambda m, x: F.scaled_dot_product_attention(x, x, x))])
def test_the_trap_is_there_on_the_cpu(model):
    x = torch.zeros(1, 2, 7, 16) if isinstance(model, Function) else torch.zeros(TOKENS)
    assert plain(model, x) != oracle_flops(model, x)


@pytest.mark.parametrize(
    ("function", "operator"),
    [(torch.cdist, "_cdist_forward"), (lambda x, y: torch.fft.rfft(x), "_fft_r2c"), (torch.linalg.solve, "solve")],
)
def test_an_unknown_operator_is_refused_with_its_module(function, operator):
    model = nn.Sequential(nn.Linear(8, 8), nn.Sequential(Function(lambda m, x: function(x, x))))
    with pytest.raises(UncountedOperatorError, match=rf"{operator}.* in 1\.0 \(Function\)"):
        oracle_flops(model, torch.zeros(2, 8, 8))


def test_a_decision_by_values_cannot_be_followed():
    with pytest.raises(RuntimeError, match="meta"):
        oracle_flops(Function(lambda m, x: x if x.sum() > 0 else x @ m.w, w=(16, 16)), torch.zeros(TOKENS))


def test_a_network_without_memory_can_be_counted():
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    assert oracle_flops(model, torch.zeros(1, 3, 8, 8, device="meta")) == 8 * 8 * 3 * 4
