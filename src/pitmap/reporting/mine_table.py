"""The mines of a map as the report needs them: the numbers of all, the outlines of the largest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import geopandas as gpd

OUTLINED = 1000
"""Mines whose outlines are read: the largest. Memory and the size of the page do not grow with the others."""


CHANGE = "outline_change_pct"
"""Column of layers whose outlines are simplified."""


@dataclass(frozen=True)
class MineTable:
    """The mines of one map.

    Attributes:
        ids: Their numbers, ascending, so that the largest comes first.
        pixels: Their pixels.
        area_ha: Their area, None without a CRS.
        outline_change_pct: By how much their outlines hold more than their pixels, None where they follow the pixels.
        largest: The layer of ``extract_mines`` with the first ``OUTLINED`` of them, in the same order.
    """

    ids: NDArray[np.int64]
    pixels: NDArray[np.int64]
    area_ha: NDArray[np.float64] | None
    outline_change_pct: NDArray[np.float64] | None
    largest: gpd.GeoDataFrame

    def __len__(self) -> int:
        return len(self.ids)


def read_mine_table(path: Path) -> MineTable:
    """The mines of a GeoPackage of ``extract_mines``."""
    import pyogrio

    numbers = pyogrio.read_dataframe(
        path, layer="mines", columns=["id", "pixels", "area_ha", CHANGE], read_geometry=False
    )
    numbers = numbers.sort_values("id", kind="stable")
    few = None if len(numbers) <= OUTLINED else f'"id" <= {int(numbers["id"].iloc[OUTLINED - 1])}'
    largest = pyogrio.read_dataframe(path, layer="mines", where=few).sort_values("id", kind="stable")
    return MineTable(
        numbers["id"].to_numpy(),
        numbers["pixels"].to_numpy(),
        numbers["area_ha"].to_numpy() if "area_ha" in numbers else None,
        numbers[CHANGE].to_numpy() if CHANGE in numbers else None,
        largest.head(OUTLINED),
    )
