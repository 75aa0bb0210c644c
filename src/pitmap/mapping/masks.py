"""Ground that is left out of a map: outside an extent, or under a mask layer; read window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pitmap.grid import Grid, Window
from pitmap.raster.reading import check_overlay, describe, is_raster, read_onto

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
    if not is_raster(path):
        return _vector_cover(path, grid, may_miss=True)
    check_overlay(describe(path), grid)

    def covered(window: Window) -> NDArray[np.bool_]:
        values, valid = read_onto(path, grid, window)
        return valid & (values != 0)

    return covered


def _vector_cover(path: Path, grid: Grid, *, may_miss: bool) -> Cover:
    from pitmap import landuse  # brings geopandas, which mapping without vector layers does not need

    layer = landuse.project(landuse.read_layer(path), grid, {"": 1}, may_miss=may_miss)
    return lambda window: layer.burn(window) > 0
