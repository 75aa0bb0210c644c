"""Blindness and pictures as QGIS itself shows them; needs QGIS, see ``qgis_python``."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS
from scipy import stats

import qgis_python
from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.accuracy.sampling.sample_file import read_sample
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog

GRID = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_600_000), 120, 150)


@pytest.fixture(scope="module", params=["points.gpkg", "points.qgz"])
def shown(tmp_path_factory, request):
    """What QGIS shows of the layer added to a project of one's own, and of the project that `design` leaves."""
    qgis_python.require()
    folder = tmp_path_factory.mktemp("qgis")
    codes = np.full(GRID.shape, 6, np.uint8)
    codes[20:60, 20:80] = 1
    codes[100:, 100:] = 2
    write_cog(folder / "map.tif", codes, GRID, codes_layout(DEFAULT_LEGEND))
    images = []
    for name in ("june.tif", "october.tif"):
        values = np.random.default_rng(len(images)).integers(100, 3000, (4, *GRID.shape), dtype=np.uint16)
        write_cog(folder / name, values, GRID, Layout(4, "uint16"))
        images.append(folder / name)
    points = folder / "points.gpkg"
    design(folder / "map.tif", points, DesignOptions(points=90, allocation="equal", floor=20, images=images))
    (folder / "elsewhere").mkdir()
    script = Path(__file__).with_name("qgis_form.py")
    saved = folder / "elsewhere" / "project.qgz"
    return qgis_python.shown(script, folder / request.param, saved), read_sample(points).drawn, request.param


@pytest.mark.verify
def test_nothing_tells_map_class_or_stratum(shown):
    qgis, drawn, opened = shown
    alone = [["points", True, True, "RuleRenderer"]]
    images = [["june", True, True, "multibandcolor"], ["october", True, False, "multibandcolor"]]
    assert qgis["layers"] == (alone if opened.endswith("gpkg") else alone + images)
    pictures = ["chip_1", "chip_1_wide", "chip_2"]
    fields = ["point_id", "reference", "doubtful", "comment", *pictures]
    assert qgis["fields"] == ["fid", *fields]
    assert qgis["columns"] == fields
    assert qgis["display"] == '"point_id"'
    assert qgis["map_tip"] == '[% "point_id" %]'
    assert qgis["symbols"] == ["to be labelled", "labelled"]
    names = {c.name for c in DEFAULT_LEGEND} | set(DEFAULT_LEGEND.keys)
    told = {word for label in qgis["labels"] for word in label.replace("<", " ").split()}
    assert not told & set(DEFAULT_LEGEND.keys)
    assert not any(name in label for label in qgis["labels"] for name in names)
    assert any(set(entries) >= {c.name for c in DEFAULT_LEGEND} for entries in qgis["lists"])
    # No value of any point differs between strata but in number, place of picture, and nothing else.
    for values, number in zip(qgis["values"], qgis["order"], strict=True):
        assert values[:5] == [str(number), str(number), "NULL", "False", ""] or values[2:4] == ["NULL", "False"]
        assert all(f"point_{number:05d}_{field}.png" in v for field, v in zip(pictures, values[5:], strict=True))
    # The order of the list tells nothing either.
    order = {number: place for place, number in enumerate(qgis["order"])}
    places = [[order[n] for n in group["point_id"]] for _, group in drawn.groupby("stratum")]
    assert len(places) == 3
    assert stats.kruskal(*places).pvalue > 1e-3


@pytest.mark.verify
def test_pictures_show_where_the_project_is_saved_elsewhere(shown):
    qgis, *_ = shown
    assert len(qgis["pictures"]) == 3
    assert all(len(widths) == 1 and widths[0] > 200 for widths in qgis["pictures"])
    assert [label for label in qgis["labels"] if label in ("june", "june, wider view", "october")] == [
        "june", "june, wider view", "october"
    ]  # fmt: skip
