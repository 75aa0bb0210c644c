"""A stratified random sample of the pixels of a map.

Strata are the classes of the map, and optionally a belt round one class, where its omissions gather. Pixels are drawn
within a stratum without replacement with probability proportional to their area on the ellipsoid, so that plain means
over the points of a stratum estimate shares of its area in every CRS. The points are written for an interpreter who is
blind to the map: numbered in random order, stratum and map class hidden (``accuracy.sampling.labelling``). What the
labelled points say of the map is in ``accuracy.sampling.sample``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Geod, Transformer
from scipy import ndimage

from pitmap import __version__, landuse
from pitmap.accuracy.sampling.estimation import Allocation, allocate, sample_size
from pitmap.accuracy.sampling.labelling import labelling_style, write_chips
from pitmap.errors import ImageError, LabelError
from pitmap.files import refuse_to_replace
from pitmap.geopackage import write_layers
from pitmap.grid import Grid, Window
from pitmap.legend import DEFAULT_LEGEND, UNLABELLED, Legend
from pitmap.observer import SILENT, Observer
from pitmap.raster.codes import read_legend
from pitmap.raster.reading import RasterReader, describe, open_raster

STRIP_ROWS = 128
"""Rows of the strips in which a map is read; GDAL's block cache keeps the row of tiles that they cut."""

DESIGN = "stratified random sample of pixels"

SPACING_NOTE = (
    "Points keep a least distance. The estimators treat them as a plain stratified random sample; with a distance that "
    "is small beside the mean distance of the points this is close, and if anything the intervals are too wide."
)

_POOL = 30
"""Candidates kept for each point where a least distance is asked for."""


@dataclass(frozen=True)
class DesignOptions:
    """How a sample is drawn.

    Attributes:
        points: Number of points; None computes it from the target.
        standard_error: Target standard error of the overall accuracy.
        interval_width: Target width of its 95 % interval, instead of a standard error.
        expected_users_accuracy: Guess of the user's accuracy, one for all strata or by class key.
        allocation: ``equal``, ``proportional`` or ``neyman``.
        floor: Least number of points of each stratum, so that rare classes can be judged.
        buffer_class: Key of the class with a belt round it as a stratum of its own, None for no belt.
        buffer_m: Width of the belt.
        spacing_m: Least distance of two points; 0 for none.
        extent: Vector file; only pixels with their centre in its polygons are sampled and stand for themselves.
        image: Raster from which a picture of each point is cut.
        bands: Its bands for red, green and blue, by number or name.
        chip_pixels: Side of the pictures in pixels of the image.
        legend: The classes; None reads them from the map, else takes the default legend.
        seed: Of the draw.
    """

    points: int | None = None
    standard_error: float | None = None
    interval_width: float | None = None
    expected_users_accuracy: float | Mapping[str, float] = 0.85
    allocation: Allocation = "proportional"
    floor: int = 50
    buffer_class: str | None = None
    buffer_m: float = 0.0
    spacing_m: float = 0.0
    extent: str | Path | None = None
    image: str | Path | None = None
    bands: Sequence[int | str] | None = None
    chip_pixels: int = 64
    legend: Legend | None = None
    seed: int = 0


@dataclass(frozen=True)
class Stratum:
    """One stratum.

    Attributes:
        name: Class key, or ``near KEY`` for the belt.
        map_class: Class code, 0 for the belt, which holds several classes.
        pixels: Number of pixels.
        area: Their area, in hectares, or in pixels without a CRS.
        points: Points drawn.
    """

    name: str
    map_class: int
    pixels: int
    area: float
    points: int


@dataclass(frozen=True)
class Design:
    """A drawn sample.

    Attributes:
        strata: The strata that have pixels.
        unit: Unit of the areas: ``ha`` or ``pixels``.
        unmapped_area: Area inside the extent where the map has no class: no stratum, and left out of every total.
        checksum: Of the map; see ``map_checksum``.
        rows: Row of each point on the map.
        cols: Column of each point on the map.
        stratum_of: Index of the stratum of each point.
        codes: Map class of each point.
        legend: The classes.
    """

    strata: tuple[Stratum, ...]
    unit: str
    unmapped_area: float
    checksum: str
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    stratum_of: NDArray[np.int64]
    codes: NDArray[np.uint8]
    legend: Legend

    def summary(self) -> str:
        """One line: points by stratum."""
        parts = ", ".join(f"{s.name} {s.points}" for s in self.strata)
        return f"{len(self.rows)} points drawn ({parts}) for {sum(s.area for s in self.strata):,.6g} {self.unit}."

    def to_json(self) -> dict[str, Any]:
        """The strata and the number of points; the points themselves are in the file."""
        return {
            "points": len(self.rows),
            "unit": self.unit,
            "unmapped_area": self.unmapped_area,
            "map_sha256": self.checksum,
            "strata": [asdict(stratum) for stratum in self.strata],
            "legend": self.legend.to_json(),
        }


def draw(map_path: Path, options: DesignOptions, observer: Observer = SILENT) -> Design:
    """Draw a stratified random sample of the pixels of a map, in memory that does not grow with the map.

    The map is read twice: for the areas of the strata, and for the draw, in which each pixel gets a random number from
    an exponential distribution with its area as the rate; the pixels with the least numbers of a stratum are its sample
    (Efraimidis and Spirakis 2006, Inf. Process. Lett. 97(5)).

    Raises:
        ImageError: The map cannot be read.
        LabelError: The map has no class, codes that the legend lacks, or the options do not fit it.
    """
    legend = options.legend or read_legend(map_path) or DEFAULT_LEGEND
    grid = describe(map_path).grid
    strips = _Strips(Path(map_path), grid, legend, options)
    size = strips.count

    area, pixels, digest = np.zeros(size + 1), np.zeros(size + 1, np.int64), hashlib.sha256(_shape_text(grid))
    for window, _, strata in strips.read(digest):
        area += np.bincount(strata.ravel(), _pixel_areas(grid, window).ravel(), minlength=size + 1)
        pixels += np.bincount(strata.ravel(), minlength=size + 1)
        observer.progress("drawing the sample", 0.5 * (window.row + window.height) / grid.height)
    unmapped = area[0] - strips.outside_area
    if pixels[1:].sum() == 0:
        raise LabelError(f"{map_path} has no pixel with a class, so there is nothing to sample.")
    points = _points_by_stratum(options, legend, strips.names, area[1:], pixels[1:])

    generator = np.random.default_rng(options.seed)
    pool = points * (_POOL if options.spacing_m > 0 else 1)
    lots = [_Lot(int(m)) for m in pool]
    for window, codes, strata in strips.read():
        numbers = generator.exponential(size=strata.shape) / _pixel_areas(grid, window)
        thresholds = np.array([-1.0, *(lot.threshold for lot in lots)])
        rows, cols = np.nonzero(numbers < thresholds[strata])
        found = strata[rows, cols]
        for h, lot in enumerate(lots, start=1):
            of = found == h
            lot.add(numbers[rows[of], cols[of]], rows[of] + window.row, cols[of], codes[rows[of], cols[of]])
        observer.progress("drawing the sample", 0.5 + 0.5 * (window.row + window.height) / grid.height)
    chosen = _spaced(lots, points, grid, options.spacing_m)
    stratum_of = np.repeat(np.arange(size), [len(c) for c in chosen])
    rows = np.concatenate([lot.rows[c] for lot, c in zip(lots, chosen, strict=True)])
    cols = np.concatenate([lot.cols[c] for lot, c in zip(lots, chosen, strict=True)])
    codes = np.concatenate([lot.codes[c] for lot, c in zip(lots, chosen, strict=True)])
    order = generator.permutation(len(rows))  # the number of a point tells the interpreter nothing
    kept = np.flatnonzero(pixels[1:] > 0)
    scale, unit = (1e-4, "ha") if grid.crs is not None else (1.0, "pixels")
    strata_rows = tuple(
        Stratum(
            strips.names[h], h + 1 if h < len(legend) else 0, int(pixels[h + 1]), float(area[h + 1]) * scale,
            int(points[h]),
        )
        for h in map(int, kept)
    )  # fmt: skip
    position = np.searchsorted(kept, stratum_of)
    return Design(
        strata_rows, unit, float(max(unmapped, 0.0)) * scale, digest.hexdigest(), rows[order], cols[order],
        position[order], codes[order], legend,
    )  # fmt: skip


def design(
    map_path: str | Path, out_gpkg: str | Path, options: DesignOptions | None = None, observer: Observer = SILENT
) -> Design:
    """Draw a sample and write it as a GeoPackage for labelling in QGIS.

    Layer ``points``: ``point_id``, ``stratum`` and ``map_code`` (hidden in the form), ``row``, ``col`` (hidden),
    ``reference`` (empty, with the legend as its list of values), ``doubtful``, ``comment``, ``chip`` (picture). Tables
    ``strata`` and ``design`` carry what ``estimate`` needs: areas, checksum of the map, seed, options. Pictures go to a
    folder of the GeoPackage's name with ``_chips`` added.

    Raises:
        ImageError, LabelError: See ``draw``; or the image cannot be read.
        OutputError: A file cannot be written, or exists.
    """
    import geopandas as gpd
    import pandas as pd

    map_path, out_gpkg, options = Path(map_path), Path(out_gpkg), options or DesignOptions()
    refuse_to_replace(out_gpkg, "the sample", ".gpkg")
    drawn = draw(map_path, options, observer)
    grid = describe(map_path).grid
    number = len(drawn.rows)
    x, y = grid.pixel_centres(drawn.rows, drawn.cols)
    chips = [""] * number
    if options.image is not None:
        folder = out_gpkg.with_name(f"{out_gpkg.stem}_chips")
        chips = write_chips(Path(options.image), options.bands, options.chip_pixels, grid, x, y, folder)
    points = gpd.GeoDataFrame(
        {
            "point_id": np.arange(1, number + 1),
            "stratum": [drawn.strata[h].name for h in drawn.stratum_of],
            "map_code": drawn.codes.astype(np.int32),
            "row": drawn.rows,
            "col": drawn.cols,
            "reference": pd.array([None] * number, dtype="Int32"),
            "doubtful": np.zeros(number, np.bool_),
            "comment": pd.array([""] * number, dtype=object),
            "chip": pd.array(chips, dtype=object),
        },
        geometry=gpd.points_from_xy(x, y),
        crs=None if grid.crs is None else grid.crs.to_wkt(),
    )
    strata = pd.DataFrame([asdict(s) | {"unit": drawn.unit} for s in drawn.strata])
    about = {
        "design": DESIGN,
        "pitmap": __version__,
        "map": Path(map_path).name,
        "map_sha256": drawn.checksum,
        "map_transform": list(grid.transform)[:6],
        "unmapped_area": drawn.unmapped_area,
        "unit": drawn.unit,
        "seed": options.seed,
        "legend": drawn.legend.to_json(),
        "options": {k: _plain(v) for k, v in asdict(options).items() if k != "legend"},
        "note": SPACING_NOTE if options.spacing_m > 0 else "",
    }
    table = pd.DataFrame({"key": list(about), "value": [json.dumps(v, ensure_ascii=False) for v in about.values()]})
    write_layers(
        out_gpkg, {"points": points, "strata": strata, "design": table}, {"points": labelling_style(drawn.legend)}
    )
    return drawn


def map_checksum(map_path: Path, observer: Observer = SILENT) -> str:
    """SHA-256 over the size of a map and its codes as uint8, row by row; compression and metadata do not matter."""
    grid = describe(map_path).grid
    digest = hashlib.sha256(_shape_text(grid))
    with open_raster(map_path, [1]) as reader:
        for row in range(0, grid.height, STRIP_ROWS):
            window = Window(row, 0, min(STRIP_ROWS, grid.height - row), grid.width)
            digest.update(_codes(reader, window).tobytes())
            observer.progress("checking the map", (row + window.height) / grid.height)
    return digest.hexdigest()


class _Strips:
    """The strips of a map with the stratum of each pixel: 0 outside, 1..K classes of the map, K + 1 the belt."""

    def __init__(self, path: Path, grid: Grid, legend: Legend, options: DesignOptions) -> None:
        self.path, self.grid, self.legend = path, grid, legend
        self.names = list(legend.keys)
        self.halo, self.code = 0, 0
        self.outside_area = 0.0
        if options.buffer_class is not None:
            if options.buffer_class not in legend.keys or options.buffer_m <= 0 or grid.crs is None:
                raise LabelError(
                    f"A belt of {options.buffer_m:g} m round class {options.buffer_class!r} cannot be made.",
                    f"A class of the legend ({', '.join(legend.keys)}), a width above 0, and a map with a CRS.",
                )
            self.sampling = pixel_steps_m(grid)
            self.code = legend[options.buffer_class].code
            self.halo, self.width_m = ceil(options.buffer_m / self.sampling[0]), options.buffer_m
            self.names.append(f"near {options.buffer_class}")
        self.extent = None
        if options.extent is not None:
            self.extent = landuse.project(landuse.read_layer(Path(options.extent)), grid, {"": 1})

    @property
    def count(self) -> int:
        return len(self.names)

    def read(self, digest: Any = None) -> Iterator[tuple[Window, NDArray[np.uint8], NDArray[np.uint8]]]:
        """Window, map codes and strata of each strip; feeds the codes to a hash."""
        self.outside_area = 0.0
        with open_raster(self.path, [1]) as reader:
            for row in range(0, self.grid.height, STRIP_ROWS):
                window = Window(row, 0, min(STRIP_ROWS, self.grid.height - row), self.grid.width)
                codes = _codes(reader, window)
                if (wrong := int(codes.max(initial=0))) > len(self.legend):
                    raise LabelError(
                        f"{self.path} holds the code {wrong}.",
                        f"Codes 1 to {len(self.legend)} of the legend, and 0 for no data.",
                        "Give the legend that the map was made with.",
                    )
                if digest is not None:
                    digest.update(codes.tobytes())
                strata = codes.copy()
                if self.code:
                    strata[self._belt(reader, window, codes)] = self.count
                if self.extent is not None:
                    outside = self.extent.burn(window) == 0
                    strata[outside] = 0
                    self.outside_area += float(_pixel_areas(self.grid, window)[outside].sum())
                yield window, codes, strata

    def _belt(self, reader: RasterReader, window: Window, codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
        top = max(window.row - self.halo, 0)
        bottom = min(window.row + window.height + self.halo, self.grid.height)
        around = _codes(reader, Window(top, 0, bottom - top, self.grid.width)) == self.code
        if not around.any():
            return np.zeros(codes.shape, np.bool_)
        distance = ndimage.distance_transform_edt(~around, sampling=self.sampling)
        near = distance[window.row - top : window.row - top + window.height] <= self.width_m
        return np.asarray(near & (codes != self.code) & (codes != UNLABELLED))


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

    def add(self, numbers: NDArray[Any], rows: NDArray[Any], cols: NDArray[Any], codes: NDArray[Any]) -> None:
        if not len(numbers):
            return
        every = np.concatenate([self.numbers, numbers])
        best = np.argsort(every, kind="stable")[: self.size]
        self.numbers = every[best]
        self.rows = np.concatenate([self.rows, rows])[best]
        self.cols = np.concatenate([self.cols, cols])[best]
        self.codes = np.concatenate([self.codes, codes])[best]


def _points_by_stratum(
    options: DesignOptions, legend: Legend, names: list[str], area: NDArray[Any], pixels: NDArray[Any]
) -> NDArray[np.int64]:
    guess = options.expected_users_accuracy
    if isinstance(guess, Mapping):
        if unknown := sorted(set(guess) - set(names)):
            raise LabelError(
                f"Accuracies are expected for {', '.join(unknown)}, which are no strata.",
                f"Strata: {', '.join(names)}.",
            )
        expected = np.array([guess.get(name, 0.85) for name in names])
    else:
        expected = np.full(len(names), float(guess))
    weights = area / area.sum()
    if options.points is not None:
        total = options.points
    elif options.interval_width is not None:
        total = sample_size(weights, expected, interval_width=options.interval_width)
    else:
        total = sample_size(weights, expected, standard_error=options.standard_error or 0.015)
    present = pixels > 0
    least = int(np.minimum(options.floor, pixels[present]).sum())
    if options.points is None:
        total = max(total, least)  # the target is for overall accuracy, the floor for every class
    points = np.zeros(len(names), np.int64)
    points[present] = allocate(
        total, weights[present], options.allocation, options.floor, expected[present], pixels[present]
    )
    return points


def _spaced(lots: list[_Lot], points: NDArray[np.int64], grid: Grid, spacing_m: float) -> list[NDArray[np.int64]]:
    """Positions in each lot of the points taken: the first ones, or the first that keep their distance."""
    if spacing_m <= 0:
        return [np.arange(n) for n in points]
    step_row, step_col = pixel_steps_m(grid)
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


def pixel_steps_m(grid: Grid) -> tuple[float, float]:
    """Length on the ground of one row and one column step at the centre of a grid; 1 without a CRS."""
    if grid.crs is None:
        return 1.0, 1.0
    row, col = grid.height / 2, grid.width / 2
    x, y = grid.pixel_centres(np.array([row, row + 1, row]), np.array([col, col, col + 1]))
    lon, lat = Transformer.from_crs(grid.crs, CRS.from_epsg(4326), always_xy=True).transform(x, y)
    _, _, length = Geod(ellps="WGS84").inv([lon[0]] * 2, [lat[0]] * 2, lon[1:], lat[1:])
    return float(length[0]), float(length[1])


def _pixel_areas(grid: Grid, window: Window) -> NDArray[np.float64]:
    return np.ones((window.height, window.width)) if grid.crs is None else grid.pixel_areas_m2(window)


def _codes(reader: RasterReader, window: Window) -> NDArray[np.uint8]:
    values, valid = reader.read(window)
    if values.dtype.kind not in "ui" or values[0][valid].max(initial=0) > 255 or values[0][valid].min(initial=0) < 0:
        raise ImageError(
            f"{reader.info.path} holds {reader.info.dtype} values that are no class codes.",
            "Land-cover codes from 1 to 254, and 0 for no data.",
        )
    return np.where(valid, values[0], 0).astype(np.uint8)


def _shape_text(grid: Grid) -> bytes:
    return f"{grid.height} x {grid.width}\n".encode()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else dict(value) if isinstance(value, Mapping) else value
