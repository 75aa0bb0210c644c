"""Plans: what they promise is what samples reach."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitmap.accuracy.sampling.estimation import estimate_confusion
from pitmap.accuracy.sampling.intervals import neutral_moments, total_limits
from pitmap.accuracy.sampling.planning import (
    KEPT,
    Choices,
    allocate,
    expected_spread,
    fewest_points,
    fewest_strata,
    sample_size,
    tried,
)
from pitmap.errors import LabelError
from pitmap.legend import LandCoverClass, Legend

AREAS = np.array([55.0, 6, 25, 30, 686])  # ha: sure pit, doubtful pit, belt, other doubtful ground, the rest
SHARES = np.array([0.97, 0.6, 0.12, 0.05, 0.0008])


def reached(points, samples=1000, seed=1):
    """Half-widths of the intervals, and how often they hold the truth, in samples drawn by a plan."""
    found = np.random.default_rng(seed).binomial(points, SHARES, (samples, len(AREAS)))
    limits = total_limits(found, points, AREAS)
    truth = (AREAS * SHARES).sum()
    return (limits.upper - limits.lower) / 2, ((limits.lower <= truth) & (truth <= limits.upper)).mean()


@pytest.mark.parametrize("half_width", [12.0, 6.0, 4.0])
def test_what_a_plan_promises_is_reached(half_width):
    plan = fewest_points(AREAS, SHARES, half_width)
    assert 0.95 * half_width < plan.kept <= half_width
    found, held = reached(plan.points)
    assert found.mean() == pytest.approx(plan.half_width, rel=0.02)
    assert (found <= half_width).mean() > KEPT - 0.05
    assert 0.93 < held < 0.99


def test_the_expected_spread_is_the_mean_over_the_binomial_draw():
    n, p, area = 40, 0.03, 5.0
    found = np.random.default_rng(2).binomial(n, p, 200_000)
    moments = neutral_moments(found, n)
    down = (area**2 * moments.variance * (found > 0)).mean()
    up = (area**2 * moments.variance * (found < n)).mean()
    apart = (area * (moments.mean - found / n) * (found == 0)).mean()
    spread = expected_spread(n, area, p)
    np.testing.assert_allclose([spread.down, spread.up, spread.apart], [down, up, apart], rtol=0.02)
    few = expected_spread(10, area, 0.5)
    assert few.down == few.up == pytest.approx(area**2 * 0.25 / 10)  # not less than the draw's own
    halved = expected_spread(n, area, p, unseen=0.5)
    assert halved.up == pytest.approx(spread.up / 2)


def test_no_other_allocation_of_as_many_points_is_much_better():
    plan = fewest_points(AREAS, SHARES, 6.0)
    for source in range(5):
        for target in range(5):
            moved = plan.points.copy()
            step = max(1, moved[source] // 10)
            if source == target or moved[source] - step < 10:
                continue
            moved[[source, target]] += [-step, step]
            assert tried(moved, AREAS, SHARES).half_width > 0.97 * plan.half_width


def test_strata_are_cut_where_that_saves_points():
    # Four pieces of one part, of which two and two are alike: the cut between them pays.
    shares, areas = np.array([0.01, 0.01, 0.6, 0.6]), np.array([50.0, 50, 50, 50])
    first, last = np.triu_indices(5, 1)
    area = np.array([areas[i:j].sum() for i, j in zip(first, last, strict=True)])
    share = np.array([(areas * shares)[i:j].sum() for i, j in zip(first, last, strict=True)]) / area
    part = Choices(first, last, area, share, area * 1e4, np.full(len(first), 10))
    chosen, plan = fewest_strata([part], 12.0)
    assert 2 in first[chosen[0].strata]
    assert (first[chosen[0].strata][0], last[chosen[0].strata][-1]) == (0, 4)
    whole = fewest_points([200.0], [0.305], 12.0)
    assert plan.points.sum() < 0.8 * whole.points.sum()


def test_a_stratum_is_not_asked_for_more_points_than_it_has_pixels():
    plan = fewest_points(AREAS, SHARES, 4.0, pixels=[34_000, 20, 15_000, 19_000, 430_000])
    assert plan.points[1] <= 20
    assert plan.kept <= 4
    small = fewest_points([1.0], [0.5], 0.05, pixels=[30])
    assert small.points[0] <= 30  # all pixels of a stratum leave no doubt


def test_an_aim_that_cannot_be_reached_is_refused_with_what_can():
    with pytest.raises(LabelError, match="cannot be reached"):
        fewest_points([1e9], [0.3], 1.0)
    with pytest.raises(LabelError, match="above 0"):
        fewest_points([1.0], [0.3], 0.0)


def test_sample_size_of_olofsson():
    w, u = [0.02, 0.015, 0.32, 0.645], [0.7, 0.6, 0.9, 0.95]
    assert sample_size(w, u, standard_error=0.01) == 641
    assert sample_size(w, u, interval_width=2 * 1.96 * 0.01) == 641
    with pytest.raises(LabelError, match="one target"):
        sample_size(w, u)
    with pytest.raises(LabelError, match="between 0 and"):
        sample_size(w, u, standard_error=0)


def test_allocations():
    w = [0.02, 0.015, 0.32, 0.645]
    assert allocate(640, w, "equal").tolist() == [160] * 4
    assert allocate(1000, w, "proportional").tolist() == [20, 15, 320, 645]
    # Rare classes get 75 each, the rest is proportional (Olofsson et al. 2014, Table 8 has 75, 75, 165, 325).
    assert allocate(640, w, "proportional", floor=75).tolist() == [75, 75, 162, 328]
    u = np.array([0.7, 0.6, 0.9, 0.95])
    neyman = allocate(641, w, "neyman", expected_users_accuracy=u)
    spread = np.array(w) * np.sqrt(u * (1 - u))
    np.testing.assert_allclose(neyman, 641 * spread / spread.sum(), atol=1)
    assert allocate(10, [0.5, 0.5], "neyman", expected_users_accuracy=[1, 1]).tolist() == [5, 5]
    assert allocate(100, [0.5, 0.5], "equal", capacity=[7, 1000]).tolist() == [7, 93]
    with pytest.raises(LabelError, match="cannot give each of 4 strata the least number of 75"):
        allocate(200, w, floor=75)
    with pytest.raises(LabelError, match="expected user's accuracy"):
        allocate(200, w, "neyman")
    with pytest.raises(LabelError, match="no allocation 'optimal'"):
        allocate(200, w, "optimal")


@given(
    st.lists(st.floats(0.001, 1), min_size=1, max_size=8), st.integers(1, 500), st.integers(0, 60),
    st.lists(st.integers(1, 300), min_size=8, max_size=8), st.sampled_from(["equal", "proportional"]),
)  # fmt: skip
def test_allocation_is_complete_and_within_bounds(weights, points, floor, capacity, method):
    w = np.array(weights) / sum(weights)
    limit = np.array(capacity[: len(w)])
    if np.minimum(floor, np.minimum(limit, points)).sum() > points:
        return
    n = allocate(points, w, method, floor, capacity=limit)
    assert n.sum() == min(points, limit.sum())
    assert (n <= limit).all()
    assert (n >= np.minimum(np.minimum(floor, limit), points)).all()


def test_neyman_has_the_least_variance():
    legend = Legend(LandCoverClass(i, f"C{i}", f"class {i}", "#808080") for i in (1, 2))
    areas, accuracy = np.array([20.0, 80.0]), np.array([0.6, 0.97])

    def error(n):
        counts = np.array([[n[0] * 0.6, n[0] * 0.4], [n[1] * 0.03, n[1] * 0.97]])
        return estimate_confusion(counts, areas, legend).overall_accuracy.standard_error

    w = areas / areas.sum()
    best = error(allocate(400, w, "neyman", expected_users_accuracy=accuracy))
    assert best < error(allocate(400, w, "equal"))
    assert best < error(allocate(400, w, "proportional"))
    assert best == pytest.approx((w * np.sqrt(accuracy * (1 - accuracy))).sum() / np.sqrt(400), rel=0.01)
