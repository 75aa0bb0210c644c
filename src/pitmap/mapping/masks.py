"""Ground that is left out of a map: outside an extent, or under a mask layer; read window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pitmap.errors import ImageError
from pitmap.grid import Grid, Window
from pitmap.raster.reading import describe, open_raster, read_onto
from pitmap.study.schema import RASTER_SUFFIXES

Cover = Callable[[Window], NDArray[np.bool_]]
"""Which pixels of a window a layer covers: boolean ``(height, width)``."""


def wanted_ground(grid: Grid, extent: Path | None, masks: Sequence[Path]) -> Cover:
    """Which pixels are to be mapped: those whose centre lies in the extent and under no mask.

    Args:
        grid: The image's.
        extent: Vector layer that bounds the area, None for the whole image.
        masks: Vector layers, or rasters that are neither 0 nor nodata where the ground is to be left out.

    Raises:
        ImageError: A mask raster cannot be read or laid over the image.
        LabelError: A layer cannot be read or laid over the image, or the extent lies outside it.
    """
    inside = None if extent is None else _vector_cover(Path(extent), grid, may_miss=False)
    hidden = [_cover(Path(mask), grid) for mask in masks]

    def wanted(window: Window) -> NDArray[np.bool_]:
        result = np.ones((window.height, window.width), np.bool_) if inside is None else inside(window)
        for cover in hidden:
            result = result & ~cover(window)
        return result

    return wanted


def _cover(path: Path, grid: Grid) -> Cover:
    if path.suffix.lower() not in RASTER_SUFFIXES:
        return _vector_cover(path, grid, may_miss=True)
    info = describe(path)
    if grid.crs is None or info.grid.crs is None:
        if (grid.crs, grid.shape) != (info.grid.crs, info.grid.shape):
            raise ImageError(
                f"The mask {path} cannot be laid over the image.",
                "Both have a coordinate reference system, or neither has and both have the same size.",
                "Assign the CRS with gdal_edit or QGIS, or give a mask that fits.",
            )

        def same_pixels(window: Window) -> NDArray[np.bool_]:
            with open_raster(path, [1]) as reader:
                values, valid = reader.read(window)
            return valid & (values[0] != 0)

        return same_pixels

    def brought_over(window: Window) -> NDArray[np.bool_]:
        values, covered = read_onto(path, grid.crop(window))
        return covered & (values != 0)

    return brought_over


def _vector_cover(path: Path, grid: Grid, *, may_miss: bool) -> Cover:
    from pitmap import landuse  # brings geopandas, which mapping without vector layers does not need

    layer = landuse.project(landuse.read_layer(path), grid, {"": 1}, may_miss=may_miss)
    return lambda window: layer.burn(window) > 0
