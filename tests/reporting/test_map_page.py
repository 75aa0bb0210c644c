"""The report of a map alone: raw and corrected hectares, each named for what it is, and what it rests on."""

import re
import sqlite3

import numpy as np
import pytest

from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.errors import LabelError
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.mines import extract_mines
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog
from pitmap.reporting.map_page import MapReportOptions, report_map
from studies import grid, reflectance_of

PIT, FOREST = 1, 6
WHERE = grid(120, 150)
SQUARE_HA = 16 / 1e4


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A pit of 40 x 30 pixels, of which the map misses a strip of 40 x 6."""
    folder = tmp_path_factory.mktemp("place")
    truth = np.full(WHERE.shape, FOREST, np.uint8)
    truth[30:70, 50:80] = PIT
    mapped = truth.copy()
    mapped[30:70, 74:80] = FOREST
    layout = Layout(4, "uint16", 0, ("blue", "green", "red", "nir"), scale=1e-4)
    write_cog(folder / "scene_20260714.tif", reflectance_of(truth), WHERE, layout)
    write_cog(folder / "valley.tif", mapped, WHERE, codes_layout(DEFAULT_LEGEND, {"PITMAP_PROJECT": "North"}))
    extract_mines(folder / "valley.tif", folder / "valley.gpkg")
    drawn = design(folder / "valley.tif", folder / "points.gpkg", DesignOptions(points=500, floor=50))
    with sqlite3.connect(folder / "points.gpkg") as database:
        for name in [r[0] for r in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]:
            database.execute(f'DROP TRIGGER "{name}"')  # they call functions of SpatiaLite
        for number, (row, col) in enumerate(zip(drawn.rows, drawn.cols, strict=True), start=1):
            code = int(truth[row, col])
            database.execute("UPDATE points SET reference = ? WHERE point_id = ?", (code, number))
    return folder


def words(path):
    text = re.sub(r"<style>.*?</style>", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).replace("\u202f", " ").split())


def test_with_points_the_corrected_hectares_come_first_and_hold_the_truth(place, tmp_path):
    options = MapReportOptions(
        points=place / "points.gpkg", image=place / "scene_20260714.tif", threshold_ha=1.7, title="Valley"
    )
    page = report_map(place / "valley.tif", tmp_path / "r.html", options)
    (signed,) = page.statement.signed
    assert signed.mapped_ha == pytest.approx(40 * 24 * SQUARE_HA, rel=1e-3)
    assert signed.corrected["lower"] < 40 * 30 * SQUARE_HA < signed.corrected["upper"]
    assert signed.exceeds["threshold"] == 1.7
    assert 0.5 < signed.exceeds["probability"] < 1
    text = words(tmp_path / "r.html")
    assert "Area of open-pit mine, corrected for the errors of the map" in text
    assert "errors included: 1.5 ha" in text
    assert "The probability that it exceeds 1.7 ha is" in text
    assert "Date of the image 2026-07-14" in text
    assert "Training" not in text
    assert text.index("corrected for the errors") < text.index("errors included")
    assert (page.statement.points, page.to_json()["areas"][0]["key"]) == (500, "OPM")


def test_without_points_the_figure_is_named_for_what_it_is(place, tmp_path):
    page = report_map(place / "valley.tif", tmp_path / "r.html")
    text = words(tmp_path / "r.html")
    assert "Not to be signed as an area on the ground." in text
    assert "corrected for the errors of the map" not in text
    assert page.statement.signed[0].corrected is None
    assert page.warnings == ()


def test_a_mine_has_its_coordinates_and_its_picture(place, tmp_path):
    page = report_map(place / "valley.tif", tmp_path / "r.html", MapReportOptions(image=place / "scene_20260714.tif"))
    (mine,) = page.statement.mines
    assert (mine.lon, mine.lat) == pytest.approx((111.0027, 34.3390), abs=2e-3)
    assert mine.area_ha == pytest.approx(40 * 24 * SQUARE_HA, rel=1e-3)
    assert mine.thumbnail.startswith("<svg")
    assert "data:image/jpeg" in mine.thumbnail


def test_the_page_needs_no_network_and_is_the_same_twice(place, tmp_path):
    options = MapReportOptions(image=place / "scene_20260714.tif", language="zh")
    first = report_map(place / "valley.tif", tmp_path / "a.html", options).path.read_text(encoding="utf-8")
    assert first == report_map(place / "valley.tif", tmp_path / "b.html", options).path.read_text(encoding="utf-8")
    assert 'lang="zh"' in first
    assert "露天矿" in first
    links = re.findall(r'(?:src|href)="([^"]+)"', first)
    assert links
    assert all(link.startswith(("#", "data:image/")) for link in links)


def test_points_of_another_map_are_refused_and_nothing_is_written(place, tmp_path):
    other = np.full(WHERE.shape, FOREST, np.uint8)
    other[5:20, 5:20] = PIT
    write_cog(tmp_path / "other.tif", other, WHERE, codes_layout(DEFAULT_LEGEND))
    with pytest.raises(LabelError, match="sample of another map"):
        report_map(tmp_path / "other.tif", tmp_path / "r.html", MapReportOptions(points=place / "points.gpkg"))
    assert not (tmp_path / "r.html").exists()
