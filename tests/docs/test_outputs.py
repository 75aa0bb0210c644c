"""The page of output files: what stands there is what commands leave."""

import json
import re

import pytest

from docs import outputs_page
from docs.commands_page import command

TEXT = outputs_page.PAGE.read_text(encoding="utf-8")


def test_every_command_stands_there_with_what_it_leaves_or_with_why_it_leaves_nothing():
    told = set(re.findall(r"^## `([a-z]+)`", TEXT, re.MULTILINE)) | set(
        re.findall(r"^\| `([a-z]+)` \|", TEXT, re.MULTILINE)
    )
    assert set(command().commands) <= told


def test_every_path_of_a_study_has_its_place_and_its_meaning():
    folders = {
        "results/samples",
        "results/models",
        "results/maps",
        "results/runs",
        "results/comparison",
        "results/stac",
        "results/change",
    }
    of_runs = {"results/run.json", "results/ground.npz"}  # in the folder of a run
    of_others = {"results/audit.json"}  # read by the report where somebody has written it
    for path, meaning in outputs_page.result_paths().items():
        assert meaning
        if path in of_runs:
            assert path.removeprefix("results/") in TEXT
        elif path not in folders | of_others:
            assert f"| `{path}` |" in TEXT, path


@pytest.mark.verify
def test_the_page_is_what_every_command_leaves():
    pytest.importorskip("nncf")
    assert outputs_page.page() == TEXT, "run `make docs-runs`"


def test_keys_of_json_are_named_with_data_for_what_it_is():
    data = {"project": "x", "maps": {"site1": 1, "site2": 2}, "rows": [{"OPM": 1, "WAT": 2, "n": 3}], "none": None}
    assert list(outputs_page.keys(json.loads(json.dumps(data)))) == [
        "project", "maps.<scene>", "rows[].<class>", "rows[].n", "none",
    ]  # fmt: skip


def test_fields_of_classes_are_named_once():
    names = ["site", "share_OPM", "share_WAT", "class", "OPM", "area_ha"]
    assert outputs_page.unique(map(outputs_page.by_kind, names)) == [
        "site",
        "share_<class>",
        "class",
        "<class>",
        "area_ha",
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("results/models/unetplus-seed0.safetensors", "results/models/<network>-seed<S>.safetensors"),
        (
            "results/runs/random/unetplus-seed0/maps/site1.tif",
            "results/runs/<split>/<network>-seed<S>/maps/<scene>.tif",
        ),
        ("results/maps/site2-confidence.tif", "results/maps/<scene>-confidence.tif"),
        ("site1/image.tif", "site1/image.tif"),
    ],
)
def test_names_of_this_run_become_what_they_stand_for(name, shown):
    assert outputs_page.public_name(name) == shown
