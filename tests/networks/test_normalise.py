import numpy as np
import pytest
import torch

from pitmap.errors import ImageError
from pitmap.networks.normalise import gain_and_bias, normalise
from pitmap.networks.scaling import towards_own


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int16, torch.float32, torch.float64])
def test_pixels_become_standard_scores(dtype):
    pixels = torch.tensor([[[[10, 20], [30, 40]], [[1, 2], [3, 4]]]]).to(dtype)
    gain, bias = gain_and_bias(scale=0.1, offset=[0.0, 1.0], mean=[2.0, 1.2], std=[0.5, 0.1])
    result = normalise(pixels, torch.ones(1, 2, 2, dtype=torch.bool), gain, bias)
    assert result.dtype == torch.float32
    expected = [[[-2.0, 0.0], [2.0, 4.0]], [[-1.0, 0.0], [1.0, 2.0]]]
    torch.testing.assert_close(result[0], torch.tensor(expected), atol=1e-6, rtol=0)


def test_pixels_without_data_are_exactly_zero():
    pixels = torch.tensor([[[[np.nan, np.inf, 7.0]]]])
    valid = torch.tensor([[[False, False, True]]])
    assert normalise(pixels, valid, torch.tensor([2.0]), torch.tensor([1.0])).flatten().tolist() == [0.0, 0.0, 15.0]


def test_uint16_keeps_its_upper_half():
    pixels = torch.full((1, 1, 1, 1), 65535, dtype=torch.uint16)
    result = normalise(pixels, torch.ones(1, 1, 1, dtype=torch.bool), torch.tensor([1.0]), torch.tensor([0.0]))
    assert result.item() == 65535.0


def test_reflectance_and_its_integers_are_seen_alike():
    statistics = {"mean": [0.11, 0.32], "std": [0.031, 0.077]}
    reflectance = torch.rand(1, 2, 8, 8, dtype=torch.float64)
    valid = torch.ones(1, 8, 8, dtype=torch.bool)
    plain = normalise(reflectance, valid, *gain_and_bias(1.0, 0.0, **statistics))
    scaled = normalise(reflectance * 10000 + 1000, valid, *gain_and_bias(1e-4, -0.1, **statistics))
    torch.testing.assert_close(plain, scaled, atol=1e-5, rtol=1e-5)


def test_folding_is_done_in_float64():
    gain, bias = gain_and_bias(1e-4, -0.1, [0.123456789], [0.0123456789])
    assert gain.dtype == bias.dtype == torch.float32
    assert bias.item() == np.float32((-0.1 - 0.123456789) / 0.0123456789)


def test_band_without_spread_becomes_zero():
    gain, bias = gain_and_bias(1.0, 0.0, [5.0, 1.0], [0.0, 2.0])
    assert gain.tolist() == [0.0, 0.5]
    assert bias.tolist() == [0.0, -0.5]


@pytest.mark.parametrize("wrong", [{"scale": np.nan}, {"std": [-1.0]}, {"mean": [np.inf]}])
def test_values_that_are_not_numbers_are_refused(wrong):
    with pytest.raises(ImageError, match="cannot be brought"):
        gain_and_bias(**{"scale": 1.0, "offset": 0.0, "mean": [0.0], "std": [1.0], **wrong})


def test_statistics_between_those_of_training_and_those_of_the_image():
    training, own = (np.array([0.2, 0.4]), np.array([0.1, 0.2])), (np.array([0.6, 0.4]), np.array([0.3, 0.01]))
    for share, mean, std in (
        (0.0, [0.2, 0.4], [0.1, 0.2]),
        (0.5, [0.4, 0.4], [0.2, 0.125]),  # an image that varies less than a quarter of the training's counts a quarter
        (1.0, [0.6, 0.4], [0.3, 0.05]),
    ):
        found = towards_own(*training, *own, share)
        np.testing.assert_allclose(found[0], mean)
        np.testing.assert_allclose(found[1], std)
    np.testing.assert_array_equal(towards_own(*training, None, None, 1.0), training)
