"""Polygons with fewer corners: borders that several share stay shared, and no two come to overlap.

Outlines of a map follow the stairs of its pixels, which makes the perimeter of a disc 4 / pi too long. The corners are
taken away by the coverage simplification of GEOS: an edge that two polygons share is simplified once, for both, with
the rule of Visvalingam and Whyatt (1993, The Cartographic Journal 30(1), 46-51): the corner goes first whose triangle
with its neighbours is smallest, as long as that is below half the square of the tolerance. Holes stay holes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from pitmap.errors import OutputError
from pitmap.grid import Grid

LEAST_GEOS = (3, 12, 0)
"""First version of GEOS that simplifies coverages."""


FINER = 0.75
"""Factor by which the tolerance shrinks where GEOS lets a border run through a corner of another one."""


class Simplified(NamedTuple):
    """Polygons with fewer corners.

    Attributes:
        polygons: In the order of those given.
        tolerance_m: The tolerance that was used: smaller than the one asked for where regions of single pixels, which
            GEOS may fold over themselves, needed it.
    """

    polygons: NDArray[np.object_]
    tolerance_m: float


def simplified(polygons: NDArray[np.object_], tolerance_m: float, grid: Grid) -> Simplified:
    """Outlines of the regions of a raster without the corners that a tolerance allows to leave out.

    Args:
        polygons: shapely polygons along the pixel edges of ``grid``, in map coordinates ``x, y``, that do not overlap.
        tolerance_m: The square root of twice the largest triangle that is cut off, in metres on the ground; in pixels
            without a CRS. Twice the side of a pixel removes the stairs.
        grid: The raster's.

    Returns:
        As many polygons, all valid, with their holes and without overlaps; their corners are corners of pixels.

    Raises:
        OutputError: The tolerance is not above 0, or GEOS is older than 3.12.
    """
    if not tolerance_m > 0:
        raise OutputError(
            f"Outlines cannot be simplified by {tolerance_m:g} m.", "A length above 0.", options=["simplify_m"]
        )
    if shapely.geos_version < LEAST_GEOS:
        version = ".".join(map(str, shapely.geos_version))
        raise OutputError(
            f"Outlines cannot be simplified with GEOS {version}.",
            "GEOS 3.12 or newer, as in the packages of shapely 2.1.",
            "Install shapely from its own package, or leave the outlines as the pixels have them.",
            ["simplify_m"],
        )
    if not len(polygons):
        return Simplified(polygons, tolerance_m)
    steps = np.array(grid.pixel_steps_m[::-1])

    def to_plane(points: NDArray[np.float64]) -> NDArray[np.float64]:
        rows, cols = grid.pixel_positions(points[:, 0], points[:, 1])
        return np.rint(np.column_stack([cols, rows]) + 0.5)

    def to_map(points: NDArray[np.float64]) -> NDArray[np.float64]:
        cols, rows = np.rint(points / steps).T
        return np.column_stack(grid.pixel_centres(rows - 0.5, cols - 0.5))

    # A corner at each pixel: where three regions meet, the straight border of one has none.
    pixels = shapely.segmentize(shapely.transform(polygons, to_plane), 1.0)
    plane = shapely.transform(pixels, lambda points: np.rint(points) * steps)
    while True:
        fewer = np.asarray(shapely.transform(shapely.coverage_simplify(plane, tolerance_m), to_map), dtype=object)
        if shapely.is_valid(fewer).all() and shapely.coverage_is_valid(fewer):
            return Simplified(fewer, tolerance_m)
        tolerance_m *= FINER  # below the side of a pixel nothing but straight lines loses corners
