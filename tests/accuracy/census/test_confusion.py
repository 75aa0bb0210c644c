"""Figures of confusion matrices: hand-counted cases, identities, published tables and scikit-learn as an oracle."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from pitmap.accuracy.census import confusion
from pitmap.accuracy.census.confusion import ConfusionMatrix
from pitmap.errors import LabelError
from pitmap.legend import DEFAULT_LEGEND, LandCoverClass, Legend


def legend_of(size):
    return Legend(LandCoverClass(i, f"C{i}", f"class {i}", "#808080") for i in range(1, size + 1))


def matrices(max_size=6, max_count=50):
    return st.integers(1, max_size).flatmap(lambda k: arrays(np.int64, (k, k), elements=st.integers(0, max_count)))


# Table II of Chen et al. (2022), doi 10.1109/JSTARS.2022.3171290, per cent, OPM WAT BUI BAS ROA VEG WDA.
TABLE_2 = {
    "FCN": (
        [86.77, 72.60, 84.84, 0.07, 10.24, 98.78, 5.81],
        [86.91, 96.60, 77.28, 34.64, 52.70, 95.38, 59.25],
        [76.74, 70.79, 67.90, 0.07, 9.38, 94.28, 5.59],
    ),
    "SegNet": (
        [73.78, 0.00, 87.41, 0.00, 7.54, 98.57, 0.09],
        [80.36, 0.00, 66.83, 0.00, 97.86, 95.18, 25.28],
        [62.51, 0.00, 60.96, 0.00, 7.53, 93.89, 0.09],
    ),
    "U-Net": (
        [95.10, 90.71, 92.11, 77.48, 74.15, 99.42, 87.66],
        [95.04, 97.81, 94.84, 94.20, 85.20, 98.67, 95.64],
        [90.60, 88.90, 87.72, 73.95, 65.69, 98.10, 84.29],
    ),
    "ResU-Net": (
        [78.17, 80.84, 84.35, 33.04, 52.11, 98.63, 57.92],
        [90.49, 90.90, 82.83, 59.78, 73.63, 96.68, 51.55],
        [72.23, 74.78, 71.80, 27.04, 43.92, 95.40, 37.50],
    ),
    "U-Net++": (
        [60.19, 81.15, 61.24, 0.20, 33.92, 99.23, 5.56],
        [76.20, 53.25, 89.92, 27.79, 64.87, 92.52, 32.94],
        [50.67, 47.39, 57.30, 0.20, 28.66, 91.87, 4.99],
    ),
    "U-Net+": (
        [95.13, 88.46, 91.41, 83.36, 67.69, 99.52, 85.26],
        [94.92, 98.35, 95.36, 91.63, 89.30, 98.70, 92.41],
        [90.52, 87.17, 87.51, 77.46, 62.61, 98.23, 79.68],
    ),
}
MEAN_IOU = {"FCN": 46.39, "SegNet": 32.14, "U-Net": 84.18, "ResU-Net": 60.38, "U-Net++": 40.15, "U-Net+": 83.31}
# Class shares recovered from the table's own identities (sum of r_i PA_i / UA_i = 1 for each network).
SHARES = np.array([7.75, 0.22, 4.99, 1.25, 1.06, 83.30, 1.43])
OVERALL = {"FCN": 93.6, "SegNet": 92.3, "U-Net": 97.99, "ResU-Net": 94.4, "U-Net++": 91.0, "U-Net+": 98.01}
KAPPA = {"FCN": 76.50, "SegNet": 71.65, "U-Net": 93.12, "ResU-Net": 80.27, "U-Net++": 63.88, "U-Net+": 93.16}


def matrix_with(shares, pa, ua):
    """A matrix with given column sums, PA and UA: the errors of each column are spread to fit the row sums."""
    pa, ua = np.array(pa) / 100, np.array(ua) / 100
    diagonal = shares * pa
    rows = np.divide(diagonal, ua, out=np.zeros_like(diagonal), where=ua > 0)
    rows *= shares.sum() / rows.sum()  # the printed shares close to 1e-3 only
    missing, surplus = shares - diagonal, np.maximum(rows - diagonal, 0)
    x = np.diag(diagonal) + np.zeros((7, 7))
    off = np.outer(surplus, missing)
    np.fill_diagonal(off, 0)
    for _ in range(500):  # iterative proportional fitting of the off-diagonal part
        off *= (missing / np.maximum(off.sum(axis=0), 1e-300))[None, :]
        off *= (surplus / np.maximum(off.sum(axis=1), 1e-300))[:, None]
    return x + off


@pytest.mark.parametrize("network", TABLE_2)
def test_figures_of_the_papers_table(network):
    pa, ua, iou = TABLE_2[network]
    figures = confusion.figures(matrix_with(SHARES, pa, ua), DEFAULT_LEGEND)
    assert 100 * figures.mean_iou == pytest.approx(MEAN_IOU[network], abs=0.05)
    assert 100 * figures.overall_accuracy == pytest.approx(OVERALL[network], abs=0.06)
    assert 100 * figures.kappa == pytest.approx(KAPPA[network], abs=0.3)
    for of_class, p, u, i in zip(figures.classes, pa, ua, iou, strict=True):
        assert 100 * of_class.producers_accuracy == pytest.approx(p, abs=0.15)
        assert 100 * of_class.iou == pytest.approx(i, abs=0.15)
        if u > 0:
            assert 100 * of_class.users_accuracy == pytest.approx(u, abs=0.15)
        else:
            assert of_class.users_accuracy is None  # the paper prints 0 for 0/0
    assert figures.majority_class == "VEG"
    assert 100 * figures.majority_accuracy == pytest.approx(83.3, abs=0.05)


@pytest.mark.parametrize("network", TABLE_2)
def test_identity_holds_for_the_printed_table(network):
    for pa, ua, iou in zip(*TABLE_2[network], strict=True):
        expected = 0.0 if pa == 0 else 1 / (100 / pa + 100 / ua - 1)
        assert 100 * expected == pytest.approx(iou, abs=0.0115)
    assert np.mean(TABLE_2[network][2]) == pytest.approx(MEAN_IOU[network], abs=0.006)


@given(matrices())
def test_identities(counts):
    figures = confusion.figures(counts, legend_of(len(counts)))
    for c in figures.classes:
        if c.mapped and c.reference:
            assert c.iou == pytest.approx(c.f1 / (2 - c.f1))
            if c.agreed:
                assert c.iou == pytest.approx(1 / (1 / c.producers_accuracy + 1 / c.users_accuracy - 1))
                assert c.f1 == pytest.approx(
                    2 * c.producers_accuracy * c.users_accuracy / (c.producers_accuracy + c.users_accuracy)
                )
    if counts.sum():
        assert figures.quantity + figures.allocation == pytest.approx(1 - figures.overall_accuracy, abs=1e-12)
        assert figures.exchange + figures.shift == pytest.approx(figures.allocation, abs=1e-12)
        assert figures.exchange >= 0
        assert figures.shift >= 0


@given(matrices())
def test_transposition_swaps_only_user_and_producer(counts):
    legend = legend_of(len(counts))
    a, b = confusion.figures(counts, legend), confusion.figures(counts.T, legend)
    for name in ("overall_accuracy", "kappa", "mean_iou", "mean_f1", "quantity", "allocation", "exchange"):
        left, right = getattr(a, name), getattr(b, name)
        assert (left is None) == (right is None)
        assert left is None or left == pytest.approx(right)
    assert [c.producers_accuracy for c in a.classes] == [c.users_accuracy for c in b.classes]


@settings(max_examples=50)
@given(st.integers(2, 6), st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_scikit_learn_agrees(size, pixels, seed):
    generator = np.random.default_rng(seed)
    mapped, reference = generator.integers(0, size + 1, (2, pixels))
    counts = confusion.count(mapped, reference, size)
    counted = (mapped > 0) & (reference > 0)
    if not counted.any():
        assert counts.sum() == 0
        return
    y_pred, y_true, labels = mapped[counted], reference[counted], np.arange(1, size + 1)
    # scikit-learn has the truth on the rows: the transpose.
    np.testing.assert_array_equal(counts.T, metrics.confusion_matrix(y_true, y_pred, labels=labels))
    figures = confusion.figures(counts, legend_of(size))
    assert figures.overall_accuracy == pytest.approx(metrics.accuracy_score(y_true, y_pred))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        y_true, y_pred, labels=labels, zero_division=np.nan
    )
    iou = metrics.jaccard_score(y_true, y_pred, labels=labels, average=None, zero_division=0)
    for c, p, r, f, i in zip(figures.classes, precision, recall, f1, iou, strict=True):
        assert (np.nan if c.users_accuracy is None else c.users_accuracy) == pytest.approx(p, nan_ok=True)
        assert (np.nan if c.producers_accuracy is None else c.producers_accuracy) == pytest.approx(r, nan_ok=True)
        assert (np.nan if c.f1 is None else c.f1) == pytest.approx(f, nan_ok=True)
        assert (c.iou or 0) == pytest.approx(i)
    if figures.kappa is not None:
        assert figures.kappa == pytest.approx(metrics.cohen_kappa_score(y_true, y_pred))


@pytest.mark.parametrize(
    ("counts", "oa", "quantity", "allocation", "exchange", "kappa"),
    [([[1, 0], [14, 1]], 0.125, 0.875, 0, 0, 0.008850), ([[0, 1], [1, 14]], 0.875, 0, 0.125, 0.125, -0.066667)],
)
def test_small_cases(counts, oa, quantity, allocation, exchange, kappa):
    figures = confusion.figures(counts, legend_of(2))
    assert figures.overall_accuracy == oa
    assert (figures.quantity, figures.allocation, figures.exchange, figures.shift) == (
        quantity,
        allocation,
        exchange,
        0,
    )
    assert figures.kappa == pytest.approx(kappa, abs=5e-7)


# Raw counts of Olofsson et al. (2014) Table 8 and Olofsson et al. (2013) examples 1 and 2.
@pytest.mark.parametrize(
    ("counts", "oa", "quantity", "allocation", "exchange", "kappa"),
    [
        (
            [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]],
            0.9171875, 0.0390625, 0.04375, 0.040625, 0.8699635806018785,
        ),
        ([[97, 0, 3], [3, 279, 18], [2, 1, 97]], 0.946, None, None, None, 0.90625),
        ([[127, 66, 54], [2, 322, 17], [0, 15, 540]], 0.865267, None, None, None, 0.779437),
    ],
)  # fmt: skip
def test_published_counts(counts, oa, quantity, allocation, exchange, kappa):
    figures = confusion.figures(counts, legend_of(len(counts)))
    assert figures.overall_accuracy == pytest.approx(oa, abs=5e-7)
    assert figures.kappa == pytest.approx(kappa, abs=5e-7)
    if quantity is not None:
        assert (figures.quantity, figures.allocation, figures.exchange) == pytest.approx(
            (quantity, allocation, exchange), abs=1e-12
        )


def test_absent_classes():
    # Class 1 in both, 2 in the reference only, 3 mapped only, 4 in neither.
    counts = np.array([[5, 2, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    figures = confusion.figures(counts, legend_of(4))
    rows = [(c.producers_accuracy, c.users_accuracy, c.iou, c.f1) for c in figures.classes]
    assert rows[1] == (0.0, None, 0.0, 0.0)
    assert rows[2] == (None, 0.0, 0.0, 0.0)
    assert rows[3] == (None, None, None, None)
    assert figures.mean_iou == pytest.approx((5 / 8 + 0 + 0) / 3)
    assert figures.mean_producers_accuracy == pytest.approx((5 / 6 + 0) / 2)
    assert figures.mean_users_accuracy == pytest.approx((5 / 7 + 0) / 2)
    assert figures.majority_class == "C1"
    assert figures.majority_accuracy == pytest.approx(6 / 8)
    assert figures.majority_mean_iou == pytest.approx(6 / 8 / 2)


def test_nothing_compared_and_one_class_only():
    nothing = ConfusionMatrix(DEFAULT_LEGEND).figures()
    assert nothing.total == 0
    assert nothing.overall_accuracy is nothing.mean_iou is nothing.majority_class is None
    one = confusion.figures([[9, 0], [0, 0]], legend_of(2))
    assert one.kappa is None  # chance agreement is 1
    assert one.overall_accuracy == 1


def test_count_by_hand():
    mapped = np.array([[1, 1, 2], [0, 2, 3]], np.uint8)
    reference = np.array([[1, 2, 2], [1, 0, 1]], np.uint8)
    counts = confusion.count(mapped, reference, 3)
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 1, 0], [1, 0, 0]])
    assert counts.dtype == np.int64
    areas = confusion.count(mapped, reference, 3, weights=np.array([[1.5, 2, 3], [4, 5, 6.25]]))
    np.testing.assert_array_equal(areas, [[1.5, 2, 0], [0, 3, 0], [6.25, 0, 0]])


def test_254_classes_do_not_overflow():
    codes = np.arange(255, dtype=np.uint8)
    np.testing.assert_array_equal(confusion.count(codes, codes, 254), np.eye(254, dtype=np.int64))
    assert confusion.count(np.array([254]), np.array([1]), 254)[253, 0] == 1


@pytest.mark.parametrize("side", ["map", "reference"])
@pytest.mark.parametrize("code", [4, 255, -1])
def test_foreign_codes_are_refused(side, code):
    good, bad = np.array([1, 2]), np.array([1, code])
    with pytest.raises(LabelError, match=rf"The {side} holds the codes {code}\."):
        confusion.count(*((bad, good) if side == "map" else (good, bad)), 3)


def test_shapes_and_types_must_agree():
    with pytest.raises(ValueError, match="shape"):
        confusion.count(np.ones((2, 3), int), np.ones(6, int), 2)
    with pytest.raises(ValueError, match="not integers"):
        confusion.count(np.ones(3), np.ones(3, int), 2)
    with pytest.raises(ValueError, match="shape"):
        ConfusionMatrix(legend_of(2), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="negative"):
        ConfusionMatrix(legend_of(2), [[1, -1], [0, 0]])


def test_blocks_add_up_to_the_whole():
    generator = np.random.default_rng(5)
    mapped, reference = generator.integers(0, 8, (2, 40, 30), dtype=np.uint8)
    whole, pieces = ConfusionMatrix(DEFAULT_LEGEND), []
    whole.add(mapped, reference)
    for rows in (slice(0, 13), slice(13, 40)):
        piece = ConfusionMatrix(DEFAULT_LEGEND)
        piece.add(mapped[rows], reference[rows])
        pieces.append(piece)
    assert sum(pieces[1:], pieces[0]) == whole
    with pytest.raises(ValueError, match="legends"):
        whole + ConfusionMatrix(legend_of(7))


def test_several_classes_count_as_one():
    matrix = np.array([[5, 3, 1], [2, 7, 0], [1, 1, 20]])
    np.testing.assert_array_equal(confusion.as_one_class(matrix, [0, 1]), [[17, 1], [2, 20]])
    np.testing.assert_array_equal(confusion.as_one_class(np.stack([matrix] * 2), [0, 1])[1], [[17, 1], [2, 20]])
    assert confusion.iou_as_one(matrix, [0, 1]) == 17 / 20
    assert confusion.iou_as_one(matrix, [0]) == 5 / 12
    assert confusion.iou_as_one(matrix, []) is None
    assert confusion.iou_as_one(np.diag([5, 0, 0]), [1]) is None
    for k, row in enumerate(confusion.figures(matrix, legend_of(3)).classes):
        assert confusion.iou_as_one(matrix, [k]) == row.iou


def test_files_state_the_orientation(tmp_path):
    matrix = ConfusionMatrix(legend_of(2), [[5, 1], [2, 7]])
    matrix.write_csv(tmp_path / "confusion.csv")
    with (tmp_path / "confusion.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["rows = map, columns = reference", "C1", "C2"], ["C1", "5", "1"], ["C2", "2", "7"],
        ]  # fmt: skip
    content = json.loads(json.dumps(matrix.to_json()))
    assert content == {
        "orientation": "rows = map, columns = reference",
        "classes": ["C1", "C2"],
        "counts": [[5, 1], [2, 7]],
    }
    assert json.loads(json.dumps(matrix.figures().to_json()))["classes"][0]["key"] == "C1"
