"""A tile cut as the stated stride and halo say gives what the whole image gives."""

import pytest
import torch
from torch import nn

from pitmap.networks.registry import BUILT_IN, build, variants

EVERY = [(name, variant) for name in BUILT_IN for variant in variants(name) or [None]]


def randomised(network, seed=0):
    """In float64 and evaluation mode, with random statistics of the batch normalisation and random biases."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator).mul_(0.1)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, std=0.1, generator=generator)
    return network.double().eval()


def kept_blocks(network, halo, along_rows, shift=0):
    """Logits of one block of a stride from a tile with a halo on two inner edges, and from the whole image."""
    stride = network.stride
    first = 2 * stride + halo  # of the kept block, so that the tile has two strides of scene before and after it
    length = first + stride + halo + 2 * stride
    generator = torch.Generator().manual_seed(1)
    dtype = next(network.parameters()).dtype
    scene = torch.randn(1, 2, length, 2 * stride, dtype=dtype, generator=generator)
    if not along_rows:
        scene = scene.transpose(2, 3).contiguous()
    axis = 2 if along_rows else 3
    start = first - halo - shift
    with torch.no_grad():
        whole = network(scene).narrow(axis, first, stride)
        tile = network(scene.narrow(axis, start, 2 * halo + stride)).narrow(axis, first - start, stride)
    return tile, whole


def difference(tile, whole):
    return ((tile - whole).abs().max() / (whole.max() - whole.min())).item()


@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_stated_halo_is_enough_and_one_stride_less_is_not(name, variant):
    torch.manual_seed(0)
    network = randomised(build(name, 2, 3, 4, **({"variant": variant} if variant else {})))
    for along_rows in (True, False):
        assert difference(*kept_blocks(network, network.halo, along_rows)) < 1e-12
        assert difference(*kept_blocks(network, network.halo - network.stride, along_rows)) > 1e-10


@pytest.mark.parametrize("name", ["unet", "unetplus", "segnet"])
def test_tiles_off_the_stride_differ(name):
    torch.manual_seed(0)
    network = randomised(build(name, 2, 3, 4))
    assert difference(*kept_blocks(network, network.halo + network.stride, True, shift=4)) > 1e-3


@pytest.mark.parametrize("name", BUILT_IN)
def test_float32_agrees_to_a_hundred_thousandth_of_the_range(name):
    torch.manual_seed(0)
    network = randomised(build(name, 2, 3, 4)).float()
    assert difference(*kept_blocks(network, network.halo, along_rows=True)) < 1e-5
