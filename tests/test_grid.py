import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Geod

from pitmap.grid import Grid, Window, blocks, origins


def test_pixel_areas_are_on_the_ellipsoid_whatever_the_crs():
    # Web Mercator at 53 degrees south: pixels of 16.56 m are about 10 m on the ground.
    mercator = Grid(CRS.from_epsg(3857), Affine(16.56, 0, -8e6, 0, -16.56, -7.0e6), 40, 50)
    areas = mercator.pixel_areas_m2()
    assert areas.shape == (40, 50)
    assert 95 < areas.mean() < 102
    assert mercator.pixel_size_m == pytest.approx(np.sqrt(areas[20, 25]), rel=1e-4)


@pytest.mark.parametrize(
    ("epsg", "transform"),
    [
        (4326, Affine(1e-3, 0, 10.0, 0, -1e-3, 60.0)),
        (3857, Affine(30, 0, 1e6, 0, -30, 8e6)),
        (32633, Affine(10, 3, 5e5, 3, -10, 5.6e6)),
    ],
)
def test_pixel_areas_add_up_to_the_area_of_the_outline(epsg, transform):
    grid = Grid(CRS.from_epsg(epsg), transform, 150, 130)
    rows = np.concatenate([np.zeros(131), np.arange(1, 151), np.full(130, 150), np.arange(149, -1, -1)])
    cols = np.concatenate([np.arange(131), np.full(150, 130), np.arange(129, -1, -1), np.zeros(150)])
    x, y = grid.pixel_centres(rows - 0.5, cols - 0.5)
    lon, lat = grid._to_geographic.transform(x, y)
    outline = abs(Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0])
    assert grid.pixel_areas_m2().sum() == pytest.approx(outline, rel=1e-6)


def test_areas_of_a_window_are_those_of_the_whole():
    grid = Grid(CRS.from_epsg(4326), Affine(1e-3, 0, 10.0, 0, -1e-3, 60.0), 200, 90)
    window = Window(70, 10, 100, 30)
    np.testing.assert_allclose(grid.pixel_areas_m2(window), grid.pixel_areas_m2()[window.slices], rtol=1e-7)


def test_areas_without_crs_are_refused():
    with pytest.raises(ValueError, match="CRS"):
        Grid(None, Affine.identity(), 2, 2).pixel_areas_m2()


def test_same_as_compares_corners_to_a_fraction_of_a_pixel():
    grid = Grid(CRS.from_epsg(32633), Affine(10, 0, 5e5, 0, -10, 5.6e6), 100, 100)
    shifted = Grid(grid.crs, Affine(10, 0, 5e5 + 0.005, 0, -10, 5.6e6), 100, 100)
    moved = Grid(grid.crs, Affine(10, 0, 5e5 + 0.5, 0, -10, 5.6e6), 100, 100)
    stretched = Grid(grid.crs, Affine(10.001, 0, 5e5, 0, -10, 5.6e6), 100, 100)
    assert grid.same_as(shifted)
    assert not grid.same_as(moved)
    assert not grid.same_as(stretched)


@given(st.integers(1, 300), st.integers(1, 64), st.data())
def test_pieces_cover_every_pixel_and_stay_inside(length, size, data):
    stride = data.draw(st.integers(1, size))
    starts = origins(length, size, stride)
    covered = np.zeros(length, int)
    for start in starts:
        assert start == 0 or start + size <= length
        covered[start : start + size] += 1
    assert covered.min() >= 1
    assert starts == sorted(set(starts))


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40))
def test_blocks_cover_every_pixel_once(height, width, size):
    covered = np.zeros((height, width), int)
    for window in blocks((height, width), size):
        covered[window.slices] += 1
    assert (covered == 1).all()


SKEWED = Grid(CRS.from_epsg(32633), Affine(10, 2, 5e5, -3, -8, 5.6e6), 40, 60)
"""Rotated and sheared, so that no two coefficients may be exchanged."""


def test_a_skewed_grid_keeps_its_axes():
    part = SKEWED.crop(Window(4, 7, 10, 12))
    # x = 10 col + 2 row + 500000, y = -3 col - 8 row + 5600000
    assert (part.transform.c, part.transform.f) == (500_078, 5_599_947)
    assert part.shape == (10, 12)
    coarse = SKEWED.rescaled(4, 7, 2.5, 5, 6)
    assert coarse.transform == Affine(25, 5, 500_078, -7.5, -20, 5_599_947)
    assert coarse.shape == (5, 6)
    assert SKEWED.bounds == (500_000, 5_600_000 - 3 * 60 - 8 * 40, 500_000 + 10 * 60 + 2 * 40, 5_600_000)
    x, y = SKEWED.pixel_centres(np.array(4), np.array(7))
    assert (float(x), float(y)) == (500_084, 5_600_000 - 22.5 - 36)
    row, col = SKEWED.pixel_positions(x, y)
    assert (float(row), float(col)) == pytest.approx((4, 7), abs=1e-6)
    assert [int(v) for v in SKEWED.pixel_indices(x, y)] == [4, 7]


def test_areas_of_a_skewed_grid_are_its_determinant():
    # 10 x -8 - 2 x -3 = -74 m2 on the map, a little more or less on the ellipsoid
    areas = SKEWED.pixel_areas_m2()
    np.testing.assert_allclose(areas, 74, rtol=1e-3)
    assert SKEWED.pixel_size_m == pytest.approx(np.sqrt(74), rel=1e-3)


def test_same_as_sees_a_shear_and_a_turn():
    for other in (Affine(10, 2.01, 5e5, -3, -8, 5.6e6), Affine(10, 2, 5e5, -3.01, -8, 5.6e6)):
        assert not SKEWED.same_as(Grid(SKEWED.crs, other, 40, 60))
    assert SKEWED.same_as(Grid(SKEWED.crs, SKEWED.transform, 40, 60))


def test_a_point_just_outside_has_index_minus_1():
    grid = Grid(CRS.from_epsg(32633), Affine(10, 0, 5e5, 0, -10, 5.6e6), 100, 100)
    xs, ys = np.array([5e5 - 3, 5e5 + 3, 5e5 + 1000.1]), np.array([5.6e6 - 5, 5.6e6 + 3, 5.6e6 - 999.9])
    rows, cols = grid.pixel_indices(xs, ys)
    assert rows.tolist() == [0, -1, 99]
    assert cols.tolist() == [-1, 0, 100]
    rows, cols = grid.pixel_indices(np.array([np.nan, 1e300]), np.array([0.0, 5.6e6]))
    assert (int(rows[0]), int(cols[0])) == (-1, -1)
    assert int(cols[1]) >= 100
