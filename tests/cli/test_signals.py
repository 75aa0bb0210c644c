"""Commands that are told to stop: one sentence, the exit code of the signal, nothing half-made."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pitmap import workflow
from pitmap.cli.signals import Stopped, farewell, stopping
from pitmap.raster.writing import Layout, write_cog
from pitmap.study.study import load_study
from studies import grid, quilt, write_project, write_site

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

SETTINGS = """
[training]
width = 4
epochs = 500
batch = 4
precision = "float32"
device = "cpu"
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_block_once_and_handlers_are_put_back(number):
    before, tidied = signal.getsignal(number), []
    with pytest.raises(Stopped) as caught, stopping():
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)  # the same one, to the whole group
            tidied.append(True)
    assert caught.value.number == number
    assert tidied
    assert signal.getsignal(number) == before


def test_what_is_ignored_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_sentence_says_where_it_was_and_what_comes_next(capsys):
    for command, where, code, sentence in (
        ("train", "epoch 23", 130, "Stopped at epoch 23; the same command goes on.\n"),
        ("prepare", "", 143, "Stopped; the same command starts anew.\n"),
    ):
        with pytest.raises(SystemExit) as ended:
            farewell(code - 128, command, where)
        assert ended.value.code == code
        assert capsys.readouterr().err == sentence


def stopped(arguments: list[object], number: int, ready: Callable[[], bool]) -> str:
    """Send a signal to a command as soon as it is ready for it; what it then said."""
    command = [sys.executable, "-c", "from pitmap.cli import main; main()", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        while not ready():
            if process.poll() is not None:
                raise AssertionError(process.stderr.read())
            time.sleep(0.005)
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == 128 + number, said
    assert "Traceback" not in said
    return said.splitlines()[-1]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_site(folder, "a", quilt(128, 128, 3), grid(128, 128))
    path = write_project(folder, ["a"], SETTINGS, samples="block_m = 80")
    workflow.sample(load_study(path))
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.verify)])
def test_training_stops_at_an_epoch_and_goes_on_there(project: Path, number: int):
    models = project.parent / "results" / "models"
    shutil.rmtree(models, ignore_errors=True)

    def after_an_epoch() -> bool:
        return any(models.glob(".*.training/last*"))

    said = stopped(["train", project], number, after_an_epoch)
    assert said.startswith("Stopped at epoch ")
    assert said.endswith("; the same command goes on.")
    assert after_an_epoch()
    assert not list(models.glob("*.safetensors"))
    assert not list(project.parent.glob(".*.lock"))


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.verify)])
def test_mapping_stops_at_a_tile_and_goes_on_there(
    tmp_path: Path, number: int, model_file: Callable, image_file: Callable
):
    model, image = model_file("unet"), image_file(900, 300)
    partial = tmp_path / ".map.tif.partial"
    arguments = ["map", model, image, tmp_path / "map.tif", "--tile", "224", "--device", "cpu"]
    said = stopped(arguments, number, lambda: any(partial.glob("[0-9]*.npz")))
    assert said.startswith("Stopped at mapping")
    assert said.endswith("; the same command goes on.")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".map.tif.partial", "image.tif", model.name]
    assert not list(partial.rglob("*.tmp*"))


@pytest.mark.parametrize("number", [signal.SIGHUP, pytest.param(signal.SIGTERM, marks=pytest.mark.verify)])
@pytest.mark.skipif(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, reason="run under nohup")
def test_preparing_leaves_nothing(tmp_path: Path, number: int):
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 1000, (4, 1200, 1200)).astype(np.uint16)
    write_cog(tmp_path / "raw.tif", pixels, grid(1200, 1200), Layout(4, "uint16", 0))
    out = tmp_path / "out"
    out.mkdir()
    arguments = ["prepare", tmp_path / "raw.tif", out / "image.tif", "--scale", "0.0001"]
    said = stopped(arguments, number, lambda: any(out.iterdir()))
    assert said.startswith("Stopped")
    assert said.endswith("; the same command starts anew.")
    assert list(out.iterdir()) == []
