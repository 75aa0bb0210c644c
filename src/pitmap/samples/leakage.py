"""The audit of a split: how much ground the splits share, counted from the rasters and not from how they were made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from pitmap.grid import Grid, blocks
from pitmap.samples.split import USED, Split

ROWS_AT_A_TIME = 1024


def shared_pixels(
    grids: Sequence[Grid], masks: Sequence[dict[Split, NDArray[np.bool_]]], places: Sequence[object]
) -> dict[str, int]:
    """Ground pixels that two splits share, over all scenes and dates.

    A pixel of one split is shared when its centre lies in a pixel of the other split, in its own or in any other scene.
    Scenes with the same grid are dates of one place and counted once.

    Args:
        grids: One a scene.
        masks: One a scene: pixels ``(height, width)`` of each split.
        places: One a scene; scenes without CRS show the same ground only where their places are equal.

    Returns:
        Number of shared pixels for ``training-validation``, ``training-test`` and ``validation-test``.
    """
    merged_grids: list[Grid] = []
    merged: list[dict[Split, NDArray[np.bool_]]] = []
    merged_places: list[object] = []
    for grid, mask, place in zip(grids, masks, places, strict=True):
        for i, other in enumerate(merged_grids):
            same_place = grid.crs is not None or place == merged_places[i]
            if same_place and grid.same_as(other):
                merged[i] = {s: merged[i][s] | mask[s] for s in USED}
                break
        else:
            merged_grids.append(grid)
            merged.append(dict(mask))
            merged_places.append(place)
    shared = {}
    for a, b in combinations(USED, 2):
        count = 0
        for i, grid in enumerate(merged_grids):
            in_b = merged[i][b].copy()
            for j, other in enumerate(merged_grids):
                if j != i and grid.crs is not None and other.crs is not None:
                    _add_overlap(in_b, grid, merged[i][a], merged[j][b], other)
            count += int(np.count_nonzero(merged[i][a] & in_b))
        shared[f"{a.label}-{b.label}"] = count
    return shared


def _add_overlap(
    found: NDArray[np.bool_], grid: Grid, asked: NDArray[np.bool_], other_mask: NDArray[np.bool_], other: Grid
) -> None:
    """Set ``found`` where the centre of an ``asked`` pixel of ``grid`` lies in a pixel of ``other_mask``."""
    transformer = Transformer.from_crs(grid.crs, other.crs, always_xy=True)
    if not grid.overlaps(other):
        return
    for window in blocks(grid.shape, ROWS_AT_A_TIME):
        rows, cols = np.nonzero(asked[window.slices] & ~found[window.slices])
        if len(rows) == 0:
            continue
        x, y = transformer.transform(*grid.pixel_centres(rows + window.row, cols + window.col))
        row, col = other.pixel_indices(x, y)
        inside = (row >= 0) & (row < other.height) & (col >= 0) & (col < other.width)
        hit = np.zeros(len(rows), np.bool_)
        hit[inside] = other_mask[row[inside], col[inside]]
        found[rows[hit] + window.row, cols[hit] + window.col] = True
