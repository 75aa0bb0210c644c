"""How large polygons are on the ellipsoid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Geod, Transformer

from pitmap.grid import Grid
from pitmap.raster.regions import Regions

LONGEST_EDGE = 32
"""Edges are cut to this many pixels before they are taken to the ellipsoid: a long straight edge of a map projection, a
parallel above all, is no geodesic."""


@dataclass(frozen=True)
class Measures:
    """Size of polygons.

    Attributes:
        area_m2: Area on the WGS 84 ellipsoid, float64 ``(polygon,)``.
        perimeter_m: Length of all rings on the ellipsoid, along pixel edges, float64 ``(polygon,)``.
    """

    area_m2: NDArray[np.float64]
    perimeter_m: NDArray[np.float64]


def measure(polygons: NDArray[np.object_], crs: CRS, longest_edge: float) -> Measures:
    """Areas and perimeters of polygons on the WGS 84 ellipsoid, holes taken out.

    Args:
        polygons: shapely polygons in map coordinates ``x, y``.
        crs: Their coordinate reference system, projected or geographic.
        longest_edge: Edges are cut to this length, in units of the CRS, before they are taken to the ellipsoid.
    """
    rings, of_polygon = shapely.get_rings(polygons, return_index=True)
    xy, of_ring = shapely.get_coordinates(shapely.segmentize(rings, longest_edge), return_index=True)
    lon, lat = Transformer.from_crs(crs, CRS.from_epsg(4326), always_xy=True).transform(xy[:, 0], xy[:, 1])
    geod = Geod(ellps="WGS84")
    areas, perimeters = np.zeros(len(rings)), np.zeros(len(rings))
    ends = np.searchsorted(of_ring, np.arange(len(rings)), side="right")
    start = 0
    for k, end in enumerate(ends.tolist()):
        areas[k], perimeters[k] = geod.polygon_area_perimeter(lon[start:end], lat[start:end])
        start = end
    outer = np.diff(of_polygon, prepend=-1) > 0
    signed = np.where(outer, np.abs(areas), -np.abs(areas))

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(of_polygon, values, len(polygons)).astype(np.float64)  # of nothing it gives whole numbers

    return Measures(total(signed), total(perimeters))


def at_least(found: Regions, grid: Grid, minimum_m2: float) -> tuple[Regions, Measures]:
    """The regions of a raster that have at least some area, with their size.

    Args:
        found: Regions, in map coordinates.
        grid: Of the raster, with a CRS.
        minimum_m2: Square metres on the ellipsoid.
    """
    if grid.crs is None:
        raise ValueError("areas need a CRS")
    # Most regions of a noisy map are far below it. Twice the least area by the pixel's nominal size is too much to be
    # left out for a map far from true to scale.
    nominal = found.pixels * (grid.pixel_size_m or 1.0) ** 2
    found = found.where(nominal >= 0.5 * minimum_m2)
    measures = measure(found.polygons, grid.crs, LONGEST_EDGE * abs(grid.transform.determinant) ** 0.5)
    large = measures.area_m2 >= minimum_m2
    return found.where(large), Measures(measures.area_m2[large], measures.perimeter_m[large])
