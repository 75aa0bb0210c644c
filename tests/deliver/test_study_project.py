"""The QGIS project as a file; QGIS itself opens it in ``test_in_qgis``."""

import shutil
import zipfile
from xml.etree import ElementTree

import geopandas as gpd
import pytest

from changes.dated_study import dated_study
from deliver.mapped import name_points, write_study
from observers import Heard
from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.changes.study import compare_places
from pitmap.deliver.study_project import is_shown, write_study_project
from pitmap.errors import OutputError
from pitmap.mapping.review import ReviewOptions, review
from pitmap.study.study import load_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


def content(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["project.qgs"]
        return ElementTree.fromstring(archive.read("project.qgs").split(b"\n", 1)[1])


def sources(path):
    return [layer.findtext("datasource") for layer in content(path).findall("projectlayers/maplayer")]


def test_layers_stand_in_groups_by_site_at_relative_paths(study):
    path = write_study_project(study)
    assert path == study.results.folder / "Käs Berg.qgz"
    root = content(path)
    assert root.findtext("title") == "Käs & <Berg>"
    groups = {
        group.get("name"): [layer.get("name") for layer in group.findall("layer-tree-layer")]
        for group in root.find("layer-tree-group").findall("layer-tree-group")
    }
    site = ["mines", "confidence", "land cover"]
    assert groups == {"audit of mines": ["reference", "mapped"], "north": [*site, "north"], "far": [*site, "far"]}
    assert sources(path) == [
        "./audit.gpkg|layername=reference", "./audit.gpkg|layername=mapped",
        "./maps/north.gpkg|layername=mines", "./maps/north-confidence.tif", "./maps/north.tif", "../north.tif",
        "./maps/far.gpkg|layername=mines", "./maps/far-confidence.tif", "./maps/far.tif", "../far.tif",
    ]  # fmt: skip
    ids = [layer.findtext("id") for layer in root.findall("projectlayers/maplayer")]
    assert ids == [layer.get("id") for layer in root.iter("layer-tree-layer")]
    assert len(set(ids)) == len(ids)
    assert root.findtext("projectCrs/spatialrefsys/authid") == "EPSG:32649"
    extent = root.find("mapcanvas/extent")
    # Of the first site: 200 rows and 240 columns of 4 m.
    assert [float(side.text) for side in extent] == [500_000, 3_800_000 - 800, 500_960, 3_800_000]


def test_the_same_study_gives_the_same_bytes_wherever_it_lies(study, tmp_path):
    path = write_study_project(study)
    before = path.read_bytes()
    shutil.copytree(study.folder, tmp_path / "moved")
    moved = load_study(tmp_path / "moved")
    again = moved.results.folder / path.name
    time = again.stat().st_mtime_ns
    assert write_study_project(moved) == again
    assert again.stat().st_mtime_ns == time  # up to date: not even written
    again.unlink()
    write_study_project(moved)
    assert again.read_bytes() == before


def test_a_project_saved_in_qgis_is_left_alone(study, tmp_path):
    shutil.copytree(study.folder, tmp_path / "s")
    own = load_study(tmp_path / "s")
    path = write_study_project(own)
    with zipfile.ZipFile(path, "w") as archive:  # as QGIS writes it: without the comment
        archive.writestr("study.qgs", "<qgis/>")
    saved, heard = path.read_bytes(), Heard()
    write_study_project(own, heard)
    assert path.read_bytes() == saved
    assert any("saved in QGIS" in sentence for sentence in heard.said)
    path.write_bytes(b"PK cut off")
    write_study_project(own)
    assert len(sources(path)) == 10


def test_points_are_shown_beside_the_map_when_all_are_labelled(study, tmp_path):
    shutil.copytree(study.folder, tmp_path / "s")
    own = load_study(tmp_path / "s")
    points = own.folder / "points.gpkg"
    design(own.results.map("north").map, points, DesignOptions(points=70, floor=10))
    own, heard = name_points(own, points.name), Heard()
    assert not any("points" in source for source in sources(write_study_project(own, heard)))
    assert any("until all points are labelled" in sentence for sentence in heard.said)
    frame = gpd.read_file(points, layer="points")
    for labelled in (len(frame) - 1, len(frame)):
        frame["reference"] = [1] * labelled + [None] * (len(frame) - labelled)
        frame.to_file(points, layer="points", driver="GPKG", mode="w")
        shown = [source for source in sources(write_study_project(own)) if "points" in source]
        assert shown == (["../points.gpkg|layername=points"] if labelled == len(frame) else [])


def test_a_queue_stands_with_its_map(study, tmp_path):
    shutil.copytree(study.folder, tmp_path / "s")
    own = load_study(tmp_path / "s")
    files = own.results.map("far")
    (own.folder / "review").mkdir()
    review(files.map, files.confidence, own.folder / "review" / "q.gpkg", ReviewOptions(minimum_m2=0))
    root = content(write_study_project(own))
    (group,) = [g for g in root.iter("layer-tree-group") if g.get("name") == "far"]
    assert group[0].get("source") == "../review/q.gpkg|layername=review"


def test_it_is_complete_or_absent(study, tmp_path, monkeypatch):
    shutil.copytree(study.folder, tmp_path / "s")
    own = load_study(tmp_path / "s")
    (path,) = own.results.folder.glob("*.qgz")
    path.unlink()
    monkeypatch.setattr("pathlib.Path.write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OutputError, match="No space left"):
        write_study_project(own)
    assert not list(own.results.folder.glob("*.qgz"))
    assert not list(own.results.folder.glob(".*.qgz"))


def test_what_changed_between_dates_stands_on_top(tmp_path):
    study = dated_study(tmp_path)
    write_study_project(study)
    compare_places(study)
    assert not is_shown(study)
    path = write_study_project(study)
    assert is_shown(study)
    first = content(path).find("layer-tree-group").find("layer-tree-group")
    assert first.get("name") == "change of pit-2023"
    layers = {layer.get("name"): layer.get("checked") for layer in first.findall("layer-tree-layer")}
    assert layers == {
        "mines, what became of them": "Qt::Checked", "ground that changed": "Qt::Unchecked",
        "kind of change": "Qt::Unchecked", "from class to class": "Qt::Unchecked",
    }  # fmt: skip
    assert sources(path)[:4] == [
        "./change/pit-2023/change.gpkg|layername=mines_change", "./change/pit-2023/change.gpkg|layername=transitions",
        "./change/pit-2023/change.tif", "./change/pit-2023/change-transitions.tif",
    ]  # fmt: skip
    text = ElementTree.tostring(content(path), encoding="unicode")
    assert "vegetation \u2192 open-pit mine" in text  # the style of the transitions
    assert "became a mine" in text
