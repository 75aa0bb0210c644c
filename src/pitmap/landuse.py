"""Land-use layers: reading vector files and burning their polygons on a grid; mapping the values of label rasters.

A file's own values (text or numbers) become class codes through a mapping ``value -> code``. Values are compared as
text, with whole numbers written without decimals, so that the integer 3, the text "3" and the number 3.0 are one value;
letters with accents are one value however they are composed (Unicode's NFC). Names of layers and fields are compared in
the same way.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.features import rasterize

from pitmap.edges import cut_edges
from pitmap.errors import LabelError, nearest
from pitmap.grid import Grid, Window, lack_of_place, place_of
from pitmap.legend import UNLABELLED, Legend
from pitmap.vectors import STATE_ENCODING, header, layer_names, read_frame

DENSIFY_M = 1000.0
"""Longest edge before reprojection. A straight edge of 1 km bends by about 2 cm between common projections."""

AT_ONCE = 10_000
"""Features read at once: on the way from the file to geometries each is held a second time."""

_POINTS, _LINES = (0, 4), (1, 2, 5)  # shapely type ids


@dataclass(frozen=True)
class LandUseLayer:
    """The features of one vector layer.

    Attributes:
        path: The file.
        name: The layer in it.
        field: The field that holds the values, or None where the whole layer is one class.
        crs: Coordinate reference system, or None where the file has none from which a way leads to WGS 84.
        geometries: Valid, non-empty, two-dimensional shapely geometries: polygons and points, single or multi.
        values: The value of each feature as text, None where it is missing.
        skipped: Number of features left out because their geometry is missing or empty.
        repaired: Number of features whose geometry was invalid and was mended.
        encoding: What the text was read as.
        local_crs: WKT of a system from which no way leads to WGS 84; see ``Grid``.
    """

    path: Path
    name: str
    field: str | None
    crs: CRS | None
    geometries: NDArray[np.object_]
    values: tuple[str | None, ...]
    skipped: int
    repaired: int
    encoding: str = "UTF-8"
    local_crs: str | None = None

    def counts(self) -> dict[str, int]:
        """Number of features for each value, features without a value left out."""
        return dict(Counter(v for v in self.values if v is not None))


def value_text(value: Any) -> str | None:
    """A value as it is compared: text without surrounding blanks, whole numbers without decimals, None if missing."""
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return None
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    if isinstance(value, str):
        text = normalize("NFC", value.strip())
        try:
            number = float(text) if "." in text else None
        except ValueError:
            return text
        return str(int(number)) if number is not None and np.isfinite(number) and number == int(number) else text
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return str(int(value)) if np.isfinite(value) and value == int(value) else repr(float(value))
    return str(value)  # dates and anything else that a field may hold


def class_codes(values: Mapping[Any, str | None] | None, legend: Legend) -> dict[str, int]:
    """Turn ``value -> class key`` into ``value -> class code``.

    Args:
        values: Class key for each value; None leaves the value unlabelled. Where the whole argument is None, a file's
            values are the codes, the keys or the names of the legend.
        legend: The classes.

    Raises:
        LabelError: A key that the legend lacks.
    """
    if values is None:
        by_name = {c.name: c.code for c in legend} | {c.key: c.code for c in legend}
        return by_name | {str(c.code): c.code for c in legend}
    values = {value: None if key is None else normalize("NFC", key) for value, key in values.items()}
    unknown = {key for key in values.values() if key is not None and key not in legend.keys}
    if unknown:
        raise LabelError(
            f"The values are mapped to class keys that the legend lacks: {_listed(unknown, legend.keys)}.",
            f"The legend has {', '.join(legend.keys)}.",
            "Correct the keys, or add the classes to the legend.",
        )
    codes = {}
    for value, key in values.items():
        if (text := value_text(value)) is not None:
            codes[text] = UNLABELLED if key is None else legend[key].code
    return codes


def read_layer(
    path: Path, layer: str | None = None, field: str | None = None, encoding: str | None = None
) -> LandUseLayer:
    """Read a vector layer.

    Geometries lose their Z, invalid ones are mended, missing and empty ones are left out; the layer counts both.

    Args:
        path: Any vector file that GDAL reads.
        layer: Its layer; may be left out where the file has one layer with geometries.
        field: The field with the values, text or number; None where the whole layer is one class.
        encoding: Of the text, such as GBK; None takes what the file states or GDAL assumes.

    Raises:
        LabelError: The file cannot be read, has no such layer or field, no feature, text in another encoding, or lines.
    """
    path = Path(path)
    name, field, claimed = _open_layer(path, layer, field, encoding)
    columns = [] if field is None else [field]
    batches: list[Any] = []  # GeoDataFrame
    while not batches or len(batches[-1]) == AT_ONCE:
        skip = AT_ONCE * len(batches)
        batches.append(
            read_frame(path, name, columns=columns, encoding=encoding, force_2d=True, skip=skip, most=AT_ONCE)
        )
    parts = [np.asarray(batch.geometry.values, dtype=object) for batch in batches]
    geometries, finite = np.concatenate(parts), np.concatenate([_is_finite(part) for part in parts])
    values = [""] * len(geometries) if field is None else [value_text(v) for b in batches for v in b[field]]
    present = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries)) & finite
    geometries = geometries[present]
    wkt = None if batches[0].crs is None else batches[0].crs.to_wkt()
    crs = None if wkt is None else place_of(wkt)
    _check_places(geometries, crs, f"Layer {name!r} of {path}")
    invalid = ~shapely.is_valid(geometries)
    geometries[invalid] = [polygonal_part(g) for g in shapely.make_valid(geometries[invalid])]
    usable = ~shapely.is_empty(geometries)
    types = shapely.get_type_id(geometries)
    if (lines := int(np.isin(types, _LINES).sum())) > 0:
        raise LabelError(
            f"Layer {name!r} of {path} holds {lines} lines.",
            "Polygons, or points: a line has no width, so the pixels that it covers are not defined.",
            "Buffer the lines to their width on the ground, or leave them out.",
        )
    kept = [v for v, p in zip(values, present, strict=True) if p]
    kept = [v for v, u in zip(kept, usable, strict=True) if u]
    if not kept:
        raise LabelError(f"Layer {name!r} of {path} holds no feature with a geometry.", "At least one polygon.")
    return LandUseLayer(
        path,
        name,
        field,
        crs,
        geometries[usable],
        tuple(kept),
        skipped=int((~present).sum() + (~usable).sum()),
        repaired=int(invalid.sum()),
        encoding=claimed,
        local_crs=wkt if crs is None else None,
    )


@dataclass(frozen=True)
class ProjectedLayer:
    """The features of a layer in the CRS of a grid, each with its class code, ready to be burned block by block.

    Attributes:
        grid: The grid.
        geometries: In the CRS of the grid, larger ones first, so that the smaller wins where they overlap.
        codes: Class code of each geometry, 0 for those that are deliberately unlabelled.
        all_touched: Whether every pixel that a polygon touches is burned, instead of those whose centre it holds.
    """

    grid: Grid
    geometries: NDArray[np.object_]
    codes: NDArray[np.uint8]
    all_touched: bool
    _tree: shapely.STRtree

    def burn(self, window: Window | None = None) -> NDArray[np.uint8]:
        """Class codes of a window (by default the whole grid), 0 where no feature lies: uint8, ``(height, width)``."""
        window = window or self.grid.window
        part = self.grid.crop(window)
        hits = np.sort(self._tree.query(_frame(part), predicate="intersects"))
        shapes = [(self.geometries[i], int(self.codes[i])) for i in hits]
        if not shapes:
            return np.zeros(part.shape, np.uint8)
        burned: NDArray[np.uint8] = rasterize(
            shapes, part.shape, fill=UNLABELLED, transform=part.transform, all_touched=self.all_touched, dtype="uint8"
        )
        return burned


def is_empty(path: Path, layer: str | None = None) -> bool:
    """Whether a layer exists and has no feature.

    Raises:
        LabelError: There is no such file or layer.
    """
    name, _, _ = _open_layer(Path(path), layer, None, None)
    return int(header(Path(path), name, counted=True)["features"]) == 0


def check_layer(path: Path, layer: str | None = None, field: str | None = None, encoding: str | None = None) -> None:
    """Check from the file's header alone that a layer and a field exist.

    Raises:
        LabelError: The file cannot be read, or has no such layer or field.
    """
    _open_layer(Path(path), layer, field, encoding)


def field_names(path: Path, layer: str | None = None, encoding: str | None = None) -> list[str]:
    """Names of the fields of a layer, from the file's header.

    Raises:
        LabelError: The file cannot be read, or has no such layer.
    """
    name = _open_layer(Path(path), layer, None, encoding)[0]
    return [str(f) for f in header(Path(path), name, encoding)["fields"]]


def project(
    layer: LandUseLayer,
    grid: Grid,
    values: Mapping[str, int],
    *,
    all_touched: bool = False,
    may_miss: bool = False,
) -> ProjectedLayer:
    """Bring a layer to the CRS of a grid and give each feature its class code.

    Args:
        layer: What ``read_layer`` gave.
        grid: The grid, with a CRS.
        values: Class code for each value of the layer's field, 0 for values that are deliberately unlabelled. For a
            layer without a field: one entry with any key.
        all_touched: Burn every touched pixel.
        may_miss: Whether a layer entirely outside the grid is accepted.

    Raises:
        LabelError: Grid or layer without a CRS, values that the mapping lacks, or no feature on the grid.
    """
    codes = _feature_codes(layer, values)
    if grid.crs is None:
        raise LabelError(
            f"{layer.path} cannot be laid over an image that {lack_of_place(grid.local_crs)}.",
            "A vector layer needs an image with a CRS.",
            "Assign the CRS with gdal_edit or QGIS, or give a label raster of the image's size.",
        )
    if layer.crs is None:
        raise LabelError(
            f"Layer {layer.name!r} of {layer.path} {lack_of_place(layer.local_crs)}.",
            remedy="Set the layer's CRS (QGIS: Define Layer Projection) to the one that it was drawn in.",
        )
    geometries = layer.geometries
    near = np.ones(len(geometries), np.bool_)
    if not layer.crs.equals(grid.crs, ignore_axis_order=True):
        near = _near(geometries, layer.crs, grid)
        geometries = _reproject(geometries[near], layer.crs, grid.crs)
    on_grid = shapely.intersects(geometries, _frame(grid)) if len(geometries) else np.zeros(0, np.bool_)
    if not on_grid.any() and not may_miss:
        west, south, east, north = (
            round(float(v), 4) for v in lonlat_bounds(shapely.total_bounds(layer.geometries), layer.crs)
        )
        g_west, g_south, g_east, g_north = (round(float(v), 4) for v in lonlat_bounds(grid.bounds, grid.crs))
        raise LabelError(
            f"Layer {layer.name!r} of {layer.path} lies entirely outside the image: it covers longitude {west} to "
            f"{east} and latitude {south} to {north}, the image longitude {g_west} to {g_east} and latitude "
            f"{g_south} to {g_north}.",
            "A layer that overlaps the image.",
            "Check the CRS of both files and that they show the same place.",
        )
    geometries, codes = geometries[on_grid], codes[near][on_grid]
    # Stable, so that of two polygons of the same area the later one wins, as in the order of drawing.
    order = np.argsort(-shapely.area(geometries), kind="stable")
    geometries = geometries[order]
    return ProjectedLayer(grid, geometries, codes[order], all_touched, shapely.STRtree(geometries))


def burn(layer: LandUseLayer, grid: Grid, values: Mapping[str, int], *, all_touched: bool = False) -> NDArray[np.uint8]:
    """Class codes of a layer on a grid: ``project`` and ``ProjectedLayer.burn`` in one.

    Where polygons overlap the smaller one wins; a point burns one pixel.

    Returns:
        uint8, shape of the grid; 0 where no feature lies.

    Raises:
        LabelError: See ``project``.
    """
    return project(layer, grid, values, all_touched=all_touched).burn()


def project_layers(
    path: Path,
    codes: Mapping[str, int],
    grid: Grid,
    *,
    all_touched: bool = False,
    encoding: str | None = None,
) -> ProjectedLayer:
    """The features of a file with one layer a class, as ``project``; over all layers the smaller polygon wins.

    Args:
        path: A vector file.
        codes: Layer name to class code.
        grid: The grid, with a CRS.
        all_touched: Burn every touched pixel.
        encoding: As in ``read_layer``.

    Raises:
        LabelError: A layer is missing, or lies outside the grid together with all others.
    """
    parts: list[ProjectedLayer] = []
    for number, (name, code) in enumerate(codes.items()):
        layer = read_layer(path, name, encoding=encoding)
        last = number == len(codes) - 1 and not any(len(p.geometries) for p in parts)
        parts.append(project(layer, grid, {name: code}, all_touched=all_touched, may_miss=not last))
    geometries = np.concatenate([p.geometries for p in parts])
    all_codes = np.concatenate([p.codes for p in parts])
    order = np.argsort(-shapely.area(geometries), kind="stable")
    tree = shapely.STRtree(geometries[order])
    return ProjectedLayer(grid, geometries[order], all_codes[order], all_touched, tree)


def map_values(
    array: NDArray[Any],
    values: Mapping[str, int],
    covered: NDArray[np.bool_] | None = None,
    source: str = "The raster",
    seen: set[str] | None = None,
) -> NDArray[np.uint8]:
    """Class codes of a label raster.

    Args:
        array: The raster's own values, any numeric dtype, any shape.
        values: Class code for each value. The value 0 means unlabelled unless the mapping says otherwise.
        covered: Which pixels hold data; the others become 0 and their values are not looked at.
        source: Subject of the error message.
        seen: Receives the values that occur.

    Returns:
        uint8, the shape of ``array``.

    Raises:
        LabelError: Values that the mapping lacks; all are listed.
    """
    known = {text: code for v, code in values.items() if (text := value_text(v)) is not None}
    known.setdefault("0", UNLABELLED)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    if covered is None:
        covered = np.ones(array.shape, np.bool_)
    if np.issubdtype(array.dtype, np.floating):
        covered = covered & ~np.isnan(array)
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        present = np.flatnonzero(np.bincount(array[covered].ravel(), minlength=1))
    else:
        present = np.unique(array[covered])
    texts = [value_text(v) or "" for v in present]
    if seen is not None:
        seen.update(texts)
    if missing := [t for t in texts if t not in known]:
        raise _unmapped(source, missing, known)
    codes = np.zeros(array.shape, np.uint8)
    if len(present):
        table = np.array([known[t] for t in texts], np.uint8)
        codes[covered] = table[np.searchsorted(present, array[covered])]
    return codes


FARTHEST_DEGREES, FARTHEST_M, FARTHEST = 720.0, 2e8, 1e15
"""No coordinate of a place on Earth lies beyond; those of zones that are counted in their eastings reach 1.2e8 m. The
last one holds where the unit is not known.
"""


def _is_finite(geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
    coordinates, index = shapely.get_coordinates(geometries, return_index=True)
    finite = np.ones(len(geometries), np.bool_)
    finite[index[~np.isfinite(coordinates).all(axis=1)]] = False
    return finite


def _check_places(geometries: NDArray[np.object_], crs: CRS | None, what: str) -> None:
    """Refuse coordinates that are no places of their CRS, such as metres in a layer that says it is in degrees.

    Raises:
        LabelError: There are some; the first one is named.
    """
    farthest = FARTHEST
    if crs is not None:
        farthest = FARTHEST_DEGREES if crs.is_geographic else FARTHEST_M / crs.axis_info[0].unit_conversion_factor
    beyond = (np.abs(shapely.bounds(geometries)) > farthest).any(axis=1)
    if beyond.any():
        corners = shapely.get_coordinates(geometries[beyond])
        x, y = corners[int((np.abs(corners) > farthest).any(axis=1).argmax())]
        raise LabelError(
            f"{what} has a corner at {x:g}, {y:g}, which is no place in "
            + ("any CRS." if crs is None else f"its CRS ({crs.name})."),
            "Coordinates of the CRS that the file states.",
            "Mend that feature, or set the layer's CRS (QGIS: Define Layer Projection) to the one that it was drawn "
            "in.",
        )


def _open_layer(path: Path, layer: str | None, field: str | None, encoding: str | None) -> tuple[str, str | None, str]:
    """The names of layer and field as the file has them, and what its text is read as, after checking that they exist.

    Args:
        path: The file.
        layer: As the user wrote it.
        field: Likewise.
        encoding: Likewise.
    """
    if encoding is not None:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise LabelError(
                f"The encoding {encoding!r} is not known.", "A name such as UTF-8, GBK, Big5 or CP1252."
            ) from None
    name = _chosen_layer(path, layer, layer_names(path))
    info = header(path, name, encoding)
    fields, claimed = [str(f) for f in info["fields"]], str(info["encoding"] or "UTF-8")
    found = None if field is None else _same(field, fields)
    if field is not None and found is None:
        doubt, remedy = _doubt(fields, claimed)
        raise LabelError(
            f"Layer {name!r} of {path} has no field {field!r}{nearest_of(field, fields)}.{doubt}",
            f"It has the fields {', '.join(fields)}." if fields else "It has no fields.",
            f"Give the name of the field that holds the land-use class.{remedy}",
            ["encoding"] if remedy else [],
        )
    return name, found, claimed


def _same(name: str, names: Iterable[str]) -> str | None:
    """The one of some names that is the same text, however its letters are composed."""
    return next((n for n in names if normalize("NFC", n) == normalize("NFC", name)), None)


def _doubt(texts: Iterable[str], encoding: str) -> tuple[str, str]:
    """A sentence that says how text was read, and what to do, where it may be in another encoding."""
    if encoding.upper().replace("-", "") in ("UTF8", "ASCII") or all(t.isascii() for t in texts):
        return "", ""
    return f" The text was read as {encoding}.", f" If it looks wrong: {STATE_ENCODING}"


def lonlat_bounds(bounds: NDArray[Any] | tuple[float, ...], crs: CRS) -> tuple[float, float, float, float]:
    """West, south, east and north in degrees of bounds ``x_min, y_min, x_max, y_max`` in a CRS."""
    return Transformer.from_crs(crs, CRS.from_epsg(4326), always_xy=True).transform_bounds(*bounds)


def _feature_codes(layer: LandUseLayer, values: Mapping[str, int]) -> NDArray[np.uint8]:
    known = {text: code for v, code in values.items() if (text := value_text(v)) is not None}
    if layer.field is None:
        if len(values) != 1:
            raise LabelError(
                f"Layer {layer.name!r} of {layer.path} is read without a field, and {len(values)} classes are given.",
                "Without a field the whole layer is one class.",
                "Name the field that holds the classes, or give one class.",
            )
        return np.full(len(layer.geometries), next(iter(values.values())), np.uint8)
    if missing := [v for v in layer.counts() if v not in known]:
        raise _unmapped(
            f"Field {layer.field!r} of layer {layer.name!r} of {layer.path}", missing, known, layer.encoding
        )
    return np.array([UNLABELLED if v is None else known[v] for v in layer.values], np.uint8)


def _unmapped(source: str, missing: Iterable[str], known: Mapping[str, int], encoding: str = "UTF-8") -> LabelError:
    doubt, remedy = _doubt(missing, encoding)
    return LabelError(
        f"{source} holds values that are mapped to no class: {_listed(missing, list(known))}.{doubt}",
        "Every value of the file is mapped to a class, or on purpose to none.",
        f"Add the values to label_values, with an empty class key for those that shall stay unlabelled.{remedy}",
        ["encoding"] if remedy else [],
    )


def _listed(values: Iterable[str], known: list[str]) -> str:
    return ", ".join(repr(v) + nearest_of(v, known) for v in sorted(values, key=lambda v: (len(v), v)))


def nearest_of(name: str, names: Iterable[str]) -> str:
    """The name that is spelt most like another, in brackets, or nothing."""
    near = nearest(name, names)
    return f" (nearest: {near!r})" if near else ""


def _chosen_layer(path: Path, layer: str | None, layers: list[str]) -> str:
    found = None if layer is None else _same(layer, layers)
    if layer is not None and found is None:
        raise LabelError(
            f"{path} has no layer {layer!r}{nearest_of(layer, layers)}.", f"It has the layers {', '.join(layers)}."
        )
    if not layers:
        raise LabelError(f"{path} has no layer with geometries.", "A layer of polygons.")
    if layer is None and len(layers) > 1:
        raise LabelError(
            f"{path} has {len(layers)} layers: {', '.join(layers)}.", remedy="Name the layer that shall be read."
        )
    return found or layers[0]


def polygonal_part(geometry: shapely.Geometry) -> shapely.Geometry:
    """The polygons of a geometry, without lines and points; an empty collection where it has none."""
    parts: NDArray[np.object_] = np.asarray(shapely.get_parts(geometry), dtype=object)
    kept = parts[shapely.get_dimensions(parts) == 2]
    return kept[0] if len(kept) == 1 else shapely.union_all(kept)


def _frame(grid: Grid) -> shapely.Polygon:
    x, y = grid.pixel_centres(
        np.array([0, 0, grid.height, grid.height]) - 0.5, np.array([0, grid.width, grid.width, 0]) - 0.5
    )
    return shapely.Polygon(np.column_stack([x, y]))


def _near(geometries: NDArray[np.object_], crs: CRS, grid: Grid) -> NDArray[np.bool_]:
    """Which features may touch the grid, by bounding boxes in the layer's CRS: saves reprojecting a whole country."""
    to_layer = Transformer.from_crs(grid.crs, crs, always_xy=True)
    x_min, y_min, x_max, y_max = to_layer.transform_bounds(*grid.bounds, densify_pts=51)
    if not np.isfinite([x_min, y_min, x_max, y_max]).all() or x_min > x_max:  # beyond the projection, or date line
        return np.ones(len(geometries), np.bool_)
    margin_x, margin_y = 0.05 * (x_max - x_min), 0.05 * (y_max - y_min)
    box = shapely.box(x_min - margin_x, y_min - margin_y, x_max + margin_x, y_max + margin_y)
    near = np.zeros(len(geometries), np.bool_)
    near[shapely.STRtree(geometries).query(box)] = True
    return near


def _reproject(geometries: NDArray[np.object_], crs: CRS, target: CRS) -> NDArray[np.object_]:
    unit = crs.axis_info[0].unit_conversion_factor  # metres, or radians for degrees
    edge = DENSIFY_M / (unit * 6_371_000.0 if crs.is_geographic else unit)
    transformer = Transformer.from_crs(crs, target, always_xy=True)

    def transform(xy: NDArray[Any]) -> NDArray[Any]:
        return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))

    moved = shapely.transform(cut_edges(geometries, edge), transform)
    finite = np.isfinite(shapely.bounds(moved)).all(axis=1)
    moved[~finite] = shapely.Polygon()  # beyond the reach of the target projection, so not on the grid
    return moved
