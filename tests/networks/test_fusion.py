import pytest
import torch
from torch import nn

from pitmap.networks.fusion import fuse
from pitmap.networks.registry import BUILT_IN, build, variants


@pytest.mark.parametrize(("name", "variant"), [(n, v) for n in BUILT_IN for v in variants(n) or [None]])
def test_fused_network_gives_the_same(name, variant):
    torch.manual_seed(0)
    network = build(name, 3, 5, 4, **({"variant": variant} if variant else {}))
    images = torch.randn(1, 3, 64, 64)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 1.5)
    with torch.no_grad():
        expected = network.eval()(images)
        fused = fuse(network)
        assert not any(isinstance(m, nn.BatchNorm2d) for m in fused.modules())
        assert any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
        difference = (fused(images) - expected).abs().max()
    assert difference < 1e-5 * (expected.max() - expected.min())


def test_fused_network_keeps_its_geometry():
    network = build("unetplus", 3, 5, 2, variant="A4").eval()
    fused = fuse(network)
    assert (fused.stride, fused.reach, fused.halo) == (16, 115, 112)


def test_lone_normalisation_stays():
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1), nn.ReLU(), nn.BatchNorm2d(2)).eval()
    assert [type(layer).__name__ for layer in fuse(network)] == ["BatchNorm2d", "Conv2d", "ReLU", "BatchNorm2d"]


def test_training_mode_is_refused():
    with pytest.raises(ValueError, match="eval"):
        fuse(build("unet", 3, 5, 1))
