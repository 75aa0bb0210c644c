import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from pitmap.errors import ImageError, ModelError
from pitmap.grid import Grid, Window
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.suitability import fit_image, unlike
from pitmap.networks.model_card import ModelCard
from pitmap.raster.reading import RasterInfo, RasterReader, describe, open_raster
from pitmap.raster.statistics import Spread, spread_of
from pitmap.raster.writing import Layout, write_cog
from pitmap.simulate.landscape import simulate, sites
from pitmap.study.asked import Asked


def card(**changes: Any) -> ModelCard:
    fields = {
        "network": "unet", "options": {"width": 4}, "legend": DEFAULT_LEGEND, "bands": ("red", "nir"),
        "unit": "reflectance", "dtype": "uint16", "mean": (0.1, 0.3), "std": (0.1, 0.1), "pixel_size_m": 4.0,
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


def trained_on(values: NDArray[np.float64], **changes: Any) -> ModelCard:
    names = ("blue", "green", "red", "nir")
    return card(bands=names, mean=tuple(values.mean(1)), std=tuple(values.std(1)), **changes)


def numbers(values: NDArray[np.float64]) -> Spread:
    return Spread(values.mean(1), values.std(1))


@pytest.fixture(scope="module")
def places() -> list[NDArray[np.float64]]:
    """Reflectance ``(4, pixels)`` of simulated sites, of mountain and plain, in summer and in autumn."""
    found = []
    for seed, (terrain, month) in enumerate(product(("mountain", "plain"), (6, 10))):
        parameters = replace(sites(0.25)["site1"], seed=seed, terrain=terrain, date=date(2017, month, 30))
        found.append(np.asarray(simulate(parameters).reflectance, np.float64).reshape(4, -1))
    return found


def test_places_and_seasons_are_alike(places: list[NDArray[np.float64]]):
    for one, other in product(places, places):
        assert unlike(trained_on(one), numbers(other)) is None


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        (lambda v: v + 0.1, r"an offset that is -0\.1 from here"),
        (lambda v: v - 0.1, r"an offset that is \+0\.1 from here"),
        (lambda v: 10 * v, "numbers 0.1 times as large"),
        (lambda v: v / 10, "numbers 10 times as large"),
        (lambda v: v * 1e4, "numbers 0.0001 times as large"),
        (lambda v: v[::-1], "the bands in the reverse order"),
        (lambda v: np.full_like(v, 6.5535), "whether the image is saturated"),
    ],
)
def test_numbers_of_another_kind_are_noticed(places: list[NDArray[np.float64]], wrong: Callable, cause: str):
    for one, other in product(places, places):
        sentence = unlike(trained_on(one), numbers(wrong(other)))
        assert sentence is not None
        assert f"(training {one[0].mean():.4g} ± {one[0].std():.3g})" in sentence
        assert f"blue {wrong(other)[0].mean():.4g} ± " in sentence
    assert re.search(cause, str(unlike(trained_on(places[0]), numbers(wrong(places[0])))))


def test_a_single_band_may_be_farther_away_than_most(places: list[NDArray[np.float64]]):
    values = places[0].copy()
    values[3] += 2 * values[3].std()  # as near infrared from winter to summer
    assert unlike(trained_on(places[0]), numbers(values)) is None
    values[3] += 3 * values[3].std()
    assert unlike(trained_on(places[0]), numbers(values)) is not None


def test_plain_values_are_compared_too():
    known = card(unit="DN", dtype="uint8", mean=(100.0, 120.0), std=(30.0, 40.0))
    assert unlike(known, Spread(np.array([110.0, 100.0]), np.array([25.0, 50.0]))) is None
    sentence = unlike(known, Spread(np.array([1000.0, 1200.0]), np.array([300.0, 400.0])))
    assert sentence is not None
    assert "plain values: red 1000 ± 300 (training 100 ± 30)" in sentence
    assert "offset that" not in sentence


def test_the_numbers_of_an_image_are_those_of_its_valid_and_wanted_pixels(tmp_path: Path):
    pixels = np.full((2, 300, 700), 3000, np.uint16)
    pixels[:, :, 350:] = 5000
    pixels[:, :100] = 0
    layout = Layout(2, "uint16", 0, scale=1e-4, offset=-0.1)
    write_cog(tmp_path / "a.tif", pixels, Grid(None, Affine.identity(), 300, 700), layout)
    reading = Asked(scale=1e-4, offset=(0.0, 0.5)).resolve(describe(tmp_path / "a.tif"))

    def left(window: Window) -> NDArray[np.bool_]:
        return np.broadcast_to(np.arange(window.col, window.col + window.width) < 350, (window.height, window.width))

    with open_raster(tmp_path / "a.tif", reading.indices) as reader:
        found = spread_of(reader, reading, left)
        assert found is not None
        np.testing.assert_allclose(found.mean, [0.3, 0.8])
        np.testing.assert_allclose(found.std, 0, atol=1e-12)
        assert spread_of(reader, reading, lambda w: np.zeros((w.height, w.width), np.bool_)) is None


def test_looking_at_the_numbers_costs_the_same_for_every_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    read: list[int] = []
    plain = RasterReader.read

    def noted(self: RasterReader, window: Window | None = None) -> Any:
        assert window is not None
        read.append(window.height * window.width)
        return plain(self, window)

    monkeypatch.setattr(RasterReader, "read", noted)
    for side in (20, 500, 2000):
        grid = Grid(None, Affine.identity(), side, side)
        write_cog(tmp_path / "a.tif", np.ones((1, side, side), np.uint8), grid, Layout(1, "uint8", 0))
        with open_raster(tmp_path / "a.tif") as reader:
            spread_of(reader, Asked().resolve(reader.info), lambda w: np.ones((w.height, w.width), np.bool_))
        assert sum(read) <= 25 * 64**2
        read.clear()


def test_no_block_of_the_image_is_read_for_a_few_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    grid = Grid(CRS.from_epsg(32633), Affine(4, 0, 500_000, 0, -4, 5_600_000), 1700, 1300)
    write_cog(tmp_path / "a.tif", np.full((1, *grid.shape), 7, np.uint16), grid, Layout(1, "uint16", 0, scale=1e-4))
    read, windows = RasterReader.read, []

    def noted(self, window=None):
        windows.append(window)
        return read(self, window)

    monkeypatch.setattr(RasterReader, "read", noted)
    with open_raster(tmp_path / "a.tif") as reader:
        spread_of(reader, Asked().resolve(reader.info), lambda w: np.ones((w.height, w.width), np.bool_))
        block = reader.info.block_shape[0]
    assert len(windows) == 25
    assert {(w.height, w.width) for w in windows} == {(64, 64)}
    assert all(w.row // block == (w.row + 63) // block and w.col // block == (w.col + 63) // block for w in windows)
