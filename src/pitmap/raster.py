"""Raster files: the only module that opens them.

Reading gives arrays in the file's own numbers together with a validity mask; writing gives cloud-optimised GeoTIFFs
(COG) that are complete and checked, or no file at all.
"""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.features
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterioWindow

from pitmap import __version__
from pitmap.errors import ImageError, OutputError, PitmapError
from pitmap.files import replacing
from pitmap.grid import Grid, Window, blocks
from pitmap.legend import MAX_CLASSES, UNLABELLED, LandCoverClass, Legend

BLOCK = 512
"""Side of the internal tiles of written files, in pixels."""

GDAL_OPTIONS: dict[str, Any] = {"GDAL_CACHEMAX": 128 * 2**20, "GDAL_NUM_THREADS": "ALL_CPUS"}
"""Bounded block cache: GDAL's default of 5 % of the memory would grow with the machine."""

ZSTD_LEVEL = 3
"""GDAL's default of 9 takes three times as long for a tenth less."""

_TILING = ("tiled", "blockxsize", "blockysize", "compress", "zstd_level")

_READ_ERRORS = (RasterioError, rasterio._err.CPLE_BaseError, OSError)


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
            pixels = self._source.read(self.indices, window=_to_rasterio(w))
            mask = self._source.dataset_mask(window=_to_rasterio(w)) if self._has_mask else None
        except _READ_ERRORS as error:
            raise _unreadable(self.info.path, error) from error
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
    with rasterio.Env(**GDAL_OPTIONS), _opened(path) as source:
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
    with _opened(path) as source:
        return _info(path, source)


def read_rpcs(path: Path) -> Any | None:
    """The RPC that GDAL finds in a file or beside it, a ``rasterio.rpc.RPC``, or None.

    Raises:
        ImageError: The file cannot be opened.
    """
    with _opened(path) as source:
        return source.rpcs


def read_codes(path: Path, window: Window | None = None) -> NDArray:
    """Band 1 of a raster as it stands, ``(height, width)``.

    Raises:
        ImageError: The file cannot be read.
    """
    with open_raster(path, [1]) as reader:
        pixels, _ = reader.read(window)
        return pixels[0]


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
    with rasterio.Env(**GDAL_OPTIONS), _opened(path) as source:
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
        except _READ_ERRORS as error:
            raise _unreadable(path, error) from error
    if info.nodata is not None:
        covered &= ~np.isnan(values) if np.isnan(info.nodata) else values != info.nodata
    return values, covered


def code_polygons(path: Path, codes: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Polygons of the regions of equal code in band 1, along pixel edges, with their holes.

    Pixels belong to one region where they share an edge (4-connectivity): that keeps every polygon valid, while regions
    joined at corners would touch themselves. The raster is read line by line; memory grows with the number of polygons
    of the codes asked for, not with the raster.

    Args:
        path: A raster of codes 0..255.
        codes: The codes wanted, 1..255.

    Yields:
        Code, and a GeoJSON polygon in map coordinates ``x, y`` (``col, row`` for a raster without georeference).

    Raises:
        ImageError: The file cannot be read, or is not of type uint8.
    """
    info = describe(path)
    if info.dtype != "uint8":
        raise ImageError(f"{path} holds {info.dtype} pixels.", "Class codes of type uint8, as a map has them.")
    # A virtual raster that turns all other codes into 0 keeps their polygons from being built at all.
    table = ",".join(f"{value}:{value if value in codes else 0}" for value in range(256))
    geotransform = ", ".join(repr(float(value)) for value in info.grid.transform.to_gdal())
    virtual = (
        f'<VRTDataset rasterXSize="{info.grid.width}" rasterYSize="{info.grid.height}">'
        f"<GeoTransform>{geotransform}</GeoTransform>"
        f'<VRTRasterBand dataType="Byte" band="1"><ComplexSource><SourceFilename relativeToVRT="0">'
        f"{escape(str(Path(path).absolute()))}</SourceFilename><SourceBand>1</SourceBand><LUT>{table}</LUT>"
        "</ComplexSource></VRTRasterBand></VRTDataset>"
    )
    with rasterio.Env(**GDAL_OPTIONS), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            with rasterio.open(virtual) as source:
                band = rasterio.band(source, 1)
                for geometry, code in rasterio.features.shapes(band, band, connectivity=4):
                    yield int(code), geometry
        except _READ_ERRORS as error:
            raise _unreadable(path, error) from error


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
        except _READ_ERRORS as error:
            raise _unreadable(path, error) from error
        return pixels, validity(pixels, reader._nodata)


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
        legend: For land-cover codes: writes colour table, class names and a QGIS style.
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
    overviews: str = "average"


TAG_PREFIX = "PITMAP_"
"""Start of the names of all metadata items that pitmap writes."""

LEGEND_TAG = "PITMAP_LEGEND"
"""Metadata item of land-cover rasters that holds the legend with its keys, as JSON."""


def codes_layout(legend: Legend, tags: Mapping[str, str] | None = None) -> Layout:
    """The layout of land-cover codes: uint8, nodata 0, colours and names of the legend, mode overviews."""
    tags = {LEGEND_TAG: json.dumps(legend.to_json(), ensure_ascii=False)} | dict(tags or {})
    return Layout(1, "uint8", UNLABELLED, ("land cover",), tags=tags, legend=legend, overviews="mode")


def read_legend(path: Path) -> Legend | None:
    """The legend of a land-cover raster: from pitmap's own tag, else from GDAL's class names and the colour table.

    Where only names are known they are the keys as well, and classes without a name are called ``class N``.

    Returns:
        None where the file names no classes.

    Raises:
        ImageError: The file cannot be opened, or its legend tag is damaged.
    """
    with _opened(path) as source:
        if (text := source.tags().get(LEGEND_TAG)) is not None:
            try:
                return Legend.from_json(json.loads(text))
            except (ValueError, TypeError, PitmapError) as error:
                raise ImageError(
                    f"The legend in the metadata of {path} cannot be read ({_first_line(error)}).",
                    remedy=f"Remove the metadata item {LEGEND_TAG}, or make the map again.",
                ) from error
        try:
            colours = source.colormap(1)
        except ValueError:
            colours = {}
    sidecar = Path(f"{path}.aux.xml")
    if not sidecar.exists():
        return None
    try:
        found = ElementTree.parse(sidecar).findall("./PAMRasterBand[@band='1']/CategoryNames/Category")
    except ElementTree.ParseError:
        return None
    names = [(element.text or "").strip() for element in found][1:]
    while names and not names[-1]:
        names.pop()
    if not names or len(names) > MAX_CLASSES:
        return None
    names = [name or f"class {code}" for code, name in enumerate(names, start=1)]
    keys = [name if names.count(name) == 1 else f"{name} {code}" for code, name in enumerate(names, start=1)]
    return Legend(
        LandCoverClass(code, key, name, "#{:02x}{:02x}{:02x}".format(*colours.get(code, (128, 128, 128))[:3]))
        for code, (key, name) in enumerate(zip(keys, names, strict=True), start=1)
    )


class RasterWriter:
    """A raster being written window by window. Use it through ``create_cog``."""

    def __init__(self, target: rasterio.io.DatasetWriter, path: Path) -> None:
        self._target, self._path = target, path
        self.written: dict[Window, int] = {}

    def write(self, pixels: NDArray, window: Window | None = None) -> None:
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
            self._target.write(pixels, window=_to_rasterio(window))
        except _READ_ERRORS as error:
            raise _unwritable(self._path, error) from error
        self.written[window] = _checksum(pixels)


@contextmanager
def create_cog(path: Path, grid: Grid, layout: Layout) -> Iterator[RasterWriter]:
    """Write a cloud-optimised GeoTIFF window by window, in memory that does not grow with the raster.

    The windows go to a temporary file; at the end it is turned into a COG, every window is read back and compared, and
    the COG gets its name. Where the block raises, nothing is left.

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
                except _READ_ERRORS as error:
                    raise _unwritable(path, error) from error
                writer = RasterWriter(target, path)
                with target:
                    _write_metadata(target, layout)
                    yield writer
                try:
                    rasterio.shutil.copy(
                        plain, temporary, driver="COG", COMPRESS="ZSTD", LEVEL=ZSTD_LEVEL, PREDICTOR="STANDARD",
                        BLOCKSIZE=BLOCK, OVERVIEW_RESAMPLING=layout.overviews.upper(), BIGTIFF="IF_SAFER",
                        NUM_THREADS="ALL_CPUS",
                    )  # fmt: skip
                    _check(temporary, writer.written)
                except _READ_ERRORS as error:
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
        except _READ_ERRORS as error:
            raise _unwritable(path, error) from error


def write_cog(path: Path, pixels: NDArray, grid: Grid, layout: Layout) -> None:
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


def _to_rasterio(w: Window) -> RasterioWindow:
    return RasterioWindow(w.col, w.row, w.width, w.height)


def _unreadable(path: Path, error: BaseException) -> ImageError:
    return ImageError(
        f"The pixels of {path} cannot be read ({_first_line(error)}).",
        "A complete raster file that GDAL reads.",
        "The file is probably truncated or damaged: copy or download it again.",
    )


def _unwritable(path: Path, error: BaseException) -> OutputError:
    return OutputError(
        f"{path} cannot be written ({_first_line(error)}).",
        remedy="Make room on the disk or choose another place; nothing was left behind under that name.",
    )


def _first_line(error: BaseException) -> str:
    cause = error.__cause__ or error
    return (str(cause).splitlines() or [type(cause).__name__])[0].rstrip(".")


@contextmanager
def _opened(path: Path) -> Iterator[rasterio.DatasetReader]:
    if not Path(path).exists() and not str(path).startswith("/vsi"):
        raise ImageError(
            f"There is no file {path}.", remedy="Check the path; relative paths start at the project file."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            source = rasterio.open(path)
        except _READ_ERRORS as error:
            size = Path(path).stat().st_size if Path(path).exists() else 0
            raise ImageError(
                f"{path} ({size} bytes) is not a raster file that can be opened ({_first_line(error)}).",
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


def _profile(grid: Grid, layout: Layout) -> dict[str, Any]:
    profile = {
        "driver": "GTiff", "height": grid.height, "width": grid.width, "count": layout.bands, "dtype": layout.dtype,
        "nodata": layout.nodata, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "zstd",
        "zstd_level": 1, "BIGTIFF": "IF_SAFER", "interleave": "pixel" if layout.bands > 1 else "band",
    }  # fmt: skip
    if grid.crs is not None:
        profile["crs"] = grid.crs.to_wkt()
    if grid.crs is not None or grid.transform != Affine.identity():
        profile["transform"] = grid.transform
    return profile


def _write_metadata(target: rasterio.io.DatasetWriter, layout: Layout) -> None:
    target.update_tags(**{"TIFFTAG_SOFTWARE": f"pitmap {__version__}", **layout.tags})
    for index, name in enumerate(layout.descriptions, start=1):
        target.set_band_description(index, name)
    if (layout.scale, layout.offset) != (1.0, 0.0):
        target.scales = (layout.scale,) * layout.bands
        target.offsets = (layout.offset,) * layout.bands
    if layout.legend is not None:
        target.write_colormap(1, layout.legend.colour_table())


def _checksum(pixels: NDArray) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).view(np.uint8).data)


def _check(path: Path, written: Mapping[Window, int]) -> None:
    """Compare a file with what was written: GDAL can lose blocks on a full disk without raising."""
    with rasterio.open(path) as source:
        for window, checksum in written.items():
            if _checksum(source.read(window=_to_rasterio(window))) != checksum:
                raise RasterioIOError(f"rows {window.row} to {window.row + window.height - 1} did not reach the disk")


def _write_names(path: Path, legend: Legend) -> None:
    """Class names and attribute table for GDAL (``.aux.xml``), and a style for QGIS (``.qml``)."""
    names = "".join(f"<Category>{escape(n)}</Category>" for n in ["", *(c.name for c in legend)])
    columns = [("Value", 0, 5), ("Class_Name", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8)]
    fields = "".join(
        f'<FieldDefn index="{i}"><Name>{n}</Name><Type>{t}</Type><Usage>{u}</Usage></FieldDefn>'
        for i, (n, t, u) in enumerate(columns)
    )
    rows = "".join(
        f'<Row index="{i}">' + "".join(f"<F>{escape(str(v))}</F>" for v in (c.code, c.name, *c.rgb)) + "</Row>"
        for i, c in enumerate(legend)
    )
    aux = (
        f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{names}</CategoryNames>'
        f'<GDALRasterAttributeTable tableType="thematic">{fields}{rows}</GDALRasterAttributeTable>'
        "</PAMRasterBand></PAMDataset>\n"
    )
    entries = "".join(
        f'<paletteEntry value="{c.code}" color="{c.colour}" alpha="255" label="{escape(c.name, {chr(34): "&quot;"})}"/>'
        for c in legend
    )
    style = (
        '<!DOCTYPE qgis PUBLIC "http://mrcc.com/qgis.dtd" "SYSTEM">\n<qgis version="3.22" styleCategories="Symbology">'
        '<pipe><rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1" nodataColor="">'
        f"<colorPalette>{entries}</colorPalette></rasterrenderer></pipe></qgis>\n"
    )
    for sidecar, text in ((path.with_name(path.name + ".aux.xml"), aux), (path.with_suffix(".qml"), style)):
        with replacing(sidecar) as temporary:
            temporary.write_text(text, encoding="utf-8")


__all__ = [
    "LEGEND_TAG", "Layout", "RasterInfo", "RasterReader", "RasterWriter", "blocks", "code_polygons", "codes_layout",
    "create_cog", "create_plain", "describe", "open_raster", "read_codes", "read_legend", "read_onto", "read_reduced",
    "read_rpcs", "validity", "write_cog",
]  # fmt: skip
