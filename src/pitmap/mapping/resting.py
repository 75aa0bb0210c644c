"""What people have filled in on a map: labelled points and reviewed polygons, which a new map would make worthless."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pitmap import review_queue
from pitmap.errors import OutputError, PitmapError, ProjectError
from pitmap.files import journals
from pitmap.raster.codes import read_legend
from pitmap.stored import parse_json

_KINDS = (
    # layer, table that says what it was made from, field that people fill in, what its rows are
    ("points", "design", "reference", "labelled point(s)"),
    (review_queue.LAYER, review_queue.TABLE, review_queue.FIELD, "reviewed polygon(s)"),
)


@dataclass(frozen=True)
class Work:
    """A file that somebody has filled in.

    Attributes:
        file: A GeoPackage.
        filled: Number of points or polygons with a reference class.
        kind: What they are.
    """

    file: Path
    filled: int
    kind: str

    def __str__(self) -> str:
        return f"{self.filled} {self.kind} of {self.file}"


def geopackages(folder: Path, but: Path | None = None) -> Iterator[Path]:
    """The GeoPackages in a folder and in the folders in it.

    Args:
        folder: The folder.
        but: A folder that is left out.
    """
    for pattern in ("*.gpkg", "*/*.gpkg"):
        yield from (p for p in sorted(folder.glob(pattern)) if but is None or not p.is_relative_to(but))


def work_on(map_file: Path, files: Iterable[Path]) -> list[Work]:
    """Which of some files hold work that rests on a map.

    Args:
        map_file: The map, as it is.
        files: GeoPackages of any kind.
    """
    from pitmap.accuracy.sampling.strata import map_checksum

    checksum = None
    found = []
    for file in dict.fromkeys(f.resolve() for f in files):
        for work, map_name, drawn_from in _filled(file):
            if map_name != map_file.name:
                continue
            checksum = checksum or map_checksum(map_file)
            if drawn_from in (None, checksum):
                found.append(work)
    return found


def refuse_to_replace_under(map_file: Path, files: Iterable[Path]) -> None:
    """Refuse to replace a map on which somebody's work rests.

    Args:
        map_file: The map; where there is none, nothing rests on it.
        files: GeoPackages in which work is looked for.

    Raises:
        OutputError: Work rests on the map.
    """
    if map_file.exists() and (work := work_on(map_file, files)):
        raise OutputError(
            f"Another map would take the place of {map_file}, on which rest {', '.join(map(str, work))}.",
            "A map that nobody's work rests on: points and polygons belong to the very map that they were drawn from.",
            "Keep a copy of the map with the work, or choose another name; it is replaced only when that is asked for.",
            ["replace"],
        )


def refuse_to_replace_image(out: Path) -> None:
    """Refuse to write a map over a raster that is none: a forgotten argument would cost an image.

    Raises:
        OutputError: The file holds something else than land-cover codes.
    """
    if not out.exists():
        return
    try:
        is_map = read_legend(out) is not None
    except PitmapError:
        is_map = False
    if not is_map:
        raise OutputError(
            f"{out} exists and is no map.",
            "A new name, or that of an earlier map.",
            "Choose another name, or remove it.",
        )


def _filled(path: Path) -> Iterator[tuple[Work, str, str | None]]:
    """Work in a file, with name and checksum of the map that it was made from."""
    mode = "mode=ro" if journals(path) else "immutable=1"
    with (
        contextlib.suppress(sqlite3.Error, ValueError, KeyError, TypeError, ProjectError),
        contextlib.closing(sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True)) as database,
    ):
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for layer, about, field, kind in _KINDS:
            if {layer, about} <= tables:
                facts = {k: parse_json(v, str(path)) for k, v in database.execute(f'SELECT key, value FROM "{about}"')}
                (filled,) = database.execute(
                    f'SELECT COUNT(*) FROM "{layer}" WHERE TRIM(CAST("{field}" AS TEXT)) != \'\''
                ).fetchone()
                if filled:
                    yield Work(path, filled, kind), str(facts["map"]), facts.get("map_sha256")
