import copy

import pytest
import torch
from torch import nn

from pitmap.errors import ModelError
from pitmap.networks.reach import TileGeometry, measure_reach, state_geometry, tile_geometry
from pitmap.networks.registry import BUILT_IN, build, variants

EVERY = [(name, variant) for name in BUILT_IN for variant in variants(name) or [None]]


@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_networks_state_what_is_measured(name, variant):
    # The sheet's figures for the stated attributes are checked in test_count.
    network = build(name, 2, 3, 1, **({"variant": variant} if variant else {}))
    stated = TileGeometry(network.stride, network.reach, network.halo)
    assert tile_geometry(network, 2) == stated
    assert measure_reach(network, 2) == stated


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unet", {"batch_norm": False}),
        ("unetplus", {"projection": "1x1", "lifts": "one", "include_bottleneck": True}),
        ("unetplus", {"projection": "mean", "lifts": "cascade", "include_bottleneck": True, "fusion": "concat"}),
        ("unetplus", {"projection": "upconv", "lifts": "cascade", "include_bottleneck": True}),
        ("unetplusplus", {"deep_supervision": True}),
        ("fcn8s", {"add": "feature", "fc67": True}),
    ],
)
def test_reach_follows_the_options(name, options):
    network = build(name, 1, 2, 2, **options)
    assert measure_reach(network, 1) == TileGeometry(network.stride, network.reach, network.halo)


@pytest.mark.verify
@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_reach_does_not_depend_on_the_width(name, variant):
    network = build(name, 4, 7, 4, **({"variant": variant} if variant else {}))
    assert measure_reach(network, 4) == tile_geometry(network, 4)


def conv(kernel, **options):
    return nn.Conv2d(2, 2, kernel, padding="same", **options)


@pytest.mark.parametrize(
    ("network", "geometry"),
    [
        (nn.Sequential(conv(1)), (1, 0, 0)),
        (nn.Sequential(conv(3), nn.ReLU(), conv(3)), (1, 2, 2)),
        (nn.Sequential(conv(3), conv(3, dilation=4)), (1, 5, 5)),
        (nn.Sequential(conv((1, 7))), (1, 3, 3)),
        (nn.Sequential(nn.MaxPool2d(4), nn.GELU(), nn.Upsample(scale_factor=4.0)), (4, 3, 0)),
        (nn.Sequential(conv(3), nn.MaxPool2d(4), nn.Upsample(scale_factor=4.0), nn.Softmax(dim=1)), (4, 4, 4)),
        (nn.Sequential(nn.Conv2d(2, 2, 3, stride=2, padding=1), nn.ConvTranspose2d(2, 2, 2, stride=2)), (2, 2, 2)),
        (nn.Sequential(conv(3), nn.BatchNorm2d(2), nn.Dropout(), nn.Conv2d(2, 5, 1)), (1, 1, 1)),
        (nn.Sequential(nn.MaxPool2d(3), nn.Upsample(scale_factor=3.0)), (3, 2, 0)),
    ],
)
def test_reach_of_small_networks_known_by_hand(network, geometry):
    assert measure_reach(network, 2) == geometry


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(conv(3), nn.GroupNorm(1, 2)),
        nn.Sequential(conv(3), nn.InstanceNorm2d(2)),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Upsample(size=(256, 256))),
        nn.Sequential(nn.Conv2d(2, 2, 3)),  # the result is smaller than the image
        nn.Sequential(nn.Conv2d(3, 2, 3, padding=1)),  # another number of bands
        nn.Sequential(conv(3), nn.Flatten()),
    ],
)
def test_networks_without_a_bound_are_refused(network):
    with pytest.raises(ModelError, match="cannot be measured"):
        measure_reach(network, 2)


def test_measuring_changes_nothing():
    network = build("unet", 2, 3, 1)
    before = copy.deepcopy(network.state_dict())
    measure_reach(network, 2)
    assert network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(p.requires_grad for p in network.parameters())


def test_stated_geometry_wins():
    network = nn.Sequential(conv(3))
    network.stride, network.reach = 8, 13
    assert tile_geometry(network, 2) == (8, 13, 16)
    network.halo = 8
    assert tile_geometry(network, 2) == (8, 13, 8)


def test_geometry_becomes_attributes():
    network = nn.Sequential(conv(3), conv(3))
    state_geometry(network, 2)
    assert (network.stride, network.reach, network.halo) == (1, 2, 2)
