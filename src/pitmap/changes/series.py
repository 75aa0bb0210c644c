"""Maps of several dates on one grid, read strip by strip in codes of one legend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from pitmap.changes.classes import same_classes
from pitmap.errors import ImageError, LabelError
from pitmap.grid import Grid, Window, lack_of_place
from pitmap.legend import Legend
from pitmap.mapping.mines import map_legend
from pitmap.raster.reading import describe, read_onto

STRIP_PIXELS = 2**21
"""Pixels of a strip, about: what is held of a scene at a time."""


class Strip(NamedTuple):
    """A strip of ground.

    Attributes:
        window: Where it lies on the grid of the first map.
        codes: Classes on each date, uint8 ``(date, rows, cols)``; 0 is no data.
        mapped: The same as the maps have them, before borders within the tolerance were laid back.
    """

    window: Window
    codes: NDArray[np.uint8]
    mapped: NDArray[np.uint8]


@dataclass(frozen=True)
class Series:
    """Maps in the order of their dates.

    Attributes:
        paths: The maps.
        legend: The classes of the first map, whose codes all have.
        grid: The pixels of the first map, on which all are read.
        tables: Codes of each map in those of the legend.
        grids: Where the pixels of the grid are looked up in each map: moved where a map is to be aligned.
        tolerance: See ``settled``.
    """

    paths: tuple[Path, ...]
    legend: Legend
    grid: Grid
    tables: tuple[NDArray[np.uint8], ...]
    grids: tuple[Grid, ...]
    tolerance: int

    def strips(self) -> Iterator[Strip]:
        """The strips from north to south; memory does not grow with their number.

        Raises:
            ImageError: A map cannot be read, or holds numbers that are no codes.
            LabelError: A map holds a code that its legend lacks.
        """
        halo = self.tolerance * (len(self.paths) - 1)
        rows = max(64, 2 * halo, STRIP_PIXELS // self.grid.width)
        for row in range(0, self.grid.height, rows):
            window = Window(row, 0, min(rows, self.grid.height - row), self.grid.width)
            top, bottom = max(row - halo, 0), min(row + window.height + halo, self.grid.height)
            around = Window(top, 0, bottom - top, window.width)
            mapped = np.stack([self._read(k, around) for k in range(len(self.paths))])
            inner = slice(row - top, row - top + window.height)
            yield Strip(window, settled(mapped, self.tolerance)[:, inner], mapped[:, inner])

    def _read(self, index: int, window: Window) -> NDArray[np.uint8]:
        path = self.paths[index]
        values, valid = read_onto(path, self.grids[index], window)
        if values.dtype.kind not in "ui" or values[valid].max(initial=0) > 255 or values[valid].min(initial=0) < 0:
            raise ImageError(f"{path} holds {values.dtype} values that are no class codes.", "Codes from 1 to 254.")
        own = np.where(valid, values, 0).astype(np.uint8)
        codes = self.tables[index][own]
        if (lost := (own > 0) & (codes == 0)).any():
            raise LabelError(
                f"{path} holds the code {int(own[lost].max())}.",
                f"Codes 1 to {len(self.legend)} of its legend, and 0 for no data.",
            )
        return codes


def open_series(
    paths: Sequence[Path], legend: Legend | None = None, tolerance: int = 1,
    shifts: Sequence[tuple[float, float]] | None = None,
) -> Series:  # fmt: skip
    """Check that maps can be compared, from their headers.

    Args:
        paths: The maps, earliest first.
        legend: The classes of all maps; by default each says its own.
        tolerance: See ``settled``.
        shifts: By how many rows and columns of the first map's grid each map lies too far down and right.

    Raises:
        ImageError: A map cannot be read, or has no place on the Earth.
        LabelError: The maps have other classes, or no common ground.
    """
    infos = [describe(path) for path in paths]
    legends = [map_legend(path, legend) for path in paths]
    grid = infos[0].grid
    for info in infos:
        if info.grid.crs is None:
            raise ImageError(
                f"{info.path} {lack_of_place(info.grid.local_crs)}, so it cannot be laid over another map, and its "
                "hectares are not known.",
                "Maps with a coordinate reference system.",
                "Assign the CRS with gdal_edit or QGIS.",
            )
        if not info.grid.overlaps(grid):
            raise LabelError(
                f"{info.path} and {paths[0]} have no common ground.", "Maps of one place.",
                "Check the CRS of both maps, and that they show the same place.",
            )  # fmt: skip
    tables = [same_classes(legends[0], own, (paths[0], p)) for own, p in zip(legends, paths, strict=True)]
    moved = [_moved(grid, *shift) for shift in shifts or [(0.0, 0.0)] * len(paths)]
    return Series(tuple(paths), legends[0], grid, tuple(tables), tuple(moved), tolerance)


def _moved(grid: Grid, rows: float, cols: float) -> Grid:
    if rows == cols == 0:
        return grid
    t = grid.transform
    transform = Affine(t.a, t.b, t.c + t.a * cols + t.b * rows, t.d, t.e, t.f + t.d * cols + t.e * rows)
    return Grid(grid.crs, transform, grid.height, grid.width)


def settled(codes: NDArray[np.uint8], tolerance: int) -> NDArray[np.uint8]:
    """Codes of several dates in which no border has moved by less than can be told.

    A pixel that changed from class A to class B keeps A where, within ``tolerance`` pixels (in a square), the earlier
    date has B and the later date A, and it lies in no square of ``tolerance + 1`` pixels a side that all changed from A
    to B: the border between A and B may have been drawn that far off. Each date is compared with the one before as it
    was settled, so that a border that creeps is seen when it has crept far enough.

    Args:
        codes: uint8 ``(date, rows, cols)``, 0 is no data, which no change leads to or from.
        tolerance: Pixels.
    """
    if tolerance == 0:
        return codes
    result = codes.copy()
    for k in range(1, len(codes)):
        before, after = result[k - 1], codes[k]
        changed = (before != after) & (before > 0) & (after > 0)
        if not changed.any():
            continue
        was, still = np.zeros(changed.shape, np.bool_), np.zeros(changed.shape, np.bool_)
        height, width = changed.shape
        steps = range(-tolerance, tolerance + 1)
        for down in steps:
            for right in steps:
                here = _span(down, height), _span(right, width)
                there = _span(-down, height), _span(-right, width)
                was[here] |= before[there] == after[here]
                still[here] |= after[there] == before[here]
        sliver = changed & was & still & ~_broad(before, after, changed, tolerance + 1)
        result[k][sliver] = before[sliver]
    return result


def _broad(
    before: NDArray[np.uint8], after: NDArray[np.uint8], changed: NDArray[np.bool_], side: int
) -> NDArray[np.bool_]:
    """Pixels that lie in a square of changed pixels with one and the same class before, and one after."""
    height, width = changed.shape
    found = np.zeros(changed.shape, np.bool_)
    if height < side or width < side:
        return found
    kinds = np.where(changed, before.astype(np.int32) * 256 + after, -1)
    rows, cols = height - side + 1, width - side + 1
    corner = kinds[:rows, :cols]
    same = corner >= 0
    steps = [(down, right) for down in range(side) for right in range(side)]
    for down, right in steps:
        same &= kinds[down : down + rows, right : right + cols] == corner
    for down, right in steps:
        found[down : down + rows, right : right + cols] |= same
    return found


def _span(step: int, length: int) -> slice:
    """The indices that still exist after a step back."""
    return slice(max(step, 0), length + min(step, 0))
