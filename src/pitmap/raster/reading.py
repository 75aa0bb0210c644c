"""Reading rasters: arrays in the file's own numbers, together with which of their pixels are valid."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.features
import rasterio.shutil
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterioWindow

from pitmap.errors import ImageError
from pitmap.grid import Grid, Window

GDAL_OPTIONS: dict[str, Any] = {"GDAL_CACHEMAX": 128 * 2**20, "GDAL_NUM_THREADS": "ALL_CPUS"}
"""Bounded block cache: GDAL's default of 5 % of the memory would grow with the machine."""

GDAL_ERRORS = (RasterioError, rasterio._err.CPLE_BaseError, OSError)


@dataclass(frozen=True)
class RasterInfo:
    """What a raster file says of itself.

    Attributes:
        path: The file.
        grid: Its pixels.
        bands: Number of bands.
        dtype: NumPy name of the pixel type.
        nodata: The nodata value of band 1, or None.
        descriptions: Band names, None where a band has none.
        scales: One a band; reflectance (or another quantity) is ``DN x scale + offset``.
        offsets: One a band.
        tags: The file's metadata.
        has_scale: Whether the file states a scale or an offset other than 1 and 0.
        block_shape: Rows and columns of the file's internal blocks.
    """

    path: Path
    grid: Grid
    bands: int
    dtype: str
    nodata: float | None
    descriptions: tuple[str | None, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    block_shape: tuple[int, int] = (1, 1)

    @property
    def has_scale(self) -> bool:
        """Whether the file states a scale or an offset other than 1 and 0."""
        return any(s != 1 for s in self.scales) or any(o != 0 for o in self.offsets)

    def band_indices(self, bands: Sequence[int | str] | None) -> list[int]:
        """Numbers, counted from 1, of the bands given by number or by name; all where ``bands`` is None.

        Raises:
            ImageError: A band does not exist.
        """
        if bands is None:
            return list(range(1, self.bands + 1))
        indices = []
        for band in bands:
            if isinstance(band, str) and band in self.descriptions:
                indices.append(self.descriptions.index(band) + 1)
            elif isinstance(band, int) and 1 <= band <= self.bands:
                indices.append(band)
            else:
                names = [d for d in self.descriptions if d]
                raise ImageError(
                    f"{self.path} has no band {band!r}.",
                    f"It has {self.bands} band(s)" + (f" named {', '.join(names)}." if names else " without names."),
                    "Give bands by number, counted from 1, or by name.",
                )
        return indices


class RasterReader:
    """An open raster, read window by window. Use it through ``open_raster``.

    Attributes:
        info: What the file says of itself.
        indices: The selected bands, counted from 1.
    """

    def __init__(
        self, source: rasterio.DatasetReader, info: RasterInfo, indices: list[int], nodata: float | None
    ) -> None:
        self._source, self.info, self.indices, self._nodata = source, info, indices, nodata
        flags = source.mask_flag_enums[indices[0] - 1]
        self._has_mask = MaskFlags.per_dataset in flags and MaskFlags.all_valid not in flags

    @property
    def grid(self) -> Grid:
        """The pixels of the file."""
        return self.info.grid

    def read(self, window: Window | None = None) -> tuple[NDArray, NDArray[np.bool_]]:
        """Pixels of a window and which of them are valid.

        A pixel is invalid where any selected band holds the nodata value or is not finite, or where the file's own mask
        or alpha band says so. An integer file without a nodata value is invalid where all selected bands are 0 (the
        fill of level-1 products).

        Returns:
            The bands in the file's dtype, shape ``(band, height, width)``, and a boolean mask ``(height, width)``.

        Raises:
            ImageError: The pixels cannot be read.
        """
        w = window or self.grid.window
        try:
            pixels = self._source.read(self.indices, window=to_rasterio(w))
            mask = self._source.dataset_mask(window=to_rasterio(w)) if self._has_mask else None
        except GDAL_ERRORS as error:
            raise unreadable(self.info.path, error) from error
        valid = validity(pixels, self._nodata)
        return pixels, valid if mask is None else valid & (mask > 0)


def validity(pixels: NDArray, nodata: float | None) -> NDArray[np.bool_]:
    """Which pixels hold data, by the rule of ``RasterReader.read``.

    Args:
        pixels: ``(band, height, width)``.
        nodata: The value that marks missing pixels, NaN included, or None.

    Returns:
        Boolean, ``(height, width)``.
    """
    if np.issubdtype(pixels.dtype, np.floating):
        valid = np.isfinite(pixels).all(axis=0)
        return valid if nodata is None or np.isnan(nodata) else valid & (pixels != nodata).all(axis=0)
    if nodata is None:
        return (pixels != 0).any(axis=0)
    return (pixels != nodata).all(axis=0)


@contextmanager
def open_raster(
    path: Path, bands: Sequence[int | str] | None = None, nodata: float | None = None
) -> Iterator[RasterReader]:
    """Open a raster for windowed reading.

    Args:
        path: Any file that GDAL reads.
        bands: Bands by number (from 1) or name, in the order wanted; None takes all but an alpha band.
        nodata: Overrides the file's own nodata value.

    Raises:
        ImageError: The file cannot be opened, or lacks a band.
    """
    with rasterio.Env(**GDAL_OPTIONS), opened(path) as source:
        info = _info(path, source)
        indices = info.band_indices(bands)
        if bands is None:
            indices = [i for i in indices if source.colorinterp[i - 1] != ColorInterp.alpha] or indices
        yield RasterReader(source, info, indices, info.nodata if nodata is None else nodata)


def describe(path: Path) -> RasterInfo:
    """What a raster file says of itself, without reading pixels.

    Raises:
        ImageError: The file cannot be opened.
    """
    with opened(path) as source:
        return _info(path, source)


def read_rpcs(path: Path) -> Any | None:
    """The RPC that GDAL finds in a file or beside it, a ``rasterio.rpc.RPC``, or None.

    Raises:
        ImageError: The file cannot be opened.
    """
    with opened(path) as source:
        return source.rpcs


def read_onto(path: Path, grid: Grid, band: int = 1) -> tuple[NDArray, NDArray[np.bool_]]:
    """One band brought to another grid by nearest neighbour.

    Args:
        path: A raster with a CRS, or without one if it has the very size of a ``grid`` without CRS.
        grid: The grid wanted.
        band: The band, counted from 1.

    Returns:
        Values in the file's dtype ``(height, width)``, and which pixels the file covers with data.

    Raises:
        ImageError: The file cannot be read, or only one of the two has a CRS, or the sizes differ where neither has.
    """
    with rasterio.Env(**GDAL_OPTIONS), opened(path) as source:
        info = _info(path, source)
        if (info.grid.crs is None) != (grid.crs is None):
            without = "It" if info.grid.crs is None else "The image"
            raise ImageError(
                f"{path} cannot be laid over the image: {without} has no coordinate reference system.",
                "Both have one, or neither has and both have the same size.",
                "Assign the CRS with gdal_edit or QGIS, or give a raster that fits.",
            )
        if grid.crs is None and info.grid.shape != grid.shape:
            raise ImageError(
                f"{path} has {info.grid.height} x {info.grid.width} pixels, the image {grid.height} x {grid.width}.",
                "Without a CRS both have the same number of rows and columns.",
            )
        try:
            if info.grid.same_as(grid):
                values = source.read(band)
                covered = np.ones(grid.shape, np.bool_)
            else:
                with WarpedVRT(source, **_vrt_options(grid), nodata=info.nodata, add_alpha=info.nodata is None) as vrt:
                    values = vrt.read(band)
                    covered = vrt.dataset_mask() > 0
        except GDAL_ERRORS as error:
            raise unreadable(path, error) from error
    if info.nodata is not None:
        covered &= ~np.isnan(values) if np.isnan(info.nodata) else values != info.nodata
    return values, covered


def read_reduced(path: Path, bands: Sequence[int | str] | None, longest_side: int) -> tuple[NDArray, NDArray[np.bool_]]:
    """A small version of a raster for pictures, from its overviews where it has them (nearest neighbour).

    Returns:
        ``(band, rows, cols)`` with neither side above ``longest_side``, and the validity mask.

    Raises:
        ImageError: The file cannot be read.
    """
    with open_raster(path, bands) as reader:
        height, width = reader.grid.shape
        factor = max(1.0, max(height, width) / longest_side)
        shape = (len(reader.indices), max(1, round(height / factor)), max(1, round(width / factor)))
        try:
            pixels = reader._source.read(reader.indices, out_shape=shape, resampling=Resampling.nearest)
        except GDAL_ERRORS as error:
            raise unreadable(path, error) from error
        return pixels, validity(pixels, reader._nodata)


def to_rasterio(w: Window) -> RasterioWindow:
    """A window as rasterio takes it."""
    return RasterioWindow(w.col, w.row, w.width, w.height)


def unreadable(path: Path, error: BaseException) -> ImageError:
    """The error for pixels that GDAL could not read."""
    return ImageError(
        f"The pixels of {path} cannot be read ({first_line(error)}).",
        "A complete raster file that GDAL reads.",
        "The file is probably truncated or damaged: copy or download it again.",
    )


def first_line(error: BaseException) -> str:
    """The first line of what a library says, without a full stop."""
    cause = error.__cause__ or error
    return (str(cause).splitlines() or [type(cause).__name__])[0].rstrip(".")


@contextmanager
def opened(path: Path) -> Iterator[rasterio.DatasetReader]:
    """An open raster of rasterio's.

    Raises:
        ImageError: There is no such file, or GDAL cannot open it.
    """
    if not Path(path).exists() and not str(path).startswith("/vsi"):
        raise ImageError(
            f"There is no file {path}.", remedy="Check the path; relative paths start at the project file."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            source = rasterio.open(path)
        except GDAL_ERRORS as error:
            size = Path(path).stat().st_size if Path(path).exists() else 0
            raise ImageError(
                f"{path} ({size} bytes) is not a raster file that can be opened ({first_line(error)}).",
                "A raster in a format that GDAL reads, such as GeoTIFF.",
                "Check that the file is complete and is what its name says.",
            ) from error
        with source:
            yield source


def _info(path: Path, source: rasterio.DatasetReader) -> RasterInfo:
    crs = None if source.crs is None else CRS.from_wkt(source.crs.to_wkt())
    grid = Grid(crs, source.transform, source.height, source.width)
    if source.count == 0:
        raise ImageError(
            f"{path} holds no raster band at its top level.", "A raster with at least one band.",
            "Give one of its subdatasets.",
        )  # fmt: skip
    return RasterInfo(
        Path(path), grid, source.count, source.dtypes[0], source.nodata, tuple(source.descriptions),
        tuple(source.scales), tuple(source.offsets), source.tags(), source.block_shapes[0],
    )  # fmt: skip


def _vrt_options(grid: Grid) -> dict[str, Any]:
    assert grid.crs is not None
    return {
        "crs": grid.crs.to_wkt(), "transform": grid.transform, "height": grid.height, "width": grid.width,
        "resampling": Resampling.nearest, "tolerance": 0.01,
    }  # fmt: skip
