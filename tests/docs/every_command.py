"""Every command on a small simulated study, for what it leaves behind: ``docs/outputs.md`` is made of it."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np

from labelled_samples import label
from pitmap import demo
from pitmap.cli import main
from pitmap.deliver import int8
from pitmap.imagery import gaofen
from pitmap.imagery.options import PrepareOptions
from pitmap.imagery.rpc import Rpc
from pitmap.raster.codes import read_codes

SIZES = {"site1": (128, 128), "site2": (192, 224)}

PROJECT = f"""
[project]
name = "Simulated mining landscape"
{"".join(demo.SITE.format(name=name, product="") for name in SIZES)}
[samples]
patch = 64
block_m = 100

[training]
width = 2
epochs = 1

[mapping]
probabilities = true
minimum_mapping_unit_m2 = 0

[compare]
networks = ["unetplus"]
seeds = 1
"""

ELSEWHERE = {
    "demo": "A folder with two sites and their `pitmap.toml`: the files of `prepare` and `run`.",
    "info": "Nothing is written.",
    "networks": "Nothing is written.",
    "view": "Nothing is written: pages and tiles are made from memory.",
}
"""Commands that are not run here, and what they leave."""


def run(*arguments: object) -> None:
    """A command as a user gives it, in this process; its words are thrown away.

    Raises:
        RuntimeError: It did not end with 0.
    """
    code, said, old = 0, io.StringIO(), sys.argv
    sys.argv = ["pitmap", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = old
    if code:
        raise RuntimeError(f"pitmap {' '.join(map(str, arguments))}: {said.getvalue()[-2000:]}")


def steps(folder: Path) -> Iterator[tuple[str, str]]:
    """Do one command after the other in a folder; yields after each its name and what is special about it.

    What is made for a command beforehand is yielded with an empty name.
    """
    with (
        mock.patch.object(demo, "SIZES", SIZES),
        # A network of one epoch is sure of nothing, and its int8 form would be refused.
        mock.patch.object(int8, "LEAST_AGREEMENT", 0.0),
    ):
        yield from _prepared(folder)
        yield from _studied(folder)
        yield from _estimated(folder)
        yield from _compared(folder)


def _prepared(folder: Path) -> Iterator[tuple[str, str]]:
    for number, name in enumerate(SIZES):
        demo.make_site(folder / name, name, number)
    product = next((folder / "site1").glob("GF2_*.tar.gz"))
    control, image = folder / "control.csv", folder / "prepared" / "image.tif"
    control.write_text(_control_points(product, folder / "unpacked"))
    for name in ("prepared", "new"):
        (folder / name).mkdir()
    yield "", ""
    run("init", folder)
    yield "init", ""
    run("prepare", product, image, "--dem", folder / "site1/dem.tif", "--gcps", control)
    yield "prepare", ""


def _studied(folder: Path) -> Iterator[tuple[str, str]]:
    study, model = folder / "pitmap.toml", folder / "results/models/unetplus-seed0.safetensors"
    study.write_text(PROJECT, encoding="utf-8")
    for command in ("sample", "train", "run"):
        run(command, study)
        yield command, ""
    run("stac", study)
    yield "stac", ""
    run("export", model, "--int8", "--project", study)
    yield "export", "--int8"
    made, image = folder / "new/map.tif", folder / "site2/image.tif"
    run("export", model, folder / "new/mines.onnx", "--image", image)
    yield "export", ""
    beside = [flag for kind in ("confidence", "probabilities") for flag in (f"--{kind}", made.with_stem(f"map-{kind}"))]
    run("map", model, image, made, *beside, "--qgis")
    yield "map", ""
    run("map", model, folder / "site*/image.tif", folder / "many", "--also", "mines,confidence,probabilities", "--qgis")
    yield "map", "of several images"
    run("mines", made, folder / "new/mines.gpkg", "--minimum-m2", 0)
    yield "mines", ""
    run("review", made, folder / "new/review.gpkg", "--minimum-m2", 0, "--project", study)
    yield "review", ""


def _estimated(folder: Path) -> Iterator[tuple[str, str]]:
    new, truth, mapped = folder / "new", folder / "site2", folder / "results/maps/site2.tif"
    run("assess", new / "map.tif", truth / "site2-landuse.gpkg", "--field", "class", "--out", new / "accuracy.json")
    yield "assess", "--out"
    points = folder / "points.gpkg"
    run("design", mapped, points, "--points", 60, "--floor", 5, "--image", truth / "image.tif",
        "--export", folder / "points.csv")  # fmt: skip
    yield "design", ""
    label(points, read_codes(truth / "site2-labels.tif"))
    run("estimate", points, mapped, "--out", new / "estimate.json")
    yield "estimate", "--out"
    run("audit", truth / "site2-mines.gpkg", truth / "site2-landuse.gpkg", "--reference-field", "class",
        "--reference-values", "OPM", "--out", new / "audit.json")  # fmt: skip
    yield "audit", "--out"
    run("report", "--map", new / "map.tif", "--image", truth / "image.tif")
    yield "report", "--map"
    study = folder / "pitmap.toml"
    study.write_text(f'{PROJECT}\n[accuracy]\nreference = "points.gpkg"\n', encoding="utf-8")
    run("run", study)
    yield "run", "with [accuracy] reference"


def _compared(folder: Path) -> Iterator[tuple[str, str]]:
    study, image = folder / "pitmap.toml", folder / "site2/image.tif"
    run("change", folder / "site2/site2-labels.tif", folder / "new/map.tif", folder / "change", "--image", image,
        "--image", image, "--date", "2018-04-16", "--date", "2021-04-16", "--minimum-m2", 0)  # fmt: skip
    yield "change", ""
    run("compare", study)
    yield "compare", ""


def _control_points(product: Path, folder: Path) -> str:
    """Four corners of a product with their places by its own camera model, as CSV."""
    delivery = gaofen.recognise(product)
    assert delivery is not None
    folder.mkdir()
    model = delivery.scene(folder, PrepareOptions()).model
    assert isinstance(model, Rpc)
    rows, cols = np.array([5.0, 5.0, 60.0, 60.0]), np.array([5.0, 60.0, 5.0, 60.0])
    lon, lat = model.locate(rows, cols, np.full(4, sum(model.height_range) / 2))
    lines = [f"{r:g},{c:g},{x:.7f},{y:.7f}" for r, c, x, y in zip(rows, cols, lon, lat, strict=True)]
    return "\n".join(["row,col,lon,lat", *lines]) + "\n"
