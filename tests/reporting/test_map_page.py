"""The report of a map alone: raw and corrected hectares, each named for what it is, and what it rests on."""

import re

import numpy as np
import pytest

from observers import Heard
from pitmap.errors import LabelError
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.mines import extract_mines
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import write_cog
from pitmap.reporting import mine_table
from pitmap.reporting.map_page import MapReportOptions, report_map
from reporting.places import FOREST, PIT, SQUARE_HA, WHERE, make_place
from studies import grid


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return make_place(tmp_path_factory.mktemp("place"))


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
    heard = Heard()
    page = report_map(place / "valley.tif", tmp_path / "r.html", MapReportOptions(threshold_ha=1.0), heard)
    assert heard.warned == [
        "How likely the area exceeds a threshold is known from labelled points alone: none were given."
    ]
    text = words(tmp_path / "r.html")
    assert "Not to be signed as an area on the ground." in text
    assert "Whether it exceeds 1 ha is not known without labelled points." in text
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
    assert '<html lang="zh-Hans"' in first
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


@pytest.fixture
def pocked(tmp_path):
    """A map with 40 mines of 2 x 2 to 2 x 41 pixels, number 1 being the largest."""
    codes = np.full((200, 100), FOREST, np.uint8)
    for k in range(40):
        codes[5 * k : 5 * k + 2, 3 : 5 + k] = PIT
    path = tmp_path / "pocked.tif"
    write_cog(path, codes, grid(200, 100), codes_layout(DEFAULT_LEGEND))
    extract_mines(path, tmp_path / "pocked.gpkg", minimum_mapping_unit_m2=0)
    return path


def test_what_the_first_page_says_of_smaller_mines_is_true(pocked, tmp_path, monkeypatch):
    def page():
        return words(report_map(pocked, tmp_path / "r.html").path)

    text = page()
    assert "and 32 smaller ones, listed in the annex" in text
    annex = text[text.index("Mines of pocked") :]
    for number in range(1, 41):
        assert re.search(rf"\b{number} {2 * (42 - number) * SQUARE_HA:.2f} ha · 34\.3\d+° N, 111\.\d+° E", annex), (
            number
        )
    assert "has all of them" not in annex
    monkeypatch.setattr(mine_table, "OUTLINED", 25)
    text = page()
    assert "and 32 smaller ones; the annex lists the 25 largest, pocked.gpkg has all" in text
    annex = text[text.index("Mines of pocked") :]
    assert "The 25 largest of 40 mines; pocked.gpkg has all of them." in annex
    assert len(re.findall(r"ha · 34\.3", annex)) == 25


def test_mines_that_are_all_on_the_first_page_are_not_listed_again(place, tmp_path):
    text = words(report_map(place / "valley.tif", tmp_path / "r.html").path)
    assert "Mines of valley" not in text
    assert text.count("34.339") == 2  # the place, and the mine in its table


def test_only_what_can_be_signed_has_lines_for_it(place, tmp_path):
    assert "Signature" not in words(report_map(place / "valley.tif", tmp_path / "r.html").path)
    options = MapReportOptions(points=place / "points.gpkg")
    assert "Signature" in words(report_map(place / "valley.tif", tmp_path / "r.html", options).path)
