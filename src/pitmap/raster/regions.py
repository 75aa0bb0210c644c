"""Regions of equal code of a raster as polygons, strip by strip, in memory that does not grow with the raster.

A region is a set of pixels of one code that share edges (4-connectivity): that keeps every polygon valid, while regions
joined at corners would touch themselves. Of a strip, the runs of equal code in its rows are joined to each other and
to the regions that reach into it from above; what does not reach the strip's last row is complete and is handed on.
Of a region only the corners of its outline are kept, and sums over its pixels.

The corners are enough: along a row of corners, and along a column, an outline's edges lie between the first and the
second corner, the third and the fourth, and so on. Where an outline touches itself in a point (two pixels of a region
that are joined elsewhere meet at their corners only), its rings are parted there, so that none touches itself.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pitmap.errors import ImageError
from pitmap.grid import Window
from pitmap.raster.reading import describe, open_raster

STRIP_PIXELS = 4 * 2**20
"""Pixels of a strip at most (one row at least)."""


class Strip(NamedTuple):
    """Whole rows of a raster.

    Attributes:
        codes: uint8 ``(height, width)``, 0 where there is no region.
        amounts: Whole numbers or booleans ``(height, width)``, each to be added up over every region.
    """

    codes: NDArray[np.uint8]
    amounts: Sequence[NDArray[np.integer] | NDArray[np.bool_]] = ()


@dataclass(frozen=True)
class Regions:
    """Complete regions.

    Attributes:
        codes: uint8 ``(region,)``.
        pixels: int64 ``(region,)``.
        first: Row and column of the uppermost pixel, of several the leftmost: int64 ``(region, 2)``. No two regions
            have the same.
        sums: Of each amount over the pixels, int64 ``(region, amount)``.
        polygons: shapely polygons with their holes, in map coordinates ``x, y``, without corners on straight edges;
            every ring begins at its uppermost corner, of several the leftmost.
    """

    codes: NDArray[np.uint8]
    pixels: NDArray[np.int64]
    first: NDArray[np.int64]
    sums: NDArray[np.int64]
    polygons: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.codes)

    def where(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> Regions:
        """Some of them, by a mask or by their indices."""
        return Regions(self.codes[keep], self.pixels[keep], self.first[keep], self.sums[keep], self.polygons[keep])

    @staticmethod
    def none(amounts: int = 0) -> Regions:
        """No region, with a number of amounts."""
        nothing = np.zeros(0, np.int64)
        shapes = np.zeros((0, 2), np.int64), np.zeros((0, amounts), np.int64)
        return Regions(nothing.astype(np.uint8), nothing, *shapes, np.zeros(0, dtype=object))

    @staticmethod
    def together(parts: Sequence[Regions]) -> Regions:
        """Regions of several batches, one at least, in their order."""
        return Regions(
            np.concatenate([p.codes for p in parts]),
            np.concatenate([p.pixels for p in parts]),
            np.concatenate([p.first for p in parts]),
            np.concatenate([p.sums for p in parts]),
            np.concatenate([p.polygons for p in parts]),
        )


def code_regions(path: Path, codes: Sequence[int]) -> Iterator[Regions]:
    """Regions of some codes of a raster, in the order in which they are complete.

    Args:
        path: A raster of codes 0..255, in its first band.
        codes: The codes wanted, 1..255.

    Raises:
        ImageError: The file cannot be read, or is not of type uint8.
    """
    wanted = np.zeros(256, np.uint8)
    wanted[list(codes)] = list(codes)
    info = describe(path)
    if info.dtype != "uint8":
        raise ImageError(f"{path} holds {info.dtype} pixels.", "Class codes of type uint8, as a map has them.")
    with open_raster(path, [1], zero_is_void=False) as reader:

        def strip(window: Window) -> Strip:
            pixels, valid = reader.read(window)
            return Strip(wanted[pixels[0]] * valid)

        yield from regions(map(strip, strips(info.grid.shape)), info.grid.transform)


def strips(shape: tuple[int, int]) -> Iterator[Window]:
    """Windows of whole rows, from the top on, of at most ``STRIP_PIXELS`` pixels."""
    height, width = shape
    rows = max(1, STRIP_PIXELS // width)
    for row in range(0, height, rows):
        yield Window(row, 0, min(rows, height - row), width)


def regions(strips: Iterable[Strip], transform: Affine) -> Iterator[Regions]:
    """Regions of equal code, as soon as they are complete; codes are told apart, 0 is none.

    Args:
        strips: All rows of a raster, from the top on; of the same width and number of amounts.
        transform: From pixel corners ``(col, row)`` to ``(x, y)``.

    Yields:
        Regions whose last row has been passed, batch by batch, never an empty batch. What they are does not depend on
        the height of the strips; in which batch they come does.
    """
    tracer: _Tracer | None = None
    for strip in strips:
        tracer = tracer or _Tracer(strip.codes.shape[1], len(strip.amounts), transform)
        if len(found := tracer.add(strip)):
            yield found
    if tracer is not None and len(found := tracer.end()):
        yield found


@dataclass(frozen=True)
class _Corners:
    """Corners of outlines.

    Attributes:
        region: Number of the region, int64 ``(corner,)``.
        row: Of the corner itself, a line between pixels.
        col: Likewise.
        right: Whether the outline's edge along the row lies to the right of the corner, not to the left.
        down: Whether its edge along the column lies below, not above.
        along_row: Whether the outline leaves along the row, with the region to its right, and arrives along the column.
    """

    region: NDArray[np.int64]
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    right: NDArray[np.bool_]
    down: NDArray[np.bool_]
    along_row: NDArray[np.bool_]

    def _each(self, change: Callable[[NDArray], NDArray]) -> _Corners:  # type: ignore[type-arg]
        return _Corners(
            change(self.region), change(self.row), change(self.col),
            change(self.right), change(self.down), change(self.along_row),
        )  # fmt: skip

    def where(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> _Corners:
        return self._each(lambda values: values[keep])

    def numbered(self, numbers: NDArray[np.int64]) -> _Corners:
        """The same with other numbers of regions."""
        return _Corners(numbers[self.region], self.row, self.col, self.right, self.down, self.along_row)

    @staticmethod
    def together(parts: Sequence[_Corners]) -> _Corners:
        return _Corners(
            np.concatenate([p.region for p in parts]), np.concatenate([p.row for p in parts]),
            np.concatenate([p.col for p in parts]), np.concatenate([p.right for p in parts]),
            np.concatenate([p.down for p in parts]), np.concatenate([p.along_row for p in parts]),
        )  # fmt: skip


_NO_CORNERS = _Corners(
    np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32),
    np.zeros(0, np.bool_), np.zeros(0, np.bool_), np.zeros(0, np.bool_),
)  # fmt: skip


class _Tracer:
    """What is known of the regions that reach the last row read."""

    def __init__(self, width: int, amounts: int, transform: Affine) -> None:
        self.width, self.transform, self.row = width, transform, 0
        self.last_codes = np.zeros(width, np.uint8)
        self.last_regions = np.zeros(0, np.int64)  # of the runs of the last row, from left to right
        self.codes = np.zeros(0, np.uint8)
        self.pixels = np.zeros(0, np.int64)
        self.sums = np.zeros((0, amounts), np.int64)
        self.corners = _NO_CORNERS

    def end(self) -> Regions:
        """The regions that reach the last row of the raster."""
        amounts = [np.zeros((1, self.width), np.bool_)] * self.sums.shape[1]
        return self.add(Strip(np.zeros((1, self.width), np.uint8), amounts))

    def add(self, strip: Strip) -> Regions:
        """Take in a strip; give back the regions that are complete."""
        codes = np.concatenate([self.last_codes[None], strip.codes])
        runs = _Runs(codes)
        above = len(self.last_regions)
        known = len(self.codes)
        upper, lower = runs.links()
        edges = np.concatenate([self.last_regions, upper + known]), np.concatenate([np.arange(above), lower]) + known
        nodes = known + len(runs.starts)
        count, label = _joined(edges, nodes)
        of_known, of_run = label[:known], label[known:]

        def added(old: NDArray[np.int64], at: NDArray[np.int64], new: NDArray[np.generic]) -> NDArray[np.int64]:
            # Whole numbers below 2 ** 53 are exact in floats.
            return (np.bincount(of_known, old, count) + np.bincount(at, new, count)).astype(np.int64)

        new, lengths = of_run[above:], runs.lengths[above:]
        pixels = added(self.pixels, new, lengths)
        of_pixel, inside = np.repeat(new, lengths), strip.codes > 0
        sums = np.zeros((count, len(strip.amounts)), np.int64)
        for k, amount in enumerate(strip.amounts):
            sums[:, k] = added(self.sums[:, k], of_pixel, amount[inside])
        kinds = np.zeros(count, np.uint8)
        kinds[of_known], kinds[of_run] = self.codes, runs.codes
        corners = _Corners.together([self.corners.numbered(of_known), _corners(codes, runs, of_run, self.row)])

        last = of_run[runs.starts >= codes.size - self.width]
        is_open = np.zeros(count, np.bool_)
        is_open[last] = True
        number = np.where(is_open, np.cumsum(is_open), np.cumsum(~is_open)) - 1
        of_open = is_open[corners.region]
        corners = corners.numbered(number.astype(np.int64))
        first, polygons = _outlines(corners.where(~of_open), self.transform)
        self.row += len(strip.codes)
        self.last_codes, self.last_regions = codes[-1], number[last].astype(np.int64)
        self.codes, self.pixels, self.sums = kinds[is_open], pixels[is_open], sums[is_open]
        self.corners = corners.where(of_open)
        return Regions(kinds[~is_open], pixels[~is_open], first, sums[~is_open], polygons)


def _joined(edges: tuple[NDArray[np.int64], NDArray[np.int64]], nodes: int) -> tuple[int, NDArray[np.int64]]:
    """Number of the sets that edges join nodes to, and the set of each node."""
    if nodes == 0:
        return 0, np.zeros(0, np.int64)
    graph = coo_array((np.ones(len(edges[0]), np.int8), edges), shape=(nodes, nodes))
    count, sets = connected_components(graph, directed=False)
    return int(count), sets.astype(np.int64)


class _Runs:
    """Runs of equal code above 0 in the rows of an array, row by row from left to right.

    Attributes:
        starts: Position in the flattened array of the first pixel of each run.
        lengths: Pixels of each run.
        codes: Code of each run.
    """

    def __init__(self, codes: NDArray[np.uint8]) -> None:
        self._codes = codes
        self._begins = codes > 0
        self._begins[:, 1:] &= codes[:, 1:] != codes[:, :-1]
        ends = codes > 0
        ends[:, :-1] &= codes[:, 1:] != codes[:, :-1]
        self.starts = np.flatnonzero(self._begins)
        self.lengths = np.flatnonzero(ends) + 1 - self.starts
        self.codes = codes.ravel()[self.starts]

    def at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The runs that pixels lie in, given by their position in the flattened array."""
        return np.searchsorted(self.starts, positions, side="right") - 1

    def links(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of runs of the same code in one row and the next that share an edge."""
        same = (self._codes[1:] == self._codes[:-1]) & (self._begins[1:] | self._begins[:-1])
        # Where they begin to run side by side, one of both begins.
        same &= self._codes[1:] > 0
        positions = np.flatnonzero(same)
        return self.at(positions), self.at(positions + self._codes.shape[1])


def _corners(codes: NDArray[np.uint8], runs: _Runs, of_run: NDArray[np.int64], top: int) -> _Corners:
    """Corners of outlines on the lines between rows.

    Args:
        codes: ``(1 + rows, width)``; there are as many lines as rows.
        runs: Of ``codes``.
        of_run: Their regions.
        top: Row of the raster that the first line lies above.
    """
    width = codes.shape[1]
    wide = np.pad(codes, ((0, 0), (1, 1)))
    # The four pixels round each point: a b
    #                                    c d
    a, b, c, d = wide[:-1, :-1], wide[:-1, 1:], wide[1:, :-1], wide[1:, 1:]
    points = np.flatnonzero(((a != b) | (c != d)) & ((a != c) | (b != d)))
    line, col = np.divmod(points, width + 1)
    around = [[wide[line, col], wide[line, col + 1]], [wide[line + 1, col], wide[line + 1, col + 1]]]
    parts = []
    for down in (0, 1):
        for right in (0, 1):
            own, beside, over, across = (
                around[down][right], around[down][1 - right], around[1 - down][right], around[1 - down][1 - right],
            )  # fmt: skip
            # This pixel is a corner of its region, or the only one of four that is missing in that of the others.
            convex = (own > 0) & (own != beside) & (own != over)
            concave = (across > 0) & (across == beside) & (across == over) & (own != across)
            for which, at_down, at_right, turns in ((convex, down, right, False), (concave, 1 - down, 1 - right, True)):
                at_line, at_col = line[which], col[which]
                pixel = (at_line + at_down) * width + at_col + at_right - 1
                number = len(at_line)
                parts.append(
                    _Corners(
                        of_run[runs.at(pixel)], (at_line + top).astype(np.int32), at_col.astype(np.int32),
                        np.full(number, bool(right)), np.full(number, bool(down)),
                        np.full(number, (right == down) != turns),
                    )
                )  # fmt: skip
    return _Corners.together(parts)


def _outlines(corners: _Corners, transform: Affine) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
    """The polygons of complete regions from their corners, and the row and column of their first pixels."""
    corners = corners.where(np.lexsort((corners.right, corners.col, corners.row, corners.region)))
    region, row, col, down = corners.region, corners.row, corners.col, corners.down.copy()
    number = len(region)
    if not number:
        return np.zeros((0, 2), np.int64), np.zeros(0, dtype=object)
    # Two pixels of a region that meet at a point: not their edges are joined there, but those of the gaps beside them.
    pinched = np.flatnonzero((region[1:] == region[:-1]) & (row[1:] == row[:-1]) & (col[1:] == col[:-1]))
    down[pinched] ^= True
    down[pinched + 1] ^= True
    along_column = np.lexsort((down, row, col, region)).reshape(-1, 2)
    following = np.empty(number, np.int64)
    following[along_column[:, 0]], following[along_column[:, 1]] = along_column[:, 1], along_column[:, 0]
    following = np.where(corners.along_row, np.arange(number) ^ 1, following)

    path, starts = _cycles(following)
    ring = np.zeros(number, np.intp)
    ring[starts[1:]] = 1
    ring = np.cumsum(ring)
    at_row, at_col = row[path].astype(np.float64), col[path].astype(np.float64)
    t = transform
    xy = np.stack([t.c + at_col * t.a + at_row * t.b, t.f + at_col * t.d + at_row * t.e], axis=1)
    # The first corner of a region is one of its outer ring.
    rings = np.asarray(shapely.linearrings(xy, indices=ring), dtype=object)
    polygons = np.asarray(shapely.polygons(rings, indices=region[path[starts]]), dtype=object)
    firsts = np.flatnonzero(np.diff(region, prepend=-1))
    return np.stack([row[firsts], col[firsts]], axis=1).astype(np.int64), polygons


def _cycles(following: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The elements in the order of the cycles that they are on, and where in it each cycle begins."""
    following_of = memoryview(following.data)
    seen = bytearray(len(following))
    path, starts = array("q"), array("q")
    for first in range(len(following)):
        if not seen[first]:
            starts.append(len(path))
            element = first
            while not seen[element]:
                seen[element] = 1
                path.append(element)
                element = following_of[element]
    return np.frombuffer(path, np.int64), np.frombuffer(starts, np.int64)
