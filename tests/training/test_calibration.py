"""Temperature scaling recovers a known temperature."""

import numpy as np
import pytest
import torch
from scipy import special

from pitmap.accuracy.census.confidence import Reliability
from pitmap.training.calibration import MOST_PIXELS, fit_temperature
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


def test_unlabelled_pixels_do_not_count_and_very_many_are_thinned():
    logits, target = sample(5000, 2.0)
    more = torch.cat([logits, torch.full((3000, 5), 7.0, dtype=torch.float64)])
    mixed = torch.cat([target, torch.full((3000,), IGNORED)])
    assert fit_temperature(more, mixed) == pytest.approx(fit_temperature(logits, target))
    assert fit_temperature(logits, torch.full((5000,), IGNORED)) == 1.0
    assert fit_temperature(*sample(2 * MOST_PIXELS + 1, 2.0)) == pytest.approx(2.0, rel=0.03)
