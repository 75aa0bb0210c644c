"""Finished parts put together to rasters, and their classes counted."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pitmap.currency import unmark
from pitmap.errors import OutputError
from pitmap.files import replacing
from pitmap.grid import Grid
from pitmap.legend import Legend
from pitmap.mapping.engines.interface import CONFIDENCE_STEPS, NO_PROBABILITY, PROBABILITY_SCALE
from pitmap.mapping.partial import PartialMap
from pitmap.mapping.tiles import Tile
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, RasterWriter, create_cog


class ClassTotals(NamedTuple):
    """What a map holds of each class, by code; entry 0 counts what is not mapped.

    Attributes:
        pixels: int64 ``(classes + 1,)``.
        area_m2: float64 ``(classes + 1,)`` on the ellipsoid, None without a CRS.
    """

    pixels: NDArray[np.int64]
    area_m2: NDArray[np.float64] | None


def assemble(
    partial: PartialMap,
    batches: Sequence[Sequence[Tile]],
    grid: Grid,
    legend: Legend,
    tags: Mapping[str, str],
    out: Path,
    confidence: Path | None,
    probabilities: Path | None,
) -> ClassTotals:
    """Write the finished parts of a map as rasters, which get their names when all of them are complete.

    Args:
        partial: Holds a part for each batch.
        batches: The tiles of the parts.
        grid: Of the map.
        legend: Its classes.
        tags: Metadata for all rasters.
        out: The map.
        confidence: Probability of the mapped class, uint8 in units of 1 / 255, nodata 0; None not to write it.
        probabilities: One band a class, uint16 in units of 0.0001, nodata 65535; None not to write them.

    Raises:
        OutputError: The disk is full or not writable, or a part is damaged.
    """
    classes = len(legend)
    pixels, areas = np.zeros(classes + 1, np.int64), np.zeros(classes + 1)
    staged: dict[Path, Path] = {}
    with ExitStack() as stack:

        def raster(kind: str, target: Path, layout: Layout) -> RasterWriter:
            path = partial.folder / kind / target.name
            staged[path] = target
            return stack.enter_context(create_cog(path, grid, layout))

        code_writer = raster("map", out, codes_layout(legend, tags))
        others: dict[str, tuple[RasterWriter, Layout]] = {}
        if confidence is not None:
            layout = Layout(1, "uint8", 0, ["confidence"], scale=1 / CONFIDENCE_STEPS, tags=tags)
            others["confidence"] = raster("confidence", confidence, layout), layout
        if probabilities is not None:
            layout = Layout(classes, "uint16", NO_PROBABILITY, legend.keys, scale=PROBABILITY_SCALE, tags=tags)
            others["probabilities"] = raster("probabilities", probabilities, layout), layout
        for index, batch in enumerate(batches):
            part = partial.load(index)
            for n, tile in enumerate(batch):
                codes = part[f"codes{n}"]
                code_writer.write(codes, tile.keep)
                for kind, (writer, layout) in others.items():
                    values = part.get(f"{kind}{n}")
                    if values is None:
                        values = np.full((layout.bands, *codes.shape), layout.nodata, layout.dtype)
                    writer.write(values, tile.keep)
                pixels += np.bincount(codes.ravel(), minlength=classes + 1)
                if grid.crs is not None:
                    areas += np.bincount(codes.ravel(), grid.pixel_areas_m2(tile.keep).ravel(), classes + 1)
    unmark(out)
    for path, target in reversed(staged.items()):  # the map last: where it is, everything is
        for sidecar in (path.with_suffix(".qml"), path.with_name(path.name + ".aux.xml")):
            if sidecar.exists():
                _move(sidecar, target.with_name(sidecar.name))
        _move(path, target)
    return ClassTotals(pixels, None if grid.crs is None else areas)


def _move(path: Path, target: Path) -> None:
    try:
        path.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise OutputError(
                f"{target} cannot be written ({error.strerror or error}).",
                remedy="Choose another place, or change its permissions.",
            ) from error
        with replacing(target) as temporary:
            shutil.copyfile(path, temporary)
