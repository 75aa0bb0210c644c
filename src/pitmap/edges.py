"""Long edges of polygons cut in pieces, so that a change of coordinates bends them as it bends the ground."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

MOST_PIECES = 100_000
"""Of one geometry: a corner that was set at the end of the world must not fill the memory with points."""

NOWHERE = 1e10
"""An outline of that length has corners that no change of coordinates can place: it is left as it is."""


def cut_edges(geometries: NDArray[np.object_], longest: float) -> NDArray[np.object_]:
    """Geometries with edges of a length at most.

    Args:
        geometries: Shapely geometries.
        longest: Edge, in the unit of the coordinates. A geometry whose outlines are more than ``MOST_PIECES`` times as
            long gets longer edges, so that it has about twice that many corners more at most.
    """
    with np.errstate(over="ignore"):
        lengths = shapely.length(geometries)
    near, cut = lengths < NOWHERE, geometries.copy()
    cut[near] = shapely.segmentize(geometries[near], np.maximum(longest, lengths[near] / MOST_PIECES))
    return cut
