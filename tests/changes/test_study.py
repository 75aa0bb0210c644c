"""The comparison of dates as a step of a study."""

import json
import shutil
import sqlite3
from contextlib import closing

import geopandas as gpd
import numpy as np
import pytest

from changes.dated_study import dated_study
from changes.two_dates import PIXEL_HA, SIDE, after, grid, write_map
from observers import Heard
from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.changes.change import change
from pitmap.changes.record import read_change
from pitmap.changes.result import ChangeOptions
from pitmap.changes.study import compare_places, is_compared
from pitmap.errors import ProjectError
from pitmap.raster.codes import read_codes
from pitmap.study.study import load_study

PLACE = "pit-2023"
"""Named after the first image of the series."""


def test_a_study_compares_what_the_command_compares(tmp_path):
    study = dated_study(tmp_path)
    assert not is_compared(study, PLACE)
    assert compare_places(study) == ()
    folder = study.results.change(PLACE).parent
    content = json.loads(study.results.change(PLACE).read_text())
    assert [m["date"] for m in content["maps"]] == ["2021-06-19", "2023-05-30"]
    (step,) = content["steps"]
    keys = study.legend.keys
    gained = 20 * 15 + 10 * 10 + 20 * 10 + 20 * 30
    assert step["matrix_ha"][keys.index("VEG")][keys.index("OPM")] == pytest.approx(gained * PIXEL_HA, rel=1e-5)
    assert sum(sum(row) for row in step["matrix_ha"]) == pytest.approx(SIDE**2 * PIXEL_HA, rel=1e-5)
    assert step["verdicts"] == {"grown": 2, "grown and shrunk": 1, "new": 1, "restored": 1, "unchanged": 1}
    maps = [study.results.map(s.name).map for s in study.scenes]
    options = ChangeOptions(images=tuple(s.image for s in study.scenes), title="Two dates: pit-2023")
    alone = change(maps, tmp_path / "alone", options)
    for name in ("change.tif", "change-transitions.tif", "change.csv", "timeline.csv", "change.json", "change.html"):
        assert (folder / name).read_bytes() == (alone.folder / name).read_bytes(), name


def test_what_is_up_to_date_is_left_as_it_is_wherever_it_lies(tmp_path):
    compare_places(dated_study(tmp_path / "a"))
    shutil.copytree(tmp_path / "a", tmp_path / "moved")
    study, heard = load_study(tmp_path / "moved"), Heard()
    page = study.results.change(PLACE).with_name("change.html")
    page.write_text("a note")
    compare_places(study, heard)
    assert heard.said == [f"The comparison of dates of {PLACE} is up to date."]
    assert page.read_text() == "a note"
    write_map(study.results.map("pit-2023").map, after()[::-1].copy())
    assert not is_compared(study, PLACE)
    compare_places(study)
    assert is_compared(study, PLACE)
    assert page.read_text().startswith("<!DOCTYPE html>")
    text = study.path.read_text()
    study.path.write_text(text.replace("[change]", "[change]\ntolerance = 2"))
    assert not is_compared(load_study(study.path), PLACE)
    study.path.write_text(text.replace('[change]\nseries = [["pit-2023", "pit-2021"]]', ""))
    compare_places(load_study(study.path))
    assert not study.results.changes.joinpath(PLACE).exists()


def test_images_out_of_register_are_said_and_leave_no_earlier_comparison(tmp_path):
    study = dated_study(tmp_path)
    compare_places(study)
    moved = dated_study(tmp_path / "moved", shift=(0.0, 0.7))
    shutil.copy(moved.scenes[1].image, study.scenes[1].image)
    heard = Heard()
    (refused,) = compare_places(study, heard)
    assert heard.warned == [refused]
    assert refused.startswith(f"The dates of {PLACE} are not compared: 2023-05-30 lies 0.7")
    assert not study.results.changes.joinpath(PLACE).exists()
    accepted = dated_study(tmp_path / "accepted", (0.0, 0.7), "").path
    accepted.write_text(accepted.read_text().replace("[change]", '[change]\nshift = "accept"'))
    assert compare_places(load_study(accepted)) == ()
    assert is_compared(load_study(accepted), PLACE)


def test_points_of_the_change_give_areas_and_unlabelled_ones_are_said(tmp_path):
    study = dated_study(tmp_path)
    compare_places(study)
    kinds, points = study.results.change(PLACE).with_name("change.tif"), tmp_path / "points.gpkg"
    design(kinds, points, DesignOptions(points=100, floor=10))
    study.path.write_text(study.path.read_text().replace("[change]", '[change]\npoints = "points.gpkg"'))
    study = load_study(study.path)
    (said,) = compare_places(study)
    assert said.startswith("No areas of change from points: ")
    assert is_compared(study, PLACE)
    table = gpd.read_file(points, layer="points")
    row, col = grid().pixel_indices(table.geometry.x.to_numpy(), table.geometry.y.to_numpy())
    with closing(sqlite3.connect(points)) as database, database:
        for name in [r[0] for r in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]:
            database.execute(f'DROP TRIGGER "{name}"')  # they call functions of SpatiaLite
        for number, code in zip(table["point_id"], read_codes(kinds)[row, col], strict=True):
            database.execute("UPDATE points SET reference = ? WHERE point_id = ?", (int(code), int(number)))
    assert compare_places(study) == ()
    of = {c["key"]: c for c in json.loads(study.results.change(PLACE).read_text())["estimate"]["classes"]}
    assert of["GAINED"]["area"]["value"] == pytest.approx(1200 * PIXEL_HA, rel=1e-3)
    assert of["GAINED"]["area"]["lower"] < 1200 * PIXEL_HA < of["GAINED"]["area"]["upper"]


@pytest.mark.parametrize(
    ("series", "said"),
    [
        ('[["pit-2021", "pit-2022"]]', "no image 'pit-2022'. Did you mean 'pit-202"),
        ('[["pit-2021"]]', "1 image(s). A comparison needs two dates or more"),
        ('[["pit-2021", "pit-2023"], ["pit-2023", "pit-2021"]]', "belongs to two of the places"),
        ('[["pit-2021", "pit-2021"]]', "names an image twice"),
        ('[["pit-2021", "pit-2023"]]\nwaste = ["WAD"]', "no class 'WAD'. Did you mean 'WDA'"),
        ('[["pit-2021", "pit-2023"]]\npoints = "none.gpkg"', "points = 'none.gpkg' does not exist"),
        ('[]\npoints = "none.gpkg"', "points are of one place"),
    ],
)
def test_what_cannot_be_compared_is_a_problem_of_the_project_file(tmp_path, series, said):
    study = dated_study(tmp_path)
    study.path.write_text(study.path.read_text().replace('[["pit-2023", "pit-2021"]]', series))
    with pytest.raises(ProjectError) as problem:
        load_study(study.path)
    assert said in str(problem.value)


def test_a_site_stands_for_all_its_images(tmp_path):
    study = dated_study(tmp_path)
    text = study.path.read_text()
    text = text[: text.index("[[sites]]")] + '[[sites]]\nname = "pit"\nimage = "scene-*.tif"\nscale = 0.0001\n'
    study.path.write_text(text.replace('"pit-2023", "pit-2021"', '"pit"'))
    (scenes,) = load_study(study.path).series.values()
    assert list(load_study(study.path).series) == ["pit"]
    assert [s.image.name for s in scenes] == ["scene-20210619.tif", "scene-20230530.tif"]
    assert np.unique([s.name for s in scenes]).size == 2


def test_a_damaged_description_is_one_error(tmp_path):
    study = dated_study(tmp_path)
    compare_places(study)
    path = study.results.change(PLACE)
    content = json.loads(path.read_text())
    assert read_change(path) == content
    assert read_change(path.with_name("other.json")) is None
    content["steps"][0]["files"]["kinds"] = "../../secret.tif"
    path.write_text(json.dumps(content))
    with pytest.raises(ProjectError, match=r"steps\.0\.files.*does not lie beside it"):
        read_change(path)
    path.write_text("{")
    with pytest.raises(ProjectError, match="is damaged"):
        read_change(path)
