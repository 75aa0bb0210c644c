import math

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS
from shapely import box

from analytic_ground import UTM49, geographic, grid, hills
from pitmap.errors import ProductError
from pitmap.grid import Grid
from pitmap.imagery.heights import declared_datum, level, read_heights, typical_height, undulation
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
    with pytest.raises(ProductError, match="no CRS"):
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
