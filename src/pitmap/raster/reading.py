"""Reading rasters: arrays in the file's own numbers, together with which of their pixels are valid.

What a raster says is valid is decided in ``RasterReader``, for every reader and on every grid.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import rasterio
import rasterio.features
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as RasterioWindow

from pitmap.errors import ImageError, LabelError
from pitmap.grid import PIXEL_FRAME, Grid, Window, blocks, lack_of_place, place_of
from pitmap.paths import exists, gdal_name, is_gdal
from pitmap.vectors import has_layers, table_names

CACHE, LARGEST_CACHE = 128 * 2**20, 384 * 2**20
"""Bytes of GDAL's block cache. Its default of 5 % of the memory would grow with the machine."""

GDAL_OPTIONS: dict[str, Any] = {"GDAL_CACHEMAX": CACHE, "GDAL_NUM_THREADS": "ALL_CPUS"}

REMOTE_OPTIONS: dict[str, Any] = {"GDAL_HTTP_CONNECTTIMEOUT": 10, "GDAL_HTTP_TIMEOUT": 60}
"""Seconds after which an address that does not answer is given up: GDAL itself would wait without end."""

GDAL_ERRORS = (RasterioError, rasterio._err.CPLE_BaseError, OSError)


@dataclass(frozen=True)
class RasterInfo:
    """What a raster file says of itself.

    Attributes:
        path: The file.
        grid: Its pixels.
        bands: Number of bands, alpha bands included.
        dtype: NumPy name of the type that holds the pixels of all bands but alpha.
        nodata: The nodata value of the first band, or None.
        descriptions: Band names, None where a band has none.
        scales: One a band; reflectance (or another quantity) is ``DN x scale + offset``.
        offsets: One a band.
        tags: The file's metadata, with those of its product that GDAL knows (domain ``IMAGERY``).
        block_shape: Rows and columns of the file's internal blocks.
        dtypes: NumPy name of the pixel type of each band.
        nodatas: The nodata value of each band, or None.
        units: The unit of each band as the file writes it, or None.
        alpha: Bands, counted from 1, that say how opaque a pixel is: a mask, and no band of the image.
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
    dtypes: tuple[str, ...] = ()
    nodatas: tuple[float | None, ...] = ()
    units: tuple[str | None, ...] = ()
    alpha: tuple[int, ...] = ()

    @property
    def has_scale(self) -> bool:
        """Whether the file states a scale or an offset other than 1 and 0."""
        return any(s != 1 for s in self.scales) or any(o != 0 for o in self.offsets)

    @property
    def image_bands(self) -> list[int]:
        """Numbers, counted from 1, of all bands but alpha."""
        return [i for i in range(1, self.bands + 1) if i not in self.alpha]

    def band_indices(self, bands: Sequence[int | str] | None) -> list[int]:
        """Numbers, counted from 1, of the bands given by number or by name; all but alpha where ``bands`` is None.

        Raises:
            ImageError: A band does not exist, or is an alpha band.
        """
        if bands is None:
            return self.image_bands
        indices = []
        names = [None if d is None else normalize("NFC", d) for d in self.descriptions]
        for band in bands:
            if isinstance(band, str) and normalize("NFC", band) in names:
                indices.append(names.index(normalize("NFC", band)) + 1)
            elif isinstance(band, int) and 1 <= band <= self.bands:
                indices.append(band)
            else:
                known = [d for d in self.descriptions if d]
                raise ImageError(
                    f"{self.path} has no band {band!r}.",
                    f"It has {self.bands} band(s)" + (f" named {', '.join(known)}." if known else " without names."),
                    "Give bands by number, counted from 1, or by name.",
                )
            if indices[-1] in self.alpha:
                raise ImageError(
                    f"Band {band!r} of {self.path} is an alpha band: it says which pixels hold data.",
                    f"The bands of the image: {', '.join(str(i) for i in self.image_bands)}.",
                    "Leave it out; it is honoured as a mask. If it is a spectral band, say so in the file: "
                    f"gdal_edit.py -colorinterp_{indices[-1]} undefined.",
                )
        return indices


class RasterReader:
    """An open raster, read window by window. Use it through ``open_raster``.

    Attributes:
        info: What the file says of itself.
        indices: The selected bands, counted from 1.
        dtype: NumPy name of the type that holds the pixels of all selected bands.
    """

    def __init__(
        self,
        source: rasterio.DatasetReader,
        info: RasterInfo,
        indices: list[int],
        nodata: float | None,
        zero_is_void: bool,
    ) -> None:
        self._source, self.info, self.indices = source, info, indices
        self._types = [np.dtype(info.dtypes[i - 1]) for i in indices]
        stated = [info.nodatas[i - 1] if nodata is None else nodata for i in indices]
        self._nodata = [_as_held(v, t) for v, t in zip(stated, self._types, strict=True)]
        integers = any(t.kind in "iub" for t in self._types)
        self._zero_is_void = zero_is_void and integers and all(v is None for v in self._nodata)
        flags = source.mask_flag_enums
        other = {MaskFlags.all_valid, MaskFlags.nodata, MaskFlags.alpha}  # what is looked at here itself
        masked = [i for i in indices if not other & set(flags[i - 1])]
        shared = all(MaskFlags.per_dataset in flags[i - 1] for i in masked)
        self._masked = masked[:1] if shared else masked
        self.dtype = str(np.result_type(*self._types))

    @property
    def grid(self) -> Grid:
        """The pixels of the file."""
        return self.info.grid

    @property
    def nodata(self) -> float | None:
        """What stands for no data in the first selected band, None where nothing does."""
        return self._nodata[0]

    def read(self, window: Window | None = None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Pixels of a window and which of them are valid.

        A pixel is invalid where any selected band holds its nodata value (within GDAL's tolerance for floats) or is not
        finite, where the mask of any selected band or of the dataset says so, or where an alpha band is 0. Where the
        file states no nodata value, an integer image is invalid where all selected bands are 0 (the fill of level-1
        products).

        Returns:
            The bands in ``dtype``, shape ``(band, height, width)``, and a boolean mask ``(height, width)``.

        Raises:
            ImageError: The pixels cannot be read.
        """
        w = window or self.grid.window
        return self._read(w, (w.height, w.width))

    def read_at(self, window: Window, shape: tuple[int, int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """A window with another number of rows and columns, as ``read``; by nearest neighbour."""
        return self._read(window, shape)

    def read_reduced(self, longest_side: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The whole raster with neither side above ``longest_side``, as ``read``; by nearest neighbour."""
        height, width = self.grid.shape
        factor = max(1.0, max(height, width) / longest_side)
        return self._read(self.grid.window, (max(1, round(height / factor)), max(1, round(width / factor))))

    def _read(self, w: Window, shape: tuple[int, int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        window = to_rasterio(w)
        try:
            if len(set(self._types)) == 1:
                pixels = self._source.read(self.indices, window=window, out_shape=(len(self.indices), *shape))
            else:
                pixels = np.stack(
                    [self._source.read(i, window=window, out_shape=shape).astype(self.dtype) for i in self.indices]
                )
            masks = [self._source.read_masks(i, window=window, out_shape=shape) for i in self._masked]
            masks += [self._source.read(i, window=window, out_shape=shape) for i in self.info.alpha]
        except GDAL_ERRORS as error:
            raise unreadable(self.info.path, error) from error
        valid = np.ones(shape, np.bool_)
        for band, dtype, nodata in zip(pixels, self._types, self._nodata, strict=True):
            valid &= _holds_data(band.astype(dtype, copy=False), nodata)
        if self._zero_is_void:
            valid &= (pixels != 0).any(axis=0)
        for mask in masks:
            valid &= mask > 0
        return pixels, valid


def _as_held(nodata: float | None, dtype: np.dtype[Any]) -> float | None:
    """A nodata value as a type holds it, None where it cannot occur in pixels of that type."""
    if nodata is None or np.isnan(nodata):
        return None  # NaN is invalid in any case
    if dtype.kind in "fc":
        if np.isinf(nodata):
            return None
        largest = float(np.finfo(dtype).max)
        return float(np.clip(nodata, -largest, largest))
    limits = np.iinfo(dtype)
    return int(nodata) if nodata == int(nodata) and limits.min <= nodata <= limits.max else None


def _holds_data(band: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    if band.dtype.kind not in "fc":
        return np.ones(band.shape, np.bool_) if nodata is None else band != band.dtype.type(nodata)
    valid: NDArray[np.bool_] = np.isfinite(band)
    if nodata is not None:
        value = band.dtype.type(nodata)
        # GDAL's tolerance (ARE_REAL_EQUAL): nodata values are written with fewer digits than pixels have.
        tolerance = 4 * np.finfo(band.dtype).eps * abs(value)
        with np.errstate(over="ignore", invalid="ignore"):
            valid &= ~(np.abs(band - value) <= tolerance)
    return valid


@contextmanager
def open_raster(
    path: Path,
    bands: Sequence[int | str] | None = None,
    nodata: float | None = None,
    *,
    zero_is_void: bool = True,
    cache: int = CACHE,
) -> Iterator[RasterReader]:
    """Open a raster for windowed reading.

    Args:
        path: Any file that GDAL reads.
        bands: Bands by number (from 1) or name, in the order wanted; None takes all but alpha bands.
        nodata: Overrides the file's own nodata values.
        zero_is_void: Whether 0 in all bands of integers is no data where the file states no nodata value: so in images,
            not in rasters of classes.
        cache: Bytes of decoded blocks that GDAL keeps, see ``cache_bytes``.

    Raises:
        ImageError: The file cannot be opened, or lacks a band.
    """
    with rasterio.Env(**(GDAL_OPTIONS | {"GDAL_CACHEMAX": cache})), opened(path) as source:
        info = _info(path, source)
        yield RasterReader(source, info, info.band_indices(bands), nodata, zero_is_void)


def cache_bytes(info: RasterInfo, rows: int) -> int:
    """The block cache in which neighbouring windows of so many rows find the blocks that they share.

    A file in strips has blocks as wide as itself: what is read for one window is needed again for all beside it.

    Args:
        info: Of the file.
        rows: Of the windows, which follow one another along the rows.
    """
    block_rows, block_cols = info.block_shape
    if block_cols < info.grid.width:
        return CACHE
    pixel = sum(np.dtype(dtype).itemsize for dtype in info.dtypes)
    needed = (rows + 2 * block_rows) * info.grid.width * pixel
    return min(max(CACHE, needed * 9 // 8), LARGEST_CACHE)  # GDAL counts what it notes of each block, too


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


def only_band(info: RasterInfo) -> int:
    """The band, counted from 1, of a raster of classes or of a mask: its only one beside alpha bands.

    Raises:
        ImageError: It has several.
    """
    if len(info.image_bands) > 1:
        raise ImageError(
            f"{info.path} has {len(info.image_bands)} bands: a picture, and no raster of classes.",
            "One band whose values are the classes (or, of a mask, 0 and other values).",
            "Export the classes themselves, or take the band that holds them (gdal_translate -b 1).",
        )
    return info.image_bands[0]


def read_onto(path: Path, grid: Grid, window: Window | None = None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The classes of a raster brought to another grid by nearest neighbour: the pixel that holds the centre.

    Args:
        path: A raster with a CRS, or without one if it has the very size of a ``grid`` without CRS.
        grid: The grid wanted.
        window: The part of it that is wanted, by default all.

    Returns:
        Values in the file's dtype ``(height, width)``, and which pixels the file covers with data.

    Raises:
        ImageError: The file cannot be read or has several bands, only one of the two has a CRS, or the sizes differ
            where neither has.
    """
    window = window or grid.window
    with open_raster(path, zero_is_void=False) as reader:
        only_band(reader.info)
        check_overlay(reader.info, grid)
        if reader.grid.same_as(grid):
            pixels, valid = reader.read(window)
            return pixels[0], valid
        part = grid.crop(window)
        values, covered = np.zeros(part.shape, reader.dtype), np.zeros(part.shape, np.bool_)
        for piece in blocks(part.shape, GATHERED):
            _gather(reader, part, piece, values, covered)
    return values, covered


def check_overlay(info: RasterInfo, grid: Grid, what: str = "image") -> None:
    """Check that a raster can be laid over a grid: by their CRS, or by the same size where neither has one.

    Args:
        info: The raster's header.
        grid: The grid.
        what: What the grid is of, for the message.

    Raises:
        ImageError: It cannot.
    """
    own = info.grid
    if own.crs is not None and grid.crs is not None:
        return
    if (own.crs is None) != (grid.crs is None):
        lacking = ("it", own) if own.crs is None else (f"the {what}", grid)
        raise ImageError(
            f"{info.path} cannot be laid over the {what}: {lacking[0]} {lack_of_place(lacking[1].local_crs)}.",
            "Both have one, or neither has and both have the same size.",
            "Assign the CRS with gdal_edit or QGIS, or give a raster that fits.",
        )
    if own.shape != grid.shape and not own.same_frame(grid):
        raise ImageError(
            f"{info.path} has {own.height} x {own.width} pixels, the {what} {grid.height} x {grid.width}.",
            "Without a CRS both have the same number of rows and columns.",
        )


GATHERED = 1024
"""Side of the pieces in which a raster is brought to another grid, in pixels."""

SOURCE_PIXELS = 2**24
"""Pixels of the source that are read at once for a piece."""


def _gather(reader: RasterReader, grid: Grid, window: Window, values: NDArray[Any], covered: NDArray[np.bool_]) -> None:
    """Fill a window of ``values`` and ``covered`` with the pixels that hold its centres."""
    rows, cols = _pixels_at(reader.grid, grid, window)
    inside = (rows >= 0) & (rows < reader.grid.height) & (cols >= 0) & (cols < reader.grid.width)
    if not inside.any():
        return
    rows, cols = rows[inside], cols[inside]
    row, col = int(rows.min()), int(cols.min())
    source = Window(row, col, int(rows.max()) + 1 - row, int(cols.max()) + 1 - col)
    if source.height * source.width > SOURCE_PIXELS and max(window.height, window.width) > 1:
        for part in blocks((window.height, window.width), -(-max(window.height, window.width) // 2)):
            piece = Window(window.row + part.row, window.col + part.col, part.height, part.width)
            _gather(reader, grid, piece, values, covered)
        return
    pixels, valid = reader.read(source)
    values[window.slices][inside] = pixels[0][rows - row, cols - col]
    covered[window.slices][inside] = valid[rows - row, cols - col]


NODES = 32
"""Distance of the pixels whose positions are projected exactly; those between are interpolated."""

POSITION_TOLERANCE = 0.02
"""Largest error of an interpolated position, in pixels of the source, before all are projected exactly."""


def _pixels_at(source: Grid, grid: Grid, window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column in ``source`` of the centres of a window of ``grid``: ``(height, width)`` each."""
    to_source = None
    if source.crs is not None and grid.crs is not None and not source.same_frame(grid):
        to_source = Transformer.from_crs(grid.crs, source.crs, always_xy=True)

    def positions(rows: NDArray[Any], cols: NDArray[Any]) -> NDArray[np.float64]:
        """Fractional row and column from the upper left corner, ``(2, height, width)``."""
        x, y = grid.pixel_centres(rows[:, None], cols[None, :])
        if to_source is not None:
            x, y = to_source.transform(x, y)
        if source.crs is not None and source.crs.is_geographic:
            turn = 2 * np.pi / source.crs.axis_info[0].unit_conversion_factor
            west = source.bounds[0]
            x = np.where(np.isfinite(x), west + np.mod(x - west, turn), x)
        return np.stack(source.pixel_positions(x, y)) + 0.5

    rows = np.arange(window.row, window.row + window.height, dtype=np.float64)
    cols = np.arange(window.col, window.col + window.width, dtype=np.float64)
    found = None if to_source is None else _interpolated(positions, rows, cols)
    found = positions(rows, cols) if found is None else found
    # A centre on an edge belongs to the pixel below or to the right, whatever the rounding.
    found = np.where(np.isfinite(found), np.floor(found + 1e-6), -1)
    row, col = np.clip(found, -1, 2**40).astype(np.int64)
    return row, col


def _interpolated(
    positions: Callable[[NDArray[Any], NDArray[Any]], NDArray[np.float64]], rows: NDArray[Any], cols: NDArray[Any]
) -> NDArray[np.float64] | None:
    """Positions from those of a lattice, bilinear; None where that is not exact enough."""

    def nodes(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.linspace(values[0], values[-1], max(2, -(-len(values) // NODES) + 1))

    def between(lattice: NDArray[np.float64], at_rows: NDArray[Any], at_cols: NDArray[Any]) -> NDArray[np.float64]:
        def weights(nodes: NDArray[np.float64], at: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
            place = (at - nodes[0]) / max(nodes[1] - nodes[0], 1e-9)
            lower = np.clip(place.astype(np.intp), 0, len(nodes) - 2)
            return lower, place - lower

        r, by_row = weights(node_rows, at_rows)
        c, by_col = weights(node_cols, at_cols)
        along = lattice[:, :, c] * (1 - by_col) + lattice[:, :, c + 1] * by_col
        return np.asarray(along[:, r] * (1 - by_row)[:, None] + along[:, r + 1] * by_row[:, None])

    node_rows, node_cols = nodes(rows), nodes(cols)
    lattice = positions(node_rows, node_cols)
    middle_rows, middle_cols = (node_rows[:-1] + node_rows[1:]) / 2, (node_cols[:-1] + node_cols[1:]) / 2
    if not np.isfinite(lattice).all():
        return None
    error = np.abs(between(lattice, middle_rows, middle_cols) - positions(middle_rows, middle_cols))
    return between(lattice, rows, cols) if (error < POSITION_TOLERANCE).all() else None


def read_reduced(
    path: Path, bands: Sequence[int | str] | None, longest_side: int, nodata: float | None = None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """A small version of a raster for pictures, from its overviews where it has them (nearest neighbour).

    Args:
        path: The raster.
        bands: As in ``open_raster``.
        longest_side: In pixels.
        nodata: As in ``open_raster``.

    Returns:
        ``(band, rows, cols)`` with neither side above ``longest_side``, and the validity mask.

    Raises:
        ImageError: The file cannot be read.
    """
    with open_raster(path, bands, nodata) as reader:
        return reader.read_reduced(longest_side)


def is_raster(path: Path) -> bool:
    """Whether a file is a raster; if not it is a vector file. Decided by opening it.

    A file that holds both, such as a GeoPackage with tiles, is a vector file if any of its layers has geometries.

    Raises:
        ImageError: There is no such file, or it is neither.
    """
    try:
        with opened(path) as source:
            return source.driver not in RASTER_AND_VECTOR or (source.count > 0 and not has_layers(path))
    except ImageError as error:
        if exists(path) and (has_layers(path) or _is_table(path)):
            return False
        raise ImageError(
            error.found.replace("is not a raster file", "is neither a raster nor a vector file"),
            error.expected and "A raster or a vector layer in a format that GDAL reads, such as GeoTIFF or GeoPackage.",
            error.remedy,
        ) from error


RASTER_AND_VECTOR = {
    "GPKG", "netCDF", "PDF", "MBTiles", "OpenFileGDB", "SQLite", "XYZ", "HTTP", "KMLSUPEROVERLAY", "OGCAPI", "Zarr",
}  # fmt: skip
"""Names of GDAL's raster drivers whose files may be vector files too."""


def _is_table(path: Path) -> bool:
    """Whether GDAL's vector side opens a file that has no geometries."""
    try:
        return bool(table_names(path))
    except LabelError:
        return False


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
    if not exists(path):
        raise ImageError(
            f"There is no file {path}.", remedy="Check the path; relative paths start at the project file."
        )
    with rasterio.Env(**(REMOTE_OPTIONS if is_gdal(path) else {})), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            source = rasterio.open(gdal_name(path))
        except (*GDAL_ERRORS, UnicodeDecodeError) as error:
            size = "" if is_gdal(path) else f" ({Path(path).stat().st_size} bytes)"
            raise ImageError(
                f"{gdal_name(path)}{size} is not a raster file that can be opened ({first_line(error)}).",
                "A raster in a format that GDAL reads, such as GeoTIFF.",
                "Check that the file is complete and is what its name says.",
            ) from error
        with source:
            try:
                yield source
            except (RasterioError, rasterio._err.CPLE_BaseError, UnicodeDecodeError) as error:
                raise unreadable(path, error) from error


LARGEST_COORDINATE = 1e12
"""No map unit is so small that a place on Earth has a larger one."""


def _check_numbers(path: Path, source: rasterio.DatasetReader) -> None:
    """Refuse a place or a scaling that is none.

    Raises:
        ImageError: A number of the transform, a scale or an offset is not finite, or the pixels have no area.
    """
    transform = source.transform
    if not all(abs(value) <= LARGEST_COORDINATE for value in transform[:6]) or transform.determinant == 0:
        raise ImageError(
            f"{path} states a place that is none: its transform is {', '.join(f'{v:g}' for v in transform[:6])}.",
            "Finite coordinates, and pixels with an area.",
            "Georeference the file again (gdal_edit.py -a_ullr).",
        )
    for name, values in (("scale", source.scales), ("offset", source.offsets)):
        if wrong := [v for v in values if not np.isfinite(v) or (name == "scale" and v == 0)]:
            raise ImageError(
                f"{path} states the {name} {wrong[0]:g} for a band.",
                "Finite numbers, and scales other than 0: a quantity is DN x scale + offset.",
                f"Correct it (gdal_edit.py -{name}).",
            )


def _info(path: Path, source: rasterio.DatasetReader) -> RasterInfo:
    if source.count == 0:
        raise ImageError(
            f"{path} holds no raster band at its top level.", "A raster with at least one band.",
            "Give one of its subdatasets.",
        )  # fmt: skip
    wkt = source.crs.to_wkt() if source.crs else None
    crs = None if wkt is None else place_of(wkt)
    _check_numbers(path, source)
    bare = crs is None and source.transform == Affine.identity()  # what rasterio says where the file says nothing
    transform = PIXEL_FRAME if bare else source.transform
    grid = Grid(crs, transform, source.height, source.width, wkt if crs is None else None)
    if grid.crs is not None and not 0 < (grid.pixel_size_m or 0) < np.inf:
        x, y = grid.pixel_centres(np.array([grid.height / 2]), np.array([grid.width / 2]))
        raise ImageError(
            f"{path} lies at {x[0]:g}, {y[0]:g}, which is no place in its CRS ({grid.crs.name}).",
            "Coordinates of the CRS that the file states.",
            "Set the CRS to the one of the coordinates (gdal_edit.py -a_srs).",
        )
    numbers = range(1, source.count + 1)
    alpha = tuple(i for i in numbers if source.colorinterp[i - 1] == ColorInterp.alpha)
    if len(alpha) == source.count:
        alpha = ()
    image = [i for i in numbers if i not in alpha]
    return RasterInfo(
        path=Path(path),
        grid=grid,
        bands=source.count,
        dtype=str(np.result_type(*(source.dtypes[i - 1] for i in image))),
        nodata=source.nodatavals[image[0] - 1],
        descriptions=tuple(source.descriptions),
        scales=tuple(source.scales),
        offsets=tuple(source.offsets),
        tags={**source.tags(ns="IMAGERY"), **source.tags()},
        block_shape=source.block_shapes[0],
        dtypes=tuple(source.dtypes),
        nodatas=tuple(source.nodatavals),
        units=tuple(unit or None for unit in source.units),
        alpha=alpha,
    )
