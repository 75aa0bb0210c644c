"""The review queue: what is in it, in which order, and that nobody's work is lost."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
from affine import Affine
from pyproj import CRS
from shapely.geometry import box

from pitmap.errors import ImageError, LabelError, OutputError, ProjectError
from pitmap.geopackage import write_layers
from pitmap.grid import PIXEL_FRAME, Grid
from pitmap.legend import DEFAULT_LEGEND, LandCoverClass, Legend
from pitmap.mapping.review import ReviewOptions, review
from pitmap.raster import regions
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog

GRID = Grid(CRS.from_epsg(32633), Affine(4, 0, 500_000, 0, -4, 5_600_000), 40, 60)
OPM, WAT, VEG = (DEFAULT_LEGEND[key].code for key in ("OPM", "WAT", "VEG"))
OPTIONS = ReviewOptions(minimum_m2=400)


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Codes and confidence (0..255): a sure mine, an unsure one, doubtful ground of two classes, a thin border."""
    codes, sure = np.full(GRID.shape, VEG, np.uint8), np.full(GRID.shape, 250, np.uint8)
    codes[2:12, 2:12], sure[2:12, 2:12] = OPM, 240
    codes[2:8, 20:30], sure[2:8, 20:30] = OPM, 100
    sure[20:32, 10:20] = 120
    codes[20:32, 10:14] = WAT
    sure[15:17, :] = 90  # two pixels wide
    sure[36:39, 50:53] = 60  # nine pixels
    codes[38:, :4], sure[38:, :4] = 0, 0
    return codes, sure


def write(folder: Path, codes: np.ndarray, sure: np.ndarray, grid: Grid = GRID) -> tuple[Path, Path]:
    write_cog(folder / "map.tif", codes, grid, codes_layout(DEFAULT_LEGEND))
    write_cog(folder / "map-confidence.tif", sure, grid, Layout(1, "uint8", 0, scale=1 / 255))
    return folder / "map.tif", folder / "map-confidence.tif"


def on_ground(rows: tuple[int, int], cols: tuple[int, int]) -> object:
    return box(500_000 + 4 * cols[0], 5_600_000 - 4 * rows[1], 500_000 + 4 * cols[1], 5_600_000 - 4 * rows[0])


def test_mines_and_doubtful_ground_by_the_area_that_is_expected_to_be_wrong(tmp_path: Path):
    codes, sure = scene()
    result = review(*write(tmp_path, codes, sure), tmp_path / "queue.gpkg", OPTIONS)
    queue = gpd.read_file(tmp_path / "queue.gpkg", layer="review")
    assert list(queue["kind"]) == ["doubtful ground", "mine", "mine"]
    expected = [on_ground((20, 32), (10, 20)), on_ground((2, 8), (20, 30)), on_ground((2, 12), (2, 12))]
    assert all(a.equals(b) for a, b in zip(queue.geometry, expected, strict=True))
    assert list(queue["rank"]) == [1, 2, 3]
    assert list(queue["class"]) == ["VEG", "OPM", "OPM"]  # 72 pixels of vegetation, 48 of water
    assert list(queue["pixels"]) == [120, 60, 100]
    assert queue["confidence"].tolist() == pytest.approx([120 / 255, 100 / 255, 240 / 255])
    # The UTM zone's middle: the ellipsoid's area is larger than the map's by 1 / 0.9996 squared.
    area = np.array([120, 60, 100]) * 16 / 0.9996**2 / 10_000
    assert queue["area_ha"].to_numpy() == pytest.approx(area, rel=1e-5)
    # Nothing of the last mine is doubtful, though a little of it may be wrong.
    expected_wrong = area * (1 - np.array([120, 100, 255]) / 255)
    assert queue["doubt_ha"].to_numpy() == pytest.approx(expected_wrong, rel=1e-5)
    assert queue["reference"].isna().all()
    assert result.polygons == {"mine": 2, "doubtful ground": 1}
    assert result.doubt == pytest.approx(queue["doubt_ha"].sum())
    assert "3 polygons (2 mine, 1 doubtful ground)" in result.summary()


def test_of_a_mine_its_doubtful_part_counts_and_its_border_does_not(tmp_path: Path):
    codes, sure = np.full(GRID.shape, VEG, np.uint8), np.full(GRID.shape, 250, np.uint8)
    codes[4:24, 4:24], sure[4:24, 4:24] = OPM, 250
    sure[3:5, 3:25] = sure[23:25, 3:25] = 100  # one pixel to either side of the outline
    sure[8:12, 8:14] = 100
    codes[30:36, 30:36], sure[30:36, 30:36] = OPM, 170  # smaller, all of it doubtful
    review(*write(tmp_path, codes, sure), tmp_path / "queue.gpkg", OPTIONS)
    queue = gpd.read_file(tmp_path / "queue.gpkg", layer="review")
    assert list(queue["pixels"]) == [400, 36]
    pixel = 16 / 0.9996**2 / 10_000
    assert queue["doubt_ha"].tolist() == pytest.approx(
        [24 * (1 - 100 / 255) * pixel, 36 * (85 / 255) * pixel], rel=1e-4
    )


def test_strips_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    codes = rng.integers(1, 8, GRID.shape).astype(np.uint8)
    sure = np.kron(rng.integers(100, 256, (10, 15)), np.ones((4, 4))).astype(np.uint8)
    sources = write(tmp_path, codes, sure)
    first = review(*sources, tmp_path / "one.gpkg", ReviewOptions(minimum_m2=0))
    monkeypatch.setattr(regions, "STRIP_PIXELS", 7 * GRID.width)
    second = review(*sources, tmp_path / "two.gpkg", ReviewOptions(minimum_m2=0))
    one, two = (gpd.read_file(tmp_path / f"{name}.gpkg", layer="review") for name in ("one", "two"))
    assert len(one) > 50
    assert one.equals(two)
    assert second.doubt == pytest.approx(first.doubt)


def test_ground_on_which_corrections_do_not_count_is_told(tmp_path: Path):
    split = np.ones(GRID.shape, np.uint8)
    split[20:26], split[2:5] = 2, 3
    write_cog(tmp_path / "split.tif", split, GRID, Layout(1, "uint8", 0))
    options = ReviewOptions(minimum_m2=400, split=tmp_path / "split.tif")
    review(*write(tmp_path, *scene()), tmp_path / "queue.gpkg", options)
    queue = gpd.read_file(tmp_path / "queue.gpkg", layer="review")
    assert list(queue["held_back"]) == [0.5, 0.5, 0.3]
    small = Grid(GRID.crs, GRID.transform, 4, 4)
    write_cog(tmp_path / "small.tif", split[:4, :4], small, Layout(1, "uint8", 0))
    with pytest.raises(ImageError, match="another grid"):
        review(
            tmp_path / "map.tif", tmp_path / "map-confidence.tif", tmp_path / "no.gpkg",
            ReviewOptions(split=tmp_path / "small.tif"),
        )  # fmt: skip


def test_limits(tmp_path: Path):
    sources = write(tmp_path, *scene())
    assert review(*sources, tmp_path / "a.gpkg", ReviewOptions(minimum_m2=100)).polygons["doubtful ground"] == 2
    first = review(*sources, tmp_path / "b.gpkg", ReviewOptions(minimum_m2=100, most=1))
    assert (sum(first.polygons.values()), first.left_out) == (1, 3)
    sure = review(*sources, tmp_path / "c.gpkg", ReviewOptions(minimum_m2=400, below=0.3))
    assert sure.polygons == {"mine": 2, "doubtful ground": 0}
    none = review(*sources, tmp_path / "d.gpkg", ReviewOptions(minimum_m2=1e6))
    assert sum(none.polygons.values()) == 0
    assert len(gpd.read_file(tmp_path / "d.gpkg", layer="review")) == 0
    for wrong in ({"below": 0.0}, {"below": 1.1}, {"most": 0}, {"minimum_m2": -1.0}):
        with pytest.raises(ProjectError):
            ReviewOptions(**wrong)


def test_the_file_opens_in_qgis_with_a_form_and_says_what_it_was_made_from(tmp_path: Path):
    review(*write(tmp_path, *scene()), tmp_path / "queue.gpkg", OPTIONS)
    with closing(sqlite3.connect(tmp_path / "queue.gpkg")) as database, database:
        ((qml, default),) = database.execute("SELECT styleQML, useAsDefault FROM layer_styles").fetchall()
        settings = dict(database.execute("SELECT key, value FROM review_settings").fetchall())
    assert default == 1
    style = ElementTree.fromstring(qml.split("\n", 1)[1])
    (answers,) = style.findall(".//fieldConfiguration/field[@name='reference']/editWidget[@type='ValueMap']")
    values = {o.get("name"): o.get("value") for o in answers.iter("Option") if o.get("type") == "QString"}
    assert values == {c.name: c.key for c in DEFAULT_LEGEND} | {"cannot be told": "?"}
    locked = {f.get("name") for f in style.findall("editable/field")}
    fields = set(pyogrio.read_info(tmp_path / "queue.gpkg", layer="review")["fields"])
    assert locked == fields - {"reference", "comment"}
    assert len(style.findall("renderer-v2/rules/rule")) == len(style.findall("renderer-v2/symbols/symbol")) == 3
    assert json.loads(settings["map"]) == "map.tif"
    assert json.loads(settings["image"]) is None  # a map of `pitmap map` says
    assert json.loads(settings["below"]) == 0.7


def test_nothing_is_replaced(tmp_path: Path):
    sources, out = write(tmp_path, *scene()), tmp_path / "queue.gpkg"
    review(*sources, out, OPTIONS)
    for path in (out, *sources):
        before = path.read_bytes()
        with pytest.raises(OutputError, match=r"exists|is no \.gpkg file"):
            review(*sources, path, OPTIONS)
        assert path.read_bytes() == before


def test_a_file_that_another_program_has_open_is_not_written_to(tmp_path: Path):
    table = gpd.GeoDataFrame({"a": [1]}, geometry=[box(0, 0, 1, 1)], crs=GRID.crs)
    path = tmp_path / "mines.gpkg"
    write_layers(path, {"mines": table})
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")  # as QGIS opens it
        database.execute("CREATE TABLE note (text TEXT)")
        database.commit()
        before = path.read_bytes()
        with pytest.raises(OutputError, match="open in another program"):
            write_layers(path, {"mines": table})
        assert path.read_bytes() == before
    write_layers(path, {"mines": table})


def test_a_map_without_crs_is_measured_in_pixels(tmp_path: Path):
    grid = Grid(None, PIXEL_FRAME, *GRID.shape)
    result = review(*write(tmp_path, *scene(), grid), tmp_path / "queue.gpkg", ReviewOptions(minimum_m2=20))
    queue = gpd.read_file(tmp_path / "queue.gpkg", layer="review")
    assert result.unit == "pixels"
    assert list(queue["area_px"]) == [120, 60, 100]
    assert queue.geometry[1].equals(box(20, -8, 30, -2))


def test_what_does_not_fit_is_refused(tmp_path: Path):
    map_file, confidence = write(tmp_path, *scene())
    out = tmp_path / "queue.gpkg"
    with pytest.raises(ImageError, match="There is no confidence"):
        review(map_file, tmp_path / "none.tif", out)
    write_cog(
        tmp_path / "other.tif", np.ones((4, 4), np.uint8), Grid(GRID.crs, GRID.transform, 4, 4), Layout(1, "uint8")
    )
    with pytest.raises(ImageError, match="4 x 4 pixels"):
        review(map_file, tmp_path / "other.tif", out)
    with pytest.raises(ImageError, match="with scale 1"):
        review(map_file, map_file, out)
    tags = {"PITMAP_MODEL_SHA256": "old"}
    write_cog(tmp_path / "old.tif", scene()[1], GRID, Layout(1, "uint8", 0, scale=1 / 255, tags=tags))
    write_cog(map_file, scene()[0], GRID, codes_layout(DEFAULT_LEGEND, {"PITMAP_MODEL_SHA256": "new"}))
    with pytest.raises(ImageError, match=r"another run .* model sha256 old and new"):
        review(map_file, tmp_path / "old.tif", out)
    with pytest.raises(LabelError, match="no class PIT"):
        review(map_file, confidence, out, ReviewOptions(classes=["PIT"]))
    write_cog(tmp_path / "bare.tif", scene()[0], GRID, Layout(1, "uint8", 0))
    with pytest.raises(LabelError, match="does not say what its codes mean"):
        review(tmp_path / "bare.tif", confidence, out)
    assert not out.exists()
    # A legend without mines: doubtful ground alone.
    plain = Legend([LandCoverClass(c.code, f"K{c.code}", f"class {c.code}", c.colour) for c in DEFAULT_LEGEND])
    assert review(map_file, confidence, out, ReviewOptions(minimum_m2=400, legend=plain)).polygons["mine"] == 0
