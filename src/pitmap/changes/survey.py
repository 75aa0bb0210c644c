"""One reading of a series of maps: what became what, and the mines that belong together over the dates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
import shapely.geometry
from numpy.typing import NDArray
from rasterio.features import shapes

from pitmap.changes.classes import OTHER, Roles
from pitmap.changes.regions import Groups, Regions
from pitmap.changes.series import Series, Strip
from pitmap.grid import Grid
from pitmap.observer import SILENT, Observer

Piece = tuple[int, int, int]
"""Mine (0 for ground of none), code before, code after."""


@dataclass
class StepTotals:
    """What became what between two dates.

    Attributes:
        areas_m2: ``(K + 1, K + 1)``: code before, code after; borders within the tolerance count as they were.
        tolerated_m2: What the maps have that was within the tolerance, likewise.
        pieces: Square metres of each piece of ground that was or is a mine, or was restored.
        outlines: Its polygons, cut at the strips.
    """

    areas_m2: NDArray[np.float64]
    tolerated_m2: NDArray[np.float64]
    pieces: dict[Piece, float] = field(default_factory=lambda: defaultdict(float))
    outlines: dict[Piece, list[Any]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class Survey:
    """What a reading found; the numbers of mines are 1, 2, ... without an order that means anything.

    Attributes:
        steps: From each date to the next.
        mine_m2: Square metres of each mine on each date, ``(mine + 1, date)``.
        unmapped_m2: Ground of each mine that has no class on a date, likewise.
        parts_m2: Square metres of the regions of each mine on each date: by mine and date.
    """

    steps: list[StepTotals]
    mine_m2: NDArray[np.float64]
    unmapped_m2: NDArray[np.float64]
    parts_m2: dict[tuple[int, int], list[float]]


Listener = Callable[[Strip, Sequence[NDArray[np.uint8]]], None]
"""Takes a strip and the kinds of change of each step, uint8 ``(rows, cols)``."""


def survey(series: Series, roles: Roles, listener: Listener | None = None, observer: Observer = SILENT) -> Survey:
    """Read the maps once.

    Mines are regions of pixels of the mine classes that share edges. Regions of two dates that share ground are one
    mine, and so are those that a third one joins; a date without data does not part what lay there before and after.

    Args:
        series: The maps.
        roles: Which classes are mines.
        listener: Hears of every strip, to write rasters.
        observer: Told of the share read.
    """
    size, dates = len(series.legend) + 1, len(series.paths)
    kinds = roles.kinds(series.legend)
    is_mine = np.isin(np.arange(256), [series.legend[k].code for k in roles.mines])
    parts, tracks = Groups(), Groups()
    regions = [Regions(parts, tracks) for _ in range(dates)]
    steps = [StepTotals(np.zeros((size, size)), np.zeros((size, size))) for _ in range(dates - 1)]
    of_region: dict[tuple[int, int], float] = defaultdict(float)
    without: dict[tuple[int, int], float] = defaultdict(float)
    for strip in series.strips():
        areas = series.grid.pixel_areas_m2(strip.window)
        labels = [regions[k].label(is_mine[strip.codes[k]]) for k in range(dates)]
        latest = labels[0]
        for k in range(1, dates):
            tracks.join(latest, labels[k])
            latest = np.where(strip.codes[k] == 0, latest, labels[k])
        some = np.max(labels, axis=0)
        for k in range(dates):
            _add(of_region, labels[k], areas, k)
            _add(without, np.where(strip.codes[k] == 0, some, 0), areas, k)
        of_kind = []
        for k, step in enumerate(steps):
            before, after = strip.codes[k], strip.codes[k + 1]
            _add_matrix(step.areas_m2, before, after, areas)
            tolerated = (after != strip.mapped[k + 1]) & (after > 0)
            _add_matrix(step.tolerated_m2, before[tolerated], strip.mapped[k + 1][tolerated], areas[tolerated])
            kind = kinds[before, after]
            node = np.where(labels[k] > 0, labels[k], labels[k + 1])
            _add_pieces(step, strip, kind, node, before, after, areas, series.grid)
            of_kind.append(kind)
        if listener is not None:
            listener(strip, of_kind)
        observer.progress("comparing", (strip.window.row + strip.window.height) / series.grid.height)
    return _concluded(steps, parts, tracks, of_region, without, dates)


def _add(sums: dict[tuple[int, int], float], labels: NDArray[np.int64], areas: NDArray[np.float64], date: int) -> None:
    there = labels > 0
    numbers, index = np.unique(labels[there], return_inverse=True)
    for number, area in zip(numbers.tolist(), np.bincount(index, areas[there]).tolist(), strict=True):
        sums[number, date] += area


def _add_matrix(
    matrix: NDArray[np.float64], before: NDArray[np.uint8], after: NDArray[np.uint8], areas: NDArray[np.float64]
) -> None:
    index = before.astype(np.int64) * len(matrix) + after
    matrix += np.bincount(index.ravel(), areas.ravel(), matrix.size).reshape(matrix.shape)


def _add_pieces(
    step: StepTotals, strip: Strip, kind: NDArray[np.uint8], node: NDArray[np.int64], before: NDArray[np.uint8],
    after: NDArray[np.uint8], areas: NDArray[np.float64], grid: Grid,
) -> None:  # fmt: skip
    """Areas and outlines of ground that was or is a mine, or was restored, for each mine and transition."""
    wanted = (kind > 0) & (kind < OTHER)
    if not wanted.any():
        return
    keys = (node[wanted] << 16) | (before[wanted].astype(np.int64) << 8) | after[wanted]
    found, index = np.unique(keys, return_inverse=True)
    pieces: list[Piece] = [(key >> 16, (key >> 8) & 255, key & 255) for key in found.tolist()]
    for piece, area in zip(pieces, np.bincount(index, areas[wanted]).tolist(), strict=True):
        step.pieces[piece] += area
    numbers = np.zeros(kind.shape, np.int32)
    numbers[wanted] = index + 1
    transform = grid.crop(strip.window).transform
    for geometry, number in shapes(numbers, wanted, connectivity=4, transform=transform):
        step.outlines[pieces[int(number) - 1]].append(shapely.geometry.shape(geometry))


def _concluded(
    steps: list[StepTotals], parts: Groups, tracks: Groups, of_region: dict[tuple[int, int], float],
    without: dict[tuple[int, int], float], dates: int,
) -> Survey:  # fmt: skip
    """Everything by mine in place of the regions of strips."""
    roots, part_roots = tracks.roots(), parts.roots()
    mines = {int(root): number for number, root in enumerate(np.unique(roots[1:]), start=1)} | {0: 0}
    mine_of = [mines[int(root)] for root in roots]
    shape = (len(mines), dates)
    mine_m2, unmapped_m2 = np.zeros(shape), np.zeros(shape)
    by_part: dict[tuple[int, int], float] = defaultdict(float)
    for (region, date), area in of_region.items():
        mine_m2[mine_of[region], date] += area
        by_part[int(part_roots[region]), date] += area
    for (region, date), area in without.items():
        unmapped_m2[mine_of[region], date] += area
    parts_m2: dict[tuple[int, int], list[float]] = defaultdict(list)
    for (part, date), area in by_part.items():
        parts_m2[mine_of[part], date].append(area)
    for step in steps:
        pieces: dict[Piece, float] = defaultdict(float)
        outlines: dict[Piece, list[Any]] = defaultdict(list)
        for (node, before, after), area in step.pieces.items():
            pieces[mine_of[node], before, after] += area
        for (node, before, after), polygons in step.outlines.items():
            outlines[mine_of[node], before, after] += polygons
        step.pieces, step.outlines = pieces, outlines
    return Survey(steps, mine_m2, unmapped_m2, parts_m2)
