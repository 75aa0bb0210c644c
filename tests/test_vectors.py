"""Layers of others: whatever is wrong with them becomes one error, and they stay as they are."""

import hashlib
import sqlite3
import struct
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

from pitmap import vectors
from pitmap.accuracy.mines.polygons import MineFilter, read_mines
from pitmap.errors import LabelError
from pitmap.landuse import project, read_layer
from pitmap.stored import Count, Share
from pitmap.vectors import header, layer_names, read_frame, read_rows, table_names
from studies import grid

LAND = grid(20, 20)


def layer(path: Path, crs: int | None = 32649, **columns) -> Path:
    x, y = LAND.transform.c, LAND.transform.f
    shapes = [box(x, y - 40, x + 20, y), box(x + 20, y - 40, x + 40, y)]
    columns = {"class": ["OPM", "VEG"], **columns}
    gpd.GeoDataFrame(columns, geometry=shapes, crs=crs).to_file(path, layer="land")
    return path


def change(path: Path, *statements: tuple) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        for statement in statements:
            database.execute(*statement)


def corner(value: float) -> bytes:
    """A polygon with one corner elsewhere, as GeoPackages hold it."""
    x, y = LAND.transform.c, LAND.transform.f
    ring = [(x, y), (value, y), (x + 20, y - 40), (x, y - 40), (x, y)]
    points = b"".join(struct.pack("<dd", *p) for p in ring)
    return b"GP\0\x01" + struct.pack("<i", 32649) + b"\x01" + struct.pack("<III", 3, 1, len(ring)) + points


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_feature_without_a_place_is_left_out_and_counted(tmp_path, value, recwarn):
    path = layer(tmp_path / "a.gpkg")
    change(path, ("UPDATE land SET geom = ? WHERE fid = 1", (corner(value),)))
    read = read_layer(path, field="class")
    assert (read.values, read.skipped) == (("VEG",), 1)
    assert not recwarn.list


def test_a_geometry_that_geos_refuses_is_left_out_and_counted(tmp_path, recwarn):
    path = layer(tmp_path / "a.gpkg")
    start = corner(0.0)[:8]
    ring = struct.pack("<BIIIdd", 1, 3, 1, 1, 0.0, 0.0)  # a ring of one point
    change(path, ("UPDATE land SET geom = ? WHERE fid = 1", (start + ring,)))
    read = read_layer(path, field="class")
    assert (read.values, read.skipped) == (("VEG",), 1)
    assert not recwarn.list


@pytest.mark.parametrize("value", [1e9, 1e300])
def test_a_corner_that_is_no_place_is_named(tmp_path, value):
    path = layer(tmp_path / "a.gpkg")
    change(path, ("UPDATE land SET geom = ? WHERE fid = 1", (corner(value),)))
    with pytest.raises(LabelError, match="no place in its CRS"):
        read_layer(path, field="class")


def test_metres_that_are_declared_as_degrees_are_named(tmp_path):
    path = layer(tmp_path / "a.gpkg", crs=4326)
    with pytest.raises(LabelError, match=r"a corner at .*no place in its CRS \(WGS 84\)"):
        read_layer(path, field="class")
    with pytest.raises(LabelError, match="no place"):
        read_mines(path, MineFilter(values=("*",)))


def test_eastings_that_count_their_zone_are_places(tmp_path):
    shapes = [box(38_500_000, 3_800_000, 38_500_100, 3_800_100)]
    gpd.GeoDataFrame({"class": ["OPM"]}, geometry=shapes, crs=4526).to_file(tmp_path / "a.gpkg")
    assert read_layer(tmp_path / "a.gpkg", field="class").values == ("OPM",)


def test_a_definition_that_is_no_crs_gives_way_to_that_of_the_number(tmp_path, recwarn):
    path = layer(tmp_path / "a.gpkg")
    change(path, ("UPDATE gpkg_spatial_ref_sys SET definition = ? WHERE srs_id = 32649", ("GEOGCS[" + "x" * 9000,)))
    assert read_layer(path, field="class").crs.to_epsg() == 32649
    assert not recwarn.list


@pytest.mark.parametrize("damage", [b"", b"SQLite format 3\0" + b"\0" * 200, b"no database"])
def test_what_is_no_vector_file_is_named(tmp_path, damage):
    path = tmp_path / "a.gpkg"
    path.write_bytes(damage)
    for read in (layer_names, table_names, lambda p: header(p, "land"), lambda p: read_frame(p, "land")):
        with pytest.raises(LabelError, match="cannot be read as a vector file"):
            read(path)


def test_triggers_and_views_of_a_stranger_change_nothing(tmp_path):
    path = layer(tmp_path / "a.gpkg")
    change(
        path,
        ("CREATE TRIGGER evil AFTER UPDATE ON land BEGIN DELETE FROM land; END",),
        ("CREATE VIEW more AS SELECT load_extension('/tmp/x.so')",),
        ("INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('more', 'attributes', 'more')",),
    )
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(read_layer(path, field="class").geometries) == 2
    with pytest.raises(LabelError):
        read_frame(path, "more", geometry=False)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.gpkg"]


@dataclass(frozen=True)
class Row:
    name: str
    pixels: Count
    share: Share | None = None


def test_rows_of_a_table_are_checked(tmp_path):
    path = layer(tmp_path / "a.gpkg")
    change(
        path,
        ("CREATE TABLE t (name TEXT, pixels INTEGER, share REAL, more TEXT)",),
        ("INSERT INTO t VALUES ('a', 3, 0.5, 'x'), ('b', 4, NULL, NULL)",),
        ("INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('t', 'attributes', 't')",),
    )
    assert read_rows(path, "t", Row) == [Row("a", 3, 0.5), Row("b", 4)]
    for wrong in ("pixels = -1", "share = 2.0", "name = NULL"):
        other = tmp_path / "b.gpkg"
        other.write_bytes(path.read_bytes())
        change(other, (f"UPDATE t SET {wrong} WHERE name = 'a'",))
        with pytest.raises(LabelError, match=rf"0\.{wrong.split()[0]}"):
            read_rows(other, "t", Row)


def test_a_sound_layer_is_burned(tmp_path):
    read = read_layer(layer(tmp_path / "a.gpkg"), field="class")
    codes = project(read, LAND, {"OPM": 1, "VEG": 6}).burn()
    assert set(np.unique(codes)) >= {1, 6}


def test_a_view_is_read_and_one_without_an_end_is_refused(tmp_path, monkeypatch):
    path = layer(tmp_path / "a.gpkg")
    change(
        path,
        ("ALTER TABLE land RENAME TO hidden",),
        ("CREATE VIEW land AS SELECT fid, geom, class FROM hidden",),
    )
    assert read_layer(path, "land", "class").values == ("OPM", "VEG")
    monkeypatch.setattr(vectors, "VIEW_STEPS", 100_000)
    change(
        path,
        ("DROP VIEW land",),
        (
            "CREATE VIEW land AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
            "SELECT c.x AS fid, geom, class FROM hidden, c",
        ),
    )
    with pytest.raises(LabelError, match="a view whose features cannot be counted"):
        read_layer(path, "land", "class")
