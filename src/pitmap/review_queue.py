"""The file of a review: written from a map, filled in by an analyst, read as labels of the next training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pitmap.errors import LabelError
from pitmap.stored import conform
from pitmap.vectors import AS_WRITTEN, layer_names, read_keyed, table_names

LAYER, TABLE = "review", "review_settings"
"""Layer with the polygons, and table with what they were made from."""

FIELD = "reference"
"""Field that an analyst fills in: the key of a class, its name or its code."""

CANNOT_BE_TOLD = "?"
"""What stands there instead where nobody can tell: the ground loses its label."""


def layer_of(path: Path) -> str | None:
    """The layer that was reviewed: ``review``, else None for the only one. None for a file that cannot be read."""
    names, _ = _contents(path)
    return LAYER if LAYER in names else None


def map_of(path: Path) -> str | None:
    """File name of the map that a queue was made from; None for other files."""
    names, tables = _contents(path)
    if LAYER not in names or TABLE not in tables:
        return None
    return _settings(path).map


def labelling_kind(path: Path) -> str | None:
    """``review`` for a queue, ``points`` for a sample of `pitmap design`, None for other files."""
    names, tables = _contents(path)
    if LAYER in names and TABLE in tables:
        return "review"
    return "points" if "points" in names and "design" in tables else None


def problems(path: Path, image: Path) -> list[str]:
    """Why a file cannot be used as corrections of an image, as sentences.

    Args:
        path: The file.
        image: The image whose labels it would correct.
    """
    _, tables = _contents(path)
    if labelling_kind(path) == "points":
        return [
            f"{path.name} is a sample of `pitmap design`. An estimate rests on its points, so a network must not learn "
            "from them. Give a queue of `pitmap review`."
        ]
    try:
        made_from = _settings(path).image if TABLE in tables else None
    except LabelError as error:
        return [str(error)]
    if made_from not in (None, image.name):
        return [f"{path.name} is the review of a map of {made_from}, not of {image.name}."]
    return []


def _contents(path: Path) -> tuple[set[str], set[str]]:
    """Names of the layers of a file, and of its tables without geometry."""
    try:
        return set(layer_names(path)), set(table_names(path))
    except LabelError:
        return set(), set()


@dataclass(frozen=True)
class _Settings:
    map: str | None = None
    image: str | None = None


def _settings(path: Path) -> _Settings:
    return conform(read_keyed(path, TABLE), _Settings, f"Table {TABLE!r} of {path}", AS_WRITTEN, LabelError)
