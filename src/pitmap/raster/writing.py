"""Writing rasters: cloud-optimised GeoTIFFs (COG) that are complete and checked, or no file at all."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
import rasterio
import rasterio.features
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from pitmap import __version__
from pitmap.errors import OutputError
from pitmap.files import replacing, write_text
from pitmap.grid import Grid, Window
from pitmap.legend import Legend
from pitmap.raster.overviews import build_overviews, reduces, with_overviews
from pitmap.raster.reading import GDAL_ERRORS, GDAL_OPTIONS, first_line, to_rasterio

BLOCK = 512
"""Side of the internal tiles of written files, in pixels."""

STREAM_CACHE = 16 * 2**20
"""Bytes of GDAL's block cache while a finished file is copied and read back: more would grow with the raster."""

ZSTD_LEVEL = 3
"""GDAL's default of 9 takes three times as long for a tenth less."""

_TILING = ("tiled", "blockxsize", "blockysize", "compress", "zstd_level", "SPARSE_OK")


@dataclass(frozen=True)
class Layout:
    """How a raster is written.

    Attributes:
        bands: Number of bands.
        dtype: NumPy name of the pixel type.
        nodata: Written as the nodata value.
        descriptions: Band names.
        scale: Written for all bands; a reader gets ``DN x scale + offset``.
        offset: Written for all bands.
        tags: Metadata of the file.
        legend: For land-cover codes: writes colour table and class names.
        interpretation: What GDAL calls the bands, such as red; it decides by itself where empty.
        look: Gives the QGIS style (QML) of the finished file, which is written beside it; see ``raster.looks``.
        overviews: Resampling of the overviews (``mode`` for codes, ``average`` for quantities, ``nearest``).
    """

    bands: int
    dtype: str
    nodata: float | None = None
    descriptions: Sequence[str] = ()
    scale: float = 1.0
    offset: float = 0.0
    tags: Mapping[str, str] = field(default_factory=dict)
    legend: Legend | None = None
    interpretation: Sequence[ColorInterp] = ()
    look: Callable[[Path], str] | None = None
    overviews: str = "average"


class RasterWriter:
    """A raster being written window by window. Use it through ``create_cog``."""

    def __init__(self, target: rasterio.io.DatasetWriter, path: Path) -> None:
        self._target, self._path = target, path
        self.written: dict[Window, int] = {}

    def write(self, pixels: NDArray[Any], window: Window | None = None) -> None:
        """Write a window.

        Args:
            pixels: ``(band, height, width)``, or ``(height, width)`` for a single band.
            window: Where, by default the whole raster.

        Raises:
            OutputError: The disk is full or not writable.
        """
        if pixels.ndim == 2:
            pixels = pixels[None]
        window = window or Window(0, 0, *pixels.shape[1:])
        try:
            self._target.write(pixels, window=to_rasterio(window))
        except GDAL_ERRORS as error:
            raise _unwritable(self._path, error) from error
        self.written[window] = _checksum(pixels)


@contextmanager
def create_cog(path: Path, grid: Grid, layout: Layout) -> Iterator[RasterWriter]:
    """Write a cloud-optimised GeoTIFF window by window, in memory that does not grow with the raster.

    The windows go to a temporary file; at the end it is turned into a COG, every window is read back and compared, and
    the COG gets its name. Ground that no window covers is nodata. Where the block raises, nothing is left.

    Args:
        path: The file, ending in ``.tif``.
        grid: Its pixels.
        layout: Its bands and metadata.

    Raises:
        OutputError: The disk is full or not writable, or what was read back differs from what was written.
    """
    with replacing(path) as temporary:
        plain = temporary.with_suffix(".plain.tif")
        try:
            with rasterio.Env(**GDAL_OPTIONS), warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                try:
                    target = rasterio.open(plain, "w", **_profile(grid, layout))
                except GDAL_ERRORS as error:
                    raise _unwritable(path, error) from error
                writer = RasterWriter(target, path)
                with target:
                    _write_metadata(target, layout)
                    yield writer
                try:
                    with rasterio.Env(GDAL_CACHEMAX=STREAM_CACHE):  # every block is used once
                        _copy_as_cog(plain, temporary, layout)
                        _check(temporary, writer.written)
                except GDAL_ERRORS as error:
                    raise _unwritable(path, error) from error
            sidecar = temporary.with_name(temporary.name + ".aux.xml")
            sidecar.unlink(missing_ok=True)
        finally:
            for leftover in (plain, plain.with_name(plain.name + ".aux.xml")):
                leftover.unlink(missing_ok=True)
    stale = path.with_name(path.name + ".aux.xml")
    stale.unlink(missing_ok=True)
    if layout.legend is not None:
        _write_names(path, layout.legend)
    if layout.look is not None:
        write_text(path.with_suffix(".qml"), layout.look(path))


def _copy_as_cog(plain: Path, cog: Path, layout: Layout) -> None:
    source, levels, virtual = plain, [], plain.with_suffix(".vrt")
    try:
        if own := reduces(layout.dtype, layout.nodata, layout.overviews):
            levels = build_overviews(plain, layout.overviews, BLOCK)
        if levels:
            with_overviews(plain, levels, virtual)
            source = virtual
        rasterio.shutil.copy(
            source, cog, driver="COG", COMPRESS="ZSTD", LEVEL=ZSTD_LEVEL, PREDICTOR="STANDARD", BLOCKSIZE=BLOCK,
            OVERVIEWS="FORCE_USE_EXISTING" if own else "AUTO", OVERVIEW_RESAMPLING=layout.overviews.upper(),
            BIGTIFF="IF_SAFER", NUM_THREADS="ALL_CPUS",
        )  # fmt: skip
    finally:
        for leftover in (virtual, *levels):
            leftover.unlink(missing_ok=True)


@contextmanager
def create_plain(path: Path, grid: Grid, layout: Layout) -> Iterator[RasterWriter]:
    """Write a GeoTIFF in uncompressed strips, window by window, as level-1 products are delivered.

    Args:
        path: The file, ending in ``.tif`` or ``.tiff``.
        grid: Its pixels.
        layout: Its bands and metadata.

    Raises:
        OutputError: The disk is full or not writable.
    """
    profile = {k: v for k, v in _profile(grid, layout).items() if k not in _TILING}
    with replacing(path) as temporary, rasterio.Env(**GDAL_OPTIONS), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with rasterio.open(temporary, "w", **profile) as target:
                _write_metadata(target, layout)
                yield RasterWriter(target, path)
        except GDAL_ERRORS as error:
            raise _unwritable(path, error) from error


def write_cog(path: Path, pixels: NDArray[Any], grid: Grid, layout: Layout) -> None:
    """Write a whole array as a cloud-optimised GeoTIFF.

    Args:
        path: The file.
        pixels: ``(band, height, width)`` or ``(height, width)``.
        grid: Its pixels.
        layout: Its bands and metadata.

    Raises:
        OutputError: See ``create_cog``.
    """
    with create_cog(path, grid, layout) as writer:
        writer.write(pixels)


def _unwritable(path: Path, error: BaseException) -> OutputError:
    return OutputError(
        f"{path} cannot be written ({first_line(error)}).",
        remedy="Make room on the disk or choose another place; nothing was left behind under that name.",
    )


def _profile(grid: Grid, layout: Layout) -> dict[str, Any]:
    profile = {
        "driver": "GTiff", "height": grid.height, "width": grid.width, "count": layout.bands, "dtype": layout.dtype,
        "nodata": layout.nodata, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "zstd",
        "zstd_level": 1, "BIGTIFF": "IF_SAFER", "interleave": "pixel" if layout.bands > 1 else "band",
        "SPARSE_OK": True,
    }  # fmt: skip
    if grid.crs is not None:
        profile["crs"] = grid.crs.to_wkt()
    elif grid.local_crs is not None:
        profile["crs"] = grid.local_crs
    if grid.crs is not None or not grid.counts_pixels:
        profile["transform"] = grid.transform
    return profile


def _write_metadata(target: rasterio.io.DatasetWriter, layout: Layout) -> None:
    target.update_tags(**{"TIFFTAG_SOFTWARE": f"pitmap {__version__}", **layout.tags})
    for index, name in enumerate(layout.descriptions, start=1):
        target.set_band_description(index, name)
    if (layout.scale, layout.offset) != (1.0, 0.0):
        target.scales = (layout.scale,) * layout.bands
        target.offsets = (layout.offset,) * layout.bands
    if layout.interpretation:
        target.colorinterp = layout.interpretation
    if layout.legend is not None:
        target.write_colormap(1, layout.legend.colour_table())


def _checksum(pixels: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).view(np.uint8).data)


def _check(path: Path, written: Mapping[Window, int]) -> None:
    """Compare a file with what was written: GDAL can lose blocks on a full disk without raising."""
    with rasterio.open(path) as source:
        for window, checksum in written.items():
            if _checksum(source.read(window=to_rasterio(window))) != checksum:
                raise RasterioIOError(f"rows {window.row} to {window.row + window.height - 1} did not reach the disk")


def _write_names(path: Path, legend: Legend) -> None:
    """Class names and attribute table for GDAL (``.aux.xml``)."""
    columns = [("Value", 0, 5), ("Class_Name", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8)]
    band = Element("PAMRasterBand", band="1")
    names = SubElement(band, "CategoryNames")
    for name in ["", *(c.name for c in legend)]:
        SubElement(names, "Category").text = name
    table = SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for index, column in enumerate(columns):
        field = SubElement(table, "FieldDefn", index=str(index))
        for tag, value in zip(("Name", "Type", "Usage"), column, strict=True):
            SubElement(field, tag).text = str(value)
    for index, c in enumerate(legend):
        row = SubElement(table, "Row", index=str(index))
        for value in (c.code, c.name, *c.rgb):
            SubElement(row, "F").text = str(value)
    root = Element("PAMDataset")
    root.append(band)
    write_text(path.with_name(path.name + ".aux.xml"), tostring(root, encoding="unicode") + "\n")
