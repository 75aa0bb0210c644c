import json
import sys
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner

from analytic_ground import grid, smooth
from pitmap.cli import app, main
from pitmap.raster.reading import describe, open_raster
from pitmap.raster.writing import Layout, write_cog
from pitmap.simulate.product import ProductOptions, write_product


@pytest.fixture
def image(tmp_path):
    pixels = np.random.default_rng(0).integers(200, 3000, (3, 40, 50)).astype(np.uint16)
    write_cog(tmp_path / "in.tif", pixels, grid(40, 50), Layout(3, "uint16", 0))
    return tmp_path / "in.tif", pixels


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_digital_numbers_can_be_kept(image, tmp_path):
    path, pixels = image
    done = run("prepare", path, tmp_path / "dn.tif", "--keep-dn", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["valid_share"] == 1
    with open_raster(tmp_path / "dn.tif") as reader:
        np.testing.assert_array_equal(reader.read()[0], pixels)


def test_a_forgotten_scale_is_refused_with_the_options(image, tmp_path, monkeypatch, capsys):
    path, _ = image
    for given, words in ((["--scale", "1"], "100.0% of the values"), ([], "does not say how")):
        monkeypatch.setattr(sys, "argv", ["pitmap", "prepare", str(path), str(tmp_path / "o.tif"), *given])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 1
        error = capsys.readouterr().err
        assert words in error
        assert "(--scale, --offset, --keep-dn)" in error
    assert not (tmp_path / "o.tif").exists()


@pytest.mark.parametrize("option", ["--voids", "--kernel", "--coefficients", "--gcp-model", "--extent"])
def test_choices_are_named(image, tmp_path, option):
    refused = run("prepare", image[0], tmp_path / "o.tif", option, "nothing")
    assert refused.exit_code == 2
    assert option in refused.output


def test_an_extent_is_four_numbers(image, tmp_path):
    done = run("prepare", image[0], tmp_path / "o.tif", "--scale", 1e-4, "--extent", "630000,3829900,630100,3830000")
    assert done.exit_code == 0
    assert describe(tmp_path / "o.tif").grid.shape == (25, 25)


def test_info_on_a_zip_describes_the_product(tmp_path):
    made = write_product(tmp_path, smooth(60, 70), ProductOptions(archive=False, pan=False))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in made.path.iterdir():
            archive.write(path, path.name)
    assert json.loads(run("info", tmp_path / "a.zip", "--json").stdout)["product"] == made.name
    assert f"product: {made.name}" in run("info", tmp_path / "a.zip").stdout
