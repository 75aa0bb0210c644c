"""Inputs after public bug reports that are about names: two images of one name, names that are patterns, a BOM."""

import shutil
from pathlib import Path

import pytest

from pitmap.study.study import load_study
from studies import grid, quilt, write_project, write_site


def test_two_images_of_one_name(tmp_path):
    for year, seed in (("2017", 0), ("2018", 1)):
        (tmp_path / year).mkdir()
        write_site(tmp_path / year, "scene", quilt(32, 32, seed=seed), grid(32, 32))
    path = write_project(tmp_path, ["a"])
    path.write_text(path.read_text().replace('"a.tif"', '"*/scene.tif"').replace("a-labels", "2017/scene-labels"))
    assert [s.name for s in load_study(path).scenes] == ["a-2017-scene", "a-2018-scene"]


@pytest.mark.parametrize("name", ["scene [1].tif", "scene*.tif", "scene?.tif"])
def test_an_image_whose_name_is_a_pattern(tmp_path, name):
    write_site(tmp_path, "a", quilt(32, 32), grid(32, 32))
    shutil.move(tmp_path / "a.tif", tmp_path / name)
    path = write_project(tmp_path, ["a"])
    path.write_text(path.read_text().replace('"a.tif"', f"'{name}'"))
    assert [s.image.name for s in load_study(path).scenes] == [name]


def test_a_byte_order_mark(tmp_path):
    write_site(tmp_path, "a", quilt(32, 32), grid(32, 32))
    path: Path = write_project(tmp_path, ["a"])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_study(path).scenes[0].name == "a"
