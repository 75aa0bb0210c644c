"""The GeoPackage of a sample: what an interpreter fills in, and apart from it what must stay hidden from them.

Layer ``points`` holds the number of a point, the field ``reference`` and the pictures: all that QGIS shows. Tables
without geometry hold the rest: ``drawn`` (stratum, map class and pixel of each point, by its number), ``strata``
(areas, pixels and points of each stratum) and ``design`` (map, seed, options).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitmap import landuse
from pitmap.errors import LabelError
from pitmap.geopackage import write_layers

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

DESIGN = "stratified random sample of pixels"


@dataclass(frozen=True)
class SampleFile:
    """The content of the file.

    Attributes:
        points: Layer with ``point_id``, ``reference``, ``doubtful``, ``comment`` and pictures; an interpreter may have
            added fields, deleted points or saved it in another CRS.
        drawn: ``point_id``, ``stratum`` (name), ``map_code``, ``row``, ``col``, ``phase`` (1 for the points drawn
            first) of every point that was drawn.
        strata: ``stratum`` (name), ``map_classes`` (codes with commas between), ``pixels``, ``area``, ``points``,
            ``expected`` (share of the class aimed at, or missing).
        about: What else the design says of itself.
    """

    points: gpd.GeoDataFrame
    drawn: pd.DataFrame
    strata: pd.DataFrame
    about: dict[str, Any]

    @property
    def map_classes(self) -> list[tuple[int, ...]]:
        """Map classes that occur in each stratum."""
        return [tuple(int(c) for c in str(text).split(",")) for text in self.strata["map_classes"]]


def write_sample(path: Path, sample: SampleFile, style: str) -> None:
    """Write the file.

    Args:
        path: A ``.gpkg``.
        sample: Its content.
        style: QML of the points.

    Raises:
        OutputError: It cannot be written.
    """
    import pandas as pd

    values = [json.dumps(v, ensure_ascii=False) for v in sample.about.values()]
    table = pd.DataFrame({"key": list(sample.about), "value": values})
    layers = {"points": sample.points, "drawn": sample.drawn, "strata": sample.strata, "design": table}
    write_layers(path, layers, {"points": style})


def read_sample(path: Path) -> SampleFile:
    """Read the file.

    Raises:
        LabelError: It is no sample, or was drawn by a design that the estimators do not know.
    """
    import pyogrio

    landuse.check_layer(path, "points", "reference")
    tables = {str(name) for name, _ in pyogrio.list_layers(path)}
    points = pyogrio.read_dataframe(path, layer="points")
    if not {"drawn", "strata", "design"} <= tables or "point_id" not in points:
        raise LabelError(
            f"{path} does not say how its points were drawn.",
            "A sample of `pitmap design`, with its tables drawn, strata and design: without the areas of the strata "
            "and the probabilities of the points no figure for the ground can be computed.",
            "Copy the labels into the file that `pitmap design` wrote, or state how the points were drawn.",
        )
    table = pyogrio.read_dataframe(path, layer="design", read_geometry=False)
    about = {key: json.loads(value) for key, value in zip(table["key"], table["value"], strict=True)}
    if about.get("design") != DESIGN:
        raise LabelError(
            f"The points of {path} were drawn by the design {about.get('design')!r}.",
            f"The design {DESIGN!r}: the points of a cluster depend on each other, and a systematic sample has no "
            "unbiased estimate of its variance, so the intervals would be wrong.",
            "Draw the sample with `pitmap design`.",
        )
    strata = pyogrio.read_dataframe(path, layer="strata", read_geometry=False)
    drawn = pyogrio.read_dataframe(path, layer="drawn", read_geometry=False)
    if unknown := sorted(set(drawn["stratum"]) - set(strata["stratum"])):
        raise LabelError(f"Points of {path} are in strata that its table lacks: {', '.join(map(str, unknown))}.")
    return SampleFile(points, drawn, strata, about)


def drawn_from(points_path: Path) -> str:
    """File name of the map that a sample was drawn from.

    Raises:
        LabelError: The file is no sample of ``design``.
    """
    return str(read_sample(Path(points_path)).about["map"])
