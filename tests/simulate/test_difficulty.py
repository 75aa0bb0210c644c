"""How hard the landscapes are, by what a per-pixel random forest makes of the four bands on ground it has not seen."""

import numpy as np
import pytest

from pitmap.legend import DEFAULT_LEGEND
from pitmap.simulate.landscape import LandscapeParameters, simulate, sites

ensemble = pytest.importorskip("sklearn.ensemble")

BLOCK = 64
CODE = {c.key: c.code for c in DEFAULT_LEGEND}


def training_half(codes, rng):
    """Half of the blocks of ground: of 100 draws the one whose class shares are most like those of the other half."""
    rows, cols = -(-codes.shape[0] // BLOCK), -(-codes.shape[1] // BLOCK)
    numbers = np.arange(rows * cols).reshape(rows, cols)
    block = numbers.repeat(BLOCK, 0).repeat(BLOCK, 1)[: codes.shape[0], : codes.shape[1]]
    size = len(DEFAULT_LEGEND) + 1
    counts = np.bincount((block * size + codes).ravel(), minlength=rows * cols * size).reshape(-1, size)
    share = counts / np.maximum(counts.sum(axis=0), 1)
    draws = [rng.permutation(rows * cols) % 2 == 0 for _ in range(100)]
    best = min(draws, key=lambda chosen: np.abs(share[chosen].sum(axis=0) - share[~chosen].sum(axis=0)).sum())
    return best[block]


def forest_confusion(landscapes, trees=100, training_pixels=30_000, test_pixels=100_000):
    """Confusion matrix (map, reference) on the test half of the ground of all landscapes together."""
    rng = np.random.default_rng(0)
    spectra, codes, training = [], [], []
    for landscape in landscapes:
        spectra.append(landscape.reflectance.reshape(4, -1).T)
        codes.append(landscape.codes.ravel())
        training.append(training_half(landscape.codes, rng).ravel())
    spectra, codes, training = (np.concatenate(parts) for parts in (spectra, codes, training))
    learn, test = (
        rng.permutation(np.flatnonzero(half))[:limit]
        for half, limit in ((training, training_pixels), (~training, test_pixels))
    )
    forest = ensemble.RandomForestClassifier(trees, random_state=0).fit(spectra[learn], codes[learn])
    size = len(DEFAULT_LEGEND)
    pairs = (forest.predict(spectra[test]).astype(np.int64) - 1) * size + codes[test] - 1
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def check_difficulty(confusion):
    correct, reference = np.diag(confusion), confusion.sum(axis=0)
    present = reference > 0
    iou = correct[present] / (reference + confusion.sum(axis=1) - correct)[present]
    by_key = dict(zip(np.array(DEFAULT_LEGEND.keys)[present], iou, strict=True))
    assert 0.35 <= iou.mean() <= 0.65, by_key
    assert max(value for key, value in by_key.items() if key not in ("WAT", "VEG")) <= 0.95
    assert 0.75 <= correct.sum() / confusion.sum() <= 0.97


@pytest.mark.verify
def test_a_per_pixel_forest_neither_fails_nor_suffices():
    landscape = simulate(LandscapeParameters(384, 512, seed=0))
    check_difficulty(forest_confusion([landscape], trees=40, training_pixels=15_000, test_pixels=30_000))


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(8))
def test_difficulty_at_the_size_of_the_demo(seed):
    check_difficulty(forest_confusion([simulate(LandscapeParameters(384, 512, seed=seed))]))


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(3))
def test_difficulty_of_site_1(seed):
    check_difficulty(forest_confusion([simulate(sites(seed=seed)["site1"])]))


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(3))
def test_difficulty_of_both_sites_at_a_quarter_of_their_area(seed):
    check_difficulty(forest_confusion([simulate(p) for p in sites(0.25, seed).values()]))
