"""Mapped mines that an inventory lacks, the likeliest first, and mines of the inventory that the map lacks.

An inventory of licences is no truth: mines that nobody listed are what a map is for. The list is made for the next
visit of the field, with a column for what is found there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pitmap.accuracy.mines.audit import Audit, AuditOptions, audit
from pitmap.accuracy.mines.verdict_style import visit_style
from pitmap.geopackage import write_layers
from pitmap.observer import SILENT, Observer

if TYPE_CHECKING:
    import geopandas as gpd

CONFIDENCE = "confidence"
"""Field of the mines of ``extract_mines``: the mean calibrated probability over a polygon."""

FINDING = "finding"
"""Empty field for what is found on a visit."""


@dataclass(frozen=True)
class UnlistedMine:
    """A mapped polygon that the inventory lacks, wholly or for the most part.

    Attributes:
        rank: 1 for the likeliest.
        kind: ``new`` where next to nothing of it is listed; ``beyond`` where it is a listed mine that is mapped far
            beyond its outline.
        probability: Mean calibrated probability of its pixels; None where the map has no confidence.
        area_m2: On the ellipsoid.
        listed: Share of its area that lies in mines of the inventory.
    """

    rank: int
    kind: str
    probability: float | None
    area_m2: float
    listed: float


@dataclass(frozen=True)
class UnmappedMine:
    """A mine of the inventory that the map lacks.

    Attributes:
        rank: 1 for the largest.
        area_m2: On the ellipsoid.
        mapped: Share of its area that is mapped as mine.
    """

    rank: int
    area_m2: float
    mapped: float


@dataclass(frozen=True)
class InventoryCheck:
    """A map of mines beside an inventory.

    Attributes:
        unlisted: Mapped mines that the inventory lacks, the likeliest first; without a confidence the largest.
        unmapped: Mines of the inventory that the map lacks, the largest first.
        audit: The whole comparison, with the inventory as its reference.
    """

    unlisted: tuple[UnlistedMine, ...]
    unmapped: tuple[UnmappedMine, ...]
    audit: Audit
    _layers: dict[str, gpd.GeoDataFrame]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know."""
        if self.unlisted and self.unlisted[0].probability is None:
            return (f"The mapped mines have no field {CONFIDENCE!r}: they are ranked by area.",)
        return ()

    def summary(self) -> str:
        """One line: how many of each."""
        new = sum(m.kind == "new" for m in self.unlisted)
        hectares = sum(m.area_m2 for m in self.unlisted) / 1e4
        return (
            f"{new} mapped mine(s) are not in the inventory, {len(self.unlisted) - new} reach far beyond a listed one "
            f"({hectares:.1f} ha together); {len(self.unmapped)} of {self.audit.totals.reference} listed mines are not "
            "on the map."
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "unlisted": [asdict(m) for m in self.unlisted],
            "unmapped": [asdict(m) for m in self.unmapped],
            "warnings": list(self.warnings),
        }

    def write(self, path: Path) -> None:
        """Write the layers ``unlisted`` and ``unmapped`` of a GeoPackage, which QGIS opens in colours and with forms.

        Raises:
            OutputError: The file cannot be written.
        """
        write_layers(
            path, self._layers, {name: visit_style(name, layer.columns) for name, layer in self._layers.items()}
        )


def check_inventory(
    mines: str | Path, inventory: str | Path, options: AuditOptions | None = None, observer: Observer = SILENT
) -> InventoryCheck:
    """Compare mapped mines with an inventory that may lack some.

    Args:
        mines: Polygons of mapped mines, such as those of ``extract_mines``, with their confidence.
        inventory: Polygons of the mines that are known.
        options: How they are compared; ``overlap`` and ``part`` decide what is listed.
        observer: Hears how many mines are compared.

    Raises:
        LabelError: See ``audit``.
    """
    options = options or AuditOptions()
    whole = audit(mines, inventory, options, observer)
    mapped, listed = whole.layers
    probability = _probabilities(Path(mines), options.layer, mapped)
    chosen = [i for i, mine in enumerate(whole.mapped) if mine.verdict == "false"]
    areas = np.array([m.area_m2 for m in whole.mapped])
    order = sorted(chosen, key=lambda i: (0.0 if probability is None else -probability[i], -areas[i], i))
    unlisted = tuple(
        UnlistedMine(
            rank, "new" if whole.mapped[i].inside < options.part else "beyond",
            None if probability is None else float(probability[i]), whole.mapped[i].area_m2, whole.mapped[i].inside,
        )
        for rank, i in enumerate(order, start=1)
    )  # fmt: skip
    missed = [i for i, mine in enumerate(whole.reference) if not mine.found]
    missed.sort(key=lambda i: (-whole.reference[i].area_m2, i))
    unmapped = tuple(
        UnmappedMine(rank, whole.reference[i].area_m2, whole.reference[i].covered)
        for rank, i in enumerate(missed, start=1)
    )
    layers = {"unlisted": _layer(unlisted, mapped, order), "unmapped": _layer(unmapped, listed, missed)}
    return InventoryCheck(unlisted, unmapped, whole, layers)


def _layer(mines: Sequence[Any], polygons: gpd.GeoDataFrame, order: Sequence[int]) -> gpd.GeoDataFrame:
    import geopandas as gpd

    columns = {name: [getattr(m, name) for m in mines] for name in _FIELDS[mines[0].__class__]} if mines else {}
    columns |= {FINDING: [""] * len(mines)}
    return gpd.GeoDataFrame(columns, geometry=polygons.geometry.iloc[list(order)].to_numpy(), crs=polygons.crs)


_FIELDS: dict[type, tuple[str, ...]] = {
    UnlistedMine: ("rank", "kind", "probability", "area_m2", "listed"),
    UnmappedMine: ("rank", "area_m2", "mapped"),
}


def _probabilities(path: Path, layer: str | None, mapped: gpd.GeoDataFrame) -> NDArray[np.float64] | None:
    """The confidence of each mapped mine, from the polygon of the file that holds a point of it."""
    import pyogrio

    # Beside its layers a GeoPackage may hold tables, such as that of the styles.
    layer = layer or next(str(name) for name, kind in pyogrio.list_layers(path) if kind is not None)
    if not len(mapped) or CONFIDENCE not in pyogrio.read_info(path, layer=layer)["fields"]:
        return None
    given = pyogrio.read_dataframe(path, layer=layer, columns=[CONFIDENCE])
    given = given[given.geometry.notna()].reset_index(drop=True)
    points, polygons = given.sindex.query(mapped.geometry.representative_point(), predicate="intersects")
    found = np.zeros(len(mapped))
    found[points] = given[CONFIDENCE].astype(float).fillna(0.0).to_numpy()[polygons]
    return found
