import json

import geopandas as gpd
import numpy as np
import pytest

from pitmap import workflow
from pitmap.project import load
from pitmap.raster import read_codes
from pitmap.samples.split import Split
from studies import grid, quilt, write_project, write_site

QUICK = """
[training]
width = 4
epochs = 6
batch = 4
precision = "float32"
[mapping]
minimum_mapping_unit_m2 = 0
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two dates of one place and a second place, gone through once."""
    folder = tmp_path_factory.mktemp("study")
    codes = quilt(160, 130, 3)
    codes[100:110] = 0
    write_site(folder, "may", codes, grid(160, 130))
    write_site(folder, "june", codes, grid(160, 130))
    write_site(folder, "far", quilt(96, 96, 3, seed=4), grid(96, 96, x=520_000))
    project = load(write_project(folder, ["may", "june", "far"], QUICK, samples="block_m = 80"))
    said = []
    report = workflow.run(project, announce=said.append)
    return project, report, said


def test_every_step_leaves_its_file(study):
    project, report, said = study
    names = {p.relative_to(project.results).as_posix() for p in project.results.rglob("*") if p.is_file()}
    assert report == project.results / "report.html"
    expected = {
        "samples/samples.json", "samples/patches.gpkg", "samples/labels/may.tif", "samples/splits/far.tif",
        "models/unetplus-seed0.safetensors", "models/unetplus-seed0.csv", "maps/may.tif", "maps/june.gpkg",
        "accuracy.json", "confusion.csv", "report.html",
    }  # fmt: skip
    assert expected <= names
    assert not [n for n in names if ".tmp" in n or ".partial" in n or ".training" in n]
    assert any("shared between splits: 0" in s for s in said)
    assert any("a map of" in s for s in said)


def test_figures_are_of_the_test_ground_and_can_be_recomputed(study):
    project, _, _ = study
    content = json.loads((project.results / "accuracy.json").read_text())
    agreed = compared = 0
    for name in ("may", "june", "far"):
        mapped = read_codes(project.results / "maps" / f"{name}.tif")
        labels = read_codes(project.results / "samples" / "labels" / f"{name}.tif")
        test = (read_codes(project.results / "samples" / "splits" / f"{name}.tif") == Split.TEST) & (labels > 0)
        agreed += int((mapped[test] == labels[test]).sum())
        compared += int(test.sum())
    figures = content["test"]["figures"]
    assert figures["total"] == compared
    assert figures["overall_accuracy"] == pytest.approx(agreed / compared)
    assert figures["overall_accuracy"] > figures["majority_accuracy"]
    assert content["labelled_area"]["figures"]["total"] > compared
    assert "training ground included" in content["labelled_area"]["ground"]
    low, high = content["test"]["intervals"]["overall_accuracy"]
    assert low <= figures["overall_accuracy"] <= high


def test_mines_hold_the_maps_mine_pixels(study):
    project, _, _ = study
    mapped = read_codes(project.results / "maps" / "may.tif")
    mines = gpd.read_file(project.results / "maps" / "may.gpkg", layer="mines")
    areas = grid(160, 130).pixel_areas_m2()
    assert mines["area_m2"].sum() == pytest.approx(areas[mapped == 1].sum(), rel=1e-6)
    np.testing.assert_array_equal(np.sort(mines["id"]), np.arange(1, len(mines) + 1))


def test_running_again_does_nothing_new(study):
    project, _, _ = study
    files = [
        p
        for p in project.results.rglob("*")
        if p.is_file() and p.name not in ("report.html", "accuracy.json", "confusion.csv")
    ]
    before = {p: p.stat().st_mtime_ns for p in files}
    content = (project.results / "accuracy.json").read_bytes()
    page = (project.results / "report.html").read_bytes()
    workflow.run(load(project.path))
    assert {p: p.stat().st_mtime_ns for p in files} == before
    assert (project.results / "accuracy.json").read_bytes() == content
    assert (project.results / "report.html").read_bytes() == page


def test_another_mapping_setting_maps_again_but_does_not_train_again(study):
    project, _, _ = study
    model = project.results / "models" / "unetplus-seed0.safetensors"
    before = model.stat().st_mtime_ns, (project.results / "maps" / "may.gpkg").stat().st_mtime_ns
    text = project.path.read_text()
    project.path.write_text(text.replace("minimum_mapping_unit_m2 = 0", "minimum_mapping_unit_m2 = 500"))
    workflow.run(load(project.path))
    project.path.write_text(text)
    assert model.stat().st_mtime_ns == before[0]
    assert (project.results / "maps" / "may.gpkg").stat().st_mtime_ns != before[1]
