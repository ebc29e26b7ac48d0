import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nas_moo.errors import SpaceError
from nas_moo.space import AUGMENTATIONS
from search_spaces.convnet import AugmentedConvNet, ConvNet

SMALLEST = {gene.name: gene.values()[0] for gene in ConvNet.genome.genes}
LARGEST = {gene.name: gene.values()[-1] for gene in ConvNet.genome.genes}


def built(values, input_shape=(1, 8, 8)):
    return ConvNet().build(ConvNet.genome.architecture(values), input_shape, 10)


def flops(values):
    with torch.device("meta"):
        model, x = built(values).eval(), torch.empty(1, 1, 8, 8)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x)
    return counter.get_total_flops()


def smallest_side(model, input_shape):
    sides = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda m, i, out: sides.append(min(out.shape[2:])))
    model.eval()(torch.zeros(1, *input_shape))
    return min(sides)


def test_the_space_holds_a_trade_off():
    smallest = flops(SMALLEST | {"stem_stride": 2})
    largest = flops(LARGEST | {"stem_stride": 1, "downsample": "stride"})
    assert largest > 500 * smallest


@pytest.mark.parametrize("downsample", ["stride", "pool"])
@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (3, 9, 13), (1, 28, 28), (3, 32, 32), (3, 224, 224), (2, 1, 1), (1, 3, 40)]
)
def test_any_image_fits(shape, downsample):
    model = built(LARGEST | {"stages": 3, "stem_stride": 2, "downsample": downsample, "width_0": 8}, shape)
    assert smallest_side(model, shape) >= min(2, *shape[1:])
    assert model(torch.zeros(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize("block", ["plain", "separable", "residual"])
def test_both_ways_to_downsample_end_at_the_same_size(block):
    shapes = []
    for downsample in ("stride", "pool"):
        values = SMALLEST | {"stages": 3, "downsample": downsample} | {f"block_{i}": block for i in range(3)}
        body = built(values, (3, 25, 31))[:-3]
        shapes.append(body(torch.zeros(2, 3, 25, 31)).shape)
    assert shapes[0] == shapes[1] == (2, 4, 7, 8)


def test_genes_are_honoured():
    values = SMALLEST | {"stages": 2, "width_0": 16, "width_1": 32, "depth_1": 2, "kernel_1": 5, "block_1": "plain"}
    convs = [m for m in built(values).modules() if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0]) for c in convs] == [
        (1, 16, 3),
        (16, 16, 3),
        (16, 16, 1),
        (16, 32, 5),
        (32, 32, 5),
    ]
    assert convs[1].groups == 16


def test_vectors_are_refused():
    with pytest.raises(SpaceError, match="needs images"):
        built(SMALLEST, (64,))


def test_augmented_builds_the_same_network():
    assert AugmentedConvNet.genome.size() == len(AUGMENTATIONS) * ConvNet.genome.size()
    architecture = AugmentedConvNet.genome.architecture(SMALLEST | {"augmentation": "flip"})
    plain = ConvNet.genome.architecture(SMALLEST)
    assert architecture.network_digest == plain.network_digest
    model = AugmentedConvNet().build(architecture, (1, 8, 8), 10)
    assert [p.shape for p in model.parameters()] == [p.shape for p in built(SMALLEST).parameters()]
