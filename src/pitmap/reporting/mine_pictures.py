"""Mines one by one: their places, pictures and numbers, and how many of them a report shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from pitmap.grid import Grid, Window
from pitmap.raster.bands import composite
from pitmap.raster.reading import describe, open_raster
from pitmap.reporting.mine_table import MineTable
from pitmap.reporting.pictures import jpeg, stretched, svg_path, to_picture

if TYPE_CHECKING:
    import geopandas as gpd

THUMBNAIL_SIDE = 160
"""Side of the picture of one mine, in pixels."""

THUMBNAILS = 50
"""Mines that get a picture of their own, the largest."""


@dataclass(frozen=True)
class Mine:
    """One mine.

    Attributes:
        number: Its ``id``: 1 is the largest.
        name: Of its class.
        area_ha: On the ellipsoid, None without a CRS.
        pixels: Their number.
        confidence: Mean over its pixels, None where it was not kept.
        lon: Degrees east of a point inside, None without a CRS.
        lat: Degrees north, likewise.
        thumbnail: Data URI, empty for mines beyond the largest ``THUMBNAILS`` or without an image.
    """

    number: int
    name: str
    area_ha: float | None
    pixels: int
    confidence: float | None
    lon: float | None
    lat: float | None
    thumbnail: str


@dataclass(frozen=True)
class Gallery:
    """Mines of a scene as the annex shows them, the largest first.

    Attributes:
        name: Of the scene.
        drawn: Mines with a picture.
        listed: The mines after them, with number, hectares and place.
        number: Of all mines.
        file: Name of the GeoPackage that has all.
    """

    name: str
    drawn: tuple[Mine, ...]
    listed: tuple[Mine, ...]
    number: int
    file: str

    @property
    def shown(self) -> int:
        """Mines of either kind."""
        return len(self.drawn) + len(self.listed)


def gallery(name: str, mines: Sequence[Mine], number: int, file: str, *, in_full: bool = True) -> Gallery:
    """Mines of a scene for the annex.

    Args:
        name: Of the scene.
        mines: Of ``describe_mines``.
        number: Of all mines.
        file: Name of the GeoPackage that has all.
        in_full: Whether all of ``mines`` are shown; else those with pictures, or as many where there are none.
    """
    drawn = tuple(m for m in mines if m.thumbnail)
    listed = tuple(m for m in mines if not m.thumbnail)
    if not in_full:
        listed = () if drawn else listed[:THUMBNAILS]
    return Gallery(name, drawn, listed, number, file)


def shown_bands(image: Path, bands: Sequence[int | str] | None) -> tuple[list[int], list[str]]:
    """Bands of an image counted from 1, those of a selection or all, and their names."""
    names = describe(image).descriptions
    with open_raster(image, bands) as reader:
        chosen = list(reader.indices)
    return chosen, [names[i - 1] or f"band {i}" for i in chosen]


def describe_mines(
    mines: MineTable, grid: Grid, image: Path | None, bands: Sequence[int | str] | None, nodata: float | None
) -> tuple[Mine, ...]:
    """The largest mines with their places and, of the largest, their pictures.

    Args:
        mines: The map's mines.
        grid: Of the map.
        image: The image that was mapped, None for no pictures.
        bands: Its bands that are mapped, None for all.
        nodata: Overrides the image's own.
    """
    table = mines.largest
    inside = shapely.point_on_surface(np.asarray(table.geometry.array, dtype=object))
    x, y = shapely.get_x(inside), shapely.get_y(inside)
    lon: Sequence[float | None] = [None] * len(table)
    lat: Sequence[float | None] = [None] * len(table)
    if grid.crs is not None and len(table):
        degrees = Transformer.from_crs(grid.crs, CRS.from_epsg(4326), always_xy=True).transform(x, y)
        lon, lat = (np.asarray(v).tolist() for v in degrees)
    pictures = [""] * len(table)
    if image is not None:
        pictures[:THUMBNAILS] = _thumbnails(table.head(THUMBNAILS), grid, image, bands, nodata)
    rows = table.drop(columns=table.geometry.name).to_dict("records")
    return tuple(
        Mine(
            int(row["id"]),
            str(row["name"]),
            None if row.get("area_ha") is None else float(row["area_ha"]),
            int(row["pixels"]),
            None if row.get("confidence") is None or np.isnan(row["confidence"]) else float(row["confidence"]),
            lon[k],
            lat[k],
            pictures[k],
        )
        for k, row in enumerate(rows)
    )


def _thumbnails(
    table: gpd.GeoDataFrame, grid: Grid, image: Path, bands: Sequence[int | str] | None, nodata: float | None
) -> list[str]:
    """A square of the image round each mine with its outline, as data URIs of SVG pictures."""
    chosen, names = shown_bands(image, bands)
    shown = composite(names)
    result = []
    polygons = np.asarray(table.geometry.array, dtype=object)
    with open_raster(image, chosen, nodata) as reader:
        own = reader.grid
        if grid.crs is not None and own.crs is not None and not own.same_as(grid):
            move = Transformer.from_crs(grid.crs, own.crs, always_xy=True)
            polygons = shapely.transform(polygons, lambda c: np.stack(move.transform(*c.T), axis=1))
        pixels_of = to_picture(polygons, own.transform, (1.0, 1.0))
        for polygon in pixels_of:
            left, top, right, bottom = polygon.bounds
            side = max(right - left, bottom - top, 24.0) * 1.4
            window = Window(int((top + bottom - side) / 2), int((left + right - side) / 2), int(side), int(side))
            result.append(_thumbnail(reader.grid, window, polygon, *_read_square(reader, window, shown.bands)))
    return result


def _read_square(reader: Any, window: Window, order: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Bands and validity of a window that may reach beyond the image, thinned to what a thumbnail shows.

    Only what is shown is read: a mine may reach across the whole scene.
    """
    step = max(1, round(window.height / THUMBNAIL_SIDE))
    height, width = -(-window.height // step), -(-window.width // step)
    pixels, valid = np.zeros((3, height, width), np.float64), np.zeros((height, width), np.bool_)
    row, col = max(window.row, 0), max(window.col, 0)
    end_row = min(window.row + window.height, reader.grid.height)
    end_col = min(window.col + window.width, reader.grid.width)
    if end_row > row and end_col > col:
        where = _thinned(row, end_row, window.row, step), _thinned(col, end_col, window.col, step)
        shape = where[0].stop - where[0].start, where[1].stop - where[1].start
        part, part_valid = reader.read_at(Window(row, col, end_row - row, end_col - col), shape)
        pixels[:, where[0], where[1]] = part[list(order)]
        valid[where] = part_valid
    return pixels, valid


def _thinned(start: int, end: int, first: int, step: int) -> slice:
    """Where pixels ``start`` to ``end`` lie if one in ``step`` is shown from ``first`` on; one at least."""
    begin = (start - first) // step
    return slice(begin, max(begin + 1, -(-(end - first) // step)))


def _thumbnail(grid: Grid, window: Window, polygon: Any, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> str:
    """An SVG of the photograph and the outline over it, dark and light so that it shows on any ground."""
    path = svg_path(shapely.transform(polygon, lambda c: c - [window.col, window.row]))
    width = 0.012 * window.width
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {window.width} {window.height}">'
        f'<image href="{jpeg(stretched(pixels, valid))}" width="{window.width}" height="{window.height}" '
        f'preserveAspectRatio="none"/><path d="{path}" fill="none" stroke="#101418" stroke-width="{3 * width:.2f}" '
        f'stroke-opacity=".7"/><path d="{path}" fill="none" stroke="#fff" stroke-width="{1.4 * width:.2f}"/></svg>'
    )
    return text
