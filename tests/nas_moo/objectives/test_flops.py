import copy
import logging
import random
import threading

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from nas_moo.errors import SpaceError, UncountedOperatorError
from nas_moo.objectives import Candidate
from nas_moo.objectives.flops import PROTOCOL, Flops, count_flops


class Function(nn.Module):
    """A function as a network."""

    def __init__(self, function, **parameters):
        super().__init__()
        self.function = function
        for name, shape in parameters.items():
            setattr(self, name, nn.Parameter(torch.zeros(shape)))

    def forward(self, *inputs):
        return self.function(self, *inputs)


class Block(nn.Module):
    def __init__(self, width=16, heads=4):
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width))

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, n, c))
        return x + self.mlp(x)


class TinyViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch, self.place = nn.Conv2d(3, 16, 4, stride=4), nn.Parameter(torch.zeros(1, 5, 16))
        self.token = nn.Parameter(torch.zeros(1, 1, 16))
        self.blocks, self.head = nn.Sequential(Block(), Block()), nn.Linear(16, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.place
        return self.head(self.blocks(x)[:, 0])


class Attention(nn.Module):
    """nn.MultiheadAttention, which takes its fast path in evaluation."""

    def __init__(self, **options):
        super().__init__()
        self.mha = nn.MultiheadAttention(16, 4, batch_first=True, **options)

    def forward(self, x):
        return self.mha(x, x, x, need_weights=False)[0]


class Last(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


IMAGE, TOKENS = (2, 3, 8, 8), (2, 7, 16)
NETS = {
    "same": (lambda: nn.Conv2d(3, 8, 3, padding="same"), IMAGE),
    "same, even kernel": (lambda: nn.Conv2d(3, 8, 4, padding="same"), IMAGE),
    "valid": (lambda: nn.Conv2d(3, 8, 3, padding="valid", stride=2), IMAGE),
    "depthwise": (lambda: nn.Sequential(nn.Conv2d(3, 6, 3, groups=3, dilation=2), nn.Conv2d(6, 4, 1)), IMAGE),
    "transposed": (lambda: nn.ConvTranspose2d(3, 6, 3, stride=2, groups=3), IMAGE),
    "1d": (lambda: nn.Conv1d(7, 4, 3, padding=1), TOKENS),
    "3d": (lambda: nn.Conv3d(2, 4, 3), (1, 2, 5, 6, 7)),
    "mlp": (lambda: nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 4, bias=False)), TOKENS),
    "vit": (TinyViT, IMAGE),
    "mha": (Attention, TOKENS),
    "mha with bias": (lambda: Attention(add_bias_kv=True, add_zero_attn=True), TOKENS),
    "encoder": (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2), TOKENS),
    "lstm": (lambda: Last(nn.LSTM(16, 8, 2, bidirectional=True, batch_first=True)), TOKENS),
    "gru": (lambda: Last(nn.GRU(16, 8, 2)), TOKENS),
    "rnn": (lambda: Last(nn.RNN(16, 8, nonlinearity="relu")), TOKENS),
    "lstm with projection": (lambda: Last(nn.LSTM(16, 8, proj_size=4)), TOKENS),
    "broadcast matmul": (lambda: Function(lambda m, x: x @ m.w, w=(5, 1, 16, 3)), TOKENS),
    "baddbmm": (lambda: Function(lambda m, x: torch.baddbmm(m.b, x, m.w), w=(2, 16, 3), b=(3,)), TOKENS),
    "addmm": (lambda: Function(lambda m, x: torch.addmm(m.b, x[0], m.w), w=(16, 3), b=(3,)), TOKENS),
    "einsum": (lambda: Function(lambda m, x: torch.einsum("bnc,kc->bkn", x, m.w), w=(5, 16)), TOKENS),
    "einsum that sums first": (lambda: Function(lambda m, x: torch.einsum("bnc,kc->bk", x, m.w), w=(5, 16)), TOKENS),
    "norms and pools": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.Hardswish(), nn.MaxPool2d(2),
            nn.Upsample(scale_factor=2, mode="bilinear"), nn.PixelShuffle(2), nn.AdaptiveAvgPool2d(1), nn.Sigmoid(),
        ),
        IMAGE,
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel", "ignore:LSTM with projections")
@pytest.mark.parametrize("name", NETS)
def test_the_count_is_half_of_pytorchs_own(name):
    build, shape = NETS[name]
    model = build()
    # On "meta" the oracle knows attention and recurrent layers, on the CPU it does not (pytorch#195460).
    oracle = FlopCounterMode(display=False)
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with oracle, torch.no_grad():
            copy.deepcopy(model).to("meta").requires_grad_(False).eval()(torch.zeros(shape, device="meta"))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
    assert oracle.get_total_flops() > 0
    assert count_flops(model, torch.zeros(shape)).total == oracle.get_total_flops() / 2


@pytest.mark.parametrize(
    ("model", "shape", "by_hand"),
    [
        (nn.Linear(16, 4), (1, 16), 16 * 4),
        (nn.Conv2d(3, 8, 3, padding="same"), (1, 3, 8, 8), 8 * 8 * 8 * 3 * 9),
        (nn.Conv2d(6, 6, 3, groups=6), (1, 6, 8, 8), 6 * 6 * 6 * 9),
        (nn.ConvTranspose2d(3, 4, 2, stride=2), (1, 3, 4, 4), 4 * 4 * 3 * 4 * 4),
        (Last(nn.LSTM(4, 8)), (5, 1, 4), 5 * 4 * 8 * (4 + 8)),
        (Last(nn.GRU(4, 8)), (5, 1, 4), 5 * 3 * 8 * (4 + 8)),
        (nn.LSTMCell(4, 8), (1, 4), 4 * 8 * (4 + 8)),
        (Attention(), (1, 7, 16), 4 * 7 * 16 * 16 + 2 * 7 * 7 * 16),
        (Function(lambda m, x: torch.mv(x, m.w), w=(16,)), (7, 16), 7 * 16),
        (Function(lambda m, x: x @ m.w, w=(16,)), (2, 7, 16), 2 * 7 * 16),
        (Function(lambda m, x: m.w @ x, w=(7,)), (2, 7, 16), 2 * 7 * 16),
        (Function(lambda m, x: m.w @ x[0], w=(16,)), (1, 16), 16),
        (Function(lambda m, x: torch.addbmm(m.b, x, m.w), w=(2, 16, 3), b=(7, 3)), (2, 7, 16), 2 * 7 * 16 * 3),
        (Function(lambda m, x: torch.einsum("bi,bj->bij", x, x)), (2, 16), 0),
        (Function(lambda m, x: torch.einsum("bi,ij,jk->bk", x, m.v, m.w), v=(16, 5), w=(5, 3)), (2, 16),
         2 * 16 * 5 + 2 * 5 * 3),
        (Function(lambda m, x: torch.einsum("...i,ki", x, m.w), w=(5, 16)), (2, 7, 16), 2 * 7 * 5 * 16),
        (Function(lambda m, x: torch._VF.einsum("bi,ij,jk->bk", [x, m.v, m.w], path=[1, 2, 0, 1]), v=(16, 5), w=(5, 3)),
         (2, 16), 16 * 5 * 3 + 2 * 16 * 3),
        (Function(lambda m, x: torch.tensordot(x, m.w, ([1, 2], [1, 0])), w=(16, 7, 3)), (2, 7, 16), 2 * 7 * 16 * 3),
        (Function(lambda m, x: x @ m.w.T, w=(4, 16)), (2, 16), 2 * 16 * 4),
        (nn.Conv2d(6, 12, 3, groups=3, dilation=2, stride=2), (1, 6, 9, 9), 3 * 3 * 12 * 2 * 9),
        (nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2, output_padding=1), (1, 6, 4, 4), 4 * 4 * 6 * 2 * 9),
        (Last(nn.GRU(4, 8, bidirectional=True, batch_first=True)), (1, 5, 4), 5 * 2 * 3 * 8 * (4 + 8)),
        (Last(nn.RNN(4, 8, 2, bias=False)), (5, 1, 4), 5 * (8 * (4 + 8) + 8 * (8 + 8))),
        (Last(nn.LSTM(4, 8)), (5, 4), 5 * 4 * 8 * (4 + 8)),
        (Function(lambda m, x: F.scaled_dot_product_attention(x, x[..., :3, :], x[..., :3, :5])), (1, 2, 7, 16),
         2 * 7 * 3 * (16 + 5)),
        (nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()), (1, 3, 8, 8), 0),
    ],
)  # fmt: skip
def test_the_count_is_the_one_by_hand(model, shape, by_hand):
    assert count_flops(model, torch.zeros(shape)).total == by_hand


def test_common_layers_are_known():
    def arrange(model, x):
        x = F.pad(torch.roll(x, 1, 2), (1, 1, 1, 1), mode="reflect")
        x = F.normalize(F.unfold(F.interpolate(x, scale_factor=2), 2).flatten(1)[:, :16].reshape(-1, 4, 4))
        x = x.masked_fill(torch.tril(torch.ones(4, 4)) == 0, -1e9).softmax(-1)
        return F.one_hot(torch.where(x > 0.5, x, torch.zeros_like(x)).argmax(-1), 4).float()

    layers = [
        nn.Conv2d(3, 8, 1), nn.InstanceNorm2d(8), nn.LocalResponseNorm(2), nn.RMSNorm(8), nn.Dropout2d(),
        nn.PReLU(), nn.SiLU(), nn.ReLU6(), nn.Hardtanh(), nn.Mish(), nn.ELU(), nn.CELU(), nn.SELU(), nn.Softplus(),
        nn.Softsign(), nn.Tanhshrink(), nn.LogSigmoid(), nn.Hardsigmoid(), nn.Threshold(0.1, 0), nn.LogSoftmax(1),
        nn.LPPool2d(2, 2), nn.ChannelShuffle(2), nn.GLU(1), nn.Upsample(8), nn.ZeroPad2d(1), Function(arrange),
    ]  # fmt: skip
    assert count_flops(nn.Sequential(*layers), torch.zeros(1, 3, 8, 8)).total == 8 * 8 * 3 * 8
    for norm in (nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm):
        assert count_flops(norm(nn.Linear(4, 4)), torch.zeros(1, 4)).by_operator["linear"] == 16


def test_packed_sequences_count_their_steps():
    def run(model, x):
        packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 2]))
        return model.lstm(packed)[0].data

    model = Function(run)
    model.lstm = nn.LSTM(4, 8)
    assert count_flops(model, torch.zeros(5, 2, 4)).total == (5 + 2) * 4 * 8 * (4 + 8)


def test_counts_are_told_by_module_and_operator():
    counted = count_flops(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(256, 2)), torch.zeros(1, 3, 8, 8))
    assert counted.by_module == {"": 1280, "0": 768, "1": 0, "2": 512}
    assert counted.by_operator == {"_convolution": 768, "linear": 512}
    assert counted.protocol == PROTOCOL


def test_the_objective_measures_one_example():
    measured = Flops().measure(Candidate(None, nn.Linear(16, 4), (16,), 4, torch.device("cpu")))
    assert (measured.value, measured.unit, measured.interval) == (64, "FLOPs", "exact")
    assert measured.details == {"protocol": PROTOCOL, "by_operator": {"linear": 64}}
    assert "one multiply-add = one FLOP" in measured.method
    assert "batch 1" in measured.method


class Doubling(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x * 2

    @staticmethod
    def backward(context, gradient):
        return gradient * 2


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (lambda m, x: torch.cdist(x, x), "aten::cdist"),
        (lambda m, x: torch.fft.rfft(x).real, "aten::fft_rfft"),
        (lambda m, x: F.bilinear(x, x, torch.zeros(3, 16, 16)), "aten::bilinear"),
        (lambda m, x: Doubling.apply(x), "Doubling"),
    ],
)
def test_an_unknown_operator_is_named_with_its_module(function, operator):
    model = nn.Sequential(nn.Linear(16, 16), nn.Sequential(Function(function)))
    with pytest.raises(UncountedOperatorError, match=rf"{operator} in 1\.0 \(Function\)"):
        count_flops(model, torch.zeros(2, 16))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_torchscript_is_not_counted_as_zero():
    with pytest.raises(UncountedOperatorError, match="TorchScript in 0"):
        count_flops(nn.Sequential(torch.jit.script(nn.Linear(4, 4))), torch.zeros(1, 4))

    @torch.jit.script
    def power(x, n: int):
        for _ in range(n):
            x = x @ x
        return x

    with pytest.raises(UncountedOperatorError, match="CallFunction in the network itself"):
        count_flops(Function(lambda m, x: power(x, 3)), torch.zeros(4, 4))


class Meddler(nn.Module):
    """Changes all it can in its forward, and may then fail."""

    def __init__(self, fails):
        super().__init__()
        self.fails, self.calls, self.seen, self.kept, self.cache = fails, 0, [], {"a": 1}, None
        self.linear, self.norm, self.drop = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout()
        self.register_buffer("steps", torch.zeros(()))
        self.linear.weight.requires_grad_(False)
        self.norm.eval()

    def forward(self, x):
        self.calls += 1
        self.cache = x
        self.seen.append(x)
        self.kept["b"] = 2
        self.steps += 1
        self.linear.weight.data += 1
        self.norm.running_mean = self.norm.running_mean + 1
        random.random()  # noqa: S311
        x = F.dropout(self.norm(self.linear(x)), training=True) + torch.rand(4)
        if self.fails:
            raise ValueError("the forward failed")
        return x


def state(model):
    return (
        {name: tensor.tolist() for name, tensor in model.state_dict().items()},
        [(n, id(p), p.requires_grad, p.grad) for n, p in model.named_parameters()],
        [id(b) for b in model.buffers()],
        [(m.training, dict(m._forward_hooks), dict(m._forward_pre_hooks), list(vars(m))) for m in model.modules()],
        torch.get_rng_state().tolist(),
        random.getstate(),
        torch.is_grad_enabled(),
        torch.backends.mha.get_fastpath_enabled(),
        threading.active_count(),
    )


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_and_the_random_states_are_as_before(fails):
    model = Meddler(fails).train()
    model.norm.eval()
    before = state(model)
    if fails:
        with pytest.raises(ValueError, match="the forward failed"):
            count_flops(model, torch.ones(2, 4))
    else:
        assert count_flops(model, torch.ones(2, 4)).total == 32
    assert state(model) == before
    assert (model.calls, model.seen, model.kept, model.cache) == (0, [], {"a": 1}, None)


def test_a_model_can_be_counted_after_a_forward_that_spoils_the_tracer():
    spoils = Function(lambda m, x: x.view(x.size(0), "four"))
    with pytest.raises(TypeError):
        count_flops(spoils, torch.zeros(2, 4))
    assert count_flops(nn.Linear(4, 4), torch.zeros(1, 4)).total == 16


def test_a_compiled_module_is_counted_by_its_original():
    inner = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    model = nn.Sequential(torch.compile(inner), nn.Linear(8, 2))
    model[1].compile()
    called = model[1]._compiled_call_impl
    for candidate in (model, torch.compile(model)):
        assert count_flops(candidate, torch.zeros(1, 4)).total == 4 * 8 + 8 * 2
    assert model[0]._orig_mod is inner
    assert model[1]._compiled_call_impl is called


def test_a_shared_module_counts_at_each_call():
    layer = nn.Linear(4, 4)
    assert count_flops(nn.Sequential(layer, layer), torch.zeros(1, 4)).total == 32


def test_a_lazy_network_is_refused():
    with pytest.raises(SpaceError, match="lazy"):
        count_flops(nn.LazyLinear(4), torch.zeros(1, 4))


def test_nothing_is_logged(caplog):
    with caplog.at_level(logging.DEBUG):
        count_flops(nn.Sequential(nn.Linear(4, 4), nn.Softplus()), torch.zeros(1, 4))
        with pytest.raises(UncountedOperatorError):
            count_flops(Function(lambda m, x: torch.cdist(x, x)), torch.zeros(2, 4))
    assert caplog.records == []
