"""Files of ground control points: pitmap's own CSV, and the ``.points`` files of QGIS's georeferencer.

QGIS writes source positions in the units of the layer that it showed: pixels from the upper left corner, with rows
counted downwards as negative numbers, for an image without georeference; map units for one with a transform. Other
programs write the same columns with positive rows. Which of these a file holds is settled by the image: all points
must lie in it.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from pitmap.errors import ProductError
from pitmap.grid import Grid
from pitmap.imagery.longitudes import WGS84
from pitmap.stored import shortened

EDGE = 1.0
"""Pixels by which a point may lie outside the image: clicks on its border."""


class ControlPoint(NamedTuple):
    """A place seen in the image and known on the ground.

    ``row`` and ``col`` count from (0, 0) at the centre of the upper left pixel; ``height`` is ellipsoidal, None where
    it is to be taken from the elevation model.
    """

    name: str
    row: float
    col: float
    lon: float
    lat: float
    height: float | None = None


Row = Mapping[str, str]


def read_control_points(path: Path, image: Grid) -> list[ControlPoint]:
    """Control points from a file.

    Either CSV with the columns ``row, col, lon, lat`` and, where known, ``height`` (ellipsoidal) and ``name``; or the
    ``.points`` file of QGIS's georeferencer, whose image positions count from the corner of the image. Fields are
    separated by commas, semicolons or tabs. Map positions of a ``.points`` file are in the CRS of its ``#CRS:`` line,
    or of a column (``crs``, ``srs``, ``epsg``) of every row, else longitude and latitude.

    Args:
        path: The file.
        image: The pixels that the points were measured in.

    Returns:
        The points that are enabled.

    Raises:
        ProductError: The file is missing, or not one of these, or holds a broken number, or its points do not lie in
            the image.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = shortened(getattr(error, "strerror", None) or str(error))
        raise ProductError(f"The control points {path} cannot be read ({reason}).", remedy="Check the path.") from error
    declared, rows = _table(path, text)
    columns = set(rows[0]) if rows else set()
    if {"row", "col", "lon", "lat"} <= columns:
        points = [_point(path, i, row) for i, row in enumerate(rows, start=1)]
        outside = [p for p in points if not _inside(p.row, p.col, image)]
        if outside:
            raise _outside(path, [(p.name, p.row, p.col) for p in outside], len(points), image)
        return points
    source = next((pair for pair in _SOURCES if set(pair) <= columns), None)
    if {"mapx", "mapy"} <= columns and source is not None:
        return _qgis_points(path, [r for r in rows if _enabled(r)], source, declared, image)
    raise ProductError(
        f"{path} has the columns {', '.join(sorted(columns)) or 'none'}.",
        "CSV with row, col, lon, lat and optionally height and name, or a .points file of QGIS with mapX, mapY, "
        "sourceX and sourceY.",
        "Write a header line with these names; row and col count from 0 at the centre of the upper left pixel.",
    )


_SOURCES = (("sourcex", "sourcey"), ("pixelx", "pixely"))


def _table(path: Path, text: str) -> tuple[str, list[Row]]:
    """What the ``#CRS:`` line says, and the rows by column names in lower case."""
    declared, lines = "", list[str]()
    for line in text.splitlines():
        if line.startswith("#"):
            key, _, value = line[1:].partition(":")
            if key.strip().lower() == "crs":
                declared = value.strip()
                continue
            if not line[1:].lstrip().lower().startswith("mapx"):
                continue
            line = line[1:]
        if line.strip():
            lines.append(line)
    head = lines[0] if lines else ""
    delimiter = max(",;\t", key=head.count)
    rows: list[Row] = []
    try:
        found = list(csv.DictReader(io.StringIO("\n".join(lines)), delimiter=delimiter))
    except csv.Error as error:
        raise ProductError(
            f"{path} is no table of control points ({shortened(str(error))}).",
            "CSV with a header line.",
            "Check that the file is complete and is what its name says.",
        ) from error
    for number, fields in enumerate(found, start=1):
        if None in fields:
            raise ProductError(
                f"{path}, point {number}, has more fields than the header has columns.",
                "One field a column; text that holds the separator stands in quotation marks.",
                "Quote it, such as a CRS written as WKT.",
            )
        row = {key.strip().lower(): (value or "").strip() for key, value in fields.items()}
        if delimiter != ",":  # numbers of a country that writes a comma
            row = {k: v.replace(",", ".") if _is_number(v.replace(",", ".")) else v for k, v in row.items()}
        rows.append(row)
    return declared, rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _point(path: Path, number: int, row: Row) -> ControlPoint:
    name = row.get("name") or row.get("id") or str(number)
    height = row.get("height", "")
    at_row, at_col, lon, lat = (_value(path, number, row[key]) for key in ("row", "col", "lon", "lat"))
    if not (-180 <= lon <= 360 and -90 <= lat <= 90):
        raise ProductError(
            f"{path}, point {name}: {lon:g}, {lat:g} is no longitude and latitude.", "Degrees on WGS 84.",
            "Positions on a map can be given as a .points file of QGIS, which names their CRS.",
        )  # fmt: skip
    return ControlPoint(name, at_row, at_col, lon, lat, _value(path, number, height) if height else None)


def _enabled(row: Row) -> bool:
    return row.get("enable", "").lower() not in ("0", "false", "no")


def _qgis_points(
    path: Path, rows: Sequence[Row], source: tuple[str, str], declared: str, image: Grid
) -> list[ControlPoint]:
    across, down = source
    seen = [(_value(path, n, row[across]), _value(path, n, row[down])) for n, row in enumerate(rows, start=1)]
    positions = _image_positions(path, np.array(seen, np.float64).reshape(-1, 2), across == "pixelx", image)
    points = []
    for number, (row, (at_row, at_col)) in enumerate(zip(rows, positions, strict=True), start=1):
        x, y = _value(path, number, row["mapx"]), _value(path, number, row["mapy"])
        of_row = next(
            (row[k] for k in row if row[k] and (k in ("srs", "epsg") or ("crs" in k and "source" not in k))), ""
        )
        lon, lat = _geographic(path, number, x, y, of_row or declared)
        points.append(ControlPoint(str(number), at_row, at_col, lon, lat))
    return points


def _geographic(path: Path, number: int, x: float, y: float, declared: str) -> tuple[float, float]:
    """Longitude and latitude of a map position in a declared CRS, or in degrees where none is."""
    try:
        crs = CRS.from_user_input(int(declared) if declared.isdigit() else declared) if declared else WGS84
        lon, lat = Transformer.from_crs(crs, WGS84, always_xy=True).transform(x, y)
    except (CRSError, ProjError) as error:
        raise ProductError(
            f"{path} names a CRS that is not known, or from which there is no way to degrees ({declared[:80]}).",
            "Such as EPSG:32649, or the WKT that QGIS writes.",
        ) from error
    if not (math.isfinite(lon) and -180 <= lon <= 360 and abs(lat) <= 90):
        if not declared:
            raise ProductError(
                f"{path}, point {number}: {x:g}, {y:g} is no longitude and latitude, and the file names no CRS.",
                "Degrees, or a first line such as '#CRS: EPSG:32649'.", "Add the line with the CRS of the map.",
            )  # fmt: skip
        raise ProductError(
            f"{path}, point {number}: {x:g}, {y:g} lies outside the CRS of the file.",
            "Map positions in the CRS that the file names.", "Check its #CRS: line or column.",
        )  # fmt: skip
    return float(lon), float(lat)


def _image_positions(path: Path, seen: NDArray[np.float64], pixels: bool, image: Grid) -> list[tuple[float, float]]:
    """Rows and columns of source positions, in whichever of their readings all points lie in the image.

    Args:
        path: For messages.
        seen: Source x and y, ``(n, 2)``.
        pixels: Whether the columns say that these are pixels.
        image: The pixels.
    """
    x, y = seen.T
    readings = [(-y - 0.5, x - 0.5), (y - 0.5, x - 0.5)]
    if not pixels and not image.counts_pixels:
        readings.append(image.pixel_positions(x, y))
    fitting = [(r, c) for r, c in readings if all(_inside(*p, image) for p in zip(r, c, strict=True))]
    first = fitting[0] if fitting else readings[int((y > 0).all())]
    if not fitting:
        outside = [(str(i), a, b) for i, (a, b) in enumerate(zip(*first, strict=True), 1) if not _inside(a, b, image)]
        raise _outside(path, outside, len(seen), image)
    if any(np.abs(np.subtract(first, other)).max(initial=0) > 2 * EDGE for other in fitting[1:]):
        raise ProductError(
            f"The image positions in {path} can be pixels and map units of the image.", "One reading that fits.",
            "Give the points as CSV with row, col, lon and lat.",
        )  # fmt: skip
    return [(float(r), float(c)) for r, c in zip(*first, strict=True)]


def _inside(row: float, col: float, image: Grid) -> bool:
    return -0.5 - EDGE <= row <= image.height - 0.5 + EDGE and -0.5 - EDGE <= col <= image.width - 0.5 + EDGE


def _outside(path: Path, outside: Sequence[tuple[str, float, float]], count: int, image: Grid) -> ProductError:
    some = ", ".join(f"{name} (row {row:.6g}, col {col:.6g})" for name, row, col in outside[:3])
    more = f" and {len(outside) - 3} more" if len(outside) > 3 else ""
    remedy = "Measure them in this image, in its own pixels."
    if all(_inside(col, row, image) for _, row, col in outside):
        remedy = "Rows and columns look exchanged: exchange them."
    elif all(abs(row) <= 91 and abs(col) <= 361 for _, row, col in outside):
        remedy = (
            "The positions look like degrees: QGIS showed the image through its RPC. Measure them on a copy of the "
            "image without the .rpb beside it, where positions are pixels."
        )
    return ProductError(
        f"{len(outside)} of {count} control points of {path} lie outside the image: {some}{more}.",
        f"Points in the image of {image.height} rows and {image.width} columns.", remedy,
    )  # fmt: skip


def _value(path: Path, number: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ProductError(f"{path}, point {number}, holds {text!r}.", "A finite number.")
    return value
