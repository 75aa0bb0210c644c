"""Reliability by hand and in simulation."""

import json

import numpy as np
import pytest

from pitmap.accuracy.census.confidence import Reliability


def test_by_hand():
    result = Reliability.of([0.95, 0.95, 0.6, 0.7, 1.0], [True, False, True, True, True], bins=10)
    assert result.pixels.tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 0, 3]
    content = result.to_json()
    last = content["bins"][9]
    assert (last["lower"], last["upper"]) == pytest.approx((0.9, 1.0))
    assert last["confidence"] == pytest.approx((0.95 + 0.95 + 1) / 3)
    assert last["accuracy"] == pytest.approx(2 / 3)
    assert content["bins"][0]["accuracy"] is None
    assert result.expected_calibration_error == pytest.approx((0.4 + 0.3 + abs(2 - 2.9)) / 5)
    assert result.greatest_calibration_error == pytest.approx(0.4)
    json.dumps(content, allow_nan=False)


def test_parts_add_up():
    rng = np.random.default_rng(0)
    confidence, right = rng.uniform(size=3000), rng.uniform(size=3000) < 0.7
    whole = Reliability.of(confidence, right)
    added = Reliability.of([], [])
    for part in (slice(0, 1000), slice(1000, 1001), slice(1001, None)):
        added += Reliability.of(confidence[part], right[part])
    assert added.pixels.tolist() == whole.pixels.tolist()
    assert added.expected_calibration_error == pytest.approx(whole.expected_calibration_error)


def test_honest_confidence_has_no_error_and_boasting_has_what_it_boasts():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.3, 0.9, 200_000)
    right = rng.uniform(size=confidence.size) < confidence
    assert Reliability.of(confidence, right).expected_calibration_error < 0.005
    assert Reliability.of(confidence + 0.1, right).expected_calibration_error == pytest.approx(0.1, abs=0.005)


def test_nothing_and_nonsense():
    empty = Reliability.of([], [])
    assert empty.expected_calibration_error is None
    assert empty.greatest_calibration_error is None
    assert empty.to_json()["pixels"] == 0
    assert Reliability.of([0.0, 1.0], [False, True], bins=2).pixels.tolist() == [1, 1]
    with pytest.raises(ValueError, match="as many of both"):
        Reliability.of([0.5], [True, False])
    for wrong in (1.01, -0.1, np.nan):
        with pytest.raises(ValueError, match="0 to 1"):
            Reliability.of([wrong], [True])
