import json
import shutil

import geopandas as gpd
import numpy as np
import pytest

from labelled_samples import label
from observers import Heard
from pitmap import workflow
from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.errors import OutputError, ProjectError
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.review import ReviewOptions, review
from pitmap.mapping.study import split_file
from pitmap.networks.model_card import read_card
from pitmap.raster.codes import codes_layout, read_codes
from pitmap.raster.reading import describe
from pitmap.raster.writing import Layout, write_cog
from pitmap.reporting import write_report
from pitmap.samples.split import Split
from pitmap.state import study_state
from pitmap.study.results import MapFiles
from pitmap.study.study import load_study
from studies import grid, quilt, reflectance_of, write_project, write_site

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
    project = load_study(write_project(folder, ["may", "june", "far"], QUICK, samples="block_m = 80"))
    heard = Heard()
    report = workflow.run(project, observer=heard).report
    return project, report, heard.said


def test_every_step_leaves_its_file(study):
    project, report, said = study
    names = {p.relative_to(project.results.folder).as_posix() for p in project.results.folder.rglob("*") if p.is_file()}
    assert report == project.results.folder / "report.html"
    expected = {
        "samples/samples.json", "samples/patches.gpkg", "samples/labels/may.tif", "samples/splits/far.tif",
        "models/unetplus-seed0.safetensors", "models/unetplus-seed0.csv", "maps/may.tif", "maps/june.gpkg",
        "maps/june-confidence.tif", "accuracy.json", "confusion.csv", "report.html",
    }  # fmt: skip
    assert expected <= names
    assert not [n for n in names if ".tmp" in n or ".partial" in n or ".training" in n]
    assert any("shared between splits: 0" in s for s in said)
    assert any("a map of" in s for s in said)


def test_figures_are_of_the_test_ground_and_can_be_recomputed(study):
    project, _, _ = study
    content = json.loads((project.results.folder / "accuracy.json").read_text())
    agreed = compared = 0
    for name in ("may", "june", "far"):
        mapped = read_codes(project.results.folder / "maps" / f"{name}.tif")
        labels = read_codes(project.results.folder / "samples" / "labels" / f"{name}.tif")
        test = (read_codes(project.results.folder / "samples" / "splits" / f"{name}.tif") == Split.TEST) & (labels > 0)
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


def test_reliability_is_that_of_the_test_ground(study):
    project, _, _ = study
    content = json.loads((project.results.folder / "accuracy.json").read_text())
    assert content["reliability"]["pixels"] == content["test"]["figures"]["total"]
    right = sum((b["accuracy"] or 0) * b["pixels"] for b in content["reliability"]["bins"])
    assert right / content["test"]["figures"]["total"] == pytest.approx(content["test"]["figures"]["overall_accuracy"])
    stated = sum((b["confidence"] or 0) * b["pixels"] for b in content["reliability"]["bins"])
    told = 0.0
    for name in ("may", "june", "far"):
        sure = read_codes(project.results.folder / "maps" / f"{name}-confidence.tif")
        labels = read_codes(project.results.folder / "samples" / "labels" / f"{name}.tif")
        test = (read_codes(project.results.folder / "samples" / "splits" / f"{name}.tif") == Split.TEST) & (labels > 0)
        told += (sure[test] / 255).sum()
    assert stated == pytest.approx(told)
    assert "Stated confidence and share differ by" in (project.results.folder / "report.html").read_text()


def test_mines_hold_the_maps_mine_pixels(study):
    project, _, _ = study
    mapped = read_codes(project.results.folder / "maps" / "may.tif")
    mines = gpd.read_file(project.results.folder / "maps" / "may.gpkg", layer="mines")
    areas = grid(160, 130).pixel_areas_m2()
    assert mines["area_m2"].sum() == pytest.approx(areas[mapped == 1].sum(), rel=1e-6)
    np.testing.assert_array_equal(np.sort(mines["id"]), np.arange(1, len(mines) + 1))


def test_running_again_does_nothing_new(study):
    project, _, _ = study
    files = [p for p in project.results.folder.rglob("*") if p.is_file()]
    before = {p: p.stat().st_mtime_ns for p in files}
    workflow.run(load_study(project.path))
    assert {p: p.stat().st_mtime_ns for p in files} == before


def test_another_mapping_setting_maps_again_but_does_not_train_again(study):
    project, _, _ = study
    model = project.results.folder / "models" / "unetplus-seed0.safetensors"
    before = model.stat().st_mtime_ns, (project.results.folder / "maps" / "may.gpkg").stat().st_mtime_ns
    text = project.path.read_text()
    project.path.write_text(text.replace("minimum_mapping_unit_m2 = 0", "minimum_mapping_unit_m2 = 500"))
    workflow.run(load_study(project.path))
    project.path.write_text(text)
    assert model.stat().st_mtime_ns == before[0]
    assert (project.results.folder / "maps" / "may.gpkg").stat().st_mtime_ns != before[1]


def test_a_threshold_that_nothing_answers_is_said(study):
    project, _, _ = study
    text = project.path.read_text()
    try:
        project.path.write_text(text + "[report]\nthreshold_ha = 60\n")
        heard = Heard()
        made = workflow.report(load_study(project.path), observer=heard)
        (sentence,) = heard.warned
        assert "more than the 60 ha of [report] threshold_ha is not known: that is known from labelled" in sentence
        assert made.warnings == (sentence,) == workflow.run(load_study(project.path)).unanswered
        assert "Whether it exceeds 60 ha is not known without labelled points." in made.path.read_text()
        without = text.replace("[mapping]", "[mapping]\nmines = []")
        project.path.write_text(without + "[report]\nthreshold_ha = 60\n")
        with pytest.raises(ProjectError, match="nothing is compared with it"):
            load_study(project.path)
    finally:
        project.path.write_text(text)


@pytest.mark.verify
def test_reference_points_are_estimated_from_until_the_map_changes(study):
    project, _, _ = study
    map_file, points = project.results.folder / "maps" / "far.tif", project.folder / "points.gpkg"
    design(map_file, points, DesignOptions(points=120, floor=20))
    text = project.path.read_text()
    project.path.write_text(text + '[accuracy]\nreference = "points.gpkg"\n')
    heard = Heard()
    workflow.run(load_study(project.path), observer=heard)
    assert any("No estimate from reference points" in s for s in heard.warned)  # nobody has labelled them
    label(points, read_codes(map_file))
    report = workflow.run(load_study(project.path)).report
    estimate = json.loads((project.results.folder / "estimate.json").read_text())
    assert estimate["overall_accuracy"]["value"] == 1
    assert "Estimate from a sample of points" in report.read_text()
    # Other settings would make another map under the points.
    project.path.write_text(project.path.read_text().replace("[mapping]", "[mapping]\nhalo = 16"))
    before = map_file.read_bytes()
    with pytest.raises(OutputError, match=r"far\.tif, on which rest 12\d labelled point\(s\) of .*points\.gpkg"):
        workflow.run(load_study(project.path))
    assert map_file.read_bytes() == before
    project.path.write_text(text + '[accuracy]\nreference = "points.gpkg"\n')
    # Another map under the same name: the report does not show the old estimate, and the next run removes it.
    codes = read_codes(map_file)
    kept = map_file.read_bytes()
    write_cog(
        map_file, np.where(codes == 1, 2, codes).astype(np.uint8), describe(map_file).grid, codes_layout(DEFAULT_LEGEND)
    )
    assert "no map here any more" in write_report(project, workflow.model_path(project)).read_text()
    heard = Heard()
    assert not workflow.estimate_reference(load_study(project.path), heard)
    assert "sample of another map" in heard.warned[0]
    assert not (project.results.folder / "estimate.json").exists()
    map_file.write_bytes(kept)
    project.path.write_text(text.replace("[[sites]]", '[accuracy]\nreference = "pionts.gpkg"\n[[sites]]', 1))
    with pytest.raises(ProjectError, match=r"pionts.gpkg' does not exist. Did you mean 'points.gpkg'"):
        load_study(project.path)
    project.path.write_text(text)
    workflow.run(load_study(project.path))


@pytest.mark.verify
def test_a_reviewed_map_teaches_the_next_network(study):
    project, _, _ = study
    before = json.loads((project.results.folder / "samples" / "samples.json").read_text())
    figures = json.loads((project.results.folder / "accuracy.json").read_text())["labelled_area"]["figures"]
    model = read_card(workflow.model_path(project)).sha256
    queue = project.folder / "review.gpkg"
    map_file = project.results.folder / "maps" / "may.tif"
    assert split_file(project, project.folder / "may.tif") is None
    split = split_file(project, map_file)
    assert split == project.results.folder / "samples" / "splits" / "may.tif"
    review(map_file, MapFiles(map_file).confidence, queue, ReviewOptions(minimum_m2=100, split=split))
    frame = gpd.read_file(queue, layer="review")
    frame.loc[frame["rank"] == 1, "reference"] = "WDA"
    frame.to_file(queue, layer="review", driver="GPKG")
    text = project.path.read_text()
    project.path.write_text(text.replace('image = "may.tif"', 'image = "may.tif"\ncorrections = "review.gpkg"'))
    heard = Heard()
    workflow.run(load_study(project.path), observer=heard, replace=True)
    after = json.loads((project.results.folder / "samples" / "samples.json").read_text())
    assert after["corrections"]["polygons"] == 1
    assert after["corrections"]["open"] > 0
    assert any("1 reviewed polygon(s)" in s for s in heard.said)
    accuracy = json.loads((project.results.folder / "accuracy.json").read_text())
    assert accuracy["labelled_area"]["figures"]["total"] == figures["total"]
    for split in ("validation", "test"):
        counts = [c["audit"]["labelled_pixels_by_class"][split] for c in (before, after)]
        assert counts[0] == counts[1]
    assert "Labels were corrected in a review" in (project.results.folder / "report.html").read_text()
    dumps = after["audit"]["labelled_pixels_by_class"]["training"]["WDA"]
    assert dumps == after["corrections"]["changed"] + after["corrections"]["added"]
    assert read_card(workflow.model_path(project)).sha256 != model
    project.path.write_text(text)


@pytest.mark.verify
def test_images_without_labels_are_mapped_and_compared_with_the_training_ground(tmp_path):
    codes = quilt(160, 130, 3)
    write_site(tmp_path, "may", codes, grid(160, 130))
    pixels = reflectance_of(codes)
    layout = Layout(4, "uint16", 0, ("blue", "green", "red", "nir"), scale=1e-4)  # of the second the offset is lost
    write_cog(tmp_path / "alike.tif", pixels, grid(160, 130, x=510_000), layout)
    write_cog(tmp_path / "lost.tif", pixels + 5000, grid(160, 130, x=520_000), layout)
    path = write_project(tmp_path, ["may"], QUICK.replace("epochs = 6", "epochs = 1"), samples="block_m = 80")
    path.write_text(path.read_text() + '[[sites]]\nname = "new"\nimage = "[al]*[et].tif"\n')
    heard = Heard()
    study = load_study(path)
    assert [s.name for s in study.scenes] == ["may", "new-alike", "new-lost"]
    result = workflow.run(study, observer=heard)
    for name in ("may", "new-alike", "new-lost"):
        assert (read_codes(study.results.map(name).map) > 0).all()
    assert len(heard.warned) == 1
    assert heard.warned[0].startswith("lost.tif: The numbers of this image are unlike")
    content = json.loads(study.results.accuracy.read_text())
    assert content["labelled_area"]["figures"]["total"] == codes.size
    assert content["scenes"]["new-alike"] == {"test": None, "labelled_area": None}
    assert "new-lost" in result.report.read_text()
    path.write_text(path.read_text().replace('labels = "may-labels.tif"\n', ""))
    with pytest.raises(ProjectError, match=r"No site of .* has labels"):
        workflow.sample(load_study(path))


def files_of(folder):
    return {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if p.is_file()}


def test_two_runs_give_the_same_bytes_and_a_study_that_was_moved_is_done(tmp_path):
    one, two = tmp_path / "one", tmp_path / "deeper" / "two"
    one.mkdir()
    write_site(one, "a", quilt(128, 128, 3, cell=8), grid(128, 128))
    settings = QUICK.replace("epochs = 6", "epochs = 2").replace("[mapping]", "[mapping]\nprobabilities = true")
    write_project(one, ["a"], settings, samples="block_m = 64.0")
    shutil.copytree(one, two)
    for folder in (one, two):
        workflow.run(load_study(folder / "pitmap.toml"))
    first, second = files_of(one), files_of(two)
    assert first.keys() == second.keys()
    differ = [name for name in first if first[name].read_bytes() != second[name].read_bytes()]
    # How long the training took, and when it was, lies beside the model.
    assert set(differ) <= {"results/models/unetplus-seed0.times.json"}
    assert not [name for name in first if ".lock" in name]
    moved = one.rename(tmp_path / "moved")
    for image in moved.glob("*.tif"):
        image.touch()
    before = {name: path.stat().st_mtime_ns for name, path in files_of(moved).items()}
    workflow.run(load_study(moved / "pitmap.toml"))
    assert {name: path.stat().st_mtime_ns for name, path in files_of(moved).items()} == before
    copied = tmp_path / "copied"
    shutil.copytree(moved, copied)
    before = {name: path.stat().st_mtime_ns for name, path in files_of(copied).items()}
    workflow.run(load_study(copied / "pitmap.toml"))
    assert {name: path.stat().st_mtime_ns for name, path in files_of(copied).items()} == before


def test_a_network_is_not_trained_on_samples_of_another_state_of_the_project(study, tmp_path):
    project, _, _ = study
    shutil.copytree(project.folder, tmp_path, dirs_exist_ok=True)
    path = tmp_path / project.path.name
    path.write_text(path.read_text().replace("block_m = 80", "block_m = 120"))
    with pytest.raises(ProjectError, match="not those of"):
        workflow.train(load_study(path))


@pytest.mark.verify
def test_what_is_up_to_date_is_known_before_a_run(study, tmp_path):
    project, _, _ = study
    shutil.copytree(project.folder, tmp_path / "s")
    own = load_study(tmp_path / "s")
    workflow.run(own, replace=True)
    assert [step.text for step in study_state(own)] == ["up to date"] * 8
    text = (tmp_path / "s" / "pitmap.toml").read_text()
    (tmp_path / "s" / "pitmap.toml").write_text(
        text.replace("minimum_mapping_unit_m2 = 0", "minimum_mapping_unit_m2 = 9")
    )
    changed = load_study(tmp_path / "s")
    stale = [step.name for step in study_state(changed) if not step.current]
    assert stale == ["map of may", "map of june", "map of far", "accuracy", "report", "QGIS project study.qgz"]
    workflow.run(changed)
    assert all(step.current for step in study_state(changed))
    changed.results.map("june").mines.unlink()
    assert "map of june" in [step.name for step in study_state(changed) if not step.current]
    assert not changed.results.map("june").mines.exists()  # looking makes nothing
