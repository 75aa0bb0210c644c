"""Terrain heights for orthorectification: always metres above the WGS 84 ellipsoid.

An RPC wants ellipsoidal heights; most elevation models hold heights above a geoid (SRTM and ASTER: EGM96). GDAL
converts only where the CRS says so and a geoid grid is installed, and is silent where it does not. Here the geoid is
added in the open: the vertical datum is declared, or the model is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Transformer
from rasterio.features import geometry_mask
from rasterio.fill import fillnodata
from scipy.ndimage import distance_transform_edt, label, map_coordinates
from scipy.ndimage import maximum as maximum_of_labels
from shapely import get_coordinates, transform
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from pitmap.errors import ProductError
from pitmap.grid import Grid, Window, lack_of_place
from pitmap.imagery.longitudes import WGS84, near, positions_on
from pitmap.imagery.options import Voids
from pitmap.imagery.resample import sample_bilinear
from pitmap.paths import is_gdal
from pitmap.raster.reading import RasterInfo, RasterReader, describe, open_raster, opened

LOWEST, HIGHEST = -1000.0, 9000.0
"""Heights beyond these are voids, whatever the file says."""
MAX_PIXELS = 48_000_000
"""Heights held in memory; a finer model is averaged down to it."""
MAX_VOID = 100
"""Pixels from a void's inside to the nearest height, up to which it is filled."""

_FEET = {"foot": 0.3048, "survey foot": 1200 / 3937}
_UNITS = {
    **dict.fromkeys(("", "m", "metre", "metres", "meter", "meters", "unknown"), 1.0),
    **dict.fromkeys(("ft", "foot", "feet", "international foot", "international feet"), _FEET["foot"]),
    **dict.fromkeys(
        ("us survey foot", "us survey feet", "survey foot", "survey feet", "us foot", "us feet", "us ft", "ftus",
         "ft us", "foot us", "sft"), _FEET["survey foot"],
    ),
    **dict.fromkeys(("cm", "centimetre", "centimeter"), 0.01), **dict.fromkeys(("dm", "decimetre", "decimeter"), 0.1),
    **dict.fromkeys(("mm", "millimetre", "millimeter"), 0.001), **dict.fromkeys(("km", "kilometre", "kilometer"), 1e3),
}  # fmt: skip
"""Metres in a unit of heights, by the names that files give it, in lower case and without punctuation."""


@dataclass(frozen=True)
class Heights:
    """A surface of ellipsoidal heights.

    Attributes:
        values: Metres above the ellipsoid, float32, ``(row, col)``; NaN in voids that are left. A single value is a
            level surface.
        grid: Where they lie; None for a level surface.
        source: What they are made of, as one phrase.
        datum: How they became ellipsoidal, as one phrase.
        warnings: Remarks on what was done.
    """

    values: NDArray[np.float32]
    grid: Grid | None
    source: str
    datum: str
    warnings: tuple[str, ...] = ()

    def image_positions(self, lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rows and columns of geographic positions, (0, 0) being the centre of the upper left height."""
        if self.grid is None:
            zero = np.zeros(np.broadcast(lon, lat).shape)
            return zero, zero
        return positions_on(self.grid, lon, lat)

    def sample(
        self, rows: NDArray[np.float32], cols: NDArray[np.float32], origin: tuple[int, int] = (0, 0)
    ) -> NDArray[np.float32]:
        """Bilinear heights at positions from ``image_positions``.

        Args:
            rows: ``(height, width)``, counted from ``origin``.
            cols: Likewise.
            origin: Row and column of the surface near the positions, which keeps these small for single precision.

        Returns:
            Metres, ``(height, width)``; NaN outside the surface.
        """
        if self.grid is None:
            return np.full(rows.shape, self.values[0, 0], np.float32)
        height, width = self.values.shape
        outside = (rows < -0.5 - origin[0]) | (rows > height - 0.5 - origin[0])
        outside |= (cols < -0.5 - origin[1]) | (cols > width - 0.5 - origin[1])
        top, left = min(max(origin[0] - 1, 0), height - 1), min(max(origin[1] - 1, 0), width - 1)
        bottom = max(origin[0] + math.ceil(float(rows.max())) + 2, top + 1)
        right = max(origin[1] + math.ceil(float(cols.max())) + 2, left + 1)
        part = np.ascontiguousarray(self.values[top:bottom, left:right])
        sampled = sample_bilinear(
            torch.from_numpy(part)[None],
            torch.from_numpy(rows + np.float32(origin[0] - top)),
            torch.from_numpy(cols + np.float32(origin[1] - left)),
        )[0].numpy()
        sampled[outside] = np.nan
        return sampled

    def at(self, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.float64]:
        """Heights at geographic positions in double precision; NaN outside the surface."""
        if self.grid is None:
            return np.full(np.broadcast(lon, lat).shape, float(self.values[0, 0]))
        row, col = self.image_positions(lon, lat)
        height, width = self.values.shape
        inside = (row >= -0.5) & (row <= height - 0.5) & (col >= -0.5) & (col <= width - 0.5)
        sampled = map_coordinates(self.values, [row.ravel(), col.ravel()], np.float64, order=1, mode="nearest")
        return np.where(inside, sampled.reshape(row.shape), np.nan)


def level(height: float, source: str = "constant height") -> Heights:
    """A level surface at a height above the ellipsoid."""
    return Heights(np.full((1, 1), height, np.float32), None, f"{source} {height:g} m", "ellipsoid")


def undulation(lon: ArrayLike, lat: ArrayLike, geoid: Path | None = None) -> NDArray[np.float64]:
    """Height of a geoid above the ellipsoid, bilinear in its grid.

    Args:
        lon: Degrees, any shape, broadcast with ``lat``.
        lat: Degrees.
        geoid: A raster of geoid heights in metres with a CRS (its scale and offset tags are applied). By default EGM96,
            every 15 minutes, which is part of the package.

    Returns:
        Metres, float64.

    Raises:
        ProductError: The geoid file does not cover the positions, or has no CRS.
    """
    lon, lat = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
    if geoid is not None:
        return _undulation(lon, lat, Path(geoid))
    with resources.as_file(resources.files("pitmap.imagery") / "us_nga_egm96_15.tif") as shipped:
        return _undulation(lon, lat, shipped)


def _undulation(lon: NDArray[np.float64], lat: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    with open_raster(path, [1], nodata=_nodata(describe(path))) as reader:
        grid = reader.grid
        if grid.crs is None:
            raise ProductError(
                f"The geoid {path} {lack_of_place(grid.local_crs)}.",
                "A raster of geoid heights on a map or in degrees.",
            )
        # Grids run from -180 or from 0, and a global one closes on itself.
        row, col = positions_on(grid, lon, lat)
        wraps = grid.crs.is_geographic and abs(grid.width * grid.transform.a - 360) < abs(grid.transform.a) / 2
        beyond = col.min() < -0.5 or col.max() > grid.width - 0.5
        if row.min() < -0.5 or row.max() > grid.height - 0.5 or (beyond and not wraps):
            raise ProductError(
                f"The geoid {path} does not cover the scene.",
                "Geoid heights of the whole scene.", "Give another file, or use egm96.",
            )  # fmt: skip
        top, bottom = max(int(row.min()), 0), min(int(row.max()) + 2, grid.height)
        columns = np.arange(math.floor(col.min()), math.floor(col.max()) + 2)
        columns = columns % grid.width if wraps else columns.clip(0, grid.width - 1)
        values = np.empty((bottom - top, len(columns)))
        # A global grid is read in one piece on either side of its seam.
        seams = [0, *(np.flatnonzero(np.diff(columns) < 0) + 1), len(columns)]
        for start, stop in pairwise(seams):
            first, last = columns[start], columns[stop - 1]
            pixels, valid = reader.read(Window(top, int(first), bottom - top, int(last - first + 1)))
            piece = np.where(valid, pixels[0] * reader.info.scales[0] + reader.info.offsets[0], np.nan)
            values[:, start:stop] = piece[:, columns[start:stop] - first]
        found = map_coordinates(
            values, [(row - top).ravel(), (col - math.floor(col.min())).ravel()], order=1, mode="nearest"
        )
    if not np.isfinite(found).all():
        raise ProductError(f"The geoid {path} has voids in the scene.", remedy="Give another file, or use egm96.")
    return found.reshape(row.shape)


def declared_datum(info: RasterInfo) -> str | None:
    """The vertical datum that a model's CRS declares: ``egm96``, ``ellipsoid``, the name of another, or None."""
    crs = info.grid.crs
    if crs is None:
        return None
    if (vertical := _vertical(crs)) is not None:
        return "egm96" if "EGM96" in vertical.name.upper() else vertical.name
    # A compound CRS has three axes too, but its heights are those of its vertical part.
    return "ellipsoid" if len(crs.axis_info) == 3 else None


def _vertical(crs: CRS) -> CRS | None:
    """The vertical part of a compound CRS."""
    return next((part for part in crs.sub_crs_list if part.is_vertical), None)


def _metres(dem: Path, info: RasterInfo) -> tuple[float, str]:
    """Metres in a unit of a model's heights, and the name of the unit, of its band or else of its CRS.

    Raises:
        ProductError: The unit is not known, or band and CRS name different ones.
    """
    with opened(dem) as source:
        named = (source.units[0] or "").strip()
    of_band = _UNITS.get(re.sub(r"[\W_]+", " ", named.lower()).strip())
    if of_band is None:
        raise ProductError(
            f"The heights of the elevation model {dem} are in {named!r}.", "Metres or feet.",
            "Convert them, or name the unit of the band right (gdal_edit -units m).",
        )  # fmt: skip
    crs = info.grid.crs
    axes = [] if crs is None else [axis for axis in crs.axis_info if axis.direction.lower() in ("up", "down")]
    if not axes:
        return of_band, named or "m"
    if axes[0].direction.lower() == "down":
        raise ProductError(f"The elevation model {dem} counts downwards, as its CRS says.", "Heights, not depths.")
    of_crs = float(axes[0].unit_conversion_factor)
    if named and not math.isclose(of_band, of_crs, rel_tol=1e-9):
        raise ProductError(
            f"The elevation model {dem} gives its heights in {named!r} and, in its CRS, in {axes[0].unit_name}.",
            "One unit.", "Correct the file (gdal_edit -units, -a_srs).",
        )  # fmt: skip
    return of_crs, named or axes[0].unit_name


def read_heights(
    dem: Path,
    datum: str | Path | None,
    area: BaseGeometry,
    *,
    incidence: float = 0.0,
    pixel_size_m: float = 4.0,
    voids: Voids = "fill",
) -> Heights:
    """The ellipsoidal heights of an area from an elevation model.

    Args:
        dem: A raster of heights, in metres or in the unit that its band or CRS names, with a CRS.
        datum: What its heights count from: ``egm96``, ``ellipsoid``, or the path of a raster of geoid heights. None
            takes what the CRS of the model declares.
        area: The ground that must be covered, longitude and latitude.
        incidence: Angle of view from the vertical in degrees, for the message on an undeclared datum.
        pixel_size_m: Pixel of the result; a model finer than that is averaged.
        voids: ``fill`` from the surroundings up to ``MAX_VOID`` pixels deep, ``refuse``, or ``leave``: like ``fill``,
            but deeper voids stay, as NaN.

    Raises:
        ProductError: The datum is not declared, the unit is not known, the model does not cover the area, or has voids
            that are neither filled nor left.
        ImageError: The model cannot be read.
    """
    info = describe(dem)
    if info.grid.crs is None:
        raise ProductError(
            f"The elevation model {dem} {lack_of_place(info.grid.local_crs)}.",
            "A model with a CRS that has a place on the Earth.",
            "Assign it with gdal_edit.",
        )
    warnings = []
    declared, named = declared_datum(info), ("egm96", "ellipsoid")
    if None not in (datum, declared) and declared != str(datum) and (declared in named or str(datum) in named):
        warnings.append(f"The CRS of the elevation model declares {declared}; its heights are taken as {datum}.")
    datum = _settled_datum(dem, info, datum, area, incidence, pixel_size_m)
    metres, unit = _metres(dem, info)
    if metres != 1:
        warnings.append(f"The heights of the elevation model are in {unit}; they are converted to metres.")
    crs = _horizontal(info.grid.crs)
    to_dem = Transformer.from_crs(WGS84, crs, always_xy=True)
    # A degree or a metre has no part in the choice of points along an edge: 50 on each show its curve.
    if crs.is_geographic:
        west, _, east, _ = info.grid.bounds
        about, middle = area.centroid.x, (west + east) / 2
        area = translate(area, float(near(about, middle)) - about)
    shape = transformed(area.segmentize(area.length / 200), to_dem.transform)
    window = _covering_window(dem, info, crs, shape)
    side = math.sqrt(max(info.grid.crop(window)._cell_area_m2(0, 0, 1.0), 1e-12))
    factor = max(1, round(pixel_size_m / side), math.ceil(math.sqrt(window.height * window.width / MAX_PIXELS)))
    with open_raster(dem, [1], nodata=_nodata(info)) as reader:
        values = _averaged(reader, window, factor, metres)
    coarse = info.grid.rescaled(window.row, window.col, factor, *values.shape)
    grid = Grid(crs, coarse.transform, *coarse.shape)
    inside = ~geometry_mask([shape], values.shape, grid.transform, all_touched=True)
    values, remarks = _without_voids(dem, values, inside, voids)
    warnings += remarks
    values, words = _to_ellipsoid(values, grid, datum)
    return Heights(values, grid, f"{Path(dem).name}, {side * factor:.3g} m", words, tuple(warnings))


def _without_voids(
    dem: Path, values: NDArray[np.float32], inside: NDArray[np.bool_], voids: Voids
) -> tuple[NDArray[np.float32], list[str]]:
    """Heights with their voids filled, or left where they are too deep and that is wanted; and what was done."""
    missing = np.isnan(values)
    if not missing.any():
        return values, []
    if missing.all():
        raise ProductError(f"The elevation model {dem} has no height in the scene.", remedy="Give another model.")
    share = float((missing & inside).sum()) / max(int(inside.sum()), 1)
    if share and voids == "refuse":
        raise ProductError(
            f"The elevation model {dem} has voids in {share:.2%} of the scene.", "Heights everywhere.",
            "Fill them, or let them be filled from their surroundings.", ["voids"],
        )  # fmt: skip
    depth = distance_transform_edt(missing)
    reach = float(depth[inside].max(initial=0))
    if reach <= MAX_VOID or voids == "fill":
        if reach > MAX_VOID:
            raise ProductError(
                f"The elevation model {dem} has a void that reaches {reach:.0f} pixels from the nearest height "
                f"({share:.1%} of the scene).",
                f"Voids of at most {MAX_VOID} pixels from their edge, which can be filled.",
                "Give another model, or let such voids be left: the image has no data there.",
                ["voids"],
            )
        said = f"Voids of the elevation model in {share:.2%} of the scene were filled from around them."
        return _filled(values, missing), [said] if share else []
    regions, count = label(missing)
    deep = np.zeros(count + 1, np.bool_)
    deep[1:] = maximum_of_labels(depth, regions, np.arange(1, count + 1)) > MAX_VOID
    left = deep[regions]
    left_share = float((left & inside).sum()) / max(int(inside.sum()), 1)
    filled = np.where(left, np.float32(np.nan), _filled(values, missing))
    remarks = [f"Voids of the elevation model in {left_share:.2%} of the scene are too deep to fill: no data there."]
    if share > left_share:
        remarks.append(
            f"Voids of the elevation model in {share - left_share:.2%} of the scene were filled from around them."
        )
    return filled.astype(np.float32), remarks


def _settled_datum(
    dem: Path, info: RasterInfo, datum: str | Path | None, area: BaseGeometry, incidence: float, pixel_size_m: float
) -> str | Path:
    if datum is not None:
        return datum
    declared = declared_datum(info)
    if declared in ("egm96", "ellipsoid"):
        return declared
    lon, lat = area.centroid.x, area.centroid.y
    n = float(undulation(lon, lat))
    shift = abs(n) * math.tan(math.radians(incidence))
    found = f"declares {declared}" if declared else "does not declare its vertical datum"
    raise ProductError(
        f"The elevation model {dem} {found}.",
        f"What its heights count from: here EGM96 lies {n:.1f} m from the ellipsoid, and the wrong choice shifts the "
        f"image by {shift:.1f} m ({shift / pixel_size_m:.1f} pixels of {pixel_size_m:.3g} m) at a view angle of "
        f"{incidence:.1f} degrees.",
        "Give the vertical datum: egm96 (SRTM, ASTER, AW3D30), ellipsoid, or the path of a raster of geoid heights "
        "(EGM2008 for Copernicus DEM).",
        ["dem_datum"],
    )


def _covering_window(dem: Path, info: RasterInfo, crs: CRS, shape: BaseGeometry) -> Window:
    """The pixels of a model around an area, with a margin for the displacement by relief."""
    rows, cols = info.grid.pixel_positions(*get_coordinates(shape).T)
    top, bottom, left, right = rows.min() + 0.5, rows.max() + 0.5, cols.min() + 0.5, cols.max() + 0.5
    height, width = info.grid.shape
    # A row or column of heights on the edge reaches half a pixel; one pixel beyond is still interpolation's reach.
    beyond = {"upper": -top, "lower": bottom - height, "left": -left, "right": right - width}
    if any(v > 1 for v in beyond.values()):
        sides = {"upper": "north", "lower": "south", "left": "west", "right": "east"}
        unit = "degrees" if crs.is_geographic else "m"
        step = {"upper": abs(info.grid.transform.e), "lower": abs(info.grid.transform.e)}
        named = [
            f"{v * step.get(k, abs(info.grid.transform.a)):.3g} {unit} in the {sides[k]}"
            for k, v in beyond.items()
            if v > 1
        ]
        raise ProductError(
            f"The elevation model {dem} does not cover the scene: it lacks {', '.join(named)}.",
            "Heights of the whole scene.",
            "Give a larger model (gdalbuildvrt joins tiles), or a smaller extent.",
            ["extent"],
        )
    margin = 16
    first_row, first_col = max(int(top) - margin, 0), max(int(left) - margin, 0)
    last_row, last_col = min(int(bottom) + margin + 1, height), min(int(right) + margin + 1, width)
    return Window(first_row, first_col, last_row - first_row, last_col - first_col)


def _averaged(reader: RasterReader, window: Window, factor: int, metres: float) -> NDArray[np.float32]:
    """Heights in metres, means of ``factor`` x ``factor`` pixels, NaN where there is none; read in strips."""
    rows, cols = -(-window.height // factor), -(-window.width // factor)
    result = np.empty((rows, cols), np.float32)
    strip = max(1, 2**22 // (window.width * factor))
    for start in range(0, rows, strip):
        stop = min(start + strip, rows)
        height = min(stop * factor, window.height) - start * factor
        pixels, valid = reader.read(Window(window.row + start * factor, window.col, height, window.width))
        heights = (pixels[0].astype(np.float32) * reader.info.scales[0] + reader.info.offsets[0]) * metres
        valid &= (heights > LOWEST) & (heights < HIGHEST)
        result[start:stop] = _block_means(np.where(valid, heights, 0).astype(np.float32), valid, factor)
    return result


def _block_means(heights: NDArray[np.float32], valid: NDArray[np.bool_], factor: int) -> NDArray[np.float32]:
    if factor == 1:
        return np.where(valid, heights, np.float32(np.nan))
    rows, cols = np.arange(0, heights.shape[0], factor), np.arange(0, heights.shape[1], factor)
    total = np.add.reduceat(np.add.reduceat(heights, rows, axis=0), cols, axis=1)
    count = np.add.reduceat(np.add.reduceat(valid.astype(np.float32), rows, axis=0), cols, axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.float32(np.nan)).astype(np.float32)


def _filled(values: NDArray[np.float32], missing: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Voids filled by inverse distance from their surroundings; what that does not reach takes the nearest height."""
    nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
    base = values[tuple(nearest)]
    filled = fillnodata(base.copy(), mask=~missing, max_search_distance=MAX_VOID, smoothing_iterations=0)
    return np.asarray(np.where(np.isfinite(filled), filled, base), np.float32)


def _to_ellipsoid(values: NDArray[np.float32], grid: Grid, datum: str | Path) -> tuple[NDArray[np.float32], str]:
    name = str(datum).lower()
    if name == "ellipsoid":
        return values, "ellipsoid"
    if name != "egm96" and not is_gdal(datum) and not Path(datum).is_file():
        raise ProductError(
            f"The vertical datum {str(datum)!r} is not known.",
            "egm96, ellipsoid, or the path of a raster of geoid heights.",
            options=["dem_datum"],
        )
    geoid = None if name == "egm96" else Path(datum)
    height, width = values.shape
    # Undulation is smooth: exact every 16 heights, bilinear between.
    rows, cols = (np.linspace(0, n - 1, max(2, -(-n // 16) + 1)) for n in (height, width))
    x, y = grid.pixel_centres(rows[:, None], cols[None, :])
    assert grid.crs is not None
    lon, lat = Transformer.from_crs(grid.crs, WGS84, always_xy=True).transform(x, y)
    nodes = undulation(lon, lat, geoid).astype(np.float32)
    added = _interpolation(rows, height) @ nodes @ _interpolation(cols, width).T
    return (values + added).astype(
        np.float32
    ), "EGM96 added to reach the ellipsoid" if geoid is None else f"{geoid.name} added"


def _interpolation(nodes: NDArray[np.float64], length: int) -> NDArray[np.float32]:
    """Matrix ``(length, nodes)`` of linear interpolation from nodes to 0 .. length - 1."""
    weights = [np.interp(np.arange(length), nodes, unit) for unit in np.eye(len(nodes))]
    return np.asarray(np.stack(weights, axis=1), np.float32)


def transformed(shape: BaseGeometry, change: Callable[..., tuple[Any, Any]]) -> BaseGeometry:
    """A shape in other coordinates, given what takes x and y of points to them."""
    return transform(shape, lambda xy: np.stack(change(*xy.T), axis=1))


def typical_height(dem: Path, lon: float, lat: float) -> float:
    """Height of a model near a place, metres above its own datum: to find where a scene lies.

    Raises:
        ImageError: The model cannot be read.
    """
    info = describe(dem)
    if info.grid.crs is None:
        return 0.0
    grid = Grid(_horizontal(info.grid.crs), info.grid.transform, *info.grid.shape)
    row, col = (float(v) for v in positions_on(grid, lon, lat))
    if not (0 <= row < info.grid.height and 0 <= col < info.grid.width):
        return 0.0
    top, left = max(int(row) - 32, 0), max(int(col) - 32, 0)
    window = Window(top, left, min(64, info.grid.height - top), min(64, info.grid.width - left))
    with open_raster(dem, [1], nodata=_nodata(info)) as reader:
        heights = _averaged(reader, window, 1, _metres(dem, info)[0])
    return float(np.nanmedian(heights)) if np.isfinite(heights).any() else 0.0


def _horizontal(crs: CRS) -> CRS:
    if crs.is_compound:
        return crs.sub_crs_list[0]
    return crs.to_2d() if len(crs.axis_info) == 3 else crs


def _nodata(info: RasterInfo) -> float:
    """The file's own nodata value; without one, the usual -32768, because height 0 is a height."""
    return -32768.0 if info.nodata is None else info.nodata
