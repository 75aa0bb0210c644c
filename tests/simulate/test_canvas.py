import numpy as np
import pytest
from scipy.ndimage import label

from pitmap.simulate.canvas import Canvas, Patch, blob, hundredths
from pitmap.simulate.materials import Material


@pytest.fixture
def canvas():
    return Canvas.of(np.zeros((60, 80), np.float32), 2.0)


def distance(shape, row, col):
    rows, cols = np.indices(shape)
    return np.hypot(rows - row, cols - col).astype(np.float32)


def test_a_blob_on_open_ground_is_the_nearest_cells():
    order = distance((41, 41), 20, 20)

    region = blob(order, np.ones((41, 41), bool), 317)

    assert region.sum() == 317
    assert order[region].max() <= order[~region].min()


@pytest.mark.parametrize("cells", [1, 40, 300, 700])
def test_a_blob_is_connected_whole_and_of_the_size_asked_for_even_around_obstacles(cells):
    rng = np.random.default_rng(cells)
    order = distance((40, 40), 10, 12) + rng.normal(0, 1.5, (40, 40)).astype(np.float32)
    free = np.ones((40, 40), bool)
    free[15, 3:38] = free[:30, 22] = False

    region = blob(order, free, cells)

    assert region.sum() >= cells
    assert region.sum() <= cells * 1.15 + 2  # holes are filled
    assert not (region & ~free).any()
    assert label(region)[1] == 1


def test_a_blob_fills_a_pocket_that_is_too_small():
    free = np.zeros((10, 10), bool)
    free[2:4, 2:6] = True

    assert blob(distance((10, 10), 2, 2), free, 50).sum() == 8


def test_a_patch_is_cut_at_the_edge_and_knows_where_it_lies(canvas):
    patch = Patch(canvas, 5, 70, 20)

    assert patch.shape == (16, 20)
    assert patch.origin == (0, 60)
    assert patch.down_m[5, 0] == 0
    assert patch.right_m[0, 10] == 0
    along, across = patch.axes(np.pi / 2)  # down the image
    assert along[7, 3] == pytest.approx(4, abs=1e-5)
    assert across[7, 12] == pytest.approx(-4, abs=1e-5)


def test_free_ground_keeps_its_distance(canvas):
    canvas.material[30, 40] = Material.WATER

    free = Patch(canvas, 30, 40, 100).free(6)

    assert not free[30, 37:44].any()
    assert free[30, 44]
    assert not free[:3].any()
    assert not free[:, -3:].any()


def test_painting_touches_the_mask_alone(canvas):
    patch = Patch(canvas, 30, 40, 10)
    mask = np.zeros(patch.shape, bool)
    mask[2, 3] = True

    patch.paint(mask, Material.WATER, 0.5, -2.0)

    at = patch.origin[0] + 2, patch.origin[1] + 3
    assert (canvas.material[at], canvas.tone[at], canvas.tint[at]) == (Material.WATER, 50, -100)
    assert (canvas.material != Material.OPEN).sum() == 1


def test_hundredths_are_rounded_and_bounded():
    assert hundredths(np.array([-3, -0.126, 0, 0.994, 9])).tolist() == [-100, -13, 0, 99, 100]
