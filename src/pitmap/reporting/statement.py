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
from pyproj import CRS, Transformer

from pitmap.grid import Grid
from pitmap.legend import LandCoverClass, Legend
from pitmap.raster.bands import Composite, composite
from pitmap.raster.codes import WARNINGS_TAG, class_areas
from pitmap.raster.reading import describe, read_reduced
from pitmap.reporting.content import answer
from pitmap.reporting.mine_pictures import Gallery, Mine, describe_mines, gallery, shown_bands
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
)

if TYPE_CHECKING:
    pass

PICTURE_SIDE = 760
"""Longest side of map and image on the page, in pixels."""

MINES_ON_PAGE = 8
"""Mines on the first page, the largest; the annex has others."""


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
        mines: The largest mines, in their order, which the annex lists; None where they were not extracted.
        number_of_mines: Of all, 0 where they were not extracted.
        mines_file: Name of the GeoPackage that has all of them, empty where they were not extracted.
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
    mines_file: str
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
    mines_file: str = "",
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
        mines_file: Name of their file.
        estimate: Content of ``SampleEstimate.to_json`` for this very map.
        date: Acquisition date.
        others: Maps of the same report that the page does not speak of.
        threshold_ha: An area that was asked about: the page says that nothing is known of it where the estimate does
            not answer, or there is none.

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
    areas = _areas(map_path, legend, estimate, threshold_ha)
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
        mines_file=mines_file,
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


def _areas(
    map_path: Path, legend: Legend, estimate: Mapping[str, Any] | None, threshold_ha: float | None
) -> tuple[Area, ...]:
    pixels, square_metres = class_areas(map_path, len(legend))
    estimated = {} if estimate is None else {c["key"]: c for c in estimate["classes"]}
    return tuple(
        Area(
            c,
            None if square_metres is None else float(square_metres[k]) / 1e4,
            int(pixels[k]),
            estimated.get(c.key, {}).get("area"),
            answer(estimated.get(c.key, {}).get("exceeds"), threshold_ha),
        )
        for k, c in enumerate(legend)
    )


def gallery_of(statement: Statement) -> list[Gallery]:
    """All that the annex says of the mines of the first page; nothing where they are all on it, without pictures."""
    mines = statement.mines
    if not mines or (len(mines) <= MINES_ON_PAGE and not mines[0].thumbnail):
        return []
    return [gallery(statement.name, mines, statement.number_of_mines, statement.mines_file)]


def photograph(
    image: Path, bands: Sequence[int | str] | None, nodata: float | None, shape: tuple[int, int]
) -> tuple[Composite, str]:
    """What the image shows, and its picture in the shape of the map's."""
    chosen, names = shown_bands(image, bands)
    kind = composite(names)
    pixels, valid = read_reduced(image, chosen, max(shape), nodata)
    rgb = stretched(pixels[list(kind.bands)], valid)
    if rgb.shape[:2] != shape:
        rgb = np.stack([resized(rgb[..., k], shape) for k in range(3)], axis=2)
    return kind, jpeg(rgb)


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
