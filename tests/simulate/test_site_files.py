import geopandas as gpd
import numpy as np
import pytest
from rasterio.features import rasterize

from pitmap.errors import OutputError
from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.codes import read_codes, read_legend
from pitmap.raster.reading import describe, open_raster
from pitmap.simulate.site_files import write_site


@pytest.fixture(scope="module")
def files(plain, tmp_path_factory):
    return write_site(tmp_path_factory.mktemp("sites"), plain, "small")


def test_the_image_is_reflectance_to_its_last_digit(plain, files):
    info = describe(files.image)
    assert info.grid.same_as(plain.grid)
    assert (info.dtype, info.nodata, info.bands) == ("uint16", 0, 4)
    assert info.descriptions == ("blue", "green", "red", "nir")
    assert info.scales == (1e-4,) * 4
    with open_raster(files.image) as reader:
        dn, valid = reader.read()
    assert valid.all()
    np.testing.assert_allclose(dn * 1e-4, plain.reflectance, atol=0.51e-4)


def test_labels_hold_the_codes_and_the_legend(plain, files):
    np.testing.assert_array_equal(read_codes(files.labels), plain.codes)
    assert read_legend(files.labels) == DEFAULT_LEGEND


def test_the_elevation_says_what_it_counts_from(plain, files):
    info = describe(files.elevation)
    with open_raster(files.elevation) as reader:
        heights, _ = reader.read()
    np.testing.assert_array_equal(heights[0], plain.elevation)
    assert "EGM96" in info.grid.crs.name
    assert info.grid.transform == plain.grid.transform


def test_landuse_polygons_rasterise_back_to_the_codes(plain, files):
    layer = gpd.read_file(files.landuse, layer="landuse")
    burnt = rasterize(
        [(g, DEFAULT_LEGEND[k].code) for g, k in zip(layer.geometry, layer["class"], strict=True)],
        out_shape=plain.codes.shape, transform=plain.grid.transform, dtype="uint8",
    )  # fmt: skip
    assert layer.crs == plain.grid.crs
    assert layer.is_valid.all()
    np.testing.assert_array_equal(burnt, plain.codes)


def test_mines_are_the_numbered_pits_with_their_areas(plain, files):
    mines = gpd.read_file(files.mines, layer="mines")
    burnt = rasterize(
        zip(mines.geometry, mines["id"], strict=True),
        out_shape=plain.codes.shape, transform=plain.grid.transform, dtype="uint16",
    )  # fmt: skip
    np.testing.assert_array_equal(burnt, plain.pit_ids)
    pixels = np.bincount(plain.pit_ids.ravel())[1:]
    np.testing.assert_allclose(mines["area_m2"], 16 * pixels, rtol=2e-3)


def test_a_site_that_cannot_be_written_is_an_error(plain, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        write_site(tmp_path / "file", plain, "small")
