import json
import os
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

from pitmap import currency
from pitmap.currency import content_key, digest, is_current, mark, unmark
from pitmap.errors import PitmapError
from pitmap.raster.writing import Layout, write_cog
from studies import grid


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(currency, "_remembered", {})
    return tmp_path / "cache"


def raster(path: Path, value: int = 1) -> Path:
    write_cog(path, np.full((16, 16), value, np.uint8), grid(16, 16), Layout(1, "uint8", 0))
    return path


def polygons(path: Path, name: str = "pit", **options) -> Path:
    frame = gpd.GeoDataFrame({"class": [name]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:32649")
    frame.to_file(path, **options)
    return path


def test_a_key_is_of_content_whatever_the_order_and_refuses_paths():
    assert content_key({"a": 1, "b": (1, 2)}) == content_key({"b": [1, 2], "a": 1})
    assert content_key({"a": 1}) != content_key({"a": "1"})
    assert content_key({"a": None}) != content_key({})
    with pytest.raises(TypeError):
        content_key({"image": Path("a.tif")})


def test_a_result_is_current_while_it_and_its_files_are_there_and_of_the_key(tmp_path):
    folder = tmp_path / "results"
    result, part, table = folder / "maps" / "a.tif", folder / "labels" / "a.tif", folder / "maps" / "a.gpkg"
    for file in (result, part, table):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"1234")
    assert not is_current(result, "k")
    mark(result, "k", [part, table])
    assert is_current(result, "k")
    assert not is_current(result, "other")
    moved = folder.rename(tmp_path / "elsewhere")
    result, part, table = (moved / f.relative_to(folder) for f in (result, part, table))
    assert is_current(result, "k")
    assert str(tmp_path) not in (moved / "maps" / ".a.tif.key.json").read_text()
    table.write_bytes(b"opened in QGIS")
    assert is_current(result, "k")
    part.write_bytes(b"12")
    assert not is_current(result, "k")
    part.write_bytes(b"4321")
    table.unlink()
    assert not is_current(result, "k")
    table.touch()
    unmark(result)
    assert not is_current(result, "k")


def test_a_digest_is_of_content_and_not_of_place_name_or_time(tmp_path):
    path = raster(tmp_path / "a.tif")
    before = digest(path)
    os.utime(path, ns=(1, 1))
    assert digest(path) == before
    (tmp_path / "other").mkdir()
    assert digest(shutil.copy(path, tmp_path / "other" / "b.tif")) == before
    assert digest(raster(path, 2)) != before


def test_what_belongs_to_a_raster_counts_and_what_looking_at_it_leaves_does_not(tmp_path):
    path = raster(tmp_path / "a.tif")
    before = digest(path)
    statistics = (
        '<PAMDataset><PAMRasterBand band="1"><Histograms><HistItem><HistMin>0</HistMin></HistItem></Histograms>'
        '<Metadata><MDI key="STATISTICS_MEAN">1</MDI></Metadata></PAMRasterBand>{}</PAMDataset>'
    )
    side = tmp_path / "a.tif.aux.xml"
    side.write_text(statistics.format(""))
    assert digest(path) == before
    side.write_text(statistics.format("<SRS>EPSG:32650</SRS>"))
    assert digest(path) != before
    side.unlink()
    (tmp_path / "a.tif.ovr").write_bytes(path.read_bytes())
    assert digest(path) == before
    shutil.copy(path, tmp_path / "a.tif.msk")
    assert digest(path) != before


def test_a_virtual_raster_changes_with_the_sources_of_its_sources(tmp_path):
    source = raster(tmp_path / "a.tif")
    text = (
        '<VRTDataset rasterXSize="16" rasterYSize="16"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">{}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    inner, outer = tmp_path / "inner.vrt", tmp_path / "outer.vrt"
    inner.write_text(text.format("a.tif"))
    outer.write_text(text.format("inner.vrt"))
    before = digest(outer)
    moved = Path(shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-moved"))
    assert digest(moved / "outer.vrt") == before
    raster(source, 2)
    assert digest(outer) != before


@pytest.mark.parametrize("suffix", [".shp", ".dbf", ".shx", ".prj", ".cpg"])
def test_every_part_of_a_shapefile_counts(tmp_path, suffix):
    path = polygons(tmp_path / "a.shp")
    before = digest(path)
    part = path.with_suffix(suffix)
    part.write_bytes(part.read_bytes() + b" ")
    assert digest(path) != before


def test_a_geopackage_counts_by_its_rows(tmp_path):
    path = polygons(tmp_path / "a.gpkg", layer="lu")
    before = digest(path)
    # What QGIS does on opening, and on saving a style.
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("UPDATE gpkg_contents SET last_change = '2030-01-01T00:00:00.000Z'")
        database.execute("CREATE TABLE layer_styles (id INTEGER PRIMARY KEY, styleQML TEXT)")
    assert digest(path) == before
    assert digest(polygons(tmp_path / "b.gpkg", layer="lu")) == before
    assert digest(polygons(tmp_path / "c.gpkg", "water", layer="lu")) != before


def test_changes_that_an_editor_has_not_merged_yet_count(tmp_path):
    path = polygons(tmp_path / "a.gpkg", layer="lu")
    before = digest(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE notes (text TEXT)")
        database.commit()
        assert path.with_name("a.gpkg-wal").stat().st_size
        assert digest(path) != before


def test_an_archive_counts_as_a_whole(tmp_path):
    raster(tmp_path / "a.tif")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.tif", "in/a.tif")
    inside = f"/vsizip/{tmp_path}/a.zip/in/a.tif"
    before = digest(inside)
    shutil.copy(tmp_path / "a.zip", tmp_path / "b.zip")
    assert digest(f"/vsizip/{tmp_path}/b.zip/in/a.tif") == before
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("more", "text")
    assert digest(inside) != before


def test_the_checksum_of_a_large_file_is_remembered_until_the_file_changes(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(currency, "LARGE", 100)
    monkeypatch.setattr(currency, "_SETTLED_NS", 0)
    path = raster(tmp_path / "a.tif")
    before = digest(path)
    (kept,) = (cache / "pitmap" / "digests").iterdir()
    monkeypatch.setattr(currency, "_remembered", {})
    monkeypatch.setattr("hashlib.file_digest", None)  # reading the file again would fail
    assert digest(path) == before
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    content = json.loads(kept.read_text())
    kept.write_text(json.dumps(content | {"digest": "0" * 64, "signs": [*content["signs"][:1], 0, 0, 0]}))
    assert digest(path) == before


def test_without_a_cache_folder_nothing_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(currency, "LARGE", 0)
    monkeypatch.setattr(currency, "_SETTLED_NS", 0)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(digest(raster(tmp_path / "a.tif"))) == 64


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(PitmapError, match="No such file"):
        digest(tmp_path / "none.tif")
