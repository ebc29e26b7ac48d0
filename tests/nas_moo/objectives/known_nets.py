"""Well-known networks, written down as shortly as their papers allow, for a counter of FLOPs to count."""

import itertools

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812


def conv(inputs, outputs, kernel=3, stride=1, groups=1, act=nn.ReLU):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)]
    return nn.Sequential(*layers, nn.BatchNorm2d(outputs), *([act()] if act else []))


class Residual(nn.Module):
    """x + f(x), or shortcut(x) + f(x), and an activation."""

    def __init__(self, *layers, shortcut=None, after=None):
        super().__init__()
        self.layers, self.shortcut = nn.Sequential(*layers), shortcut or nn.Identity()
        self.after = after or nn.Identity()

    def forward(self, x):
        return self.after(self.shortcut(x) + self.layers(x))


def head(width, classes=1000):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def resnet(depths, *, bottleneck=True, groups=1, width=64, stem=64):
    """He et al. 2016, Xie et al. 2017 (groups), Zagoruyko and Komodakis 2016 (width); strides in the 3 × 3."""
    layers, inputs = [conv(3, stem, 7, 2), nn.MaxPool2d(3, 2, 1)], stem
    for stage, depth in enumerate(depths):
        planes = stem * 2**stage
        outputs, inner = planes * (4 if bottleneck else 1), planes * width // 64 * groups
        for i in range(depth):
            stride = 2 if stage and not i else 1
            if bottleneck:
                inside = [
                    conv(inputs, inner, 1),
                    conv(inner, inner, 3, stride, groups),
                    conv(inner, outputs, 1, act=None),
                ]
            else:
                inside = [conv(inputs, outputs, 3, stride), conv(outputs, outputs, act=None)]
            shortcut = conv(inputs, outputs, 1, stride, act=None) if stride > 1 or inputs != outputs else None
            layers.append(Residual(*inside, shortcut=shortcut, after=nn.ReLU()))
            inputs = outputs
    return nn.Sequential(*layers, head(inputs))


def mobilenet_v2():
    """Sandler et al. 2018."""
    layers, inputs = [conv(3, 32, 3, 2, act=nn.ReLU6)], 32
    for expand, outputs, depth, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for i in range(depth):
            inner, step = inputs * expand, 1 if i else stride
            inside = [
                *([conv(inputs, inner, 1, act=nn.ReLU6)] if expand > 1 else []),
                conv(inner, inner, 3, step, groups=inner, act=nn.ReLU6),
                conv(inner, outputs, 1, act=None),
            ]
            layers.append(Residual(*inside) if step == 1 and inputs == outputs else nn.Sequential(*inside))
            inputs = outputs
    return nn.Sequential(*layers, conv(320, 1280, 1, act=nn.ReLU6), head(1280))


def vgg(*plan):
    """Simonyan and Zisserman 2015; ``plan``: convolutions a stage."""
    layers, inputs = [], 3
    for width, depth in zip((64, 128, 256, 512, 512), plan, strict=True):
        for _ in range(depth):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7), nn.Flatten(), *mlp(512 * 49, 4096, 4096, 1000))


def alexnet():
    """Krizhevsky 2014, "One weird trick"."""
    layers, inputs = [], 3
    for width, kernel, stride, padding, pool in (
        (64, 11, 4, 2, True), (192, 5, 1, 2, True), (384, 3, 1, 1, False), (256, 3, 1, 1, False), (256, 3, 1, 1, True),
    ):  # fmt: skip
        layers += [nn.Conv2d(inputs, width, kernel, stride, padding), nn.ReLU()]
        layers += [nn.MaxPool2d(3, 2)] if pool else []
        inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(6), nn.Flatten(), *mlp(256 * 36, 4096, 4096, 1000))


class Fire(nn.Module):
    """Iandola et al. 2016."""

    def __init__(self, inputs, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.small, self.large = nn.Conv2d(squeeze, expand, 1), nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return F.relu(torch.cat([self.small(x), self.large(x)], 1))


def squeezenet(first, kernel, pools):
    layers, inputs = [nn.Conv2d(3, first, kernel, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)], first
    for i, width in enumerate((16, 16, 32, 32, 48, 48, 64, 64)):
        layers.append(Fire(inputs, width, 4 * width))
        layers += [nn.MaxPool2d(3, 2, ceil_mode=True)] if i in pools else []
        inputs = 8 * width
    return nn.Sequential(*layers, nn.Conv2d(512, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def mlp(*widths, act=nn.ReLU):
    layers = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), act()]
    return layers[:-1]


class ChannelsLast(nn.Module):
    """Layers over the last axis of an image's channels; a learned scale after them."""

    def __init__(self, width, *layers, scale=False):
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.scale = nn.Parameter(torch.ones(width)) if scale else None

    def forward(self, x):
        x = self.layers(x.permute(0, 2, 3, 1))
        return (x if self.scale is None else x * self.scale).permute(0, 3, 1, 2)


def convnext(depths=(3, 3, 9, 3), widths=(96, 192, 384, 768), patch=4):
    """Liu et al. 2022."""
    layers, inputs = [], 3
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        size = 2 if stage else patch
        layers += [ChannelsLast(inputs, nn.LayerNorm(inputs))] if stage else []
        layers += [nn.Conv2d(inputs, width, size, size)]
        layers += [] if stage else [ChannelsLast(width, nn.LayerNorm(width))]
        for _ in range(depth):
            inside = nn.LayerNorm(width), *mlp(width, 4 * width, width, act=nn.GELU)
            depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
            layers.append(Residual(depthwise, ChannelsLast(width, *inside, scale=True)))
        inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(inputs), nn.Linear(inputs, 1000))


class Attention(nn.Module):
    """Heads over tokens: ``fused``, by ``einsum``, or from nn.MultiheadAttention; keys may have fewer heads."""

    def __init__(self, width, heads, kind="fused", groups=None, causal=False):
        super().__init__()
        self.heads, self.groups, self.kind, self.causal = heads, groups or heads, kind, causal
        self.size = width // heads
        if kind == "torch":
            self.inner = nn.MultiheadAttention(width, heads, batch_first=True)
        else:
            self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
            self.pair = nn.Linear(width, 2 * self.groups * self.size)

    def forward(self, x):
        if self.kind == "torch":
            return self.inner(x, x, x, need_weights=False)[0]
        b, n, c = x.shape
        q = self.query(x).reshape(b, n, self.heads, self.size)
        k, v = self.pair(x).reshape(b, n, 2, self.groups, self.size).unbind(2)
        if self.kind == "einsum":
            weights = torch.einsum("bnhd,bmhd->bhnm", q, k).mul(self.size**-0.5).softmax(-1)
            return self.out(torch.einsum("bhnm,bmhd->bnhd", weights, v).reshape(b, n, c))
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal, enable_gqa=self.groups != self.heads)
        return self.out(y.transpose(1, 2).reshape(b, n, c))


def transformer(depth, width, heads, **options):
    for _ in range(depth):
        yield Residual(nn.LayerNorm(width), Attention(width, heads, **options))
        yield Residual(nn.LayerNorm(width), *mlp(width, 4 * width, width, act=nn.GELU))


class ViT(nn.Module):
    """Dosovitskiy et al. 2021: a learned class token, learned places."""

    def __init__(self, depth, width, heads, image=224, patch=16, **options):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.zeros(1, (image // patch) ** 2 + 1, width))
        self.blocks = nn.Sequential(*transformer(depth, width, heads, **options), nn.LayerNorm(width))
        self.head = nn.Linear(width, 1000)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
        return self.head(self.blocks(x)[:, 0])


class GPT(nn.Module):
    """Radford et al. 2019; the output shares the embedding's weights."""

    def __init__(self, depth, width, heads, vocabulary=257, length=64, **options):
        super().__init__()
        self.words, self.places = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        blocks = transformer(depth, width, heads, causal=True, **options)
        self.blocks, self.head = nn.Sequential(*blocks, nn.LayerNorm(width)), nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids):
        x = self.words(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        return {"logits": self.head(self.blocks(x)), "cache": None}


class Recurrent(nn.Module):
    """Words, a recurrent layer of PyTorch's, and a verdict on the last step."""

    def __init__(self, layer, out):
        super().__init__()
        self.words, self.layer, self.head = nn.Embedding(100, layer.input_size), layer, nn.Linear(out, 5)

    def forward(self, ids):
        return self.head(self.layer(self.words(ids))[0][:, -1])


class UNet(nn.Module):
    """Ronneberger et al. 2015, two levels."""

    def __init__(self, width=8):
        super().__init__()
        self.down = nn.ModuleList([conv(3, width), conv(width, 2 * width)])
        self.middle = conv(2 * width, 4 * width)
        self.up = nn.ModuleList(
            [nn.ConvTranspose2d(4 * width, 2 * width, 2, 2), nn.ConvTranspose2d(2 * width, width, 2, 2)]
        )
        self.merge = nn.ModuleList([conv(4 * width, 2 * width), conv(2 * width, width)])
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        kept = []
        for layer in self.down:
            x = layer(x)
            kept.append(x)
            x = F.max_pool2d(x, 2)
        x = self.middle(x)
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([up(x), kept.pop()], 1))
        return self.head(x)


class Queries(nn.Module):
    """Learned query tokens that read an image (DETR, Perceiver), with a mixture's gate that may be discarded."""

    def __init__(self, tokens=6, width=32):
        super().__init__()
        self.stem, self.tokens = nn.Conv2d(3, width, 8, 8), nn.Parameter(torch.zeros(tokens, width))
        self.read, self.head = nn.MultiheadAttention(width, 4, batch_first=True), nn.Linear(width, 7)

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        tokens = self.tokens.expand(len(x), -1, -1)
        return self.head(self.read(tokens, x, x)[0])
