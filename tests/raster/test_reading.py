"""What a raster says is valid: every way of saying it, read as it is, reduced, and on another grid."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS, Transformer
from rasterio.enums import ColorInterp

from pitmap.errors import ImageError
from pitmap.grid import Grid, Window
from pitmap.raster import reading
from pitmap.raster.reading import describe, is_raster, open_raster, read_onto, read_reduced
from studies import UTM, grid

HEIGHT, WIDTH = 12, 16
VOID = np.zeros((HEIGHT, WIDTH), bool)
VOID[:, :4] = True


def raster(path, pixels, where=None, *, nodata=None, colours=None, mask=None, **options):
    """Write a plain GeoTIFF; ``mask`` is kept inside the file."""
    where = where or grid(*pixels.shape[1:])
    profile = {"crs": None if where.crs is None else where.crs.to_wkt(), "transform": where.transform}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=options.pop("internal", True)),
        rasterio.open(
            path, "w", driver="GTiff", count=len(pixels), height=pixels.shape[1], width=pixels.shape[2],
            dtype=pixels.dtype, nodata=nodata, **profile, **options,
        ) as target,
    ):  # fmt: skip
        if colours:
            target.colorinterp = colours
        target.write(pixels)
        if mask is not None:
            target.write_mask(mask)
    return path


def virtual(path, bands, extra=""):
    """A VRT of bands ``(type, nodata, source, source band)``, of the size of the rasters here."""
    transform = ",".join(str(v) for v in grid(HEIGHT, WIDTH).transform.to_gdal())
    xml = f'<VRTDataset rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}"><SRS>EPSG:32649</SRS>'
    xml += f"<GeoTransform>{transform}</GeoTransform>"
    for number, (kind, nodata, source, band, more) in enumerate(bands, start=1):
        xml += f'<VRTRasterBand dataType="{kind}" band="{number}">'
        xml += "" if nodata is None else f"<NoDataValue>{nodata}</NoDataValue>"
        xml += f"<SimpleSource><SourceFilename>{source}</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource>"
        xml += f"{more}</VRTRasterBand>"
    path.write_text(xml + extra + "</VRTDataset>")
    return path


def ways(folder):
    """Every way of saying that the columns of VOID hold no data, each a raster of at least two image bands."""
    clean = np.full((2, HEIGHT, WIDTH), 7, np.uint16)
    alpha = np.where(VOID, 0, 255).astype(np.uint16)
    grey, other, opaque = ColorInterp.gray, ColorInterp.undefined, ColorInterp.alpha

    def with_value(value, dtype=np.uint16, band=slice(None)):
        pixels = clean.astype(dtype)
        pixels[band, VOID] = value
        return pixels

    yield raster(folder / "zero.tif", with_value(0))
    yield raster(folder / "nodata.tif", with_value(9, band=1), nodata=9)
    yield raster(folder / "mask.tif", clean, mask=~VOID)
    yield raster(folder / "sidecar.tif", clean, mask=~VOID, internal=False)
    yield raster(folder / "mask-and-nodata.tif", with_value(9), nodata=9, mask=np.ones_like(VOID))
    yield raster(folder / "nan.tif", with_value(np.nan, np.float32, 0))
    yield raster(folder / "infinite.tif", with_value(-np.inf, np.float64, 1))
    yield raster(folder / "alpha-last.tif", np.stack([*clean, alpha]), colours=[grey, other, opaque])
    yield raster(folder / "alpha-first.tif", np.stack([alpha, *clean]), colours=[opaque, grey, other])
    yield raster(folder / "alpha-inside.tif", np.stack([clean[0], alpha, clean[1]]), colours=[grey, opaque, other])
    yield raster(folder / "alpha-and-nodata.tif", np.stack([*clean, alpha]), nodata=9, colours=[grey, other, opaque])
    source = raster(folder / "source.tif", np.stack([clean[0], with_value(65000)[0], with_value(3)[0]]))
    yield virtual(folder / "nodata-by-band.vrt", [("UInt16", 65535, source, 1, ""), ("UInt16", 65000, source, 2, "")])
    smallest = raster(folder / "smallest.tif", with_value(np.finfo(np.float32).min, np.float32))
    for n, text in enumerate(("-3.402823e+38", "-3.40282347e+38", "-3.4028234663852886e+38")):
        yield virtual(folder / f"float-{n}.vrt", [("Float32", text, smallest, b, "") for b in (1, 2)])
    mask_band = (
        f'<MaskBand><VRTRasterBand dataType="Byte"><SimpleSource><SourceFilename>{folder / "mask.tif"}</SourceFilename>'
        "<SourceBand>mask,1</SourceBand></SimpleSource></VRTRasterBand></MaskBand>"
    )
    yield virtual(
        folder / "mask-by-band.vrt", [("UInt16", None, source, 1, ""), ("UInt16", None, source, 1, mask_band)]
    )
    plain = raster(folder / "plain.tif", with_value(0))
    yield virtual(folder / "two-types.vrt", [("UInt16", None, plain, 1, ""), ("Float32", None, plain, 2, "")])


def test_every_way_of_saying_what_is_valid_counts_in_every_reader(tmp_path):
    files = list(ways(tmp_path))
    assert len(files) == 17
    for path in files:
        with open_raster(path) as reader:
            assert len(reader.indices) == 2, path.name
            pixels, valid = reader.read()
            np.testing.assert_array_equal(valid, ~VOID, err_msg=path.name)
            assert (pixels[:, valid] == 7).all(), path.name
            part = reader.read(Window(2, 3, 5, 6))[1]
            np.testing.assert_array_equal(part, ~VOID[2:7, 3:9], err_msg=path.name)
        reduced, small = read_reduced(path, None, 8)
        np.testing.assert_array_equal(small, ~VOID[::2, ::2], err_msg=path.name)
        assert (reduced[:, small] == 7).all(), path.name


@pytest.mark.parametrize("same_grid", [True, False])
def test_masks_and_nodata_of_classes_count_on_every_grid_and_0_is_a_value(tmp_path, same_grid):
    codes = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    codes[:, :, 8:] = 1
    opaque = np.where(VOID, 0, 255).astype(np.uint8)
    layers = (
        raster(tmp_path / "mask.tif", codes, mask=~VOID),
        raster(tmp_path / "nodata.tif", np.where(VOID, 5, codes), nodata=5),
        raster(tmp_path / "alpha.tif", np.stack([codes[0], opaque]), colours=[ColorInterp.gray, ColorInterp.alpha]),
        raster(tmp_path / "nan.tif", np.where(VOID, np.nan, codes).astype(np.float32)),
    )
    target = grid(HEIGHT, WIDTH) if same_grid else grid(HEIGHT, WIDTH - 1, x=500_004.0)
    cut = slice(None) if same_grid else slice(1, None)
    for path in layers:
        values, covered = read_onto(path, target)
        np.testing.assert_array_equal(covered, ~VOID[:, cut], err_msg=path.name)
        np.testing.assert_array_equal(values[covered], codes[0][:, cut][covered], err_msg=path.name)


def test_a_stated_nodata_value_takes_the_place_of_the_files(tmp_path):
    pixels = np.arange(1, 13, dtype=np.uint16).reshape(1, 3, 4)
    path = raster(tmp_path / "a.tif", pixels, nodata=1)
    with open_raster(path, nodata=2) as reader:
        np.testing.assert_array_equal(reader.read()[1].ravel(), pixels.ravel() != 2)


def test_a_nodata_value_that_the_type_cannot_hold_says_nothing(tmp_path):
    bands = [("Byte", -9999, raster(tmp_path / "a.tif", np.eye(HEIGHT, WIDTH, dtype=np.uint8)[None]), 1, "")]
    with open_raster(virtual(tmp_path / "a.vrt", bands)) as reader:
        np.testing.assert_array_equal(reader.read()[1], np.eye(HEIGHT, WIDTH, dtype=bool))


@pytest.mark.parametrize(("dtype", "valid"), [("float32", [False, True, False]), ("float64", [False, True, True])])
def test_values_near_a_float_nodata_value_stay_data(tmp_path, dtype, valid):
    pixels = np.array([[[-9999.0, -9998.9, -9999.001]]], dtype)
    with open_raster(raster(tmp_path / "a.tif", pixels, nodata=-9999.0)) as reader:
        assert reader.read()[1].tolist() == [valid]


def test_integers_without_a_nodata_value_are_void_where_all_selected_bands_are_0(tmp_path):
    path = raster(tmp_path / "a.tif", np.array([[[0, 0, 5]], [[0, 7, 5]]], np.int16))
    for bands, valid in ((None, [False, True, True]), ([1], [False, False, True])):
        with open_raster(path, bands) as reader:
            assert reader.read()[1].tolist() == [valid]
    with open_raster(path, zero_is_void=False) as reader:
        assert reader.read()[1].all()


def test_bands_of_two_types_are_read_in_one_that_holds_both(tmp_path):
    large = raster(tmp_path / "a.tif", np.full((1, HEIGHT, WIDTH), 65_001, np.uint16))
    fine = raster(tmp_path / "b.tif", np.full((1, HEIGHT, WIDTH), 0.25, np.float32))
    path = virtual(tmp_path / "a.vrt", [("UInt16", None, large, 1, ""), ("Float32", None, fine, 1, "")])
    assert describe(path).dtype == "float32"
    assert describe(path).dtypes == ("uint16", "float32")
    with open_raster(path) as reader:
        assert reader.read()[0][:, 0, 0].tolist() == [65_001, 0.25]
    with open_raster(path, [1]) as reader:
        assert reader.read()[0].dtype == np.uint16


def test_a_named_alpha_band_is_refused(tmp_path):
    pixels = np.full((3, 4, 4), 9, np.uint8)
    path = raster(tmp_path / "a.tif", pixels, colours=[ColorInterp.gray, ColorInterp.alpha, ColorInterp.undefined])
    assert describe(path).alpha == (2,)
    assert describe(path).band_indices(None) == [1, 3]
    for bands in ([2], [1, 2, 3]):
        with pytest.raises(ImageError, match="alpha band"):
            describe(path).band_indices(bands)


def test_units_are_told(tmp_path):
    path = raster(tmp_path / "a.tif", np.ones((2, 4, 4), np.float32))
    with rasterio.open(path, "r+") as target:
        target.units = ("ft", "")
    assert describe(path).units == ("ft", None)


def test_another_projection_gives_the_pixel_that_holds_the_centre(tmp_path):
    """Against the position of every single pixel, on a grid that is turned and seven times as fine."""
    rng = np.random.default_rng(5)
    source = Grid(CRS.from_epsg(4326), Affine(4e-4, 0, 110.9, 0, -3e-4, 34.4), 600, 600)
    codes = rng.integers(1, 200, (1, *source.shape)).astype(np.uint8)
    path = raster(tmp_path / "a.tif", codes, source)
    target = Grid(UTM, Affine(4, 1, 500_000, -1, -4, 3_800_000), 1100, 1300)
    window = Window(13, 17, 1050, 1200)
    values, covered = read_onto(path, target, window)
    rows, cols = np.mgrid[13 : 13 + 1050, 17 : 17 + 1200]
    lon, lat = Transformer.from_crs(UTM, 4326, always_xy=True).transform(*target.pixel_centres(rows, cols))
    col, row = (lon - 110.9) / 4e-4, (34.4 - lat) / 3e-4
    assert covered.all()
    clear = (np.abs(row - np.rint(row)) > 0.02) & (np.abs(col - np.rint(col)) > 0.02)
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(values[clear], codes[0][row.astype(int), col.astype(int)][clear])


def test_a_projection_that_bends_within_a_piece_is_followed_exactly(tmp_path):
    """Round the pole, where longitudes turn within a few pixels."""
    source = Grid(CRS.from_epsg(4326), Affine(2, 0, -180, 0, -2, 90), 90, 180)
    codes = np.random.default_rng(4).integers(1, 200, (1, 90, 180)).astype(np.uint8)
    path = raster(tmp_path / "a.tif", codes, source)
    target = Grid(CRS.from_epsg(3413), Affine(40_000, 0, -2_390_000, 0, -40_000, 2_410_000), 120, 120)
    values, covered = read_onto(path, target)
    rows, cols = np.mgrid[:120, :120]
    lon, lat = Transformer.from_crs(3413, 4326, always_xy=True).transform(*target.pixel_centres(rows, cols))
    col, row = (lon + 180) / 2 % 180, (90 - lat) / 2
    clear = (np.abs(row - np.rint(row)) > 1e-5) & (np.abs(col - np.rint(col)) > 1e-5)
    assert covered.all()
    np.testing.assert_array_equal(values[clear], codes[0][row.astype(int), col.astype(int)][clear])


def test_a_fine_raster_is_read_in_pieces_and_not_from_its_overviews(tmp_path, monkeypatch):
    fine = np.random.default_rng(2).integers(1, 9, (1, 640, 640)).astype(np.uint8)
    path = raster(tmp_path / "a.tif", fine, grid(640, 640, size=0.5))
    with rasterio.open(path, "r+") as target:
        target.build_overviews([2, 4, 8], rasterio.enums.Resampling.mode)
    monkeypatch.setattr(reading, "SOURCE_PIXELS", 900)
    values, covered = read_onto(path, grid(80, 80, size=4.0))
    assert covered.all()
    np.testing.assert_array_equal(values, fine[0, 4::8, 4::8])


def test_a_raster_across_the_date_line_is_found_from_either_side(tmp_path):
    codes = np.arange(1, 101, dtype=np.uint8).reshape(1, 10, 10)
    east = Grid(CRS.from_epsg(4326), Affine(0.01, 0, 179.95, 0, -0.01, -17.0), 10, 10)
    path = raster(tmp_path / "a.tif", codes, east)
    west = Grid(CRS.from_epsg(4326), Affine(0.01, 0, -180.0, 0, -0.01, -17.0), 10, 10)
    values, covered = read_onto(path, west)
    np.testing.assert_array_equal(values[:, :5], codes[0][:, 5:])
    np.testing.assert_array_equal(covered, np.arange(10)[None] < np.full((10, 1), 5))


def test_a_local_system_is_no_georeference_but_frames_that_are_one_fit(tmp_path):
    local = 'LOCAL_CS["site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
    codes = np.arange(1, 31, dtype=np.uint8).reshape(1, 5, 6)
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=5, width=6, dtype="uint8", crs=local,
        transform=Affine(2, 0, 100, 0, -2, 50),
    ) as target:  # fmt: skip
        target.write(codes)
    where = describe(path).grid
    assert where.crs is None
    assert where.local_crs is not None
    assert where.pixel_size_m is None
    part = where.crop(Window(1, 2, 3, 4))
    values, covered = read_onto(path, part)
    assert covered.all()
    np.testing.assert_array_equal(values, codes[0, 1:4, 2:6])
    with pytest.raises(ImageError, match=r"it has the coordinate reference system 'site', from which no way leads"):
        read_onto(path, grid(5, 6))


def test_raster_or_vector_is_decided_by_opening_the_file(tmp_path):
    import geopandas as gpd
    from shapely.geometry import box

    codes = np.ones((1, 4, 4), np.uint8)
    with rasterio.open(
        tmp_path / "lab.dat", "w", driver="ENVI", count=1, height=4, width=4, dtype="uint8", crs="EPSG:32649",
        transform=Affine(4, 0, 0, 0, -4, 0),
    ) as target:  # fmt: skip
        target.write(codes)
    raster(tmp_path / "layer.shp.tif", codes)
    (tmp_path / "layer.shp.tif").rename(tmp_path / "odd.gpkg")
    frame = gpd.GeoDataFrame({"class": [1]}, geometry=[box(0, 0, 1, 1)], crs=32649)
    frame.to_file(tmp_path / "layer.tif", driver="GeoJSON")
    frame.to_file(tmp_path / "both.gpkg")
    with rasterio.open(
        tmp_path / "both.gpkg", "w", driver="GPKG", count=1, height=4, width=4, dtype="uint8", crs="EPSG:32649",
        transform=Affine(4, 0, 0, 0, -4, 0), append_subdataset="YES", raster_table="tiles",
    ) as target:  # fmt: skip
        target.write(codes)
    found = {name: is_raster(tmp_path / name) for name in ("lab.dat", "odd.gpkg", "layer.tif", "both.gpkg")}
    assert found == {"lab.dat": True, "odd.gpkg": True, "layer.tif": False, "both.gpkg": False}
    (tmp_path / "empty.tif").touch()
    with pytest.raises(ImageError, match=r"empty.tif \(0 bytes\) is neither a raster nor a vector file"):
        is_raster(tmp_path / "empty.tif")
    with pytest.raises(ImageError, match="no file"):
        is_raster(tmp_path / "none.tif")


def test_the_block_cache_holds_what_windows_side_by_side_share(tmp_path):
    wide = np.zeros((40, 60_000), np.uint16)
    raster(tmp_path / "strips.tif", wide[None], blockysize=1, compress="zstd")
    raster(tmp_path / "tiles.tif", wide[None], tiled=True, blockxsize=512, blockysize=512, compress="zstd")
    strips, tiles = (describe(tmp_path / f"{name}.tif") for name in ("strips", "tiles"))
    assert reading.cache_bytes(tiles, 5000) == reading.CACHE
    assert reading.cache_bytes(strips, 100) == reading.CACHE
    assert reading.cache_bytes(strips, 2000) == 2002 * 60_000 * 2 * 9 // 8
    assert reading.cache_bytes(strips, 10_000) == reading.LARGEST_CACHE
