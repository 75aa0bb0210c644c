"""Area-adjusted estimates: published examples to the printed digit, brute-force simulation, and every guard."""

import json

import numpy as np
import pytest
from scipy.stats import beta

from pitmap.accuracy.sampling import estimation
from pitmap.accuracy.sampling.estimation import estimate_confusion, estimate_counts
from pitmap.errors import LabelError
from pitmap.legend import LandCoverClass, Legend


def legend_of(size):
    return Legend(LandCoverClass(i, f"C{i}", f"class {i}", "#808080") for i in range(1, size + 1))


# Counts: Olofsson et al. (2014), Remote Sens. Environ. 148, Table 8; Olofsson et al. (2013), Remote Sens. Environ. 129,
# examples 1 and 2. Values recomputed from the counts by independent programs (hagc/mapaccuracy, albhasan/mapAccuracy).
PUBLISHED = {
    "olofsson2014_table8": {
        "counts": [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]],
        "areas": [200000, 150000, 3200000, 6450000],
        "OA": (0.9465118881118881, 0.009430417215588906),
        "UA": [0.88, 0.7333333333333333, 0.9272727272727272, 0.9630769230769232],
        "seUA": [0.037776011264121404, 0.051406640063737324, 0.02027824987170497, 0.01047627586054328],
        "PA": [0.7486614048308412, 0.8471563981042654, 0.9345089085796926, 0.9616089928314558],
        "sePA": [0.10883155764554488, 0.1298001840404374, 0.017512460544189316, 0.009368130347771422],
        "area": [235086.2470862471, 129846.15384615384, 3175221.4452214455, 6459846.153846155],
        "se_area": [34907.224410811636, 21291.530756257678, 87924.24205322326, 92299.63918506097],
        "derived": [
            0.004493240093240125, 0.04899487179487178, 0.0444923076923077, 0.004502564102564083, 0.8888137985669387,
        ],
    },
    "olofsson2013_example1": {
        "counts": [[97, 0, 3], [3, 279, 18], [2, 1, 97]],
        "areas": [22353, 1122543, 610228],
        "OA": (0.94441678194817, 0.011164399504990818),
        "UA": [0.97, 0.9299999999999999, 0.97],
        "seUA": [0.017144660799776536, 0.014755532945588965, 0.017144660799776536],
        "PA": [0.48063082434097937, 0.9941886770739936, 0.8969258967646558],
        "sePA": [0.11455845594876343, 0.0057782786125577515, 0.021023553285353578],
        "area": [45112.4, 1050067.27, 659944.33],
        "se_area": [10751.404503460624, 17652.043754279035, 18635.85587158388],
        "derived": [
            0.041293794626476595, 0.014289423425353371, 0.007717825065351507, 0.006571598360001864, 0.8856988831799721,
        ],
    },
    "olofsson2013_example2": {
        "counts": [[127, 66, 54], [2, 322, 17], [0, 15, 540]],
        "areas": [0.007, 0.295, 0.698],
        "OA": (0.9612973752719083, 0.006053311498121688),
        "UA": [0.5141700404858299, 0.9442815249266863, 0.972972972972973],
        "seUA": [0.031866031175797054, 0.012439728412112239, 0.006889610086412221],
        "PA": [0.6753468083826599, 0.9307202678802727, 0.9766497593600623],
        "sePA": [0.1554026955547764, 0.014990949757633432, 0.004899944753196762],
        "area": [0.005329395561993185, 0.2992983600623669, 0.6953722443756398],
        "se_area": [0.0012418371624892074, 0.00605242311660895, 0.005940044413765635],
        "derived": [
            0.004298360062366862, 0.034404264665724736, 0.03287390029325513, 0.001530364372469603, 0.9092126713216142,
        ],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_examples(name):
    truth = PUBLISHED[name]
    result = estimate_confusion(truth["counts"], truth["areas"], legend_of(len(truth["counts"])))
    close = {"rel": 1e-12, "abs": 1e-15}
    assert (result.overall_accuracy.value, result.overall_accuracy.standard_error) == pytest.approx(
        truth["OA"], **close
    )
    for figure, value, error in (
        ("users_accuracy", "UA", "seUA"), ("producers_accuracy", "PA", "sePA"), ("area", "area", "se_area"),
    ):  # fmt: skip
        assert [getattr(c, figure).value for c in result.classes] == pytest.approx(truth[value], **close)
        assert [getattr(c, figure).standard_error for c in result.classes] == pytest.approx(truth[error], **close)
    content = json.loads(json.dumps(result.to_json()))
    derived = content["derived_without_interval"]
    assert [derived[n] for n in ("quantity", "allocation", "exchange", "shift", "kappa")] == pytest.approx(
        truth["derived"], rel=1e-12, abs=1e-14
    )
    assert [c.mapped_area for c in result.classes] == pytest.approx(truth["areas"])


def test_interval_as_printed_by_olofsson():
    # Section 5 of Olofsson et al. (2014): 21,158 +/- 6158 ha of deforestation, 0.947 +/- 0.018, U 0.88 +/- 0.07,
    # P 0.75 +/- 0.21. A program whose interval is 1.96 x 0.05 / 2 standard errors fails here, and one whose areas are
    # counted in pixels instead of hectares as well.
    truth = PUBLISHED["olofsson2014_table8"]
    result = estimate_confusion(truth["counts"], np.array(truth["areas"]) * 0.09, legend_of(4), method="wald")
    area, oa = result.classes[0].area, result.overall_accuracy
    assert (round(area.value), round(area.upper - area.value)) == (21158, 6158)
    assert (round(oa.value, 3), round(oa.value - oa.lower, 3)) == (0.947, 0.018)
    ua, pa = result.classes[0].users_accuracy, result.classes[0].producers_accuracy
    assert (round(ua.value, 2), round(ua.value - ua.lower, 2)) == (0.88, 0.07)
    assert (round(pa.value, 2), round(pa.value - pa.lower, 2)) == (0.75, 0.21)
    assert result.total_area == pytest.approx(900_000)


def test_strata_that_differ_from_the_classes():
    # Numerical example of Stehman (2014), Int. J. Remote Sens. 35, table 2 and pages 4932 to 4936.
    strata = "A" * 10 + "B" * 10 + "C" * 10 + "D" * 10
    mapped = "A" * 7 + "B" * 3 + "A" + "B" * 11 + "C" * 6 + "B" * 2 + "D" * 10
    reference = "AAAAACBABC" + "ABBBBBAABB" + "CCCCCDDBBA" + "DDDDDDDCCB"
    counts = np.zeros((4, 4, 4))
    for triple in zip(strata, mapped, reference, strict=True):
        counts[tuple("ABCD".index(letter) for letter in triple)] += 1
    result = estimate_counts(counts, [40000, 30000, 20000, 10000], legend_of(4))
    a, b, c, _ = result.classes
    assert (a.area_share.value, c.area_share.value) == pytest.approx((0.35, 0.20))
    assert result.overall_accuracy.value == pytest.approx(0.63)
    assert (b.users_accuracy.value, b.producers_accuracy.value) == pytest.approx((0.574, 0.794), abs=5e-4)
    assert result.shares[1, 2] == pytest.approx(0.08)
    assert (a.area_share.standard_error, c.area_share.standard_error) == pytest.approx((0.082, 0.064), abs=5e-4)
    assert result.overall_accuracy.standard_error == pytest.approx(0.085, abs=5e-4)
    assert b.users_accuracy.standard_error == pytest.approx(0.125, abs=5e-4)
    assert b.producers_accuracy.standard_error == pytest.approx(0.117, abs=5e-4)


def simulate(truth, allocation, draws, seed):
    """Samples of a population: ``truth`` is (H, K, K) areas by stratum, map class and reference class."""
    generator = np.random.default_rng(seed)
    shape = truth.shape
    counts = np.zeros((draws, *shape))
    for h, n in enumerate(allocation):
        counts[:, h] = generator.multinomial(n, (truth[h] / truth[h].sum()).ravel(), draws).reshape(draws, *shape[1:])
    return counts


# Shares of a map of pits, woods and the rest, with errors both ways; strata are the map classes plus a belt round the
# pits in which the map says everything but pit.
POPULATION = np.zeros((4, 3, 3))
POPULATION[0, 0] = [0.075, 0.004, 0.009]
POPULATION[1, 1] = [0.006, 0.42, 0.03]
POPULATION[2, 2] = [0.012, 0.03, 0.35]
POPULATION[3, 1:] = [[0.006, 0.02, 0.004], [0.008, 0.004, 0.022]]


def figures_of(result):
    rows = [result.overall_accuracy]
    for c in result.classes:
        rows += [c.users_accuracy, c.producers_accuracy, c.f1, c.iou, c.area]
    return rows


@pytest.mark.verify
def test_unbiased_variance_right_and_interval_covers_in_simulation():
    areas = POPULATION.sum(axis=(1, 2)) * 1000
    legend, draws = legend_of(3), 600
    # The whole population as its own sample gives the true values.
    true = np.array([e.value for e in figures_of(estimate_counts(POPULATION * 1e6, areas, legend))])
    samples = simulate(POPULATION, [200, 300, 300, 200], draws, seed=11)
    rows = [figures_of(estimate_counts(s, areas, legend, map_classes=[1, 2, 3, 0])) for s in samples]
    values = np.array([[e.value for e in row] for row in rows])
    errors = np.array([[e.standard_error for e in row] for row in rows])
    covered = np.array([[e.lower <= t <= e.upper for e, t in zip(row, true, strict=True)] for row in rows])
    spread = values.std(axis=0, ddof=1)
    assert (np.abs(values.mean(axis=0) - true) < 4 * spread / np.sqrt(draws) + 0.05 * spread).all()
    np.testing.assert_allclose(np.sqrt((errors**2).mean(axis=0)), spread, rtol=0.12)
    # 600 draws: the standard error of a coverage of 95 % is 0.9 points.
    assert (covered.mean(axis=0) > 0.915).all()
    assert (covered.mean(axis=0) < 0.98).all()


def test_a_sample_that_is_the_population_gives_its_figures():
    areas = POPULATION.sum(axis=(1, 2))
    result = estimate_counts(POPULATION * 1e5, areas, legend_of(3))
    np.testing.assert_allclose(result.shares, POPULATION.sum(axis=0) / POPULATION.sum(), rtol=1e-12)
    p = result.shares
    assert result.classes[0].iou.value == pytest.approx(p[0, 0] / (p[0].sum() + p[:, 0].sum() - p[0, 0]))
    assert result.classes[0].f1.value == pytest.approx(2 * p[0, 0] / (p[0].sum() + p[:, 0].sum()))


def test_empty_stratum_is_named_and_left_out():
    result = estimate_confusion([[9, 1, 0], [2, 40, 0], [0, 0, 0]], [10, 80, 10], legend_of(3))
    assert [s.name for s in result.unsampled] == ["C3"]
    assert result.total_area == 90
    assert "Stratum C3 (10 ha) has no point" in result.warnings[0]
    assert result.classes[2].users_accuracy.value is None
    alone = estimate_confusion([[9, 1], [2, 40]], [10, 80], legend_of(2))
    assert result.overall_accuracy.value == alone.overall_accuracy.value


def test_stratum_without_area_and_without_points_is_no_gap():
    result = estimate_confusion([[40, 5], [0, 0]], [10, 0], legend_of(2))
    assert result.unsampled == ()
    with pytest.raises(ValueError, match="without area"):
        estimate_confusion([[40, 5], [1, 0]], [10, 0], legend_of(2))


def test_a_single_point_has_no_variance_but_only_where_it_matters():
    result = estimate_confusion([[1, 0], [5, 95]], [10, 90], legend_of(2), method="wald")
    assert result.overall_accuracy.value == pytest.approx(0.1 * 1 + 0.9 * 0.95)
    assert result.overall_accuracy.standard_error is None
    assert result.overall_accuracy.lower is None
    assert "single point" in result.overall_accuracy.warning
    assert result.classes[0].users_accuracy.standard_error is None
    assert result.classes[1].users_accuracy.standard_error == pytest.approx(np.sqrt(0.95 * 0.05 / 99))
    assert "no interval" in result.summary()
    json.dumps(result.to_json(), allow_nan=False)
    # One point of a share still bounds it, if widely: Jeffreys gives 0.147 to 1 (beta(3/2, 1/2)).
    alone = estimate_confusion([[1, 0], [5, 95]], [10, 90], legend_of(2)).classes[0].users_accuracy
    assert (alone.standard_error, alone.lower, alone.upper) == (None, pytest.approx(0.14675, abs=5e-5), 1)


def test_a_stratum_that_is_sampled_whole_is_known():
    counts = np.zeros((2, 2, 2))
    counts[0, 0] = [1, 0]  # the stratum's only pixel
    counts[1, 1] = [5, 95]
    result = estimate_counts(counts, [1, 90], legend_of(2), map_classes=[1, 2], pixels=[1, 9000])
    assert not [w for w in result.warnings if "single point" in w]
    assert result.overall_accuracy.standard_error == pytest.approx(
        90 / 91 * np.sqrt(0.95 * 0.05 / 99 * (1 - 100 / 9000))
    )
    whole = estimate_counts(counts, [1, 90], legend_of(2), map_classes=[1, 2], pixels=[1, 100])
    for figure in (whole.overall_accuracy, whole.classes[0].area, whole.classes[1].producers_accuracy):
        assert figure.standard_error == 0
        assert figure.lower == figure.upper == pytest.approx(figure.value)
    assert whole.warnings == ()
    assert "1 - n/N" in whole.to_json()["conventions"]["estimators"]
    with pytest.raises(ValueError, match="more points than pixels"):
        estimate_counts(counts, [1, 90], legend_of(2), pixels=[1, 99])


@pytest.mark.verify
def test_in_small_strata_the_variance_is_that_of_sampling_without_replacement():
    rng = np.random.default_rng(3)
    sizes, points = [60, 200], [40, 50]
    truth = [rng.permutation(np.repeat([0, 1], [48, 12])), rng.permutation(np.repeat([0, 1], [30, 170]))]
    values, variances = [], []
    for _ in range(4000):
        counts = np.zeros((2, 2, 2))
        for h in range(2):
            drawn = rng.choice(truth[h], points[h], replace=False)
            counts[h, h] = np.bincount(drawn, minlength=2)
        sample = estimate_counts(counts, sizes, legend_of(2), map_classes=[1, 2], pixels=sizes, method="wald")
        area = sample.classes[0].area
        values.append(area.value)
        variances.append(area.standard_error**2)
    assert np.mean(values) == pytest.approx(78, abs=0.2)
    assert np.mean(variances) == pytest.approx(np.var(values), rel=0.08)


def test_reference_class_absent_from_the_map():
    result = estimate_confusion([[90, 4, 6], [3, 90, 7], [0, 0, 0]], [50, 50, 0], legend_of(3))
    absent = result.classes[2]
    assert absent.producers_accuracy.value == 0
    assert absent.users_accuracy.value is None
    assert absent.area.value == pytest.approx(50 * 0.06 + 50 * 0.07)
    assert absent.area.standard_error > 0
    assert absent.mapped_area == 0


@pytest.mark.parametrize("method", ["posterior", "mover", "wald"])
def test_intervals_stay_within_the_possible(method):
    result = estimate_confusion([[1, 9], [0, 100]], [1, 99], legend_of(2), method=method)
    assert 0 <= result.classes[0].users_accuracy.lower < 0.1 < result.classes[0].users_accuracy.upper < 1
    other = estimate_confusion([[40, 1], [1, 3]], [9, 91], legend_of(2), method=method)
    assert other.classes[1].area_share.upper <= 1


def test_the_interval_of_a_share_is_jeffreys_own():
    # Brown, Cai and DasGupta (2001): quantiles of beta(x + 1/2, n - x + 1/2); here of beta(66.5, 9.5) and, at the end
    # of the range, of beta(50.5, 0.5).
    truth = PUBLISHED["olofsson2014_table8"]
    ua = estimate_confusion(truth["counts"], truth["areas"], legend_of(4)).classes[0].users_accuracy
    assert (ua.lower, ua.upper) == pytest.approx(beta.ppf([0.025, 0.975], 66.5, 9.5), abs=1e-5)
    perfect = estimate_confusion([[50, 0], [0, 50]], [1, 9], legend_of(2)).classes[0].users_accuracy
    assert (perfect.lower, perfect.upper) == (pytest.approx(beta.ppf(0.025, 50.5, 0.5), abs=1e-5), 1)


def test_a_figure_of_few_points_is_warned_of():
    small = estimate_confusion([[12, 8], [50, 450]], [1, 9], legend_of(2))
    assert small.classes[0].users_accuracy.warning == "Only 20 points fall into its denominator."
    assert "User's accuracy of C1: Only 20 points fall into its denominator." in small.warnings
    assert small.overall_accuracy.warning == small.classes[0].area.warning == ""


def test_every_estimate_names_its_method():
    truth = PUBLISHED["olofsson2014_table8"]
    for method, word in (("posterior", "Kerman"), ("mover", "Zou"), ("wald", "Wald")):
        content = estimate_confusion(truth["counts"], truth["areas"], legend_of(4), method=method).to_json()
        assert word in content["conventions"]["interval"]
        assert "95%" in content["conventions"]["interval"]
        assert {c[f]["method"] for c in content["classes"] for f in ("area", "iou", "producers_accuracy")} == {method}


def test_the_chance_that_an_area_exceeds_a_threshold_agrees_with_the_intervals():
    truth = PUBLISHED["olofsson2014_table8"]
    plain = estimate_confusion(truth["counts"], truth["areas"], legend_of(4)).classes[0].area

    def chance(threshold):
        counts = np.zeros((4, 4, 4))
        counts[np.arange(4), np.arange(4)] = truth["counts"]
        result = estimate_counts(counts, truth["areas"], legend_of(4), thresholds={"C1": threshold})
        assert result.classes[1].exceeds is None
        return result.classes[0].exceeds.probability

    # The ends of a 95 % interval leave 5 % together, of which the shortest leaves less on one side.
    below, above = 1 - chance(plain.lower), chance(plain.upper)
    assert below + above == pytest.approx(0.05, abs=1e-4)
    assert 0.0149 < min(below, above) < 0.0251
    assert chance(plain.value) == pytest.approx(0.5, abs=0.03)
    assert chance(0) == 1
    assert chance(2e7) == 0  # more than there is


def test_a_chance_is_right_as_often_as_it_says():
    # The truth is the threshold itself: a chance of 95 % or more must be rare, 5 % of samples, on either side.
    rng = np.random.default_rng(3)
    areas, share, points = np.array([10.0, 90.0]), np.array([0.9, 0.05]), [100, 200]
    said = []
    for _ in range(200):
        counts = np.zeros((2, 2, 2))
        for h in range(2):
            k = rng.binomial(points[h], share[h])
            counts[h, h] = [k, points[h] - k]
        thresholds = {"C1": float((areas * share).sum())}
        result = estimate_counts(counts, areas, legend_of(2), map_classes=[1, 2], thresholds=thresholds)
        said.append(result.classes[0].exceeds.probability)
    said = np.array(said)
    assert 0.01 <= (said > 0.95).mean() <= 0.1
    assert 0.01 <= (said < 0.05).mean() <= 0.1
    assert said.mean() == pytest.approx(0.5, abs=0.05)


def test_no_point_at_all():
    with pytest.raises(LabelError, match="No sample point"):
        estimate_confusion(np.zeros((2, 2)), [1, 9], legend_of(2))
    with pytest.raises(ValueError, match="shape"):
        estimate_counts(np.zeros((2, 3, 3)), [1, 9], legend_of(2))
    with pytest.raises(ValueError, match="not negative"):
        estimate_confusion([[1, -1], [2, 3]], [1, 9], legend_of(2))


def test_the_rule_is_stated_in_the_file():
    content = estimate_confusion([[9, 1], [2, 40]], [10, 80], legend_of(2)).to_json()
    assert str(estimation.FEW_POINTS) in content["conventions"]["few_points"]
