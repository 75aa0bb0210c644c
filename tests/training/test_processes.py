"""Two processes make the steps of one."""

from dataclasses import replace

import pytest
import torch

from observers import Heard
from pitmap.errors import PitmapError
from pitmap.observer import Epoch, Observer
from pitmap.study.schema import TrainingSection
from pitmap.training.choices import Training
from pitmap.training.curves import read_curves
from pitmap.training.loop import train
from pitmap.training.processes import launch
from pitmap.training.recipes import resolve
from training.own_parts import first_steps

RECIPE = resolve(TrainingSection(width=4, epochs=2, batch=3, precision="float32"), on_gpu=False)


class StopAfterTheFirstEpoch(Observer):
    def epoch(self, epoch: Epoch) -> None:
        raise KeyboardInterrupt


@pytest.mark.verify
def test_two_processes_make_the_step_of_one(samples, tmp_path):
    found = {}
    for devices in (1, 2):
        training, heard = Training("unetplus", {}, RECIPE, 0, "cpu", devices), Heard()
        # An error of a process comes back whole.
        with pytest.raises(PitmapError, match=r"Found this\. Expected that\."):
            launch(first_steps, training, "float32", heard, (samples, training, tmp_path / "steps.pt"))
        assert heard.said == ["done"]
        found[devices] = torch.load(tmp_path / "steps.pt", weights_only=True)
    one, two = found[1], found[2]
    assert one.keys() == two.keys()
    for name, expected in one.items():
        scale = max(1.0, float(expected.double().abs().max()))
        torch.testing.assert_close(two[name] / scale, expected / scale, atol=1e-5, rtol=0, msg=name)


@pytest.mark.verify
def test_two_processes_go_on_where_one_was_interrupted_and_write_one_model(samples, tmp_path):
    training = Training("unet", {"batch_norm": False}, replace(RECIPE, learning_rate=1e-4), 0, "cpu")
    whole = train(samples, training, tmp_path / "whole.safetensors")
    with pytest.raises(KeyboardInterrupt):
        train(samples, training, tmp_path / "m.safetensors", StopAfterTheFirstEpoch())
    heard = Heard()
    card = train(samples, replace(training, devices=2), tmp_path / "m.safetensors", heard)
    assert card.training.key == whole.training.key
    assert "Going on after epoch 1 of 2." in heard.said
    assert [e.number for e in heard.epochs] == [2]
    assert heard.shares[-1] == 1
    for one, two in zip(read_curves(tmp_path / "whole.csv"), read_curves(tmp_path / "m.csv"), strict=True):
        assert two == pytest.approx(one, rel=1e-4)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(("m", ".m"))) == [
        "m.csv", "m.png", "m.safetensors", "m.times.json",
    ]  # fmt: skip
