import numpy as np
import pytest
import torch

from pitmap.imagery.resample import resample, sample_bilinear, sample_cubic


def places(n=200, low=3.0, high=26.0):
    rng = np.random.default_rng(0)
    return rng.uniform(low, high, (2, n, 1)).astype(np.float32)


def test_bilinear_is_exact_on_planes_and_cubic_on_parabolas():
    r, c = np.mgrid[0:30, 0:30].astype(np.float32)
    rows, cols = places()
    plane = torch.from_numpy((3 * r - 2 * c + 5)[None])
    found = sample_bilinear(plane, torch.from_numpy(rows), torch.from_numpy(cols)).numpy()
    np.testing.assert_allclose(found[0], 3 * rows - 2 * cols + 5, atol=1e-3)
    bowl = torch.from_numpy((r * r - r * c + 2 * c * c)[None])
    found = sample_cubic(bowl, torch.from_numpy(rows), torch.from_numpy(cols)).numpy()
    np.testing.assert_allclose(found[0], rows**2 - rows * cols + 2 * cols**2, rtol=1e-4, atol=1e-2)


def test_cubic_gives_the_published_weights():
    """Keys's kernel half way between pixels: -1/16, 9/16, 9/16, -1/16."""
    impulse = torch.zeros(1, 9, 9)
    impulse[0, 4, 4] = 1
    rows = torch.full((1, 4), 4.0)
    found = sample_cubic(impulse, rows, torch.tensor([[2.5, 3.5, 4.5, 5.5]])).numpy()
    np.testing.assert_allclose(found[0, 0], [-1 / 16, 9 / 16, 9 / 16, -1 / 16], atol=1e-6)


@pytest.mark.parametrize("kernel", ["bilinear", "cubic"])
def test_pixels_themselves_come_back(kernel):
    image = np.random.default_rng(1).normal(size=(3, 20, 25)).astype(np.float32)
    rows, cols = (v.astype(np.float32) for v in np.mgrid[0:20, 0:25])
    values, valid = resample(image, np.ones((20, 25), bool), rows, cols, kernel)
    np.testing.assert_allclose(values, image, atol=2e-5)
    assert valid.all()


@pytest.mark.parametrize("kernel", ["bilinear", "cubic"])
def test_invalid_pixels_have_no_part_and_nan_is_nowhere(kernel):
    image = np.full((1, 20, 20), 7, np.float32)
    valid = np.ones((20, 20), bool)
    valid[8:, :] = False
    image[:, 8:] = np.nan
    rows, cols = (v.astype(np.float32) for v in np.meshgrid(np.arange(0, 20, 0.25), np.arange(0, 19), indexing="ij"))
    rows[0, 0] = np.nan
    values, known = resample(image, valid, rows, cols, kernel)
    assert not known[0, 0]
    np.testing.assert_allclose(values[0][known], 7, rtol=1e-5)
    assert np.isfinite(values[:, known]).all()
    assert known[1:30].all()
    assert not known[31:].any()


def test_outside_the_image_is_nowhere():
    image, valid = np.ones((1, 4, 4), np.float32), np.ones((4, 4), bool)
    cols = np.array([[-0.6, -0.4, 3.4, 3.6]], np.float32)
    _, known = resample(image, valid, np.zeros_like(cols), cols)
    assert known.tolist() == [[False, True, True, False]]
    values, known = resample(image, valid, np.full((2, 2), -9, np.float32), np.zeros((2, 2), np.float32))
    assert values.shape == (1, 2, 2)
    assert not known.any()
