"""The table that compares figures with the last dated result, and the scene that speeds are measured on."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import rasterio

sys.path.insert(0, str(Path(__file__).parents[1]))

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
