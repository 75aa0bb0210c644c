"""Commands on a study: what the report takes for a project, and what for a map alone."""

import json

import pytest

from commands import run
from reporting.places import make_place


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return make_place(tmp_path_factory.mktemp("place"))


def test_a_map_alone_has_a_report_beside_it(capsys, place):
    code, said, err = run(capsys, "report", "--map", place / "valley.tif")
    assert (code, said) == (0, f"Report: {place / 'valley-report.html'}\n"), err
    assert "Not to be signed" in (place / "valley-report.html").read_text(encoding="utf-8")


def test_every_option_of_a_map_reaches_its_report(capsys, place, tmp_path):
    out = tmp_path / "page.html"
    code, said, err = run(
        capsys, "report", "--map", place / "valley.tif", "--points", place / "points.gpkg",
        "--image", place / "scene_20260714.tif", "--bands", "red,green,blue", "--mines", place / "valley.gpkg",
        "--classes", "OPM,VEG", "--threshold", 1.7, "--language", "zh", "--title", "Tal", "--out", out, "--json",
    )  # fmt: skip
    assert code == 0, err
    told = json.loads(said)
    assert told["path"] == str(out)
    by_key = {a["key"]: a for a in told["areas"]}
    assert by_key["OPM"]["exceeds"]["threshold"] == by_key["VEG"]["exceeds"]["threshold"] == 1.7
    assert by_key["WAT"]["exceeds"] is None
    text = out.read_text(encoding="utf-8")
    assert '<html lang="zh' in text
    assert "<h1>Tal</h1>" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("report",), "give either a PROJECT or --map MAP"),
        (("report", "study", "--map", "map.tif"), "give either a PROJECT or --map MAP"),
        (("report", "study", "--points", "p.gpkg", "--title", "x"), "--points, --title belong to --map"),
        (("report", "--map", "map.tif", "--network", "unet"), "--network belongs to PROJECT"),
        (("estimate", "p.gpkg", "m.tif", "--threshold", "60"), "'60' is not of the form OPM=60"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_read(capsys, arguments, said):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())


def test_an_estimate_says_how_likely_areas_exceed_thresholds(capsys, place):
    points, map_file = place / "points.gpkg", place / "valley.tif"
    code, out, err = run(capsys, "estimate", points, map_file, "--threshold", "OPM=1.2", "--threshold", "VEG = 400")
    assert code == 0, err
    assert "OPM exceeds 1.2 ha with probability over 99.9%." in out
    assert "VEG exceeds 400 ha with probability under 0.1%." in out
    code, out, err = run(capsys, "estimate", points, map_file, "--threshold", "PIT=1")
    assert (code, out) == (1, "")
    assert "PIT 1 ha" in err
    assert "(--threshold)" in err
