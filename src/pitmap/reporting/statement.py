"""The page that is signed: what one map says of one place on one date, with the hectares corrected for its errors.

Everything on it comes from the map, its mines, the image that it was made from and, for the corrected hectares, the
estimate from a labelled sample of points. It needs no training and no labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from pitmap.grid import Grid, Window
from pitmap.legend import LandCoverClass, Legend
from pitmap.raster.bands import Composite, composite
from pitmap.raster.codes import WARNINGS_TAG, class_areas
from pitmap.raster.reading import RasterInfo, describe, open_raster, read_reduced
from pitmap.reporting.mine_table import MineTable
from pitmap.reporting.pictures import (
    Outline,
    ScaleBar,
    coloured,
    confidence_picture,
    jpeg,
    mine_outlines,
    png,
    resized,
    scale_bar,
    stretched,
    svg_path,
    to_picture,
)

if TYPE_CHECKING:
    import geopandas as gpd

PICTURE_SIDE = 760
"""Longest side of map and image on the page, in pixels."""

THUMBNAIL_SIDE = 160
"""Side of the picture of one mine, in pixels."""

MINES_ON_PAGE = 8
"""Mines on the first page, the largest; the annex has the others."""

THUMBNAILS = 50
"""Mines that get a picture of their own, the largest."""


@dataclass(frozen=True)
class Area:
    """What is said of the area of one class.

    Attributes:
        of: The class.
        mapped_ha: Hectares of its pixels on the map, None without a CRS.
        mapped_pixels: Their number.
        corrected: ``value``, ``lower``, ``upper``, ``warning`` in hectares, from a sample; None without one.
        exceeds: ``threshold`` in hectares and the ``probability`` that the area is larger; None where none was asked.
    """

    of: LandCoverClass
    mapped_ha: float | None
    mapped_pixels: int
    corrected: Mapping[str, Any] | None
    exceeds: Mapping[str, float] | None


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
class Place:
    """Where a map lies.

    Attributes:
        lon: Degrees east of its centre.
        lat: Degrees north of its centre.
        west: Least longitude.
        south: Least latitude.
        east: Greatest longitude.
        north: Greatest latitude.
        crs: Name of its coordinate reference system.
        land: SVG path of the land of the earth, x = longitude + 180, y = 90 - latitude.
    """

    lon: float
    lat: float
    west: float
    south: float
    east: float
    north: float
    crs: str
    land: str


@dataclass(frozen=True)
class Statement:
    """Everything on the page.

    Attributes:
        name: Of the place or scene.
        date: Acquisition date of the image, ``YYYY-MM-DD``, None where it is not known.
        source: File name of the image, empty where it is not known.
        place: None without a CRS.
        pixel_size_m: None without a CRS.
        height: Rows of the map.
        width: Columns of the map.
        areas: Of all classes.
        signed: Those of the mine classes.
        mines: The largest mines, in their order; None where they were not extracted.
        number_of_mines: Of all, 0 where they were not extracted.
        map: Data URI.
        image: Data URI, empty without an image.
        shows: What the image shows, None without an image.
        confidence: Data URI of the confidence in grey, empty without one.
        picture_height: Rows of the pictures.
        picture_width: Columns of the pictures.
        outlines: Of the mines on the pictures.
        scale_bar: None without a CRS.
        north_up: Whether up is north.
        points: Points that the corrected areas rest on, None without a sample.
        unlike: Whether the map says that its image is unlike the ground that the network was trained on.
        others: Maps of the same report that this page does not speak of.
        threshold_ha: An area that was asked about, None where none was.
    """

    name: str
    date: str | None
    source: str
    place: Place | None
    pixel_size_m: float | None
    height: int
    width: int
    areas: tuple[Area, ...]
    signed: tuple[Area, ...]
    mines: tuple[Mine, ...] | None
    number_of_mines: int
    map: str
    image: str
    shows: Composite | None
    confidence: str
    picture_height: int
    picture_width: int
    outlines: tuple[Outline, ...]
    scale_bar: ScaleBar | None
    north_up: bool
    points: int | None
    unlike: bool
    others: int = 0
    threshold_ha: float | None = None


def state(
    map_path: Path,
    legend: Legend,
    mine_keys: Sequence[str],
    *,
    name: str,
    image: Path | None = None,
    bands: Sequence[int | str] | None = None,
    nodata: float | None = None,
    confidence: Path | None = None,
    mines: MineTable | None = None,
    estimate: Mapping[str, Any] | None = None,
    date: str | None = None,
    others: int = 0,
    threshold_ha: float | None = None,
) -> Statement:
    """Collect what the page says of a map.

    Args:
        map_path: Land-cover codes.
        legend: Its classes.
        mine_keys: Those whose hectares are signed.
        name: Of the place or scene.
        image: The image that it was made from.
        bands: Bands of the image, counted from 1, or their names; None for all.
        nodata: Overrides the image's own.
        confidence: The map's confidence.
        mines: The map's mines.
        estimate: Content of ``SampleEstimate.to_json`` for this very map.
        date: Acquisition date.
        others: Maps of the same report that the page does not speak of.
        threshold_ha: An area that was asked about: without an estimate the page says that nothing is known of it.

    Raises:
        ImageError: A raster cannot be read.
    """
    info = describe(map_path)
    grid = info.grid
    codes = read_reduced(map_path, [1], PICTURE_SIDE)[0][0]
    shape = codes.shape
    shown: Composite | None = None
    picture = ""
    if image is not None:
        shown, picture = photograph(image, bands, nodata, shape)
    sure = ""
    if confidence is not None and confidence.exists():
        steps = resized(read_reduced(confidence, [1], PICTURE_SIDE)[0][0], shape)
        sure = confidence_picture(steps)
    factor = shape[0] / grid.height, shape[1] / grid.width
    transform = grid.transform
    areas = _areas(map_path, legend, estimate)
    return Statement(
        name=name,
        date=date,
        source="" if image is None else image.name,
        place=None if grid.crs is None else _place(grid),
        pixel_size_m=grid.pixel_size_m,
        height=grid.height,
        width=grid.width,
        areas=areas,
        signed=tuple(a for a in areas if a.of.key in mine_keys),
        mines=None if mines is None else describe_mines(mines, grid, image, bands, nodata),
        number_of_mines=0 if mines is None else len(mines),
        map=png(coloured(codes, legend)),
        image=picture,
        shows=shown,
        confidence=sure,
        picture_height=shape[0],
        picture_width=shape[1],
        outlines=() if mines is None else tuple(mine_outlines(mines.largest, transform, legend, factor)),
        scale_bar=None if grid.pixel_size_m is None else scale_bar(grid.width * grid.pixel_size_m),
        north_up=grid.crs is not None and transform.b == transform.d == 0 and transform.e < 0 < transform.a,
        points=None if estimate is None else int(estimate["overall_accuracy"]["points"]),
        unlike=WARNINGS_TAG in info.tags,
        others=others,
        threshold_ha=threshold_ha,
    )


def _areas(map_path: Path, legend: Legend, estimate: Mapping[str, Any] | None) -> tuple[Area, ...]:
    pixels, square_metres = class_areas(map_path, len(legend))
    estimated = {} if estimate is None else {c["key"]: c for c in estimate["classes"]}
    return tuple(
        Area(
            c,
            None if square_metres is None else float(square_metres[k]) / 1e4,
            int(pixels[k]),
            estimated.get(c.key, {}).get("area"),
            estimated.get(c.key, {}).get("exceeds"),
        )
        for k, c in enumerate(legend)
    )


def photograph(
    image: Path, bands: Sequence[int | str] | None, nodata: float | None, shape: tuple[int, int]
) -> tuple[Composite, str]:
    """What the image shows, and its picture in the shape of the map's."""
    chosen, names = _bands(describe(image), image, bands)
    kind = composite(names)
    pixels, valid = read_reduced(image, chosen, max(shape), nodata)
    rgb = stretched(pixels[list(kind.bands)], valid)
    if rgb.shape[:2] != shape:
        rgb = np.stack([resized(rgb[..., k], shape) for k in range(3)], axis=2)
    return kind, jpeg(rgb)


def _bands(info: RasterInfo, image: Path, bands: Sequence[int | str] | None) -> tuple[list[int], list[str]]:
    with open_raster(image, bands) as reader:
        chosen = list(reader.indices)
    return chosen, [info.descriptions[i - 1] or f"band {i}" for i in chosen]


def _place(grid: Grid) -> Place:
    assert grid.crs is not None
    to_degrees = Transformer.from_crs(grid.crs, CRS.from_epsg(4326), always_xy=True)
    steps = np.linspace(0, 1, 9)
    rows = np.concatenate([0 * steps, 0 * steps + 1, steps, steps, [0.5]]) * grid.height
    cols = np.concatenate([steps, steps, 0 * steps, 0 * steps + 1, [0.5]]) * grid.width
    a, b, c, d, e, f = grid.transform[:6]
    x, y = a * cols + b * rows + c, d * cols + e * rows + f
    lon, lat = (np.asarray(v) for v in to_degrees.transform(x, y))
    return Place(
        float(lon[-1]), float(lat[-1]), float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max()),
        str(grid.crs.name), _land(),
    )  # fmt: skip


def _land() -> str:
    """The land of the earth as SVG path data (Natural Earth, see PROVENANCE.md)."""
    rings = json.loads(resources.files("pitmap.reporting").joinpath("land.json").read_text(encoding="utf-8"))["land"]
    return "".join("M" + "L".join(f"{x + 180} {90 - y}" for x, y in ring) + "Z" for ring in rings)


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
    chosen, names = _bands(describe(image), image, bands)
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
