import csv
import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely

from changes.two_dates import (
    OPM,
    PIXEL_HA,
    SIDE,
    VEG,
    WAT,
    WDA,
    after,
    before,
    grid,
    two_dates,
    write_image,
    write_map,
)
from observers import Heard
from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.changes import series
from pitmap.changes.change import change
from pitmap.changes.classes import GAINED, KINDS, LOST, MINE, OTHER, RESTORED, SAME
from pitmap.changes.result import ChangeOptions
from pitmap.errors import ImageError, LabelError
from pitmap.legend import DEFAULT_LEGEND, LandCoverClass, Legend
from pitmap.raster.codes import read_codes, read_legend

UNCHECKED = ChangeOptions(without_images=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The two dates compared in strips that cut the mines."""
    folder = tmp_path_factory.mktemp("two-dates")
    maps, images = two_dates(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series, "STRIP_PIXELS", 1)
        return change(maps, folder / "out", ChangeOptions(images=images))


def test_hectares_from_class_to_class(made):
    (step,) = made.steps
    matrix = np.array(step.matrix_ha)
    keys = made.legend.keys
    assert matrix.sum() == pytest.approx(SIDE**2 * PIXEL_HA, rel=1e-5)
    gained = 20 * 15 + 10 * 10 + 20 * 10 + 20 * 30
    assert matrix[keys.index("VEG"), keys.index("OPM")] == pytest.approx(gained * PIXEL_HA, rel=1e-5)
    assert matrix[keys.index("OPM"), keys.index("VEG")] == pytest.approx((400 + 200) * PIXEL_HA, rel=1e-5)
    assert matrix[keys.index("WDA"), keys.index("VEG")] == pytest.approx(100 * PIXEL_HA, rel=1e-5)
    # The ring of one pixel is within the tolerance.
    tolerated = np.array(step.tolerated_ha)
    assert tolerated[keys.index("VEG"), keys.index("OPM")] == pytest.approx((22 * 22 - 400) * PIXEL_HA, rel=1e-5)
    assert tolerated.sum() == pytest.approx((22 * 22 - 400) * PIXEL_HA, rel=1e-5)
    assert step.kinds_ha["RESTORED"] == pytest.approx(700 * PIXEL_HA, rel=1e-5)
    assert sum(step.kinds_ha.values()) == pytest.approx(step.common_ha)


def test_what_became_of_each_mine(made):
    found = {
        (m.verdict, m.relation): [round(v / PIXEL_HA) for v in (m.before_ha, m.after_ha, m.gained_ha, m.lost_ha)]
        for m in made.steps[0].mines
    }
    assert found == {
        ("grown", ""): [400, 700, 300, 0],
        ("restored", ""): [400, 0, 0, 400],
        ("unchanged", ""): [400, 400, 0, 0],
        ("grown", "merged"): [200, 300, 100, 0],
        ("grown and shrunk", ""): [600, 600, 200, 200],
        ("new", ""): [0, 600, 600, 0],
    }
    by_verdict = {m.verdict: m for m in made.steps[0].mines if not m.relation}
    assert list(by_verdict["new"].gained_from) == ["VEG"]
    assert by_verdict["restored"].lost_to["VEG"] == pytest.approx(by_verdict["restored"].restored_ha)
    assert [m.mine for m in made.steps[0].mines] == list(range(1, 7))


def test_rasters_have_codes_names_and_colours(made):
    files = made.steps[0].files
    kinds = read_codes(files.kinds)
    assert read_legend(files.kinds) == KINDS
    assert kinds[20, 20] == MINE
    assert kinds[20, 40] == GAINED
    assert kinds[20, 70] == RESTORED
    assert kinds[59, 20] == SAME
    assert kinds[105, 105] == RESTORED
    assert {LOST, OTHER} & set(np.unique(kinds)) == set()
    transitions = read_codes(files.transitions)
    assert transitions[20, 40] == VEG * 10 + OPM
    assert transitions[105, 105] == WDA * 10 + VEG
    style = files.transitions.with_suffix(".qml").read_text()
    assert '<paletteEntry value="61" color="#d7191c" alpha="255" label="vegetation → open-pit mine"' in style
    assert "open-pit mine, unchanged" in (files.transitions.parent / f"{files.transitions.name}.aux.xml").read_text()


def test_layers_hold_the_ground_that_changed_in_one_piece(made):
    files = made.steps[0].files
    ground = gpd.read_file(files.layers, layer="transitions")
    assert len(ground) == 7
    assert sorted(round(a / PIXEL_HA) for a in ground["area_ha"]) == [100, 100, 200, 200, 300, 400, 600]
    assert ground.geometry.is_valid.all()
    assert (shapely.get_num_coordinates(np.asarray(ground.geometry.array, dtype=object)) == 5).all()
    assert set(ground.loc[ground["before"] == "WDA", "mine"]) == {0}
    mines = gpd.read_file(files.layers, layer="mines_change")
    assert list(mines["verdict"]) == [m.verdict for m in made.steps[0].mines]
    for row, m in zip(mines.itertuples(), made.steps[0].mines, strict=True):
        union = (m.before_ha + m.gained_ha) * 0.9996**2 * 1e4
        assert row.geometry.area == pytest.approx(union, rel=1e-5)
    with closing(sqlite3.connect(files.layers)) as database, database:
        assert database.execute("SELECT count(*) FROM layer_styles").fetchone() == (2,)


def test_tables_and_page(made):
    rows = list(csv.reader(made.steps[0].files.matrix.read_text().splitlines()))
    assert rows[0] == ["before \\ after", *DEFAULT_LEGEND.keys]
    assert float(rows[6][1]) == pytest.approx(made.steps[0].matrix_ha[5][0], abs=1e-4)
    times = list(csv.DictReader((made.folder / "timeline.csv").read_text().splitlines()))
    assert len(times) == 12
    assert {r["date"] for r in times} == {"2021-06-19", "2023-05-30"}
    content = json.loads((made.folder / "change.json").read_text())
    assert content == json.loads(json.dumps(made.content()))
    assert made.to_json() == {"folder": str(made.folder), "page": str(made.page), **made.content()}
    assert content["steps"][0]["files"]["kinds"] == "change.tif"
    page = made.page.read_text()
    assert "became mine" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "2021-06-19 to 2023-05-30" in page
    assert made.maps[1].registration.known
    assert made.maps[1].registration.pixels < 0.1


def test_strips_do_not_matter(made, tmp_path):
    maps, images = two_dates(tmp_path)
    whole = change(maps, tmp_path / "whole", ChangeOptions(images=images))
    for name in ("change.tif", "change-transitions.tif", "change.csv", "timeline.csv"):
        assert (whole.folder / name).read_bytes() == (made.folder / name).read_bytes(), name
    assert [m.verdict for m in whole.steps[0].mines] == [m.verdict for m in made.steps[0].mines]
    for layer in ("transitions", "mines_change"):
        one, other = (gpd.read_file(c.steps[0].files.layers, layer=layer) for c in (whole, made))
        assert all(a.equals(b) for a, b in zip(one.geometry, other.geometry, strict=True))


def test_a_shift_stops_is_accepted_or_is_undone(tmp_path):
    maps, images = two_dates(tmp_path, shift=(0.0, 0.7))
    with pytest.raises(ImageError, match=r"0\.7\d? pixels \([23]\.\d m\) off 2021-06-19, towards east") as stopped:
        change(maps, tmp_path / "out", ChangeOptions(images=images))
    assert "shift" in stopped.value.options
    assert not (tmp_path / "out").exists()
    heard = Heard()
    accepted = change(maps, tmp_path / "out", ChangeOptions(images=images, shift="accept"), heard)
    assert any("0.7" in sentence for sentence in heard.warned)
    assert accepted.maps[1].registration.cols == pytest.approx(0.7, abs=0.08)
    assert "lies 0.7" in accepted.page.read_text()
    # The map of the displaced image is displaced by a whole pixel: moved back it is what it was.
    write_map(maps[1], np.roll(after(), 1, axis=1))
    aligned = change(maps, tmp_path / "aligned", ChangeOptions(images=images, shift="align", tolerance_pixels=0))
    keys = aligned.legend.keys
    assert aligned.steps[0].matrix_ha[keys.index("OPM")][keys.index("VEG")] == pytest.approx(600 * PIXEL_HA, rel=1e-4)


def test_the_same_file_twice_has_no_change(tmp_path):
    maps, images = two_dates(tmp_path)
    heard = Heard()
    made = change([maps[0], maps[0]], tmp_path / "out", ChangeOptions(images=(images[0],) * 2), heard)
    matrix = np.array(made.steps[0].matrix_ha)
    assert matrix.sum() == pytest.approx(np.trace(matrix))
    assert {m.verdict for m in made.steps[0].mines} == {"unchanged"}
    assert gpd.read_file(made.steps[0].files.layers, layer="transitions").empty
    assert made.maps[1].registration.pixels == 0
    assert any("both of 2021-06-19" in sentence for sentence in heard.warned)


def test_ground_without_data_on_one_date_is_no_change(tmp_path):
    maps, _ = two_dates(tmp_path)
    codes = after()
    codes[:, :40] = 0
    write_map(maps[1], codes)
    (step,) = change(maps, tmp_path / "out", UNCHECKED).steps
    assert step.only_before_ha == pytest.approx(40 * SIDE * PIXEL_HA, rel=1e-5)
    assert step.only_after_ha == 0
    assert step.common_ha == pytest.approx(120 * SIDE * PIXEL_HA, rel=1e-5)
    assert "gone" not in step.verdicts()
    assert "unchanged" not in step.verdicts()  # the mine that stays lies where the later map has no data


def test_other_pixels_and_another_system_are_read_on_the_first_grid(tmp_path):
    maps, _ = two_dates(tmp_path)
    fine = np.kron(after(), np.ones((2, 2), np.uint8))
    write_map(maps[1], fine, grid(2 * SIDE, 2.0))
    same = change(maps, tmp_path / "out", UNCHECKED).steps[0]
    write_map(maps[1], after())
    assert same.matrix_ha == change(maps, tmp_path / "again", UNCHECKED).steps[0].matrix_ha
    write_map(maps[1], after(), grid(west=500_000 + 4.0 * 40))
    part = change(maps, tmp_path / "part", UNCHECKED).steps[0]
    assert part.common_ha == pytest.approx(120 * SIDE * PIXEL_HA, rel=1e-5)


def test_legends_are_matched_by_their_keys(tmp_path):
    maps, _ = two_dates(tmp_path)
    expected = change(maps, tmp_path / "out", UNCHECKED).steps[0].matrix_ha
    turned = Legend([replace(c, code=len(DEFAULT_LEGEND) + 1 - c.code) for c in DEFAULT_LEGEND])
    write_map(maps[1], (8 - after()).astype(np.uint8), legend=turned)
    assert change(maps, tmp_path / "turned", UNCHECKED).steps[0].matrix_ha == expected
    other = Legend([*DEFAULT_LEGEND, LandCoverClass(8, "FOR", "forest", "#006400")])
    write_map(maps[1], after(), legend=other)
    with pytest.raises(LabelError, match="only one of them has FOR"):
        change(maps, tmp_path / "other", UNCHECKED)


def test_what_cannot_be_compared_is_refused(tmp_path):
    maps, images = two_dates(tmp_path)
    with pytest.raises(ImageError, match="One map is given"):
        change(maps[:1], tmp_path / "out")
    with pytest.raises(ImageError, match="not at hand"):
        change(maps, tmp_path / "out")
    with pytest.raises(LabelError, match=r"1 image\(s\) are given for 2 maps"):
        change(maps, tmp_path / "out", ChangeOptions(images=images[:1]))
    with pytest.raises(LabelError, match="no class GOLD"):
        change(maps, tmp_path / "out", replace(UNCHECKED, classes=("GOLD",)))
    write_map(maps[1], after(), grid(west=900_000))
    with pytest.raises(LabelError, match="no common ground"):
        change(maps, tmp_path / "out", UNCHECKED)
    write_map(maps[1], np.zeros_like(after()))
    with pytest.raises(LabelError, match="no common ground"):
        change(maps, tmp_path / "out", UNCHECKED)
    assert not list((tmp_path / "out").glob("*.tif"))
    write_map(maps[1], after(), replace(grid(), crs=None))
    with pytest.raises(ImageError, match="no coordinate reference system"):
        change(maps, tmp_path / "out", UNCHECKED)


def test_many_dates_give_a_time_line(tmp_path):
    """A mine that grows is hidden by a cloud, and grows on; another is gone and its ground flooded."""
    codes = np.full((4, 80, 80), VEG, np.uint8)
    for k, width in enumerate((10, 20, 30, 40)):
        codes[k, 10:20, 10 : 10 + width] = OPM
    codes[2, 5:30, :] = 0
    codes[:2, 50:60, 50:60] = OPM
    codes[2:, 50:60, 50:60] = WAT
    names = ("20220719", "20210619", "20221012", "20230530")  # the first two in the wrong order
    order = (1, 0, 2, 3)
    maps = [write_map(tmp_path / f"map-{n}.tif", codes[k]) for n, k in zip(names, order, strict=True)]
    heard = Heard()
    made = change(maps, tmp_path / "out", replace(UNCHECKED, minimum_mapping_unit_m2=500), heard)
    assert any("in the order of their dates" in sentence for sentence in heard.said)
    rows = {(r["mine"], r["date"]): round(r["area_ha"] / PIXEL_HA) for r in made.timeline}
    dates = ("2021-06-19", "2022-07-19", "2022-10-12", "2023-05-30")
    assert [rows[1, d] for d in dates] == [100, 200, 0, 400]
    assert [rows[2, d] for d in dates] == [100, 100, 0, 0]
    hidden = next(r for r in made.timeline if (r["mine"], r["date"]) == (1, "2022-10-12"))
    assert hidden["unmapped_ha"] == pytest.approx(400 * PIXEL_HA, rel=1e-5)
    assert [s.verdicts() for s in made.steps] == [
        {"grown": 1, "unchanged": 1}, {"gone": 1}, {}
    ]  # fmt: skip
    assert made.steps[0].files.kinds.name == "change-2021-06-19-to-2022-07-19.tif"
    assert all(s.files.layers.exists() for s in made.steps)


def test_a_border_that_creeps_is_seen_when_it_has_crept_far_enough():
    codes = np.full((3, 20, 20), VEG, np.uint8)
    for k in range(3):
        codes[k, :, : 5 + k] = OPM
    settled = series.settled(codes, 1)
    assert [(s == OPM).sum() // 20 for s in settled] == [5, 5, 7]


def test_areas_of_change_with_intervals_from_a_sample(tmp_path):
    """The kinds of change are the strata; a sample that is labelled with the truth finds the true areas."""
    maps, images = two_dates(tmp_path)
    options = ChangeOptions(images=images)
    first = change(maps, tmp_path / "out", options)
    kinds = first.steps[0].files.kinds
    points = tmp_path / "points.gpkg"
    design(kinds, points, DesignOptions(points=120, floor=10, images=images, bands=(1, 1, 1)))
    table = gpd.read_file(points, layer="points")
    truth = read_codes(kinds).copy()
    truth[10:30, 40:45] = SAME  # the mine did not grow quite so far
    row, col = grid().pixel_indices(table.geometry.x.to_numpy(), table.geometry.y.to_numpy())
    with closing(sqlite3.connect(points)) as database, database:
        database.create_function("ST_IsEmpty", 1, lambda _: 0)
        for name in ("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
            database.create_function(name, 1, lambda _: 0.0)
        for number, code in zip(table["point_id"], truth[row, col], strict=True):
            database.execute("UPDATE points SET reference = ? WHERE point_id = ?", (int(code), int(number)))
    made = change(maps, tmp_path / "out", replace(options, points=points))
    of = {c.key: c for c in made.estimate.estimates.classes}
    assert of["GAINED"].area.value < of["GAINED"].mapped_area
    assert of["GAINED"].area.lower < (1200 - 100) * PIXEL_HA < of["GAINED"].area.upper
    assert of["RESTORED"].area.value == pytest.approx(700 * PIXEL_HA, rel=1e-3)
    assert "Areas of change from labelled points" in made.page.read_text()
    assert made.to_json()["estimate"]["classes"][1]["key"] == "GAINED"


def test_images_that_share_no_ground_with_texture_are_not_known_to_be_in_register(tmp_path):
    maps, images = two_dates(tmp_path)
    write_image(images[1], before()[::-1, ::-1].T.copy(), seed=3)
    rng = np.random.default_rng(5)
    blank = tmp_path / "blank.tif"
    from pitmap.raster.writing import Layout, write_cog

    write_cog(blank, rng.integers(900, 902, (2, SIDE, SIDE)).astype(np.uint16), grid(), Layout(2, "uint16", 0))
    with pytest.raises(ImageError, match="cannot be told"):
        change(maps, tmp_path / "out", ChangeOptions(images=(images[0], blank)))
