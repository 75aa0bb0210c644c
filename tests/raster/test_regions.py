"""Regions strip by strip against those of the whole raster at once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio.features
import shapely
import shapely.geometry
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import label

from pitmap.errors import ImageError
from pitmap.grid import PIXEL_FRAME, Grid
from pitmap.raster import regions as module
from pitmap.raster.regions import Regions, Strip, code_regions, regions, strips
from pitmap.raster.writing import Layout, write_cog

ROTATED = Affine(3, 1, 580_000, 1, -3, 5_640_000)


def in_strips(
    codes: np.ndarray, rows: int, amounts: Sequence[np.ndarray] = (), transform: Affine = PIXEL_FRAME
) -> Regions:
    """All regions, by their first pixels."""
    parts = [
        Strip(codes[row : row + rows], [a[row : row + rows] for a in amounts]) for row in range(0, len(codes), rows)
    ]
    everything = Regions.together([Regions.none(len(amounts)), *regions(parts, transform)])
    return everything.where(np.lexsort(everything.first.T[::-1]))


def by_gdal(codes: np.ndarray, transform: Affine = PIXEL_FRAME) -> list[tuple[int, shapely.Geometry]]:
    """The regions of the whole raster as GDAL finds them, each ring beginning at its own place."""
    found = rasterio.features.shapes(codes, codes > 0, connectivity=4, transform=transform)
    return [(int(code), shapely.normalize(shapely.geometry.shape(polygon))) for polygon, code in found]


rasters = st.tuples(st.integers(1, 14), st.integers(1, 14)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 1, 2]))
)


@pytest.mark.verify
@settings(max_examples=400)
@given(codes=rasters, rows=st.integers(1, 15))
def test_strips_give_the_regions_of_the_whole_raster(codes: np.ndarray, rows: int):
    found = in_strips(codes, rows)
    expected = by_gdal(codes)
    assert len(found) == len(expected)
    assert shapely.is_valid(found.polygons).all()
    key = [(int(code), shapely.normalize(p).wkb) for code, p in zip(found.codes, found.polygons, strict=True)]
    assert sorted(key) == sorted((code, p.wkb) for code, p in expected)
    assert (found.pixels == shapely.area(found.polygons)).all()


@settings(max_examples=200)
@given(codes=rasters, rows=st.integers(1, 15), seed=st.integers(0, 99))
def test_the_height_of_the_strips_leaves_no_trace(codes: np.ndarray, rows: int, seed: int):
    amount = np.random.default_rng(seed).integers(0, 256, codes.shape).astype(np.uint8)
    amounts = [amount, amount > 128]
    one, other = in_strips(codes, len(codes), amounts), in_strips(codes, rows, amounts)
    assert shapely.to_wkb(one.polygons).tolist() == shapely.to_wkb(other.polygons).tolist()
    for name in ("codes", "pixels", "first", "sums"):
        assert (getattr(one, name) == getattr(other, name)).all()
    for k, (row, col) in enumerate(one.first):
        region = label(codes == one.codes[k])[0]
        inside = region == region[row, col]
        assert one.sums[k].tolist() == [int(a[inside].sum()) for a in amounts]
        assert np.argwhere(inside)[0].tolist() == [row, col]


def test_a_region_winds_through_many_strips():
    codes = np.zeros((41, 41), np.uint8)
    codes[::4], codes[2::8, 0], codes[6::8, -1] = 1, 1, 1
    for row in range(1, 41, 2):
        codes[row, 0 if row % 8 in (1, 3) else -1] = 1
    (found,) = in_strips(codes, 3).polygons
    ((_, expected),) = by_gdal(codes)
    assert shapely.normalize(found) == expected


def test_holes_that_touch_at_corners_are_rings_of_their_own():
    codes = np.ones((6, 6), np.uint8)
    codes[1, 1] = codes[2, 2] = codes[3, 3] = codes[0, 4] = codes[1, 3] = 0
    for rows in (1, 2, 6):
        (found,) = in_strips(codes, rows).polygons
        assert found.is_valid
        assert shapely.normalize(found) == by_gdal(codes)[0][1]


@pytest.mark.parametrize("transform", [ROTATED, Affine(4, 0, 500_000, 0, -4, 5_600_000)])
def test_places_are_those_of_gdal(transform: Affine):
    codes = np.random.default_rng(0).choice(3, (40, 50)).astype(np.uint8)
    found = in_strips(codes, 7, transform=transform)
    expected = sorted((code, p.wkb) for code, p in by_gdal(codes, transform))
    key = [(int(code), shapely.normalize(p).wkb) for code, p in zip(found.codes, found.polygons, strict=True)]
    assert sorted(key) == expected


def test_regions_come_as_soon_as_they_are_complete():
    codes = np.zeros((9, 6), np.uint8)
    codes[0:2, 0] = codes[1:8, 2] = codes[4, 4] = 1
    batches = list(regions([Strip(codes[row : row + 3]) for row in (0, 3, 6)], PIXEL_FRAME))
    assert [batch.first.tolist() for batch in batches] == [[[0, 0]], [[4, 4]], [[1, 2]]]


def test_only_the_codes_wanted_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    codes = np.random.default_rng(1).choice(4, (40, 50)).astype(np.uint8)
    grid = Grid(None, PIXEL_FRAME, *codes.shape)
    write_cog(tmp_path / "codes.tif", codes, grid, Layout(1, "uint8", 0))
    monkeypatch.setattr(module, "STRIP_PIXELS", 170)
    assert [w.height for w in strips(grid.shape)] == [3] * 13 + [1]
    found = Regions.together(list(code_regions(tmp_path / "codes.tif", [1, 3])))
    expected = in_strips(np.where(codes == 2, 0, codes), 40)
    found = found.where(np.lexsort(found.first.T[::-1]))
    assert (found.codes == expected.codes).all()
    assert shapely.equals(found.polygons, expected.polygons).all()
    write_cog(tmp_path / "float.tif", codes.astype(np.float32), grid, Layout(1, "float32"))
    with pytest.raises(ImageError, match="float32"):
        list(code_regions(tmp_path / "float.tif", [1]))
