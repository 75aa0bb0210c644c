"""Blocks of ground: sizes from the correlogram, intervals that cover where the naive one fails, paired differences."""

import json

import numpy as np
import pytest
from scipy import ndimage, stats
from scipy.stats import beta

from pitmap.accuracy.census import confusion, resampling
from pitmap.accuracy.census.resampling import (
    GroundCells,
    correlation_length,
    correlogram_of,
    figure_table,
    holm,
    intervals,
    lag_sums,
    paired_differences,
    ratio_intervals,
    share_intervals,
)
from pitmap.legend import LandCoverClass, Legend

LEGEND = Legend(LandCoverClass(i, f"C{i}", f"class {i}", "#808080") for i in range(1, 4))


def ground_blocks(mapped, reference, classes, length=None):
    cells = GroundCells(mapped.shape, classes)
    cells.add(mapped, reference)
    return cells.blocks(length)


def field(generator, size, sigma):
    """A Gaussian random field of variance 1 whose correlation is exp(-d^2 / (4 sigma^2))."""
    noise = ndimage.gaussian_filter(generator.standard_normal((size, size)), sigma, mode="wrap")
    return noise * 2 * np.sqrt(np.pi) * sigma


def scene(generator, size=192, sigma=2.0, threshold=1.1):
    """A reference of three classes, and a map that is wrong in clusters."""
    ground = field(generator, size, 2 * sigma)
    reference = (1 + (ground > -0.3) + (ground > 1.2)).astype(np.uint8)
    wrong = field(generator, size, sigma) > threshold
    return np.where(wrong, reference % 3 + 1, reference).astype(np.uint8), reference


def test_table_equals_the_figures_of_each_matrix():
    generator = np.random.default_rng(2)
    matrices = generator.integers(0, 30, (20, 3, 3))
    matrices[0, 2] = 0
    matrices[1, :, 1] = 0
    table = figure_table(matrices)
    for counts, row in zip(matrices, table, strict=True):
        f = confusion.figures(counts, LEGEND)
        expected = [getattr(f, name) for name in resampling.GLOBAL_FIGURES]
        for c in f.classes:
            expected += [c.producers_accuracy, c.users_accuracy, c.iou, c.f1]
        np.testing.assert_allclose(row, np.array(expected, float), atol=1e-12)


def test_cells_and_blocks_hold_every_pixel_once_whatever_the_windows():
    mapped, reference = scene(np.random.default_rng(1), 150)
    mapped[:20] = 0
    whole = ground_blocks(mapped, reference, 3, length=5)
    np.testing.assert_array_equal(whole.matrices.sum(axis=0), confusion.count(mapped, reference, 3))
    cells = GroundCells((150, 150), 3)
    for row in range(0, 150, 64):
        for col in range(0, 150, 49):
            part = slice(row, row + 64), slice(col, col + 49)
            cells.add(mapped[part], reference[part], row, col)
    pieces = cells.blocks(length=5)
    np.testing.assert_array_equal(pieces.matrices, whole.matrices)
    np.testing.assert_array_equal(pieces.groups, whole.groups)
    assert whole.block_pixels >= 4 * 5
    assert np.bincount(whole.groups).max() <= 4
    # Upper left block by hand; its first 20 rows are empty.
    side = whole.block_pixels
    first = whole.matrices[whole.groups == 0].sum(axis=0)
    np.testing.assert_array_equal(first, confusion.count(mapped[:side, :side], reference[:side, :side], 3))


def test_a_region_limits_the_blocks():
    mapped, reference = scene(np.random.default_rng(1), 100)
    region = np.zeros(mapped.shape, np.bool_)
    region[:, :37] = True
    blocks = ground_blocks(np.where(region, mapped, 0), reference, 3, length=3)
    np.testing.assert_array_equal(blocks.matrices.sum(axis=0), confusion.count(mapped[region], reference[region], 3))


def test_correlogram_of_a_known_field():
    sigma = 5.0
    x = field(np.random.default_rng(3), 700, sigma)
    correlation = correlogram_of(lag_sums(x, np.ones(x.shape, np.bool_), 30))
    lags = np.arange(31)
    np.testing.assert_allclose(correlation, np.exp(-(lags**2) / (4 * sigma**2)), atol=0.06)
    assert correlation[0] == 1


def test_correlogram_against_pairs_counted_one_by_one():
    generator = np.random.default_rng(4)
    errors, compared = generator.uniform(size=(9, 11)) < 0.4, generator.uniform(size=(9, 11)) < 0.8
    total, number = lag_sums(errors, compared, 4)
    rows, cols = np.nonzero(compared)
    x = errors[compared] - errors[compared].mean()
    lag = np.rint(np.hypot(rows[:, None] - rows, cols[:, None] - cols)).astype(int)
    for d in range(5):
        assert number[d] == pytest.approx((lag == d).sum(), abs=1e-6)
        assert total[d] == pytest.approx(np.outer(x, x)[lag == d].sum(), abs=1e-6)


def test_correlation_length():
    assert correlation_length(np.array([1, 0.8, 0.3, 0.05, 0.2])) == 3
    assert correlation_length(np.array([1, 0.8, np.nan, 0.5])) == 2
    assert correlation_length(np.ones(7)) == 7
    nothing = np.zeros((8, 8), np.bool_)
    assert correlation_length(correlogram_of(lag_sums(nothing, ~nothing, 3))) == 1
    assert correlation_length(correlogram_of(lag_sums(nothing, nothing, 3))) == 1


def test_for_independent_errors_the_naive_error_comes_out():
    ratios = []
    for seed in range(8):
        generator = np.random.default_rng(seed)
        reference = generator.integers(1, 4, (200, 200)).astype(np.uint8)
        wrong = generator.uniform(size=reference.shape) < 0.2
        blocks = ground_blocks(np.where(wrong, reference % 3 + 1, reference).astype(np.uint8), reference, 3)
        assert blocks.correlation_length == 1
        result = intervals(blocks.matrices, LEGEND, blocks.groups, draws=500, seed=seed)
        ratios.append(result.figures["overall_accuracy"].standard_error / np.sqrt(0.2 * 0.8 / reference.size))
    assert np.mean(ratios) == pytest.approx(1.02, abs=0.08)


def test_intervals_cover_where_the_naive_one_fails():
    # The mean of the process: thresholds of Gaussian fields.
    shares, wrong = np.diff([0.0, stats.norm.cdf(-0.3), stats.norm.cdf(1.2), 1.0]), stats.norm.sf(1.1)
    truth = np.diag(shares * (1 - wrong))
    truth[[1, 2, 0], [0, 1, 2]] = shares * wrong
    true = figure_table(truth)
    generator = np.random.default_rng(6)
    covered, naive = [], []
    for seed in range(60):
        mapped, reference = scene(generator)
        blocks = ground_blocks(mapped, reference, 3)
        result = intervals(blocks.matrices, LEGEND, blocks.groups, draws=200, seed=seed)
        made = [*result.figures.values(), *(i for c in result.classes.values() for i in c.values())]
        covered += [i.lower <= t <= i.upper for i, t in zip(made, true, strict=True) if i.lower is not None]
        oa = result.figures["overall_accuracy"].value
        naive.append(abs(oa - true[0]) <= 1.96 * np.sqrt(oa * (1 - oa) / mapped.size))
    # 60 scenes: the standard error of a coverage of 94 % is 3 points for one figure, less for the mean of 18.
    assert len(covered) > 0.9 * 60 * len(true)
    assert 0.89 < np.mean(covered) < 0.99
    assert np.mean(naive) < 0.5


def test_paired_difference_sees_what_two_intervals_do_not():
    generator = np.random.default_rng(7)
    mapped, reference = scene(generator, 384)
    better = mapped.copy()
    mended = (mapped != reference) & (generator.uniform(size=mapped.shape) < 0.05)
    better[mended] = reference[mended]
    a, b = (ground_blocks(m, reference, 3, length=9) for m in (better, mapped))
    single = [intervals(x.matrices, LEGEND, x.groups, draws=300).figures["overall_accuracy"] for x in (a, b)]
    assert single[0].lower < single[1].value  # the two intervals overlap
    differences = {d.name: d for d in paired_differences(a.matrices, b.matrices, LEGEND, a.groups, draws=300)}
    oa = differences["overall_accuracy"]
    assert oa.interval.value == pytest.approx(mended.mean())
    assert oa.interval.lower > 0
    assert oa.differs
    assert oa.adjusted_p_value >= oa.p_value
    assert set(differences) == {*resampling.GLOBAL_FIGURES, "iou C1", "iou C2", "iou C3"}


def test_no_difference_is_a_possible_result():
    generator = np.random.default_rng(9)
    mapped, reference = scene(generator, 256)
    wrong = field(generator, 256, 2.0) > 1.1
    other = np.where(wrong, reference % 3 + 1, reference).astype(np.uint8)
    a, b = (ground_blocks(m, reference, 3, length=9) for m in (mapped, other))
    result = paired_differences(a.matrices, b.matrices, LEGEND, a.groups, draws=300)
    assert not any(d.differs for d in result)
    same = paired_differences(a.matrices, a.matrices, LEGEND, a.groups, draws=100)
    assert all(d.interval.value == 0 and d.p_value == 1 and not d.differs for d in same)
    with pytest.raises(ValueError, match="not paired"):
        paired_differences(a.matrices, a.matrices[:-1], LEGEND)


def test_holm_by_hand():
    # Holm's own procedure: 0.01 x 4, 0.02 x 3, 0.03 x 2 (raised to the one before), 0.04 x 1.
    assert holm([0.03, 0.01, None, 0.04, 0.02]) == pytest.approx([0.06, 0.04, None, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_few_blocks_are_warned_of_and_one_has_no_interval():
    one = intervals(np.array([[[5, 1, 0], [0, 3, 0], [0, 0, 0]]]), LEGEND)
    assert one.figures["overall_accuracy"].value == pytest.approx(8 / 9)
    assert one.figures["overall_accuracy"].lower is None
    assert "no interval" in one.warnings[0]
    assert one.classes["C3"]["iou"].value is None
    few = intervals(np.random.default_rng(1).integers(1, 9, (8, 3, 3)), LEGEND, draws=50)
    assert "Only 8 blocks" in few.warnings[0]
    json.dumps(few.to_json(), allow_nan=False)
    assert json.loads(json.dumps(one.to_json()))["blocks"] == 1


def test_a_class_in_few_blocks_has_no_interval():
    matrices = np.random.default_rng(3).integers(1, 50, (40, 3, 3))
    matrices[4:, 2] = 0
    matrices[4:, :, 2] = 0
    result = intervals(matrices, LEGEND, draws=100)
    assert result.classes["C3"]["iou"].value is not None
    assert result.classes["C3"]["iou"].lower is None
    assert result.classes["C2"]["iou"].lower is not None
    assert result.warnings == ("No interval for classes in fewer than 5 blocks: C3.",)
    assert "C3" not in result.bounds()["iou"]
    differences = {d.name: d for d in paired_differences(matrices, matrices, LEGEND, draws=100)}
    assert differences["iou C3"].p_value is None
    assert not differences["iou C3"].differs


def test_sites_are_joined():
    generator = np.random.default_rng(10)
    a, b = (ground_blocks(*scene(generator, 96), 3, length=4) for _ in range(2))
    both = a + b
    assert len(both.matrices) == len(a.matrices) + len(b.matrices)
    assert len(np.unique(both.groups)) == len(np.unique(a.groups)) + len(np.unique(b.groups))


def test_ratios_over_units():
    generator = np.random.default_rng(11)
    hit = (generator.uniform(size=200) < 0.3).astype(float)
    found, empty = ratio_intervals(np.stack([hit, hit * 0], axis=1), np.stack([np.ones(200), np.zeros(200)], axis=1))
    assert found.value == hit.mean()
    assert found.standard_error == pytest.approx(np.sqrt(hit.mean() * (1 - hit.mean()) / 200), rel=0.06)
    assert empty.value is None
    every, none = ratio_intervals(np.repeat([[1.0, 0.0]], 10, axis=0), np.ones((10, 2)))
    # Clopper and Pearson: 10 of 10 has the lower end 0.6915.
    assert (every.value, every.lower, every.upper) == pytest.approx((1, 0.6915, 1), abs=1e-4)
    assert (none.value, none.lower, none.upper) == pytest.approx((0, 0, 0.3085), abs=1e-4)
    (single,) = ratio_intervals(np.ones((1, 1)), np.ones((1, 1)))
    assert (single.value, single.lower) == (1.0, None)


def test_a_share_of_single_things_has_jeffreys_limits():
    found = np.array([[1.0]] * 27 + [[0.0]] * 3)
    (interval,) = share_intervals(found, np.ones((30, 1)))
    assert (interval.lower, interval.upper) == pytest.approx(beta.ppf([0.025, 0.975], 27.5, 3.5))
    (every,) = share_intervals(np.ones((30, 1)), np.ones((30, 1)))
    assert (every.value, every.upper) == (1, 1)
    assert every.lower == pytest.approx(beta.ppf(0.025, 30.5, 0.5))
    (nothing,) = share_intervals(np.zeros((4, 1)), np.zeros((4, 1)))
    assert nothing.value is None


def test_things_that_share_their_fate_count_as_fewer():
    # Ten tiles of four mines each, found or missed as a whole: no better than ten mines.
    fate = np.array([1.0] * 8 + [0.0] * 2)[:, None]
    (together,) = share_intervals(4 * fate, np.full((10, 1), 4.0))
    (ten,) = share_intervals(fate, np.ones((10, 1)))
    (forty,) = share_intervals(np.repeat(fate, 4, axis=0), np.ones((40, 1)))
    assert together.upper - together.lower >= 0.95 * (ten.upper - ten.lower)
    assert together.upper - together.lower > 1.5 * (forty.upper - forty.lower)
    (alone,) = share_intervals([[3.0]], [[4.0]])
    assert (alone.value, alone.lower) == (0.75, None)  # one tile tells nothing of others


@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_of_shares_cover(clustered):
    rng = np.random.default_rng(2)
    held = []
    for _ in range(1500):
        truth = rng.uniform(0.6, 0.95)  # of one share alone the coverage goes up and down with it: counts are whole
        chance = rng.beta(10 * truth, 10 * (1 - truth), 25) if clustered else np.full(25, truth)
        trials = rng.integers(1, 6, 25) if clustered else np.ones(25, int)
        (i,) = share_intervals(rng.binomial(trials, chance)[:, None], trials[:, None])
        held.append(i.lower <= truth <= i.upper)
    assert 0.92 <= np.mean(held) <= 0.99


def test_a_figure_that_no_draw_moves_has_no_interval_and_a_reason():
    # Every block is right everywhere: an interval from 1 to 1 would claim that no ground elsewhere is ever wrong.
    matrices = np.repeat(np.diag([30, 20, 10])[None], 40, axis=0)
    result = intervals(matrices, LEGEND, draws=100)
    oa = result.figures["overall_accuracy"]
    assert (oa.value, oa.lower, oa.upper) == (1, None, None)
    assert any("the same in every block" in w and "overall accuracy" in w for w in result.warnings)


def test_draws_come_in_parts_where_units_are_many(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    numerators, denominators = rng.random((30, 2)), 1 + rng.random((30, 2))
    whole = resampling.ratio_intervals(numerators, denominators, 50)
    monkeypatch.setattr(resampling, "DRAWN_AT_ONCE", 7 * 30)
    parts = resampling.ratio_intervals(numerators, denominators, 50)
    for one, other in zip(whole, parts, strict=True):
        assert (other.value, other.lower, other.upper) == pytest.approx((one.value, one.lower, one.upper), rel=1e-12)
