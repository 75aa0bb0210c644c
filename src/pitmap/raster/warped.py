"""An image brought to another grid between its pixels, for looking at it; numbers that count are never made so."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.vrt import WarpedVRT

from pitmap.errors import ImageError
from pitmap.grid import Grid, Window
from pitmap.raster.reading import GDAL_ERRORS, GDAL_OPTIONS, open_raster, opened, to_rasterio, unreadable


def read_warped(
    path: Path, grid: Grid, windows: Sequence[Window], bands: Sequence[int]
) -> list[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Windows of a grid filled from an image: its own pixels where the grids are the same, cubic convolution elsewhere.

    Args:
        path: The image, with a CRS.
        grid: The grid, with a CRS.
        windows: Parts of it.
        bands: Bands of the image, counted from 1.

    Returns:
        For each window float32 ``(band, height, width)`` and which pixels are valid ``(height, width)``.

    Raises:
        ImageError: The image cannot be read.
    """
    with open_raster(path, bands) as reader:
        if reader.grid.same_as(grid):
            return [(pixels.astype(np.float32), valid) for pixels, valid in map(reader.read, windows)]
        nodata = reader.info.nodatas[bands[0] - 1]
    if grid.crs is None:
        raise ImageError(f"{path} cannot be brought to a grid without a coordinate reference system.")
    found = []
    with rasterio.Env(**GDAL_OPTIONS), opened(path) as source, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with WarpedVRT(
                source, crs=grid.crs.to_wkt(), transform=grid.transform, width=grid.width, height=grid.height,
                resampling=Resampling.cubic, src_nodata=0 if nodata is None else nodata, nodata=np.nan,
                dtype="float32",
            ) as warped:  # fmt: skip
                for window in windows:
                    pixels = warped.read(list(bands), window=to_rasterio(window))
                    found.append((pixels, np.isfinite(pixels).all(axis=0)))
        except GDAL_ERRORS as error:
            raise unreadable(path, error) from error
    return found
