"""The GeoPackage of a sample: what an interpreter fills in, and apart from it what must stay hidden from them.

Layer ``points`` holds the number of a point, the field ``reference`` and the pictures: all that QGIS shows. Tables
without geometry hold the rest: ``drawn`` (stratum, map class and pixel of each point, by its number), ``strata``
(areas, pixels and points of each stratum) and ``design`` (map, seed, options).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from pitmap import landuse
from pitmap.errors import LabelError
from pitmap.geopackage import write_layers
from pitmap.legend import MAX_CLASSES, Legend
from pitmap.stored import Amount, Count, Share, conform, shortened
from pitmap.vectors import AS_WRITTEN, read_frame, read_keyed, read_rows, table_names

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

DESIGN = "stratified random sample of pixels"


PointNumber = Annotated[int, Field(ge=0, le=2**53)]

Code = Annotated[int, Field(ge=1, le=MAX_CLASSES)]


@dataclass(frozen=True)
class DrawnPoint:
    """A row of ``drawn``."""

    point_id: PointNumber
    stratum: str
    map_code: Code
    row: Annotated[int, Field(ge=0, lt=2**31)]
    col: Annotated[int, Field(ge=0, lt=2**31)]
    phase: Annotated[int, Field(ge=1, lt=2**31)]


@dataclass(frozen=True)
class Stratum:
    """A row of ``strata``."""

    stratum: str
    map_classes: Annotated[str, Field(pattern=r"^[0-9]{1,3}(,[0-9]{1,3})*$")]
    pixels: Annotated[int, Field(ge=1, le=2**53)]
    area: Annotated[float, Field(gt=0, le=1e18)]
    points: Count
    expected: Share | None = None

    @property
    def codes(self) -> tuple[int, ...]:
        """Map classes that occur in it."""
        return tuple(int(code) for code in self.map_classes.split(","))


@dataclass(frozen=True)
class Rule:
    """What decides to which stratum a pixel belongs, as far as a sample is enlarged by it."""

    extent: str | None = None
    target: str | None = None
    belt_of: str | None = None
    border_m: Amount = 0.0
    levels: Literal["confidence", "probabilities"] | None = None
    levels_from: str | None = None
    levels_sha256: str | None = None


@dataclass(frozen=True)
class DesignFacts:
    """What the table ``design`` says, a row a key."""

    map: str
    map_sha256: str
    map_transform: Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=6, max_length=6)]
    unmapped_area: Amount
    mapped_areas: list[Amount]
    unit: str
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    phases: list[dict[str, Any]]
    legend: Legend
    rule: Rule
    options: dict[str, Any]
    note: str

    def __post_init__(self) -> None:
        if len(self.mapped_areas) != len(self.legend):
            raise ValueError("mapped_areas are not one a class")


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
    import pandas as pd

    landuse.check_layer(path, "points", "reference")
    points = read_frame(path, "points")
    if not {"drawn", "strata", "design"} <= set(table_names(path)) or "point_id" not in points:
        raise LabelError(
            f"{path} does not say how its points were drawn.",
            "A sample of `pitmap design`, with its tables drawn, strata and design: without the areas of the strata "
            "and the probabilities of the points no figure for the ground can be computed.",
            "Copy the labels into the file that `pitmap design` wrote, or state how the points were drawn.",
        )
    about = read_keyed(path, "design")
    if about.get("design") != DESIGN:
        raise LabelError(
            f"The points of {path} were drawn by the design {about.get('design')!r}.",
            f"The design {DESIGN!r}: the points of a cluster depend on each other, and a systematic sample has no "
            "unbiased estimate of its variance, so the intervals would be wrong.",
            "Draw the sample with `pitmap design`.",
        )
    facts = conform(about, DesignFacts, f"Table 'design' of {path}", AS_WRITTEN, LabelError)
    strata, drawn = read_rows(path, "strata", Stratum), read_rows(path, "drawn", DrawnPoint)
    _check_fits(path, facts, strata, drawn)
    what = f"Field 'point_id' of {path}"
    numbers = conform(points["point_id"].tolist(), list[PointNumber], what, AS_WRITTEN, LabelError)
    points["point_id"] = np.array(numbers, np.int64)
    return SampleFile(points, pd.DataFrame(map(asdict, drawn)), pd.DataFrame(map(asdict, strata)), about)


def _check_fits(path: Path, facts: DesignFacts, strata: list[Stratum], drawn: list[DrawnPoint]) -> None:
    names = {stratum.stratum for stratum in strata}
    classes = {code for stratum in strata for code in stratum.codes} | {point.map_code for point in drawn}
    problems = []
    if not drawn or len(names) != len(strata):
        problems.append("it has no point, or a stratum twice")
    if len({point.point_id for point in drawn}) != len(drawn):
        problems.append("a point was drawn twice")
    if unknown := sorted({point.stratum for point in drawn} - names):
        problems.append(f"points are in strata that its table lacks: {', '.join(map(shortened, unknown))}")
    if classes and max(classes) > len(facts.legend):
        problems.append("there are map classes that its legend lacks")
    if problems:
        raise LabelError(f"{path} is damaged: {'; '.join(problems)}.", "The sample as it was drawn.", AS_WRITTEN)


def drawn_from(points_path: Path) -> str:
    """File name of the map that a sample was drawn from.

    Raises:
        LabelError: The file is no sample of ``design``.
    """
    return str(read_sample(Path(points_path)).about["map"])
