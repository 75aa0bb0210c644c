"""A scene of full size: memory does not grow with it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pitmap.raster.reading import describe

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "ortho.py"


@pytest.mark.verify
def test_a_full_scene_takes_less_than_one_and_a_half_gigabytes(tmp_path):
    script = [sys.executable, str(PROGRAM), "--work", str(tmp_path), "--size", "6908x7300"]
    subprocess.run([*script, "--step", "simulate"], check=True)
    done = subprocess.run([*script, "--step", "prepare"], check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["peak_mib"] < 1500
    info = describe(tmp_path / "pitmap.tif")
    # 23.6 x 24.5 km at 4 m, in the bounding box of its turned frame
    assert info.grid.height * info.grid.width > 40e6
    assert info.bands == 4


@pytest.mark.verify
def test_memory_does_not_grow_with_the_scene(tmp_path):
    peaks = []
    for size in ("2000x2000", "6000x6000"):
        script = [sys.executable, str(PROGRAM), "--work", str(tmp_path / size), "--size", size]
        subprocess.run([*script, "--step", "simulate"], check=True)
        done = subprocess.run([*script, "--step", "prepare"], check=True, stdout=subprocess.PIPE, text=True)
        peaks.append(json.loads(done.stdout.splitlines()[-1])["peak_mib"])
    assert peaks[1] < peaks[0] + 300
