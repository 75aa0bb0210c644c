"""A network with cuts gives for the kept pixels of a tile what the whole network gives."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from networks.test_exact_tiles import EVERY, difference, randomised
from pitmap.networks import cuts
from pitmap.networks.fusion import fuse
from pitmap.networks.registry import build
from pitmap.networks.trimming import TrimmedNetwork, trim


def made(name: str, variant: str | None = None) -> nn.Module:
    torch.manual_seed(0)
    return fuse(randomised(build(name, 2, 3, 4, **({"variant": variant} if variant else {}))))


def worst(network: nn.Module, trimmed: TrimmedNetwork, stride: int, halo: int) -> float:
    """Largest difference over tiles at the scene's start, inside, at its end, and for scenes of one tile."""
    along = [(2, 0, 0, stride // 2 + 1), (2 * halo + 1, halo, halo, 0), (halo + 3, 0, halo, 0), (halo + 2, halo, 0, 3)]
    found = [0.0]
    for strides, before, after, beyond in [*along, (5, 1, 2, 0)]:  # the last: a halo that is not enough
        length, across = strides * stride, 3 * stride
        x = torch.randn(2, 2, length, across, dtype=torch.float64, generator=torch.Generator().manual_seed(strides))
        kept = slice(before * stride, length - after * stride - beyond), slice(stride, across)
        with torch.no_grad():
            for image, part in ((x, kept), (x.transpose(2, 3), kept[::-1])):
                expected = network(image)[..., *part]
                result = trimmed(image, trimmed.cuts(tuple(image.shape[-2:]), part))
                assert result.shape == expected.shape
                found.append(difference(result, expected))
    return max(found)


@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_cuts_change_nothing_of_what_is_kept(name: str, variant: str | None):
    network = made(name, variant)
    trimmed = trim(network, 2, network.stride)
    assert trimmed.trimmed
    assert worst(network, trimmed, network.stride, network.halo // network.stride) < 1e-12


def test_cuts_without_room_for_wrong_padding_differ(monkeypatch: pytest.MonkeyPatch):
    def needs(self, span):
        return span[0] // self.up, -(-span[1] // self.up)

    network = made("unet")
    monkeypatch.setattr(cuts.Step, "needs", needs)
    assert worst(network, trim(network, 2, 16), 16, 6) > 1e-4


def operations(network: nn.Module, *inputs) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(*inputs)
    return counter.get_total_flops()


@pytest.mark.parametrize(("name", "most"), [("unet", 1.10), ("unetplus", 1.11), ("unetplusplus", 1.06)])
def test_cuts_save_at_least_half_of_what_the_halo_costs(name: str, most: float):
    network = made(name).float()
    trimmed = trim(network, 2, 16).to("meta")
    tile = torch.empty(1, 2, 2048, 2048, device="meta")
    inner = (slice(96, 1952),) * 2
    without_halo = operations(
        trimmed, torch.empty(1, 2, 1856, 1856, device="meta"), trimmed.cuts((1856,) * 2, (slice(None),) * 2)
    )
    assert operations(trimmed, tile, trimmed.cuts((2048, 2048), inner)) / without_halo < most
    assert (2048 / 1856) ** 2 > 1.21


def test_networks_are_followed_while_others_work_in_other_threads():
    network, x = made("unet").float(), torch.randn(1, 2, 32, 32)
    with ThreadPoolExecutor(4) as threads, torch.no_grad():
        expected = network(x)
        plans = [threads.submit(trim, network, 2, 16) for _ in range(12)]
        passes = [threads.submit(network, x) for _ in range(60)]
        assert all(plan.result().trimmed for plan in plans)
        assert all(torch.equal(result.result(), expected) for result in passes)
    assert nn.Module.__call__.__module__ == "torch.nn.modules.module"


class Outside(nn.Module):
    """Kinds of layers that the six do not have; ``trick`` makes it one that cannot be followed."""

    stride, halo = 4, 24

    def __init__(self, trick: str = "") -> None:
        super().__init__()
        self.trick = trick
        self.down = nn.Sequential(nn.Conv2d(2, 4, 4, stride=2, padding=1), nn.LeakyReLU(), nn.AvgPool2d(2))
        self.wide = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.up = nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(4, 4, 5, padding=2), nn.ReLU())
        self.last = nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1)

    def forward(self, x):
        y = self.up(self.wide(self.down(x)))
        if self.trick == "values" and y.sum() > 0:
            y = y + 1
        if self.trick == "mean":
            y = y - y.mean(dim=(2, 3), keepdim=True)
        if self.trick == "size":
            y = F.interpolate(F.avg_pool2d(y, 2), size=y.shape[-2:])
        return self.last(y)


@pytest.mark.parametrize(("trick", "followed"), [("", True), ("values", False), ("mean", False), ("size", False)])
def test_networks_of_ones_own(trick: str, followed: bool):
    network = randomised(Outside(trick))
    trimmed = trim(network, 2, 4)
    assert trimmed.trimmed == followed
    assert worst(network, trimmed, 4, 6) < 1e-12
