import json
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import typer

from commands import run
from pitmap.cli import app
from pitmap.legend import DEFAULT_LEGEND
from pitmap.networks import ModelCard, build, save_model
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import write_cog
from studies import grid, quilt, write_project, write_site


def write_model(path, bands=("blue", "green", "red", "nir"), unit="reflectance", pixel_size_m=4.0) -> None:
    network = build("unet", len(bands), len(DEFAULT_LEGEND), 2)
    save_model(
        path,
        network,
        ModelCard(
            network="unet", options={"width": 2}, legend=DEFAULT_LEGEND, bands=bands, unit=unit, dtype="uint16",
            mean=(0.2,) * len(bands), std=(0.1,) * len(bands), pixel_size_m=pixel_size_m,
        ),
    )  # fmt: skip


def assert_refused(result, *texts) -> None:
    code, _, err = result
    assert code == 1
    assert err.startswith("Error: ")
    assert "Traceback" not in err
    for text in texts:
        assert text in err


def test_help_is_quick_to_import_and_lists_every_command():
    code = "import sys; from pitmap.cli import main; print(sorted({'torch','rasterio','geopandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    done = subprocess.run([sys.executable, "-m", "pitmap", "--help"], capture_output=True, text=True, check=True)
    for command in ("demo", "init", "info", "prepare", "sample", "train", "map", "assess", "audit", "compare", "run"):
        assert f"\n  {command} " in done.stdout


def test_every_command_speaks_to_machines():
    commands = typer.main.get_command(app).commands
    assert len(commands) > 15
    options = {name: {flag for p in command.params for flag in p.opts} for name, command in commands.items()}
    assert [name for name, flags in options.items() if "--json" not in flags] == []


def test_init_writes_a_project_once(capsys, tmp_path):
    code, out, _ = run(capsys, "init", tmp_path / "study")
    assert code == 0
    assert "[project]" in (tmp_path / "study" / "pitmap.toml").read_text()
    assert "pitmap run" in out
    assert json.loads(run(capsys, "init", tmp_path / "b", "--json")[1]) == {"path": str(tmp_path / "b" / "pitmap.toml")}
    assert_refused(run(capsys, "init", tmp_path / "study"), "exists already")


def test_a_misspelt_key_is_refused(capsys, tmp_path):
    write_site(tmp_path, "a", quilt(64, 64), grid(64, 64))
    path = write_project(tmp_path, ["a"], more='[training]\nrecepie = "paper"')
    assert_refused(run(capsys, "sample", path), "'recepie'", "Did you mean 'recipe'?")
    assert not (tmp_path / "results").exists()


def test_sample_prints_the_audit(capsys, tmp_path):
    write_site(tmp_path, "a", quilt(160, 160), grid(160, 160))
    code, out, _ = run(capsys, "sample", write_project(tmp_path, ["a"]))
    assert code == 0
    assert "shared between splits: 0" in out


def test_map_and_assess_a_scene(capsys, tmp_path):
    codes = quilt(150, 130, 7)
    write_site(tmp_path, "a", codes, grid(150, 130))
    write_model(tmp_path / "m.safetensors")
    code, out, err = run(
        capsys, "map", tmp_path / "m.safetensors", tmp_path / "a.tif", tmp_path / "map.tif", "--mines",
        tmp_path / "mines.gpkg", "--precision", "float32",
    )  # fmt: skip
    assert code == 0, err
    assert "mine polygon(s)" in out
    with rasterio.open(tmp_path / "map.tif") as source:
        mapped = source.read(1)
    code, out, _ = run(
        capsys, "map", tmp_path / "m.safetensors", tmp_path / "a.tif", tmp_path / "again.tif", "--mines",
        tmp_path / "again.gpkg", "--precision", "float32", "--json",
    )  # fmt: skip
    content = json.loads(out)
    assert content["pixels"]["OPM"] == (mapped == 1).sum()
    assert content["mines"]["path"] == str(tmp_path / "again.gpkg")
    code, out, _ = run(
        capsys, "assess", tmp_path / "map.tif", tmp_path / "a-labels.tif", "--out", tmp_path / "accuracy.json"
    )
    assert code == 0
    figures = json.loads((tmp_path / "accuracy.json").read_text())["figures"]
    assert figures["overall_accuracy"] == pytest.approx((mapped == codes).mean())
    assert (tmp_path / "confusion.csv").exists()
    assert f"{figures['overall_accuracy']:.2%}" in out
    code, out, _ = run(capsys, "assess", tmp_path / "map.tif", tmp_path / "a-labels.tif", "--json")
    assert json.loads(out)["figures"] == figures


def test_review_lists_what_to_correct(capsys, tmp_path):
    write_site(tmp_path, "a", quilt(150, 130, 7), grid(150, 130))
    write_model(tmp_path / "m.safetensors")
    scene, made = tmp_path / "a.tif", tmp_path / "map.tif"
    code, _, err = run(capsys, "map", tmp_path / "m.safetensors", scene, made)
    assert code == 0, err
    queue = tmp_path / "queue.gpkg"
    assert_refused(run(capsys, "review", made, queue), "There is no confidence", "--confidence")
    confidence = tmp_path / "map-confidence.tif"
    assert run(capsys, "map", tmp_path / "m.safetensors", scene, made, "--confidence", confidence)[0] == 0
    code, out, err = run(capsys, "review", made, queue, "--minimum-m2", 0, "--below", 1)
    assert code == 0, err
    assert f"{queue}: " in out
    assert "Fill in the field `reference`" in out
    code, out, _ = run(capsys, "review", made, tmp_path / "q.gpkg", "--minimum-m2", 0, "--below", 1, "--json")
    assert json.loads(out)["path"] == str(tmp_path / "q.gpkg")
    assert_refused(run(capsys, "review", made, queue, "--below", 2), "below which ground is doubtful is 2")


def test_info_describes_images_and_models(capsys, tmp_path):
    write_site(tmp_path, "a", quilt(64, 64), grid(64, 64))
    write_model(tmp_path / "m.safetensors")
    code, out, _ = run(capsys, "info", tmp_path / "a.tif", "--json")
    assert code == 0
    assert json.loads(out)["bands"][3] == {
        "band": 4, "name": "nir", "scale": 1e-4, "offset": 0.0, "dtype": "uint16", "nodata": 0.0, "unit": None,
        "alpha": False,
    }  # fmt: skip
    code, out, _ = run(capsys, "info", tmp_path / "m.safetensors", "--json")
    assert json.loads(out)["network"] == "unet"
    code, out, _ = run(capsys, "info", tmp_path / "a.tif")
    assert (code, "rows: 64\ncols: 64\n" in out) == (0, True)


@pytest.mark.parametrize(
    ("make", "texts"),
    [
        (lambda p: p.write_bytes(b""), ["(0 bytes)"]),
        (lambda p: p.write_text("not a raster"), ["not a raster file"]),
        (lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]), ["truncated or damaged"]),
        (lambda p: p.unlink(), ["no file"]),
    ],
)
def test_broken_images_are_refused_and_nothing_is_written(capsys, tmp_path, make, texts):
    write_site(tmp_path, "a", quilt(300, 300), grid(300, 300))
    write_model(tmp_path / "m.safetensors")
    make(tmp_path / "a.tif")
    out = tmp_path / "out" / "map.tif"
    assert_refused(run(capsys, "map", tmp_path / "m.safetensors", tmp_path / "a.tif", out), *texts)
    assert not list(tmp_path.glob("out/*"))
    assert not list(tmp_path.glob("out/.*"))


def test_images_that_do_not_fit_the_model_are_refused(capsys, tmp_path):
    write_site(tmp_path, "a", quilt(64, 64), grid(64, 64))
    write_site(tmp_path, "three", quilt(64, 64), grid(64, 64), np.ones((3, 64, 64), np.uint16))
    write_site(tmp_path, "coarse", quilt(64, 64), grid(64, 64, size=10.0))
    write_cog(tmp_path / "codes.tif", quilt(64, 64), grid(64, 64), codes_layout(DEFAULT_LEGEND))
    model = tmp_path / "m.safetensors"
    write_model(model)
    out = tmp_path / "out.tif"
    assert_refused(run(capsys, "map", model, tmp_path / "three.tif", out), "has 3 bands, and the model takes 4")
    assert_refused(run(capsys, "map", model, tmp_path / "coarse.tif", out), "measure 10 m", "4 m")
    bare = tmp_path / "bare.tif"
    with rasterio.open(tmp_path / "a.tif") as source:
        profile = {key: source.profile[key] for key in ("height", "width", "count", "dtype", "crs", "transform")}
        with rasterio.open(bare, "w", driver="GTiff", **profile) as target:
            target.write(source.read())
    assert_refused(
        run(capsys, "map", model, bare, out), "does not say how its uint16 values become reflectance", "--scale"
    )
    assert not out.exists()
    code, _, _ = run(capsys, "map", model, bare, out, "--scale", "0.0001")
    assert code == 0


def test_a_model_with_one_byte_changed_is_refused(capsys, tmp_path):
    write_site(tmp_path, "a", quilt(64, 64), grid(64, 64))
    model = tmp_path / "m.safetensors"
    write_model(model)
    data = bytearray(model.read_bytes())
    data[-5] ^= 1
    model.write_bytes(data)
    assert_refused(run(capsys, "map", model, tmp_path / "a.tif", tmp_path / "out.tif"), "m.safetensors")
    assert not (tmp_path / "out.tif").exists()


def test_a_folder_that_cannot_be_written_is_refused(capsys, tmp_path, monkeypatch):
    write_site(tmp_path, "a", quilt(64, 64), grid(64, 64))
    path = write_project(tmp_path, ["a"])
    (tmp_path / "results").touch()
    assert_refused(run(capsys, "sample", path), "cannot be written")


def test_options_with_a_wrong_form_are_refused(capsys, tmp_path):
    write_site(tmp_path, "a", quilt(64, 64), grid(64, 64))
    labels = tmp_path / "a-labels.tif"
    for arguments, text in (
        (("assess", labels, labels, "--values", "1OPM"), "1=OPM,2=WAT"),
        (("design", labels, tmp_path / "p.gpkg", "--allocation", "fair"), "'neyman'"),
        (("design", labels, tmp_path / "p.gpkg", "--bands", "4,,2"), "'4,,2' is not of the form"),
    ):
        code, out, err = run(capsys, *arguments)
        assert (code, out) == (2, "")
        assert text in err
    write_model(tmp_path / "m.safetensors")
    wrong = run(capsys, "map", tmp_path / "m.safetensors", tmp_path / "a.tif", tmp_path / "o.tif", "--halo", "much")
    assert wrong[0] == 2
    assert "neither 'exact' nor a number of pixels" in wrong[2]


def test_networks_lists_the_six_with_the_sheets_numbers(capsys):
    code, out, _ = run(capsys, "networks", "--json")
    assert code == 0
    rows = {(r["network"], r["variant"]): r for r in json.loads(out)["networks"]}
    assert rows["unetplus", "A1"]["parameters"] == 28_784_711
    assert {name for name, _ in rows} == {"fcn8s", "segnet", "unet", "resunet", "unetplusplus", "unetplus"}
