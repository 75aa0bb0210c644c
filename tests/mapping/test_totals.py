import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from pitmap.grid import Grid, Window
from pitmap.mapping.totals import count, nothing

GRIDS = {
    "utm at the edge of its zone": Grid(CRS.from_epsg(32633), Affine(4, 0, 830_000, 0, -4, 5_600_000), 300, 1000),
    "degrees": Grid(CRS.from_epsg(4326), Affine(1e-3, 0, 30, 0, -1e-3, 65), 300, 1000),
    "turned": Grid(CRS.from_epsg(3857), Affine(6, 3, 3e6, 3, -6, 8e6), 300, 1000),
}


@pytest.mark.parametrize("name", GRIDS)
def test_counted_in_runs_the_areas_are_those_of_the_single_pixels(name: str):
    grid, window = GRIDS[name], Window(17, 5, 250, 933)
    codes = np.random.default_rng(0).integers(0, 5, (250, 933)).astype(np.uint8)
    codes[100:, 700:] = 3
    totals = count(codes, grid, window, 4)
    areas = grid.pixel_areas_m2(window)
    assert totals.pixels.tolist() == np.bincount(codes.ravel(), minlength=5).tolist()
    expected = [0.0, *(areas[codes == code].sum() for code in range(1, 5))]
    np.testing.assert_allclose(totals.area_m2, expected, rtol=1e-7)


def test_parts_add_up_and_empty_ones_count_as_not_mapped():
    grid = GRIDS["degrees"]
    codes = np.ones((10, 20), np.uint8)
    both = count(codes, grid, Window(0, 0, 10, 20), 2) + nothing(grid, Window(10, 0, 5, 20), 2)
    assert both.pixels.tolist() == [100, 200, 0]
    assert both.area_m2[1] == pytest.approx(grid.pixel_areas_m2(Window(0, 0, 10, 20)).sum())
    placeless = Grid(None, Affine.identity(), 20, 20)
    assert count(codes, placeless, Window(0, 0, 10, 20), 2).area_m2 is None
    assert (nothing(placeless, Window(0, 0, 1, 1), 2) + nothing(placeless, Window(1, 1, 1, 1), 2)).area_m2 is None
