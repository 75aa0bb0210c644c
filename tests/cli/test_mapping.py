import json
import re
import socket
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from commands import run
from pitmap.legend import DEFAULT_LEGEND
from pitmap.networks import ModelCard, build, save_model
from pitmap.raster.codes import codes_layout, read_codes
from pitmap.raster.reading import describe
from pitmap.raster.writing import Layout, write_cog
from studies import grid, quilt, reflectance_of

NAMES = ("blue", "green", "red", "nir")


@pytest.fixture
def folder(tmp_path):
    """One reflectance in four files of two sites: plain, with an offset, with another scale, with the bands turned."""
    pixels = reflectance_of(quilt(96, 96))
    where = grid(96, 96)
    write_cog(tmp_path / "plain.tif", pixels, where, Layout(4, "uint16", 0, NAMES, scale=1e-4))
    write_cog(tmp_path / "offset.tif", pixels + 1000, where, Layout(4, "uint16", 0, NAMES, scale=1e-4, offset=-0.1))
    write_cog(tmp_path / "scale.tif", pixels * 2, where, Layout(4, "uint16", 0, NAMES, scale=0.5e-4))
    write_cog(tmp_path / "turned.tif", pixels[::-1].copy(), where, Layout(4, "uint16", 0, NAMES[::-1], scale=1e-4))
    write_cog(tmp_path / "bare.tif", pixels + 500, where, Layout(4, "uint16", 0))
    (tmp_path / "pitmap.toml").write_text(
        f"""
[[sites]]
name = "own"
image = "[po]*.tif"
bands = {list(NAMES)}
[[sites]]
name = "stated"
image = "bare.tif"
scale = 0.0001
offset = -0.05
"""
    )
    torch.manual_seed(0)
    network = build("unet", 4, len(DEFAULT_LEGEND), 2)
    values = pixels.reshape(4, -1) * 1e-4
    save_model(
        tmp_path / "m.safetensors",
        network,
        ModelCard(
            network="unet", options={"width": 2}, legend=DEFAULT_LEGEND, bands=NAMES, unit="reflectance",
            dtype="uint16", mean=tuple(values.mean(1)), std=tuple(values.std(1)), pixel_size_m=4.0,
        ),
    )  # fmt: skip
    return tmp_path


def mapped(capsys, folder, image, *options) -> np.ndarray:
    code, _, err = run(capsys, "map", folder / "m.safetensors", folder / image, folder / "map.tif", *options)
    assert code == 0, err
    return read_codes(folder / "map.tif")


def differing(codes, others) -> float:
    """Share of the pixels: two scalings to the same reflectance differ in the last bit."""
    return float((codes != others).mean())


def test_an_image_takes_what_its_site_asks_for_and_resolves_it_itself(capsys, folder):
    expected = mapped(capsys, folder, "plain.tif")
    assert len(np.unique(expected)) > 1
    project = ("--project", folder)
    for image, options in (
        ("plain.tif", project),
        ("offset.tif", project),  # an image of the project beside another one with other tags
        ("offset.tif", (*project, "--site", "own")),
        ("scale.tif", (*project, "--site", "own")),  # no image of the project, of the kind of its site
        ("turned.tif", (*project, "--site", "own")),
        ("turned.tif", (*project, "--site", "own-plain")),
        ("bare.tif", project),
        ("bare.tif", (*project, "--site", "stated")),
    ):
        assert differing(mapped(capsys, folder, image, *options), expected) < 0.002, (image, options)
    # What another image says of itself would give another map.
    assert differing(mapped(capsys, folder, "offset.tif", "--scale", "0.0001"), expected) > 0.03


def test_an_image_of_no_site_needs_the_name_of_one_where_there_are_several(capsys, folder):
    arguments = ("map", folder / "m.safetensors", folder / "scale.tif", folder / "map.tif", "--project", folder)
    code, _, err = run(capsys, *arguments)
    assert code == 1
    assert "is not an image of the project" in err
    assert "own, stated" in err
    code, _, err = run(capsys, *arguments, "--site", "onw")
    assert "no site 'onw'. Did you mean 'own'?" in err


def test_options_win_over_the_site(capsys, folder):
    expected = mapped(capsys, folder, "plain.tif")
    options = ("--project", folder, "--site", "stated", "--scale", 0.00005, "--bands", "1,2,3,4")
    assert differing(mapped(capsys, folder, "scale.tif", *options), expected) < 0.002


def test_a_forgotten_offset_is_said_and_noted_in_the_map(capsys, folder):
    arguments = ("map", folder / "m.safetensors", folder / "offset.tif", folder / "map.tif")
    code, _, err = run(capsys, *arguments)
    assert (code, "unlike" in err) == (0, False)
    assert "PITMAP_WARNINGS" not in describe(folder / "map.tif").tags
    code, out, err = run(capsys, *arguments, "--scale", "0.0001")
    assert code == 0
    assert "map.tif" in out
    assert "Warning: offset.tif: The numbers of this image are unlike those that the model was trained on" in err
    assert "It would fit with an offset that is -0.1 from here" in err
    assert "unlike those that the model was trained on" in describe(folder / "map.tif").tags["PITMAP_WARNINGS"]


def test_a_map_leaves_a_qgis_project_where_asked(capsys, folder):
    files = ("--mines", folder / "pits.gpkg", "--confidence", folder / "sure.tif", "--qgis", "--json")
    code, text, _ = run(
        capsys, "map", folder / "m.safetensors", folder / "plain.tif", folder / "map.tif", "--minimum-m2", "0", *files
    )
    assert code == 0
    assert json.loads(text)["qgis"] == str(folder / "map.qgz")
    with zipfile.ZipFile(folder / "map.qgz") as project:
        sources = re.findall("<datasource>(.*)</datasource>", project.read("project.qgs").decode())
    assert sources == ["./pits.gpkg|layername=mines", "./sure.tif", "./map.tif", "./plain.tif"]


def test_several_images_are_mapped_into_a_folder(capsys, folder):
    (folder / "broken.tif").write_text("no raster")
    model, out = folder / "m.safetensors", folder / "maps"
    images = (folder / "plain.tif", folder / "broken.tif", folder / "scale.tif")
    code, text, err = run(capsys, "map", model, *images, f"{out}/", "--also", "mines,confidence", "--json")
    assert code == 1
    assert "Warning: " in err
    content = json.loads(text)
    assert [scene["status"] for scene in content["scenes"]] == ["made", "failed", "made"]
    assert [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()] == content["scenes"]
    assert {path.name for path in out.glob("[a-z]*.[tg]*") if path.suffix != ".xml"} == {
        "plain.tif", "plain-confidence.tif", "plain.gpkg", "scale.tif", "scale-confidence.tif", "scale.gpkg",
    }  # fmt: skip
    (folder / "list.txt").write_text("plain.tif\nscale.tif\n")
    again = ("map", model, f"@{folder / 'list.txt'}", out, "--also", "mines,confidence", "--qgis")
    code, text, _ = run(capsys, *again)
    assert (code, "2 image(s): 2 up to date." in text) == (0, True)
    assert f"In QGIS: {out / 'maps.qgz'}" in text
    with zipfile.ZipFile(out / "maps.qgz") as project:
        names = re.findall("<layername>(.*)</layername>", project.read("project.qgs").decode())
    assert names == ["mines", "confidence", "land cover", "plain", "mines", "confidence", "land cover", "scale"]
    code, text, _ = run(capsys, "map", model, folder / "*ain.tif", out)  # in quotes, and one image alone
    assert (code, "1 image(s): 1 made." in text) == (0, True)
    code, _, err = run(capsys, "map", model, *images, out, "--mines", folder / "mines.gpkg")
    assert (code, "--mines: names one file" in err) == (2, True)
    code, _, err = run(capsys, "map", model, *images, folder / "new", "--also", "mine")
    assert (code, "'mine' is not made of" in err) == (2, True)


def test_several_images_take_what_their_sites_ask_for(capsys, folder):
    expected = mapped(capsys, folder, "plain.tif")
    names = ("plain.tif", "offset.tif", "bare.tif")
    code, _, err = run(
        capsys, "map", folder / "m.safetensors", *(folder / n for n in names), folder / "maps", "-p", folder
    )
    assert code == 0, err
    for name in names:
        assert differing(read_codes(folder / "maps" / name), expected) < 0.002


def test_a_forgotten_folder_costs_no_image(capsys, folder):
    before = (folder / "scale.tif").read_bytes()
    code, _, err = run(capsys, "map", folder / "m.safetensors", folder / "plain.tif", folder / "scale.tif")
    assert (code, "is no map" in err) == (1, True)
    images = (folder / "plain.tif", folder / "offset.tif", folder / "scale.tif")
    assert run(capsys, "map", folder / "m.safetensors", *images)[0] == 1
    assert (folder / "scale.tif").read_bytes() == before


def test_files_beside_one_map_have_its_name(capsys, folder):
    mapped(capsys, folder, "plain.tif", "--also", "mines,probabilities")
    assert {path.name for path in folder.glob("map*")} >= {"map.tif", "map.gpkg", "map-probabilities.tif"}


@pytest.mark.verify
def test_workers_that_are_started_by_hand_are_reached(capsys, folder, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    expected = mapped(capsys, folder, "plain.tif")
    dask = [sys.executable, "-m", "dask"]
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", address.rsplit(":", 1)[1], "--no-dashboard"]
    worker = [
        *dask,
        "worker",
        address,
        "--nthreads",
        "1",
        "--memory-limit",
        "0",
        "--no-dashboard",
        "--host",
        "127.0.0.1",
    ]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(scheduler, stdout=log, stderr=log) as first,
        subprocess.Popen(worker, stdout=log, stderr=log, cwd=folder) as second,
    ):
        try:
            monkeypatch.chdir(folder)
            arguments = ("map", "m.safetensors", "plain.tif", "scale.tif", "maps/", "--cluster", address, "--json")
            code, text, err = run(capsys, *arguments)
            assert code == 0, err
            assert json.loads(text)["made"] == 2
            code, text, err = run(capsys, "map", "m.safetensors", "plain.tif", "one.tif", "--cluster", address)
            assert code == 0, err
        finally:
            second.terminate()
            first.terminate()
    assert (read_codes(folder / "maps" / "plain.tif") == expected).all()
    assert (read_codes(folder / "one.tif") == expected).all()


def test_mines_of_a_map_that_is_there(capsys, tmp_path):
    codes = np.full((60, 60), 6, np.uint8)
    codes[10:30, 10:40] = 1  # 600 pixels of 16 m2
    codes[50:54, 50:54] = 1  # 256 m2
    write_cog(tmp_path / "map.tif", codes, grid(60, 60), codes_layout(DEFAULT_LEGEND))
    code, out, err = run(capsys, "mines", tmp_path / "map.tif", tmp_path / "mines.gpkg", "--json")
    assert code == 0, err
    (mine,) = json.loads(out)["mines"]
    assert mine["pixels"] == 600
    assert mine["area_ha"] == pytest.approx(0.96, rel=0.01)
    assert "confidence" not in mine
    code, out, err = run(capsys, "mines", tmp_path / "map.tif", tmp_path / "simple.gpkg", "--simplify", 8, "--json")
    assert code == 0, err
    assert json.loads(out)["simplification"] is not None
    layout = Layout(1, "uint8", 0, ["confidence"], 1 / 255)
    write_cog(tmp_path / "map-confidence.tif", np.full(codes.shape, 204, np.uint8), grid(60, 60), layout)
    code, out, err = run(capsys, "mines", tmp_path / "map.tif", tmp_path / "all.gpkg", "--minimum-m2", 0, "--json")
    assert code == 0, err
    assert [m["pixels"] for m in json.loads(out)["mines"]] == [600, 16]
    assert [m["confidence"] for m in json.loads(out)["mines"]] == pytest.approx([0.8, 0.8])
