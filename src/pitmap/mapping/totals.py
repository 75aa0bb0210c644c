"""How much of each class a map holds, counted tile by tile."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pitmap.grid import RUN, Grid, Window


class ClassTotals(NamedTuple):
    """What a map, or a part of one, holds of each class, by code.

    Attributes:
        pixels: int64 ``(classes + 1,)``; entry 0 counts what is not mapped.
        area_m2: float64 ``(classes + 1,)`` on the ellipsoid, entry 0 is 0; None without a CRS.
    """

    pixels: NDArray[np.int64]
    area_m2: NDArray[np.float64] | None

    def __add__(self, other: ClassTotals) -> ClassTotals:  # type: ignore[override]
        """Of two parts together."""
        both = self.area_m2 is not None and other.area_m2 is not None
        return ClassTotals(self.pixels + other.pixels, self.area_m2 + other.area_m2 if both else None)  # type: ignore[operator]


def count(codes: NDArray[np.uint8], grid: Grid, window: Window, classes: int) -> ClassTotals:
    """Pixels and areas of the codes of a window.

    Pixels are counted in runs along the rows, eight to a byte, and a run has the mean area of its pixels: a tenth of
    the time of weighing each pixel, and the same sum to 1e-6 and better.

    Args:
        codes: Of the window, ``(height, width)``, none above ``classes``.
        grid: Of the map.
        window: Where they lie.
        classes: Number of classes.
    """
    pixels, areas = np.zeros(classes + 1, np.int64), np.zeros(classes + 1)
    run_areas = None if grid.crs is None else grid.run_areas_m2(window)
    for code in range(1, classes + 1):
        in_runs = np.bitwise_count(np.packbits(codes == code, axis=1))  # (height, ceil(width / RUN))
        pixels[code] = in_runs.sum(dtype=np.int64)
        if run_areas is not None and pixels[code]:
            areas[code] = (in_runs * run_areas).sum()
    pixels[0] = codes.size - pixels.sum()
    return ClassTotals(pixels, None if run_areas is None else areas)


def nothing(grid: Grid, window: Window, classes: int) -> ClassTotals:
    """The totals of a window without a mapped pixel."""
    pixels = np.zeros(classes + 1, np.int64)
    pixels[0] = window.height * window.width
    return ClassTotals(pixels, None if grid.crs is None else np.zeros(classes + 1))


assert RUN == 8, "packbits holds eight pixels a byte"
