"""Temperature scaling recovers a known temperature."""

import numpy as np
import pytest
import torch
from scipy import special
from torch import nn

from pitmap.accuracy.census.confidence import Reliability
from pitmap.samples.batches import Batch
from pitmap.training import calibration
from pitmap.training.calibration import ValidationChecks, check_on_validation, fit_temperature
from pitmap.training.losses import IGNORED


def sample(pixels: int, temperature: float, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are ``temperature`` times too large for the classes drawn from them."""
    rng = np.random.default_rng(0)
    honest = rng.normal(scale=1.5, size=(pixels, classes))
    chance = special.softmax(honest, axis=1)
    target = (rng.uniform(size=(pixels, 1)) > chance.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    return torch.from_numpy(honest * temperature), torch.from_numpy(target)


def reliability(logits: torch.Tensor, target: torch.Tensor, temperature: float) -> Reliability:
    sure, channel = (logits / temperature).softmax(1).max(1)
    return Reliability.of(sure.numpy(), (channel == target).numpy())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_recovered(temperature: float):
    assert fit_temperature(*sample(40_000, temperature)) == pytest.approx(temperature, rel=0.03)


def test_scaling_makes_the_confidence_honest():
    logits, target = sample(40_000, 3.0)
    assert reliability(logits, target, 1.0).expected_calibration_error > 0.15
    assert reliability(logits, target, fit_temperature(logits, target)).expected_calibration_error < 0.015


def test_unlabelled_pixels_do_not_count():
    logits, target = sample(5000, 2.0)
    more = torch.cat([logits, torch.full((3000, 5), 7.0, dtype=torch.float64)])
    mixed = torch.cat([target, torch.full((3000,), IGNORED)])
    assert fit_temperature(more, mixed) == pytest.approx(fit_temperature(logits, target))
    assert fit_temperature(logits, torch.full((5000,), IGNORED)) == 1.0


class Told(nn.Module):
    """Says the logits that its image holds; under autocast rounded."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.round() if torch.is_autocast_enabled("cpu") else images


def batches(number: int, labelled: float, classes: int = 5, side: int = 16) -> list[Batch]:
    """Batches of two patches whose pixels are logits, twice too large for the classes drawn from them."""
    result = []
    rng = np.random.default_rng(1)
    logits, target = sample(number * 2 * side**2, 2.0, classes)
    logits = logits.float().view(number, 2, side, side, classes).movedim(-1, 2)
    codes = (target.view(number, 2, side, side) + 1).to(torch.uint8)
    for images, truth in zip(logits, codes, strict=True):
        kept = torch.from_numpy(rng.uniform(size=truth.shape) < labelled)
        result.append(Batch(images, torch.ones_like(kept), truth * kept, torch.zeros(2, dtype=torch.int64)))
    return result


def check(given: list[Batch]) -> ValidationChecks:
    labelled = sum(int((b.codes > 0).sum()) for b in given)
    return check_on_validation(Told(), given, lambda b: b.pixels, torch.device("cpu"), labelled)


def test_checks_in_batches_are_those_of_all_pixels_together():
    given = batches(6, 0.7)
    checks = check(given)
    logits = torch.cat([b.pixels for b in given])
    same = logits.argmax(1) == logits.round().argmax(1)
    assert 0.7 < checks.bf16_agreement < 1
    assert checks.bf16_agreement == pytest.approx(float(same.double().mean()))
    target = torch.cat([b.target for b in given])
    assert checks.temperature == pytest.approx(fit_temperature(logits.movedim(1, -1).flatten(0, 2), target.flatten()))
    right = (logits.argmax(1) == target)[target != IGNORED].double().mean()
    assert checks.confidence == pytest.approx(float(right), abs=0.02)  # calibrated on these very pixels


def test_of_very_many_pixels_every_nth_is_kept(monkeypatch):
    kept = []
    monkeypatch.setattr(calibration, "MOST_PIXELS", 1000)
    monkeypatch.setattr(calibration, "fit_temperature", lambda logits, target: kept.append((logits, target)) or 1.0)
    given = batches(6, 0.7)
    check(given)
    (logits, target), labelled = kept[0], torch.cat([b.target.flatten() for b in given])
    labelled = labelled[labelled != IGNORED]
    step = -(-len(labelled) // 1000)
    assert step > 1
    assert logits.shape == (len(target), 5)
    assert torch.equal(target, labelled[::step])


def test_without_labels_the_temperature_is_1():
    checks = check(batches(1, 0.0))
    assert (checks.temperature, checks.confidence) == (1.0, None)
