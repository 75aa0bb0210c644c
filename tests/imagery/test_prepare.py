import json
import math
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS, Geod, Transformer

from analytic_ground import as_rasterio, found_targets, geographic, grid, textured
from observers import Heard
from pitmap.errors import ImageError, PitmapError, ProductError
from pitmap.grid import Grid
from pitmap.imagery import prepare as preparing
from pitmap.imagery.gaofen import open_product
from pitmap.imagery.heights import undulation
from pitmap.imagery.options import PrepareOptions
from pitmap.imagery.pansharpen import phase_shift
from pitmap.imagery.prepare import prepare
from pitmap.raster.reading import describe, open_raster
from pitmap.raster.writing import Layout, write_cog
from pitmap.simulate.product import ProductOptions, write_product


def read(path):
    with open_raster(path) as reader:
        return reader.read()


def miss(image, ground, places):
    """Found minus true positions of targets in metres, east and north."""
    gap = found_targets(image[0] / 1e4, places) - found_targets(ground.reflectance[0], places)
    return np.stack([gap[:, 1], -gap[:, 0]], axis=1) * 4.0


@pytest.mark.parametrize("kernel", ["bilinear", "cubic"])
def test_targets_lie_within_a_quarter_of_a_pixel(target_product, like, tmp_path, kernel):
    ground, places, product = target_product
    options = PrepareOptions(dem=product.dem, dem_datum="egm96", like=like, kernel=kernel)
    report = prepare(product.path, tmp_path / "out.tif", options)
    image, valid = read(report.output)
    assert valid.all()
    gap = miss(image, ground, places)
    assert np.sqrt((gap**2).sum(1).mean()) < 0.25 * 4.0


def towards_satellite(product, ground):
    """Unit vector on the map from the ground to the satellite, and the tangent of the view angle."""
    image = open_product(product.path).images["mss"]
    incidence, azimuth = image.rpc.viewing_angles(image.shape[0] / 2, image.shape[1] / 2)
    lon, lat = geographic(ground.grid, np.array(110.0), np.array(130.0))
    there = Geod(ellps="WGS84").fwd(lon, lat, azimuth, 1000)[:2]
    x, y = (np.array(v) for v in zip(*(_project(ground, *p) for p in ((lon, lat), there)), strict=True))
    step = np.array([x[1] - x[0], y[1] - y[0]])
    return step / np.hypot(*step), math.tan(math.radians(incidence))


def _project(ground, lon, lat):
    return Transformer.from_crs(4326, ground.grid.crs, always_xy=True).transform(lon, lat)


def test_without_the_geoid_the_image_moves_as_predicted(target_product, like, tmp_path):
    ground, places, product = target_product
    options = PrepareOptions(dem=product.dem, dem_datum="egm96", like=like)
    right, _ = read(prepare(product.path, tmp_path / "right.tif", options).output)
    wrong, _ = read(prepare(product.path, tmp_path / "wrong.tif", replace(options, dem_datum="ellipsoid")).output)
    moved = (miss(wrong, ground, places) - miss(right, ground, places)).mean(axis=0)
    direction, slope = towards_satellite(product, ground)
    n = float(undulation(*geographic(ground.grid, np.array(110), np.array(130))))
    # heights that are too large by -N put the ground too near to the satellite
    predicted = -n * slope * direction
    assert np.hypot(*predicted) > 5
    np.testing.assert_allclose(moved, predicted, atol=0.2)


def test_without_an_elevation_model_every_target_moves_as_predicted(target_product, like, tmp_path):
    ground, places, product = target_product
    height = 200.0
    report = prepare(product.path, tmp_path / "flat.tif", PrepareOptions(height=height, like=like))
    image, _ = read(report.output)
    assert report.heights.level
    assert "no elevation model" in report.warnings[0]
    rows, cols = np.rint(places).astype(int).T
    n = float(undulation(*geographic(ground.grid, np.array(110), np.array(130))))
    direction, slope = towards_satellite(product, ground)
    moved = (height - ground.elevation[rows, cols] - n)[:, None] * slope * direction
    # look for each target where it must have gone; those that left the image cannot be found
    there = places + np.stack([-moved[:, 1], moved[:, 0]], axis=1) / 4.0
    near = (there.min(axis=1) > 12) & (there[:, 0] < 208) & (there[:, 1] < 248)
    assert near.sum() > 15
    found = found_targets(image[0] / 1e4, there[near], reach=7)
    assert np.sqrt(((found - there[near]) ** 2).sum(1).mean()) < 0.5
    assert np.hypot(*moved.T).max() > 8 * 4


def test_reflectance_is_right_to_one_number(smooth_product, like, tmp_path):
    ground, product = smooth_product
    report = prepare(product.path, tmp_path / "out.tif", PrepareOptions(dem=product.dem, like=like))
    image, valid = read(report.output)
    assert valid.all()
    step = np.array(report.radiometry.scale)
    # at the very edge of the landscape the ground goes on as its mirror image
    inner = (slice(None), slice(2, -2), slice(2, -2))
    gap = np.abs(image * 1e-4 - ground.reflectance)[inner].max(axis=(1, 2))
    assert (gap < step).all()


def test_the_image_says_what_it_is(smooth_product, tmp_path):
    _, product = smooth_product
    report = prepare(product.path, tmp_path / "out.tif", PrepareOptions(dem=product.dem))
    info = describe(report.output)
    assert info.dtype == "uint16"
    assert info.nodata == 0
    assert info.descriptions == ("blue", "green", "red", "nir")
    assert info.scales == (1e-4,) * 4
    assert info.grid.crs.to_epsg() == 32649
    assert info.grid.transform.a == 4.0
    assert info.tags["PITMAP_SENSOR"] == "GF2 PMS1 MSS"
    assert info.tags["PITMAP_TIME_UTC"] == product.time.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert info.tags["PITMAP_COEFFICIENTS"] == "CRESDA 2018, GF2 PMS1"
    assert "EGM96" in info.tags["PITMAP_VERTICAL_DATUM"]
    with rasterio.open(report.output) as source:
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert [band.name for band in source.colorinterp] == ["blue", "green", "red", "nir"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.json", "out.qml", "out.tif"]
    beside = json.loads((tmp_path / "out.json").read_text())
    assert beside == json.loads(json.dumps(report.to_json()))
    # the frame is turned by 12 degrees in its bounding box, and has a black strip at its left
    assert 0.5 < report.valid_share < 0.9


def test_an_undeclared_datum_is_an_error_with_its_size(target_product, tmp_path):
    _, _, product = target_product
    with pytest.raises(ProductError, match=r"does not declare its vertical datum") as error:
        prepare(product.path, tmp_path / "out.tif", PrepareOptions(dem=product.dem))
    assert "egm96" in error.value.remedy
    assert "ellipsoid" in error.value.remedy
    # 23 m of undulation at 16.5 degrees
    assert "(1.7 pixels of 4 m) at a view angle of 16.5" in error.value.expected
    assert not list(tmp_path.iterdir())


def test_saturated_pixels_stay_valid_and_are_counted(tmp_path):
    landscape = textured(160, 160, 4.0)
    bright = np.array(landscape.reflectance)
    bright[0, 60:90, 70:100] = 0.6
    bright[3, 80:84, 80:84] = 0.95
    landscape = replace(landscape, reflectance=bright)
    product = write_product(tmp_path / "p", landscape, ProductOptions(pan=False))
    extent = (630_000, 3_829_360, 630_640, 3_830_000)
    report = prepare(product.path, tmp_path / "out.tif", PrepareOptions(dem=product.dem, extent=extent))
    image, valid = read(report.output)
    assert valid.all()
    assert report.saturated["blue"] == pytest.approx(900, abs=70)
    assert report.saturated["nir"] == pytest.approx(16, abs=10)
    assert report.saturated["green"] == report.saturated["red"] == 0
    with open_raster(report.saturated_file, nodata=255) as reader:
        flags = reader.read()[0][0]
    assert np.count_nonzero(flags & 1) == report.saturated["blue"]
    assert flags[75, 85] & 1
    assert (image[0][(flags & 1) > 0] > 2400).mean() > 0.95  # 1023 is a reflectance of 0.256


def test_a_grid_is_taken_as_given(smooth_product, tmp_path):
    _, product = smooth_product
    options = PrepareOptions(
        dem=product.dem, crs="EPSG:32649", resolution=8.0, extent=(630_000, 3_829_200, 630_800, 3_830_000)
    )
    report = prepare(product.path, tmp_path / "out.tif", options)
    info = describe(report.output)
    assert info.grid.shape == (100, 100)
    assert info.grid.transform.a == 8
    degrees = prepare(product.path, tmp_path / "b.tif", PrepareOptions(dem=product.dem, crs="EPSG:4326"))
    assert describe(degrees.output).grid.transform.a == pytest.approx(4 / 111_320)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dem": "gone.tif"}, "no elevation model"),
        ({"height": 1.0, "dem": "dem"}, "Both"),
        ({"height": 1.0, "crs": "EPSG:1"}, "not known"),
        ({"height": 1.0, "resolution": -4.0}, "resolution"),
        ({"height": 1.0, "extent": (0, 0, 400, 400)}, "do not touch"),
        ({"height": 1.0, "resolution": 4.0, "like": "like"}, "One of them"),
        ({"dem": "dem", "dem_datum": "egm2008"}, "not known"),
        ({"height": 1.0, "pan": True}, "lacks an image"),
    ],
)
def test_options_that_do_not_go_together_are_refused(smooth_product, like, tmp_path, options, words):
    _, product = smooth_product
    named = {"dem": product.dem, "like": like, "gone.tif": tmp_path / "gone.tif"}
    given = {k: named.get(v, v) if isinstance(v, str) else v for k, v in options.items()}
    with pytest.raises(PitmapError, match=words):
        prepare(product.path, tmp_path / "out" / "out.tif", PrepareOptions(**given))
    assert not (tmp_path / "out" / "out.tif").exists()


def test_the_choice_of_coefficients_is_followed(smooth_product, like, tmp_path):
    _, product = smooth_product
    options = PrepareOptions(dem=product.dem, like=like)
    by_year = prepare(product.path, tmp_path / "a.tif", options)
    envi = prepare(product.path, tmp_path / "b.tif", replace(options, coefficients="envi_2014"))
    assert envi.radiometry.gain[0] == 0.1585
    assert any("2014" in w for w in envi.warnings)
    a, b = read(by_year.output)[0][0].astype(float), read(envi.output)[0][0].astype(float)
    dn = a / 1e4 / by_year.radiometry.scale[0]
    expected = (0.1585 * dn - 0.8765) / (0.1356 * dn) * (1941.76 / 1941.53)
    np.testing.assert_allclose(b / a, expected, rtol=2e-3)


def test_numbers_can_be_kept(smooth_product, like, tmp_path):
    _, product = smooth_product
    options = PrepareOptions(dem=product.dem, like=like, keep_dn=True)
    report = prepare(product.path, tmp_path / "dn.tif", options)
    image, _ = read(report.output)
    assert not describe(report.output).has_scale
    assert 100 < image.mean() < 800
    assert image.max() <= 1023


def test_control_points_take_out_a_shift(target_product, like, tmp_path):
    ground, places, product = target_product
    image = open_product(product.path).images["mss"]
    chosen = places[::5]
    rows, cols = chosen.T
    lon, lat = geographic(ground.grid, rows, cols)
    heights = ground.elevation[np.rint(rows).astype(int), np.rint(cols).astype(int)] + undulation(lon, lat)
    row, col = image.rpc.project(lon, lat, heights)
    # the points are measured where an RPC that is off by 6 rows and -4 columns does not put them
    lines = ["name,row,col,lon,lat"]
    lines += [f"p{i},{r + 6},{c - 4},{x},{y}" for i, (r, c, x, y) in enumerate(zip(row, col, lon, lat, strict=True))]
    (tmp_path / "points.csv").write_text("\n".join(lines))
    options = PrepareOptions(dem=product.dem, dem_datum="egm96", like=like)
    before, _ = read(prepare(product.path, tmp_path / "a.tif", options).output)
    with_points = replace(options, gcps=tmp_path / "points.csv", gcp_model="shift")
    report = prepare(product.path, tmp_path / "b.tif", with_points)
    after, _ = read(report.output)
    moved = miss_between(before, after)
    # 6 rows along 192 degrees and -4 columns: the picture moves back by 23 m
    assert np.hypot(*moved) == pytest.approx(math.hypot(6 * 3.24, 4 * 3.5), rel=0.1)
    assert report.control.model == "shift"
    assert report.control.rmse_pixels < 0.3
    assert len((tmp_path / "b.gcps.csv").read_text().splitlines()) == len(chosen) + 1


def miss_between(before, after):
    found = phase_shift(before[0][60:160, 60:160].astype(np.float32), after[0][60:160, 60:160].astype(np.float32))
    assert found is not None
    return np.array(found) * 4


def test_an_image_on_a_map_is_only_scaled(tmp_path):
    g = grid(70, 90)
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 3000, (3, 70, 90)).astype(np.uint16)
    pixels[:, :10] = 0
    write_cog(tmp_path / "in.tif", pixels, g, Layout(3, "uint16", 0, ("a", "b", "c")))
    with pytest.raises(ImageError, match="does not say how its numbers become reflectance"):
        prepare(tmp_path / "in.tif", tmp_path / "out.tif")
    report = prepare(tmp_path / "in.tif", tmp_path / "out.tif", PrepareOptions(scale=0.0002, offset=0.01))
    image, valid = read(report.output)
    assert describe(report.output).grid.same_as(g)
    assert describe(report.output).descriptions == ("a", "b", "c")
    assert not valid[:10].any()
    np.testing.assert_array_equal(image[:, 10:], pixels[:, 10:] * 2 + 100)
    assert report.valid_share == pytest.approx(6 / 7)


def test_tags_of_an_image_on_a_map_are_believed_and_another_grid_is_made(tmp_path):
    g = grid(70, 90)
    pixels = np.full((1, 70, 90), 0.25, np.float32)
    pixels[:, :20] = np.nan
    write_cog(tmp_path / "in.tif", pixels, g, Layout(1, "float32", math.nan, scale=2.0, offset=-0.1))
    report = prepare(tmp_path / "in.tif", tmp_path / "out.tif", PrepareOptions(resolution=2.0))
    image, valid = read(report.output)
    assert image.shape == (1, 140, 180)
    assert (image[valid[None]] == 4000).all()
    assert valid[41:].all()
    assert not valid[:39].any()


def test_an_image_with_an_rpc_of_any_sensor(smooth_product, like, tmp_path):
    _, product = smooth_product
    opened = open_product(product.path, tmp_path / "work").images["mss"]
    pixels, _ = read(opened.tiff)
    with rasterio.open(
        tmp_path / "other.tif", "w", driver="GTiff", dtype="uint16", count=4, height=pixels.shape[1],
        width=pixels.shape[2], rpcs=as_rasterio(opened.rpc),
    ) as target:  # fmt: skip
        target.write(pixels)
    options = PrepareOptions(dem=product.dem, like=like, scale=1e-4)
    ours = prepare(tmp_path / "other.tif", tmp_path / "a.tif", options)
    kept = prepare(product.path, tmp_path / "b.tif", PrepareOptions(dem=product.dem, like=like, keep_dn=True))
    a, b = read(ours.output)[0].astype(int), read(kept.output)[0].astype(int)
    assert np.abs(a - b).max() <= 1


def test_an_image_without_place_is_refused(tmp_path):
    write_cog(tmp_path / "in.tif", np.ones((5, 5), np.uint8), Grid(None, Affine.identity(), 5, 5), Layout(1, "uint8"))
    with pytest.raises(ProductError, match="neither a coordinate reference system nor an RPC"):
        prepare(tmp_path / "in.tif", tmp_path / "out.tif", PrepareOptions(scale=1.0))


def test_progress_runs_from_nothing_to_one(smooth_product, like, tmp_path):
    _, product = smooth_product
    heard = Heard()
    prepare(product.path, tmp_path / "out.tif", PrepareOptions(dem=product.dem, like=like), heard)
    seen = heard.shares
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert 0 < seen[0] < 1


def plain(tmp_path, pixels, nodata=0):
    g = grid(*pixels.shape[1:])
    write_cog(tmp_path / "in.tif", pixels, g, Layout(len(pixels), str(pixels.dtype), nodata))
    return tmp_path / "in.tif"


def test_what_does_not_fit_into_the_stored_numbers_is_counted(tmp_path):
    pixels = np.full((2, 40, 50), 3000, np.uint16)
    pixels[0, 0, :7] = 9000  # a reflectance of 8 after scaling
    pixels[1, 1, :5] = 500  # one of -0.5
    pixels[:, 39] = 0
    heard = Heard()
    options = PrepareOptions(scale=0.001, offset=-1.0)
    report = prepare(plain(tmp_path, pixels), tmp_path / "out.tif", options, heard)
    assert {k: (v.above, v.below) for k, v in report.clipped.items()} == {"band 1": (7, 0), "band 2": (0, 5)}
    assert report.clipped["band 1"].share == pytest.approx(7 / (39 * 50))
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["clipped"]["band 2"] == {"above": 0, "below": 5, "share": 5 / 1950}
    assert written["warnings"] == list(report.warnings) == heard.warned
    assert "0.36% of the pixels of band 1" in heard.warned[0]
    assert "7 above 65535" in heard.warned[0]
    assert "5 below 1" in heard.warned[1]
    clean = prepare(
        plain(tmp_path, np.full((1, 9, 9), 3000, np.uint16)), tmp_path / "b.tif", PrepareOptions(scale=1e-4)
    )
    assert clean.clipped == {}
    assert clean.warnings == ()


@pytest.mark.parametrize(("scale", "offset", "words"), [(1.0, 0.0, "above 6.5535"), (0.0001, -5.0, "below 0.0001")])
def test_an_image_that_is_clipped_whole_is_refused(tmp_path, scale, offset, words):
    pixels = np.random.default_rng(0).integers(200, 3000, (3, 40, 50)).astype(np.uint16)
    with pytest.raises(ImageError, match=words) as error:
        prepare(plain(tmp_path, pixels), tmp_path / "out.tif", PrepareOptions(scale=scale, offset=offset))
    assert "100.0%" in error.value.found
    assert "--" not in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["in.tif"]


def test_numbers_of_a_plain_image_can_be_kept(tmp_path):
    pixels = np.random.default_rng(0).integers(1, 3000, (3, 40, 50)).astype(np.uint16)
    report = prepare(plain(tmp_path, pixels), tmp_path / "out.tif", PrepareOptions(keep_dn=True))
    np.testing.assert_array_equal(read(report.output)[0], pixels)
    assert not describe(report.output).has_scale
    assert report.radiometry.coefficients.startswith("none")


class StopError(Exception):
    """What an interruption is to the tests."""


def bright(tmp_path):
    landscape = textured(80, 80, 4.0)
    reflectance = np.array(landscape.reflectance)
    reflectance[0, 30:45, 35:50] = 0.6
    return write_product(tmp_path / "p", replace(landscape, reflectance=reflectance), ProductOptions(pan=False))


def test_image_and_side_files_get_their_names_together(tmp_path, monkeypatch):
    product = bright(tmp_path)
    out = tmp_path / "out" / "a.tif"
    options = PrepareOptions(dem=product.dem)
    before = prepare(product.path, out, options)
    assert before.saturated_file == out.with_name("a.saturated.tif")
    names = ["a.json", "a.qml", "a.saturated.qml", "a.saturated.tif", "a.tif"]
    assert sorted(p.name for p in out.parent.iterdir()) == names
    content = {p.name: p.read_bytes() for p in out.parent.iterdir()}

    def late(share):
        if share > 0.5:
            raise StopError

    # broken off while the image is written, and while the report is: the files of the run before stay as they were
    with pytest.raises(StopError):
        prepare(product.path, out, replace(options, kernel="cubic"), Heard(each=late))
    assert {p.name: p.read_bytes() for p in out.parent.iterdir()} == content

    def no_report(*_):
        raise StopError

    with monkeypatch.context() as patch:
        patch.setattr(preparing, "write_json", no_report)
        with pytest.raises(StopError):
            prepare(product.path, out, replace(options, kernel="cubic"))
        with pytest.raises(StopError):
            prepare(product.path, tmp_path / "new" / "a.tif", options)
    assert {p.name: p.read_bytes() for p in out.parent.iterdir()} == content
    assert list((tmp_path / "new").iterdir()) == []
    # an image without saturation takes away the flags of the one before
    dark = prepare(product.path, out, replace(options, keep_dn=True, extent=(630_240, 3_829_700, 630_300, 3_829_760)))
    assert dark.saturated_file is None
    assert sorted(p.name for p in out.parent.iterdir()) == ["a.json", "a.qml", "a.tif"]


def test_deep_voids_of_the_model_become_nodata(tmp_path):
    landscape = textured(80, 80, 4.0)
    product = write_product(tmp_path / "p", landscape, ProductOptions(pan=False, dem_posting_m=1.0, declare_datum=True))
    with rasterio.open(product.dem) as source:
        heights, profile = source.read(1), source.profile
    rows, cols = np.array(heights.shape) // 2
    heights[rows - 130 : rows + 130, cols - 130 : cols + 130] = profile["nodata"]
    profile.update(driver="GTiff")
    with rasterio.open(tmp_path / "holed.tif", "w", **profile) as target:
        target.write(heights, 1)
    options = PrepareOptions(dem=tmp_path / "holed.tif", extent=landscape.grid.bounds, resolution=1.0, crs="EPSG:32649")
    with pytest.raises(ProductError, match="let such voids be left"):
        prepare(product.path, tmp_path / "out.tif", options)
    report = prepare(product.path, tmp_path / "out.tif", replace(options, voids="leave"))
    _, valid = read(report.output)
    assert not valid[40:280, 40:280].any()
    assert valid[:20].all()
    assert report.valid_share == pytest.approx(1 - 261**2 / 320**2, abs=0.01)
    assert any("too deep to fill" in w for w in report.warnings)


@pytest.fixture(scope="module")
def dateline(tmp_path_factory):
    """A product of ground on both sides of 180 degrees."""
    x, y = Transformer.from_crs(4326, 32701, always_xy=True).transform(180.0, -16.8)
    g = Grid(CRS.from_epsg(32701), Affine(4, 0, 4 * round(x / 4) - 160, 0, -4, 4 * round(y / 4) + 160), 80, 80)
    landscape = replace(textured(80, 80, 4.0), grid=g)
    return write_product(tmp_path_factory.mktemp("dateline"), landscape, ProductOptions(pan=False))


def test_a_scene_across_180_degrees(dateline, tmp_path):
    utm = prepare(dateline.path, tmp_path / "utm.tif", PrepareOptions(dem=dateline.dem))
    assert utm.grid.crs in ("EPSG:32701", "EPSG:32760")
    degrees = prepare(dateline.path, tmp_path / "deg.tif", PrepareOptions(dem=dateline.dem, crs="EPSG:4326"))
    west, _, east, _ = degrees.grid.bounds
    assert 179.98 < west < 180 < east < 180.02
    assert degrees.grid.rows * degrees.grid.columns < 1.2 * utm.grid.rows * utm.grid.columns
    # the same picture: a pixel of one, looked up in the other, on both sides
    (a, _), (b, known) = read(utm.output), read(degrees.output)
    utm_grid, deg_grid = describe(utm.output).grid, describe(degrees.output).grid
    rows, cols = np.mgrid[60:140:5, 60:140:5]
    lon, lat = geographic(utm_grid, rows, cols)
    assert lon.min() < 0 < lon.max()
    row, col = deg_grid.pixel_indices(np.where(lon < 0, lon + 360, lon), lat)
    assert known[row, col].all()
    assert np.abs(a[:, rows, cols].astype(float) - b[:, row, col]).mean() < 150
    # onto the other grid again, from a map in degrees that goes on beyond 180
    back = prepare(degrees.output, tmp_path / "back.tif", PrepareOptions(like=utm.output))
    c, known = read(back.output)
    assert known[rows, cols].all()
    assert np.abs(a[:, rows, cols].astype(float) - c[:, rows, cols]).mean() < 150
    extent = (179.999, -16.801, -179.999, -16.799)
    some = prepare(dateline.path, tmp_path / "e.tif", PrepareOptions(dem=dateline.dem, crs="EPSG:4326", extent=extent))
    assert some.valid_share == 1
    assert some.grid.bounds[2] == pytest.approx(180.001, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crs": "EPSG:3857"}, "crosses 180 degrees"), ({"crs": "EPSG:4326", "resolution": 4.0}, "a single pixel"),
        ({"resolution": 1e-4}, "makes"), ({"crs": "EPSG:4326", "extent": (-180, -90, 180, 90)}, "makes"),
        ({"extent": (5, 5, 4, 4)}, "is empty"),
    ],
)  # fmt: skip
def test_absurd_grids_are_refused_before_anything_is_made(dateline, tmp_path, options, words):
    with pytest.raises(ProductError, match=words):
        prepare(dateline.path, tmp_path / "out" / "a.tif", PrepareOptions(height=300.0, **options))
    assert list((tmp_path / "out").iterdir()) == []


def test_exchanged_and_mirrored_control_points_are_refused_whole(target_product, like, tmp_path):
    ground, places, product = target_product
    image = open_product(product.path).images["mss"]
    rows, cols = places[::9].T
    lon, lat = geographic(ground.grid, rows, cols)
    heights = ground.elevation[np.rint(rows).astype(int), np.rint(cols).astype(int)] + undulation(lon, lat)
    row, col = image.rpc.project(lon, lat, heights)
    options = PrepareOptions(dem=product.dem, dem_datum="egm96", like=like, gcps=tmp_path / "x.csv")
    cases = {"exchanged": (col, row), "counted from the bottom": (image.shape[0] - 1 - row, col)}
    for words, (r, c) in cases.items():
        lines = [f"{a},{b},{x},{y}" for a, b, x, y in zip(r, c, lon, lat, strict=True)]
        (tmp_path / "x.csv").write_text("\n".join(["row,col,lon,lat", *lines]))
        with pytest.raises(ProductError, match=words):
            prepare(product.path, tmp_path / "out" / "a.tif", options)
        assert list((tmp_path / "out").iterdir()) == []


def test_image_and_model_in_an_archive_are_read_by_gdals_paths(smooth_product, like, tmp_path):
    _, product = smooth_product
    image = plain(tmp_path, np.full((1, 20, 30), 3000, np.uint16))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(image, "in.tif")
        archive.write(product.dem, "dem.tif")
    inside = f"/vsizip/{tmp_path / 'a.zip'}"
    report = prepare(f"{inside}/in.tif", tmp_path / "out.tif", PrepareOptions(scale=1e-4))
    assert (read(report.output)[0] == 3000).all()
    options = PrepareOptions(dem=product.dem, like=like)
    a = prepare(product.path, tmp_path / "a.tif", options)
    b = prepare(product.path, tmp_path / "b.tif", replace(options, dem=f"{inside}/dem.tif"))
    np.testing.assert_array_equal(read(a.output)[0], read(b.output)[0])
    with pytest.raises(PitmapError, match=r"gone\.tif"):
        prepare(f"{inside}/gone.tif", tmp_path / "c.tif", PrepareOptions(scale=1e-4))
