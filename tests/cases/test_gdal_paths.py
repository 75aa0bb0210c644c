"""GDAL's own paths wherever a file is named: archives on the disk, and addresses on the web."""

import socket
import subprocess
import sys
import tarfile
import zipfile

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

from cases.test_cases import cases, pitmap  # noqa: F401
from pitmap.grid import Window
from pitmap.raster import reading
from pitmap.raster.writing import Layout, write_cog
from pitmap.samples.labels import scene_ground, scene_labels
from pitmap.study.study import load_study
from studies import grid, quilt, reflectance_of, write_site


@pytest.fixture
def packed(tmp_path):
    """A folder with an image, labels, and a mask, in a zip and in a tar."""
    codes = quilt(64, 64)
    write_site(tmp_path, "a", codes, grid(64, 64), reflectance_of(codes))
    west, south, east, north = grid(64, 64).bounds
    gpd.GeoDataFrame(geometry=[box(west, south, east - 40, north)], crs=32649).to_file(tmp_path / "extent.gpkg")
    mask = np.zeros((64, 64), np.uint8)
    mask[:8] = 1
    write_cog(tmp_path / "clouds.tif", mask, grid(64, 64), Layout(1, "uint8"))
    names = ("a.tif", "a-labels.tif", "extent.gpkg", "clouds.tif")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in names:
            archive.write(tmp_path / name, f"in/{name}")
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        for name in names:
            archive.add(tmp_path / name, f"in/{name}")
    for name in names:
        (tmp_path / name).rename(tmp_path / f"plain-{name}")
    return tmp_path, codes


@pytest.mark.parametrize("below", ["relative", "absolute"])
@pytest.mark.parametrize("archive", ["/vsizip/", "/vsitar/"])
def test_a_study_in_an_archive_is_that_of_the_files(packed, archive, below):
    folder, codes = packed
    root = archive + ("" if below == "relative" else f"{folder}/") + f"all.{archive[4:7]}/in"
    (folder / "pitmap.toml").write_text(
        f'[[sites]]\nname = "a"\nimage = "{root}/a.tif"\nlabels = "{root}/{{stem}}-labels.tif"\n'
        f'extent = "{root}/extent.gpkg"\nexclude = ["{root}/clouds.tif"]\n'
    )
    project = load_study(folder / "pitmap.toml")
    scene = project.scenes[0]
    whole = Window(0, 0, 64, 64)
    ground = np.zeros((64, 64), bool)
    ground[8:, :54] = True
    np.testing.assert_array_equal(scene_ground(project, scene)(whole), ground)
    np.testing.assert_array_equal(scene_labels(project, scene).read(whole), codes * ground)


def test_patterns_reach_into_archives(packed):
    folder, _ = packed
    (folder / "pitmap.toml").write_text('[[sites]]\nname = "a"\nimage = "/vsizip/all.zip/in/a.t*f"\n')
    assert [s.image.name for s in load_study(folder / "pitmap.toml").scenes] == ["a.tif"]


def test_commands_take_archives(pitmap, cases):  # noqa: F811
    with zipfile.ZipFile(cases / "all.zip", "w") as archive:
        for name in ("map.tif", "reference_mask.tif", "src.tif"):
            archive.write(cases / name, name)
        for part in cases.glob("gbk_cpg_gbk.*"):
            archive.write(part, part.name)
    for root in (f"/vsizip/{cases}/all.zip", "/vsizip/all.zip", f"/vsizip/{{{cases}/all.zip}}"):
        code, out, err = pitmap("info", f"{root}/src.tif", "--json")
        assert code == 0, err
        assert '"rows": 16' in out
        values = ("--values", "1=OPM,2=VEG", "--map-values", "1=OPM,2=VEG")
        code, out, err = pitmap("assess", f"{root}/map.tif", f"{root}/reference_mask.tif", *values)
        assert code == 0, err
        assert "over 192 pixels" in out
        shape = f"{root}/gbk_cpg_gbk.shp"
        code, out, err = pitmap(
            "audit", shape, shape, "--reference-field", "class", "--reference-values", "露天采矿场", "--extent", shape
        )
        assert code == 0, err
        code, out, err = pitmap("prepare", f"{root}/src.tif", "o.tif", "--scale", "0.0001", "--like", f"{root}/map.tif")
        assert code == 0, err
        assert "100.0% of the grid has data" in out
    code, _, err = pitmap("info", "/vsizip/none.zip/src.tif")
    assert code == 1
    assert "none.zip" in err
    code, _, err = pitmap("info", "/vsizip/all.zip/none.tif")
    assert code == 1
    assert "/vsizip/all.zip/none.tif" in err


@pytest.fixture
def address(cases):  # noqa: F811
    """The address of a server of the cases on this machine.

    It is a process of its own: GDAL's readers hold Python's lock while they wait for an answer.
    """
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(cases)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().split(' port ')[1].split()[0]}"
        server.kill()


def test_commands_take_addresses(pitmap, cases, address, monkeypatch):  # noqa: F811
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("GDAL_HTTP_PROXY", "")
    for root in (address, f"/vsicurl/{address}"):
        code, out, err = pitmap("info", f"{root}/src.tif", "--json")
        assert code == 0, err
        assert '"rows": 16' in out
        code, out, err = pitmap(
            "assess", f"{root}/map.tif", f"{root}/reference_mask.tif", "--values", "1=OPM,2=VEG", "--map-values",
            "1=OPM,2=VEG",
        )  # fmt: skip
        assert code == 0, err
        assert "over 192 pixels" in out
    code, _, err = pitmap("info", f"{address}/none.tif")
    assert code == 1
    assert f"/vsicurl/{address}/none.tif" in err
    (cases / "study").mkdir()
    (cases / "study" / "pitmap.toml").write_text(
        f'[[sites]]\nname = "a"\nimage = "{address}/bom/scene.tif"\nlabels = "/vsicurl/{address}/bom/lab.tif"\n'
        'label_values = { "1" = "OPM", "2" = "VEG" }\n'
    )
    project = load_study(cases / "study" / "pitmap.toml")
    assert set(scene_labels(project, project.scenes[0]).read(Window(0, 0, 16, 16)).ravel().tolist()) == {1, 6}


def test_an_address_that_does_not_answer_is_given_up(pitmap, cases, monkeypatch):  # noqa: F811
    monkeypatch.setitem(reading.REMOTE_OPTIONS, "GDAL_HTTP_TIMEOUT", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        code, _, err = pitmap("info", f"http://127.0.0.1:{silent.getsockname()[1]}/map.tif")
    assert code == 1
    assert "timed out" in err
