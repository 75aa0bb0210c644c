import numpy as np
import pytest
from scipy import ndimage

from changes.two_dates import before, grid, write_image
from pitmap.changes.registration import compass, register, tile_shift
from pitmap.grid import Grid


def ground(seed: int, side: int = 200) -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, (side, side)), 1.5)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, -0.4), (0.7, 0.0), (2.25, -1.5), (-6.0, 9.0)])
def test_a_shift_between_pixels_is_found(shift):
    whole = ground(0)
    moved = ndimage.shift(whole, shift, order=5)
    found = tile_shift(whole[36:164, 36:164], moved[36:164, 36:164])
    assert found == pytest.approx(shift, abs=0.06)


def test_unlike_tiles_have_no_shift():
    assert tile_shift(ground(1)[:128, :128], ground(2)[:128, :128]) is None
    assert tile_shift(np.ones((64, 64)), np.ones((64, 64))) is None


def test_contrast_and_noise_do_not_matter(tmp_path):
    """Fields that turn from dark to bright keep their edges."""
    codes = before()
    first = write_image(tmp_path / "a.tif", codes)
    second = write_image(tmp_path / "b.tif", (7 - codes).astype(np.uint8), (-0.5, 0.25), seed=4)
    found = register(first, second, grid())
    assert found.known
    assert (found.rows, found.cols) == pytest.approx((-0.5, 0.25), abs=0.1)
    assert found.pixels == pytest.approx(np.hypot(found.rows, found.cols))
    assert found.metres == pytest.approx(4 * found.pixels, rel=1e-3)
    assert found.towards_deg == pytest.approx(np.degrees(np.arctan2(found.cols, -found.rows)) % 360, abs=1)
    assert found.bands == ("red", "nir")
    assert found.agreeing == found.tiles > 20


def test_an_image_on_other_pixels_is_compared_on_the_ground(tmp_path):
    """The same ground seen from a grid that begins a third of a pixel farther east is in register."""
    codes = before()
    where = grid()
    t = where.transform
    west = type(t)(t.a, t.b, t.c + 4 / 3, t.d, t.e, t.f)
    first = write_image(tmp_path / "a.tif", codes)
    second = write_image(
        tmp_path / "b.tif", codes, (0, -1 / 3), seed=2, where=Grid(where.crs, west, where.height, where.width)
    )
    found = register(first, second, where)
    assert found.known
    assert found.pixels < 0.1


def test_directions_in_words():
    assert compass(0) == "north (0°)"
    assert compass(92) == "east (92°)"
    assert compass(350) == "north (350°)"
    assert compass(225) == "south-west (225°)"
