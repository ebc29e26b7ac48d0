"""Whole networks: our count, the oracle's and published figures are the same number."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from nas_moo.objectives.flops import count_flops, oracle_flops

sys.path.append(str(Path(__file__).parent))
import known_nets as nets


def image(size):
    return torch.zeros(1, 3, size, size)


def words(length):
    return torch.zeros(1, length, dtype=torch.long)


def recurrent(kind, **options):
    layer = kind(16, 24, batch_first=True, **options)
    return nets.Recurrent(layer, 24 * (1 + layer.bidirectional))


# Small inputs: what a layer counts scales with the image, and the trace computes for real.
NETS = {
    "MLP": (lambda: nn.Sequential(nn.Flatten(), *nets.mlp(3 * 64, 128, 64, 10)), image(8)),
    "ResNet-18": (lambda: nets.resnet((2, 2, 2, 2), bottleneck=False), image(64)),
    "ResNet-50": (lambda: nets.resnet((3, 4, 6, 3)), image(32)),
    "MobileNetV2": (nets.mobilenet_v2, image(64)),
    "ConvNeXt": (lambda: nets.convnext((1, 1, 2, 1), (24, 48, 96, 192)), image(64)),
    "SqueezeNet": (lambda: nets.squeezenet(64, 3, (1, 3)), image(64)),
    "ViT-Tiny": (lambda: nets.ViT(12, 192, 3, image=64), image(64)),
    "ViT-B": (lambda: nets.ViT(2, 768, 12, image=64), image(64)),
    "GPT-2": (lambda: nets.GPT(3, 96, 6), words(40)),
    "LSTM": (lambda: recurrent(nn.LSTM, num_layers=2, bidirectional=True), words(9)),
    "LSTM with projection": (lambda: nets.Recurrent(nn.LSTM(16, 24, batch_first=True, proj_size=8), 8), words(9)),
    "GRU": (lambda: recurrent(nn.GRU), words(9)),
    "RNN": (lambda: recurrent(nn.RNN, num_layers=2), words(9)),
    "U-Net, with transposed convolutions": (nets.UNet, image(32)),
    "grouped-query attention": (lambda: nets.GPT(2, 64, 8, groups=2), words(20)),
    "einsum attention": (lambda: nets.ViT(2, 48, 4, image=64, kind="einsum"), image(64)),
    "nn.MultiheadAttention": (lambda: nets.ViT(2, 48, 4, image=64, kind="torch"), image(64)),
    "learned query tokens": (nets.Queries, image(64)),
    "grouped convolutions": (lambda: nets.resnet((1, 1, 1, 1), groups=32, width=4), image(32)),
    "dilated convolutions": (
        lambda: nn.Sequential(*[nn.Conv2d(3, 3, 3, padding="same", dilation=2**i) for i in range(3)]), image(24),
    ),
    "transposed convolutions in groups": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 1), nn.ConvTranspose2d(8, 4, 4, 2, 1, groups=2)), image(16),
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("name", NETS)
def test_our_count_is_the_oracles(name):
    build, inputs = NETS[name]
    model = build()
    counted = count_flops(model, inputs)
    assert counted.counter == "fvcore"
    assert counted.total == oracle_flops(model, inputs) > 0


# Of torchvision 0.29.2's metadata of its pretrained models (BSD-3-Clause, Copyright (c) Soumith Chintala 2016 and
# contributors): GFLOPs, which are multiply-adds, of one image of 224 × 224, and parameters.
PUBLISHED = {
    "AlexNet": (nets.alexnet, 0.714, 61100840),
    "VGG11": (lambda: nets.vgg(1, 1, 2, 2, 2), 7.609, 132863336),
    "VGG16": (lambda: nets.vgg(2, 2, 3, 3, 3), 15.47, 138357544),
    "ResNet18": (lambda: nets.resnet((2, 2, 2, 2), bottleneck=False), 1.814, 11689512),
    "ResNet34": (lambda: nets.resnet((3, 4, 6, 3), bottleneck=False), 3.664, 21797672),
    "ResNet50": (lambda: nets.resnet((3, 4, 6, 3)), 4.089, 25557032),
    "ResNet101": (lambda: nets.resnet((3, 4, 23, 3)), 7.801, 44549160),
    "ResNet152": (lambda: nets.resnet((3, 8, 36, 3)), 11.514, 60192808),
    "ResNeXt50_32X4D": (lambda: nets.resnet((3, 4, 6, 3), groups=32, width=4), 4.23, 25028904),
    "ResNeXt101_32X8D": (lambda: nets.resnet((3, 4, 23, 3), groups=32, width=8), 16.414, 88791336),
    "Wide_ResNet50_2": (lambda: nets.resnet((3, 4, 6, 3), width=128), 11.398, 68883240),
    "MobileNet_V2": (nets.mobilenet_v2, 0.301, None),
    "SqueezeNet1_0": (lambda: nets.squeezenet(96, 7, (2, 6)), 0.819, 1248424),
    "SqueezeNet1_1": (lambda: nets.squeezenet(64, 3, (1, 3)), 0.349, 1235496),
    "ConvNeXt_Tiny": (nets.convnext, 4.456, 28589128),
    "ViT_B_16": (lambda: nets.ViT(12, 768, 12), 17.564, 86567656),
    "ViT_B_32": (lambda: nets.ViT(12, 768, 12, patch=32), 4.409, 88224232),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_oracle_gives_the_published_figure(name):
    build, published, parameters = PUBLISHED[name]
    with torch.device("meta"):
        model = build()
    assert parameters in (None, sum(p.numel() for p in model.parameters()))
    assert round(oracle_flops(model, image(224).to("meta")) / 1e9, 3) == published


@pytest.mark.parametrize("name", ["ResNet18", "MobileNet_V2", "SqueezeNet1_1"])
def test_our_count_is_the_published_figure(name):
    build, published, _ = PUBLISHED[name]
    assert round(count_flops(build(), image(224)).total / 1e9, 3) == published
