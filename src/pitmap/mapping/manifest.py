"""The manifest of many maps: a line an image, in the order in which the images were given."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pitmap.errors import ProjectError
from pitmap.files import write_text
from pitmap.raster.codes import WARNINGS_TAG, class_areas, read_legend
from pitmap.raster.reading import describe
from pitmap.stored import conform, parse_json
from pitmap.study.results import MapFiles
from pitmap.vectors import read_frame

MANIFEST = "manifest.jsonl"
"""Its name in the folder of the maps."""

Status = Literal["made", "current", "failed"]


@dataclass(frozen=True)
class Line:
    """What became of one image.

    Attributes:
        input: The image, as it was given.
        output: The map, relative to the manifest.
        status: ``made``, ``current`` (it was up to date) or ``failed``.
        hectares: Area of each class on the ellipsoid, by key; None without a CRS and where there is no map.
        pixels: Number of pixels of each class, by key; None where there is no map.
        mines: ``count`` and ``area_ha`` of the mines; None where none were asked for.
        seconds: That the map took when it was made; None where that is not known.
        warnings: What should be looked at before the map is used, a sentence each.
        error: Why it failed.
        key: What the map depends on, see ``map_key``.
    """

    input: str
    output: str
    status: Status
    hectares: dict[str, float] | None = None
    pixels: dict[str, int] | None = None
    mines: dict[str, Any] | None = None
    seconds: float | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    key: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "warnings": list(self.warnings)}


def write_manifest(folder: Path, lines: Iterable[Line]) -> Path:
    """Write the manifest of a folder, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    rows = [json.dumps(line.to_json(), ensure_ascii=False, allow_nan=False) for line in lines]
    write_text(folder / MANIFEST, "".join(f"{row}\n" for row in rows))
    return folder / MANIFEST


def read_manifest(folder: Path) -> dict[str, Line]:
    """The lines of an earlier manifest by output; none where there is none that can be read."""
    try:
        rows = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
        lines = [conform(parse_json(row, MANIFEST), Line, MANIFEST) for row in rows]
    except (OSError, UnicodeDecodeError, ProjectError):
        return {}
    return {line.output: line for line in lines}


def read_map(path: Path) -> tuple[dict[str, int], dict[str, float] | None, tuple[str, ...]]:
    """Pixels and hectares of the classes of a map, by key, and its warnings.

    Raises:
        ImageError: It cannot be read.
    """
    legend = read_legend(path)
    assert legend is not None
    pixels, areas = class_areas(path, len(legend))
    warning = describe(path).tags.get(WARNINGS_TAG)
    return (
        {key: int(count) for key, count in zip(legend.keys, pixels, strict=True)},
        None if areas is None else {key: float(area) / 1e4 for key, area in zip(legend.keys, areas, strict=True)},
        () if warning is None else (warning,),
    )


def count_mines(map_file: Path) -> dict[str, Any]:
    """Count and area of the mines beside a map; the area is None without a CRS."""
    table = read_frame(MapFiles(map_file).mines, "mines", geometry=False)
    return {"count": len(table), "area_ha": float(table["area_ha"].sum()) if "area_ha" in table else None}
