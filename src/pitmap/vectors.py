"""Reading vector files: the only place that asks GDAL for layers, tables and features.

Whatever is wrong with a file becomes one ``LabelError`` that names it, and what the libraries say on the way reaches
no screen.
"""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pitmap.errors import LabelError
from pitmap.files import journals
from pitmap.paths import exists, gdal_name
from pitmap.stored import conform, parse_json, shortened

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

STATE_ENCODING = (
    "State the encoding of the text, such as GBK, Big5 or CP1252 (label_encoding in a project file), or save the layer "
    "as a GeoPackage."
)

AS_WRITTEN = "Take the file as pitmap wrote it: columns may be added, those that are there are needed."


def layer_names(path: Path) -> list[str]:
    """The layers with geometries.

    Raises:
        LabelError: It is no vector file.
    """
    return [name for name, spatial in _listed(path) if spatial]


def table_names(path: Path) -> list[str]:
    """The tables without geometries.

    Raises:
        LabelError: It is no vector file.
    """
    return [name for name, spatial in _listed(path) if not spatial]


def has_layers(path: Path) -> bool:
    """Whether GDAL finds layers with geometries in a file; where its text cannot be read it does."""
    try:
        return bool(layer_names(path))
    except LabelError as error:
        return isinstance(error.__cause__, UnicodeDecodeError)


def header(path: Path, layer: str, encoding: str | None = None, *, counted: bool = False) -> dict[str, Any]:
    """What a layer says of itself: ``pyogrio.read_info``.

    Args:
        path: The file.
        layer: Its layer.
        encoding: Of the text; None takes what the file states.
        counted: Whether features and extent are counted where the file does not say them.

    Raises:
        LabelError: It cannot be read.
    """
    import pyogrio

    with _reading(path, encoding):
        _check_view(path, layer)
        return dict(
            pyogrio.read_info(
                gdal_name(path), layer=layer, encoding=encoding, force_feature_count=counted,
                force_total_bounds=counted,
            )
        )  # fmt: skip


def read_frame(
    path: Path,
    layer: str | None,
    *,
    columns: Sequence[str] | None = None,
    where: str | None = None,
    encoding: str | None = None,
    geometry: bool = True,
    force_2d: bool = False,
    skip: int = 0,
    most: int | None = None,
) -> Any:
    """The features of a layer: ``pyogrio.read_dataframe``. A geometry that GEOS refuses is missing.

    Args:
        path: The file.
        layer: Its layer, None for the first.
        columns: Those wanted; None for all.
        where: Condition in SQL.
        encoding: Of the text; None takes what the file states.
        geometry: Whether geometries are read.
        force_2d: Whether Z is left out.
        skip: Features at the beginning that are left out.
        most: Features that are read at most, None for all.

    Raises:
        LabelError: It cannot be read.
    """
    import pyogrio

    with _reading(path, encoding):
        _check_view(path, layer)
        return pyogrio.read_dataframe(
            gdal_name(path), layer=layer, columns=columns, where=where, encoding=encoding, read_geometry=geometry,
            force_2d=force_2d, on_invalid="ignore", skip_features=skip, max_features=most,
        )  # fmt: skip


def read_rows(path: Path, table: str, row: type[T]) -> list[T]:
    """The rows of a table without geometry that pitmap wrote, each checked; other columns are left out.

    Args:
        path: The file.
        table: Its table.
        row: Dataclass with the columns.

    Raises:
        LabelError: There is no such table, it lacks a column, or holds other values.
    """
    frame: pd.DataFrame = read_frame(path, table, geometry=False)
    plain = frame.astype(object)
    rows = plain.where(plain.notna(), None).to_dict("records")
    return conform(rows, list[row], f"Table {table!r} of {path}", AS_WRITTEN, LabelError)  # type: ignore[valid-type]


def read_keyed(path: Path, table: str) -> dict[str, Any]:
    """A table of keys with JSON values, such as the design of a sample.

    Raises:
        LabelError: There is no such table, or a value is no JSON.
    """
    return {
        row.key: parse_json(row.value, f"Table {table!r} of {path}, {shortened(row.key)},", AS_WRITTEN, LabelError)
        for row in read_rows(path, table, _Keyed)
    }


@dataclass(frozen=True)
class _Keyed:
    key: str
    value: str


def _listed(path: Path) -> list[tuple[str, bool]]:
    import pyogrio

    with _reading(path, None):
        return [(str(name), kind is not None) for name, kind in pyogrio.list_layers(gdal_name(path))]


VIEW_STEPS = 200_000_000
"""Steps of SQLite's machine within which the rows of a view are to be counted: a few seconds."""


def _check_view(path: Path, layer: str | None) -> None:
    """Refuse a view, a layer that its file computes, whose computing takes too long or has no end.

    Raises:
        LabelError: It is one.
    """
    if layer is None or not path.is_file():
        return
    with path.open("rb") as file:
        if file.read(15) != b"SQLite format 3":
            return
    mode = "mode=ro" if journals(path) else "immutable=1"
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as database:
        try:
            kind = database.execute("SELECT type FROM sqlite_master WHERE name = ?", (layer,)).fetchone()
        except sqlite3.Error:
            return  # what is wrong is said where it is read
        if kind is None or kind[0] != "view":
            return
        database.set_progress_handler(lambda: 1, VIEW_STEPS)
        try:
            database.execute('SELECT count(*) FROM "{}"'.format(layer.replace('"', '""'))).fetchone()
        except sqlite3.Error as error:
            raise LabelError(
                f"Layer {layer!r} of {path} is a view whose features cannot be counted ({shortened(str(error))}).",
                "A table of features, or a view that is computed in a few seconds without functions of GDAL's own.",
                "Save the layer as a table of its own (QGIS: Export, Save Features As).",
            ) from error


@contextmanager
def _reading(path: Path, encoding: str | None) -> Iterator[None]:
    import pyogrio.errors as of_pyogrio
    from pyproj.exceptions import CRSError
    from shapely.errors import ShapelyError

    if not exists(path):
        raise LabelError(
            f"There is no file {path}.", remedy="Check the path; relative paths start at the project file."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # measures, curves and odd field types are of no concern here
            yield
    except UnicodeDecodeError as error:
        stated = encoding or error.encoding.upper()
        raise LabelError(
            f"The text in {path} is not in the encoding {stated}, "
            + ("which was stated." if encoding else "in which it is read, as the file says or by default."),
            "Names and values in the encoding that is stated.",
            STATE_ENCODING,
            ["encoding"],
        ) from error
    except CRSError as error:
        raise LabelError(
            f"The coordinate reference system of {path} cannot be understood ({shortened(str(error))}).",
            "One that PROJ knows.",
            "Set the layer's CRS (QGIS: Define Layer Projection) to the one that it was drawn in.",
        ) from error
    except (
        of_pyogrio.DataSourceError, of_pyogrio.DataLayerError, of_pyogrio.FeatureError, of_pyogrio.FieldError,
        of_pyogrio.GeometryError, of_pyogrio.CRSError, ShapelyError, OSError, ValueError, OverflowError,
    ) as error:  # fmt: skip
        reason = shortened((str(error).splitlines() or [type(error).__name__])[0])
        raise LabelError(
            f"{gdal_name(path)} cannot be read as a vector file ({reason}).",
            "A layer in a format that GDAL reads, such as GeoPackage or Shapefile.",
            "Check that the file is complete and is what its name says.",
        ) from error
