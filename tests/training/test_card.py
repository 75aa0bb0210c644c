import json

from pitmap.training.card import training_seconds, write_times
from pitmap.training.checkpoint import Standing
from pitmap.training.choices import Training
from pitmap.training.recipes import RECIPES


def test_times_lie_beside_the_model(tmp_path):
    standing = Standing(epoch=2, history=[{"epoch": 1.0}, {"epoch": 2.0}], seconds=[1.5, 3.25], best_epoch=1)
    model = tmp_path / "unet-seed0.safetensors"
    assert training_seconds(model) is None
    write_times(model, Training("unet", {}, RECIPES["paper"], 0, "cpu"), standing)
    content = json.loads((tmp_path / "unet-seed0.times.json").read_text())
    assert content["epochs"] == [{"epoch": 1, "seconds": 1.5}, {"epoch": 2, "seconds": 3.25}]
    assert content["device"].endswith("processor")
    assert training_seconds(model) == 3.25
