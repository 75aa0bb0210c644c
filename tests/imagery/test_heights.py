import math

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS
from shapely import box

from analytic_ground import UTM49, geographic, grid, hills
from pitmap.errors import ProductError
from pitmap.grid import Grid
from pitmap.imagery.heights import Heights, declared_datum, level, read_heights, typical_height, undulation
from pitmap.raster.reading import describe
from pitmap.raster.writing import Layout, write_cog

G = grid(200, 240)


def area(g=G, inset=30):
    rows, cols = np.array([inset, g.height - inset]), np.array([inset, g.width - inset])
    lon, lat = geographic(g, rows, cols)
    return box(min(lon), min(lat), max(lon), max(lat))


@pytest.fixture
def dem(tmp_path):
    path = tmp_path / "dem.tif"
    write_cog(path, hills(G), G, Layout(1, "float32", -9999.0))
    return path


@pytest.mark.parametrize(
    ("lat", "lon", "expected"),
    [
        # NGA's own sample output for EGM96 (OUTINTPT.DAT), metres
        (38.6281550, 269.7791550, -31.628),
        (-14.6212170, 305.0211140, -2.969),
        (46.8743190, 102.4487290, -43.575),
        (-23.6174460, 133.8747120, 15.871),
        (38.6254730, 359.9995000, 50.066),
        (-0.4667440, 0.0023000, 17.329),
    ],
)
def test_undulation_is_that_of_nga(lat, lon, expected):
    # NGA interpolates by splines, here it is bilinear
    assert float(undulation(lon, lat)) == pytest.approx(expected, abs=0.12)
    assert float(undulation(lon - 360, lat)) == pytest.approx(float(undulation(lon, lat)), abs=1e-9)


def test_undulation_has_no_seam_and_reaches_the_poles():
    lon = np.array([179.9999, -179.9999, 180.0, -180.0])
    assert np.ptp(undulation(lon, 10.0)) < 0.001
    assert np.isfinite(undulation(np.array([0.0, 77.0]), np.array([90.0, -90.0]))).all()
    assert undulation(np.linspace(-180, 180, 50)[:, None], np.linspace(-90, 90, 40)[None, :]).shape == (50, 40)


def test_an_egm96_model_is_lifted_and_an_ellipsoidal_one_is_not(dem):
    ellipsoidal = read_heights(dem, "ellipsoid", area())
    lifted = read_heights(dem, "egm96", area())
    rows, cols = np.array([60, 100, 150]), np.array([50, 120, 200])
    lon, lat = geographic(G, rows, cols)
    np.testing.assert_allclose(ellipsoidal.at(lon, lat), hills(G)[rows, cols], atol=0.02)
    np.testing.assert_allclose(lifted.at(lon, lat), hills(G)[rows, cols] + undulation(lon, lat), atol=0.02)
    assert "EGM96" in lifted.datum
    assert ellipsoidal.datum == "ellipsoid"


def test_another_geoid_comes_from_a_file(dem, tmp_path):
    geoid = Grid(CRS.from_epsg(4326), Affine(0.5, 0, 100, 0, -0.5, 40), 20, 30)
    write_cog(tmp_path / "geoid.tif", np.full((20, 30), -25.0, np.float32), geoid, Layout(1, "float32"))
    lifted = read_heights(dem, str(tmp_path / "geoid.tif"), area())
    lon, lat = geographic(G, np.array(100), np.array(120))
    assert float(lifted.at(lon, lat)) == pytest.approx(hills(G)[100, 120] - 25, abs=0.02)
    assert "geoid.tif" in lifted.datum
    far = Grid(CRS.from_epsg(4326), Affine(0.5, 0, 0, 0, -0.5, 10), 20, 30)
    write_cog(tmp_path / "far.tif", np.zeros((20, 30), np.float32), far, Layout(1, "float32"))
    with pytest.raises(ProductError, match="does not cover"):
        read_heights(dem, str(tmp_path / "far.tif"), area())
    with pytest.raises(ProductError, match="not known"):
        read_heights(dem, "egm2008", area())


def test_the_datum_is_declared_or_refused(tmp_path, dem):
    assert declared_datum(describe(dem)) is None
    with pytest.raises(ProductError, match="does not declare") as error:
        read_heights(dem, None, area(), incidence=20.0, pixel_size_m=4.0)
    n = abs(float(undulation(112.43, 34.6)))
    assert f"{n * math.tan(math.radians(20)):.1f} m" in error.value.expected
    for crs, datum in (("EPSG:32649+5773", "egm96"), ("EPSG:4979", "ellipsoid"), ("EPSG:32649+3855", "EGM2008 height")):
        compound = Grid(CRS.from_user_input(crs), G.transform, *G.shape)
        if datum == "ellipsoid":
            compound = Grid(CRS.from_user_input(crs), Affine(1e-4, 0, 112.3, 0, -1e-4, 34.7), 2000, 2000)
        path = tmp_path / f"{datum}.tif"
        write_cog(path, np.full(compound.shape, 300, np.float32), compound, Layout(1, "float32"))
        assert declared_datum(describe(path)) == datum
        if datum in ("egm96", "ellipsoid"):
            assert read_heights(path, None, area()).datum.upper().startswith(datum.upper())
        else:
            with pytest.raises(ProductError, match="EGM2008"):
                read_heights(path, None, area())


def test_small_voids_are_filled_or_refused(tmp_path):
    heights = hills(G)
    holed = heights.copy()
    holed[90:100, 100:110] = np.nan
    holed[40, 60] = 99_999  # no height on Earth
    write_cog(tmp_path / "dem.tif", holed, G, Layout(1, "float32", math.nan))
    found = read_heights(tmp_path / "dem.tif", "ellipsoid", area())
    assert "Voids" in found.warnings[0]
    lon, lat = geographic(G, np.array([95, 40]), np.array([105, 60]))
    np.testing.assert_allclose(found.at(lon, lat), heights[[95, 40], [105, 60]], atol=4)
    assert np.isfinite(found.values).all()
    with pytest.raises(ProductError, match="voids"):
        read_heights(tmp_path / "dem.tif", "ellipsoid", area(), voids="refuse")


def test_a_large_void_is_refused(tmp_path):
    wide = grid(300, 300)
    heights = hills(wide)
    heights[20:280, 20:280] = np.nan
    write_cog(tmp_path / "dem.tif", heights, wide, Layout(1, "float32", math.nan))
    with pytest.raises(ProductError, match="reaches 1"):
        read_heights(tmp_path / "dem.tif", "ellipsoid", area(wide, 10))


@pytest.mark.parametrize(
    ("row", "col", "side"), [(80, 0, "north"), (-80, 0, "south"), (0, 80, "west"), (0, -80, "east")]
)
def test_a_model_that_does_not_cover_the_scene_says_which_side(tmp_path, row, col, side):
    moved = G.rescaled(row, col, 1.0, *G.shape)
    write_cog(tmp_path / "dem.tif", hills(moved), moved, Layout(1, "float32"))
    with pytest.raises(ProductError, match=f"m in the {side}") as error:
        read_heights(tmp_path / "dem.tif", "ellipsoid", area())
    others = {"north", "south", "west", "east"} - {side}
    assert not any(f"in the {other}" in str(error.value) for other in others)


def test_height_0_is_a_height(tmp_path):
    write_cog(tmp_path / "dem.tif", np.zeros(G.shape, np.int16), G, Layout(1, "int16"))
    found = read_heights(tmp_path / "dem.tif", "ellipsoid", area(), voids="refuse")
    assert (found.values == 0).all()


def test_a_fine_model_is_averaged(tmp_path):
    fine = grid(800, 960, 1.0)
    noisy = hills(fine) + np.random.default_rng(0).normal(0, 2, fine.shape).astype(np.float32)
    write_cog(tmp_path / "dem.tif", noisy, fine, Layout(1, "float32"))
    found = read_heights(tmp_path / "dem.tif", "ellipsoid", area(fine, 100), pixel_size_m=4.0)
    assert found.grid.transform.a == pytest.approx(4.0)
    lon, lat = geographic(fine, np.array([400.5, 300.5]), np.array([400.5, 500.5]))
    expected = hills(fine)[[400, 300], [400, 500]]
    np.testing.assert_allclose(found.at(lon, lat), expected, atol=2.5)
    assert found.values.shape[0] < 210


def test_a_model_without_crs_is_refused(tmp_path):
    write_cog(tmp_path / "dem.tif", np.ones((5, 5)), Grid(None, Affine.identity(), 5, 5), Layout(1, "float64"))
    with pytest.raises(ProductError, match="no coordinate reference system"):
        read_heights(tmp_path / "dem.tif", "ellipsoid", area())
    assert typical_height(tmp_path / "dem.tif", 112, 34) == 0


def test_heights_are_the_same_in_single_and_double_precision(dem):
    found = read_heights(dem, "ellipsoid", area())
    lon, lat = geographic(G, np.array([[50.3, 90.7]]), np.array([[60.2, 130.9]]))
    rows, cols = found.image_positions(lon, lat)
    np.testing.assert_allclose(
        found.sample(rows.astype(np.float32), cols.astype(np.float32)), found.at(lon, lat), atol=1e-3
    )
    assert np.isnan(found.at(0.0, 0.0))
    flat = level(123.0)
    assert flat.at(lon, lat).tolist() == [[123.0, 123.0]]
    assert found.grid.crs == UTM49


def degrees(crs, height=300.0, units=None, path=None):
    """A level model around 112.4 E, 34.6 N in a geographic or compound CRS."""
    g = Grid(CRS.from_user_input(crs), Affine(0.001, 0, 112.3, 0, -0.001, 34.7), 200, 200)
    if not g.crs.is_geographic:
        g = Grid(g.crs, Affine(40, 0, 626_000, 0, -40, 3_834_000), 200, 200)
    with rasterio.open(
        path, "w", driver="GTiff", dtype="float32", count=1, height=200, width=200, transform=g.transform,
        crs=g.crs.to_wkt(),
    ) as target:  # fmt: skip
        target.write(np.full((1, *g.shape), height, np.float32))
        if units is not None:
            target.units = (units,)
    return path


AROUND = box(112.39, 34.59, 112.41, 34.61)


@pytest.mark.parametrize("crs", ["EPSG:9707", "EPSG:4326+5773", "EPSG:32649+5773"])
def test_a_compound_crs_has_its_vertical_datum(tmp_path, crs):
    path = degrees(crs, path=tmp_path / "dem.tif")
    assert declared_datum(describe(path)) == "egm96"
    found = read_heights(path, None, AROUND)
    # EGM96 lies 22.6 m below the ellipsoid there
    assert float(found.at(112.4, 34.6)) == pytest.approx(277.4, abs=0.1)
    assert typical_height(path, 112.4, 34.6) == 300


def test_a_model_above_egm2008_wants_a_geoid_and_degrees_alone_say_nothing(tmp_path):
    path = degrees("EPSG:4326+3855", path=tmp_path / "dem.tif")
    with pytest.raises(ProductError, match="declares EGM2008"):
        read_heights(path, None, AROUND)
    geoid = Grid(CRS.from_epsg(4326), Affine(0.5, 0, 100, 0, -0.5, 40), 20, 30)
    write_cog(tmp_path / "geoid.tif", np.full((20, 30), -25.0, np.float32), geoid, Layout(1, "float32"))
    found = read_heights(path, tmp_path / "geoid.tif", AROUND)
    assert float(found.at(112.4, 34.6)) == pytest.approx(275.0)
    assert found.warnings == ()
    with pytest.raises(ProductError, match="does not declare"):
        read_heights(degrees("EPSG:4326", path=tmp_path / "b.tif"), None, AROUND)
    assert "declares egm96" in read_heights(degrees("EPSG:9707", path=path), "ellipsoid", AROUND).warnings[0]


@pytest.mark.parametrize(
    ("crs", "units", "metres"),
    [
        ("EPSG:4326", "ft", 304.8), ("EPSG:4326", "foot", 304.8), ("EPSG:4326", "Feet", 304.8),
        ("EPSG:4326", "US survey foot", 1000 * 1200 / 3937), ("EPSG:4326", "US_survey_foot", 1000 * 1200 / 3937),
        ("EPSG:4326", "ftUS", 1000 * 1200 / 3937), ("EPSG:4326", "m", 1000), ("EPSG:4326", "metre", 1000),
        ("EPSG:4326", None, 1000), ("EPSG:32649+8228", None, 304.8), ("EPSG:32649+6360", None, 1000 * 1200 / 3937),
        ("EPSG:32649+8228", "ft", 304.8),
    ],
)  # fmt: skip
def test_heights_in_feet_are_converted(tmp_path, crs, units, metres):
    path = degrees(crs, 1000.0, units, tmp_path / "dem.tif")
    found = read_heights(path, "ellipsoid", AROUND)
    assert float(found.at(112.4, 34.6)) == pytest.approx(metres, abs=0.01)
    assert any("converted to metres" in w for w in found.warnings) == (metres != 1000)
    assert typical_height(path, 112.4, 34.6) == pytest.approx(metres, abs=0.01)


@pytest.mark.parametrize(
    ("crs", "units", "words"),
    [
        ("EPSG:4326", "fathom", "'fathom'"), ("EPSG:32649+8228", "m", "'m' and, in its CRS"),
        ("EPSG:32649+5715", None, "down"),
    ],
)  # fmt: skip
def test_units_that_are_not_known_or_differ_are_refused(tmp_path, crs, units, words):
    path = degrees(crs, 1000.0, units, tmp_path / "dem.tif")
    with pytest.raises(ProductError, match=words):
        read_heights(path, "ellipsoid", AROUND)


def test_scale_and_offset_of_a_model_are_applied(tmp_path):
    write_cog(tmp_path / "dem.tif", np.full(G.shape, 2000, np.int16), G, Layout(1, "int16", -1, scale=0.1, offset=50.0))
    assert (read_heights(tmp_path / "dem.tif", "ellipsoid", area()).values == 250).all()


def test_deep_voids_are_left_and_shallow_ones_filled(tmp_path):
    wide = grid(400, 400)
    heights = hills(wide)
    truth = heights.copy()
    heights[40:300, 40:300] = np.nan  # 130 pixels deep
    heights[340:350, 340:350] = np.nan
    write_cog(tmp_path / "dem.tif", heights, wide, Layout(1, "float32", math.nan))
    found = read_heights(tmp_path / "dem.tif", "ellipsoid", area(wide, 10), voids="leave")
    rows, cols = np.array([170, 45, 345, 20]), np.array([170, 170, 345, 20])
    got = found.at(*geographic(wide, rows, cols))
    assert np.isnan(got[:2]).all()  # the whole void, its edge too
    np.testing.assert_allclose(got[2:], truth[rows[2:], cols[2:]], atol=4)
    assert "too deep to fill" in found.warnings[0]
    assert "filled" in found.warnings[1]
    with pytest.raises(ProductError, match="reaches 1"):
        read_heights(tmp_path / "dem.tif", "ellipsoid", area(wide, 10), voids="fill")


def test_a_mean_of_fine_heights_leaves_voids_out(tmp_path):
    fine = grid(402, 402, 1.0)
    heights = np.full(fine.shape, 100.0, np.float32)
    heights[200:204, 200:202] = 300
    heights[200:204, 202:204] = np.nan
    heights[400:, :] = 500  # the last block has two rows of its own
    write_cog(tmp_path / "dem.tif", heights, fine, Layout(1, "float32", math.nan))
    lon, lat = geographic(fine, np.array([10, 391]), np.array([10, 391]))
    found = read_heights(
        tmp_path / "dem.tif", "ellipsoid", box(min(lon), min(lat), max(lon), max(lat)), pixel_size_m=4.0
    )
    row, col = found.grid.pixel_indices(*fine.pixel_centres(np.array([201, 401]), np.array([200, 8])))
    assert found.values[row[0], col[0]] == 300
    assert found.values[row[1], col[1]] == 500


def test_heights_on_both_sides_of_180_degrees(tmp_path):
    rows, cols = np.arange(200)[:, None], np.arange(400)[None, :]
    heights = (100 + rows + cols).astype(np.float32)
    for west in (179.8, -180.2):
        g = Grid(CRS.from_epsg(4326), Affine(0.001, 0, west, 0, -0.001, -16.7), 200, 400)
        write_cog(tmp_path / "dem.tif", heights, g, Layout(1, "float32"))
        for shift in (0, 360, -360):
            around = box(179.9 + shift, -16.85, 180.1 + shift, -16.75)
            found = read_heights(tmp_path / "dem.tif", "ellipsoid", around)
            # 0.25 degrees from the western edge is column 249.5
            np.testing.assert_allclose(found.at([180.05, -179.95], [-16.8, -16.8]), 100 + 99.5 + 249.5, atol=0.01)
    world = Grid(CRS.from_epsg(4326), Affine(1, 0, -180, 0, -1, 90), 180, 360)
    write_cog(tmp_path / "dem.tif", np.zeros(world.shape, np.int16), world, Layout(1, "int16"))
    with pytest.raises(ProductError, match=r"lacks .* degrees in the (east|west)"):
        read_heights(tmp_path / "dem.tif", "ellipsoid", box(178, -16.85, 182, -16.75))


def test_a_regional_geoid_from_0_to_360(tmp_path):
    g = Grid(CRS.from_epsg(4326), Affine(0.25, 0, 180, 0, -0.25, 60), 120, 200)
    slope = (g.pixel_centres(np.arange(120)[:, None], np.arange(200)[None, :])[0] + np.zeros((120, 200))).astype(
        np.float32
    )
    write_cog(tmp_path / "geoid.tif", slope, g, Layout(1, "float32"))
    assert float(undulation(-150.0, 45.0, tmp_path / "geoid.tif")) == pytest.approx(210)
    assert float(undulation(180.01, 45.0, tmp_path / "geoid.tif")) == pytest.approx(180.125)
    with pytest.raises(ProductError, match="does not cover"):
        undulation(112.0, 45.0, tmp_path / "geoid.tif")


def test_single_columns_beside_the_model_have_no_height():
    surface = Heights(hills(G), G, "", "")
    rows, cols = np.full((1, 4), 50, np.float32), np.array([[-0.6, -0.4, 239.4, 239.6]], np.float32)
    assert np.isnan(surface.sample(rows, cols)).tolist() == [[True, False, False, True]]
    assert np.isnan(surface.sample(rows - 20, cols - 10, (20, 10))).tolist() == [[True, False, False, True]]


def test_relief_beyond_the_scene_is_read_with_it(dem):
    found = read_heights(dem, "ellipsoid", area(inset=40))
    # sixteen heights around the scene, for what relief displaces
    lon, lat = geographic(G, np.array([28, 100]), np.array([100, 28]))
    assert np.isfinite(found.at(lon, lat)).all()
