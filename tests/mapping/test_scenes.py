import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import rasterio

from cluster_work import cluster_in_this_process
from observers import Heard
from pitmap.cluster import Cluster, cluster_at
from pitmap.errors import ImageError, ModelError, OutputError
from pitmap.mapping import order
from pitmap.mapping.prediction import MapOptions, map_image
from pitmap.mapping.scenes import find_images, map_images
from pitmap.networks import model_file as model_files
from pitmap.networks.model_file import held_model
from pitmap.paths import gdal_name
from pitmap.raster.codes import read_codes
from pitmap.raster.reading import describe

SMALL = MapOptions(tile=32, device="cpu")


@pytest.fixture
def scenes(tmp_path: Path, model_file: Callable, image_file: Callable) -> tuple[Path, Path]:
    """A quick model and a folder of three images, one of which cannot be read."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    for name, height in (("a.tif", 60), ("c.tif", 50)):
        shutil.move(image_file(height, 40, name=name), folder / name)
    (folder / "b.tif").write_text("no raster")
    return model_file("small", width=8), folder


def manifest(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_images_are_mapped_a_failure_is_noted_and_the_rest_goes_on(tmp_path: Path, scenes: tuple[Path, Path]):
    model, folder = scenes
    heard, out = Heard(), tmp_path / "maps"
    run = map_images(model, [folder / "*.tif"], out, SMALL, heard, beside={"mines", "confidence"})
    assert [line.status for line in run.lines] == ["made", "failed", "made"]
    rows = manifest(out)
    assert [row["output"] for row in rows] == ["a.tif", "b.tif", "c.tif"]
    assert [row["input"] for row in rows] == [str(folder / name) for name in ("a.tif", "b.tif", "c.tif")]
    assert "not a raster" in rows[1]["error"]
    assert rows[1]["hectares"] is None
    assert any("b.tif was not mapped" in sentence for sentence in heard.warned)
    assert f"Failed: {folder / 'b.tif'}" in run.summary()
    assert run.to_json()["scenes"] == rows
    assert (run.to_json()["made"], run.to_json()["failed"]) == (2, 1)
    for row in (rows[0], rows[2]):
        alone = map_image(model, row["input"], tmp_path / "alone.tif", SMALL)
        codes = read_codes(out / row["output"])
        assert (codes == read_codes(alone.path)).all()
        assert row["pixels"] == alone.pixels
        assert row["hectares"] == {key: area / 1e4 for key, area in alone.area_m2.items()}
        assert row["seconds"] > 0
        stem = row["output"].removesuffix(".tif")
        assert (out / f"{stem}-confidence.tif").exists()
        assert row["mines"]["area_ha"] <= row["hectares"]["OPM"] + 1e-9
    assert heard.shares == sorted(heard.shares)
    assert "mapping 3 of 3, c.tif" in heard.steps
    assert not list(out.glob(".*.partial"))


def test_what_is_up_to_date_is_left_as_it_is(tmp_path: Path, scenes: tuple[Path, Path], image_file: Callable):
    model, folder = scenes
    out = tmp_path / "maps"
    first = map_images(model, [folder / "a.tif", folder / "c.tif"], out, SMALL, beside=["mines"])
    times = {file: file.stat().st_mtime_ns for file in out.glob("[a-z]*.[tg]*")}
    again = map_images(model, [folder / "a.tif", folder / "c.tif"], out, SMALL, beside=["mines"])
    assert [line.status for line in again.lines] == ["current", "current"]
    assert times == {file: file.stat().st_mtime_ns for file in out.glob("[a-z]*.[tg]*")}
    for line, before in zip(again.lines, first.lines, strict=True):
        assert (line.hectares, line.pixels, line.mines, line.seconds) == (
            before.hectares, before.pixels, before.mines, before.seconds,
        )  # fmt: skip
    (out / "manifest.jsonl").unlink()  # what it said is read from the maps
    counted = map_images(model, [folder / "a.tif", folder / "c.tif"], out, SMALL, beside=["mines"])
    for line, before in zip(counted.lines, first.lines, strict=True):
        assert (line.status, line.pixels, line.mines, line.seconds) == ("current", before.pixels, before.mines, None)
        assert line.hectares == pytest.approx(before.hectares)
    shutil.move(image_file(70, 40, name="other.tif"), folder / "a.tif")
    changed = map_images(model, [folder / "*[ac].tif"], out, SMALL, beside=["mines"])
    assert [line.status for line in changed.lines] == ["made", "current"]
    assert describe(out / "a.tif").grid.height == 70


def test_an_error_of_the_program_is_noted_too(tmp_path: Path, scenes: tuple[Path, Path], monkeypatch):
    model, folder = scenes
    really = order.map_image

    def broken(model: Path, image: Path, *more, **options):
        if image.name == "a.tif":
            raise ZeroDivisionError("of a test")
        return really(model, image, *more, **options)

    monkeypatch.setattr(order, "map_image", broken)
    run = map_images(model, [folder / "a.tif", folder / "c.tif"], tmp_path / "maps", SMALL)
    assert [(line.status, line.error) for line in run.lines] == [
        ("failed", "ZeroDivisionError: of a test"), ("made", None),
    ]  # fmt: skip


def test_the_model_is_loaded_once(tmp_path: Path, scenes: tuple[Path, Path], monkeypatch):
    model, folder = scenes
    loads, really = [], model_files.load_model

    def counted(*arguments, **options):
        loads.append(arguments[0])
        return really(*arguments, **options)

    monkeypatch.setattr(model_files, "load_model", counted)
    run = map_images(model, [folder / "a.tif", folder / "c.tif"], tmp_path / "maps", SMALL)
    assert [line.status for line in run.lines] == ["made", "made"]
    assert len(loads) == 1
    held_model(model)
    assert len(loads) == 1
    model.touch()
    held_model(model)
    assert len(loads) == 2


def test_lists_patterns_and_paths_name_images_once(tmp_path: Path, monkeypatch):
    for place in ("2017/scene.tif", "2018/scene.tif", "x [1].tif", "x.tif.aux.xml", "y.jp2"):
        file = tmp_path / "data" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "list.txt").write_text("# scenes\n\ndata/*/scene.tif\ndata/x [1].tif\nhttps://host/b.tif?key=1\n")
    monkeypatch.chdir(tmp_path / "data")
    found = find_images(["@../list.txt", "../data/y.jp2", "x [1].tif"])
    assert [(each.name, each.of_many) for each in found] == [
        ("2017-scene", True), ("2018-scene", True), ("x_1", True), ("b", True), ("y.jp2", False),
    ]  # fmt: skip
    assert gdal_name(found[3].image) == "/vsicurl/https://host/b.tif?key=1"
    assert [each.name for each in find_images(["x*"])] == ["x_1"]
    with pytest.raises(OutputError, match="would share a file"):
        find_images(["2017/scene.tif", "2018/scene.tif"])
    with pytest.raises(ImageError, match="No file matches 'z"):
        find_images(["z*.tif"])
    with pytest.raises(ImageError, match=r"The list none.txt cannot be read"):
        find_images(["@none.txt"])
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ImageError, match="No image is named"):
        find_images([f"@{tmp_path / 'empty.txt'}"])


def test_a_model_that_is_none_is_refused_before_any_work(tmp_path: Path, scenes: tuple[Path, Path]):
    _, folder = scenes
    with pytest.raises(ModelError):
        map_images(tmp_path / "none.safetensors", [folder / "a.tif"], tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


def contents(path: Path) -> tuple[dict, bytes]:
    """Metadata and pixels of a raster."""
    with rasterio.open(path) as source:
        return source.tags(), source.read().tobytes()


def assert_same_on(cluster: Cluster, tmp_path: Path, model: Path, folder: Path, options: MapOptions = SMALL) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    images = [folder / name for name in ("a.tif", "b.tif", "c.tif")]
    kinds = ("mines", "confidence", "probabilities")
    heard = Heard()
    one = map_images(model, images, here, options, beside=kinds)
    two = map_images(model, images, there, options, heard, beside=kinds, cluster=cluster)
    for line, other in zip(one.lines, two.lines, strict=True):
        # An error names a relative path here and an absolute one there.
        assert replace(line, seconds=None, error=None) == replace(other, seconds=None, error=None)
    assert [line.status for line in two.lines] == ["made", "failed", "made"]
    rasters = sorted(path.name for path in here.glob("[a-z]*.tif"))
    assert len(rasters) == 6
    for name in rasters:
        assert contents(here / name) == contents(there / name)
    assert heard.shares[-1] == 1
    again = map_images(model, images, there, options, beside=kinds, cluster=cluster)
    assert [line.status for line in again.lines] == ["current", "failed", "current"]


def test_workers_make_the_same_maps(tmp_path: Path, scenes: tuple[Path, Path], monkeypatch):
    model, folder = scenes
    monkeypatch.chdir(tmp_path)
    with cluster_in_this_process() as cluster:
        assert_same_on(cluster, tmp_path, model.relative_to(tmp_path), folder.relative_to(tmp_path))


@pytest.mark.verify
def test_processes_make_the_same_maps(tmp_path: Path, model_file: Callable, scenes: tuple[Path, Path]):
    model = model_file("unet")
    with cluster_at("local:2") as cluster:
        assert_same_on(cluster, tmp_path, model, scenes[1], MapOptions(device="cpu"))
