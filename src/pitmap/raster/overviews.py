"""Overviews of integer rasters, each level from the one below: several times as fast as GDAL's, by the same rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray

from pitmap.grid import Window, blocks

REDUCED = ("mode", "average")
"""The rules by which pixels are joined here."""


def reduces(dtype: str, nodata: float | None, rule: str) -> bool:
    """Whether ``reduce`` does this: for uint8 and uint16, of which an average never meets the nodata value."""
    limits = np.iinfo(dtype) if dtype in ("uint8", "uint16") else None
    if rule not in REDUCED or limits is None:
        return False
    return nodata is None or nodata in (limits.min, limits.max) or (rule == "mode" and nodata == int(nodata))


def reduce(pixels: NDArray[Any], nodata: float | None, rule: str) -> NDArray[Any]:
    """Half of the rows and columns, rounded up; pixels without data do not count, at the edges what is there counts.

    Args:
        pixels: uint8 or uint16 ``(band, height, width)``.
        nodata: The value of pixels without data, which is also the result of four of them.
        rule: ``mode`` takes the most frequent of four pixels, the first in reading order where several are; ``average``
            their mean, halves rounded up.

    Returns:
        In the same dtype.
    """
    height, width = pixels.shape[1:]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, 0), (0, height % 2), (0, width % 2)), "edge")
    a, b, c, d = (np.ascontiguousarray(pixels[:, row::2, col::2]) for row in (0, 1) for col in (0, 1))
    return _mode(a, b, c, d, nodata) if rule == "mode" else _average(a, b, c, d, nodata)


def _mode(a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], d: NDArray[Any], nodata: float | None) -> NDArray[Any]:
    """The rarer case first, so that the more frequent one has the last word."""
    result = a.copy()
    if nodata is not None:
        for other in (b, c, d):
            np.copyto(result, other, where=result == nodata)
    for value, equal in ((c, c == d), (b, (b == c) | (b == d)), (a, (a == b) | (a == c) | (a == d))):
        np.copyto(result, value, where=equal if nodata is None else equal & (value != nodata))
    return result


def _average(a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], d: NDArray[Any], nodata: float | None) -> NDArray[Any]:
    total = np.zeros(a.shape, np.uint32)
    if nodata is None:
        for each in (a, b, c, d):
            total += each
        return ((total + 2) >> 2).astype(a.dtype)
    count = np.zeros(a.shape, np.uint32)
    for each in (a, b, c, d):
        known = each != nodata
        count += known
        total += each * known
    mean = (total + count // 2) // np.maximum(count, 1)
    return np.where(count > 0, mean, np.uint32(nodata)).astype(a.dtype)


def build_overviews(source: Path, rule: str, block: int) -> list[Path]:
    """Write the levels of a raster as files beside it, down to one that fits into a block.

    Args:
        source: A GeoTIFF for which ``reduces`` holds.
        rule: See ``reduce``.
        block: Side of the blocks in pixels. Twice as many rows and columns are held in memory at once.

    Returns:
        The files, the largest first; none where the raster itself fits into a block.

    Raises:
        rasterio.errors.RasterioError: A file cannot be read or written.
    """
    levels: list[Path] = []
    try:
        while True:
            with rasterio.open(levels[-1] if levels else source) as below:
                if max(below.shape) <= block:
                    return levels
                levels.append(source.with_suffix(f".{len(levels) + 1}.tif"))
                _halve(below, levels[-1], rule, block)
    except BaseException:
        for level in levels:
            level.unlink(missing_ok=True)
        raise


def _halve(below: rasterio.DatasetReader, path: Path, rule: str, block: int) -> None:
    height, width = (-(-side // 2) for side in below.shape)
    profile = {
        "driver": "GTiff", "height": height, "width": width, "count": below.count, "dtype": below.dtypes[0],
        "nodata": below.nodata, "tiled": True, "blockxsize": block, "blockysize": block, "compress": "zstd",
        "zstd_level": 1, "interleave": "pixel" if below.count > 1 else "band", "BIGTIFF": "IF_SAFER",
        "SPARSE_OK": True,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as level:
        for target, pixels in _pieces(below, (height, width), block):
            if below.nodata is None or (pixels != below.nodata).any():
                window = rasterio.windows.Window(target.col, target.row, target.width, target.height)
                level.write(reduce(pixels, below.nodata, rule), window=window)


def _pieces(below: rasterio.DatasetReader, shape: tuple[int, int], block: int) -> Iterator[tuple[Window, NDArray[Any]]]:
    for target in blocks(shape, block):
        row, col = 2 * target.row, 2 * target.col
        rows, cols = min(2 * target.height, below.height - row), min(2 * target.width, below.width - col)
        yield target, below.read(window=rasterio.windows.Window(col, row, cols, rows))


def with_overviews(source: Path, levels: list[Path], virtual: Path) -> None:
    """Write a virtual raster that is ``source`` with ``levels`` as its overviews.

    Raises:
        rasterio.errors.RasterioError: It cannot be written.
    """
    rasterio.shutil.copy(source, virtual, driver="VRT")
    tree = ElementTree.parse(virtual)
    for number, band in enumerate(tree.findall("VRTRasterBand"), start=1):
        for level in levels:
            overview = ElementTree.SubElement(band, "Overview")
            ElementTree.SubElement(overview, "SourceFilename", relativeToVRT="1").text = level.name
            ElementTree.SubElement(overview, "SourceBand").text = str(number)
    tree.write(virtual, encoding="utf-8")
