"""Small convolutional networks: one to three stages, each with its own width, depth, kernel and block.

Between stages the image is halved, as long as its shorter side has at least four pixels, so that the same genes fit
inputs from 8 by 8 to 224 by 224 pixels.
"""

from __future__ import annotations

from torch import Tensor, nn

from nas_moo.errors import SpaceError
from nas_moo.genes import Categorical, Gene, Integer, at_least
from nas_moo.genome import Architecture, Genome
from search_spaces import augmentation, optimizers

MAX_STAGES = 3
SMALLEST_TO_HALVE = 4


def stage_genes(i: int) -> tuple[Gene, ...]:
    """The genes of stage ``i``, active where the network has that many stages."""
    active = at_least("stages", i + 1)
    return (
        Categorical(f"width_{i}", (4, 8, 16, 24, 32), ordered=True, active=active),
        Integer(f"depth_{i}", 1, 2, active=active),
        Categorical(f"kernel_{i}", (3, 5), ordered=True, active=active),
        Categorical(f"block_{i}", ("separable", "plain", "residual"), active=active),
    )


def convolution(
    channels: int, width: int, kernel: int, stride: int = 1, *, depthwise: bool = False, activation: bool = True
) -> nn.Sequential:
    """Convolution, batch normalisation and, unless told otherwise, ReLU."""
    groups = channels if depthwise else 1
    conv = nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width), *([nn.ReLU()] if activation else []))


def plain(channels: int, width: int, kernel: int, stride: int) -> nn.Module:
    """One convolution."""
    return convolution(channels, width, kernel, stride)


def separable(channels: int, width: int, kernel: int, stride: int) -> nn.Module:
    """A convolution a channel, then one across channels (MobileNet, arXiv:1704.04861)."""
    return nn.Sequential(
        convolution(channels, channels, kernel, stride, depthwise=True), convolution(channels, width, 1)
    )


class Residual(nn.Module):
    """Two convolutions beside a shortcut (ResNet's basic block, arXiv:1512.03385)."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(channels, width, kernel, stride), convolution(width, width, kernel, activation=False)
        )
        same = channels == width and stride == 1
        self.shortcut = nn.Identity() if same else convolution(channels, width, 1, stride, activation=False)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Shape (batch, channels, height, width) to (batch, width, height / stride, width / stride)."""
        return self.activation(self.body(x) + self.shortcut(x))  # type: ignore[no-any-return]


BLOCKS = {"plain": plain, "separable": separable, "residual": Residual}


class ConvNet:
    """A stem, one to three stages, global average pooling and a linear layer."""

    genome = Genome(
        Categorical("stem_stride", (1, 2), ordered=True),
        Integer("stages", 1, MAX_STAGES),
        Categorical("downsample", ("stride", "pool"), active=at_least("stages", 2)),
        *[gene for i in range(MAX_STAGES) for gene in stage_genes(i)],
        *optimizers.GENES,
    )
    optimizer = staticmethod(optimizers.build)

    def build(self, architecture: Architecture, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """The network for images of shape (channels, height, width)."""
        if len(input_shape) != 3:
            raise SpaceError(
                "a convolutional network needs images",
                value=input_shape,
                do="Give data of shape (channels, height, width), or use the mlp space.",
            )
        channels, side = input_shape[0], min(input_shape[1:])
        width = architecture["width_0"]
        stride = architecture["stem_stride"] if side >= SMALLEST_TO_HALVE else 1
        layers: list[nn.Module] = [convolution(channels, width, 3, stride)]
        side = -(-side // stride)
        for i in range(architecture["stages"]):
            halve = i > 0 and side >= SMALLEST_TO_HALVE
            layers += stage(architecture, i, width, halve=halve)
            width = architecture[f"width_{i}"]
            side = -(-side // 2) if halve else side
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, n_classes))


def stage(architecture: Architecture, i: int, channels: int, *, halve: bool) -> list[nn.Module]:
    """The blocks of stage ``i``; the first one halves the image by its stride, or a pooling before it does."""
    block = BLOCKS[architecture[f"block_{i}"]]
    width, kernel = architecture[f"width_{i}"], architecture[f"kernel_{i}"]
    pool = halve and architecture["downsample"] == "pool"
    strides = [2 if halve and not pool else 1] + [1] * (architecture[f"depth_{i}"] - 1)
    layers: list[nn.Module] = [nn.MaxPool2d(2, ceil_mode=True)] if pool else []
    for stride in strides:
        layers.append(block(channels, width, kernel, stride))
        channels = width
    return layers


class AugmentedConvNet:
    """The networks of ``ConvNet``, with the augmentation of their training images searched too."""

    genome = Genome(*ConvNet.genome.genes, *augmentation.GENES)
    optimizer = staticmethod(optimizers.build)

    def __init__(self) -> None:
        self._network = ConvNet()

    def build(self, architecture: Architecture, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """As ``ConvNet.build``."""
        return self._network.build(architecture, input_shape, n_classes)
