from collections import Counter
from itertools import product

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from pitmap.raster.overviews import reduce, reduces
from pitmap.raster.writing import Layout, write_cog
from studies import grid


@pytest.mark.parametrize("nodata", [None, 0, 2])
def test_the_mode_is_the_most_frequent_of_four_and_the_first_of_equals(nodata: int | None):
    fours = np.array(list(product(range(4), repeat=4)), np.uint8)  # all there are
    raster = fours.reshape(16, 16, 2, 2).transpose(0, 2, 1, 3).reshape(1, 32, 32)
    found = reduce(raster, nodata, "mode").ravel().tolist()
    for four, value in zip(fours.tolist(), found, strict=True):
        known = [v for v in four if v != nodata]
        counts = Counter(known)
        expected = max(known, key=lambda v: counts[v]) if known else nodata  # the first of the most frequent
        assert value == expected, four


def test_the_average_leaves_out_what_is_no_data_and_counts_an_edge_once():
    raster = np.array([[[10, 0, 7], [21, 0, 9], [0, 0, 65_534]]], np.uint16)
    assert reduce(raster, 0, "average").tolist() == [[[16, 8], [0, 65_534]]]  # 15.5 is rounded up
    assert reduce(raster, None, "average").tolist() == [[[8, 8], [0, 65_534]]]
    assert reduce(np.array([[[65_535, 3]]], np.uint16), 65_535, "average").tolist() == [[[3]]]


def test_what_could_give_the_nodata_value_is_left_to_gdal():
    assert reduces("uint8", 0, "mode")
    assert reduces("uint16", 65_535, "average")
    assert reduces("uint8", 7, "mode")
    assert not reduces("uint16", 7, "average")
    assert not reduces("float32", 0, "average")
    assert not reduces("uint8", 0, "nearest")


@pytest.mark.parametrize(("bands", "dtype", "nodata"), [(1, "uint8", 0), (3, "uint16", 65_535), (2, "uint16", None)])
def test_averages_are_those_of_gdal(bands: int, dtype: str, nodata: int | None, tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 250, (bands, 1104, 1304)).astype(dtype)
    if nodata is not None:
        pixels[:, 200:420, 300:777] = nodata
        pixels[:, rng.random((1104, 1304)) < 0.3] = nodata
    write_cog(tmp_path / "own.tif", pixels, grid(1104, 1304), Layout(bands, dtype, nodata, ["b"] * bands, scale=0.5))
    rasterio.shutil.copy(tmp_path / "own.tif", tmp_path / "gdal.tif", driver="COG", OVERVIEWS="IGNORE_EXISTING",
                         OVERVIEW_RESAMPLING="AVERAGE", BLOCKSIZE=512)  # fmt: skip
    with rasterio.open(tmp_path / "own.tif") as own, rasterio.open(tmp_path / "gdal.tif") as gdal:
        assert own.overviews(1) == gdal.overviews(1) == [2, 4]
        assert own.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (own.scales, own.descriptions) == ((0.5,) * bands, ("b",) * bands)
        assert (own.read() == pixels).all()
    for level in (0, 1):
        with (
            rasterio.open(tmp_path / "own.tif", overview_level=level) as own,
            rasterio.open(tmp_path / "gdal.tif", overview_level=level) as gdal,
        ):
            np.testing.assert_array_equal(own.read(), gdal.read())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gdal.tif", "own.tif"]
