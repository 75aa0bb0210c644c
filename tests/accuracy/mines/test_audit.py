"""Mines found, missed, split and merged: hand-made cases with known areas and distances."""

import json
import sqlite3
from contextlib import closing

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import CRS, Geod
from shapely.geometry import MultiPolygon, Point, Polygon, box

from observers import Heard
from pitmap.accuracy.mines.audit import AuditOptions, audit, audit_polygons
from pitmap.accuracy.mines.place import size_class, size_name
from pitmap.errors import LabelError

UTM = CRS.from_epsg(32633)
X, Y = 500_000.0, 5_600_000.0
SCALE = 1 / 0.9996  # metres on the ground for a metre of the map, on the central meridian


def square(x, y, width, height=None):
    return box(X + x, Y + y, X + x + width, Y + y + (width if height is None else height))


def polygons(*shapes):
    return np.array(shapes, dtype=object)


def compare(mapped, reference, crs=UTM, **options):
    return audit_polygons(polygons(*mapped), polygons(*reference), crs, AuditOptions(**options))[0]


def test_found_missed_split_merged_true_and_false():
    reference = [
        square(0, 0, 100),  # found
        square(1000, 0, 100),  # split by a lane
        square(2000, 0, 100), square(2110, 0, 100),  # merged
        square(3000, 0, 100),  # missed: a quarter is mapped
        square(4000, 0, 100),  # missed: nothing there
    ]  # fmt: skip
    mapped = [
        square(0, 0, 100), square(1000, 0, 45, 100), square(1055, 0, 45, 100), square(2000, 0, 210, 100),
        square(3000, 0, 50), square(5000, 0, 100), square(3900, 0, 150, 100),
    ]  # fmt: skip
    result = compare(mapped, reference)
    verdicts = [r.verdict for r in result.reference]
    assert verdicts == ["found", "split", "merged", "merged", "missed", "found"]
    assert [m.verdict for m in result.mapped] == ["true", "true", "true", "true", "true", "false", "false"]
    assert result.reference[1].mapped == (2, 3)
    assert result.mapped[3].reference in (3, 4)
    assert result.mapped[5].reference is None
    t = result.totals
    assert (t.found, t.missed, t.split, t.merged, t.true, t.false) == (5, 1, 1, 2, 5, 2)
    assert result.figures["recall"].value == pytest.approx(5 / 6)
    assert result.figures["precision"].value == pytest.approx(5 / 7)
    # Pairs with IoU above 0.5: the found one (1); mine 6 has 0.5 / 2; merged ones 100 / 210; halves 0.45.
    assert result.figures["panoptic_quality"].value == pytest.approx(1 / ((6 + 7) / 2))
    assert result.figures["segmentation_quality"].value == pytest.approx(1)
    assert "5 of 6 mines found (1 split, 2 merged, 1 missed)" in result.summary()


def test_split_and_merged_at_once():
    reference = [square(0, 0, 100), square(110, 0, 100)]
    mapped = [square(30, 0, 170, 100), square(0, 0, 25, 100)]
    result = compare(mapped, reference)
    assert [r.verdict for r in result.reference] == ["split and merged", "merged"]
    assert result.reference[0].area_error_m2 is None


def test_areas_errors_and_distances_of_a_shifted_square():
    result = compare([square(10, 0, 100)], [square(0, 0, 100)])
    mine = result.reference[0]
    assert mine.area_m2 == pytest.approx(10_000 * SCALE**2, rel=1e-5)
    assert mine.area_error_m2 == pytest.approx(0, abs=1e-3)
    assert mine.covered == pytest.approx(0.9)
    assert mine.iou == pytest.approx(0.9 / 1.1)
    assert mine.distance_max_m == pytest.approx(10 * SCALE, rel=1e-4)
    # Outer side: 10 m all along; inner side: 10 m but for its ends, 9 m in the mean; twice 10 m that fall away.
    assert mine.distance_mean_m == pytest.approx((100 * 10 + 100 * 9 + 2 * 10 * 5) / 400 * SCALE, rel=1e-2)
    assert mine.distance_p95_m == pytest.approx(10 * SCALE, rel=1e-3)
    inner, both = 100**2 - 84**2, 2 * 8 * 90
    assert mine.boundary_iou == pytest.approx(both / (2 * inner - both), rel=0.02)


def test_area_error_and_boundary_of_a_grown_pit():
    mine = compare([Point(X, Y).buffer(105, 256)], [Point(X, Y).buffer(100, 256)]).reference[0]
    assert mine.area_error_m2 == pytest.approx(np.pi * (105**2 - 100**2) * SCALE**2, rel=1e-3)
    for distance in (mine.distance_mean_m, mine.distance_p95_m, mine.distance_max_m):
        assert distance == pytest.approx(5 * SCALE, rel=1e-2)


def test_perfect_map():
    shapes = [square(0, 0, 50), square(200, 0, 80), Point(X, Y + 500).buffer(40)]
    result = compare(shapes, shapes)
    assert {r.verdict for r in result.reference} == {"found"}
    for name in ("recall", "precision", "panoptic_quality", "area_iou"):
        assert result.figures[name].value == pytest.approx(1)
    assert result.reference[0].distance_max_m == pytest.approx(0, abs=1e-6)
    assert result.reference[0].boundary_iou == pytest.approx(1)


def test_holes_count():
    ring = square(0, 0, 100).difference(square(25, 25, 50))
    mine = compare([square(0, 0, 100)], [ring]).reference[0]
    assert mine.area_error_m2 == pytest.approx(2500 * SCALE**2, rel=1e-4)
    assert mine.distance_max_m == pytest.approx(25 * SCALE, rel=1e-3)


def test_no_mapped_mine_at_all():
    result = compare([], [square(0, 0, 50), square(100, 0, 50)])
    assert [r.verdict for r in result.reference] == ["missed", "missed"]
    assert result.figures["recall"].value == 0
    assert result.figures["precision"].value is None
    json.dumps(result.to_json(), allow_nan=False)


def test_size_classes_start_at_85_pixels_of_4_m():
    assert size_class(85 * 16 - 1) == 0
    assert size_class(1361) == 1
    assert size_name(0) == "below 1,361 m2"
    assert size_name(3) == "1 ha to 10 ha"
    assert size_name(5) == "100 ha and more"
    reference = [square(0, 0, 30), square(100, 0, 40), square(300, 0, 200)]
    result = compare([square(100, 0, 40), square(300, 0, 200)], reference)
    rows = {row.size: row for row in result.by_size}
    assert (rows["below 1,361 m2"].reference, rows["below 1,361 m2"].verdicts["missed"]) == (1, 1)
    assert rows["below 1,361 m2"].recall.value == 0
    assert rows["1,361 m2 to 5,000 m2"].recall.value == 1
    assert rows["100 ha and more"].recall.value is None
    assert sum(row.reference for row in result.by_size) == 3


def test_least_size_leaves_small_ones_out_on_both_sides():
    reference, mapped = [square(0, 0, 20), square(100, 0, 60)], [square(100, 0, 60), square(500, 0, 10)]
    result = compare(mapped, reference, minimum_m2=1000.0)
    assert (result.totals.reference, result.totals.mapped) == (1, 1)
    with pytest.raises(LabelError, match="No reference mine is left"):
        compare(mapped, reference, minimum_m2=1e6)


def test_geographic_coordinates_have_areas_of_the_ellipsoid():
    # 71 degrees north: a degree of longitude is a third of one of latitude.
    reference = box(25.0, 71.0, 25.06, 71.02)
    mapped = box(25.003, 71.0, 25.06, 71.02)
    result = compare([mapped], [reference], CRS.from_epsg(4326), step_m=20.0)
    edges = shapely.segmentize(reference, 0.0005)
    area, _ = Geod(ellps="WGS84").polygon_area_perimeter(*shapely.get_coordinates(edges).T)
    mine = result.reference[0]
    assert mine.area_m2 == pytest.approx(abs(area), rel=1e-6)
    assert mine.area_error_m2 == pytest.approx(-mine.area_m2 * 0.05, rel=1e-3)
    # The west side moved by 0.003 degrees of longitude at 71 degrees north.
    metres = Geod(ellps="WGS84").inv(25.0, 71.0, 25.003, 71.0)[2]
    assert mine.distance_max_m == pytest.approx(metres, rel=2e-3)


def test_groups_are_kept_apart():
    mapped = polygons(square(0, 0, 100))
    reference = polygons(square(0, 0, 100), square(0, 0, 90))
    result, _, _ = audit_polygons(mapped, reference, UTM, AuditOptions(), ["a"], ["b", "a"])
    assert [r.verdict for r in result.reference] == ["missed", "found"]
    rows = result.by_group
    assert (rows["a"].found, rows["b"].missed, rows["b"].mapped) == (1, 1, 0)
    assert rows["a"].area_iou == pytest.approx(0.81)
    assert rows["b"].area_iou == 0


def test_intervals_cover_and_follow_the_number_of_mines():
    generator = np.random.default_rng(8)

    def scene(number):
        found = generator.uniform(size=number) < 0.7
        reference = [square(300 * k, 0, 100) for k in range(number)]
        return compare([r for r, f in zip(reference, found, strict=True) if f], reference, draws=400)

    wide, narrow = scene(20).figures["recall"], scene(150).figures["recall"]
    assert wide.upper - wide.lower > 1.5 * (narrow.upper - narrow.lower)
    p = narrow.value
    assert narrow.standard_error == pytest.approx(np.sqrt(p * (1 - p) / 150), rel=0.15)


def test_files(tmp_path):
    reference = MultiPolygon([square(0, 0, 100), square(1000, 0, 100)])
    bow_tie = Polygon([(X + 2000, Y), (X + 2100, Y + 100), (X + 2100, Y), (X + 2000, Y + 100)])
    mapped = gpd.GeoDataFrame(
        {"use": ["pit", "pit", "wood"]},
        geometry=[square(0, 0, 100), square(3000, 0, 60), square(1000, 0, 100)],
        crs=UTM,
    )
    truth = gpd.GeoDataFrame({"code": [10, 10, 2]}, geometry=[reference, bow_tie, square(3000, 0, 60)], crs=UTM)
    mapped.to_file(tmp_path / "mines.gpkg")
    truth.to_crs(4326).to_file(tmp_path / "truth.gpkg")
    options = AuditOptions(field="use", values=["pit"], reference_field="code", reference_values=[10], draws=200)
    result = audit(tmp_path / "mines.gpkg", tmp_path / "truth.gpkg", options)
    # The multipolygon is two mines, the mended bow tie two triangles.
    assert [r.verdict for r in result.reference] == ["found", "missed", "missed", "missed"]
    assert [m.verdict for m in result.mapped] == ["true", "false"]
    assert result.reference[0].iou == pytest.approx(1, abs=1e-5)
    result.write(tmp_path / "audit.json")
    content = json.loads((tmp_path / "audit.json").read_text())
    assert content["sources"]["reference_repaired"] == 1
    assert "1 features had an invalid geometry, which was mended." in content["warnings"]
    assert content["definitions"]["missed"]
    assert content["reference_mines"][0]["id"] == 1
    layers = (
        gpd.read_file(tmp_path / "audit.gpkg", layer="reference"),
        gpd.read_file(tmp_path / "audit.gpkg", layer="mapped"),
    )
    assert list(layers[0]["verdict"]) == [r.verdict for r in result.reference]
    assert list(layers[1]["verdict"]) == ["true", "false"]
    assert layers[0].crs == UTM
    assert layers[0]["size"][0] == "1 ha to 10 ha"
    with closing(sqlite3.connect(tmp_path / "audit.gpkg")) as database, database:
        styles = dict(database.execute("SELECT f_table_name, styleQML FROM layer_styles").fetchall())
    database.close()
    assert 'attr="verdict"' in styles["reference"]
    assert 'value="false"' in styles["mapped"]


def test_touching_polygons_may_be_one_mine(tmp_path):
    truth = gpd.GeoDataFrame(geometry=[square(0, 0, 100), square(100, 0, 100)], crs=UTM)
    mapped = gpd.GeoDataFrame(geometry=[square(0, 0, 200, 100)], crs=UTM)
    truth.to_file(tmp_path / "truth.gpkg")
    mapped.to_file(tmp_path / "mines.gpkg")
    paths = tmp_path / "mines.gpkg", tmp_path / "truth.gpkg"
    assert [r.verdict for r in audit(*paths).reference] == ["merged", "merged"]
    assert [r.verdict for r in audit(*paths, AuditOptions(dissolve=True)).reference] == ["found"]


def test_an_empty_map_is_a_result(tmp_path):
    truth = gpd.GeoDataFrame({"v": [1]}, geometry=[square(0, 0, 100)], crs=UTM)
    truth.to_file(tmp_path / "truth.gpkg")
    pyogrio.write_dataframe(truth.iloc[:0], tmp_path / "mines.gpkg", geometry_type="Polygon")
    result = audit(tmp_path / "mines.gpkg", tmp_path / "truth.gpkg")
    assert result.totals.missed == 1
    result.write(tmp_path / "audit.json")
    assert len(gpd.read_file(tmp_path / "audit.gpkg", layer="mapped")) == 0
    with pytest.raises(LabelError, match="no feature"):
        audit(tmp_path / "truth.gpkg", tmp_path / "mines.gpkg")


def test_refusals(tmp_path):
    truth = gpd.GeoDataFrame({"code": [1]}, geometry=[square(0, 0, 100)], crs=UTM)
    truth.to_file(tmp_path / "truth.shp")
    truth.to_file(tmp_path / "plain.shp")
    (tmp_path / "plain.prj").unlink()
    with pytest.raises(LabelError, match="only one has a coordinate reference system"):
        audit(tmp_path / "truth.shp", tmp_path / "plain.shp")
    assert audit(tmp_path / "plain.shp", tmp_path / "plain.shp").reference[0].area_m2 == 10_000
    with pytest.raises(LabelError, match="has no value '7'"):
        audit(
            tmp_path / "truth.shp", tmp_path / "truth.shp", AuditOptions(reference_field="code", reference_values=[7])
        )
    with pytest.raises(LabelError, match="no file"):
        audit(tmp_path / "none.gpkg", tmp_path / "truth.shp")


def test_an_extent_cuts_both_layers_and_a_mine_in_pieces_stays_one(tmp_path):
    def write(name, shapes, crs=UTM):
        gpd.GeoDataFrame(geometry=shapes, crs=UTM).to_crs(crs).to_file(tmp_path / name)
        return tmp_path / name

    reference = write("reference.gpkg", [square(0, 0, 100), square(3000, 0, 100)])
    mapped = write("mapped.gpkg", [square(-500, 0, 1200, 100), square(5000, 0, 100)])
    # Two pieces of known ground, 20 m apart: the first mine is cut in two, the map's surplus is outside.
    extent = write("extent.gpkg", [square(0, 0, 40, 100), square(60, 0, 40, 100)], 4326)
    whole = audit(mapped, reference)
    assert (whole.totals.reference, whole.totals.mapped, whole.totals.false) == (2, 2, 2)
    result = audit(mapped, reference, AuditOptions(extent=extent, draws=50))
    assert (result.totals.reference, result.totals.mapped, result.totals.true) == (1, 1, 1)
    assert result.totals.found == 1
    assert result.reference[0].area_m2 == pytest.approx(8000 * SCALE**2, rel=1e-4)
    assert result.reference[0].iou == pytest.approx(1, abs=1e-3)
    # A neighbour that shares an edge with the extent: reprojection leaves a sliver of it inside, which is no mine.
    neighbour = write("neighbour.gpkg", [square(0, 0, 100), square(-300, 0, 300, 100), square(100, 0, 333, 100)])
    assert audit(neighbour, reference, AuditOptions(extent=extent)).totals.mapped == 1
    # A small share of a large mine is a mine by itself.
    large = write("large.gpkg", [square(-2000, 0, 2040, 100)])
    assert audit(large, reference, AuditOptions(extent=extent)).totals.mapped == 1
    result.write(tmp_path / "audit.json")
    content = json.loads((tmp_path / "audit.json").read_text())
    assert content["sources"]["extent"] == content["options"]["extent"] == "extent.gpkg"
    layer = gpd.read_file(tmp_path / "audit.gpkg", layer="reference")
    assert layer.geometry[0].geom_type == "MultiPolygon"
    with pytest.raises(LabelError, match="No reference mine is left"):
        audit(mapped, reference, AuditOptions(extent=write("far.gpkg", [square(50_000, 0, 40)])))


@pytest.mark.parametrize(
    ("crs", "corner"), [(32633, (1e9, 1e9)), (32633, (4e7, Y)), (4326, (1e6, 50)), (4326, (15, 1e5))]
)
def test_a_corner_at_the_end_of_the_world_is_named_and_fills_no_memory(tmp_path, crs, corner):
    x, y = (15.0, 50.0) if crs == 4326 else (X, Y)
    side = 0.001 if crs == 4326 else 100.0
    far = Polygon([(x, y), corner, (x + side, y + side), (x, y + side)])
    gpd.GeoDataFrame(geometry=[box(x, y, x + side, y + side), far], crs=crs).to_file(tmp_path / "mines.gpkg")
    with pytest.raises(LabelError, match=r"nowhere on the earth|no place in its CRS"):
        audit(tmp_path / "mines.gpkg", tmp_path / "mines.gpkg")


def test_verdicts_are_written_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("pitmap.accuracy.mines.audit.ROWS_AT_ONCE", 2)
    for name, shift in (("map.gpkg", 10), ("truth.gpkg", 0)):
        squares = [square(1000 * k + shift, 0, 100) for k in range(5)]
        squares[0] = square(500_000 if name == "map.gpkg" else 0, 0, 100)  # missed: its batch knows no distances alone
        gpd.GeoDataFrame(geometry=squares, crs=UTM).to_file(tmp_path / name)
    heard = Heard()
    result = audit(tmp_path / "map.gpkg", tmp_path / "truth.gpkg", observer=heard)
    assert set(heard.steps) == {"comparing mines"}
    assert (len(heard.shares), heard.shares[-1]) == (6, 1)  # places: four with both, one missed, one elsewhere
    result.write(tmp_path / "audit.json")
    written = gpd.read_file(tmp_path / "audit.gpkg", layer="reference")
    assert written["id"].tolist() == [1, 2, 3, 4, 5]
    assert written["verdict"].tolist() == ["missed"] + ["found"] * 4
    assert written["mapped"].tolist() == ["", "2", "3", "4", "5"]
    assert written["distance_max_m"].isna().tolist() == [True] + [False] * 4
    assert written["iou"].tolist() == [r.iou for r in result.reference]
    assert gpd.read_file(tmp_path / "audit.gpkg", layer="mapped")["reference"].tolist()[1:] == [2, 3, 4, 5]
    assert json.loads((tmp_path / "audit.json").read_text()) == json.loads(json.dumps(result.to_json()))
