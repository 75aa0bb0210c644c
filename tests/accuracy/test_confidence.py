"""Temperature scaling recovers a known temperature; reliability by hand."""

import json

import numpy as np
import pytest
from scipy import special

from pitmap.accuracy.confidence import binned_reliability, fit_temperature, probabilities, reliability


def sample(pixels, temperature, seed=0, classes=5):
    """Logits that are ``temperature`` times too large for the labels drawn from them."""
    generator = np.random.default_rng(seed)
    honest = generator.normal(scale=1.5, size=(pixels, classes))
    p = special.softmax(honest, axis=1)
    targets = (generator.uniform(size=(pixels, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    return honest * temperature, targets


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_recovered(temperature):
    logits, targets = sample(40_000, temperature)
    assert fit_temperature(logits, targets) == pytest.approx(temperature, rel=0.03)


def test_scaling_mends_calibration_and_keeps_the_class():
    logits, targets = sample(40_000, 3.0)
    before = reliability(probabilities(logits), targets)
    fitted = probabilities(logits, fit_temperature(logits, targets))
    after = reliability(fitted, targets)
    assert before.expected_calibration_error > 0.15
    assert after.expected_calibration_error < 0.015
    np.testing.assert_array_equal(fitted.argmax(axis=1), logits.argmax(axis=1))


def test_unlabelled_pixels_do_not_count():
    logits, targets = sample(5000, 2.0)
    mixed = np.concatenate([targets, np.full(3000, -1)])
    more = np.concatenate([logits, np.full((3000, 5), 7.0)])
    assert fit_temperature(more, mixed) == pytest.approx(fit_temperature(logits, targets))
    assert reliability(probabilities(more), mixed) == reliability(probabilities(logits), targets)
    assert fit_temperature(logits, np.full(5000, -1)) == 1.0


def test_reliability_by_hand():
    p = np.array([[0.95, 0.05], [0.95, 0.05], [0.4, 0.6], [0.3, 0.7], [1.0, 0.0]])
    result = reliability(p, np.array([0, 1, 1, 1, 0]), bins=10)
    assert [b.pixels for b in result.bins] == [0, 0, 0, 0, 0, 1, 1, 0, 0, 3]
    assert result.bins[9].confidence == pytest.approx((0.95 + 0.95 + 1) / 3)
    assert result.bins[9].accuracy == pytest.approx(2 / 3)
    assert result.bins[0].accuracy is None
    assert result.expected_calibration_error == pytest.approx((0.4 + 0.3 + abs(2 - 2.9)) / 5)
    assert result.greatest_calibration_error == pytest.approx(0.4)
    json.dumps(result.to_json(), allow_nan=False)


def test_blocks_add_up():
    logits, targets = sample(3000, 1.0)
    p = probabilities(logits)
    whole = reliability(p, targets)
    parts = [reliability(p[s], targets[s]) for s in (slice(0, 1000), slice(1000, 3000))]
    n = np.array([[b.pixels for b in r.bins] for r in parts])
    c = np.array([[(b.confidence or 0) * b.pixels for b in r.bins] for r in parts])
    hits = np.array([[(b.accuracy or 0) * b.pixels for b in r.bins] for r in parts])
    added = binned_reliability(n.sum(axis=0), c.sum(axis=0), hits.sum(axis=0))
    assert added.expected_calibration_error == pytest.approx(whole.expected_calibration_error)


def test_nothing_labelled_and_bad_shapes():
    empty = reliability(np.zeros((0, 3)), np.zeros(0, int))
    assert empty.expected_calibration_error is None
    assert empty.pixels == 0
    with pytest.raises(ValueError, match="expected"):
        fit_temperature(np.zeros((3, 2)), np.zeros(2, int))
    with pytest.raises(ValueError, match="below the number"):
        fit_temperature(np.zeros((3, 2)), np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="finite"):
        reliability(np.full((1, 2), np.nan), np.array([0]))
