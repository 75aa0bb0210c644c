from pathlib import Path
from typing import Any

import pytest
from affine import Affine
from pyproj import CRS

from pitmap.errors import ImageError, ModelError
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.suitability import fit_image
from pitmap.networks.model_file import ModelCard
from pitmap.raster.reading import RasterInfo
from pitmap.study.asked import Asked


def card(**changes: Any) -> ModelCard:
    fields = {
        "network": "unet", "options": {"width": 4}, "legend": DEFAULT_LEGEND, "bands": ("red", "nir"),
        "unit": "reflectance", "dtype": "uint16", "mean": (0.1, 0.3), "std": (0.1, 0.1), "pixel_size_m": 4.0,
        "created": "2026-11-22",
    }  # fmt: skip
    return ModelCard(**(fields | changes))


def image(*, pixel: float = 4.0, epsg: int | None = 32633, **changes: Any) -> RasterInfo:
    crs = None if epsg is None else CRS.from_epsg(epsg)
    grid = Grid(crs, Affine(pixel, 0, 500_000, 0, -pixel, 5_600_000), 10, 10)
    fields = {
        "path": Path("image.tif"), "grid": grid, "bands": 2, "dtype": "uint16", "nodata": 0,
        "descriptions": (None, None), "scales": (1e-4, 1e-4), "offsets": (0.0, 0.0),
    }  # fmt: skip
    return RasterInfo(**(fields | changes))


PLAIN = {"scales": (1.0, 1.0)}


def test_the_files_own_scale_is_taken():
    reading = fit_image(card(), image(scales=(1e-4, 2e-4), offsets=(-0.1, 0.0)), [1, 2])
    assert (reading.scales, reading.offsets) == ((1e-4, 2e-4), (-0.1, 0.0))


def test_a_stated_scale_wins_and_brings_offset_zero():
    reading = fit_image(card(), image(offsets=(-0.1, -0.1)), [1, 2], Asked(scale=0.001))
    assert (reading.scales, reading.offsets) == ((0.001, 0.001), (0.0, 0.0))
    reading = fit_image(card(), image(), [1, 2], Asked(scale=(0.001, 0.002), offset=(0.5, 0.25)))
    assert (reading.scales, reading.offsets) == ((0.001, 0.002), (0.5, 0.25))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_reflectance_without_a_known_scale_is_refused(dtype: str):
    with pytest.raises(ModelError, match="does not say how its"):
        fit_image(card(), image(dtype=dtype, **PLAIN), [1, 2])
    assert fit_image(card(), image(dtype=dtype, **PLAIN), [1, 2], Asked(scale=1)).scales == (1.0, 1.0)


def test_plain_values_need_the_same_type_and_no_scale():
    plain = card(unit="DN", dtype="uint8")
    assert fit_image(plain, image(dtype="uint8", **PLAIN), [1, 2]).scales == (1.0, 1.0)
    with pytest.raises(ModelError, match="holds uint16 values"):
        fit_image(plain, image(**PLAIN), [1, 2])
    with pytest.raises(ModelError, match="A scale is known"):
        fit_image(plain, image(dtype="uint8"), [1, 2])
    with pytest.raises(ModelError, match="A scale is known"):
        fit_image(plain, image(dtype="uint8", **PLAIN), [1, 2], Asked(scale=1e-4))
    assert fit_image(plain, image(dtype="uint8"), [1, 2], Asked(scale=1, offset=0)).offsets == (0.0, 0.0)


def test_bands_are_found_by_name():
    five = image(bands=5, descriptions=("NIR", "blue", "Red", "green", None), scales=(1e-4,) * 5, offsets=(0.0,) * 5)
    assert fit_image(card(), five, [1, 2, 3, 4, 5]).indices == (3, 1)
    assert fit_image(card(), five, [1, 2, 3, 4, 5], Asked(bands=["Red", 4])).indices == (3, 4)


def test_the_number_of_bands_must_fit():
    three = image(bands=3, descriptions=(None,) * 3, scales=(1e-4,) * 3, offsets=(0.0,) * 3)
    with pytest.raises(ModelError, match="has 3 bands, and the model takes 2: red, nir"):
        fit_image(card(), three, [1, 2, 3])
    with pytest.raises(ModelError, match="1 bands are chosen"):
        fit_image(card(), three, [1, 2, 3], Asked(bands=[1]))
    with pytest.raises(ImageError, match="no band 4"):
        fit_image(card(), three, [1, 2, 3], Asked(bands=[1, 4]))
    assert fit_image(card(), three, [1, 2]).indices == (1, 2)  # the third is an alpha band


def test_other_band_names_are_refused_unless_stated():
    other = image(descriptions=("green", "nir"))
    with pytest.raises(ModelError, match="'green' where the model takes 'red'"):
        fit_image(card(), other, [1, 2])
    assert fit_image(card(), other, [1, 2], Asked(bands=[1, 2])).indices == (1, 2)
    assert fit_image(card(bands=("band 1", "band 2")), other, [1, 2]).indices == (1, 2)


@pytest.mark.parametrize(("pixel", "fits"), [(4.0, True), (4.35, True), (3.65, True), (4.45, False), (3.5, False)])
def test_pixel_size(pixel: float, fits: bool):
    if fits:
        fit_image(card(), image(pixel=pixel), [1, 2])
    else:
        with pytest.raises(ModelError, match="4 m, on which the model was trained"):
            fit_image(card(), image(pixel=pixel), [1, 2])


def test_pixel_size_without_crs():
    with pytest.raises(ModelError, match="no coordinate reference system"):
        fit_image(card(), image(epsg=None), [1, 2])
    fit_image(card(), image(epsg=None), [1, 2], pixel_size_m=4.1)
    with pytest.raises(ModelError, match="measure 10 m"):
        fit_image(card(), image(epsg=None), [1, 2], pixel_size_m=10)
    fit_image(card(pixel_size_m=None), image(epsg=None), [1, 2])


@pytest.mark.parametrize("scale", [(1e-4, 1e-4, 1e-4), float("nan"), 0.0])
def test_impossible_scales_are_refused(scale: Any):
    with pytest.raises(ImageError, match="does not suit 2 bands"):
        fit_image(card(), image(), [1, 2], Asked(scale=scale))


def test_complex_pixels_are_refused():
    with pytest.raises(ImageError, match="complex64"):
        fit_image(card(), image(dtype="complex64"), [1, 2])
