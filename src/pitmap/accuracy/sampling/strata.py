"""What the strata of a map are, read strip by strip in memory that does not grow with the map.

Every pixel lies in a cell: whether it is near the border of a class (zone), its map class, and how probable that class
is there (level). One reading adds up the ground of all cells; strata are sets of cells, so that they can be chosen from
the cells' ground before the map is read again for the draw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pitmap import landuse
from pitmap.errors import ImageError, LabelError
from pitmap.grid import Grid, Window
from pitmap.legend import UNLABELLED, Legend
from pitmap.observer import SILENT, Observer
from pitmap.raster.reading import RasterInfo, RasterReader, describe, open_raster

STRIP_ROWS = 128
"""Rows of the strips in which a map is read; GDAL's block cache keeps the row of tiles that they cut."""

STRIP_PIXELS = 2**21
"""Pixels of a strip at most, one row at least: a strip is held in numbers of eight bytes, several times."""

LEVELS = 256
"""Levels of a probability: level k is k / 255."""

OUTSIDE = (1, 0, 0)
"""The cell of ground that is not sampled at all: near a border and without a class, which no other ground is."""


@dataclass(frozen=True)
class Border:
    """Ground on both sides of the border of a class.

    Attributes:
        code: The class.
        width_m: How far the ground reaches on either side.
    """

    code: int
    width_m: float


@dataclass(frozen=True)
class Sureness:
    """How probable a class is, pixel by pixel.

    Attributes:
        path: The raster.
        kind: ``confidence``: the probability of the mapped class, of which one minus it bounds that of every other
            class; ``probabilities``: a band a class.
        code: The class.
        around: Pixels on each side over which it is averaged, see ``_levels``; 0 takes each pixel by itself.
    """

    path: Path
    kind: Literal["confidence", "probabilities"]
    code: int
    around: int = 0


class Strip(NamedTuple):
    """A strip of the map.

    Attributes:
        window: Where it lies.
        codes: Map classes, uint8 ``(rows, cols)``.
        cells: Index of each pixel's cell in a flattened ``(2, K + 1, LEVELS)``, int64 ``(rows, cols)``.
        areas: Square metres, pixels of 1 without a CRS.
    """

    window: Window
    codes: NDArray[np.uint8]
    cells: NDArray[np.int64]
    areas: NDArray[np.float64]


@dataclass(frozen=True)
class Ground:
    """The ground of a map by cells.

    Attributes:
        areas: Square metres (pixels without a CRS), ``(2, K + 1, LEVELS)``: zone, map class, level.
        pixels: Likewise.
        checksum: Of the map, see ``map_checksum``.
        sureness_checksum: Of the levels, empty where there are none.
    """

    areas: NDArray[np.float64]
    pixels: NDArray[np.int64]
    checksum: str
    sureness_checksum: str

    @property
    def unmapped(self) -> float:
        """Area that could be sampled if it had a class."""
        return float(self.areas[:, UNLABELLED].sum() - self.areas[OUTSIDE])


@dataclass(frozen=True)
class Strata:
    """Sets of cells.

    Attributes:
        names: Of strata 1, 2, ....
        table: Stratum of each cell, int16 ``(2, K + 1, LEVELS)``; 0 for ground that is in none.
    """

    names: tuple[str, ...]
    table: NDArray[np.int16]

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sum over the cells of each stratum, ``(H,)``."""
        return np.bincount(self.table.ravel(), values.ravel(), len(self.names) + 1)[1:]

    def classes(self, ground: Ground) -> list[tuple[int, ...]]:
        """Map classes that have pixels in each stratum."""
        found: list[tuple[int, ...]] = []
        for h in range(1, len(self.names) + 1):
            present = ((self.table == h) & (ground.pixels > 0)).any(axis=(0, 2))
            found.append(tuple(int(c) for c in np.flatnonzero(present)))
        return found


def class_strata(legend: Legend, belt_of: str | None = None) -> Strata:
    """The classes of the map, and where asked for the ground of other classes near one of them."""
    table = np.zeros((2, len(legend) + 1, LEVELS), np.int16)
    table[:] = np.arange(len(legend) + 1)[:, None]
    names = tuple(legend.keys)
    if belt_of is not None:
        others = [c.code for c in legend if c.key != belt_of]
        table[1, others] = len(names) + 1
        names = (*names, f"near {belt_of}")
    table[:, UNLABELLED] = 0
    return Strata(names, table)


@dataclass(frozen=True)
class Cuts:
    """Where the strata of an aimed sample are cut, see ``aimed_strata``; no levels leave a part whole.

    Attributes:
        mapped: Levels at which ground mapped as the class is cut.
        near: Levels at which ground of other classes near the class is cut; None: it is no part of its own.
        other: Levels at which the other ground is cut.
        edge: Whether ground of the class near its border is a stratum.
    """

    mapped: tuple[int, ...] = ()
    near: tuple[int, ...] | None = None
    other: tuple[int, ...] = ()
    edge: bool = False

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Cuts:
        """From ``asdict``, through JSON.

        Raises:
            LabelError: The strata were cut by an earlier version.
        """
        if set(content) != {"mapped", "near", "other", "edge"}:
            raise LabelError(
                "The strata of the sample were cut by a version of pitmap that cut them otherwise.",
                remedy="Enlarge it with that version, or draw a new sample; estimates from its labels are as before.",
            )
        near = content["near"]
        return cls(
            tuple(content["mapped"]), None if near is None else tuple(near), tuple(content["other"]), content["edge"]
        )


def aimed_strata(legend: Legend, key: str, cuts: Cuts) -> Strata:
    """Ground mapped as a class, ground near it and other ground, each cut by the probability of the class."""
    code = legend[key].code
    others = [c.code for c in legend if c.code != code]
    both, table = [0, 1], np.zeros((2, len(legend) + 1, LEVELS), np.int16)
    names: list[str] = []
    mapped = f"{key} as mapped" if not cuts.mapped and not cuts.edge else key
    parts: list[tuple[str, list[int], list[int], tuple[int, ...]]] = (
        [(f"{key} within", [0], [code], cuts.mapped), (f"{key} at its edge", [1], [code], cuts.mapped)]
        if cuts.edge
        else [(mapped, both, [code], cuts.mapped)]
    )
    if cuts.near is not None:
        parts.append((f"near {key}", [1], others, cuts.near))
    parts.append(("other ground", both if cuts.near is None else [0], others, cuts.other))
    for name, zones, codes, levels in parts:
        for low, high in pairwise((0, *levels, LEVELS)):
            table[np.ix_(zones, codes, range(low, high))] = len(names) + 1
            names.append(f"{name} {_percent(low)} to {_percent(high)} %" if levels else name)
    return Strata(tuple(names), table)


def _percent(level: int) -> str:
    return f"{min(100 * level / (LEVELS - 1), 100):.3g}"


@dataclass
class Strips:
    """Reads a map strip by strip.

    Attributes:
        path: The map.
        legend: Its classes.
        border: The border that zone 1 lies at, None for none.
        extent: Vector file; pixels with their centre outside its polygons are in the cell ``OUTSIDE``.
        sureness: What the levels come from; without it all are 0.

    Raises:
        ImageError: A raster cannot be read, or does not fit the map.
        LabelError: The border has no width, or the map no CRS in which it could have one.
    """

    path: Path
    legend: Legend
    border: Border | None = None
    extent: Path | None = None
    sureness: Sureness | None = None
    info: RasterInfo = field(init=False)

    def __post_init__(self) -> None:
        self.info = describe(self.path)
        if self.border is not None and (self.border.width_m <= 0 or self.grid.crs is None):
            raise LabelError(
                f"A belt of {self.border.width_m:g} m round class {self.legend[self.border.code].key} cannot be made.",
                "A width above 0, and a map with a CRS.",
            )
        self._extent = None
        if self.extent is not None:
            self._extent = landuse.project(landuse.read_layer(Path(self.extent)), self.grid, {"": 1})
        if self.sureness is not None:
            _check_sureness(self.sureness, self.info, len(self.legend))

    @property
    def grid(self) -> Grid:
        """The pixels of the map."""
        return self.info.grid

    def read(self, digest: Any = None, sureness_digest: Any = None) -> Iterator[Strip]:
        """The strips from north to south; feeds codes and levels to hashes.

        Raises:
            LabelError: The map holds a code that the legend lacks.
        """
        with open_raster(self.path, [1]) as reader:
            for window in _strip_windows(self.grid):
                codes = read_codes(reader, window)
                if (wrong := int(codes.max(initial=0))) > len(self.legend):
                    raise LabelError(
                        f"{self.path} holds the code {wrong}.",
                        f"Codes 1 to {len(self.legend)} of the legend, and 0 for no data.",
                        "Give the legend that the map was made with.",
                    )
                if digest is not None:
                    digest.update(codes.tobytes())
                cells = codes.astype(np.int64)
                if self.border is not None:
                    cells += _near(reader, window, codes, self.border) * (len(self.legend) + 1)
                cells *= LEVELS
                if self.sureness is not None:
                    levels = _levels(self.sureness, reader, window)
                    if sureness_digest is not None:
                        sureness_digest.update(levels.tobytes())
                    cells += levels
                if self._extent is not None:
                    cells[self._extent.burn(window) == 0] = (len(self.legend) + 1) * LEVELS
                yield Strip(window, codes, cells, pixel_areas(self.grid, window))

    def survey(self, observer: Observer = SILENT) -> Ground:
        """Read the map once and add up its ground."""
        shape = (2, len(self.legend) + 1, LEVELS)
        area, pixels = np.zeros(np.prod(shape)), np.zeros(np.prod(shape), np.int64)
        digest, of_levels = hashlib.sha256(_shape_text(self.grid)), hashlib.sha256()
        for strip in self.read(digest, of_levels):
            area += np.bincount(strip.cells.ravel(), strip.areas.ravel(), len(area))
            pixels += np.bincount(strip.cells.ravel(), minlength=len(area))
            observer.progress("reading the map", (strip.window.row + strip.window.height) / self.grid.height)
        sure = of_levels.hexdigest() if self.sureness is not None else ""
        return Ground(area.reshape(shape), pixels.reshape(shape), digest.hexdigest(), sure)


def _strip_windows(grid: Grid) -> Iterator[Window]:
    rows = min(STRIP_ROWS, max(1, STRIP_PIXELS // grid.width))
    for row in range(0, grid.height, rows):
        yield Window(row, 0, min(rows, grid.height - row), grid.width)


def map_checksum(map_path: Path, observer: Observer = SILENT) -> str:
    """SHA-256 over the size of a map and its codes as uint8, row by row; compression and metadata do not matter."""
    grid = describe(map_path).grid
    digest = hashlib.sha256(_shape_text(grid))
    with open_raster(map_path, [1]) as reader:
        for window in _strip_windows(grid):
            digest.update(read_codes(reader, window).tobytes())
            observer.progress("checking the map", (window.row + window.height) / grid.height)
    return digest.hexdigest()


def pixel_areas(grid: Grid, window: Window) -> NDArray[np.float64]:
    """Square metres of the pixels of a window, 1 each without a CRS."""
    return np.ones((window.height, window.width)) if grid.crs is None else grid.pixel_areas_m2(window)


def read_codes(reader: RasterReader, window: Window) -> NDArray[np.uint8]:
    """Class codes of a window, 0 where the map has none.

    Raises:
        ImageError: The raster holds numbers that are no codes.
    """
    values, valid = reader.read(window)
    if values.dtype.kind not in "ui" or values[0][valid].max(initial=0) > 255 or values[0][valid].min(initial=0) < 0:
        raise ImageError(
            f"{reader.info.path} holds {reader.info.dtype} values that are no class codes.",
            "Land-cover codes from 1 to 254, and 0 for no data.",
        )
    return np.where(valid, values[0], 0).astype(np.uint8)


def _near(reader: RasterReader, window: Window, codes: NDArray[np.uint8], border: Border) -> NDArray[np.bool_]:
    """Pixels with a class that lie near the border of one, on either side."""
    grid = reader.grid
    steps = grid.pixel_steps_m
    halo = ceil(border.width_m / steps[0])
    top, bottom = max(window.row - halo, 0), min(window.row + window.height + halo, grid.height)
    around = read_codes(reader, Window(top, 0, bottom - top, grid.width)) == border.code
    inner = slice(window.row - top, window.row - top + window.height)
    near = np.zeros(codes.shape, np.bool_)
    for side in (around, ~around):
        if side.any() and not side.all():
            distance = ndimage.distance_transform_edt(~side, sampling=steps)[inner]
            near |= (distance > 0) & (distance <= border.width_m)
    return np.asarray(near & (codes != UNLABELLED))


def _levels(sureness: Sureness, reader: RasterReader, window: Window) -> NDArray[np.uint8]:
    """How probable the class is: a third of each pixel's own level, two thirds of the mean of mapped ground about it.

    Networks err in patches, so that what one says of the ground about a pixel ranks its doubt better than what it says
    of the pixel alone. In whole numbers, so that the strips do not matter.
    """
    halo = sureness.around
    top, bottom = max(window.row - halo, 0), min(window.row + window.height + halo, reader.grid.height)
    wide = Window(top, 0, bottom - top, window.width)
    codes = read_codes(reader, wide)
    inner = slice(window.row - top, window.row - top + window.height)
    own = _own_levels(sureness, wide, codes)
    if halo == 0:
        return own
    known = (codes != UNLABELLED).astype(np.int64)
    number = np.maximum(_sums_around(known, halo)[inner], 1)
    total = _sums_around(known * own, halo)[inner]
    thirds = own[inner] * number + 2 * total
    return np.asarray((2 * thirds + 3 * number) // (6 * number), np.uint8)


def _own_levels(sureness: Sureness, window: Window, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    mapped = codes == sureness.code
    if sureness.kind == "confidence":
        with open_raster(sureness.path) as reader:
            sure = reader.read(window)[0][0]
        return np.where(codes == UNLABELLED, 0, np.where(mapped, sure, LEVELS - 1 - sure)).astype(np.uint8)
    with open_raster(sureness.path, [sureness.code]) as reader:
        values, valid = reader.read(window)
        share = np.where(valid, values[0] * reader.info.scales[0], 0.0)
    return np.asarray(np.rint(np.clip(share, 0, 1) * (LEVELS - 1)), np.uint8)


def _sums_around(values: NDArray[np.int64], radius: int) -> NDArray[np.int64]:
    """Sum over the square of ``2 radius + 1`` pixels about each pixel, as far as there are pixels."""
    for axis in (0, 1):
        sums = np.concatenate([np.zeros_like(values.take([0], axis)), values.cumsum(axis)], axis)
        place, length = np.arange(values.shape[axis]), values.shape[axis]
        above = sums.take(np.minimum(place + radius + 1, length), axis)
        values = above - sums.take(np.maximum(place - radius, 0), axis)
    return values


def _check_sureness(sureness: Sureness, info: RasterInfo, classes: int) -> None:
    if sureness.kind == "confidence":
        from pitmap.mapping.confidence import check_confidence

        check_confidence(sureness.path, info)
        return
    found = describe(sureness.path)
    if not found.grid.same_as(info.grid) or found.bands != classes:
        raise ImageError(
            f"{sureness.path} has {found.grid.height} x {found.grid.width} pixels and {found.bands} band(s).",
            f"The grid of the map ({info.grid.height} x {info.grid.width} pixels), and a band a class ({classes}).",
            "Give the probabilities that were written together with the map.",
        )


def _shape_text(grid: Grid) -> bytes:
    return f"{grid.height} x {grid.width}\n".encode()
