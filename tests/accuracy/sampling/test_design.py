"""Drawing a stratified random sample: areas, probabilities, the belt, distances, files for QGIS."""

import hashlib
import json
import re
import sqlite3
import zipfile
from contextlib import closing
from xml.etree import ElementTree

import geopandas as gpd
import matplotlib.image
import numpy as np
import pyogrio
import pytest
from affine import Affine
from pyproj import CRS
from scipy import stats
from shapely.geometry import box

from pitmap.accuracy.sampling import strata as module
from pitmap.accuracy.sampling.design import DesignOptions, design, draw
from pitmap.accuracy.sampling.sample_file import read_sample
from pitmap.accuracy.sampling.strata import map_checksum
from pitmap.errors import LabelError
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog

GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_600_000), 120, 150)


def write_map(folder, codes, grid=GRID, name="map.tif"):
    path = folder / name
    write_cog(path, codes, grid, codes_layout(DEFAULT_LEGEND))
    return path


@pytest.fixture
def codes():
    codes = np.full(GRID.shape, 6, np.uint8)
    codes[20:60, 20:80] = 1
    codes[100:, 100:] = 2
    codes[:5] = 0
    return codes


def test_strata_areas_allocation_and_membership(tmp_path, codes):
    drawn = draw(write_map(tmp_path, codes), DesignOptions(points=200, floor=50))
    assert [s.name for s in drawn.strata] == ["OPM", "WAT", "VEG"]
    assert [s.pixels for s in drawn.strata] == [(codes == c).sum() for c in (1, 2, 6)]
    assert [s.area for s in drawn.strata] == pytest.approx(
        [(codes == c).sum() * 0.01 / 0.9996**2 for c in (1, 2, 6)], rel=1e-4
    )
    assert sum(s.points for s in drawn.strata) == 200
    assert min(s.points for s in drawn.strata) >= 50
    assert drawn.unit == "ha"
    assert drawn.unmapped_area == pytest.approx(5 * 150 * 0.01 / 0.9996**2, rel=1e-4)
    np.testing.assert_array_equal(codes[drawn.rows, drawn.cols], drawn.codes)
    assert [drawn.strata[h].map_classes for h in drawn.stratum_of] == [(c,) for c in drawn.codes]
    assert len(set(zip(drawn.rows.tolist(), drawn.cols.tolist(), strict=True))) == 200
    assert "200 points drawn" in drawn.summary()


def test_the_draw_follows_the_seed_and_does_not_depend_on_strips(tmp_path, codes, monkeypatch):
    path = write_map(tmp_path, codes)
    first, again = (draw(path, DesignOptions(points=160, seed=4)) for _ in range(2))
    np.testing.assert_array_equal(first.rows, again.rows)
    other = draw(path, DesignOptions(points=160, seed=5))
    assert not np.array_equal(first.rows, other.rows)
    monkeypatch.setattr(module, "STRIP_ROWS", 37)
    strips = draw(path, DesignOptions(points=160, seed=4))
    np.testing.assert_array_equal(strips.rows, first.rows)
    np.testing.assert_array_equal(strips.cols, first.cols)
    assert strips.checksum == first.checksum == map_checksum(path)
    assert first.checksum == hashlib.sha256(b"120 x 150\n" + codes.tobytes()).hexdigest()


def test_point_numbers_tell_nothing_of_the_stratum(tmp_path, codes):
    drawn = draw(write_map(tmp_path, codes), DesignOptions(points=300, allocation="equal"))
    ranks = [np.flatnonzero(drawn.stratum_of == h) for h in range(3)]
    assert stats.kruskal(*ranks).pvalue > 1e-3


def test_every_pixel_of_a_stratum_has_the_same_chance(tmp_path):
    grid = Grid(GRID.crs, GRID.transform, 8, 8)
    path = write_map(tmp_path, np.ones(grid.shape, np.uint8), grid)
    hits = np.zeros(grid.shape)
    for seed in range(60):
        drawn = draw(path, DesignOptions(points=16, floor=0, seed=seed))
        hits[drawn.rows, drawn.cols] += 1
    assert hits.sum() == 60 * 16
    assert stats.chisquare(hits.ravel()).pvalue > 1e-3


def test_in_geographic_coordinates_the_chance_follows_the_area(tmp_path):
    # Pixels of half a degree from 45 to 85 degrees north: the northern ones are eight times smaller.
    grid = Grid(CRS.from_epsg(4326), Affine(0.5, 0, 10, 0, -0.5, 85), 80, 10)
    path = write_map(tmp_path, np.ones(grid.shape, np.uint8), grid)
    rows = np.concatenate([draw(path, DesignOptions(points=40, floor=0, seed=s)).rows for s in range(40)])
    area = grid.pixel_areas_m2().sum(axis=1)
    expected = (area * np.arange(80)).sum() / area.sum()
    spread = np.sqrt((area * (np.arange(80) - expected) ** 2).sum() / area.sum() / len(rows))
    assert abs(rows.mean() - expected) < 4 * spread
    assert abs(39.5 - expected) > 10 * spread


def test_belt_round_the_mines(tmp_path, codes, monkeypatch):
    path = write_map(tmp_path, codes)
    options = DesignOptions(points=250, floor=50, buffer_class="OPM", buffer_m=35.0)
    drawn = draw(path, options)
    assert [s.name for s in drawn.strata] == ["OPM", "WAT", "VEG", "near OPM"]
    belt = drawn.strata[3]
    assert belt.map_classes == (6,)
    rows, cols = np.indices(codes.shape)
    dr = np.maximum(np.maximum(20 - rows, rows - 59), 0) * 10
    dc = np.maximum(np.maximum(20 - cols, cols - 79), 0) * 10
    near = (np.hypot(dr, dc) <= 35) & (codes != 1) & (codes != 0)
    assert belt.pixels == pytest.approx(near.sum(), abs=10)  # the ground's metres are 0.04 % longer than the map's
    in_belt = drawn.stratum_of == 3
    assert near[drawn.rows[in_belt], drawn.cols[in_belt]].all()
    monkeypatch.setattr(module, "STRIP_ROWS", 7)
    np.testing.assert_array_equal(draw(path, options).rows, drawn.rows)
    with pytest.raises(LabelError, match="belt of 0 m"):
        draw(path, DesignOptions(buffer_class="OPM"))
    with pytest.raises(LabelError, match="no class 'PIT'"):
        draw(path, DesignOptions(buffer_class="PIT", buffer_m=10))


def test_least_distance(tmp_path, codes):
    path = write_map(tmp_path, codes)
    drawn = draw(path, DesignOptions(points=60, floor=15, spacing_m=60.0))
    y, x = drawn.rows * 10.0, drawn.cols * 10.0
    distance = np.hypot(y[:, None] - y, x[:, None] - x)[np.triu_indices(60, 1)]
    assert distance.min() >= 59.9
    assert [s.points for s in drawn.strata] == [(drawn.stratum_of == h).sum() for h in range(3)]
    with pytest.raises(LabelError, match="2000 m apart"):
        draw(path, DesignOptions(points=60, floor=15, spacing_m=2000.0))


def test_extent_limits_the_ground(tmp_path, codes):
    extent = tmp_path / "extent.gpkg"
    gpd.GeoDataFrame(geometry=[box(500_000, 5_599_000, 500_500, 5_600_000)], crs=GRID.crs).to_file(extent)
    drawn = draw(write_map(tmp_path, codes), DesignOptions(points=100, extent=extent))
    assert drawn.rows.max() < 100
    assert drawn.cols.max() < 50
    assert [s.pixels for s in drawn.strata] == [(codes[:100, :50] == c).sum() for c in (1, 6)]
    assert drawn.unmapped_area == pytest.approx(5 * 50 * 0.01 / 0.9996**2, rel=1e-4)


def test_sample_size_from_a_target(tmp_path, codes):
    path = write_map(tmp_path, codes)
    drawn = draw(path, DesignOptions(standard_error=0.025, expected_users_accuracy=0.9, floor=0))
    assert len(drawn.rows) == 144  # (0.3 / 0.025)^2
    by_class = DesignOptions(interval_width=0.1, expected_users_accuracy={"VEG": 0.95, "OPM": 0.6}, allocation="neyman")
    strata = draw(path, by_class).strata
    assert strata[0].points / strata[0].pixels > strata[2].points / strata[2].pixels
    with pytest.raises(LabelError, match="XYZ, which are no strata"):
        draw(path, DesignOptions(expected_users_accuracy={"XYZ": 0.9}))


def test_strata_smaller_than_their_floor_are_taken_whole(tmp_path, codes):
    codes[codes == 2] = 6
    codes[110, 110:113] = 2
    drawn = draw(write_map(tmp_path, codes), DesignOptions(points=150, floor=40))
    assert [s.points for s in drawn.strata][1] == 3
    assert len(drawn.rows) == 150


def test_map_without_crs_and_map_without_data(tmp_path, codes):
    plain = Grid(None, Affine.identity(), *GRID.shape)
    drawn = design(write_map(tmp_path, codes, plain), tmp_path / "points.gpkg", DesignOptions(points=100, floor=20))
    assert drawn.unit == "pixels"
    assert drawn.strata[0].area == 2400
    with pytest.raises(LabelError, match="nothing to sample"):
        draw(write_map(tmp_path, np.zeros_like(codes)), DesignOptions())
    bad = tmp_path / "bad.tif"
    write_cog(bad, np.full(GRID.shape, 9, np.uint8), GRID, Layout(1, "uint8", nodata=0.0))
    with pytest.raises(LabelError, match="holds the code 9"):
        draw(bad, DesignOptions())


def test_steps_of_a_pixel():
    assert GRID.pixel_steps_m == pytest.approx((10 / 0.9996, 10 / 0.9996), rel=1e-4)
    degrees = Grid(CRS.from_epsg(4326), Affine(0.001, 0, 10, 0, -0.001, 60), 10, 10)
    row, col = degrees.pixel_steps_m
    assert row == pytest.approx(111.4, abs=0.1)
    assert col == pytest.approx(55.8, abs=0.1)


def test_files_for_the_interpreter(tmp_path, codes):
    image = tmp_path / "image.tif"
    generator = np.random.default_rng(1)
    write_cog(image, generator.integers(100, 3000, (4, *GRID.shape), dtype=np.uint16), GRID, Layout(4, "uint16"))
    out = tmp_path / "points.gpkg"
    options = DesignOptions(points=60, floor=10, seed=3, images=(image,), bands=(4, 3, 2), chip_pixels=32)
    design(write_map(tmp_path, codes), out, options)
    points = gpd.read_file(out, layer="points")
    assert len(points) == 60
    assert sorted(points["point_id"]) == list(range(1, 61))
    assert points["reference"].isna().all()
    assert not points["doubtful"].any()
    rows, cols = GRID.pixel_indices(points.geometry.x.to_numpy(), points.geometry.y.to_numpy())
    drawn = read_sample(out).drawn
    np.testing.assert_array_equal(codes[rows, cols], drawn["map_code"])
    np.testing.assert_array_equal((rows, cols), (drawn["row"], drawn["col"]))
    # Points lie in the centres of pixels.
    np.testing.assert_allclose((points.geometry.x - 500_000) % 10, 5)
    strata = pyogrio.read_dataframe(out, layer="strata", read_geometry=False)
    assert strata["points"].sum() == 60
    about = pyogrio.read_dataframe(out, layer="design", read_geometry=False).set_index("key")["value"]
    assert json.loads(about["map_sha256"]) == map_checksum(tmp_path / "map.tif")
    assert json.loads(about["seed"]) == 3
    assert json.loads(about["options"])["images"][0].endswith("image.tif")
    for name in (*points["chip_1"], *points["chip_1_wide"]):
        assert matplotlib.image.imread(tmp_path / name).shape[:2] == (128, 128)


def test_the_style_blinds_the_interpreter(tmp_path, codes):
    out = tmp_path / "points.gpkg"
    design(write_map(tmp_path, codes), out, DesignOptions(points=60, floor=10))
    with closing(sqlite3.connect(out)) as database, database:
        table, geometry, qml, default = database.execute(
            "SELECT f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles"
        ).fetchone()
    database.close()
    assert (table, geometry, default) == ("points", "geom", 1)
    style = ElementTree.fromstring(qml.split("\n", 1)[1])
    widgets = {f.get("name"): f.find("editWidget") for f in style.findall("fieldConfiguration/field")}
    assert widgets["reference"].get("type") == "ValueMap"
    choices = [o for o in widgets["reference"].iter("Option") if o.get("value")]
    assert {o.get("name"): o.get("value") for o in choices} == {c.name: str(c.code) for c in DEFAULT_LEGEND}
    columns = {c.get("name") for c in style.findall("attributetableconfig/columns/column")}
    assert columns == {"point_id", "reference", "doubtful", "comment"}
    assert style.find("previewExpression").text == '"point_id"'
    assert style.find("mapTip").text == '[% "point_id" %]'


def test_the_labelling_project_says_nothing_of_the_map(tmp_path, codes):
    folder = tmp_path / "labelling"
    folder.mkdir()
    image, out = tmp_path / "june.tif", folder / "points.gpkg"
    pixels = np.random.default_rng(0).integers(100, 3000, (4, *GRID.shape), dtype=np.uint16)
    write_cog(image, pixels, GRID, Layout(4, "uint16"))
    source = write_map(tmp_path, codes)
    drawn = design(source, out, DesignOptions(points=60, floor=10, images=(image,)))
    with zipfile.ZipFile(folder / "points.qgz") as archive:
        project = ElementTree.fromstring(archive.read("project.qgs").split(b"\n", 1)[1])
    assert [s.text for s in project.iter("datasource")] == ["./points.gpkg|layername=points", "../june.tif"]
    extent = [float(side.text) for side in project.find("mapcanvas/extent")]
    assert extent == pytest.approx(GRID.bounds)
    # The classes stand in the list of answers, all of them and in the order of the legend, and nowhere else.
    for field in project.findall(".//field[@name='reference']"):
        (answers,) = field.iter("config")
        assert [o.get("name") for o in answers.iter("Option") if o.get("value")] == [c.name for c in DEFAULT_LEGEND]
        field.remove(field.find("editWidget"))
    rest = ElementTree.tostring(project, encoding="unicode")
    words = [*DEFAULT_LEGEND.keys, *(c.name for c in DEFAULT_LEGEND), *(s.name for s in drawn.strata)]
    for secret in (*words, source.name, "drawn", "strata", "stratum", "map_code"):
        assert not re.search(rf"\b{re.escape(secret)}\b", rest), secret


def test_a_labelling_project_that_was_saved_in_qgis_is_left_alone(tmp_path, codes):
    source, out = write_map(tmp_path, codes), tmp_path / "points.gpkg"
    design(source, out, DesignOptions(points=60, floor=10))
    project = out.with_suffix(".qgz")
    before = project.read_bytes()
    out.unlink()
    design(source, out, DesignOptions(points=60, floor=10))
    assert project.read_bytes() == before  # the same sample, the same bytes
    with zipfile.ZipFile(project, "w") as archive:
        archive.writestr("points.qgs", "<qgis/>")
    saved = project.read_bytes()
    design(source, tmp_path / "other.gpkg", DesignOptions(points=60, floor=10))
    out.unlink()
    design(source, out, DesignOptions(points=60, floor=10))
    assert project.read_bytes() == saved
