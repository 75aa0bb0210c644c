"""Plans: what they promise is what samples reach."""

import numpy as np
import pytest

from pitmap.accuracy.sampling.intervals import ratio_limits
from pitmap.accuracy.sampling.planning import expected_half_width, fewest_points
from pitmap.errors import LabelError

AREAS = np.array([55.0, 6, 25, 30, 686])  # ha: sure pit, doubtful pit, belt, other doubtful ground, the rest
SHARES = np.array([0.97, 0.6, 0.12, 0.05, 0.0008])


def reached(points, samples=400, seed=0):
    """Half-widths of the intervals, and how often they hold the truth, in samples drawn by a plan."""
    found = np.random.default_rng(seed).binomial(points, SHARES, (samples, len(AREAS))).astype(float)
    limits = ratio_limits(found, points - found, points.astype(float), AREAS, may_neither=False)
    truth = (AREAS * SHARES).sum() / AREAS.sum()
    held = (limits.lower <= truth) & (truth <= limits.upper)
    return (limits.upper - limits.lower) / 2 * AREAS.sum(), held.mean()


@pytest.mark.parametrize("half_width", [12.0, 6.0, 4.0])
def test_what_a_plan_promises_is_reached(half_width):
    plan = fewest_points(AREAS, SHARES, half_width)
    assert 0.97 * half_width < plan.half_width <= half_width
    found, held = reached(plan.points)
    assert found.mean() == pytest.approx(plan.half_width, rel=0.03)
    assert 0.93 < held < 0.99


def test_no_other_allocation_of_as_many_points_is_better():
    plan = fewest_points(AREAS, SHARES, 6.0)
    for source in range(5):
        for target in range(5):
            moved = plan.points.copy()
            step = max(1, moved[source] // 10)
            if source == target or moved[source] - step < 10:
                continue
            moved[[source, target]] += [-step, step]
            assert expected_half_width(moved, AREAS, SHARES) > 0.995 * plan.half_width


def test_a_stratum_is_not_asked_for_more_points_than_it_has_pixels():
    plan = fewest_points(AREAS, SHARES, 4.0, pixels=[34_000, 20, 15_000, 19_000, 430_000])
    assert plan.points[1] <= 20
    assert plan.half_width <= 4
    small = fewest_points([1.0], [0.5], 0.05, pixels=[30])
    assert small.points[0] <= 30  # all pixels of a stratum leave no doubt


def test_an_aim_that_cannot_be_reached_is_refused_with_what_can():
    with pytest.raises(LabelError, match="cannot be reached"):
        fewest_points([1e9], [0.3], 1.0)
    with pytest.raises(LabelError, match="above 0"):
        fewest_points([1.0], [0.3], 0.0)
