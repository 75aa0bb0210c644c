"""Orthorectification: an image in sensor geometry onto a map grid, block by block in constant memory.

For every pixel of the grid: its longitude and latitude, the ellipsoidal height there, and the image position by the
camera model. A camera model is smooth in all three, terrain is not. So heights are taken at every pixel, and the model
is evaluated on a lattice at three heights and interpolated: linearly in position, as a parabola in height. The lattice
is refined until the interpolation is within ``TOLERANCE`` of the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Geod, Transformer
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info
from shapely import Polygon

from pitmap.errors import ProductError
from pitmap.grid import Grid, Window, blocks
from pitmap.imagery.heights import Heights, transformed
from pitmap.imagery.lattice import Axis, parabola, spread
from pitmap.imagery.longitudes import WGS84, near, positions_on
from pitmap.imagery.options import Kernel
from pitmap.imagery.resample import MARGIN, resample
from pitmap.imagery.rpc import Rpc

TOLERANCE = 0.05
"""Pixels by which interpolated image positions may differ from the camera model."""
BLOCK = 1024
"""Side of the blocks of the result, in pixels."""

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]


class CameraModel(Protocol):
    """What maps the ground to an image: ``Rpc``, or ``MapModel`` for an image that lies on a map already."""

    def project(self, lon: ArrayLike, lat: ArrayLike, height: ArrayLike) -> tuple[Floats, Floats]:
        """Row and column, (0, 0) at the centre of the upper left pixel; degrees, metres above the ellipsoid."""


@dataclass(frozen=True)
class MapModel:
    """The camera model of an image on a map: heights have no part in it."""

    grid: Grid

    def project(self, lon: ArrayLike, lat: ArrayLike, height: ArrayLike) -> tuple[Floats, Floats]:
        """Row and column of geographic positions."""
        lon, lat, _ = np.broadcast_arrays(lon, lat, height)
        return positions_on(self.grid, lon, lat)


class Positions(NamedTuple):
    """Image positions of the pixels of a window.

    ``rows`` and ``cols`` (float32, ``(height, width)``) count from the pixel ``row``, ``col`` of the image; NaN where
    the heights do not reach.
    """

    row: int
    col: int
    rows: Float32s
    cols: Float32s


class OrthoMap:
    """Image positions of the pixels of a map grid.

    Args:
        grid: The grid of the result.
        image: The pixels of the image (only their number is used).
        model: Camera model of the image.
        heights: Ellipsoidal heights.
        area: The ground that the image shows at most, longitude and latitude. A camera model can map ground far away
            into the image; beyond the area there is none. By default everywhere.
        tolerance: Largest error of the interpolation, in image pixels.
    """

    def __init__(
        self,
        grid: Grid,
        image: Grid,
        model: CameraModel,
        heights: Heights,
        area: Polygon | None = None,
        tolerance: float = TOLERANCE,
    ) -> None:
        self.grid, self.image, self.model, self.heights = grid, image, model, heights
        self.area, self.tolerance = area, tolerance
        self._to_geographic = Transformer.from_crs(grid.crs, WGS84, always_xy=True)

    def exact(self, rows: ArrayLike, cols: ArrayLike) -> tuple[Floats, Floats]:
        """Image ``row, col`` of pixels of the grid (broadcast indices), without interpolation; NaN without height."""
        lon, lat = self._geographic(np.asarray(rows, np.float64), np.asarray(cols, np.float64))
        return self.model.project(lon, lat, self.heights.at(lon, lat))

    def _geographic(self, rows: Floats, cols: Floats) -> tuple[Floats, Floats]:
        return self._to_geographic.transform(*self.grid.pixel_centres(*np.broadcast_arrays(rows, cols)))

    def positions(self, window: Window) -> Positions:
        """Image positions of the pixels of a window of the grid; all NaN where the image cannot be.

        Raises:
            ProductError: The camera model is not smooth there.
        """
        if self.area is not None and not self._ground(window).intersects(self.area):
            return _nowhere(window)
        spacing = 256
        while spacing >= 1:
            if (found := self._interpolated(window, spacing)) is not None:
                return found
            spacing //= 4
        raise ProductError(
            "The camera model cannot be followed from one pixel to the next.",
            "An RPC that is smooth over the image and the heights of its ground.",
            "Check that heights, RPC and image belong together.",
        )

    def _ground(self, window: Window) -> Polygon:
        """A window in longitude and latitude."""
        steps = np.linspace(0, 1, 5)
        rows = window.row - 0.5 + window.height * np.concatenate([0 * steps, steps, 0 * steps + 1, steps[::-1]])
        cols = window.col - 0.5 + window.width * np.concatenate([steps, 0 * steps + 1, steps[::-1], 0 * steps])
        lon, lat = self._geographic(rows, cols)
        if not np.isfinite([lon, lat]).all():
            return Polygon()
        assert self.area is not None
        centre = self.area.centroid.x
        return Polygon(zip(near(lon, centre), lat, strict=True)).buffer(0)

    def _interpolated(self, window: Window, spacing: int) -> Positions | None:
        """Positions from a lattice of nodes at a spacing, or None where they miss the tolerance."""
        down, across = (Axis(n, spacing) for n in (window.height, window.width))
        rows, cols = window.row + down.nodes[:, None], window.col + across.nodes[None, :]
        lon, lat = self._geographic(rows, cols)
        surface_rows, surface_cols = self.heights.image_positions(lon, lat)
        base_row, base_col = math.floor(surface_rows.min()), math.floor(surface_cols.min())
        # Positions relative to a nearby pixel, for single precision to hold a thousandth of a pixel.
        height = self.heights.sample(
            spread(surface_rows - base_row, down, across),
            spread(surface_cols - base_col, down, across),
            (base_row, base_col),
        )
        known = np.isfinite(height)
        if not known.any():
            return _nowhere(window)
        low, high = float(height[known].min()), float(height[known].max())
        middle, half = (low + high) / 2, max((high - low) / 2, 0.5)
        exact = self.model.project(lon, lat, middle + half * np.array([-1.0, 0.0, 1.0])[:, None, None])
        # Far outside the image positions can be anything; they stay outside.
        row_levels, col_levels = (np.nan_to_num(v, nan=-1e6).clip(-1e6, 1e6) for v in exact)
        if self._error(window, down, across, (low, middle, high), (row_levels, col_levels), half) > self.tolerance:
            return None
        row, col = (math.floor(max(float(v.min()), -1.0)) for v in (row_levels, col_levels))
        t = (height - np.float32(middle)) / np.float32(half)
        return Positions(
            row, col, parabola(row_levels - row, t, down, across), parabola(col_levels - col, t, down, across)
        )

    def _error(
        self,
        window: Window,
        down: Axis,
        across: Axis,
        levels: tuple[float, ...],
        image: tuple[Floats, Floats],
        half: float,
    ) -> float:
        """Distance of the interpolation from the model half way between nodes, where it is largest."""
        rows, cols = down.halves, across.halves
        lon, lat = self._geographic(window.row + rows[:, None], window.col + cols[None, :])
        worst = 0.0
        for level in (levels[0] * 0.75 + levels[2] * 0.25, levels[0] * 0.25 + levels[2] * 0.75):
            t = (level - levels[1]) / half
            true = self.model.project(lon, lat, level)
            inside = np.ones(lon.shape, np.bool_)
            for exact, length in zip(true, self.image.shape, strict=True):
                inside &= (exact > -0.1 * length) & (exact < 1.1 * length)
            if not inside.any():
                continue
            for v, exact in zip(image, true, strict=True):
                at_level = v[1] + t * (v[2] - v[0]) / 2 + t * t * (v[0] + v[2] - 2 * v[1]) / 2
                guess = down.weights_at(rows) @ at_level @ across.weights_at(cols).T
                worst = max(worst, float(np.abs(guess - exact)[inside].max()))
        return worst


def _nowhere(window: Window) -> Positions:
    nothing = np.full((window.height, window.width), np.nan, np.float32)
    return Positions(0, 0, nothing, nothing)


class Source(Protocol):
    """Pixels of an image by window, as ``pitmap.raster.RasterReader`` gives them."""

    @property
    def grid(self) -> Grid:
        """The pixels of the image."""

    def read(self, window: Window | None = None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Bands and validity of a window."""


class Block(NamedTuple):
    """A finished block: resampled values ``(band, row, col)`` float32, validity, and where it lies."""

    window: Window
    values: Float32s
    valid: NDArray[np.bool_]
    extra: NDArray[np.bool_] | None


def orthorectify(
    source: Source,
    mapping: OrthoMap,
    kernel: Kernel = "bilinear",
    block: int = BLOCK,
    mark: Callable[[NDArray[Any]], NDArray[np.bool_]] | None = None,
) -> Iterator[Block]:
    """Blocks of an image on a map grid, in constant memory.

    Where the grid is coarser than the image by 1.5 or more, every pixel is the mean of several positions, so that none
    of the image is left out.

    Args:
        source: The image.
        mapping: Grid, camera model and heights.
        kernel: ``bilinear`` or ``cubic``.
        block: Side of the blocks in pixels of the grid.
        mark: Given source pixels ``(band, row, col)``, which of them carry a flag (saturation). The flags come back in
            ``Block.extra``, by nearest neighbour, None where a block has none.

    Yields:
        The blocks, row by row, each pixel once.
    """
    parts = _reduction(mapping)
    maps = [_shifted(mapping, parts, i, j) for i in range(parts) for j in range(parts)]

    def locate(window: Window) -> list[Positions]:
        return [m.positions(window) for m in maps]

    windows = blocks(mapping.grid.shape, block)
    if max(mapping.grid.shape) <= block:
        yield _resampled(source, mapping.grid.window, locate(mapping.grid.window), kernel, mark)
        return
    # While one block is resampled, the positions of the next are found.
    with ThreadPoolExecutor(1) as ahead:
        queue: list[tuple[Window, Future[list[Positions]]]] = []
        while True:
            while len(queue) < 2 and (window := next(windows, None)) is not None:
                queue.append((window, ahead.submit(locate, window)))
            if not queue:
                return
            window, future = queue.pop(0)
            yield _resampled(source, window, future.result(), kernel, mark)


def _shifted(mapping: OrthoMap, parts: int, i: int, j: int) -> OrthoMap:
    """The map of the centres of one of ``parts`` x ``parts`` cells of every pixel."""
    if parts == 1:
        return mapping
    row, col = (i + 0.5) / parts - 0.5, (j + 0.5) / parts - 0.5
    grid = mapping.grid.rescaled(row, col, 1.0, *mapping.grid.shape)
    return OrthoMap(grid, mapping.image, mapping.model, mapping.heights, mapping.area, mapping.tolerance)


def _reduction(mapping: OrthoMap) -> int:
    """How many positions a side a pixel of the grid needs, from the step of image positions at the image's centre."""
    rows, cols = mapping.grid.height // 2 + np.array([0, 1, 0]), mapping.grid.width // 2 + np.array([0, 0, 1])
    lon, lat = mapping._geographic(rows.astype(np.float64), cols.astype(np.float64))
    level = float(np.nanmedian(mapping.heights.values))
    r, c = mapping.model.project(lon, lat, level)
    area = abs((r[1] - r[0]) * (c[2] - c[0]) - (r[2] - r[0]) * (c[1] - c[0]))
    return int(np.clip(round(math.sqrt(area)), 1, 16)) if np.isfinite(area) else 1


def _resampled(
    source: Source,
    window: Window,
    found: list[Positions],
    kernel: Kernel,
    mark: Callable[[NDArray[Any]], NDArray[np.bool_]] | None,
) -> Block:
    shape = window.height, window.width
    read = _source_window(found, source.grid)
    if read is None:
        bands = len(source.read(Window(0, 0, 1, 1))[0])
        return Block(window, np.zeros((bands, *shape), np.float32), np.zeros(shape, np.bool_), None)
    pixels, usable = source.read(read)
    total: Float32s | None = None
    count = np.zeros(shape, np.uint16)
    flags: NDArray[np.bool_] | None = None
    marked = None if mark is None else mark(pixels) & usable
    if marked is not None and not marked.any():
        marked = None
    image = pixels.astype(np.float32)
    for position in found:
        rows = position.rows + np.float32(position.row - read.row)
        cols = position.cols + np.float32(position.col - read.col)
        part, known = resample(image, usable, rows, cols, kernel)
        if len(found) > 1:
            part *= known
        total = part if total is None else total + part
        count += known
        if marked is not None:
            nearest = _nearest(marked, rows, cols)
            flags = nearest if flags is None else flags | nearest
    assert total is not None
    if len(found) > 1:
        total /= np.maximum(count, 1)
    valid = count * 2 > len(found)
    return Block(window, total, valid, None if flags is None else flags & valid)


def _nearest(flags: NDArray[np.bool_], rows: Float32s, cols: Float32s) -> NDArray[np.bool_]:
    """Flags ``(band, row, col)`` at the pixels nearest to positions; those outside take the border's."""
    height, width = flags.shape[1:]
    # NaN becomes the first pixel; such positions are not valid.
    r, c = (np.nan_to_num(v).clip(0, n - 1) for v, n in ((rows, height), (cols, width)))
    index = (r + np.float32(0.5)).astype(np.int32) * width + (c + np.float32(0.5)).astype(np.int32)
    return np.stack([band.ravel().take(index) if band.any() else np.zeros(rows.shape, np.bool_) for band in flags])


def _source_window(found: list[Positions], image: Grid) -> Window | None:
    """The pixels of the image that positions need; None where there are none."""
    top, left, bottom, right = math.inf, math.inf, -math.inf, -math.inf
    for position in found:
        inside = (position.rows > -1 - position.row) & (position.rows < image.height - position.row)
        inside &= (position.cols > -1 - position.col) & (position.cols < image.width - position.col)
        if not inside.any():
            continue
        rows, cols = position.rows[inside], position.cols[inside]
        top, bottom = min(top, position.row + float(rows.min())), max(bottom, position.row + float(rows.max()))
        left, right = min(left, position.col + float(cols.min())), max(right, position.col + float(cols.max()))
    if top > bottom:
        return None
    first_row, first_col = max(math.floor(top) - MARGIN, 0), max(math.floor(left) - MARGIN, 0)
    last_row = min(math.ceil(bottom) + MARGIN + 1, image.height)
    last_col = min(math.ceil(right) + MARGIN + 1, image.width)
    return Window(first_row, first_col, last_row - first_row, last_col - first_col)


def utm_zone(lon: float, lat: float) -> CRS:
    """The WGS 84 / UTM zone of a place.

    Raises:
        ProductError: It lies near a pole, where there is none.
    """
    lon = float(near(lon, 0.0))
    area = AreaOfInterest(lon, lat, lon, lat)
    if not (found := query_utm_crs_info(datum_name="WGS 84", area_of_interest=area)):
        raise ProductError(
            f"There is no UTM zone at {lat:.2f} N.", remedy="Name the CRS of the result.", options=["crs"]
        )
    # On the border of two zones both contain the place; the norm is the zone that begins there.
    return CRS.from_epsg(max(int(info.code) for info in found))


MAX_PIXELS = 4e9
"""Of a grid; the largest scenes of today have a fifth of it."""
MAX_BEYOND = 50
"""Times the ground of a scene that a grid may cover which is made for it."""


def grid_of(
    area: Polygon, crs: CRS, resolution: float, extent: tuple[float, float, float, float] | None = None
) -> Grid:
    """A north-up grid whose pixel corners lie on multiples of the resolution.

    A grid in degrees goes on beyond 180 where the area does.

    Args:
        area: Ground to cover, longitude and latitude; continued beyond 180 degrees where it crosses the antimeridian.
        crs: Of the result.
        resolution: Pixel size in units of ``crs``.
        extent: ``(x_min, y_min, x_max, y_max)`` in ``crs``, instead of the bounds of the area. In degrees, an ``x_max``
            below ``x_min`` lies beyond the antimeridian.

    Raises:
        ProductError: The extent is empty, the grid would be absurdly large or a single pixel, or the area crosses the
            seam of a projection.
    """
    if extent is None:
        bounds = transformed(area.segmentize(area.length / 200), _to_map(crs, area.centroid.x)).bounds
    else:
        bounds = extent
        if crs.is_geographic and bounds[2] < bounds[0]:
            bounds = bounds[0], bounds[1], bounds[2] + 360, bounds[3]
    sizes = f"The extent {', '.join(f'{v:.10g}' for v in bounds)} at a resolution of {resolution:g}"
    expected = "x_min, y_min, x_max, y_max in the units of the CRS, and a resolution in the same units."
    if not (np.isfinite(bounds).all() and bounds[0] < bounds[2] and bounds[1] < bounds[3]):
        raise ProductError(f"{sizes} is empty.", expected)
    height, width = ((bounds[i + 2] - bounds[i]) / resolution for i in (1, 0))
    if height * width > MAX_PIXELS:
        raise ProductError(
            f"{sizes} makes {height:.0f} x {width:.0f} pixels.",
            expected,
            _seam(crs, area, extent),
            ["resolution", "extent", "crs"],
        )
    if extent is None and max(height, width) < 1:
        raise ProductError(
            f"{sizes} makes a single pixel.", expected,
            "In degrees, 4 m are 0.000036." if crs.is_geographic else "",
        )  # fmt: skip
    left, bottom = (math.floor(v / resolution + 1e-3) for v in bounds[:2])
    right, top = (math.ceil(v / resolution - 1e-3) for v in bounds[2:])
    grid = Grid(
        crs, Affine(resolution, 0, left * resolution, 0, -resolution, top * resolution), top - bottom, right - left
    )
    if extent is None:
        # The ground of an area around the middle of a scene, against that of the pixels made for it.
        ground, _ = Geod(ellps="WGS84").geometry_area_perimeter(area)
        pixel = grid.rescaled(0, 0, 1.0, *grid.shape).pixel_size_m or 1.0
        if grid.height * grid.width * pixel**2 > MAX_BEYOND * abs(ground):
            raise ProductError(
                f"A grid of {grid.height} x {grid.width} pixels covers {MAX_BEYOND} times the ground of the scene.",
                "A CRS in which the scene lies in one piece.", _seam(crs, area, extent),
            )  # fmt: skip
    return grid


def _to_map(crs: CRS, about: float) -> Callable[[Floats, Floats], tuple[Floats, Floats]]:
    """Degrees to a CRS; to degrees again without a seam near a longitude."""
    transformer = Transformer.from_crs(WGS84, crs, always_xy=True)

    def to_map(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        x, y = transformer.transform(lon, lat)
        return (near(x, about), y) if crs.is_geographic else (x, y)

    return to_map


def _seam(crs: CRS, area: Polygon, extent: tuple[float, float, float, float] | None) -> str:
    west, _, east, _ = area.bounds
    if extent is None and not crs.is_geographic and (west < -180 or east > 180):
        return f"The scene crosses 180 degrees, where {crs.name} is cut: use its UTM zone, or degrees (EPSG:4326)."
    return ""


def footprint(model: Rpc, image: Grid, height: float) -> Polygon:
    """The ground that an image shows at a height, longitude and latitude.

    Args:
        model: The camera model.
        image: Its pixels.
        height: Metres above the ellipsoid.
    """
    steps = np.linspace(0, 1, 9)
    rows = np.concatenate([0 * steps, steps, 0 * steps + 1, steps[::-1]]) * image.height - 0.5
    cols = np.concatenate([steps, 0 * steps + 1, steps[::-1], 0 * steps]) * image.width - 0.5
    lon, lat = model.locate(rows, cols, height)
    # Longitudes on both sides of the antimeridian are continued beyond it.
    return Polygon(zip(near(lon, float(lon[0])), lat, strict=True)).buffer(0)
