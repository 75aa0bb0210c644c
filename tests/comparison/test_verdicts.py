"""Verdicts on counts whose truth is known: maps that differ by a set share of errors, on independent blocks."""

from dataclasses import replace

import numpy as np
import pytest

from pitmap.accuracy.census.agreement import AgreementByPlace
from pitmap.accuracy.census.resampling import GroundBlocks
from pitmap.comparison.verdicts import (
    BETTER,
    FEW,
    SAME,
    WORSE,
    Ground,
    cut,
    describe,
    differences,
    single_intervals,
    turned,
)
from pitmap.grid import Grid
from pitmap.legend import LandCoverClass, Legend
from studies import grid

LEGEND = Legend([LandCoverClass(k, key, key, "#000000") for k, key in enumerate(("OPM", "WDA", "VEG"), start=1)])


def blocks(rng, number: int, error: float) -> GroundBlocks:
    """Blocks of 100 pixels a class, of which a share is mapped as the next class."""
    matrices = np.zeros((number, 3, 3), np.int64)
    for k in range(3):
        wrong = rng.binomial(100, np.clip(rng.normal(error, 0.02, number), 0, 1))
        matrices[:, k, k] = 100 - wrong
        matrices[:, (k + 1) % 3, k] = wrong
    return GroundBlocks(matrices, np.arange(number), 10, 1)


def network(rng, number: int, errors: dict[int, float]) -> Ground:
    by_seed = {seed: blocks(rng, number, error) for seed, error in errors.items()}
    pooled = replace(next(iter(by_seed.values())), matrices=sum(b.matrices for b in by_seed.values()))
    return Ground(pooled, by_seed)


def verdicts(grounds: dict[str, Ground], mines=("OPM",)) -> dict[tuple[str, str, str], str]:
    found = differences(grounds, LEGEND, mines, "blocks", draws=400)
    return {(d.figure, d.first, d.second): d.verdict for d in found}


def test_a_clear_difference_is_found_and_an_absent_one_is_not():
    rng = np.random.default_rng(1)
    grounds = {
        "good": network(rng, 60, {0: 0.1, 1: 0.1}),
        "alike": network(rng, 60, {0: 0.1, 1: 0.1}),
        "bad": network(rng, 60, {0: 0.2, 1: 0.2}),
    }
    found = verdicts(grounds)
    assert len(found) == 3 * 4
    for figure in ("mine_iou", "mean_iou", "overall_accuracy", "kappa"):
        assert found[figure, "good", "alike"] == SAME
        assert found[figure, "good", "bad"] == BETTER
    reversed_order = verdicts(dict(reversed(grounds.items())))
    assert reversed_order["mine_iou", "bad", "good"] == WORSE


def test_below_thirty_blocks_there_is_neither_interval_nor_verdict():
    rng = np.random.default_rng(2)
    for number, verdict in ((29, FEW), (30, BETTER)):
        grounds = {"good": network(rng, number, {0: 0.1}), "bad": network(rng, number, {0: 0.3})}
        (mine, *_) = differences(grounds, LEGEND, ["OPM"], "blocks", draws=200)
        assert mine.verdict == verdict
        assert (mine.lower is None) == (number < 30)
        assert mine.value > 0
        assert (single_intervals(grounds["good"], LEGEND, ["OPM"], 200) == {}) == (number < 30)
    assert "no verdict" in describe(replace(mine, lower=None))


def test_seeds_that_disagree_by_more_than_their_ground_explains_widen_the_interval():
    rng = np.random.default_rng(3)
    steady = {"a": network(rng, 60, {0: 0.1, 1: 0.1, 2: 0.1}), "b": network(rng, 60, {0: 0.14, 1: 0.14, 2: 0.14})}
    moody = {"a": network(rng, 60, {0: 0.02, 1: 0.1, 2: 0.18}), "b": network(rng, 60, {0: 0.14, 1: 0.14, 2: 0.14})}
    first, second = (differences(g, LEGEND, ["OPM"], "blocks", draws=400)[1] for g in (steady, moody))
    assert first.figure == second.figure == "mean_iou"
    assert first.verdict == BETTER
    assert second.verdict == SAME
    assert second.training_error > 5 * first.training_error
    assert second.upper - second.lower > 5 * (first.upper - first.lower)
    assert first.by_seed.keys() == {0, 1, 2}


def test_holm_corrects_over_the_pairs():
    rng = np.random.default_rng(4)
    grounds = {f"n{k}": network(rng, 40, {0: 0.1 + 0.003 * k}) for k in range(5)}
    found = [d for d in differences(grounds, LEGEND, [], "blocks", draws=400) if d.figure == "overall_accuracy"]
    assert len(found) == 10
    by_p = sorted(found, key=lambda d: d.p_value)
    assert by_p[0].adjusted_p_value == pytest.approx(min(1.0, 10 * by_p[0].p_value))
    assert all(d.adjusted_p_value >= d.p_value for d in found)
    assert not any(d.figure == "mine_iou" for d in differences(grounds, LEGEND, [], "blocks", draws=100))


def test_a_pair_seen_from_the_other_side():
    rng = np.random.default_rng(5)
    grounds = {"good": network(rng, 40, {0: 0.1, 1: 0.1}), "bad": network(rng, 40, {0: 0.2, 1: 0.2})}
    seen = turned(differences(grounds, LEGEND, ["OPM"], "blocks", draws=200)[0])
    assert (seen.first, seen.second, seen.verdict) == ("bad", "good", WORSE)
    assert seen.lower < seen.value < seen.upper < 0
    assert "bad is worse than good in mine IoU: −" in describe(seen).replace("-", "−")


def test_networks_on_other_ground_cannot_be_compared():
    rng = np.random.default_rng(6)
    a, b = network(rng, 40, {0: 0.1}), network(rng, 41, {0: 0.1})
    with pytest.raises(ValueError, match="not tested on the same ground"):
        differences({"a": a, "b": b}, LEGEND, ["OPM"], "blocks", draws=100)


class FakeRun:
    """What ``cut`` takes of a result."""

    def __init__(self, label: str, seed: int, places: AgreementByPlace) -> None:
        self.run = type("Run", (), {"entry": type("Entry", (), {"label": label}), "seed": seed})
        self.agreement = places


def test_all_networks_and_seeds_are_cut_into_the_same_blocks(tmp_path):
    rng = np.random.default_rng(7)
    grids = [grid(128, 128), grid(128, 128), grid(96, 96, x=600_000.0), Grid(None, grid(1, 1).transform, 32, 32)]
    reference = [rng.integers(1, 4, g.shape).astype(np.uint8) for g in grids]
    results = []
    for label, size in (("fine", 1), ("coarse", 8)):
        for seed in (0, 1):
            places = AgreementByPlace(grids, ["g"] * 4, 3)
            for scene, codes in enumerate(reference):
                tested = np.where(np.arange(codes.shape[0])[:, None] // 32 % 2 == seed % 2, codes, 0)
                wrong = np.kron(rng.random((16, 16)) < 0.3, np.ones((size, size), bool))
                wrong = np.tile(wrong, (16, 16))[: codes.shape[0], : codes.shape[1]]
                places.add(scene, np.where(wrong, codes % 3 + 1, codes).astype(np.uint8), tested)
            places.write(tmp_path / "ground.npz")
            results.append(FakeRun(label, seed, AgreementByPlace.read(tmp_path / "ground.npz", grids, ["g"] * 4, 3)))
    found = cut(results)
    fine, coarse = found["fine"], found["coarse"]
    assert fine.number == coarse.number
    assert fine.pooled.correlation_length == coarse.pooled.correlation_length > 3
    np.testing.assert_array_equal(fine.pooled.groups, coarse.pooled.groups)
    np.testing.assert_array_equal(fine.pooled.matrices.sum(axis=1), coarse.pooled.matrices.sum(axis=1))
    for ground in (fine, coarse):
        np.testing.assert_array_equal(
            ground.pooled.matrices.sum(axis=0), sum(b.matrices.sum(axis=0) for b in ground.by_seed.values())
        )
    # Both dates of the first place count, on the same blocks.
    assert fine.pooled.matrices.sum() == 2 * 128 * 128 + 96 * 96 + 32 * 32
