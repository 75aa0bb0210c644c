"""The table that compares figures with the last dated result, the scene that speeds are measured on, and a bound."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import rasterio

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.interval_bound import least_length
from benchmarks.mapping_speed import BANDS, write_model, write_scene
from benchmarks.record import Measure, keep, last, table

from pitmap.networks import read_card

BEFORE = [Measure("start", 4.0, "s"), Measure("patches", 100.0, "/s", more_is_better=True), Measure("help", 0.2, "s")]


def test_figures_are_compared_with_the_last_dated_result(tmp_path):
    assert last(tmp_path) is None
    (tmp_path / "2020-01-01-quick.json").write_text(json.dumps({"date": "2020-01-01", "measures": []}))
    kept = keep(BEFORE, "python -m benchmarks --keep", tmp_path)
    assert last(tmp_path) == json.loads(kept.read_text())
    assert last(tmp_path)["measures"] == [asdict(m) for m in BEFORE]
    now = [Measure("start", 2.0, "s"), Measure("patches", 50.0, "/s", more_is_better=True), Measure("help", 0.21, "s"),
           Measure("new", 1.0, "s")]  # fmt: skip
    lines = table(now, last(tmp_path))
    assert lines[-4:] == [
        "| start | 2 s | 4 s | 2.00 times as good |",
        "| patches | 50 /s | 100 /s | 0.50 times as good |",
        "| help | 0.21 s | 0.2 s | the same within 10 % |",
        "| new | 1 s | — | |",
    ]
    assert "no dated result" in table(now, None)[1]


def test_the_scene_and_the_model_of_the_benchmark(tmp_path):
    with rasterio.open(write_scene(tmp_path, 600, 90)) as source:
        assert source.shape == (600, 90)
        assert source.profile["compress"] == "deflate"
        assert source.scales == (1e-4,) * BANDS
        assert (source.read() > 0).all()
    assert read_card(write_model(tmp_path, "unet", 2)).options == {"width": 2}


def test_no_interval_is_shorter_than_the_bound():
    # Known: of a normal estimate 2 (1.645 Phi(1.645) + phi(1.645)) = 3.33 standard errors; where the class is absent
    # the integral of 1 - 0.05 exp(n p) up to 3 / n, 2.05 / n. Sums of least values of steps lie a little below.
    normal = least_length([1.0], [0.5], [2000], draws=4000) / np.sqrt(0.25 / 2000)
    assert 3.1 < normal < 3.35
    absent = least_length([1.0], [0.0], [300], draws=4000) * 300
    assert 1.85 < absent < 2.06
    assert least_length([10.0], [0.0], [300], draws=1000) == pytest.approx(10 * least_length([1.0], [0.0], [300], 1000))
