"""The mines of a map as the report needs them: the numbers of all, the outlines of the largest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pitmap.errors import LabelError
from pitmap.stored import AGAIN, Amount, Count, Share, conform
from pitmap.vectors import AS_WRITTEN, read_frame

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

OUTLINED = 1000
"""Mines whose outlines are read: the largest. Memory and the size of the page do not grow with the others."""


CHANGE = "outline_change_pct"
"""Column of layers whose outlines are simplified."""

MOST = 1e15
"""No number of a mine is larger."""


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


@dataclass(frozen=True)
class _Mine:
    """A row of the layer; a layer without CRS has no sizes."""

    id: Count
    key: Annotated[str, Field(validation_alias="class")]
    name: str
    pixels: Count
    area_ha: Amount | None = None
    perimeter_m: Amount | None = None
    confidence: Share | None = None


def read_mine_table(path: Path) -> MineTable:
    """The mines of a GeoPackage of ``extract_mines``.

    Raises:
        LabelError: It is damaged.
    """
    import shapely

    numbers = read_frame(path, "mines", columns=["id", "pixels", "area_ha", CHANGE], geometry=False)
    columns = {name: _column(numbers, name, path) for name in ("id", "pixels", "area_ha", CHANGE)}
    ids, pixels, area_ha, change = columns.values()
    if ids is None or pixels is None or len(np.unique(ids)) != len(ids):
        raise _damaged(path, "a column is missing, or a number of a mine occurs twice")
    order = np.argsort(ids, kind="stable")
    few = None if len(ids) <= OUTLINED else f'"id" <= {int(ids[order[OUTLINED - 1]])}'
    largest = read_frame(path, "mines", where=few).sort_values("id", kind="stable").head(OUTLINED)
    outlines = np.asarray(largest.geometry.array, dtype=object)
    if not (shapely.is_valid(outlines) & ~shapely.is_empty(outlines) & (shapely.get_dimensions(outlines) == 2)).all():
        raise _damaged(path, "an outline is missing or crosses itself")
    plain = largest.drop(columns=largest.geometry.name).astype(object)
    rows = plain.where(plain.notna(), None).to_dict("records")
    conform(rows, list[_Mine], f"Layer 'mines' of {path}", AS_WRITTEN, LabelError)
    return MineTable(
        ids[order].astype(np.int64),
        pixels[order].astype(np.int64),
        None if area_ha is None else area_ha[order],
        None if change is None else change[order],
        largest,
    )


def _column(table: pd.DataFrame, name: str, path: Path) -> NDArray[np.float64] | None:
    """A column of numbers, None where there is none."""
    import pandas as pd

    if name not in table:
        return None
    values = np.asarray(pd.to_numeric(table[name], errors="coerce"), np.float64)
    least = -MOST if name == CHANGE else 0
    if not ((values >= least) & (values <= MOST)).all():
        raise _damaged(path, f"{name} is no number in some row, or none that can be")
    return values


def _damaged(path: Path, what: str) -> LabelError:
    return LabelError(f"Layer 'mines' of {path} is damaged: {what}.", "The layer as pitmap wrote it.", AGAIN)
