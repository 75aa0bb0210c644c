"""Outlines of mines that do not follow the stairs of the pixels, and what that changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from pitmap.grid import Grid
from pitmap.legend import LandCoverClass
from pitmap.mapping.measures import LONGEST_EDGE, measure
from pitmap.mapping.shelf import Shelf
from pitmap.simplify import simplified


@dataclass(frozen=True)
class Simplification:
    """What it changed that outlines were simplified.

    Attributes:
        tolerance_m: See ``simplify.simplified``; smaller than asked for where outlines would have folded over.
        area_change: Share by which the outlines of all mines together hold more (or less, below 0) than their pixels.
        largest_change: The same of the mine for which it is largest.
        by_class: The same of each class, where there are several.
    """

    tolerance_m: float
    area_change: float
    largest_change: float
    by_class: Mapping[str, float] = field(default_factory=dict)

    def sentence(self) -> str:
        """What a reader must know."""
        each = ", ".join(f"{key} {change:+.2%}" for key, change in self.by_class.items())
        return (
            f"Outlines are simplified by {self.tolerance_m:g} m: they hold {self.area_change:+.2%} of ground"
            f"{f' ({each})' if each else ''}, at most {self.largest_change:+.1%} for a single polygon; hectares are"
            " those of the pixels."
        )


def simplify_shelf(
    shelf: Shelf,
    simpler: Shelf,
    known: dict[str, NDArray[Any]],
    tolerance_m: float,
    grid: Grid,
    classes: Mapping[int, LandCoverClass],
) -> tuple[Shelf, Simplification]:
    """Simpler outlines of mines.

    Args:
        shelf: The outlines along the pixel edges.
        simpler: Takes the simpler ones, in the same order.
        known: Columns of the mines; ``perimeter_m`` is replaced, ``outline_change_pct`` added.
        tolerance_m: See ``simplify.simplified``.
        grid: Of the map.
        classes: By their codes.

    Raises:
        OutputError: See ``simplify.simplified``.
    """
    fewer = simplified(shelf.take(np.arange(len(shelf))), tolerance_m, grid)
    simpler.put(fewer.polygons)
    if grid.crs is None:
        size, area = known["pixels"].astype(np.float64), shapely.area(fewer.polygons) / abs(grid.transform.determinant)
    else:
        measures = measure(fewer.polygons, grid.crs, LONGEST_EDGE * abs(grid.transform.determinant) ** 0.5)
        known["perimeter_m"] = measures.perimeter_m
        size, area = known["area_m2"], measures.area_m2
    change = area / size - 1
    known["outline_change_pct"] = 100 * change
    total = float(area.sum() / size.sum() - 1) if len(size) else 0.0
    largest = float(change[np.argmax(np.abs(change))]) if len(size) else 0.0
    sums = {c.key: [float(v[known["code"] == code].sum()) for v in (area, size)] for code, c in classes.items()}
    by_class = {key: now / before - 1 for key, (now, before) in sums.items() if before}
    return simpler, Simplification(fewer.tolerance_m, total, largest, by_class if len(classes) > 1 else {})
