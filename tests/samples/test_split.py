import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from pitmap.errors import ProjectError
from pitmap.grid import Grid
from pitmap.samples.leakage import bit, shared_pixels
from pitmap.samples.split import (
    USED,
    BlockGrid,
    Split,
    block_split,
    check_buffer,
    common_crs,
    default_block_m,
    overlapping_components,
    stratify,
)


def scene(epsg: int, lon: float, lat: float, size: float, height: int, width: int) -> Grid:
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    return Grid(CRS.from_epsg(epsg), Affine(size, 0, x, 0, -size, y), height, width)


def members(masks):
    """What ``shared_pixels`` reads of a scene whose splits have these pixels."""
    bits = sum(mask.astype(np.uint8) * bit(split) for split, mask in masks.items()).astype(np.uint8)
    return lambda window: bits[window.slices]


layouts = st.lists(
    st.tuples(
        st.sampled_from([32649, 32650, 3857, 4326]),
        st.floats(113.99, 114.01),
        st.floats(34.49, 34.51),
        st.floats(3.0, 11.0),
        st.integers(20, 70),
        st.integers(20, 70),
    ),
    min_size=2,
    max_size=4,
)


@settings(max_examples=25)
@given(layouts, st.integers(0, 5), st.floats(0, 20))
def test_ground_of_different_splits_never_touches_across_dates_and_coordinate_systems(layout, seed, buffer):
    grids = []
    for epsg, lon, lat, size, height, width in layout:
        unit = size if epsg != 4326 else size / 100_000
        grids.append(scene(epsg, lon, lat, unit, height, width))
    pixel_m = max(g.pixel_size_m for g in grids)
    block_grid = BlockGrid(common_crs(grids), 15 * pixel_m)
    buffer_m = max(buffer, pixel_m)
    check_buffer(block_grid.block_m, buffer_m)
    found = {b for g in grids for b in zip(*(a.ravel().tolist() for a in block_grid.blocks(g, g.window)), strict=True)}
    rng = np.random.default_rng(seed)
    parts = {b: int(rng.integers(1, 4)) for b in sorted(found)}
    splits = [block_split(g, g.window, block_grid, parts, buffer_m) for g in grids]

    masks = [{s: split == s for s in USED} for split in splits]
    assert shared_pixels(grids, [members(m) for m in masks], list(range(len(grids)))) == {
        "training-validation": 0, "training-test": 0, "validation-test": 0,
    }  # fmt: skip
    # Independently: footprints of pixels, as circles round their centres, keep their distance.
    outlines = []
    for grid, split in zip(grids, splits, strict=True):
        rows, cols = np.nonzero(split)
        x, y = grid.pixel_centres(rows, cols)
        x, y = Transformer.from_crs(grid.crs, block_grid.crs, always_xy=True).transform(x, y)
        outlines.append((np.stack([x, y], axis=-1), split[rows, cols], grid.pixel_size_m / np.sqrt(2)))
    from scipy.spatial import cKDTree

    for points, split, radius in outlines:
        for others, other_split, other_radius in outlines:
            if not len(points) or not len(others):
                continue
            for part in USED:
                mine, theirs = points[split == part], others[(other_split != part)]
                if len(mine) and len(theirs):
                    distance, _ = cKDTree(theirs).query(mine)
                    assert distance.min() > (radius + other_radius) * 0.99


def test_the_audit_finds_ground_shared_across_coordinate_systems():
    a = scene(32649, 113.99, 34.5, 10.0, 50, 50)
    b = scene(3857, 113.99, 34.5, 12.0, 50, 50)
    every, none = np.ones((50, 50), bool), np.zeros((50, 50), bool)
    masks = [
        {Split.TRAINING: every, Split.VALIDATION: none, Split.TEST: none},
        {Split.TRAINING: none, Split.VALIDATION: none, Split.TEST: every},
    ]
    shared = shared_pixels([a, b], [members(m) for m in masks], ["a", "b"])
    assert shared["training-test"] > 2000
    assert shared["training-validation"] == 0


def test_dates_of_one_place_are_one_ground():
    grid = scene(32649, 113.99, 34.5, 10.0, 4, 4)
    half = np.zeros((4, 4), bool)
    half[:2] = True
    masks = [
        {Split.TRAINING: half, Split.VALIDATION: ~half, Split.TEST: ~half},
        {Split.TRAINING: ~half, Split.VALIDATION: half & False, Split.TEST: half & False},
    ]
    shared = shared_pixels([grid, grid], [members(m) for m in masks], ["a", "b"])
    assert shared == {"training-validation": 8, "training-test": 8, "validation-test": 8}


def test_images_without_crs_share_ground_only_within_a_place():
    bare = Grid(None, Affine.identity(), 3, 3)
    every, none = np.ones((3, 3), bool), np.zeros((3, 3), bool)
    masks = [
        {Split.TRAINING: every, Split.VALIDATION: none, Split.TEST: none},
        {Split.TRAINING: none, Split.VALIDATION: none, Split.TEST: every},
    ]
    assert shared_pixels([bare, bare], [members(m) for m in masks], ["a", "b"])["training-test"] == 0
    assert shared_pixels([bare, bare], [members(m) for m in masks], ["a", "a"])["training-test"] == 9


@given(st.integers(5, 60), st.integers(1, 6), st.integers(0, 100))
def test_stratified_parts_hold_all_labelled_units_and_no_other(units, classes, seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 50, (units, classes)) * (rng.random((units, classes)) < 0.4)
    parts = stratify(counts, (0.6, 0.2, 0.2), seed)
    labelled = counts.sum(axis=1) > 0
    assert (parts[labelled] >= 0).all()
    assert (parts[~labelled] == -1).all()
    np.testing.assert_array_equal(parts, stratify(counts, (0.6, 0.2, 0.2), seed))


def test_stratification_shares_out_rare_classes():
    rng = np.random.default_rng(3)
    counts = np.zeros((60, 3))
    counts[:, 0] = rng.integers(100, 1000, 60)
    counts[rng.choice(60, 20, replace=False), 1] = rng.integers(10, 50, 20)
    counts[rng.choice(60, 9, replace=False), 2] = 5
    worst = 0.0
    for seed in range(5):
        parts = stratify(counts, (0.6, 0.2, 0.2), seed)
        shares = np.stack([counts[parts == p].sum(axis=0) for p in range(3)]) / counts.sum(axis=0)
        worst = max(worst, float(np.abs(shares - np.array([0.6, 0.2, 0.2])[:, None]).max()))
    assert worst < 0.08


def test_different_seeds_give_different_splits():
    counts = np.random.default_rng(0).integers(1, 100, (40, 4))
    results = {tuple(stratify(counts, (0.6, 0.2, 0.2), seed)) for seed in range(5)}
    assert len(results) >= 4


def test_a_part_without_a_share_stays_empty():
    parts = stratify(np.ones((10, 2)), (0.7, 0.3, 0.0), 0)
    assert set(parts) == {0, 1}


def test_block_size_gives_about_sixty_blocks():
    x, y = np.meshgrid(np.arange(0, 8000, 10.0), np.arange(0, 4000, 10.0))
    size = default_block_m([(x.ravel(), y.ravel())], 8000 * 4000, 10.0)
    blocks = {(int(a // size), int(b // size)) for a, b in zip(x.ravel(), y.ravel(), strict=True)}
    assert 60 <= len(blocks) <= 110


def test_sites_that_overlap_are_one_place():
    a = scene(32649, 113.99, 34.5, 10.0, 50, 50)
    b = scene(3857, 113.991, 34.499, 12.0, 50, 50)
    c = scene(32649, 115.0, 34.5, 10.0, 50, 50)
    bare = Grid(None, Affine.identity(), 9, 9)
    assert overlapping_components([a, c, b, bare, bare], ["a", "c", "b", "d", "d"]) == [0, 1, 0, 2, 2]


def test_a_shared_utm_zone_is_kept_and_web_mercator_is_not():
    utm = scene(32649, 113.99, 34.5, 10.0, 50, 50)
    assert common_crs([utm, utm]).equals(utm.crs)
    mercator = scene(3857, 113.99, 34.5, 10.0, 50, 50)
    method = common_crs([mercator, mercator]).coordinate_operation.method_name
    assert method == "Lambert Azimuthal Equal Area"


def test_a_buffer_of_half_a_block_is_refused():
    with pytest.raises(ProjectError, match="below half a block"):
        check_buffer(100, 50)
