"""What rasters hold inside polygons, read block by block."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize

from pitmap.errors import ImageError
from pitmap.grid import Grid, Window, blocks
from pitmap.raster.codes import LEGEND_TAG, TAG_PREFIX
from pitmap.raster.reading import RasterInfo, describe, open_raster


class ZonalConfidence(NamedTuple):
    """How sure a map is inside polygons.

    Attributes:
        confidence: Mean confidence, float64 ``(polygon,)``, 0..1, NaN where no pixel has one.
        doubt: Pixels that are expected to be wrong, float64 ``(polygon,)``: the sum of 1 - confidence.
    """

    confidence: NDArray[np.float64]
    doubt: NDArray[np.float64]


def code_counts(polygons: NDArray[np.object_], codes: Path, grid: Grid) -> NDArray[np.int64]:
    """Pixels of each code inside polygons.

    Args:
        polygons: Disjoint shapely polygons along pixel edges, in map coordinates.
        codes: A raster of codes 0..255.
        grid: Its grid.

    Returns:
        int64 ``(polygon, 256)``.

    Raises:
        ImageError: The raster cannot be read.
    """
    counts = np.zeros((len(polygons) + 1, 256), np.int64)
    with open_raster(codes, [1]) as reader:
        for window, index in _indices(polygons, grid):
            inside = index > 0
            np.add.at(counts, (index[inside], reader.read(window)[0][0][inside]), 1)
    return counts[1:]


def zonal_confidence(
    polygons: NDArray[np.object_], confidence: Path, map_info: RasterInfo, doubtful: Path | None = None
) -> ZonalConfidence:
    """How sure a map is inside polygons.

    Args:
        polygons: Disjoint shapely polygons along pixel edges, in map coordinates.
        confidence: The raster that was written together with the map.
        map_info: The map.
        doubtful: Raster that is not 0 where doubt counts; None counts it everywhere.

    Raises:
        ImageError: A raster cannot be read, or the confidence does not fit the map.
    """
    check_confidence(confidence, map_info)
    number = len(polygons) + 1
    total, count, doubt = np.zeros(number), np.zeros(number), np.zeros(number)
    scale = describe(confidence).scales[0]
    with (
        open_raster(confidence) as reader,
        contextlib.nullcontext() if doubtful is None else open_raster(doubtful) as mask_reader,
    ):
        for window, index in _indices(polygons, map_info.grid):
            sure = reader.read(window)[0][0]
            stated = (index > 0) & (sure > 0)
            total += np.bincount(index[stated], sure[stated] * scale, number)
            count += np.bincount(index[stated], minlength=number)
            if mask_reader is not None:
                stated &= mask_reader.read(window)[0][0] > 0
            doubt += np.bincount(index[stated], 1 - sure[stated] * scale, number)
    mean = np.divide(total, count, out=np.full(number, np.nan), where=count > 0)
    return ZonalConfidence(mean[1:], doubt[1:])


def _indices(polygons: NDArray[np.object_], grid: Grid) -> Iterator[tuple[Window, NDArray[np.int32]]]:
    """The windows in which polygons lie, and the number of the polygon, from 1 on, of each of their pixels."""
    tree = shapely.STRtree(polygons)
    for window in blocks(grid.shape, 1024):
        part = grid.crop(window)
        hits = np.sort(tree.query(shapely.box(*part.bounds), predicate="intersects"))
        if len(hits):
            shapes = [(polygons[i], int(i) + 1) for i in hits]
            yield window, rasterize(shapes, part.shape, fill=0, transform=part.transform, dtype="int32")


def check_confidence(confidence: Path, map_info: RasterInfo) -> None:
    """Refuse a raster that is not the confidence of a map.

    Raises:
        ImageError: It has another grid, several bands or no confidences, or was made in another run than the map.
    """
    info = describe(confidence)
    grid = map_info.grid
    if not info.grid.same_as(grid) or info.bands != 1 or info.dtype != "uint8" or not 0 < 255 * info.scales[0] < 1.01:
        raise ImageError(
            f"{confidence} has {info.grid.height} x {info.grid.width} pixels and {info.bands} band(s) of {info.dtype} "
            f"with scale {info.scales[0]:g}.",
            f"The grid of the map ({grid.height} x {grid.width} pixels), and one band of uint8 with scale 1 / 255.",
            "Give the confidence that was written together with the map.",
        )
    told = {k for k in info.tags.keys() & map_info.tags.keys() if k.startswith(TAG_PREFIX) and k != LEGEND_TAG}
    if different := sorted(k for k in told if info.tags[k] != map_info.tags[k]):
        name = different[0].removeprefix(TAG_PREFIX).lower().replace("_", " ")
        raise ImageError(
            f"{confidence} was made in another run than {map_info.path}: {name} {info.tags[different[0]]} and "
            f"{map_info.tags[different[0]]}.",
            remedy="Make the map again together with its confidence, or give the confidence that was written with it.",
            options=["confidence"],
        )
