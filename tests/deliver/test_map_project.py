"""The QGIS project of maps outside a study, as a file and as QGIS opens it after a move."""

import shutil
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

import qgis_python
from deliver.mapped import write_study
from pitmap.deliver.map_project import MappedImage, write_map_project
from pitmap.legend import DEFAULT_LEGEND

OPENED = Path(__file__).parents[1] / "qgis" / "opened.py"


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """Two images with all that may lie beside a map."""
    study = write_study(tmp_path_factory.mktemp("here"))
    found = []
    for name in ("north", "far"):
        files = study.results.map(name)
        found.append(MappedImage(study.folder / f"{name}.tif", files.map, None, files.mines, files.confidence))
    return study.folder, found


def tree(path):
    with zipfile.ZipFile(path) as archive:
        root = ElementTree.fromstring(archive.read("project.qgs").split(b"\n", 1)[1])
    top = root.find("layer-tree-group")
    return root, [(node.tag, node.get("name"), [n.get("name") for n in node]) for node in top]


def test_one_image_has_its_layers_at_the_top(mapped):
    folder, (north, _) = mapped
    path = write_map_project(folder / "north.qgz", [north])
    root, members = tree(path)
    assert [name for _, name, _ in members] == ["mines", "confidence", "land cover", "north"]
    assert [e.text for e in root.iter("datasource")] == [
        "./results/maps/north.gpkg|layername=mines", "./results/maps/north-confidence.tif",
        "./results/maps/north.tif", "./north.tif",
    ]  # fmt: skip
    before = path.read_bytes()
    path.unlink()
    assert write_map_project(path, [north]).read_bytes() == before


def test_several_images_have_groups(mapped):
    folder, found = mapped
    _, members = tree(write_map_project(folder / "both.qgz", found))
    layers = ["mines", "confidence", "land cover"]
    assert members == [
        ("layer-tree-group", "north", [*layers, "north"]), ("layer-tree-group", "far", [*layers, "far"])
    ]  # fmt: skip


@pytest.mark.verify
def test_qgis_opens_it_after_a_move(mapped, tmp_path):
    qgis_python.require()
    folder, found = mapped
    path = write_map_project(folder / "both.qgz", found)
    shutil.copytree(folder, tmp_path / "moved")
    shown = qgis_python.shown(OPENED, tmp_path / "p.png", tmp_path / "moved" / path.name)
    assert shown["crs"] == "EPSG:32649"
    assert all(layer["valid"] and "moved" in layer["source"] for layer in shown["layers"])
    cover = next(layer for layer in shown["layers"] if layer["name"] == "land cover")
    assert cover["classes"] == {str(c.code): [c.name, c.colour] for c in DEFAULT_LEGEND}
    mines = next(layer for layer in shown["layers"] if layer["name"] == "mines")
    assert mines["first_label"].startswith("No. 1 · ")
