import json

from pitmap.samples.build import build
from pitmap.study.study import load_study
from pitmap.training.calibration import ValidationChecks
from pitmap.training.card import make_card, training_seconds, write_times
from pitmap.training.checkpoint import Standing
from pitmap.training.choices import Course, Training
from pitmap.training.recipes import RECIPES
from studies import grid, quilt, write_project, write_site


def test_times_lie_beside_the_model(tmp_path):
    standing = Standing(epoch=2, history=[{"epoch": 1.0}, {"epoch": 2.0}], seconds=[1.5, 3.25], best_epoch=1)
    model = tmp_path / "unet-seed0.safetensors"
    assert training_seconds(model) is None
    write_times(model, Training("unet", {}, RECIPES["paper"], 0, "cpu"), standing)
    content = json.loads((tmp_path / "unet-seed0.times.json").read_text())
    assert content["epochs"] == [{"epoch": 1, "seconds": 1.5}, {"epoch": 2, "seconds": 3.25}]
    assert content["device"].endswith("processor")
    assert training_seconds(model) == 3.25


def test_a_card_says_in_plain_values_what_was_held_out(tmp_path):
    names = [f"west_{day}" for day in ("20210619", "20220719")]
    for name in names:
        write_site(tmp_path, name, quilt(120, 150, 3), grid(120, 150))
    samples = build(load_study(write_project(tmp_path, names, samples="test_dates = [2022-07-19]")))
    training = Training("unet", {}, RECIPES["transfer"], 0, "cpu")
    figures = {"epoch": 1.0, "validation_miou": 0.5, "validation_loss": 0.4, "validation_accuracy": 0.9}
    standing = Standing(history=[figures], best_epoch=1)
    course = Course.of(training.recipe, samples.patch, 4)
    card = make_card(samples, training, course, standing, ValidationChecks(1.0, 1.5))
    assert card.to_json()["training"]["split"]["test_dates"] == ["2022-07-19"]
    assert card.own_statistics == RECIPES["transfer"].own_statistics > 0
