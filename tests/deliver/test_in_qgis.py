"""The QGIS project as QGIS itself opens it; needs QGIS, see ``qgis_python``."""

import shutil
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

import qgis_python
from deliver.mapped import name_points, write_study
from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.accuracy.sampling.sample_file import read_sample, write_sample
from pitmap.deliver.study_project import write_study_project
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.review import ReviewOptions, review
from pitmap.study.study import load_study

OPENED = Path(__file__).parents[1] / "qgis" / "opened.py"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What QGIS says of the project of a study that was moved after it was written, and the picture that it draws."""
    qgis_python.require()
    folder = tmp_path_factory.mktemp("qgis")
    study = write_study(folder / "here")
    files, points = study.results.map("north"), study.folder / "points.gpkg"
    design(files.map, points, DesignOptions(points=70, floor=10))
    sample = read_sample(points)
    sample.points["reference"] = 1 + np.arange(len(sample.points)) % 7
    write_sample(points, sample, "")
    review(files.map, files.confidence, study.folder / "queue.gpkg", ReviewOptions(minimum_m2=0))
    path = write_study_project(name_points(study, points.name))
    shutil.move(study.folder, folder / "elsewhere")
    moved = load_study(folder / "elsewhere").results.folder / path.name
    picture = folder / "project.png"
    return qgis_python.shown(OPENED, picture, moved), picture


@pytest.mark.verify
def test_it_opens_after_a_move_with_all_layers(told):
    project, _ = told
    assert project["opened"]
    assert (project["title"], project["crs"]) == ("Käs & <Berg>", "EPSG:32649")
    assert project["tree"] == ["audit of mines", "north", "far"]
    assert [(layer["groups"][-1], layer["name"]) for layer in project["layers"]] == [
        ("audit of mines", "reference"), ("audit of mines", "mapped"), ("north", "review"), ("north", "points"),
        ("north", "mines"), ("north", "confidence"), ("north", "land cover"), ("north", "north"), ("far", "mines"),
        ("far", "confidence"), ("far", "land cover"), ("far", "far"),
    ]  # fmt: skip
    assert all(layer["valid"] and layer["crs"] == "EPSG:32649" for layer in project["layers"])
    assert all("elsewhere" in layer["source"] for layer in project["layers"])


@pytest.mark.verify
def test_styles_are_applied(told):
    layers = {(layer["groups"][-1], layer["name"]): layer for layer in told[0]["layers"]}
    cover = layers["north", "land cover"]
    assert cover["classes"] == {str(c.code): [c.name, c.colour] for c in DEFAULT_LEGEND}
    image = layers["north", "north"]
    assert (image["renderer"], image["bands"]) == ("multibandcolor", [4, 3, 2])
    assert all(0 < low < high < 0.7 for low, high in image["limits"])  # reflectance, not numbers of the file
    assert [item[1] for item in layers["far", "confidence"]["items"]] == ["0%", "50%", "70%", "90%", "100%"]
    mines = layers["north", "mines"]
    assert (mines["renderer"], mines["labels"]) == ("categorizedSymbol", ["open-pit mine"])
    assert mines["symbols"] == [[["SimpleLine", "#ffffff"], ["SimpleLine", "#d7191c"]]]
    assert mines["aliases"]["area_ha"] == "area (ha)"
    hectares = float(mines["first"]["area_ha"])
    assert mines["first"]["area_ha"] == f"{hectares:.2f}"
    assert mines["labelled"]
    assert mines["first_label"].startswith("No. 1 · ")
    assert float(mines["first_label"].split()[3]) == pytest.approx(hectares, abs=0.06)
    assert mines["first_tip"].startswith(f"<b>{mines['first_label']}</b><br>open-pit mine")
    points = layers["north", "points"]
    assert points["labels"][:7] == [c.name for c in DEFAULT_LEGEND]
    assert points["features"] >= 70
    assert layers["north", "review"]["renderer"] == "RuleRenderer"
    assert layers["audit of mines", "reference"]["labels"] == ["found", "split", "merged", "split and merged", "missed"]


@pytest.mark.verify
def test_the_picture_shows_image_map_and_mines(told):
    _, picture = told
    rgb = (matplotlib.image.imread(picture)[..., :3] * 255).astype(int)
    assert (np.abs(rgb - DEFAULT_LEGEND["OPM"].rgb).sum(-1) < 6).mean() > 0.0005  # lines of the mines
    assert (np.abs(rgb - 255).sum(-1) < 6).mean() < 0.5  # no empty canvas
    assert len(np.unique(rgb.reshape(-1, 3), axis=0)) > 1000
