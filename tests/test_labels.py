"""Labels on a grid, and the ground that is left out."""

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

from pitmap.errors import ImageError, LabelError
from pitmap.grid import Window
from pitmap.labels import LabelOptions, check_labels, open_labels, usable_ground
from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.writing import Layout, write_cog
from studies import grid

GRID = grid(10, 12)
ALL = Window(0, 0, 10, 12)


def raster(path, codes, where=GRID, nodata=None):
    write_cog(path, codes, where, Layout(1, str(codes.dtype), nodata))
    return path


def test_values_without_a_class_are_listed_over_all_windows(tmp_path):
    codes = np.ones((10, 12), np.uint8)
    codes[0, 0], codes[9, 11] = 77, 88
    labels = open_labels(raster(tmp_path / "a.tif", codes), GRID, DEFAULT_LEGEND, LabelOptions({1: "OPM"}))
    with pytest.raises(LabelError, match="'77', '88'"):
        labels.read(Window(0, 0, 5, 5))


def test_a_value_counts_as_seen_where_it_was_read(tmp_path):
    codes = np.ones((10, 12), np.uint8)
    codes[9, 11] = 2
    options = LabelOptions({1: "OPM", "2": "WAT", 3.0: "VEG", 4: None})
    labels = open_labels(raster(tmp_path / "a.tif", codes), GRID, DEFAULT_LEGEND, options)
    labels.read(ALL)
    assert [sentence.split(" and ")[0] for sentence in labels.absent()] == ["The value '3' is mapped to VEG"]


@pytest.mark.parametrize("values", [None, {2: "OPM"}])
def test_a_class_that_is_the_nodata_value_is_refused_before_reading(tmp_path, values):
    path = raster(tmp_path / "a.tif", np.ones((10, 12), np.uint8), nodata=2)
    for call in (
        lambda: check_labels(path, DEFAULT_LEGEND, LabelOptions(values)),
        lambda: open_labels(path, GRID, DEFAULT_LEGEND, LabelOptions(values)),
    ):
        with pytest.raises(LabelError, match="declares 2 as its nodata value"):
            call()


def test_a_picture_is_refused_as_labels_and_as_a_mask(tmp_path):
    write_cog(tmp_path / "a.tif", np.ones((3, 10, 12), np.uint8), GRID, Layout(3, "uint8"))
    with pytest.raises(ImageError, match="3 bands"):
        check_labels(tmp_path / "a.tif", DEFAULT_LEGEND, LabelOptions())
    with pytest.raises(ImageError, match="3 bands"):
        usable_ground(GRID, None, [tmp_path / "a.tif"])


def test_ground_is_inside_the_extent_and_under_no_mask_even_one_that_is_smaller_than_the_image(tmp_path):
    west, south, _, north = GRID.bounds
    gpd.GeoDataFrame(geometry=[box(west, south, west + 24, north)], crs=32649).to_file(tmp_path / "extent.gpkg")
    clouds = np.ones((3, 4), np.float32)
    clouds[0, 0] = np.nan
    raster(tmp_path / "clouds.tif", clouds, grid(3, 4, x=500_008.0, y=3_799_992.0))
    expected = np.zeros((10, 12), bool)
    expected[:, :6] = True
    expected[2:5, 2:6] = False
    expected[2, 2] = True
    usable = usable_ground(GRID, tmp_path / "extent.gpkg", [tmp_path / "clouds.tif"])
    np.testing.assert_array_equal(usable(ALL), expected)
    np.testing.assert_array_equal(usable(Window(1, 1, 4, 5)), expected[1:5, 1:6])
    with pytest.raises(LabelError, match="outside the image"):
        usable_ground(grid(10, 12, x=900_000.0), tmp_path / "extent.gpkg", [])
