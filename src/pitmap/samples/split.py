"""Splits of the ground into training, validation and test.

A split is a property of the ground: blocks are squares on one map grid common to all sites and dates, so that two
scenes of the same place never put it on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from pitmap.errors import ProjectError
from pitmap.grid import Grid, Window
from pitmap.legend import LandCoverClass, Legend

CANDIDATE_BLOCKS = 60
"""Number of labelled blocks that the default block size aims at."""

LEAST_BLOCK_PIXELS = 12
"""The default block size does not go below this many pixels."""


class Split(IntEnum):
    """What a piece of ground is used for; the values of split rasters."""

    NONE = 0
    TRAINING = 1
    VALIDATION = 2
    TEST = 3

    @property
    def label(self) -> str:
        """``training``, ``validation``, ``test`` or ``none``."""
        return self.name.lower()


USED = (Split.TRAINING, Split.VALIDATION, Split.TEST)

SPLIT_LEGEND = Legend(
    [
        LandCoverClass(1, "TRA", "training", "#4c78a8"),
        LandCoverClass(2, "VAL", "validation", "#f2cf5b"),
        LandCoverClass(3, "TES", "test", "#e45756"),
    ]
)
"""Names and colours of splits."""


def stratify(class_counts: NDArray[Any], shares: Sequence[float], seed: int, minimum: float = 0.0) -> NDArray[np.int64]:
    """Divide units (blocks, groups, sites) so that every class is shared out alike.

    Iterative stratification (Sechidis et al. 2011: the rarest class first, each unit to the part that lacks it most),
    then single moves and swaps while they bring the shares of all classes nearer to those wanted.

    Args:
        class_counts: Labelled pixels (or area) of each class in each unit, ``(unit, class)``.
        shares: Wanted share of each part; adds up to 1.
        seed: Of the order in which equal choices are made.
        minimum: Count of each class that each part with a share should reach where there is enough of it.

    Returns:
        Index of the part of each unit, -1 for units without labels.
    """
    counts = np.asarray(class_counts, np.float64)
    wanted = np.asarray(shares, np.float64)
    rng = np.random.default_rng(seed)
    part = np.full(len(counts), -1, np.int64)
    open_units = set(np.flatnonzero(counts.sum(axis=1) > 0).tolist())
    demand = wanted[:, None] * counts.sum(axis=0)[None, :]
    while open_units:
        units = np.array(sorted(open_units))
        remaining = counts[units].sum(axis=0)
        rarest = int(np.argmin(np.where(remaining > 0, remaining, np.inf)))
        holders = units[counts[units, rarest] > 0]
        # Large units first, so that the small ones can even out what they leave.
        unit = int(holders[np.lexsort((rng.random(len(holders)), -counts[holders, rarest]))[0]])
        lacking = np.where(wanted > 0, demand[:, rarest], -np.inf)
        best = np.flatnonzero(lacking == lacking.max())
        if len(best) > 1:
            overall = demand[best].sum(axis=1)
            best = best[overall == overall.max()]
        chosen = int(rng.choice(best))
        part[unit] = chosen
        demand[chosen] -= counts[unit]
        open_units.remove(unit)
    return _improve(counts, wanted, part, rng, minimum)


def _improve(
    counts: NDArray[np.float64], wanted: NDArray[np.float64], part: NDArray[np.int64], rng: np.random.Generator,
    minimum: float,
) -> NDArray[np.int64]:  # fmt: skip
    """Move single units and swap pairs while the imbalance falls."""
    totals = np.maximum(counts.sum(axis=0), 1e-12)
    units = np.flatnonzero(part >= 0)
    if len(units) < 2:
        return part
    floor = np.minimum(minimum, wanted[:, None] * totals[None, :])

    def imbalance(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Over the last two axes ``(part, class)``: mean absolute deviation of the shares, plus what minima lack."""
        deviation = np.abs(sums / totals - wanted[:, None]).sum(axis=(-2, -1))
        missing = (np.maximum(floor - sums, 0) / np.maximum(floor, 1e-12)).sum(axis=(-2, -1))
        return np.asarray(deviation + missing)

    sums = np.stack([counts[part == p].sum(axis=0) for p in range(len(wanted))])
    parts = np.flatnonzero(wanted > 0)
    for _ in range(20):
        improved = False
        for unit in rng.permutation(units):
            source = part[unit]
            trials = []
            for target in parts[parts != source]:
                moved = sums.copy()
                moved[source] -= counts[unit]
                moved[target] += counts[unit]
                trials.append((float(imbalance(moved)), int(target), -1))
                partners = units[part[units] == target]
                if len(partners):
                    swapped = np.repeat(moved[None], len(partners), axis=0)
                    swapped[:, target] -= counts[partners]
                    swapped[:, source] += counts[partners]
                    scores = imbalance(swapped)
                    best = int(np.argmin(scores))
                    trials.append((float(scores[best]), int(target), int(partners[best])))
            score, target, partner = min(trials)
            if score < float(imbalance(sums)) - 1e-9:
                sums[source] -= counts[unit]
                sums[target] += counts[unit]
                part[unit] = target
                if partner >= 0:
                    sums[target] -= counts[partner]
                    sums[source] += counts[partner]
                    part[partner] = source
                improved = True
        if not improved:
            break
    return part


@dataclass(frozen=True)
class BlockGrid:
    """Squares of ground on one map grid.

    Attributes:
        crs: The common coordinate system, in metres.
        block_m: Side of a block in metres.
    """

    crs: CRS
    block_m: float

    def coordinates(self, grid: Grid, window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres of a window's pixels in units of blocks, ``(height, width)`` each: x, y."""
        rows = np.arange(window.row, window.row + window.height)[:, None]
        cols = np.arange(window.col, window.col + window.width)[None, :]
        x, y = np.broadcast_arrays(*grid.pixel_centres(rows, cols))
        if grid.crs is None:
            raise ValueError("blocks of ground need a CRS")
        if not grid.crs.equals(self.crs, ignore_axis_order=True):
            x, y = Transformer.from_crs(grid.crs, self.crs, always_xy=True).transform(x, y)
        return np.asarray(x) / self.block_m, np.asarray(y) / self.block_m

    def blocks(self, grid: Grid, window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Block of each pixel of a window by the pixel's centre: column and row numbers of the blocks."""
        x, y = self.coordinates(grid, window)
        return np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)


def common_crs(grids: Sequence[Grid]) -> CRS:
    """A coordinate system in metres for the blocks of all sites.

    The sites' own where they share one that is projected, in metres and true to scale within 1 %; else a Lambert
    azimuthal equal-area projection centred on the sites.
    """
    first = grids[0].crs
    assert first is not None
    if all(g.crs is not None and g.crs.equals(first, ignore_axis_order=True) for g in grids):
        in_metres = first.is_projected and all(abs(axis.unit_conversion_factor - 1) < 1e-9 for axis in first.axis_info)
        if in_metres and all(_true_to_scale(g) for g in grids):
            return first
    corners = []
    for grid in grids:
        assert grid.crs is not None
        x_min, y_min, x_max, y_max = grid.bounds
        to_lonlat = Transformer.from_crs(grid.crs, CRS.from_epsg(4326), always_xy=True)
        corners.append(to_lonlat.transform((x_min + x_max) / 2, (y_min + y_max) / 2))
    unit = np.radians(np.array(corners))
    vectors = np.stack(
        [np.cos(unit[:, 1]) * np.cos(unit[:, 0]), np.cos(unit[:, 1]) * np.sin(unit[:, 0]), np.sin(unit[:, 1])]
    ).mean(axis=1)
    lon = np.degrees(np.arctan2(vectors[1], vectors[0]))
    lat = np.degrees(np.arctan2(vectors[2], np.hypot(vectors[0], vectors[1])))
    return CRS.from_proj4(f"+proj=laea +lat_0={lat:.2f} +lon_0={lon:.2f} +datum=WGS84 +units=m +no_defs")


def _true_to_scale(grid: Grid) -> bool:
    nominal = np.sqrt(abs(grid.transform.determinant))
    return grid.pixel_size_m is not None and abs(grid.pixel_size_m / nominal - 1) < 0.01


def default_block_m(labelled: Sequence[tuple[NDArray[Any], NDArray[Any]]], area_m2: float, pixel_m: float) -> float:
    """A block size that cuts the labelled ground into about ``CANDIDATE_BLOCKS`` blocks.

    Args:
        labelled: For each scene the map coordinates x, y of (a sample of) its labelled pixels in the common system.
        area_m2: Area of the study ground.
        pixel_m: Pixel size.

    Returns:
        Metres, two significant digits, at least ``LEAST_BLOCK_PIXELS`` pixels.
    """
    size = np.sqrt(area_m2 / 12)
    least = LEAST_BLOCK_PIXELS * pixel_m
    while size > least:
        blocks = [
            np.floor(x / size).astype(np.int64) * 2**32 + np.floor(y / size).astype(np.int64) for x, y in labelled
        ]
        if len(np.unique(np.concatenate([np.unique(own) for own in blocks]))) >= CANDIDATE_BLOCKS:
            break
        size *= 0.9
    size = max(size, least)
    digits = 1 - int(np.floor(np.log10(size)))
    return float(round(size, digits))


def block_split(
    grid: Grid, window: Window, block_grid: BlockGrid, parts: Mapping[tuple[int, int], int], buffer_m: float
) -> NDArray[np.uint8]:
    """The split of every pixel of a window.

    A pixel within ``buffer_m`` of a block of another split belongs to none.

    Args:
        grid: The scene's grid.
        window: The pixels wanted.
        block_grid: The blocks.
        parts: Block (column, row) to ``Split``; absent blocks have no labels and belong to none.
        buffer_m: In metres, below half a block, and at least a pixel, so that pixel footprints of different splits do
            not touch whatever the grids.

    Returns:
        ``Split`` values, uint8, ``(height, width)``.
    """
    x, y = block_grid.coordinates(grid, window)
    col, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    own = _look_up(parts, col, row)
    buffer = buffer_m / block_grid.block_m
    x, y = x - col, y - row
    edge = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y)) < buffer
    x, y, col, row, own_part = x[edge], y[edge], col[edge], row[edge], own[edge]
    split = own_part.copy()
    for d_row in (-1, 0, 1):
        for d_col in (-1, 0, 1):
            if (d_row, d_col) == (0, 0) or not len(split):
                continue
            neighbour = _look_up(parts, col + d_col, row + d_row)
            along_x = {-1: x, 0: np.zeros_like(x), 1: 1 - x}[d_col]
            along_y = {-1: y, 0: np.zeros_like(y), 1: 1 - y}[d_row]
            near = np.hypot(along_x, along_y) < buffer
            split[near & (neighbour != own_part) & (neighbour != Split.NONE)] = Split.NONE
    own[edge] = split
    return own


def _look_up(parts: Mapping[tuple[int, int], int], col: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.uint8]:
    """``parts`` for arrays of blocks, through a small dense table of the blocks that occur."""
    c0, r0, c1, r1 = col.min(), row.min(), col.max(), row.max()
    table = np.zeros((r1 - r0 + 1, c1 - c0 + 1), np.uint8)
    for (c, r), part in parts.items():
        if c0 <= c <= c1 and r0 <= r <= r1:
            table[r - r0, c - c0] = part
    return np.asarray(table[row - r0, col - c0])


def check_buffer(block_m: float, buffer_m: float) -> None:
    """Refuse a buffer that would leave no ground inside the blocks.

    Raises:
        ProjectError: The buffer is not below half a block.
    """
    if buffer_m >= block_m / 2:
        raise ProjectError(
            f"The buffer between splits is {buffer_m:g} m and the blocks are {block_m:g} m.",
            "The buffer is below half a block, or nothing is left inside.",
            "Set [samples] block_m higher or buffer_m lower.",
        )


def overlapping_components(grids: Sequence[Grid], names: Sequence[str]) -> list[int]:
    """Number the connected sets of scenes that show common ground or share a name.

    Scenes without CRS are connected by name only.

    Args:
        grids: One a scene.
        names: Site or group of each scene.

    Returns:
        A component number for each scene, counted from 0 in the order of first appearance.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from shapely.geometry import box
    from shapely.strtree import STRtree

    pairs = []
    first_of: dict[str, int] = {}
    for i, name in enumerate(names):
        pairs.append((first_of.setdefault(name, i), i))
    with_crs = [i for i, g in enumerate(grids) if g.crs is not None]
    if with_crs:
        crs = common_crs([grids[i] for i in with_crs])
        footprints = []
        for i in with_crs:
            own = grids[i].crs
            assert own is not None
            footprints.append(box(*Transformer.from_crs(own, crs, always_xy=True).transform_bounds(*grids[i].bounds)))
        for a, b in STRtree(footprints).query(footprints, predicate="intersects").T:
            if footprints[a].intersection(footprints[b]).area > 0:
                pairs.append((with_crs[a], with_crs[b]))
    rows, cols = np.array(pairs, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, cols)), shape=(len(grids), len(grids)))
    labels = connected_components(graph, directed=False)[1]
    numbers: dict[int, int] = {}
    return [numbers.setdefault(int(label), len(numbers)) for label in labels]
