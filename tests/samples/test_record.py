"""``samples.json``: what is written is what is read, and damage is said."""

import json

import pytest

from pitmap.errors import ProjectError
from pitmap.samples.build import build
from pitmap.samples.dataset import SampleSet
from pitmap.samples.record import read_record
from pitmap.study.study import load_study
from studies import grid, quilt, write_project, write_site


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> SampleSet:
    folder = tmp_path_factory.mktemp("study")
    write_site(folder, "a", quilt(128, 128, 3), grid(128, 128))
    return build(load_study(write_project(folder, ["a"])))


def test_a_record_is_read_as_it_was_written(samples):
    again = read_record(samples.paths.record)
    assert again == samples.record
    assert again.to_json() == samples.record.to_json()
    assert again.split.kind == "blocks"
    assert sum(again.split.blocks.values()) > 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format=1), r"another version of pitmap \(format 1\)"),
        (lambda c: c.pop("mean"), "damaged: mean: Field required"),
        (lambda c: c.update(patch="large"), "damaged: patch"),
        (lambda c: c["audit"].update(labelled_pixels={"training": "many"}), "damaged: audit.labelled_pixels.training"),
        (lambda c: c["patches"][0].pop(), "damaged: patches.0"),
        (lambda c: c.pop("format"), "is damaged"),
    ],
)
def test_damage_is_named(samples, tmp_path, change, message):
    content = json.loads(samples.paths.record.read_text())
    change(content)
    path = tmp_path / "samples.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ProjectError, match=message):
        read_record(path)


def test_no_record_and_half_a_record(samples, tmp_path):
    with pytest.raises(ProjectError, match="There is no sample set"):
        SampleSet(tmp_path)
    (tmp_path / "samples.json").write_bytes(samples.paths.record.read_bytes()[:100])
    with pytest.raises(ProjectError, match="damaged"):
        SampleSet(tmp_path)
