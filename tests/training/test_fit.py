import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch

from pitmap.networks import build as build_network
from pitmap.networks import load_model
from pitmap.samples.build import build
from pitmap.study.schema import TrainingSection
from pitmap.study.study import load_study
from pitmap.training.curves import read_curves
from pitmap.training.fit import EpochOrder, Journal, Training, clock, train
from pitmap.training.recipes import resolve
from studies import grid, quilt, write_project, write_site

SMALL = resolve(TrainingSection(width=4, epochs=4, batch=4, precision="float32"), on_gpu=False)


@pytest.fixture
def samples(tmp_path):
    write_site(tmp_path, "a", quilt(160, 128, 3), grid(160, 128))
    return build(load_study(write_project(tmp_path, ["a"])))


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return load_model(path)[0].state_dict()


def assert_same(first: Path, second: Path) -> None:
    a, b = tensors(first), tensors(second)
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def test_training_learns_and_keeps_the_best_epoch(samples, tmp_path):
    training = Training("unetplus", {}, replace(SMALL, epochs=12, jitter=0.0), 0, "cpu")
    said = []
    card = train(samples, training, tmp_path / "m.safetensors", announce=said.append)
    history = read_curves(tmp_path / "m.csv")
    assert len(history) == 12
    kept = min(history, key=lambda r: (r["validation_loss"], -r["validation_accuracy"]))
    assert card.training["best_epoch"] == kept["epoch"]
    assert card.training["validation_miou"] > 0.5
    assert card.training["validation_miou"] == pytest.approx(kept["validation_miou"], abs=1e-5)
    assert (card.bands, card.unit, card.seed) == (("blue", "green", "red", "nir"), "reflectance", 0)
    np.testing.assert_allclose(card.mean, samples.mean)
    assert 0.9 < card.bf16_agreement <= 1
    assert card.temperature > 0
    assert card.pixel_size_m == pytest.approx(4.0, rel=0.01)
    assert any("steps in float32 take about" in s for s in said)
    assert (tmp_path / "m.png").stat().st_size > 1000
    assert sorted(p.name for p in tmp_path.glob("m.*")) == ["m.csv", "m.png", "m.safetensors"]
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
    assert_same(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    a, c = tensors(tmp_path / "a.safetensors"), tensors(tmp_path / "c.safetensors")
    assert not torch.equal(a["head.weight"], c["head.weight"])


class Stop(lightning.Callback):
    """Breaks off after some batches."""

    def __init__(self, after: int) -> None:
        self.left = after

    def on_train_batch_end(self, *args: object, **kwargs: object) -> None:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("broken off")


@pytest.mark.parametrize("after", [0, 5, 9])
def test_a_training_that_was_broken_off_ends_with_the_same_tensors(samples, tmp_path, after):
    training = Training("unetplus", {}, SMALL, 0, "cpu")
    train(samples, training, tmp_path / "whole.safetensors")
    with pytest.raises(RuntimeError, match="broken off"):
        train(samples, training, tmp_path / "m.safetensors", callbacks=[Stop(after)])
    assert not (tmp_path / "m.safetensors").exists()
    train(samples, training, tmp_path / "m.safetensors")
    assert_same(tmp_path / "whole.safetensors", tmp_path / "m.safetensors")
    first, second = read_curves(tmp_path / "whole.csv"), read_curves(tmp_path / "m.csv")
    for a, b in zip(first, second, strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == {k: v for k, v in b.items() if k != "seconds"}


def test_killed_at_any_moment_the_command_goes_on_to_the_same_tensors(samples, tmp_path):
    training = Training("unetplus", {}, SMALL, 0, "cpu")
    train(samples, training, tmp_path / "whole.safetensors")
    work = tmp_path / ".m.training"
    code = f"""
from pathlib import Path
from pitmap.study.schema import TrainingSection
from pitmap.samples.dataset import SampleSet
from pitmap.training.fit import Training, train
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
    assert_same(tmp_path / "whole.safetensors", tmp_path / "m.safetensors")


def test_each_epoch_has_its_own_order_and_every_patch_once():
    order = EpochOrder(10, 3)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    order.set_epoch(0)
    assert list(order) == first


def test_the_best_epoch_is_by_loss_and_ties_go_to_accuracy(tmp_path):
    journal = Journal(tmp_path, 1, replace(SMALL, monitor="loss"))
    rows = [
        {"validation_loss": 0.5, "validation_accuracy": 0.7, "validation_miou": 0.9},
        {"validation_loss": 0.4, "validation_accuracy": 0.6, "validation_miou": 0.1},
        {"validation_loss": 0.4, "validation_accuracy": 0.8, "validation_miou": 0.1},
    ]
    assert max(rows, key=journal.rank) is rows[2]
    journal = Journal(tmp_path, 1, replace(SMALL, monitor="miou"))
    assert max(rows, key=journal.rank) is rows[0]


def test_early_stopping_ends_training(samples, tmp_path):
    recipe = replace(SMALL, epochs=30, early_stopping=1, learning_rate=1e-9)
    card = train(samples, Training("unet", {}, recipe, 0, "cpu"), tmp_path / "m.safetensors")
    assert len(read_curves(tmp_path / "m.csv")) < 30
    assert card.training["best_epoch"] < 30


@pytest.mark.parametrize(
    "changes", [{"loss": "focal", "class_weights": "median"}, {"accumulate": 2}, {"averaging": 0.0}]
)
def test_options_run(samples, tmp_path, changes):
    recipe = replace(SMALL, epochs=1, **changes)
    card = train(samples, Training("unet", {}, recipe, 0, "cpu"), tmp_path / "m.safetensors")
    assert 0 <= card.training["validation_miou"] <= 1


def test_every_head_of_a_deeply_supervised_network_is_trained(samples, tmp_path):
    recipe = replace(SMALL, epochs=1, averaging=0.0, weight_decay=0.0)
    train(samples, Training("unetplusplus", {"deep_supervision": True}, recipe, 0, "cpu"), tmp_path / "m.safetensors")
    torch.manual_seed(0)
    fresh = build_network("unetplusplus", 4, 7, 4, deep_supervision=True).state_dict()
    trained = tensors(tmp_path / "m.safetensors")
    heads = [name for name in trained if "head" in name and name.endswith("weight")]
    assert len(heads) == 4
    assert all(not torch.equal(trained[name], fresh[name]) for name in heads)


def test_auto_precision_is_chosen_once_and_kept(samples, tmp_path):
    training = Training("unetplus", {}, replace(SMALL, precision="auto"), 0, "cpu")
    with pytest.raises(RuntimeError):
        train(samples, training, tmp_path / "m.safetensors", callbacks=[Stop(0)])
    choice = tmp_path / ".m.training" / "choice.json"
    other = "float32" if '"bf16",' in choice.read_text() else "bf16"
    choice.write_text(f'{{"precision": "{other}", "seconds_a_step": {{}}}}')
    card = train(samples, training, tmp_path / "m.safetensors")
    assert card.training["precision"] == other


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (600, "10 min"), (12_000, "3 h 20 min")])
def test_clock(seconds, text):
    assert clock(seconds) == text
