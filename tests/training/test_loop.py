import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from observers import Heard
from pitmap.errors import PitmapError, ProjectError
from pitmap.networks import build as build_network
from pitmap.networks import load_model
from pitmap.observer import Epoch, Observer
from pitmap.study.schema import TrainingSection
from pitmap.training.checkpoint import Standing
from pitmap.training.choices import Training
from pitmap.training.curves import read_curves
from pitmap.training.loop import train
from pitmap.training.recipes import resolve

SMALL = resolve(TrainingSection(width=4, epochs=4, batch=4, precision="float32"), on_gpu=False)


@pytest.fixture(scope="module")
def whole(samples, tmp_path_factory):
    """A training of four epochs that nothing broke off."""
    path = tmp_path_factory.mktemp("whole") / "whole.safetensors"
    train(samples, Training("unetplus", {}, SMALL, 0, "cpu"), path)
    return path


OWN = {"loss": "hinge", "class_weights": "rising", "schedule": "half"}


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return load_model(path)[0].state_dict()


def test_training_learns_and_keeps_the_best_epoch(samples, tmp_path):
    training = Training("unetplus", {}, replace(SMALL, epochs=12, jitter=0.0), 0, "cpu")
    heard = Heard()
    card = train(samples, training, tmp_path / "m.safetensors", heard)
    history = read_curves(tmp_path / "m.csv")
    assert len(history) == 12
    kept = min(history, key=lambda r: (r["validation_loss"], -r["validation_accuracy"]))
    assert card.training.best_epoch == kept["epoch"]
    assert card.training.validation_miou > 0.5
    assert card.training.validation_miou == pytest.approx(kept["validation_miou"], abs=1e-5)
    assert (card.bands, card.unit, card.seed) == (("blue", "green", "red", "nir"), "reflectance", 0)
    np.testing.assert_allclose(card.mean, samples.mean)
    assert 0.9 < card.bf16_agreement <= 1
    assert card.temperature > 0
    assert card.pixel_size_m == pytest.approx(4.0, rel=0.01)
    assert any("more steps and" in s for s in heard.said)
    assert [e.number for e in heard.epochs] == list(range(1, 13))
    assert heard.epochs[-1].validation_miou == pytest.approx(history[-1]["validation_miou"], abs=1e-5)
    assert heard.shares == sorted(heard.shares)
    assert heard.shares[-1] == 1
    assert (tmp_path / "m.png").stat().st_size > 1000
    assert sorted(p.name for p in tmp_path.glob("m.*")) == ["m.csv", "m.png", "m.safetensors", "m.times.json"]
    assert not list(tmp_path.glob(".m*"))


def test_a_model_that_is_up_to_date_is_left(samples, tmp_path):
    training = Training("unet", {}, replace(SMALL, epochs=1), 0, "cpu")
    train(samples, training, tmp_path / "m.safetensors")
    before = (tmp_path / "m.safetensors").stat().st_mtime_ns
    train(samples, training, tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").stat().st_mtime_ns == before
    train(samples, replace(training, seed=1), tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").stat().st_mtime_ns != before


def test_the_same_seed_gives_the_same_tensors_and_another_seed_others(samples, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(
            samples, Training("unetplus", {}, replace(SMALL, epochs=2), seed, "cpu"), tmp_path / f"{name}.safetensors"
        )
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    a, c = tensors(tmp_path / "a.safetensors"), tensors(tmp_path / "c.safetensors")
    assert not torch.equal(a["head.weight"], c["head.weight"])


class Stop(Observer):
    """Breaks off after some steps, or after an epoch."""

    def __init__(self, steps: int | None = None, epoch: int | None = None, how: type[BaseException] = RuntimeError):
        self.left, self.last, self.how = steps, epoch, how

    def progress(self, step: str, share: float) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise self.how("broken off")

    def epoch(self, epoch: Epoch) -> None:
        if epoch.number == self.last:
            raise self.how("broken off")


@pytest.mark.parametrize("after", [0, 5, 9])
def test_a_training_that_was_broken_off_ends_with_the_same_tensors(samples, whole, tmp_path, after):
    training = Training("unetplus", {}, SMALL, 0, "cpu")
    with pytest.raises(RuntimeError, match="broken off"):
        train(samples, training, tmp_path / "m.safetensors", Stop(after))
    assert not (tmp_path / "m.safetensors").exists()
    train(samples, training, tmp_path / "m.safetensors")
    for ending in (".safetensors", ".csv", ".png"):
        assert whole.with_suffix(ending).read_bytes() == (tmp_path / f"m{ending}").read_bytes()


@pytest.mark.verify
def test_killed_at_any_moment_the_command_goes_on_to_the_same_tensors(samples, whole, tmp_path):
    training = Training("unetplus", {}, SMALL, 0, "cpu")
    work = tmp_path / ".m.training"
    code = f"""
from pathlib import Path
from pitmap.study.schema import TrainingSection
from pitmap.samples.dataset import SampleSet
from pitmap.training.choices import Training
from pitmap.training.loop import train
from pitmap.training.recipes import resolve
from pitmap.study.study import load_study
small = resolve(TrainingSection(width=4, epochs=4, batch=4, precision="float32"), on_gpu=False)
samples = SampleSet(Path({str(samples.folder)!r}))
train(samples, Training("unetplus", {{}}, small, 0, "cpu"), Path({str(tmp_path / "m.safetensors")!r}))
"""
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], env=environment)
    limit = time.monotonic() + 120
    while not (work / "last.ckpt").exists() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    train(samples, training, tmp_path / "m.safetensors")
    assert whole.read_bytes() == (tmp_path / "m.safetensors").read_bytes()


def test_early_stopping_ends_training(samples, tmp_path):
    recipe = replace(SMALL, epochs=30, early_stopping=1, learning_rate=1e-9)
    card = train(samples, Training("unet", {}, recipe, 0, "cpu"), tmp_path / "m.safetensors")
    assert len(read_curves(tmp_path / "m.csv")) < 30
    assert card.training.best_epoch < 30


@pytest.mark.parametrize(
    "changes", [{"loss": "focal", "class_weights": "median"}, {"accumulate": 2}, {"averaging": 0.0}]
)
def test_options_run(samples, tmp_path, changes):
    recipe = replace(SMALL, epochs=1, **changes)
    card = train(samples, Training("unet", {}, recipe, 0, "cpu"), tmp_path / "m.safetensors")
    assert 0 <= card.training.validation_miou <= 1


def test_every_head_of_a_deeply_supervised_network_is_trained(samples, tmp_path):
    recipe = replace(SMALL, epochs=1, averaging=0.0, weight_decay=0.0)
    train(samples, Training("unetplusplus", {"deep_supervision": True}, recipe, 0, "cpu"), tmp_path / "m.safetensors")
    torch.manual_seed(0)
    fresh = build_network("unetplusplus", 4, 7, 4, deep_supervision=True).state_dict()
    trained = tensors(tmp_path / "m.safetensors")
    heads = [name for name in trained if "head" in name and name.endswith("weight")]
    assert len(heads) == 4
    assert all(not torch.equal(trained[name], fresh[name]) for name in heads)


@pytest.mark.verify
def test_the_precision_that_a_training_began_in_is_kept(samples, tmp_path, monkeypatch):
    training = Training("unetplus", {}, replace(SMALL, precision="auto"), 0, "cpu")
    monkeypatch.setattr("pitmap.training.choices.has_bf16", lambda device: True)
    with pytest.raises(RuntimeError):
        train(samples, training, tmp_path / "m.safetensors", Stop(epoch=1))
    monkeypatch.setattr("pitmap.training.choices.has_bf16", lambda device: False)
    card = train(samples, training, tmp_path / "m.safetensors")
    assert card.training.precision == "bf16"
    assert train(samples, training, tmp_path / "other.safetensors").training.precision == "float32"


@pytest.mark.verify
@pytest.mark.parametrize("how", [KeyboardInterrupt, SystemExit])
def test_interrupted_when_it_stopped_early_it_does_not_train_further(samples, tmp_path, how):
    recipe = replace(SMALL, epochs=30, early_stopping=1, learning_rate=1e-9)
    training = Training("unet", {}, recipe, 0, "cpu")
    whole = train(samples, training, tmp_path / "whole.safetensors")
    last = len(read_curves(tmp_path / "whole.csv"))
    assert last < 30
    with pytest.raises(how):
        train(samples, training, tmp_path / "m.safetensors", Stop(epoch=last, how=how))
    assert Standing.read(tmp_path / ".m.training" / "last.ckpt").epoch == last
    heard = Heard()
    card = train(samples, training, tmp_path / "m.safetensors", heard)
    assert heard.epochs == []
    assert card.training == whole.training
    assert (tmp_path / "m.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


def test_killed_before_the_model_was_written_it_ends_with_the_same_model(samples, tmp_path, monkeypatch):
    training = Training("unet", {}, replace(SMALL, epochs=2), 0, "cpu")
    train(samples, training, tmp_path / "whole.safetensors")

    def killed(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr("pitmap.training.loop.save_model", killed)
        with pytest.raises(RuntimeError):
            train(samples, training, tmp_path / "m.safetensors")
    heard = Heard()
    train(samples, training, tmp_path / "m.safetensors", heard)
    assert heard.epochs == []
    assert (tmp_path / "m.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


def test_two_trainings_leave_the_same_bytes_whatever_the_day(samples, tmp_path, monkeypatch):
    training = Training("unetplus", {}, replace(SMALL, epochs=2), 0, "cpu")
    for day in ("2026-01-01", "2027-02-02"):
        (tmp_path / day).mkdir()
        monkeypatch.setattr("time.strftime", lambda text, day=day: day)
        train(samples, training, tmp_path / day / "m.safetensors")
    for ending in (".safetensors", ".csv", ".png"):
        first, second = ((tmp_path / day / f"m{ending}").read_bytes() for day in ("2026-01-01", "2027-02-02"))
        assert first == second, ending
    assert json.loads((tmp_path / day / "m.times.json").read_text())["created"] == day


def test_networks_with_dropout_go_on_to_the_same_tensors(samples, tmp_path):
    training = Training("training.own_parts:dropping", {}, replace(SMALL, epochs=3), 0, "cpu")
    train(samples, training, tmp_path / "whole.safetensors")
    with pytest.raises(RuntimeError):
        train(samples, training, tmp_path / "m.safetensors", Stop(epoch=2))
    torch.rand(7)
    train(samples, training, tmp_path / "m.safetensors")
    one, two = (load_model(tmp_path / f"{n}.safetensors", trusted=[training.network])[0] for n in ("whole", "m"))
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, two.state_dict()[name]), name


def test_losses_weights_and_schedules_of_ones_own(samples, tmp_path):
    own = {name: f"training.own_parts:{part}" for name, part in OWN.items()}
    training = Training("unet", {}, replace(SMALL, epochs=1, **own), 0, "cpu")
    card = train(samples, training, tmp_path / "m.safetensors")
    assert card.training.recipe["loss"] == "training.own_parts:hinge"
    assert read_curves(tmp_path / "m.csv")[-1]["learning_rate"] == pytest.approx(SMALL.learning_rate / 2)


def test_a_loss_that_becomes_infinite_says_so(samples, tmp_path):
    training = Training("unet", {"batch_norm": False}, replace(SMALL, learning_rate=1e30), 0, "cpu")
    with pytest.raises(PitmapError, match="The loss became nan in epoch"):
        train(samples, training, tmp_path / "m.safetensors")
    assert not (tmp_path / "m.safetensors").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_devices_that_are_not_there_are_refused(samples, tmp_path):
    with pytest.raises(ProjectError, match=r"1 device\(s\) 'cuda', and PyTorch finds 0"):
        train(samples, Training("unet", {}, SMALL, 0, "cuda"), tmp_path / "m.safetensors")
