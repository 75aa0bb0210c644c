from pathlib import Path

import pytest
from affine import Affine
from pyproj import CRS

from pitmap.errors import ImageError
from pitmap.grid import Grid
from pitmap.raster.reading import RasterInfo
from pitmap.study.asked import AS_IT_IS, Asked


def header(names=("blue", "nir"), scales=(1e-4, 2e-4), offsets=(-0.1, 0.0)) -> RasterInfo:
    grid = Grid(CRS.from_epsg(32633), Affine(4, 0, 500_000, 0, -4, 5_600_000), 10, 10)
    return RasterInfo(Path("image.tif"), grid, len(names), "uint16", 0, names, scales, offsets)


def test_what_is_not_asked_for_is_the_images_own():
    reading = AS_IT_IS.resolve(header())
    assert (reading.indices, reading.scales, reading.offsets) == ((1, 2), (1e-4, 2e-4), (-0.1, 0.0))
    assert reading.calibrated
    assert not AS_IT_IS.resolve(header(scales=(1.0, 1.0), offsets=(0.0, 0.0))).calibrated


def test_each_image_resolves_what_is_asked_for_against_its_own_header():
    asked = Asked(bands=("nir", "blue"))
    one, other = asked.resolve(header()), asked.resolve(header(("nir", "red", "blue"), (1e-3,) * 3, (0.0, 0.1, 0.2)))
    assert (one.indices, one.scales, one.offsets) == ((2, 1), (2e-4, 1e-4), (0.0, -0.1))
    assert (other.indices, other.scales, other.offsets) == ((1, 3), (1e-3, 1e-3), (0.0, 0.2))
    with pytest.raises(ImageError, match="no band 'nir'"):
        asked.resolve(header(("red", "blue")))


def test_a_scale_that_is_asked_for_brings_offset_zero():
    assert Asked(scale=0.5).resolve(header()).offsets == (0.0, 0.0)
    assert Asked(offset=0.5).resolve(header()).scales == (1e-4, 2e-4)
    both = Asked(scale=(1.0, 2.0), offset=0.25).resolve(header())
    assert (both.scales, both.offsets, both.calibrated) == ((1.0, 2.0), (0.25, 0.25), True)


@pytest.mark.parametrize("scale", [(1e-4,) * 3, float("nan"), 0.0])
def test_impossible_scales_are_refused(scale):
    with pytest.raises(ImageError, match="does not suit 2 bands"):
        Asked(scale=scale).resolve(header())
