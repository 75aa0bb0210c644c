"""GeoPackages with several layers, plain tables, and styles that QGIS applies on opening."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from pitmap.errors import OutputError
from pitmap.files import journals, replacing
from pitmap.stored import shortened

if TYPE_CHECKING:
    import pandas as pd

_FIXED_TIME = "2000-01-01T00:00:00.000Z"
"""Time of change stored in the file, so that the same content gives the same bytes."""


def write_layers(
    path: Path,
    layers: Mapping[str, pd.DataFrame | Iterable[pd.DataFrame]],
    styles: Mapping[str, str] | None = None,
    geometry_types: Mapping[str, str] | None = None,
) -> None:
    """Write a GeoPackage, whole or not at all.

    Args:
        path: The file.
        layers: Name to table; a GeoDataFrame becomes a layer, a DataFrame a table without geometry. Batches of a
            table, one at least, are written one after the other.
        styles: QML text by layer name, stored as the default style of the layer.
        geometry_types: Type by layer name, such as ``Polygon``; needed where a layer may be empty.

    Raises:
        OutputError: The file cannot be written, or another program has changes to it that are not in it yet.
    """
    import geopandas as gpd
    import pandas as pd
    import pyogrio

    if any(journal.stat().st_size for journal in journals(path)):
        # SQLite would apply the old file's journal to the new file.
        raise OutputError(
            f"{path} is open in another program, which keeps changes in {path.name}-wal.",
            "A file that no other program has open.",
            "Remove the layer from QGIS, or choose another name.",
        )

    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided", category=UserWarning)
        try:
            for name, table in layers.items():
                for frame in [table] if isinstance(table, pd.DataFrame) else table:
                    spatial = isinstance(frame, gpd.GeoDataFrame)
                    # An empty layer has no geometry to take its type from.
                    kind = (geometry_types or {}).get(name, "Unknown" if spatial and frame.empty else None)
                    pyogrio.write_dataframe(
                        frame, temporary, layer=name, driver="GPKG", append=temporary.exists(), geometry_type=kind
                    )
            _add_styles(temporary, styles or {})
        except (RuntimeError, pyogrio.errors.GeometryError, sqlite3.Error) as error:  # pyogrio's are RuntimeErrors
            raise OSError(shortened(str(error))) from error


def default_style(path: Path, layer: str) -> str | None:
    """The QML text of the style that QGIS applies to a layer on opening; None where there is none."""
    mode = "mode=ro" if journals(path) else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as database:
            found = database.execute(
                "SELECT styleQML FROM layer_styles WHERE f_table_name = ? ORDER BY useAsDefault DESC, update_time DESC",
                (layer,),
            ).fetchone()
    except sqlite3.Error:
        return None
    return None if found is None else str(found[0])


def _add_styles(path: Path, styles: Mapping[str, str]) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        if styles:
            # The columns that QGIS itself creates and looks for.
            database.execute(
                "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), "
                "f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), "
                "styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), "
                "update_time DATETIME)"
            )
            database.execute(
                "INSERT INTO gpkg_contents (table_name, data_type, identifier, description) "
                "VALUES ('layer_styles', 'attributes', 'layer_styles', '')"
            )
        for name, qml in styles.items():
            (geometry,) = database.execute(
                "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (name,)
            ).fetchone()
            database.execute(
                "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, "
                "styleName, styleQML, styleSLD, useAsDefault, description, owner, update_time) "
                "VALUES ('', '', ?, ?, 'pitmap', ?, '', 1, '', '', ?)",
                (name, geometry, qml, _FIXED_TIME),
            )
        database.execute("UPDATE gpkg_contents SET last_change = ?", (_FIXED_TIME,))
