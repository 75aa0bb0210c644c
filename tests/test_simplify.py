import numpy as np
import pytest
import rasterio.features
import shapely
from affine import Affine
from pyproj import CRS

from pitmap import simplify
from pitmap.errors import OutputError
from pitmap.grid import Grid
from pitmap.simplify import simplified


def utm(side: int, pixel: float) -> Grid:
    return Grid(CRS.from_epsg(32633), Affine(pixel, 0, 500_000, 0, -pixel, 5_600_000), side, side)


def outlines(codes: np.ndarray, grid: Grid) -> np.ndarray:
    """Polygons of all regions of equal code, along the pixel edges."""
    found = rasterio.features.shapes(codes.astype(np.uint8), connectivity=4, transform=grid.transform)
    return np.array([shapely.geometry.shape(geometry) for geometry, _ in found], dtype=object)


def disc(radius: float, side: int) -> np.ndarray:
    row, col = np.mgrid[:side, :side]
    return np.hypot(row - side / 2 + 0.3, col - side / 2 + 0.1) < radius


def noise(seed: int, side: int = 40) -> np.ndarray:
    """Regions of three classes with holes, enclaves and corners that touch."""
    return np.random.default_rng(seed).choice(3, (side, side), p=[0.5, 0.3, 0.2]) + 1


@pytest.mark.parametrize("radius", [15, 40, 120])
def test_the_perimeter_of_a_disc_is_that_of_a_circle(radius):
    pixel = 4.0
    grid = utm(2 * radius + 20, pixel)
    inside = disc(radius, grid.height)
    polygons = outlines(inside, grid)
    area = inside.sum() * pixel**2
    (mine,) = [p for p in polygons if abs(p.area - area) < 1]
    circle = 2 * np.pi * radius * pixel
    assert mine.length / circle == pytest.approx(4 / np.pi, rel=0.01)
    (rounded,) = [p for p in simplified(polygons, 2 * pixel, grid).polygons if not p.interiors]
    assert rounded.length / circle == pytest.approx(1, abs=0.03)
    assert rounded.area == pytest.approx(area, rel=0.5 / radius)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tolerance", [1.5, 2, 4])
def test_what_covered_the_ground_once_still_does(seed, tolerance):
    grid = utm(40, 1.0)
    polygons = outlines(noise(seed), grid)
    fewer, used = simplified(polygons, tolerance, grid)
    assert 1 < used <= tolerance
    assert shapely.is_valid(fewer).all()
    assert shapely.coverage_is_valid(fewer)
    assert len(fewer) == len(polygons)
    assert [len(p.interiors) for p in fewer] == [len(p.interiors) for p in polygons]
    # No gaps and no overlaps: the parts add up to the whole.
    assert shapely.area(fewer).sum() == pytest.approx(shapely.union_all(fewer).area, rel=1e-9)
    assert shapely.get_num_coordinates(fewer).sum() < shapely.get_num_coordinates(polygons).sum()


def test_corners_are_corners_of_pixels():
    pixel = 1e-5
    grid = Grid(CRS.from_epsg(4326), Affine(pixel, 0, 16.1, 0, -pixel, 50.9), 40, 40)
    fewer = simplified(outlines(noise(1), grid), 2.0, grid).polygons
    row, col = grid.pixel_positions(*shapely.get_coordinates(fewer).T)
    np.testing.assert_allclose(row + 0.5, np.rint(row + 0.5), atol=1e-5)
    np.testing.assert_allclose(col + 0.5, np.rint(col + 0.5), atol=1e-5)


def test_metres_are_metres_on_the_ground_in_degrees_too():
    """A disc on the ground at 60 degrees north, where a degree of longitude is half as long as one of latitude."""
    pixel = 1e-4
    grid = Grid(CRS.from_epsg(4326), Affine(2 * pixel, 0, 16, 0, -pixel, 60), 100, 100)
    polygons = outlines(disc(40, 100), grid)
    (mine,) = [p for p in simplified(polygons, 2 * pixel * 111_400, grid).polygons if not p.interiors]
    rounded = shapely.transform(mine, lambda points: points / [2 * pixel, pixel])
    assert rounded.length == pytest.approx(2 * np.pi * 40, rel=0.03)


def test_nothing_stays_nothing():
    assert len(simplified(np.zeros(0, dtype=object), 8.0, utm(40, 1.0)).polygons) == 0


def test_what_cannot_be_done_is_said(monkeypatch):
    grid = utm(40, 1.0)
    polygons = outlines(noise(0), grid)
    with pytest.raises(OutputError, match="above 0"):
        simplified(polygons, 0.0, grid)
    monkeypatch.setattr(simplify.shapely, "geos_version", (3, 11, 4))
    with pytest.raises(OutputError, match=r"GEOS 3\.11\.4.*3\.12"):
        simplified(polygons, 2.0, grid)
