import sys
import types

import pytest
import torch
from torch import nn

from pitmap.errors import ProjectError
from pitmap.networks import registry
from pitmap.networks.registry import build, check_options, names, register, variants
from pitmap.networks.unetplus import UNetPlus


def tiny(bands, classes, width=64, *, kernel=3):
    return nn.Sequential(nn.Conv2d(bands, width, kernel, padding="same"), nn.ReLU(), nn.Conv2d(width, classes, 1))


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})


def test_variant_is_a_set_of_options():
    network = build("unetplus", 4, 7, 2, variant="B2", batch_norm=False)
    assert isinstance(network, UNetPlus)
    assert network.concat
    assert set(network.state_dict()) == set(
        build("unetplus", 4, 7, 2, fusion="concat", projection="1x1", batch_norm=False).state_dict()
    )
    assert list(variants("unetplus")) == [
        "A1",
        "A2",
        "A3",
        "A4",
        "A5",
        "A6",
        "B1",
        "B2",
        "B3",
        "C1",
        "C2",
        "D1",
        "D2",
        "D3",
    ]


def test_default_unetplus_is_a1():
    assert check_options("unetplus", {"variant": "A1"}) == {
        "fusion": "add", "projection": "upconv", "lifts": "all", "include_bottleneck": False
    }  # fmt: skip
    assert set(build("unetplus", 1, 1, 1).state_dict()) == set(build("unetplus", 1, 1, 1, variant="A1").state_dict())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("u-net", {}, "'unet'"),
        ("UNETPLUS", {}, "'unetplus'"),
        ("unet", {"batchnorm": False}, "'batch_norm'"),
        ("unet", {"variant": "A1"}, "has no variants"),
        ("unetplus", {"variant": "a1"}, "'A1'"),
        ("unetplus", {"fuse": "add"}, "'fusion'"),
        ("unetplus", {"fusion": "added"}, "'add'"),
        ("unetplus", {"variant": "A1", "fusion": "concat"}, "fusion are given beside the variant"),
        ("no_such_package.module:factory", {}, "cannot be imported"),
        ("json:no_such_factory", {}, "cannot be imported"),
        (":x", {}, "cannot be imported"),
        ("json:__doc__", {}, "not callable"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(name, options, message):
    with pytest.raises(ProjectError, match=message):
        build(name, 4, 7, 2, **options)


@pytest.mark.parametrize("arguments", [(0, 7, 2), (4, -1, 2), (4, 7, 0), (4, 7, 2.0), (True, 7, 2)])
def test_sizes_are_positive_integers(arguments):
    with pytest.raises(ProjectError, match="integer"):
        build("unet", *arguments)


def test_registered_network_stands_beside_the_six():
    register("tiny", tiny)
    assert "tiny" in names()
    assert build("tiny", 3, 5, 4, kernel=5)(torch.zeros(2, 3, 9, 9)).shape == (2, 5, 9, 9)
    with pytest.raises(ProjectError, match="'kernel'"):
        build("tiny", 3, 5, 4, kernels=5)


def test_network_of_another_package(monkeypatch):
    package = types.ModuleType("someone_elses")
    package.tiny = tiny
    monkeypatch.setitem(sys.modules, "someone_elses", package)
    assert build("someone_elses:tiny", 3, 5, 4)(torch.zeros(1, 3, 8, 8)).shape == (1, 5, 8, 8)


def test_names_of_the_six_are_taken():
    with pytest.raises(ProjectError, match="'unet'"):
        register("unet", tiny)


def test_factory_must_give_a_module():
    register("broken", lambda bands, classes, width: "not a module")
    with pytest.raises(ProjectError, match="gave a str"):
        build("broken", 3, 5)
