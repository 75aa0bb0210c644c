"""Drawing pixels of strata at random, in memory that does not grow with the map.

Pixels are drawn within a stratum without replacement with probability proportional to their area on the ellipsoid, so
that plain means over the points of a stratum estimate shares of its area in every CRS. Each pixel gets a random number
from an exponential distribution with its area as the rate; the pixels with the least numbers of a stratum are its
sample (Efraimidis and Spirakis 2006, Inf. Process. Lett. 97(5)). With the same seed a pixel keeps its number: a larger
sample of the same strata holds the smaller one, and its further points are those that a larger sample would have had
(permanent random numbers, Ohlsson 1995, Business Survey Methods, ch. 9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pitmap.accuracy.sampling.strata import Strata, Strips
from pitmap.errors import LabelError
from pitmap.grid import Grid
from pitmap.observer import SILENT, Observer

_POOL = 30
"""Candidates kept for each point where a least distance is asked for."""


@dataclass(frozen=True)
class Drawn:
    """Points in random order, so that the number of a point tells nothing.

    Attributes:
        rows: Row on the map.
        cols: Column on the map.
        stratum: Index of the stratum, from 0.
        codes: Map class.
    """

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    stratum: NDArray[np.int64]
    codes: NDArray[np.uint8]


def draw_points(
    strips: Strips,
    strata: Strata,
    points: NDArray[np.int64],
    seed: int,
    *,
    spacing_m: float = 0.0,
    taken: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    observer: Observer = SILENT,
) -> Drawn:
    """Draw points of each stratum.

    Args:
        strips: The map.
        strata: Its strata.
        points: How many of each, ``(H,)``.
        seed: Of the draw.
        spacing_m: Least distance of two points; 0 for none.
        taken: Rows and columns of pixels that are not drawn because they have been.
        observer: Told of the share of the map read.

    Raises:
        ImageError: The map cannot be read.
        LabelError: The points cannot be placed so far apart.
    """
    generator = np.random.default_rng(seed)
    lots = [_Lot(int(n) * (_POOL if spacing_m > 0 else 1)) for n in points]
    table = strata.table.ravel()
    for window, codes, cells, areas in strips.read():
        stratum = table[cells]
        if taken is not None:
            inside = (taken[0] >= window.row) & (taken[0] < window.row + window.height)
            stratum[taken[0][inside] - window.row, taken[1][inside]] = 0
        numbers = generator.exponential(size=stratum.shape) / areas
        thresholds = np.array([-1.0, *(lot.threshold for lot in lots)])
        rows, cols = np.nonzero(numbers < thresholds[stratum])
        found = stratum[rows, cols]
        for h, lot in enumerate(lots, start=1):
            of = found == h
            lot.add(numbers[rows[of], cols[of]], rows[of] + window.row, cols[of], codes[rows[of], cols[of]])
        observer.progress("drawing the sample", (window.row + window.height) / strips.grid.height)
    chosen = _spaced(lots, points, strips.grid, spacing_m)
    pairs = list(zip(lots, chosen, strict=True))
    order = generator.permutation(sum(len(c) for c in chosen))
    return Drawn(
        np.concatenate([lot.rows[c] for lot, c in pairs])[order],
        np.concatenate([lot.cols[c] for lot, c in pairs])[order],
        np.repeat(np.arange(len(lots)), [len(c) for c in chosen])[order],
        np.concatenate([lot.codes[c] for lot, c in pairs])[order],
    )


class _Lot:
    """The pixels of a stratum with the least random numbers so far, in their order."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.numbers = np.zeros(0)
        self.rows, self.cols = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.codes = np.zeros(0, np.uint8)

    @property
    def threshold(self) -> float:
        if self.size == 0:
            return -1.0
        return np.inf if len(self.numbers) < self.size else float(self.numbers[-1])

    def add(
        self,
        numbers: NDArray[np.float64],
        rows: NDArray[np.int64],
        cols: NDArray[np.int64],
        codes: NDArray[np.uint8],
    ) -> None:
        if not len(numbers):
            return
        every = np.concatenate([self.numbers, numbers])
        best = np.argsort(every, kind="stable")[: self.size]
        self.numbers = every[best]
        self.rows = np.concatenate([self.rows, rows])[best]
        self.cols = np.concatenate([self.cols, cols])[best]
        self.codes = np.concatenate([self.codes, codes])[best]


def _spaced(lots: list[_Lot], points: NDArray[np.int64], grid: Grid, spacing_m: float) -> list[NDArray[np.int64]]:
    """Positions in each lot of the points taken: the first ones, or the first that keep their distance."""
    if spacing_m <= 0:
        return [np.arange(len(lot.rows)) for lot in lots]
    step_row, step_col = grid.pixel_steps_m
    cells: dict[tuple[int, int], list[tuple[float, float]]] = {}
    chosen: list[NDArray[np.int64]] = [np.zeros(0, np.int64) for _ in lots]
    for h in np.argsort(points, kind="stable"):  # small strata first: they have the least choice
        taken: list[int] = []
        for k, (row, col) in enumerate(zip(lots[h].rows, lots[h].cols, strict=True)):
            if len(taken) == points[h]:
                break
            y, x = float(row) * step_row, float(col) * step_col
            cell = int(y // spacing_m), int(x // spacing_m)
            around = [p for i in (-1, 0, 1) for j in (-1, 0, 1) for p in cells.get((cell[0] + i, cell[1] + j), [])]
            if all((y - b) ** 2 + (x - a) ** 2 >= spacing_m**2 for b, a in around):
                cells.setdefault(cell, []).append((y, x))
                taken.append(k)
        if len(taken) < points[h]:
            raise LabelError(
                f"Only {len(taken)} of {points[h]} points of a stratum can be placed {spacing_m:g} m apart.",
                remedy="Ask for fewer points or a smaller distance.",
            )
        chosen[h] = np.array(taken, np.int64)
    return chosen
