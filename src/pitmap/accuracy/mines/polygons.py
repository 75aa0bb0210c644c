"""Polygons of mines: reading them, cutting them to known ground, and taking them to a plane.

Areas and distances are taken in Lambert azimuthal equal-area planes about the middle of what is measured, with long
edges cut first: areas are those of the ellipsoid, and distances within 10 km of the middle are right to a part in a
million.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Proj, Transformer

from pitmap import landuse
from pitmap.edges import cut_edges
from pitmap.errors import LabelError

SMALLEST_M2 = 1361.0
"""The smallest mine of Chen et al. (2022): 85 pixels of 4 m."""

EDGE_M = 100.0
"""Longest edge before reprojection."""

Plane = Callable[[NDArray[np.object_]], NDArray[np.object_]]
"""Takes geometries to other coordinates, such as longitude and latitude to a plane in metres."""


@dataclass(frozen=True)
class MineLayer:
    """Polygons that are mines, of one layer.

    Attributes:
        polygons: Valid shapely polygons or multipolygons, each one mine.
        groups: Group of each, None without groups.
        crs: Their coordinate reference system, None for coordinates of a plane.
        repaired: Features whose geometry was mended.
        skipped: Features without a geometry.
    """

    polygons: NDArray[np.object_]
    groups: tuple[str | None, ...]
    crs: CRS | None
    repaired: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class MineFilter:
    """Which features of a vector file are mines.

    Attributes:
        layer: The layer, where the file has several.
        field: Field that says which polygons are mines; None where all are.
        values: Its values that mean mine; ``ALL`` alone takes every polygon, whatever the fields say.
        group_field: Field with the group of each polygon.
        dissolve: Whether polygons that touch are one mine.
        encoding: Of the text, such as GBK; None takes what the file states or GDAL assumes.
    """

    layer: str | None = None
    field: str | None = None
    values: Sequence[str | int] = ()
    group_field: str | None = None
    dissolve: bool = False
    encoding: str | None = None


ALL = "*"
"""Stands for all values: every polygon is a mine."""


def read_mines(
    path: Path, wanted: MineFilter, *, empty_allowed: bool = False, several_classes: bool = True
) -> MineLayer:
    """The polygons of a layer that are mines; multipolygons are taken apart.

    Args:
        path: A vector file.
        wanted: Which features are mines.
        empty_allowed: Whether a layer without a mine is a result: that of a map, but not of a reference.
        several_classes: Whether all polygons of a layer with several classes may be mines without a word.

    Raises:
        LabelError: The file cannot be read, values do not occur, no polygon is a mine, or no field is named and the
            layer has several classes.
    """
    if empty_allowed and landuse.is_empty(path, wanted.layer):
        return MineLayer(np.zeros(0, dtype=object), (), None)
    everything = tuple(wanted.values) == (ALL,)
    if wanted.field is None and not everything and not several_classes:
        _refuse_classes(path, wanted)
    field = None if everything else wanted.field
    land = landuse.read_layer(path, wanted.layer, field, wanted.encoding)
    groups: Sequence[str | None] = [None] * len(land.geometries)
    if wanted.group_field is not None:
        groups = landuse.read_layer(path, wanted.layer, wanted.group_field, wanted.encoding).values
    chosen = np.ones(len(land.geometries), np.bool_)
    if field is not None:
        keys = {landuse.value_text(v) for v in wanted.values}
        chosen = np.array([v in keys for v in land.values])
        if not keys or (unknown := sorted(str(k) for k in keys - set(land.values))):
            raise LabelError(
                f"No value of field {field!r} of {path} is named that means mine." if not keys
                else f"Field {field!r} of {path} has no value {', '.join(map(repr, unknown))}.",
                f"It has {_listed({v for v in land.values if v is not None})}.",
                "Name the values that mean mine.",
            )  # fmt: skip
    polygons, kept_groups = [], []
    for group in dict.fromkeys(groups) if wanted.dissolve else [None]:
        of = [bool(w) and (not wanted.dissolve or g == group) for w, g in zip(chosen, groups, strict=True)]
        geometries = land.geometries[of]
        if wanted.dissolve:
            geometries = np.array([shapely.union_all(geometries)], dtype=object)
        parts, index = _parts(geometries)
        areal = shapely.get_dimensions(parts) == 2
        own = [group] if wanted.dissolve else [g for g, o in zip(groups, of, strict=True) if o]
        polygons.append(parts[areal])
        kept_groups += [own[i] for i in index[areal]]
    found = np.concatenate(polygons) if polygons else np.zeros(0, dtype=object)
    if not len(found) and not empty_allowed:
        raise LabelError(f"{path} holds no polygon that is a mine.", "Polygons of mines.")
    crs = land.crs if land.crs is not None and (land.crs.is_geographic or land.crs.is_projected) else None
    return MineLayer(found, tuple(kept_groups), crs, land.repaired, land.skipped)


def _parts(geometries: NDArray[np.object_]) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """The parts of geometries, and of which one each is; single ones are themselves and no copies."""
    counts = shapely.get_num_geometries(geometries)
    parts, index = np.repeat(geometries, counts), np.repeat(np.arange(len(geometries)), counts)
    multi = shapely.get_type_id(geometries) > 3
    parts[multi[index]] = shapely.get_parts(geometries[multi])
    return parts, index


CLASS_FIELD = re.compile(
    r"(^|[^a-z])(f?class(es)?|klasse?n?|kategori[ea]|categor(y|ies)|t[yi]pe?|kind|land[ _-]?use|land[ _-]?cover|lu?lc|"
    r"nutzung\w*|objart|code_?\d\d|dlb?mc?|x_kod|natural|use|cover|label|reference)([^a-z]|$)|类|用途",
    re.IGNORECASE,
)
"""Names of fields that hold a land-use class, in the words of common layers."""

MINE_WORDS = {
    "opm", "mine", "mines", "pit", "pits", "quarry", "quarries", "open pit", "open-pit mine", "open pit mine",
    "opencast mine", "opencast", "surface mine", "surface_mining", "mining", "mineral extraction sites", "tagebau",
    "steinbruch", "kopalnia", "露天采矿场", "采矿用地",
}  # fmt: skip
"""Values that mean mine: a field that has one of them among others is a field of classes."""


def class_field(
    path: Path, layer: str | None, besides: Sequence[str | None] = (), encoding: str | None = None
) -> tuple[str, list[str]] | None:
    """A field that gives the features of a layer several land-use classes, and its values; None where there is none.

    A field counts by its name (``CLASS_FIELD``), or because some of its values mean mine and others do not.

    Args:
        path: A vector file.
        layer: Its layer, where it has several.
        besides: Fields that are known to hold something else.
        encoding: Of the text.

    Raises:
        LabelError: The file cannot be read.
    """
    for field in landuse.field_names(path, layer, encoding):
        if field in besides:
            continue
        values = sorted({v for v in landuse.read_layer(path, layer, field, encoding).values if v})
        mines = [v for v in values if v.lower() in MINE_WORDS]
        if len(values) > 1 and (CLASS_FIELD.search(field) or 0 < len(mines) < len(values)):
            return field, values
    return None


def _refuse_classes(path: Path, wanted: MineFilter) -> None:
    found = class_field(path, wanted.layer, [wanted.group_field], wanted.encoding)
    if found is not None:
        field, values = found
        raise LabelError(
            f"{path} has features of several classes: field {field!r} holds {_listed(values)}.",
            "Polygons of mines alone, or the field and the values that mean mine.",
            f"Name the reference field ({field}) and its values; the value {ALL!r} takes every polygon for a mine.",
        )


def _listed(values: Collection[str]) -> str:
    return ", ".join(map(repr, sorted(values)[:30])) + (" ..." if len(values) > 30 else "")


def brought_to(mines: MineLayer, crs: CRS | None) -> MineLayer:
    """Mines in another coordinate reference system; as they are where one has none or both are the same."""
    if crs is None or mines.crs is None or crs.equals(mines.crs, ignore_axis_order=True):
        return mines
    transform = Transformer.from_crs(mines.crs, crs, always_xy=True).transform
    return replace(mines, polygons=_moved(mines.polygons, transform, _edge(mines.crs)), crs=crs)


def read_extent(path: Path, crs: CRS | None) -> shapely.Geometry:
    """All polygons of a layer as one geometry in a CRS."""
    land = landuse.read_layer(path)
    geometries = land.geometries[shapely.get_dimensions(land.geometries) == 2]
    if (crs is None) != (land.crs is None) or not len(geometries):
        raise LabelError(
            f"The extent {path} cannot be laid over the mines.",
            "Polygons, with a coordinate reference system if the mines have one.",
        )
    if crs is not None and land.crs is not None and not crs.equals(land.crs, ignore_axis_order=True):
        transform = Transformer.from_crs(land.crs, crs, always_xy=True).transform
        geometries = _moved(geometries, transform, _edge(land.crs))
    return shapely.union_all(geometries)


def cut(mines: MineLayer, ground: shapely.Geometry, crs: CRS | None, part: float) -> MineLayer:
    """What of mines inside a geometry is a mine (see ``AuditOptions.extent``)."""
    inside = np.array([landuse.polygonal_part(g) for g in shapely.intersection(mines.polygons, ground)], dtype=object)
    kept = np.zeros(len(inside), np.bool_)
    some = np.flatnonzero(~shapely.is_empty(inside)) if len(inside) else np.zeros(0, np.int64)
    # Edges of two layers that follow one line differ by rounding: slivers are no mines.
    large = _areas_m2(inside[some], crs) >= SMALLEST_M2
    kept[some] = large | (shapely.area(inside[some]) >= part * shapely.area(mines.polygons[some]))
    groups = tuple(g for g, k in zip(mines.groups, kept, strict=True) if k)
    return replace(mines, polygons=inside[kept], groups=groups)


def touching(
    reference: NDArray[np.object_],
    mapped: NDArray[np.object_],
    reference_groups: Sequence[str | None],
    mapped_groups: Sequence[str | None],
) -> NDArray[np.int64]:
    """Pairs of a reference and a mapped polygon of one group that share ground or a point, ``(pairs, 2)``."""
    if not len(mapped):
        return np.zeros((0, 2), np.int64)
    r, m = shapely.STRtree(mapped).query(reference, predicate="intersects")
    same = [reference_groups[i] == mapped_groups[j] for i, j in zip(r, m, strict=True)]
    return np.stack([r, m], axis=1)[np.array(same, np.bool_)].astype(np.int64)


def _edge(crs: CRS) -> float:
    unit = crs.axis_info[0].unit_conversion_factor  # metres, or radians for degrees
    return EDGE_M / (unit * 6_371_000.0 if crs.is_geographic else unit)


def _moved(geometries: NDArray[np.object_], transform: Callable[..., Any], edge: float) -> NDArray[np.object_]:
    if not len(geometries):
        return geometries
    return _mended(shapely.transform(cut_edges(geometries, edge), _placed_by(transform)))


def _placed_by(transform: Callable[..., Any]) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """A change of coordinates, (N, 2) to (N, 2), that refuses what it cannot place."""

    def move(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = np.column_stack(transform(xy[:, 0], xy[:, 1]))
        if len(lost := xy[~np.isfinite(moved).all(axis=1)]):
            x, y = lost[np.abs(lost).max(axis=1).argmax()]
            raise LabelError(
                f"A mine reaches x {x:.10g}, y {y:.10g}, which is nowhere on the earth.",
                "Polygons in the coordinate reference system that their layer states.",
                "Correct that corner, or the layer's coordinate reference system (QGIS: Define Layer Projection).",
            )
        return moved

    return move


def _on_earth(longitude: NDArray[np.float64], latitude: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Degrees as they are, infinite where they are none: once round the earth either way is still a place."""
    known = (np.abs(longitude) <= 720) & (np.abs(latitude) <= 90)
    return np.where(known, longitude, np.inf), latitude


def _mended(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Polygons that a change of coordinates folded over, made valid; lines and points that this leaves are dropped."""
    for i in np.flatnonzero(~shapely.is_valid(geometries)):
        parts = np.asarray(shapely.get_parts(shapely.make_valid(geometries[i])), dtype=object)
        geometries[i] = shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
    return geometries


def geographic_of(crs: CRS | None) -> Plane:
    """A function that takes polygons to longitude and latitude, long edges cut; without a CRS they stay as they are."""
    if crs is None:
        return lambda polygons: polygons
    edge = _edge(crs)
    if crs.equals(CRS.from_epsg(4326), ignore_axis_order=True):
        return lambda polygons: _moved(polygons, _on_earth, edge)
    transform = Transformer.from_crs(crs, CRS.from_epsg(4326), always_xy=True).transform
    return lambda polygons: _moved(polygons, transform, edge)


def _areas_m2(polygons: NDArray[np.object_], crs: CRS | None) -> NDArray[np.float64]:
    plane_of, moved = planes_of(crs), geographic_of(crs)(polygons)
    # A sliver may vanish on the way.
    return np.array(
        [0.0 if shapely.is_empty(moved[i]) else plane_of(moved[i : i + 1])[0].area for i in range(len(moved))]
    )


def planes_of(crs: CRS | None) -> Plane:
    """A function that takes geometries in longitude and latitude to an equal-area plane about their middle."""
    if crs is None:
        return lambda geometries: geometries

    def to_plane(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
        west, south, east, north = shapely.total_bounds(geometries)
        plane = Proj(proj="laea", lon_0=(west + east) / 2, lat_0=(south + north) / 2, ellps="WGS84")
        return _mended(shapely.transform(geometries, _placed_by(plane)))

    return to_plane
