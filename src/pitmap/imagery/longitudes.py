"""Longitudes without a seam: a place has many, 360 degrees apart, and a grid or a scene wants those near it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Transformer

from pitmap.grid import Grid

Floats = NDArray[np.float64]

WGS84 = CRS.from_epsg(4326)


def near(lon: ArrayLike, about: float) -> Floats:
    """The longitudes of the same places within 180 degrees of another."""
    return np.asarray(about + np.remainder(np.asarray(lon, np.float64) - about + 180.0, 360.0) - 180.0)


def positions_on(grid: Grid, lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats]:
    """Rows and columns of geographic positions on a grid, (0, 0) being the centre of its upper left pixel.

    A grid in degrees takes a position on whichever side of the antimeridian, or counted from 0 to 360, it writes it.

    Args:
        grid: With a CRS.
        lon: Degrees on WGS 84, any shape.
        lat: Likewise.
    """
    assert grid.crs is not None
    x, y = Transformer.from_crs(WGS84, grid.crs, always_xy=True).transform(
        np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    )
    if grid.crs.is_geographic:
        west, _, east, _ = grid.bounds
        x = near(x, (west + east) / 2)
    return grid.pixel_positions(x, y)
