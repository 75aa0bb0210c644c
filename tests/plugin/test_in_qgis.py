"""The plugin's algorithms in QGIS itself, from the zip that QGIS installs; needs QGIS, see ``qgis_python``."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import pitmap
import qgis_python
from deliver.mapped import write_study
from pitmap.legend import DEFAULT_LEGEND
from pitmap.networks import ModelCard, build, save_model
from plugin.labelled import label_as_mapped
from studies import grid, quilt, write_site

HERE = Path(__file__).parent
ALGORITHMS = ("prepare", "map", "mines", "review", "design", "estimate", "audit", "change", "report")

pytestmark = pytest.mark.verify


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study with maps, and a model that maps its images."""
    study = write_study(tmp_path_factory.mktemp("study"))
    torch.manual_seed(0)
    network = build("unet", 4, len(DEFAULT_LEGEND), 2)
    card = ModelCard(
        network="unet", options={"width": 2}, legend=DEFAULT_LEGEND, bands=("blue", "green", "red", "nir"),
        unit="reflectance", dtype="uint16", mean=(0.25,) * 4, std=(0.15,) * 4, pixel_size_m=4.0,
    )  # fmt: skip
    save_model(study.folder / "model.safetensors", network, card)
    return study


def told_of(plugins, folder, jobs):
    (folder / "jobs.json").write_text(json.dumps(jobs))
    return qgis_python.shown(HERE / "algorithms_in_qgis.py", plugins, folder / "jobs.json")


@pytest.fixture(scope="module")
def told(plugins, study, command, tmp_path_factory):
    """What each algorithm said, run one after the other on a small study."""
    out = tmp_path_factory.mktemp("out")
    files = study.results.map("north")
    image, points = str(study.folder / "north.tif"), str(out / "points.gpkg")
    jobs = {
        "prepare": {"PRODUCT": image, "SCALE": 1e-4, "RESOLUTION": 8.0, "OUTPUT": str(out / "prepared.tif")},
        "map": {
            "MODEL": str(study.folder / "model.safetensors"), "IMAGE": image, "OUTPUT": str(out / "map.tif"),
            "MINES": str(out / "map.gpkg"), "CONFIDENCE": str(out / "map-confidence.tif"), "MINIMUM_M2": 0.0,
        },
        "mines": {"MAP": str(files.map), "MINIMUM_M2": 0.0, "OUTPUT": str(out / "mines.gpkg")},
        "review": {"MAP": str(files.map), "MINIMUM_M2": 0.0, "OUTPUT": str(out / "review.gpkg")},
        "design": {"MAP": str(files.map), "POINTS": 70, "FLOOR": 10, "IMAGES": [image], "OUTPUT": points},
        "audit": {
            "MINES": f"{files.mines}|layername=mines", "REFERENCE": f"{files.mines}|layername=mines",
            "OUTPUT": str(out / "audit.gpkg"),
        },
        "change": {
            "MAPS": [str(files.map), str(out / "map.tif")], "IMAGES": [image, image], "DATES": "2021-06-19,2023-06-30",
            "LOAD": True, "OUTPUT": str(out / "change"),
        },
        "report": {"MAP": str(files.map), "IMAGE": image, "OUTPUT": str(out / "report.html")},
    }  # fmt: skip
    load = {"report": [], "change": []}
    listed = [
        {"id": f"pitmap:{name}", "parameters": parameters, "load": load.get(name, ["OUTPUT"])}
        for name, parameters in jobs.items()
    ]
    listed[1]["load"] = ["OUTPUT", "MINES"]
    first = told_of(plugins, out, listed)
    label_as_mapped(Path(points))
    estimate = {"POINTS": f"{points}|layername=points", "MAP": str(files.map), "OUTPUT": str(out / "estimate.json")}
    second = told_of(plugins, out, [{"id": "pitmap:estimate", "parameters": estimate}])
    return {t["id"].removeprefix("pitmap:"): t for t in first["told"] + second["told"]}, first["algorithms"], out


def test_the_provider_lists_every_algorithm(told):
    assert set(told[1]) == {f"pitmap:{name}" for name in ALGORITHMS}
    assert told[1]["pitmap:mines"] == "Extract mines"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_runs(told, name):
    run = told[0][name]
    assert run["ok"], (run["log"], run["errors"])
    assert run["fits"], run["problem"]
    assert run["results"]["SUMMARY"] == run["log"][-1] or run["results"]["SUMMARY"] in run["log"]
    assert "--events" in run["log"][0]
    path = run["results"]["OUTPUT"].split("|")[0]
    assert Path(path).exists()


def test_results_are_those_of_the_command(told):
    runs, _, out = told
    mines = pitmap.extract_mines(out / "map.tif", out / "again.gpkg")
    assert runs["map"]["results"]["COUNT"] == mines.count
    assert runs["map"]["results"]["AREA_HA"] == pytest.approx(mines.area_ha)
    assert runs["mines"]["results"]["AREA_HA"] > 0
    assert runs["design"]["results"]["COUNT"] >= 70
    assert runs["estimate"]["results"]["OVERALL_ACCURACY"] == 1.0
    assert runs["audit"]["results"]["MISSED"] == 0
    assert json.loads((out / "audit.json").read_text())["totals"]["found"] == runs["audit"]["results"]["FOUND"]
    assert runs["report"]["results"]["REPORT"] == str(out / "report.html")


def test_progress_is_shown(told):
    shares = told[0]["map"]["shares"]
    assert max(shares) == 100.0
    assert any("mapping" in line for line in told[0]["map"]["log"])


def test_layers_come_with_their_styles(told):
    layers = {(name, layer["name"]): layer for name, run in told[0].items() for layer in run["layers"]}
    assert set(layers) == {
        ("prepare", "Reflectance"), ("map", "Land cover"), ("map", "Mines"), ("mines", "Mines"), ("review", "Review"),
        ("design", "Points"), ("audit", "Verdicts: mapped"),
        ("audit", "Verdicts: reference"), ("change", "Kinds of change"), ("change", "Changed ground"),
        ("change", "Mines, changed"),
    }  # fmt: skip
    assert layers["map", "Land cover"]["classes"] == [c.name for c in DEFAULT_LEGEND]
    assert layers["mines", "Mines"]["legend"] == ["open-pit mine"]
    assert layers["design", "Points"]["legend"] == ["to be labelled", "labelled"]
    assert layers["review", "Review"]["renderer"] == "RuleRenderer"
    assert np.all([layer["features"] for layer in layers.values() if layer["features"] is not None])


def test_errors_are_pitmaps_own_and_cancelling_ends_the_command(plugins, study, command, tmp_path):
    slow = tmp_path / "slow" / "pitmap"
    slow.parent.mkdir()
    slow.write_text(
        """#!/bin/sh
tell() { echo '{"event": "error", "text": "Stopped at tile 3."}' >&2; exit 143; }
trap tell TERM
echo '{"event": "say", "text": "ready"}' >&2
while :; do sleep 0.1; done
"""
    )
    slow.chmod(0o755)
    image = str(study.folder / "north.tif")
    mines = {"MAP": image, "OUTPUT": str(tmp_path / "none.gpkg")}
    report = {"OUTPUT": str(tmp_path / "none.html")}
    failed, unread = told_of(
        plugins, tmp_path, [{"id": "pitmap:mines", "parameters": mines}, {"id": "pitmap:report", "parameters": report}]
    )["told"]
    assert not failed["ok"]
    assert "north.tif" in failed["errors"]
    assert "Traceback" not in failed["errors"]
    assert not (tmp_path / "none.gpkg").exists()
    assert not unread["ok"]
    assert "give either a PROJECT or --map MAP" in unread["errors"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
        job = {"id": "pitmap:mines", "parameters": mines, "cancel_after": "ready"}
        (cancelled,) = told_of(plugins, tmp_path, [job])["told"]
    assert not cancelled["ok"]
    assert "Stopped at tile 3." in cancelled["errors"]


def test_cancelling_a_map_stops_it_between_tiles(plugins, study, command, tmp_path):
    codes = quilt(1536, 1536, 7, cell=24)
    write_site(tmp_path, "large", codes, grid(1536, 1536))
    parameters = {
        "MODEL": str(study.folder / "model.safetensors"), "IMAGE": str(tmp_path / "large.tif"), "TILE": 256,
        "OUTPUT": str(tmp_path / "map.tif"),
    }  # fmt: skip
    job = {"id": "pitmap:map", "parameters": parameters, "cancel_after": "mapping"}
    (cancelled,) = told_of(plugins, tmp_path, [job])["told"]
    assert not cancelled["ok"]
    assert "Stopped at mapping" in cancelled["errors"]
    assert "the same command goes on" in cancelled["errors"]
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path / "map.tif") not in running
    # Nothing is left under a real name, and what is left hidden goes into the map when it is made again.
    assert [p.name for p in tmp_path.glob("map*")] == []
    (again,) = told_of(plugins, tmp_path, [{"id": "pitmap:map", "parameters": parameters}])["told"]
    assert again["ok"], again["errors"]
    shutil.move(tmp_path / "map.tif", tmp_path / "resumed.tif")
    (anew,) = told_of(plugins, tmp_path, [{"id": "pitmap:map", "parameters": parameters}])["told"]
    assert anew["ok"]
    assert (tmp_path / "map.tif").read_bytes() == (tmp_path / "resumed.tif").read_bytes()
