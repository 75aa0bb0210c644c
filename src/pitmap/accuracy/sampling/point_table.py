"""Tables of points as other tools write them: layers, and CSV files with coordinates.

- pitmap, GeoPackage: number ``point_id``, label ``reference``.
- AcATaMa, "save sampling labeled", GeoPackage or shapefile: ``ID``, ``Is labeled as`` (code) or ``Label`` (name).
- Collect Earth Online, plot or sample data, CSV: ``pl_plotid`` or ``plotid``, ``lon`` and ``lat``; the label is the
  column of the survey's question and must be stated.
- Any other CSV: ``id``; ``x`` and ``y`` in the CRS of the map, or ``lon`` and ``lat``; the label must be stated.

Names are compared without regard to case, blanks and underscores.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyproj import CRS

from pitmap import landuse
from pitmap.errors import LabelError, nearest
from pitmap.stored import shortened
from pitmap.vectors import layer_names, read_frame

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

NUMBERS = ("pointid", "plplotid", "plotid", "id")
LABELS = ("reference", "islabeledas", "label")
LON_LAT = (("lon", "lat"), ("longitude", "latitude"), ("centerlon", "centerlat"))
X_Y = (("x", "y"), ("easting", "northing"))


def read_points(path: Path, crs: CRS | None = None) -> gpd.GeoDataFrame:
    """Read a table of points.

    Args:
        path: A CSV file, or a point layer that GDAL reads: the layer ``points``, else the only one.
        crs: That of coordinates ``x`` and ``y`` in a CSV file; ``lon`` and ``lat`` are WGS 84.

    Raises:
        LabelError: The file cannot be read, or a CSV file has no coordinates and no numbers.
    """
    import geopandas as gpd
    import pandas as pd

    if path.suffix.lower() != ".csv":
        layer = None if len(layer_names(path)) == 1 else "points"
        landuse.check_layer(path, layer)
        frame = read_frame(path, layer)
        if not isinstance(frame, gpd.GeoDataFrame) or not frame.geom_type.dropna().eq("Point").all():
            raise LabelError(f"{path} is no layer of points.", "A point a sample unit.")
        return frame
    try:
        table = pd.read_csv(path, encoding="utf-8-sig", skipinitialspace=True)
    except (OSError, ValueError, OverflowError) as error:
        raise LabelError(
            f"{path} cannot be read as a CSV file ({shortened(str(error))}).", "Columns with names in the first line."
        ) from error
    names = {_plain(c): c for c in table.columns}
    for pairs, system in ((LON_LAT, CRS.from_epsg(4326)), (X_Y, crs)):
        for first, second in pairs:
            if first in names and second in names:
                x, y = (pd.to_numeric(table[names[n]], errors="coerce") for n in (first, second))
                wkt = None if system is None else system.to_wkt()
                return gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(x, y), crs=wkt)
    if not names.keys() & set(NUMBERS):
        raise LabelError(
            f"{path} has no coordinates: its columns are {', '.join(map(str, table.columns))}.",
            "Columns x and y in the CRS of the map, or lon and lat.",
            "Rename the columns that hold the coordinates.",
        )
    return gpd.GeoDataFrame(
        table, geometry=gpd.points_from_xy([float("nan")] * len(table), [float("nan")] * len(table))
    )


def id_field(points: pd.DataFrame, path: Path) -> str:
    """The field with the number of a point.

    Raises:
        LabelError: There is none.
    """
    found = _first(points, NUMBERS)
    if found is None:
        raise LabelError(
            f"{path} has no field with the numbers of the points: its fields are {_fields(points)}.",
            "A field point_id, pl_plotid, plotid or id with the numbers of the sample.",
        )
    return found


def label_field(points: pd.DataFrame, path: Path, stated: str | None) -> str:
    """The field with the labels: the one stated, else the one that the tool of the file writes.

    Raises:
        LabelError: There is none.
    """
    if stated is not None and stated in points:
        return stated
    found = None if stated is not None else _first(points, LABELS)
    if found is None:
        close = nearest(stated or "", map(str, points.columns))
        raise LabelError(
            f"{path} has no field " + (repr(stated) if stated else "that is known to hold labels") + ".",
            f"One of its fields: {_fields(points)}.",
            "State the field with the labels." if close is None else f"Did you mean {close!r}?",
        )
    return found


def _first(points: pd.DataFrame, wanted: tuple[str, ...]) -> str | None:
    names: dict[str, Any] = {_plain(c): c for c in points.columns}
    return next((str(names[n]) for n in wanted if n in names), None)


def _plain(name: Any) -> str:
    return re.sub(r"[\s_]", "", str(name)).lower()


def _fields(points: pd.DataFrame) -> str:
    return ", ".join(str(c) for c in points.columns if c != "geometry")
