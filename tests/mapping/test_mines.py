import json
import sqlite3
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Geod
from shapely.geometry import Polygon

from pitmap.errors import ImageError, LabelError, OutputError
from pitmap.grid import PIXEL_FRAME, Grid
from pitmap.legend import DEFAULT_LEGEND, LandCoverClass, Legend
from pitmap.mapping.measures import measure
from pitmap.mapping.mines import extract_mines
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog

UTM = Grid(CRS.from_epsg(32633), Affine(4, 0, 500_000, 0, -4, 5_600_000), 20, 24)
MINE = DEFAULT_LEGEND["OPM"].code
DUMP = DEFAULT_LEGEND["WDA"].code


def table_of(*arguments, **options):
    return extract_mines(*arguments, **options).table


def write_map(path: Path, codes: np.ndarray, grid: Grid, tags: dict[str, str] | None = None) -> Path:
    write_cog(path, codes.astype(np.uint8), grid, codes_layout(DEFAULT_LEGEND, tags))
    return path


def two_pits_and_a_dump() -> np.ndarray:
    codes = np.full(UTM.shape, 6, np.uint8)
    codes[2:9, 3:11] = MINE  # 7 x 8 with a hole of 2 x 3
    codes[4:6, 5:8] = 2
    codes[9:12, 11:13] = MINE  # touches the first only at a corner
    codes[15:18, 0:5] = DUMP
    codes[0, 23] = MINE
    codes[19, 0:4] = 0
    return codes


def test_polygons_against_hand_computed_ones(tmp_path: Path):
    mines = table_of(write_map(tmp_path / "map.tif", two_pits_and_a_dump(), UTM), tmp_path / "mines.gpkg")
    assert list(mines["id"]) == [1, 2, 3]
    assert list(mines["pixels"]) == [7 * 8 - 2 * 3, 6, 1]
    x, y = 500_000 + 4 * 3, 5_600_000 - 4 * 2
    hx, hy = 500_000 + 4 * 5, 5_600_000 - 4 * 4
    expected = Polygon(
        [(x, y), (x + 32, y), (x + 32, y - 28), (x, y - 28)],
        [[(hx, hy), (hx + 12, hy), (hx + 12, hy - 8), (hx, hy - 8)]],
    )
    assert mines.geometry[0].equals(expected)
    assert mines.geometry.is_valid.all()
    # On the central meridian of UTM a length on the ellipsoid is the length on the map divided by 0.9996.
    assert mines["area_m2"][0] == pytest.approx(50 * 16 / 0.9996**2, rel=1e-5)
    assert mines["perimeter_m"][0] == pytest.approx((2 * (32 + 28) + 2 * (12 + 8)) / 0.9996, rel=1e-5)
    assert mines["area_ha"][0] == mines["area_m2"][0] / 10_000
    assert set(mines["class"]) == {"OPM"}
    assert set(mines["name"]) == {"open-pit mine"}


def test_the_file_holds_the_same_table(tmp_path: Path):
    source = write_map(tmp_path / "map.tif", two_pits_and_a_dump(), UTM, {"PITMAP_IMAGE": "gf2.tif"})
    mines = table_of(source, tmp_path / "mines.gpkg", classes=("OPM", "WDA"))
    read = gpd.read_file(tmp_path / "mines.gpkg", layer="mines")
    assert read.crs == UTM.crs
    assert list(read.columns) == [
        "id", "class", "name", "pixels", "area_m2", "area_ha", "perimeter_m", "image", "geometry"
    ]  # fmt: skip
    assert list(read["class"]) == ["OPM", "WDA", "OPM", "OPM"]
    assert list(read["id"]) == [1, 2, 3, 4]
    assert set(read["image"]) == {"gf2.tif"}
    assert all(a.equals(b) for a, b in zip(read.geometry, mines.geometry, strict=True))


def test_minimum_mapping_unit_applies_to_polygons_not_to_holes(tmp_path: Path):
    source = write_map(tmp_path / "map.tif", two_pits_and_a_dump(), UTM)
    mines = table_of(source, tmp_path / "mines.gpkg", minimum_mapping_unit_m2=100)  # the hole has 96 m2
    assert list(mines["pixels"]) == [50]
    assert len(mines.geometry[0].interiors) == 1
    assert list(table_of(source, tmp_path / "px.gpkg", minimum_mapping_unit_pixels=6)["pixels"]) == [50, 6]


@pytest.mark.parametrize(
    ("epsg", "transform"),
    [
        (3857, Affine(10, 0, 1_800_000, 0, -10, 6_600_000)),
        (4326, Affine(1e-4, 0, 16.2, 0, -1e-4, 50.9)),
        (32633, Affine(3, 1, 580_000, 1, -3, 5_640_000)),
    ],
)
def test_areas_are_those_of_the_ellipsoid_in_any_crs(tmp_path: Path, epsg: int, transform: Affine):
    grid = Grid(CRS.from_epsg(epsg), transform, 300, 400)
    codes = np.full(grid.shape, 6, np.uint8)
    codes[10:290, 20:390] = MINE
    codes[100:200, 100:300] = 4
    mines = table_of(write_map(tmp_path / "map.tif", codes, grid), tmp_path / "mines.gpkg")
    assert mines["area_m2"][0] == pytest.approx(grid.pixel_areas_m2()[codes == MINE].sum(), rel=1e-6)


def test_perimeter_follows_the_parallel():
    # A cell of 10 degrees: its northern edge is the parallel, not the geodesic between its corners.
    cell = np.array([Polygon([(0, 40), (10, 40), (10, 50), (0, 50)])], dtype=object)
    a, f = 6378137.0, 1 / 298.257223563
    e2 = f * (2 - f)

    def parallel(latitude: float) -> float:
        phi = np.radians(latitude)
        return np.radians(10) * a * np.cos(phi) / np.sqrt(1 - e2 * np.sin(phi) ** 2)

    meridian = Geod(ellps="WGS84").line_length([0, 0], [40, 50])
    measures = measure(cell, CRS.from_epsg(4326), 0.01)
    assert measures.perimeter_m[0] == pytest.approx(parallel(40) + parallel(50) + 2 * meridian, rel=1e-7)


def test_confidence_is_the_mean_over_the_pixels(tmp_path: Path):
    confidence = np.arange(480).reshape(UTM.shape) % 251 + 2
    confidence[2, 3] = 0  # not stated
    write_cog(tmp_path / "c.tif", confidence.astype(np.uint8), UTM, Layout(1, "uint8", 0, scale=1 / 255))
    mines = table_of(
        write_map(tmp_path / "map.tif", two_pits_and_a_dump(), UTM), tmp_path / "mines.gpkg", classes=["OPM", "WDA"],
        confidence=tmp_path / "c.tif",
    )  # fmt: skip
    first = np.zeros(UTM.shape, bool)
    first[2:9, 3:11] = True
    first[4:6, 5:8] = first[2, 3] = False
    assert mines["confidence"][0] == pytest.approx(confidence[first].mean() / 255)
    assert mines["confidence"][1] == pytest.approx(confidence[15:18, 0:5].mean() / 255)


def test_confidence_of_another_grid_is_refused(tmp_path: Path):
    write_cog(tmp_path / "c.tif", np.zeros((20, 23), np.uint8), UTM.crop(UTM.window._replace(width=23)),
              Layout(1, "uint8", 0, scale=1 / 255))  # fmt: skip
    source = write_map(tmp_path / "map.tif", two_pits_and_a_dump(), UTM)
    with pytest.raises(ImageError, match="20 x 23 pixels"):
        extract_mines(source, tmp_path / "mines.gpkg", confidence=tmp_path / "c.tif")
    assert not (tmp_path / "mines.gpkg").exists()


def test_a_map_without_crs_gives_pixels(tmp_path: Path):
    grid = Grid(None, PIXEL_FRAME, 20, 24)
    source = write_map(tmp_path / "map.tif", two_pits_and_a_dump(), grid)
    mines = table_of(source, tmp_path / "mines.gpkg", minimum_mapping_unit_m2=1e9)
    assert not {"area_m2", "area_ha", "perimeter_m"} & set(mines.columns)
    assert mines.geometry[0].bounds == (3, -9, 11, -2)  # rows downwards, as QGIS lays such a raster out
    read = gpd.read_file(tmp_path / "mines.gpkg", layer="mines")
    assert read.crs is None or read.crs.name.startswith("Undefined")
    assert list(read["pixels"]) == [50, 6, 1]


def test_no_mine_is_an_empty_layer(tmp_path: Path):
    source = write_map(tmp_path / "map.tif", np.full(UTM.shape, 6), UTM, {"PITMAP_IMAGE": "gf2.tif"})
    assert len(table_of(source, tmp_path / "mines.gpkg")) == 0
    info = pyogrio.read_info(tmp_path / "mines.gpkg", layer="mines")
    assert info["features"] == 0
    assert info["geometry_type"] == "Polygon"
    assert dict(zip(info["fields"], info["dtypes"], strict=True)) == {
        "id": "int64", "class": "object", "name": "object", "pixels": "int64", "area_m2": "float64",
        "area_ha": "float64", "perimeter_m": "float64", "image": "object",
    }  # fmt: skip


def test_regions_of_noise_keep_every_pixel_and_are_valid(tmp_path: Path):
    codes = np.random.default_rng(0).choice([1, 6], UTM.shape).astype(np.uint8)
    mines = table_of(write_map(tmp_path / "map.tif", codes, UTM), tmp_path / "mines.gpkg")
    assert mines["pixels"].sum() == (codes == 1).sum()
    assert mines.geometry.is_valid.all()
    assert list(mines["pixels"]) == sorted(mines["pixels"], reverse=True)


def test_the_layer_carries_the_legends_colour(tmp_path: Path):
    extract_mines(write_map(tmp_path / "map.tif", two_pits_and_a_dump(), UTM), tmp_path / "mines.gpkg")
    with closing(sqlite3.connect(tmp_path / "mines.gpkg")) as database, database:
        table, column, style, default = database.execute(
            "SELECT f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles"
        ).fetchone()
        assert database.execute(
            "SELECT count(*) FROM gpkg_geometry_columns WHERE table_name = ? AND column_name = ?", (table, column)
        ).fetchone() == (1,)
    assert default == 1
    root = ElementTree.fromstring(style.split("\n", 1)[1])
    assert root.find(".//category").attrib["value"] == "OPM"
    colours = [option.attrib["value"] for option in root.findall(".//symbol/layer//Option[@name='line_color']")]
    assert colours == ["255,255,255,255", "215,25,28,255"]  # a light casing: the line is seen on the map's own red


def test_the_same_map_gives_the_same_bytes(tmp_path: Path):
    source = write_map(tmp_path / "map.tif", two_pits_and_a_dump(), UTM)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        extract_mines(source, tmp_path / name / "mines.gpkg")
    assert (tmp_path / "a" / "mines.gpkg").read_bytes() == (tmp_path / "b" / "mines.gpkg").read_bytes()


def test_unknown_classes_and_legends_are_refused(tmp_path: Path):
    source = write_map(tmp_path / "map.tif", two_pits_and_a_dump(), UTM)
    with pytest.raises(LabelError, match="no class PIT"):
        extract_mines(source, tmp_path / "mines.gpkg", classes=["PIT"])
    write_cog(tmp_path / "bare.tif", two_pits_and_a_dump(), UTM, Layout(1, "uint8", 0))
    with pytest.raises(LabelError, match="does not say what its codes mean"):
        extract_mines(tmp_path / "bare.tif", tmp_path / "mines.gpkg")
    assert len(table_of(tmp_path / "bare.tif", tmp_path / "ok.gpkg", legend=DEFAULT_LEGEND)) == 3
    no_mines = Legend([LandCoverClass(c.code, f"K{c.code}", f"class {c.code}", c.colour) for c in DEFAULT_LEGEND])
    with pytest.raises(LabelError, match=r"None of the classes .* is called a pit"):
        extract_mines(tmp_path / "bare.tif", tmp_path / "mines.gpkg", legend=no_mines)
    write_cog(tmp_path / "float.tif", np.ones(UTM.shape, np.float32), UTM, Layout(1, "float32"))
    with pytest.raises(ImageError, match="float32"):
        extract_mines(tmp_path / "float.tif", tmp_path / "mines.gpkg", legend=DEFAULT_LEGEND)
    assert not (tmp_path / "mines.gpkg").exists()


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("pitmap.geopackage._add_styles", full)
    source = write_map(tmp_path / "map.tif", two_pits_and_a_dump(), UTM)
    before = set(tmp_path.iterdir())
    with pytest.raises(OutputError, match="disk is full"):
        extract_mines(source, tmp_path / "mines.gpkg")
    assert set(tmp_path.iterdir()) == before


def test_the_result_says_where_the_mines_are_and_how_large(tmp_path):
    source = write_map(tmp_path / "map.tif", two_pits_and_a_dump(), UTM)
    found = extract_mines(source, tmp_path / "mines.gpkg")
    assert (found.path, found.count) == (tmp_path / "mines.gpkg", len(found.table))
    assert found.area_ha == pytest.approx(found.table["area_m2"].sum() / 1e4)
    content = json.loads(json.dumps(found.to_json()))
    assert [row["area_ha"] for row in content["mines"]] == list(found.table["area_ha"])
    assert content["pixels"] == found.table["pixels"].sum()
    assert found.summary().startswith(f"{found.count} mine polygon(s), {found.area_ha:.1f} ha, in ")


def test_simpler_outlines_have_the_perimeter_of_the_mine_and_the_area_of_its_pixels(tmp_path: Path):
    """A disc beside a dump that cuts it: the common border stays common."""
    grid = Grid(UTM.crs, UTM.transform, 200, 200)
    row, col = np.mgrid[:200, :200]
    codes = np.full(grid.shape, 6, np.uint8)
    codes[np.hypot(row - 50.3, col - 60.2) < 40] = MINE
    codes[np.hypot(row - 140.1, col - 90.4) < 50] = DUMP
    codes[np.hypot(row - 110.2, col - 130.2) < 30] = MINE
    source = write_map(tmp_path / "map.tif", codes, grid)
    stairs = extract_mines(source, tmp_path / "stairs.gpkg", classes=("OPM", "WDA"))
    simple = extract_mines(source, tmp_path / "simple.gpkg", classes=("OPM", "WDA"), simplify_m=8.0)
    assert stairs.simplification is None
    before, after = stairs.table, simple.table
    assert list(before["area_ha"]) == list(after["area_ha"])
    disc = int(np.flatnonzero(after.geometry.bounds["maxy"] > 5_600_000 - 4 * 20)[0])
    circle = 2 * np.pi * 40 * 4 / 0.9996
    assert before["perimeter_m"][disc] / circle == pytest.approx(4 / np.pi, rel=0.01)
    assert after["perimeter_m"][disc] / circle == pytest.approx(1, abs=0.03)
    assert (after["outline_change_pct"].abs() < 1).all()
    outline_ha = after.geometry.area / 0.9996**2 / 1e4
    np.testing.assert_allclose(outline_ha / after["area_ha"] - 1, after["outline_change_pct"] / 100, atol=1e-4)
    assert after.geometry.is_valid.all()
    assert after.geometry.area.sum() == pytest.approx(after.geometry.union_all().area, rel=1e-12)
    change = simple.simplification
    assert change.tolerance_m == 8.0
    assert change.area_change == pytest.approx(outline_ha.sum() / after["area_ha"].sum() - 1, abs=1e-4)
    assert 100 * abs(change.largest_change) == pytest.approx(after["outline_change_pct"].abs().max())
    assert "simplified by 8 m" in simple.summary()
    assert simple.to_json()["simplification"]["tolerance_m"] == 8.0


def test_polygons_of_all_classes_cover_the_ground_and_share_their_borders(tmp_path):
    """A disc of a mine, half of it in a lake, on vegetation; a corner has no data."""
    row, col = np.mgrid[:90, :120]
    codes = np.full((90, 120), 6, np.uint8)
    codes[:, 70:] = 2
    codes[np.hypot(row - 40.2, col - 70.3) < 25] = 1
    codes[:10, :10] = 0
    where = Grid(CRS.from_epsg(32633), Affine(4, 0, 500_000, 0, -4, 5_600_000), 90, 120)
    write_cog(tmp_path / "map.tif", codes, where, codes_layout(DEFAULT_LEGEND))
    stairs = extract_mines(tmp_path / "map.tif", tmp_path / "stairs.gpkg", all_classes=True)
    simple = extract_mines(tmp_path / "map.tif", tmp_path / "simple.gpkg", all_classes=True, simplify_m=8.0)
    assert [name for name, _ in pyogrio.list_layers(simple.path)][:1] == ["land_cover"]
    for made in (stairs, simple):
        polygons = np.asarray(made.table.geometry.array, dtype=object)
        assert set(made.table["class"]) == {"OPM", "WAT", "VEG"}
        assert made.pixels == (codes > 0).sum()
        # Without gaps and overlaps: the mapped ground is a rectangle less a corner, whatever the borders inside.
        ground = shapely.union_all(polygons)
        assert ground.area == pytest.approx(shapely.area(polygons).sum(), rel=1e-9)
        assert not ground.interiors
    by_class = stairs.table.groupby("class")["pixels"].sum()
    assert by_class.to_dict() == {DEFAULT_LEGEND[c].key: int((codes == c).sum()) for c in (1, 2, 6)}
    assert stairs.simplification is None
    assert shapely.coverage_is_valid(np.asarray(simple.table.geometry.array, dtype=object))
    area = shapely.area(np.asarray(simple.table.geometry.array, dtype=object))
    for key, change in simple.simplification.by_class.items():
        own = (simple.table["class"] == key).to_numpy()
        assert change == pytest.approx(area[own].sum() / (by_class[key] * 16) - 1, abs=1e-5)
    assert f"OPM {simple.simplification.by_class['OPM']:+.2%}" in simple.summary()
    assert simple.to_json()["land_cover"][0]["id"] == 1
    assert "land-cover polygon(s)" in stairs.summary()
