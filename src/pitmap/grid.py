"""The pixel grid of a raster, windows on it, and the areas of its pixels: index arithmetic, no files.

Pixel pairs are ``row, col``; map pairs are ``x, y``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import CRSError, ProjError

NODE_DISTANCE_M = 2000.0
"""Distance of the pixels of which the area is computed; between them it changes almost evenly."""

RUN = 8
"""Neighbouring pixels of a row that are counted together where areas are summed."""


class Window(NamedTuple):
    """A rectangle of pixels: ``rows row .. row + height - 1`` and ``columns col .. col + width - 1``."""

    row: int
    col: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices, for the last two axes of an array."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)

    def relative_to(self, outer: Window) -> Window:
        """The same pixels counted from the upper left pixel of ``outer``."""
        return Window(self.row - outer.row, self.col - outer.col, self.height, self.width)


@lru_cache(maxsize=64)
def place_of(wkt: str) -> CRS | None:
    """The coordinate reference system of a file, if a way leads from it to longitude and latitude on WGS 84.

    Args:
        wkt: As the file states it.

    Returns:
        None for engineering (local), vertical and geocentric systems, for those of other planets, and for what PROJ
        does not understand.
    """
    try:
        crs = CRS.from_wkt(wkt)
        if len(crs.axis_info) < 2 or crs.is_geocentric or crs.is_engineering:
            return None
        Transformer.from_crs(crs, CRS.from_epsg(4326), always_xy=True)
    except (CRSError, ProjError):
        return None
    return crs


def lack_of_place(local_crs: str | None) -> str:
    """Why something has no place on the Earth, to follow its name in a sentence."""
    if local_crs is None:
        return "has no coordinate reference system"
    return f"has the coordinate reference system {crs_name(local_crs)}, from which no way leads to WGS 84"


def crs_name(wkt: str) -> str:
    """The name of a coordinate reference system in quotation marks."""
    found = re.match(r'\s*\w+\s*\[\s*"([^"]*)"', wkt)
    return repr(found[1] if found else wkt[:40])


PIXEL_FRAME = Affine(1, 0, 0, 0, -1, 0)
"""From pixel corners ``(col, row)`` to ``(x, y)`` where a file has no georeference: row 1 lies at y = -1, as QGIS lays
out such a raster, so that vectors made from it lie on it."""


@dataclass(frozen=True)
class Grid:
    """Where the pixels of a raster lie.

    Attributes:
        crs: Coordinate reference system, from which a way leads to WGS 84 (see ``place_of``); None for an image without
            georeference.
        transform: Affine from pixel corners ``(col, row)`` to ``(x, y)``; ``PIXEL_FRAME`` where a file states none.
        height: Number of rows.
        width: Number of columns.
        local_crs: WKT of a system from which no way leads to WGS 84, such as that of a building site. Such a raster is
            treated as one without georeference; what is made from it keeps the system.
    """

    crs: CRS | None
    transform: Affine
    height: int
    width: int
    local_crs: str | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``."""
        return self.height, self.width

    @property
    def counts_pixels(self) -> bool:
        """Whether coordinates are rows and columns, with y downwards or upwards, as of a file without georeference."""
        return self.transform in (PIXEL_FRAME, Affine.identity())

    @property
    def window(self) -> Window:
        """The whole grid as a window."""
        return Window(0, 0, self.height, self.width)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """``(x_min, y_min, x_max, y_max)`` of the outer pixel corners."""
        xs, ys = zip(*(_apply(self.transform, *corner) for corner in self._corners()), strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    def _corners(self) -> list[tuple[int, int]]:
        return [(0, 0), (self.width, 0), (self.width, self.height), (0, self.height)]

    def crop(self, window: Window) -> Grid:
        """The grid of a window of this one."""
        x, y = _apply(self.transform, window.col, window.row)
        t = self.transform
        return Grid(self.crs, Affine(t.a, t.b, x, t.d, t.e, y), window.height, window.width, self.local_crs)

    def rescaled(self, row: float, col: float, factor: float, height: int, width: int) -> Grid:
        """A grid of pixels ``factor`` times as wide that begins at the pixel corner ``row, col`` of this one.

        Args:
            row: Row of the corner, which may lie between corners.
            col: Column of the corner.
            factor: Width of the new pixels in pixels of this grid.
            height: Rows of the new grid.
            width: Columns of the new grid.
        """
        x, y = _apply(self.transform, col, row)
        t = self.transform
        transform = Affine(t.a * factor, t.b * factor, x, t.d * factor, t.e * factor, y)
        return Grid(self.crs, transform, height, width, self.local_crs)

    def same_as(self, other: Grid, tolerance: float = 1e-3) -> bool:
        """Whether both grids have the same pixels, to ``tolerance`` of a pixel at every corner."""
        if self.shape != other.shape or (self.crs is None) != (other.crs is None):
            return False
        if not self.same_frame(other):
            return self.crs is None
        inverse = ~self.transform
        return all(
            abs(value - corner[axis]) < tolerance
            for corner in self._corners()
            for axis, value in enumerate(_apply(inverse, *_apply(other.transform, *corner)))
        )

    def same_frame(self, other: Grid) -> bool:
        """Whether the coordinates of two grids mean the same, so that one is laid over the other without projecting."""
        if self.crs is None or other.crs is None:
            return self.crs is other.crs and self.local_crs is not None and self.local_crs == other.local_crs
        return self.crs.equals(other.crs, ignore_axis_order=True)

    def overlaps(self, other: Grid) -> bool:
        """Whether the bounding boxes of two grids overlap, in this one's CRS; grids without CRS overlap."""
        if self.crs is None or other.crs is None:
            return self.crs is other.crs
        to_own = Transformer.from_crs(other.crs, self.crs, always_xy=True)
        left, bottom, right, top = to_own.transform_bounds(*other.bounds)
        x_min, y_min, x_max, y_max = self.bounds
        return left < x_max and right > x_min and bottom < y_max and top > y_min

    def pixel_centres(self, rows: NDArray[Any], cols: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Map coordinates ``x, y`` of the centres of pixels given by (broadcast) row and column indices."""
        t = self.transform
        x = t.a * (cols + 0.5) + t.b * (rows + 0.5) + t.c
        y = t.d * (cols + 0.5) + t.e * (rows + 0.5) + t.f
        return np.asarray(x, np.float64), np.asarray(y, np.float64)

    def pixel_positions(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fractional ``row, col`` of points, (0, 0) at the centre of the upper left pixel: undoes ``pixel_centres``."""
        col, row = _apply(~self.transform, np.asarray(x, np.float64), np.asarray(y, np.float64))
        return row - 0.5, col - 0.5

    def pixel_indices(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of the pixels that hold points ``x, y``; outside the grid where the points are.

        Points without finite coordinates get -1, -1.
        """
        x, y, inverse = np.asarray(x, np.float64), np.asarray(y, np.float64), ~self.transform
        col = inverse.a * x + inverse.b * y + inverse.c
        row = inverse.d * x + inverse.e * y + inverse.f
        finite = np.isfinite(col) & np.isfinite(row)
        limit = 2.0**31  # far beyond any raster, and safe to turn into an integer
        row, col = (np.floor(np.clip(np.where(finite, v, -1.0), -limit, limit)).astype(np.int64) for v in (row, col))
        return row, col

    @cached_property
    def pixel_size_m(self) -> float | None:
        """Ground size of the centre pixel in metres (square root of its ellipsoidal area), None without a CRS."""
        if self.crs is None:
            return None
        return float(np.sqrt(self._cell_area_m2(self.height / 2 - 0.5, self.width / 2 - 0.5, 1.0)))

    @cached_property
    def pixel_steps_m(self) -> tuple[float, float]:
        """Length on the ground of one row and one column step in the middle of the grid; 1 without a CRS."""
        if self.crs is None:
            return 1.0, 1.0
        row, col = self.height / 2, self.width / 2
        x, y = self.pixel_centres(np.array([row, row + 1, row]), np.array([col, col, col + 1]))
        lon, lat = self._to_geographic.transform(x, y)
        _, _, length = Geod(ellps="WGS84").inv([lon[0]] * 2, [lat[0]] * 2, lon[1:], lat[1:])
        return float(length[0]), float(length[1])

    def _cell_area_m2(self, row: float, col: float, size: float) -> float:
        """Area on the WGS 84 ellipsoid of a cell of ``size`` pixels whose upper left pixel corner is ``row, col``."""
        steps = np.linspace(0, size, 5)
        cols = np.concatenate([col + steps, np.full(5, col + size), col + steps[::-1], np.full(5, col)])
        rows = np.concatenate([np.full(5, row), row + steps, np.full(5, row + size), row + steps[::-1]])
        x, y = self.pixel_centres(rows - 0.5, cols - 0.5)
        lon, lat = self._to_geographic.transform(x, y)
        area, _ = Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)
        return abs(area)

    @cached_property
    def _to_geographic(self) -> Transformer:
        return Transformer.from_crs(self.crs, CRS.from_epsg(4326), always_xy=True)

    def pixel_areas_m2(self, window: Window | None = None) -> NDArray[np.float64]:
        """Area of every pixel of a window on the WGS 84 ellipsoid.

        Exact at the nodes of a lattice, ``NODE_DISTANCE_M`` or at least 64 pixels apart, bilinear between them
        (relative error below 1e-6 for projected and geographic grids of pixels below 100 m).

        Args:
            window: The pixels wanted, by default all.

        Returns:
            Square metres, float64, shape ``(height, width)`` of the window.

        Raises:
            ValueError: The grid has no CRS.
        """
        if self.crs is None:
            raise ValueError("pixel areas need a CRS")
        window = window or self.window
        rows = np.arange(window.row, window.row + window.height)
        return self._areas_at(window, rows, np.arange(window.col, window.col + window.width))

    def run_areas_m2(self, window: Window) -> NDArray[np.float64]:
        """Mean area of the pixels of each run of ``RUN`` pixels along the rows of a window.

        As exact as ``pixel_areas_m2`` for a whole run. Where only part of a run is wanted, its mean may differ by the
        change of the area within it: below 2e-7 for pixels of 4 m.

        Returns:
            Square metres, float64 ``(height, ceil(width / RUN))``; the last run may be shorter.

        Raises:
            ValueError: The grid has no CRS.
        """
        starts = np.arange(0, window.width, RUN)
        middles = (starts + np.minimum(starts + RUN, window.width) - 1) / 2
        return self._areas_at(window, np.arange(window.row, window.row + window.height), window.col + middles)

    def _areas_at(self, window: Window, at_rows: NDArray[Any], at_cols: NDArray[Any]) -> NDArray[np.float64]:
        """Areas of the pixels of a window at rows and columns, which may lie between pixels."""
        if self.pixel_size_m is None:
            raise ValueError("pixel areas need a CRS")
        apart = min(max(NODE_DISTANCE_M / self.pixel_size_m, 64), 512) if self.pixel_size_m > 0 else 64

        def nodes(start: int, length: int) -> NDArray[np.float64]:
            return np.linspace(start, start + length - 1, int(-(-length // apart)) + 1 if length > 1 else 1)

        rows, cols = nodes(window.row, window.height), nodes(window.col, window.width)
        lattice = np.array([[self._cell_area_m2(r, c, 1.0) for c in cols] for r in rows])
        along_cols = np.stack([np.interp(at_cols, cols, line) for line in lattice])
        upper = np.clip(np.searchsorted(rows, at_rows, side="right") - 1, 0, max(len(rows) - 2, 0))
        if len(rows) == 1:
            return np.repeat(along_cols, window.height, axis=0)
        weight = ((at_rows - rows[upper]) / (rows[upper + 1] - rows[upper]))[:, None]
        return along_cols[upper] * (1 - weight) + along_cols[upper + 1] * weight


def _apply(transform: Affine, col: Any, row: Any) -> tuple[Any, Any]:
    """Map coordinates ``x, y`` of a point in pixels; ``*`` is deprecated from affine 3.0 on and ``@`` new in it."""
    t = transform
    return t.a * col + t.b * row + t.c, t.d * col + t.e * row + t.f


def origins(length: int, size: int, stride: int) -> list[int]:
    """Start indices of pieces of ``size`` at ``stride`` that cover ``length``; the last one shifts inwards.

    Args:
        length: Pixels to cover, at least 1.
        size: Length of a piece. Where it is not below ``length`` there is one piece, at 0.
        stride: Distance of neighbouring pieces, 1..size.
    """
    if length <= size:
        return [0]
    starts = list(range(0, length - size, stride))
    return [*starts, length - size]


def blocks(grid_shape: tuple[int, int], size: int) -> Iterator[Window]:
    """Windows of at most ``size`` x ``size`` pixels, row by row, that cover every pixel once; ragged at the end."""
    height, width = grid_shape
    for row in range(0, height, size):
        for col in range(0, width, size):
            yield Window(row, col, min(size, height - row), min(size, width - col))
