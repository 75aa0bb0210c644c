import numpy as np
import pytest
from numpy.testing import assert_allclose

from pitmap.simulate.noise import coarse_shape, fractal, node_positions, ranks, refined, smoothstep


@pytest.mark.parametrize("times", [0, 1, 2, 5])
def test_refining_keeps_a_ramp_where_node_positions_say(times):
    shape = (37, 50)
    rows, cols = (node_positions(n, times) for n in coarse_shape(shape, times))
    ramp = (2 * rows[:, None] - 3 * cols).astype(np.float32)

    fine = refined(ramp, times, shape)

    expected = 2 * np.arange(37)[:, None] - 3 * np.arange(50)
    assert fine.shape == shape
    assert_allclose(fine, expected, atol=1e-3)


def test_fractal_is_standardised_and_repeats_with_its_generator():
    field = fractal((60, 81), np.random.default_rng(3), 32)

    assert field.shape == (60, 81)
    assert field.dtype == np.float32
    assert abs(field.mean()) < 1e-5
    assert field.std() == pytest.approx(1, abs=1e-3)
    np.testing.assert_array_equal(field, fractal((60, 81), np.random.default_rng(3), 32))


def test_fractal_without_fine_octaves_is_smooth():
    def roughness(finest):
        field = fractal((128, 128), np.random.default_rng(0), 32, finest)
        return np.abs(np.diff(field, axis=0)).mean()

    assert roughness(16) < 0.5 * roughness(1)


def test_ranks_spread_evenly_in_the_order_of_the_values():
    field = np.array([[5.0, -1.0], [0.0, 7.0]], np.float32)

    assert_allclose(ranks(field), np.array([[2, 0], [1, 3]]) / 3, atol=1e-6)


def test_smoothstep_runs_from_0_to_1():
    assert_allclose(smoothstep(1, 3, np.array([0, 1, 2, 3, 4], np.float32)), [0, 0, 0.5, 1, 1])
