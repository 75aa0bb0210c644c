"""Several seeds: one model file, the mean where validation finds it better, and it says so."""

from dataclasses import replace

import pytest
import torch

from observers import Heard
from pitmap.networks import load_model
from pitmap.networks.ensemble import Ensemble
from pitmap.study.schema import TrainingSection
from pitmap.training import loop, members
from pitmap.training.choices import Training
from pitmap.training.members import best_of, train
from pitmap.training.recipes import resolve
from pitmap.training.validation import ValidationFigures

SMALL = resolve(TrainingSection(width=4, epochs=2, batch=8, precision="float32"), on_gpu=False)
THREE = Training("unetplus", {}, SMALL, 5, "cpu", seeds=3)


@pytest.fixture(scope="module")
def trained(samples, tmp_path_factory):
    """Three small networks, of which the mean is kept by force."""
    folder, heard = tmp_path_factory.mktemp("members"), Heard()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(members, "best_of", lambda found, training: list(found)[-1])
        card = train(samples, THREE, folder / "m.safetensors", heard)
    return folder, card, heard


def test_the_model_is_the_mean_of_the_logits_of_its_members(trained):
    folder, card, heard = trained
    network, read = load_model(folder / "m.safetensors")
    assert isinstance(network, Ensemble)
    assert read.options["members"] == 3
    assert "3 networks together" in read.summary()
    own = [load_model(folder / "members" / f"m-{seed}.safetensors")[0] for seed in (5, 6, 7)]
    images = torch.randn((1, 4, 64, 64), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        apart = torch.stack([n(images) for n in own])
        torch.testing.assert_close(network(images), apart.mean(0))
    assert (apart[0] - apart[1]).abs().max() > 0.01
    assert (network.stride, network.halo) == (own[0].stride, own[0].halo)
    assert any(
        s.startswith("On validation ground seed 5: loss") and s.endswith("Kept: the mean of 3.") for s in heard.said
    )
    assert card.temperature is not None
    assert card.temperature > 0


def test_a_model_that_is_there_is_not_trained_again(trained, samples, monkeypatch):
    folder, card, _ = trained
    monkeypatch.setattr(loop, "train", lambda *a, **k: pytest.fail("trained again"))
    heard = Heard()
    assert train(samples, THREE, folder / "m.safetensors", heard) == card
    assert heard.said == ["m.safetensors is up to date."]


def test_what_validation_finds_best_is_kept():
    found = {"seed 0": ValidationFigures(0.5, 0.7, 0.9), "seed 1": ValidationFigures(0.4, 0.6, 0.9),
             "the mean of 2": ValidationFigures(0.45, 0.75, 0.9)}  # fmt: skip
    by_miou = replace(THREE, recipe=replace(SMALL, monitor="miou"))
    assert best_of(found, replace(THREE, recipe=replace(SMALL, monitor="loss"))) == "seed 1"
    assert best_of(found, by_miou) == "the mean of 2"


def test_the_number_of_networks_is_part_of_the_key_and_one_is_as_before(samples):
    one = replace(THREE, seeds=1)
    assert one.key(samples) != THREE.key(samples)
    assert replace(THREE, seeds=2).key(samples) != THREE.key(samples)
