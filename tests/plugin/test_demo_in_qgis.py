"""Every algorithm of the plugin on the demonstration, as ``qgis_process`` runs it from a terminal; needs QGIS.

``PITMAP_DEMO`` names the folder of a demonstration that was made already; it is copied, and left as it is.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

import qgis_python
from pitmap.accuracy.mines.verdict_style import MAPPED_COLOURS, REFERENCE_COLOURS
from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.reading import describe
from pitmap.samples.split import SPLIT_LEGEND
from plugin.labelled import label_as_mapped

pytestmark = pytest.mark.verify

SECONDS = 3600
OPENED = Path(__file__).parents[1] / "qgis" / "opened.py"


@pytest.fixture(scope="module")
def demo(command, tmp_path_factory) -> Path:
    """The demonstration: two simulated products, prepared, a trained network, maps and mines of both."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    if made := os.environ.get("PITMAP_DEMO"):
        shutil.copytree(made, folder)
    else:
        own = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "GDAL_DATA")}
        subprocess.run([command, "demo", folder], check=True, capture_output=True, timeout=SECONDS, env=own)
    return folder


@pytest.fixture(scope="module")
def process(plugins, command):
    """Runs an algorithm with ``qgis_process``: what it wrote, and the results that it names."""
    profile = Path(os.environ["QGIS_CUSTOM_CONFIG_PATH"]) / "profiles" / "default"
    (profile / "python" / "plugins").mkdir(parents=True, exist_ok=True)
    if not (link := profile / "python" / "plugins" / "pitmap_qgis").exists():
        link.symlink_to(plugins / "pitmap_qgis")
    (profile / "QGIS").mkdir(exist_ok=True)
    (profile / "QGIS" / "QGIS3.ini").write_text("[PythonPlugins]\npitmap_qgis=true\n")
    binary = next(p for p in ("/usr/bin/qgis_process.bin", "/usr/bin/qgis_process") if Path(p).exists())

    def run(name, parameters, *, as_json=True):
        given = [f"{key}={one}" for key, value in parameters.items()
                 for one in (value if isinstance(value, list) else [value])]  # fmt: skip
        return subprocess.run(
            [binary, "run", f"pitmap:{name}", *(["--json"] if as_json else []), "--", *given],
            capture_output=True, text=True, env=os.environ | {"QT_QPA_PLATFORM": "offscreen"}, timeout=SECONDS,
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def results(demo, process, tmp_path_factory):
    """The results of all algorithms, each fed with what those before it made, as an analyst would."""
    out, found = tmp_path_factory.mktemp("out"), {}
    site, (model,) = demo / "site1", (demo / "results" / "models").glob("*.safetensors")
    (product,) = site.glob("GF2*.tar.gz")
    image, land_cover, mines = site / "image.tif", out / "map.tif", out / "map.gpkg"
    points = out / "points.gpkg"
    jobs = {
        "prepare": {"PRODUCT": product, "DEM": site / "dem.tif", "OUTPUT": out / "image.tif"},
        "map": {
            "MODEL": model, "IMAGE": image, "OUTPUT": land_cover, "MINES": mines,
            "CONFIDENCE": out / "map-confidence.tif", "PROBABILITIES": out / "map-probabilities.tif", "QGIS": "true",
        },
        "mines": {"MAP": land_cover, "MINIMUM_M2": 5000, "OUTPUT": out / "large.gpkg"},
        "design": {"MAP": land_cover, "CLASS": "OPM", "RELATIVE": 0.2, "IMAGES": image, "OUTPUT": points},
        "estimate": {"POINTS": f"{points}|layername=points", "MAP": land_cover, "OUTPUT": out / "estimate.json"},
        "audit": {
            "MINES": f"{mines}|layername=mines", "REFERENCE": site / "site1-mines.gpkg", "OUTPUT": out / "audit.gpkg",
        },
        "review": {"MAP": land_cover, "OUTPUT": out / "review.gpkg"},
        "change": {
            "MAPS": [demo / "results" / "maps" / "site1.tif", land_cover], "IMAGES": [image, image],
            "DATES": "2017-10-30,2018-10-30", "OUTPUT": out / "change",
        },
        "report": {"STUDY": demo / "pitmap.toml"},
    }  # fmt: skip
    for name, parameters in jobs.items():
        if name == "estimate":
            label_as_mapped(points)
        ended = process(name, parameters)
        assert ended.returncode == 0, (name, ended.stdout, ended.stderr)
        found[name] = json.loads(ended.stdout)["results"]
    return found, out


def test_every_algorithm_of_the_plugin_runs_on_the_demo(demo, results):
    found, out = results
    for name, said in found.items():
        assert said["SUMMARY"], name
        if name != "report":
            assert Path(said["OUTPUT"].split("|")[0]).exists(), name
    # The image of the study is a part of what the product gives.
    part, whole = describe(demo / "site1" / "image.tif").grid, describe(out / "image.tif").grid
    row, col = (round(float(v)) for v in whole.pixel_positions(*part.pixel_centres(np.array(0), np.array(0))))
    with rasterio.open(out / "image.tif") as image, rasterio.open(demo / "site1" / "image.tif") as expected:
        pixels = image.read(window=Window(col, row, part.width, part.height)).astype(int)
        # Where it begins elsewhere, places between the nodes of the orthorectification differ by hundredths of a pixel.
        assert np.quantile(np.abs(pixels - expected.read()), 0.99) < 50  # reflectance of 0.005
    assert found["map"]["COUNT"] >= found["mines"]["COUNT"] > 0
    assert found["map"]["AREA_HA"] >= found["mines"]["AREA_HA"] > 10
    assert (out / "map.qgz").exists()
    assert (out / "points.qgz").exists()
    assert found["estimate"]["OVERALL_ACCURACY"] == 1.0
    assert found["estimate"]["USED"] == found["design"]["COUNT"]
    assert found["audit"]["FOUND"] > 0
    assert Path(found["report"]["REPORT"]).samefile(demo / "results" / "report.html")
    assert Path(found["change"]["REPORT"]).exists()
    # The same image and model gave the map of the study: nothing of it changed.
    (step,) = json.loads((out / "change" / "change.json").read_text())["steps"]
    assert set(step["verdicts"]) == {"unchanged"}


@pytest.fixture(scope="module")
def layers(demo, results, tmp_path_factory):
    """What QGIS says of the project of the demonstration, which was moved, and of what the algorithms left."""
    _, out = results
    moved, pictures = tmp_path_factory.mktemp("moved"), tmp_path_factory.mktemp("pictures")
    shutil.copytree(demo, moved / "demo")
    (project,) = (moved / "demo" / "results").glob("*.qgz")
    whole = qgis_python.shown(OPENED, pictures / "project.png", project)
    assert whole["opened"]
    assert all(layer["valid"] and str(moved) in layer["source"] for layer in whole["layers"])
    loose = [
        out / "review.gpkg", f"{out / 'audit.gpkg'}|layername=mapped", f"{out / 'audit.gpkg'}|layername=reference",
        f"{out / 'change' / 'change.gpkg'}|layername=mines_change", out / "change" / "change.tif",
        out / "map-probabilities.tif", moved / "demo" / "site1" / "image.saturated.tif", out / "map.tif",
    ]  # fmt: skip
    alone = qgis_python.shown(OPENED, pictures / "loose.png", *loose)
    found = {(*layer["groups"], layer["name"]): layer for layer in whole["layers"]}
    found |= {(layer["name"].replace("|layername=", " "),): layer for layer in alone["layers"]}
    if folder := os.environ.get("PICTURES"):
        for picture in pictures.iterdir():
            shutil.copy(picture, folder)
    return found


def test_qgis_reads_back_the_rasters(layers):
    classes = {str(c.code): [c.name, c.colour] for c in DEFAULT_LEGEND}
    for name in (("site1", "land cover"), ("site1", "labels"), ("map.tif",)):
        assert layers[name]["classes"] == classes
    assert layers["site1", "split"]["classes"] == {str(c.code): [c.name, c.colour] for c in SPLIT_LEGEND}
    assert [(label, colour) for _, label, colour in layers["site1", "confidence"]["items"]] == [
        ("0%", "#7f2704"), ("50%", "#d94801"), ("70%", "#fdae6b"), ("90%", "#c6dbef"), ("100%", "#2171b5")
    ]  # fmt: skip
    pits = layers["map-probabilities.tif",]
    assert pits["bands"] == [DEFAULT_LEGEND["OPM"].code]
    assert [label for _, label, _ in pits["items"]][-1] == "open-pit mine: 100%"
    assert {colour[:7] for *_, colour in pits["items"]} == {DEFAULT_LEGEND["OPM"].colour}
    saturated = layers["image.saturated.tif",]["classes"].values()
    assert all(label.endswith("saturated") for label, _ in saturated)
    assert ["nir saturated", "#ffff00"] in saturated
    assert layers["site1", "image"]["renderer"] == "multibandcolor"
    assert layers["site1", "image"]["bands"] == [4, 3, 2]
    kinds = layers["change.tif",]["classes"]
    assert kinds
    assert len({colour for _, colour in kinds.values()}) == len(kinds)


def test_qgis_reads_back_names_numbers_labels_and_tips(layers):
    mines = layers["site1", "mines"]
    assert re.fullmatch(r"No\. 1 · \d+\.\d ha", mines["first_label"])
    assert re.fullmatch(
        r"<b>No\. 1 · \d+\.\d ha</b><br>open-pit mine<br>outline [\d,]+ m<br>mean confidence \d+ %", mines["first_tip"]
    )
    assert (mines["aliases"]["area_ha"], mines["aliases"]["perimeter_m"]) == ("area (ha)", "outline (m)")
    assert re.fullmatch(r"\d+\.\d\d", mines["first"]["area_ha"].replace(",", ""))
    review = layers["review.gpkg",]
    assert review["labels"] == ["mine, to be checked", "doubtful ground, to be checked", "checked"]
    assert [symbol[-1][1] for symbol in review["symbols"]] == ["#d7191c", "#d7191c", "#1a9641"]
    assert review["first_label"] == "1"
    assert review["first_name"].startswith("No. 1 · ")
    assert re.fullmatch(r"0\.\d\d", review["first"]["confidence"])
    assert review["aliases"]["doubt_ha"] == "doubtful (ha)"
    reference, mapped = layers["audit.gpkg reference",], layers["audit.gpkg mapped",]
    assert dict(zip(reference["labels"], (s[-1][1] for s in reference["symbols"]), strict=True)) == REFERENCE_COLOURS
    assert dict(zip(mapped["labels"], (s[-1][1] for s in mapped["symbols"]), strict=True)) == MAPPED_COLOURS
    assert re.fullmatch(r"No\. 1 · [a-z ]+", reference["first_label"])
    assert reference["first_tip"] == f"<b>reference, {reference['first_label']}</b>"
    patches = layers["training", "patches"]
    assert patches["labels"] == [c.name for c in SPLIT_LEGEND]
    assert [symbol[-1][1] for symbol in patches["symbols"]] == [c.colour for c in SPLIT_LEGEND]
    assert patches["aliases"]["share_OPM"] == "open-pit mine (share)"
    assert re.fullmatch(r"\d\.\d\d\d", patches["first"]["share_OPM"])
    changed = layers["change.gpkg mines_change",]
    assert re.fullmatch(r"No\. \d+ · unchanged · \d+\.\d → \d+\.\d ha", changed["first_label"])
    assert changed["aliases"]["before_ha"] == "before (ha)"


def test_lines_differ_from_what_lies_under_them(layers):
    """Each outline has a casing of black or white: no red on red."""
    outlines = [s for layer in layers.values() for s in layer.get("symbols", []) if s[0][0] == "SimpleLine"]
    assert len(outlines) > 15
    for casing, line in outlines:
        assert casing[1] in ("#000000", "#ffffff")
        assert casing[1] != line[1]


def test_progress_and_log_are_seen_in_a_terminal(demo, results, process, tmp_path):
    _, out = results
    ended = process("mines", {"MAP": out / "map.tif", "OUTPUT": tmp_path / "mines.gpkg"}, as_json=False)
    assert ended.returncode == 0
    assert "mine polygons" in ended.stdout
    assert "0...10...20...30...40...50...60...70...80...90...100 - done." in ended.stdout
    assert "pitmap --events mines" in ended.stdout


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("map", {"MODEL": "no.safetensors", "IMAGE": "site1/image.tif"}, "no.safetensors"),
        ("mines", {"MAP": "site1/image.tif"}, "does not say what its codes mean"),
        ("estimate", {"POINTS": "site1/site1-mines.gpkg", "MAP": "results/maps/site1.tif"}, "points"),
        ("report", {"STUDY": "none/pitmap.toml"}, "none/pitmap.toml"),
    ],
)
def test_what_is_wrong_is_said_in_pitmaps_words(demo, process, tmp_path, name, parameters, said):
    out = tmp_path / f"out.{'tif' if name == 'map' else 'json' if name == 'estimate' else 'gpkg'}"
    given = {key: demo / value for key, value in parameters.items()}
    ended = process(name, given if name == "report" else given | {"OUTPUT": out}, as_json=False)
    assert ended.returncode != 0
    words = ended.stdout + ended.stderr
    assert said in words
    assert "Traceback" not in words
    assert list(tmp_path.iterdir()) == []
