"""Pictures of rasters: tiles in Web Mercator from COGs of any size, thumbnails, mines as GeoJSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pitmap.errors import ImageError
from pitmap.legend import Legend
from pitmap.paths import gdal_name
from pitmap.view.scenes import ViewedLayer, ViewedScene

if TYPE_CHECKING:
    from pathlib import Path

    from rio_tiler.models import ImageData

PERCENTILES = (2, 98)
"""Between which an image is stretched, over the whole scene, so that tiles have one look."""

OVERVIEW = 1024
"""Longest side of the reduced image from which the stretch is taken."""

MERCATOR, MERCATOR_M = "EPSG:3857", 20037508.342789244
"""The projection of the tiles, and half the length of its equator: tile 0/0/0 is all of it."""

TILE = 512
"""Side of a tile, pixels: half as many each way as of the usual 256, and each is opened, warped and packed once."""

DECIMALS = 7
"""Of degrees: a centimetre on the ground."""

THUMBNAIL = 320
"""Side of a mine's picture, pixels."""


_loading = threading.Lock()
"""Modules of rio-tiler import each other in a circle: of two threads that load them at once, one would see half."""


def load() -> None:
    """Load what cuts tiles; the first tile would wait for it."""
    with _loading:
        import rio_tiler.io
        import rio_tiler.utils  # noqa: F401


def tile(layer: ViewedLayer, legend: Legend, z: int, x: int, y: int) -> bytes | None:
    """A tile of 512 x 512 pixels as PNG; None where the raster does not reach it.

    Raises:
        ImageError: The raster cannot be read.
    """
    from rasterio.warp import transform_bounds

    smooth = "nearest" if layer.kind == "codes" else "bilinear"
    pixel = 2 * MERCATOR_M / 2**z / TILE
    left, top = x * TILE * pixel - MERCATOR_M, MERCATOR_M - y * TILE * pixel
    with _reader(layer) as reader:
        west, south, east, north = transform_bounds(reader.crs, MERCATOR, *reader.bounds, densify_pts=21)
        # Only pixels of the tile that the raster reaches are read: of a tile of a continent they are few, and without
        # this GDAL would warp the continent at the raster's own resolution.
        first_col, last_col = max(floor((west - left) / pixel), 0), min(ceil((east - left) / pixel), TILE)
        first_row, last_row = max(floor((top - north) / pixel), 0), min(ceil((top - south) / pixel), TILE)
        if first_col >= last_col or first_row >= last_row:
            return None
        found = reader.part(
            (left + first_col * pixel, top - last_row * pixel, left + last_col * pixel, top - first_row * pixel),
            bounds_crs=MERCATOR, dst_crs=MERCATOR, width=last_col - first_col, height=last_row - first_row,
            indexes=layer.bands, nodata=layer.nodata, resampling_method=smooth, reproject_method=smooth,
        )  # fmt: skip
    rgba = np.zeros((TILE, TILE, 4), np.uint8)
    rgba[first_row:last_row, first_col:last_col] = _painted(found, layer, legend)
    return _png(rgba)


def thumbnail(scene: ViewedScene, layer: ViewedLayer, legend: Legend, mine: int) -> bytes | None:
    """A mine with its surroundings as PNG, None where there is no such mine.

    Raises:
        ImageError: The raster cannot be read.
    """
    outlines = {} if scene.mines is None else _boxes(mines_geojson(scene.mines, scene.table), scene.number)
    if (box := outlines.get(mine)) is None:
        return None
    west, south, east, north = box
    margin = 0.3 * max(east - west, north - south)
    with _reader(layer) as reader:
        found = reader.part(
            (west - margin, south - margin, east + margin, north + margin), max_size=THUMBNAIL, indexes=layer.bands,
            nodata=layer.nodata,
        )  # fmt: skip
    return _png(_painted(found, layer, legend))


def mines_geojson(path: Path, table: str = "mines") -> bytes:
    """The mines of a GeoPackage as GeoJSON in longitude and latitude, made once for each state of the file."""
    with _one_at_a_time:
        return _geojson(path, table, path.stat().st_mtime_ns)


_one_at_a_time = threading.Lock()
"""Both maps of the page ask for the same mines at once."""


@lru_cache(maxsize=16)
def _geojson(path: Path, table: str, _changed: int) -> bytes:
    # Without tables of geopandas, whose import would take longer than all of this.
    import shapely
    from pyogrio import raw
    from pyproj import Transformer

    about, _, wkb, columns = raw.read(path, layer=table)
    to_degrees = Transformer.from_crs(about["crs"], 4326, always_xy=True)

    def degrees(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(to_degrees.transform(xy[:, 0], xy[:, 1])).round(DECIMALS)

    shapes = shapely.to_geojson(shapely.transform(shapely.from_wkb(wkb), degrees))
    names = [str(name) for name in about["fields"]]
    rows = zip(*(map(_plain, column) for column in columns), strict=True)
    features = (
        f'{{"type":"Feature","properties":{json.dumps(dict(zip(names, row, strict=True)))},"geometry":{shape}}}'
        for row, shape in zip(rows, shapes, strict=True)
    )
    return f'{{"type":"FeatureCollection","features":[{",".join(features)}]}}'.encode()


def _plain(value: Any) -> Any:
    """A value of a field as JSON has it: numbers with two decimals, None where there is none."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return round(value, 2) if np.isfinite(value) else None
    return value


@lru_cache(maxsize=16)
def _boxes(geojson: bytes, number: str) -> dict[int, tuple[float, float, float, float]]:
    import shapely
    from shapely.geometry import shape

    features = json.loads(geojson)["features"]
    return {int(f["properties"][number]): shapely.bounds(shape(f["geometry"])).tolist() for f in features}


@contextmanager
def _reader(layer: ViewedLayer) -> Iterator[Any]:
    """A raster opened by rio-tiler; what GDAL says against it becomes an ``ImageError``."""
    load()
    from rasterio.errors import RasterioError
    from rio_tiler.io import Reader

    try:
        with Reader(gdal_name(layer.path)) as reader:
            yield reader
    except RasterioError as error:
        raise ImageError(f"{layer.path} cannot be read ({error}).") from error


def _painted(found: ImageData, layer: ViewedLayer, legend: Legend) -> NDArray[np.uint8]:
    """What was read in its colours, uint8 ``(row, col, 4)``; transparent where there is no data."""
    values = np.ma.getdata(found.array)
    shown = np.asarray(found.mask) > 0
    if layer.kind == "codes":
        table = np.zeros((256, 4), np.uint8)
        for code, colour in (layer.legend or legend).colour_table().items():
            table[code] = colour
        rgba = table[np.where(shown, values[0], 0).astype(np.uint8)]
    elif layer.kind == "confidence":
        rgba = _ramp()[np.where(shown, values[0], 0).astype(np.uint8)]
        rgba[~shown] = 0
    else:
        low, high = _stretch(layer)
        scaled = np.clip((values - low[:, None, None]) / (high - low)[:, None, None], 0, 1) * 255 + 0.5
        rgba = np.dstack([*np.nan_to_num(scaled).astype(np.uint8), np.where(shown, 255, 0).astype(np.uint8)])
    return np.asarray(rgba, np.uint8)


@lru_cache(maxsize=64)
def _stretch(layer: ViewedLayer) -> tuple[Any, Any]:
    """Lowest and highest shown value of each band of an image, from its overview."""
    with _reader(layer) as reader:
        found = reader.preview(indexes=layer.bands, max_size=OVERVIEW, nodata=layer.nodata)
    shown = np.asarray(found.mask) > 0
    bands = [np.ma.getdata(band)[shown] for band in found.array]
    ends = [np.percentile(band, PERCENTILES) if band.size else np.array([0.0, 1.0]) for band in bands]
    low, high = np.array(ends, np.float64).T
    return low, np.maximum(high, low + 1e-9)


@lru_cache(maxsize=1)
def _ramp() -> Any:
    """Confidence from doubtful to sure: dark violet to yellow, told apart by all eyes."""
    from matplotlib import colormaps

    return (colormaps["viridis"](np.arange(256)) * 255).astype(np.uint8)


def _png(rgba: Any) -> bytes:
    from rio_tiler.utils import render

    return bytes(render(np.moveaxis(rgba[..., :3], 2, 0), mask=rgba[..., 3], img_format="PNG", zlevel=1))
