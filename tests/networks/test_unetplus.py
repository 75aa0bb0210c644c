import pytest
import torch
import torch.nn.functional as F

from pitmap.errors import ProjectError
from pitmap.networks.unetplus import UNetPlus


def skips_of(network, image):
    """The encoder maps by level and the enriched skips S_4, S_3, S_2, S_1, layer by layer."""
    encoded, x = {}, image
    for level in range(1, 6):
        x = getattr(network, f"encoder{level}")(x if level == 1 else F.max_pool2d(x, 2))
        encoded[level] = x
    return encoded, network._enriched_skips(encoded)


@pytest.fixture
def image():
    return torch.randn(1, 2, 32, 48, generator=torch.Generator().manual_seed(1))


def grouped_mean(x, groups, factor):
    averaged = torch.stack([part.mean(dim=1) for part in x.chunk(groups, dim=1)], dim=1)
    return F.interpolate(averaged, scale_factor=factor, mode="bilinear", align_corners=False)


def test_mean_lifts_average_neighbouring_channels(image):
    encoded, (s4, s3, _, s1) = skips_of(UNetPlus(2, 3, 4, projection="mean").eval(), image)
    torch.testing.assert_close(s4, encoded[4])
    torch.testing.assert_close(s3, encoded[3] + grouped_mean(encoded[4], 16, 2))
    lifted = [grouped_mean(encoded[k], 4, 2 ** (k - 1)) for k in (2, 3, 4)]
    torch.testing.assert_close(s1, encoded[1] + sum(lifted))


def test_upconv_lifts_are_one_chain_for_each_map(image):
    network = UNetPlus(2, 3, 4).eval()
    assert set(network.lifts) == {"2to1", "3to2", "3to1", "4to3", "4to2", "4to1"}
    encoded, (_, s3, s2, s1) = skips_of(network, image)
    from4 = network.lifts["4to3"](encoded[4])
    torch.testing.assert_close(s3, encoded[3] + from4)
    from4, from3 = network.lifts["4to2"](from4), network.lifts["3to2"](encoded[3])
    torch.testing.assert_close(s2, encoded[2] + from3 + from4)
    from4, from3, from2 = network.lifts["4to1"](from4), network.lifts["3to1"](from3), network.lifts["2to1"](encoded[2])
    torch.testing.assert_close(s1, encoded[1] + from2 + from3 + from4)


def test_one_lifts_only_the_next_level(image):
    network = UNetPlus(2, 3, 4, lifts="one", projection="mean", include_bottleneck=True).eval()
    encoded, (s4, _, _, s1) = skips_of(network, image)
    torch.testing.assert_close(s4, encoded[4] + grouped_mean(encoded[5], 32, 2))
    torch.testing.assert_close(s1, encoded[1] + grouped_mean(encoded[2], 4, 2))


def test_cascade_lifts_the_enriched_skip(image):
    network = UNetPlus(2, 3, 4, lifts="cascade", projection="mean").eval()
    encoded, (s4, s3, s2, s1) = skips_of(network, image)
    torch.testing.assert_close(s4, encoded[4])
    torch.testing.assert_close(s3, encoded[3] + grouped_mean(s4, 16, 2))
    torch.testing.assert_close(s2, encoded[2] + grouped_mean(s3, 8, 2))
    torch.testing.assert_close(s1, encoded[1] + grouped_mean(s2, 4, 2))


def test_projection_commutes_with_bilinear(image):
    lift = UNetPlus(2, 3, 4, projection="1x1").lifts["4to1"]
    x = torch.randn(1, 32, 4, 6)
    late = lift.project(F.interpolate(x, scale_factor=8.0, mode="bilinear", align_corners=False))
    torch.testing.assert_close(lift(x), late, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("option", "value"), [("fusion", "sum"), ("projection", "bilinear"), ("lifts", "any")])
def test_unknown_values_are_refused(option, value):
    with pytest.raises(ProjectError, match=f"{option} = '{value}'"):
        UNetPlus(4, 7, 2, **{option: value})
