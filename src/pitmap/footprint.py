"""The outline of a raster in longitude and latitude, as GeoJSON wants it."""

from __future__ import annotations

import numpy as np
import shapely
from pyproj import Transformer
from shapely import MultiPolygon, Polygon
from shapely.affinity import translate

from pitmap.grid import Grid


def footprint(grid: Grid) -> Polygon | MultiPolygon | None:
    """Outline in longitude and latitude, cut at the meridian of 180 degrees as GeoJSON wants it."""
    if grid.crs is None:
        return None
    edge = np.linspace(0, 1, 9)[:-1]
    zero, one = np.zeros_like(edge), np.ones_like(edge)
    cols = np.concatenate([edge, one, 1 - edge, zero]) * grid.width
    rows = np.concatenate([zero, edge, one, 1 - edge]) * grid.height
    x, y = grid.pixel_centres(rows - 0.5, cols - 0.5)
    lon, lat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
    lon = np.rad2deg(np.unwrap(np.deg2rad(lon)))
    whole = shapely.orient_polygons(Polygon(np.column_stack([lon, lat]).round(7)))
    parts = [
        translate(whole.intersection(shapely.box(-180 + turn, -90, 180 + turn, 90)), -turn) for turn in (-360, 0, 360)
    ]
    polygons = [part for part in parts if isinstance(part, Polygon) and part.area > 0]
    return polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)


def bounds(shape: Polygon | MultiPolygon) -> list[float]:
    """West, south, east, north; west is greater than east across the meridian of 180 degrees (RFC 7946, 5.2)."""
    west, south, east, north = (float(v) for v in shape.bounds)
    if (west, east) == (-180.0, 180.0) and isinstance(shape, MultiPolygon):
        west = min(part.bounds[0] for part in shape.geoms if part.bounds[0] > 0)
        east = max(part.bounds[2] for part in shape.geoms if part.bounds[2] < 0)
    return [west, south, east, north]
