"""Intervals of ratios: published formulas, exact special cases, and the truth that they should hold."""

import numpy as np
import pytest
from scipy.stats import beta

from pitmap.accuracy.sampling.intervals import NEUTRAL, jeffreys, ratio_limits, total_exceedance, total_limits


def test_jeffreys_limits():
    # Brown, Cai and DasGupta (2001): 0 and 1 at the ends of the range.
    lower, upper = jeffreys([0, 3, 10, 0], [10, 10, 10, 0])
    expected = beta.ppf([0.025, 0.975], 3.5, 7.5)
    assert (lower[1], upper[1]) == pytest.approx(expected)
    assert (lower[0], upper[0]) == (0, pytest.approx(beta.ppf(0.975, 0.5, 10.5)))
    assert (lower[2], upper[2]) == (pytest.approx(beta.ppf(0.025, 10.5, 0.5)), 1)
    assert (lower[3], upper[3]) == (0, pytest.approx(1, abs=2e-3))


def test_a_sum_is_that_of_zou_and_donner():
    # S = sum w p:  L = S - sqrt(sum w^2 (p - l)^2),  U = S + sqrt(sum w^2 (u - p)^2); here the area of a class.
    hits, trials, weights = (
        np.array([66.0, 0, 1, 2]),
        np.array([75.0, 75, 165, 325]),
        np.array([0.02, 0.015, 0.32, 0.645]),
    )
    p, (low, high) = hits / trials, jeffreys(hits, trials)
    limits = ratio_limits(hits, trials - hits, trials, weights, may_neither=False)
    total = (weights * p).sum()
    assert limits.lower == pytest.approx(total - np.sqrt((weights**2 * (p - low) ** 2).sum()))
    assert limits.upper == pytest.approx(total + np.sqrt((weights**2 * (high - p) ** 2).sum()))


def test_a_ratio_of_independent_totals_is_that_of_donner_and_zou():
    # PA = X / (X + Y), X from the stratum of the class, Y from the others: by the printed formula of the ratio Y / X.
    trials, weights = np.array([75.0, 75, 165, 325]), np.array([0.02, 0.015, 0.32, 0.645])
    both, only = np.array([66.0, 0, 0, 0]), np.array([0.0, 0, 1, 2])
    own, others = np.array([True, False, False, False]), np.array([False, True, True, True])
    x = weights[0] * 66 / 75
    lx, ux = (weights[0] * v[0] for v in jeffreys(both, trials))
    p, (low, high) = only / trials, jeffreys(only, trials)
    y = (weights * p).sum()
    ly = y - np.sqrt((weights**2 * (p - low) ** 2 * others).sum())
    uy = y + np.sqrt((weights**2 * (high - p) ** 2 * others).sum())
    ratio_low = (x * y - np.sqrt((x * y) ** 2 - ly * (2 * y - ly) * ux * (2 * x - ux))) / (ux * (2 * x - ux))
    ratio_high = (x * y + np.sqrt((x * y) ** 2 - uy * (2 * y - uy) * lx * (2 * x - lx))) / (lx * (2 * x - lx))
    limits = ratio_limits(both, only, trials, weights, may_both=own, may_only=others)
    assert limits.lower == pytest.approx(1 / (1 + ratio_high), rel=1e-9)
    assert limits.upper == pytest.approx(1 / (1 + ratio_low), rel=1e-9)


def test_one_stratum_in_which_everything_counts_gives_the_share_itself():
    expected = jeffreys(7, 40)
    limits = ratio_limits([7.0], [33.0], [40.0], [3.0], may_neither=False)
    assert limits.lower == pytest.approx(float(expected.lower))
    assert limits.upper == pytest.approx(float(expected.upper))


def test_what_is_known_has_no_width_and_what_is_absent_no_interval():
    known = ratio_limits([3.0, 10], [1.0, 0], [4.0, 10], [1.0, 1], unseen=[0, 0])
    assert known.lower == known.upper == pytest.approx((0.75 + 1) / (0.75 + 0.25 + 1))
    absent = ratio_limits([0.0], [0.0], [50.0], [1.0])
    assert np.isnan(absent.lower)
    assert np.isnan(absent.upper)


def test_the_ends_of_the_range_are_kept():
    # Nothing right: 0 is the lower end. Nothing wrong: 1 is the upper end; F1 counts what agrees twice.
    none = ratio_limits([0.0, 0], [9.0, 5], [40.0, 60], [1.0, 2])
    assert none.lower == 0
    assert 0 < none.upper < 1
    all_right = ratio_limits([9.0, 5], [0.0, 0], [40.0, 60], [1.0, 2], numerator=2, weight_both=2)
    assert all_right.upper == 1
    assert 0 < all_right.lower < 1


def test_many_samples_at_once_are_each_alone():
    rng = np.random.default_rng(0)
    both, only = rng.integers(0, 20, (50, 3)).astype(float), rng.integers(0, 20, (50, 3)).astype(float)
    trials, areas = np.array([60.0, 50, 45]), np.array([0.2, 0.3, 0.5])
    together = ratio_limits(both, only, trials, areas)
    for i in range(50):
        alone = ratio_limits(both[i], only[i], trials, areas)
        assert (together.lower[i], together.upper[i]) == (alone.lower, alone.upper)
    value = (areas * both / trials).sum(1) / (areas * (both + only) / trials).sum(1)
    assert ((together.lower <= value) & (value <= together.upper)).all()


def test_the_truth_is_held_where_wald_loses_it():
    # A class of 1.3 % that the map omits in a large stratum by one point in 325: population of Olofsson et al. (2014),
    # Table 8, producer's accuracy of forest gain. The interval of the literature holds it 61 % of the time.
    rng = np.random.default_rng(5)
    trials, areas = np.array([75, 75, 165, 325]), np.array([0.02, 0.015, 0.32, 0.645])
    share = np.array([0, 55 / 75, 0, 1 / 325])
    truth = areas[1] * share[1] / (areas * share).sum()
    found = rng.binomial(trials, share, (4000, 4)).astype(float)
    own = np.arange(4) == 1
    limits = ratio_limits(found * own, found * ~own, trials, areas, may_both=own, may_only=~own)
    held = ((limits.lower <= truth) & (truth <= limits.upper)).mean()
    assert 0.95 < held < 0.99


def test_the_interval_of_a_total_is_that_of_the_sum_of_the_posteriors():
    found, points, areas = np.array([3, 9, 60]), np.array([300, 40, 64]), np.array([900.0, 50, 100])
    generator = np.random.default_rng(0)
    sums = (areas * generator.beta(found + 1 / 3, points - found + 1 / 3, (400_000, 3))).sum(axis=1)
    ends = np.quantile(sums, [0.005, 0.025, 0.2, 0.8, 0.975, 0.995])
    chances = total_exceedance(found, points, areas, np.ones(3), ends)
    np.testing.assert_allclose(chances, [0.995, 0.975, 0.8, 0.2, 0.025, 0.005], atol=0.01)
    short = total_limits(found, points, areas)
    assert short.upper - short.lower < ends[4] - ends[1]
    assert ((short.lower <= sums) & (sums <= short.upper)).mean() == pytest.approx(0.95, abs=0.005)
    assert 0.014 < (sums < short.lower).mean() < 0.025  # most of the doubt lies on the long side


def test_the_interval_of_a_total_where_nothing_or_everything_was_found():
    none, every = total_limits([0, 0], [50, 80], [10.0, 30]), total_limits([50, 80], [50, 80], [10.0, 30])
    assert none.lower == 0
    assert 0 < none.upper < 3
    np.testing.assert_allclose([40 - every.upper, 40 - every.lower], none, atol=1e-9)  # the rest of the ground
    # Strata without the class do not lift the lower end.
    alone = total_limits([7], [40], [10.0])
    assert total_limits([7, 0, 0], [40, 50, 60], [10.0, 90, 90]).lower == pytest.approx(alone.lower)
    known = total_limits([3, 10], [4, 10], [1.0, 1], unseen=[0, 0])
    np.testing.assert_allclose(known, [1.75, 1.75])


@pytest.mark.parametrize("shares", [[0.98, 0.02, 0.001], [0.9, 0.2, 0.01], [0.7, 0.4, 0.1]])
def test_the_interval_of_a_total_holds(shares):
    points, areas = np.array([60, 50, 300]), np.array([90.0, 60, 900])
    found = np.random.default_rng(3).binomial(points, shares, (4000, 3))
    limits = total_limits(found, points, areas)
    truth = (areas * shares).sum()
    assert 0.93 < ((limits.lower <= truth) & (truth <= limits.upper)).mean() < 0.985


def test_the_chance_of_one_stratum_is_nearly_that_of_its_posterior():
    # One stratum of area 10: the posterior of its share is beta(k + 1/3, n - k + 1/3), of which three moments are kept.
    area, k, n = np.array([10.0]), np.array([12]), np.array([80])
    for threshold in (0.8, 1.2, 1.8, 2.2):
        known = beta.sf(threshold / 10, 12 + NEUTRAL, 68 + NEUTRAL)
        assert total_exceedance(k, n, area, [1.0], threshold) == pytest.approx(known, abs=2e-3)
    assert total_exceedance(k, n, area, [1.0], 1.5) == 0.5  # the estimate itself


def test_a_chance_and_the_limit_that_ends_at_the_threshold_are_one():
    # A 95 % interval leaves 5 % outside, shared between its ends as makes it shortest.
    k, n, areas = np.array([[30, 3], [5, 0], [0, 2]]), np.array([40, 60]), np.array([4.0, 9.0])
    limits = total_limits(k, n, areas)
    above = total_exceedance(k, n, areas, [1.0, 1.0], limits.upper)
    below = 1 - total_exceedance(k, n, areas, [1.0, 1.0], limits.lower)
    assert (above + below)[0] == pytest.approx(0.05, abs=1e-6)
    assert ((above >= 0.0149) & (above <= 0.0351)).all()
    chances = [float(total_exceedance(k[0], n, areas, [1.0, 1.0], t)) for t in np.linspace(0, 13, 27)]
    assert chances == sorted(chances, reverse=True)


def test_a_total_that_is_known_exceeds_or_does_not():
    args = (np.array([3, 0]), np.array([4, 50]), np.array([4.0, 9.0]), np.array([0.0, 0.0]))
    assert total_exceedance(*args, np.array([2.9, 3.1])).tolist() == [1, 0]
