"""Which mines were found: mapped polygons against reference polygons, mine by mine.

Polygons that touch each other are taken together to a plane of their own, a Lambert azimuthal equal-area projection
about their middle, with long edges cut first: areas are those of the ellipsoid, and distances within 10 km of the
middle are right to a part in a million. Intervals come from drawing such places, or whole
groups (tiles) where they are given, with replacement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Proj, Transformer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pitmap import landuse, qgis
from pitmap.accuracy.census.resampling import DRAWS, Interval, ratio_intervals
from pitmap.errors import LabelError
from pitmap.files import write_json
from pitmap.geopackage import write_layers

if TYPE_CHECKING:
    import geopandas as gpd

SMALLEST_M2 = 1361.0
"""The smallest mine of Chen et al. (2022): 85 pixels of 4 m."""

SIZE_EDGES_M2 = (SMALLEST_M2, 5_000.0, 10_000.0, 100_000.0, 1_000_000.0)
"""Lower edges of the size classes; what is smaller than the first is a class of its own."""

EDGE_M = 100.0
"""Longest edge before reprojection."""

DEFINITIONS = {
    "found": "At least `overlap` of the mine's area is mapped as mine.",
    "missed": "Less than that is mapped.",
    "split": "Found, and at least two mapped polygons each cover `part` of its area or more.",
    "merged": "Found, and one mapped polygon covers at least `overlap` of it and of another reference mine.",
    "true": "At least `overlap` of the mapped polygon's area lies in reference mines.",
    "false": "Less than that does.",
    "recall": "Reference mines found (split and merged ones too) / all reference mines.",
    "precision": "True mapped polygons / all mapped polygons.",
    "panoptic_quality": "Sum of IoU over pairs with IoU > 0.5 / (pairs + half of the mapped and half of the reference "
    "polygons without a pair) (Kirillov et al. 2019, CVPR); segmentation_quality is the mean IoU of the pairs.",
    "area_error_m2": "Area of the mapped polygons that belong to a mine (each belongs to the mine that it overlaps "
    "most) less the area of the mine; not given for missed and merged mines.",
    "boundary_distance": "Distances of points along either outline from the other outline, both ways pooled: mean, "
    "95th percentile, greatest (Hausdorff); for found mines that are not merged.",
    "boundary_iou": "IoU of the inner belts of width `boundary_m` along the two outlines (Cheng et al. 2021, CVPR).",
    "intervals": f"95 %, from {DRAWS} draws with replacement of places (mines that touch each other), or of groups "
    "where `group_field` is given.",
}


@dataclass(frozen=True)
class AuditOptions:
    """How mines are compared.

    Attributes:
        layer: Layer of the mapped mines, where the file has several.
        field: Field of the mapped layer that says which polygons are mines.
        values: Its values that mean mine.
        reference_layer: Layer of the reference.
        reference_field: Field of the reference that says which polygons are mines.
        reference_values: Its values that mean mine.
        encoding: Of the text of the reference, such as GBK; None takes what the file states or GDAL assumes.
        group_field: Field of both layers; only polygons with the same value are compared, such as those of one tile.
        dissolve: Whether polygons of one layer that touch are one mine.
        overlap: Share of a polygon that decides on found and true.
        part: Share of a mine that makes a part of it.
        extent: Vector layer of the ground whose use is known: polygons of both layers are cut to it. What is left is a
            mine if it is at least ``part`` of the polygon, or large enough (``SMALLEST_M2``) to be a mine by itself;
            else the polygon is left out. A polygon that the extent cuts into pieces remains one mine.
        minimum_m2: Smaller polygons of either layer are left out.
        boundary_m: Width of the belt of the boundary IoU; two pixels of 4 m.
        step_m: Distance of the points along outlines.
        draws: Draws for the intervals.
        seed: Of the draws.
    """

    layer: str | None = None
    field: str | None = None
    values: Sequence[str | int] = ()
    reference_layer: str | None = None
    reference_field: str | None = None
    reference_values: Sequence[str | int] = ()
    encoding: str | None = None
    group_field: str | None = None
    dissolve: bool = False
    overlap: float = 0.5
    part: float = 0.1
    extent: Path | None = None
    minimum_m2: float = 0.0
    boundary_m: float = 8.0
    step_m: float = 2.0
    draws: int = DRAWS
    seed: int = 0


@dataclass(frozen=True)
class ReferenceMine:
    """The verdict on one reference mine.

    Attributes:
        area_m2: On the ellipsoid.
        size: Index of its size class, 0 for the smallest.
        verdict: ``found``, ``split``, ``merged``, ``split and merged`` or ``missed``.
        covered: Share of its area that is mapped as mine.
        mapped: Numbers of the mapped polygons that belong to it.
        iou: With the polygons that belong to it, 0 where there are none.
        area_error_m2: See ``DEFINITIONS``.
        distance_mean_m: Mean boundary distance.
        distance_p95_m: 95th percentile.
        distance_max_m: Hausdorff distance.
        boundary_iou: See ``DEFINITIONS``.
    """

    area_m2: float
    size: int
    verdict: str
    covered: float
    mapped: tuple[int, ...]
    iou: float
    area_error_m2: float | None = None
    distance_mean_m: float | None = None
    distance_p95_m: float | None = None
    distance_max_m: float | None = None
    boundary_iou: float | None = None

    @property
    def found(self) -> bool:
        """Whether the mine was not missed."""
        return self.verdict != "missed"


@dataclass(frozen=True)
class MappedMine:
    """The verdict on one mapped polygon.

    Attributes:
        area_m2: On the ellipsoid.
        size: Index of its size class.
        verdict: ``true`` or ``false``.
        inside: Share of its area that lies in reference mines.
        reference: Number of the reference mine that it belongs to, None where it touches none.
    """

    area_m2: float
    size: int
    verdict: str
    inside: float
    reference: int | None


@dataclass(frozen=True)
class Audit:
    """The comparison of mapped mines with reference mines.

    Attributes:
        reference: One verdict for each reference mine, in the order of the polygons.
        mapped: One verdict for each mapped polygon.
        figures: ``recall``, ``precision``, ``f1``, ``panoptic_quality``, ``segmentation_quality``, ``area_recall``,
            ``area_precision``, ``area_iou``, each with an interval over mines.
        by_size: One row a size class: edges, counts, recall and precision with intervals.
        by_group: One row a group, where there are groups: counts, areas and their IoU.
        totals: Areas and counts.
        options: How mines were compared.
        sources: Names of the files, polygons repaired and left out.
    """

    reference: tuple[ReferenceMine, ...]
    mapped: tuple[MappedMine, ...]
    figures: Mapping[str, Interval]
    by_size: tuple[Mapping[str, Any], ...]
    by_group: tuple[Mapping[str, Any], ...]
    totals: Mapping[str, Any]
    options: AuditOptions
    sources: Mapping[str, Any]
    _reference_layer: gpd.GeoDataFrame | None = None
    _mapped_layer: gpd.GeoDataFrame | None = None

    def summary(self) -> str:
        """One line: found and true, panoptic quality, areas."""
        t, pq = self.totals, self.figures["panoptic_quality"].value
        return (
            f"{t['found']} of {t['reference']} mines found ({t['split']} split, {t['merged']} merged, {t['missed']} "
            f"missed); {t['true']} of {t['mapped']} mapped polygons true; panoptic quality "
            f"{'undefined' if pq is None else format(pq, '.2f')}; {t['mapped_m2'] / 1e4:.1f} ha mapped, "
            f"{t['reference_m2'] / 1e4:.1f} ha in the reference."
        )

    def to_json(self) -> dict[str, Any]:
        """Everything but the polygons as plain Python values."""
        return {
            "sources": dict(self.sources),
            "definitions": DEFINITIONS,
            "options": asdict(self.options)
            | {"extent": None if self.options.extent is None else Path(self.options.extent).name},
            "totals": dict(self.totals),
            "figures": {name: asdict(interval) for name, interval in self.figures.items()},
            "by_size": [dict(row) for row in self.by_size],
            "by_group": [dict(row) for row in self.by_group],
            "reference_mines": [{"id": i} | asdict(mine) for i, mine in enumerate(self.reference, start=1)],
            "mapped_mines": [{"id": i} | asdict(mine) for i, mine in enumerate(self.mapped, start=1)],
        }

    def write(self, path: Path) -> None:
        """Write the JSON, and the polygons with their verdicts to a GeoPackage of the same name.

        Raises:
            OutputError: A file cannot be written.
        """
        if self._reference_layer is not None and self._mapped_layer is not None:
            write_layers(
                path.with_suffix(".gpkg"),
                {"reference": self._reference_layer, "mapped": self._mapped_layer},
                {"reference": _verdict_style(REFERENCE_COLOURS), "mapped": _verdict_style(MAPPED_COLOURS)},
            )
        write_json(path, self.to_json())


REFERENCE_COLOURS = {
    "found": "26,150,65", "split": "166,217,106", "merged": "253,174,97", "split and merged": "254,224,139",
    "missed": "215,25,28",
}  # fmt: skip
MAPPED_COLOURS = {"true": "43,131,186", "false": "123,50,148"}


def audit(mines_path: Path, reference_path: Path, options: AuditOptions | None = None) -> Audit:
    """Compare mapped mines with reference mines.

    Multipolygons are taken apart: a mine is one connected polygon. The reference is brought to the CRS of the map.

    Args:
        mines_path: Polygons of mapped mines, such as those of ``extract_mines``.
        reference_path: Polygons of reference mines.
        options: How they are compared.

    Raises:
        LabelError: A file cannot be read, only one has a CRS, values do not occur, or no reference mine is left.
    """
    import geopandas as gpd

    options = options or AuditOptions()
    mapped, mapped_groups, crs, mapped_note = _read(
        Path(mines_path), options.layer, options.field, options.values, options, empty_allowed=True
    )
    reference, groups, reference_crs, note = _read(
        Path(reference_path), options.reference_layer, options.reference_field, options.reference_values, options,
        encoding=options.encoding,
    )  # fmt: skip
    if (crs is None) != (reference_crs is None) and len(mapped):
        raise LabelError(
            f"Of {mines_path} and {reference_path} only one has a coordinate reference system.",
            "Both have one, or neither has.",
            "Set the missing one in QGIS.",
        )
    crs = crs or reference_crs
    if crs is not None and reference_crs is not None and not crs.equals(reference_crs, ignore_axis_order=True):
        reference = _moved(
            reference, Transformer.from_crs(reference_crs, crs, always_xy=True).transform, _edge(reference_crs)
        )
    sources: dict[str, Any] = {"mines": Path(mines_path).name, "reference": Path(reference_path).name}
    sources |= {f"mines_{k}": v for k, v in mapped_note.items()} | {f"reference_{k}": v for k, v in note.items()}
    if options.extent is not None:
        ground = _extent(Path(options.extent), crs)
        mapped, mapped_groups = _cut(mapped, mapped_groups, ground, crs, options.part)
        reference, groups = _cut(reference, groups, ground, crs, options.part)
        sources["extent"] = Path(options.extent).name
    result, kept_mapped, kept_reference = audit_polygons(
        mapped, reference, crs, options, mapped_groups, groups, sources
    )

    def layer(mines: Sequence[Any], polygons: NDArray[np.object_]) -> gpd.GeoDataFrame:
        rows = [{"id": i} | asdict(mine) for i, mine in enumerate(mines, start=1)]
        for row in rows:
            row["size"] = size_name(row["size"])
            if "mapped" in row:
                row["mapped"] = ", ".join(map(str, row["mapped"]))
        frame = gpd.GeoDataFrame(rows, geometry=polygons, crs=None if crs is None else crs.to_wkt())
        if "reference" in frame:
            frame["reference"] = frame["reference"].astype("Int32")
        return frame

    return Audit(
        result.reference, result.mapped, result.figures, result.by_size, result.by_group, result.totals,
        options, sources,
        layer(result.reference, kept_reference), layer(result.mapped, kept_mapped),
    )  # fmt: skip


def audit_polygons(
    mapped: NDArray[np.object_],
    reference: NDArray[np.object_],
    crs: CRS | None,
    options: AuditOptions,
    mapped_groups: Sequence[str | None] | None = None,
    reference_groups: Sequence[str | None] | None = None,
    sources: Mapping[str, Any] | None = None,
) -> tuple[Audit, NDArray[np.object_], NDArray[np.object_]]:
    """Compare two sets of polygons.

    Args:
        mapped: Valid shapely polygons, or multipolygons, each one mine.
        reference: The same of the reference.
        crs: Of both; None takes the coordinates as metres in a plane (pixels of an image without georeference).
        options: How they are compared.
        mapped_groups: Group of each mapped polygon; only polygons of one group are compared.
        reference_groups: Group of each reference polygon.
        sources: What is compared, for the result.

    Returns:
        The audit, and the mapped and the reference polygons that it is about (those above the least size).

    Raises:
        LabelError: No reference mine is left.
    """
    plane_of = _planes(crs)
    everything = _geographic(np.concatenate([reference, mapped]), crs)
    areas = np.array([plane_of(everything[i : i + 1])[0].area for i in range(len(everything))])
    keep = areas >= options.minimum_m2
    number = int(keep[: len(reference)].sum())
    if number == 0:
        raise LabelError(
            "No reference mine is left to compare with.",
            f"At least one of {options.minimum_m2:g} m2 or more.",
            "Check the reference layer, and the least size.",
        )
    kept_reference, kept_mapped = reference[keep[: len(reference)]], mapped[keep[len(reference) :]]
    groups = [*(reference_groups or [None] * len(reference)), *(mapped_groups or [None] * len(mapped))]
    groups = [g for g, k in zip(groups, keep, strict=True) if k]
    everything, areas = everything[keep], areas[keep]

    pairs = _touching(everything[:number], everything[number:], groups[:number], groups[number:])
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1] + number)), shape=(len(everything),) * 2)
    places, place_of = connected_components(graph, directed=False)
    verdicts: dict[int, ReferenceMine] = {}
    mapped_verdicts: dict[int, MappedMine] = {}
    # What is drawn for the intervals: tiles, whose mines one person outlined on one image, or else single places.
    named = [g for g in groups if g is not None]
    group_names = sorted(set(named)) if len(named) == len(groups) else []
    unit_of = np.array([group_names.index(g) for g in named]) if group_names else place_of
    iou_pairs, overlaps = np.zeros((int(unit_of.max()) + 1, 2)), np.zeros(int(unit_of.max()) + 1)
    order = np.argsort(place_of, kind="stable")
    for members in np.split(order, np.cumsum(np.bincount(place_of, minlength=places))[:-1]):
        r, m = members[members < number], members[members >= number]
        plane = plane_of(everything[members])
        place = _Place(plane[members < number], plane[members >= number], r + 1, m - number + 1, options)
        verdicts.update(zip(r.tolist(), place.reference_mines(), strict=True))
        mapped_verdicts.update(zip((m - number).tolist(), place.mapped_mines(), strict=True))
        iou_pairs[unit_of[members[0]]] += place.pairs()
        overlaps[unit_of[members[0]]] += place.overlap_m2
    references = tuple(verdicts[i] for i in range(number))
    mapped_mines = tuple(mapped_verdicts[i] for i in range(len(everything) - number))
    figures, by_size = _figures(references, mapped_mines, unit_of, number, iou_pairs, overlaps, options)
    totals = _totals(references, mapped_mines, float(overlaps.sum()))
    by_group = _by_group(group_names, unit_of, number, references, mapped_mines, overlaps)
    result = Audit(references, mapped_mines, figures, by_size, by_group, totals, options, sources or {})
    return result, kept_mapped, kept_reference


class _Place:
    """Reference and mapped polygons that touch each other, in a plane."""

    def __init__(
        self, reference: NDArray, mapped: NDArray, reference_ids: NDArray, mapped_ids: NDArray, options: AuditOptions
    ) -> None:
        self.reference, self.mapped, self.options = reference, mapped, options
        self.reference_ids, self.mapped_ids = reference_ids, mapped_ids
        self.area_r, self.area_m = shapely.area(reference), shapely.area(mapped)
        self.overlap = np.zeros((len(reference), len(mapped)))
        if len(reference) and len(mapped):
            self.overlap = shapely.area(shapely.intersection(reference[:, None], mapped[None, :]))
        all_r, all_m = shapely.union_all(reference), shapely.union_all(mapped)
        # Unions, so that polygons of one layer that overlap are not counted twice.
        self.covered = (
            shapely.area(shapely.intersection(reference, all_m)) / self.area_r if len(reference) else np.zeros(0)
        )
        self.inside = shapely.area(shapely.intersection(mapped, all_r)) / self.area_m if len(mapped) else np.zeros(0)
        self.overlap_m2 = float(shapely.area(shapely.intersection(all_r, all_m)))
        has_home = self.overlap.sum(axis=0) > 0
        self.home = np.where(has_home, self.overlap.argmax(axis=0) if len(reference) else 0, -1)

    def reference_mines(self) -> list[ReferenceMine]:
        mines = []
        share = self.overlap / self.area_r[:, None] if len(self.reference) else self.overlap
        joined = (share >= self.options.overlap).sum(axis=0) >= 2 if len(self.reference) else np.zeros(0, np.bool_)
        for k, polygon in enumerate(self.reference):
            own = np.flatnonzero(self.home == k)
            area = float(self.area_r[k])
            found = self.covered[k] >= self.options.overlap
            split = (share[k] >= self.options.part).sum() >= 2
            merged = bool((joined & (share[k] >= self.options.overlap)).any())
            words = [w for w, applies in (("split", split), ("merged", merged)) if applies]
            verdict = (" and ".join(words) or "found") if found else "missed"
            union = shapely.union_all(self.mapped[own])
            both = float(shapely.area(shapely.intersection(polygon, union)))
            iou = min(both / (area + float(union.area) - both), 1.0)
            more: dict[str, float | None] = {}
            if found and not merged and len(own):
                more = {"area_error_m2": float(self.area_m[own].sum()) - area}
                more |= _boundary(polygon, union, self.options)
            mines.append(
                ReferenceMine(
                    area, size_class(area), verdict, min(float(self.covered[k]), 1.0),
                    tuple(int(i) for i in self.mapped_ids[own]), iou, **more,
                )
            )  # fmt: skip
        return mines

    def mapped_mines(self) -> list[MappedMine]:
        return [
            MappedMine(
                float(area), size_class(float(area)), "true" if inside >= self.options.overlap else "false",
                min(float(inside), 1.0), int(self.reference_ids[home]) if home >= 0 else None,
            )
            for area, inside, home in zip(self.area_m, self.inside, self.home, strict=True)
        ]  # fmt: skip

    def pairs(self) -> tuple[float, float]:
        """Number of pairs with IoU above 0.5, each polygon in one pair at most, and the sum of their IoU."""
        if not self.overlap.size:
            return 0.0, 0.0
        iou = np.minimum(self.overlap / (self.area_r[:, None] + self.area_m[None, :] - self.overlap), 1.0)
        best = (iou > 0.5) & (iou == iou.max(axis=0)[None, :]) & (iou == iou.max(axis=1)[:, None])
        return float(best.sum()), float(iou[best].sum())


def _boundary(a: shapely.Geometry, b: shapely.Geometry, options: AuditOptions) -> dict[str, float | None]:
    """Distances between two outlines, and the IoU of their inner belts."""
    outlines = shapely.boundary(a), shapely.boundary(b)
    distances: list[NDArray[np.float64]] = []
    for one, other in (outlines, outlines[::-1]):
        points = shapely.points(shapely.get_coordinates(shapely.segmentize(one, options.step_m)))
        shapely.prepare(other)
        distances.append(np.atleast_1d(shapely.distance(points, other)))
    # Each outline weighs the same, whatever its number of corners.
    weights = np.concatenate([np.full(len(d), 0.5 / len(d)) for d in distances])
    pooled = np.concatenate(distances)
    rank = np.argsort(pooled)
    p95 = pooled[rank][np.searchsorted(np.cumsum(weights[rank]), 0.95 - 1e-12)]
    belts = [shapely.difference(g, shapely.buffer(g, -options.boundary_m)) for g in (a, b)]
    both = float(shapely.area(shapely.intersection(belts[0], belts[1])))
    either = float(shapely.area(belts[0]) + shapely.area(belts[1])) - both
    return {
        "distance_mean_m": float((weights * pooled).sum()),
        "distance_p95_m": float(p95),
        "distance_max_m": float(pooled.max()),
        "boundary_iou": both / either if either > 0 else None,
    }


def size_class(area_m2: float) -> int:
    """Index of the size class of an area: 0 below the smallest mine of the paper."""
    return int(np.searchsorted(SIZE_EDGES_M2, area_m2, side="right"))


def size_name(index: int) -> str:
    """A size class in words, such as ``1 to 10 ha``."""

    def text(m2: float) -> str:
        return f"{m2:,.0f} m2" if m2 < 10_000 else f"{m2 / 1e4:,.0f} ha"

    if index == 0:
        return f"below {text(SIZE_EDGES_M2[0])}"
    if index == len(SIZE_EDGES_M2):
        return f"{text(SIZE_EDGES_M2[-1])} and more"
    return f"{text(SIZE_EDGES_M2[index - 1])} to {text(SIZE_EDGES_M2[index])}"


def _figures(
    reference: Sequence[ReferenceMine], mapped: Sequence[MappedMine], unit_of: NDArray, number: int,
    pairs: NDArray, overlaps: NDArray, options: AuditOptions,
) -> tuple[dict[str, Interval], tuple[dict[str, Any], ...]]:  # fmt: skip
    """Figures and size classes with intervals over units, each a place or a group."""
    units = len(pairs)
    of_r, of_m = unit_of[:number], unit_of[number:]

    def total(unit: NDArray, values: Sequence[float] | NDArray) -> NDArray[np.float64]:
        return np.bincount(unit, np.asarray(values, np.float64), minlength=units).astype(np.float64)

    found = np.array([r.found for r in reference], np.float64)
    true = np.array([m.verdict == "true" for m in mapped], np.float64)
    n_r, n_m = total(of_r, np.ones(len(reference))), total(of_m, np.ones(len(mapped)))
    area_r, area_m = total(of_r, [r.area_m2 for r in reference]), total(of_m, [m.area_m2 for m in mapped])
    n_found, n_true = total(of_r, found), total(of_m, true)
    ratios = {
        "recall": (n_found, n_r),
        "precision": (n_true, n_m),
        "panoptic_quality": (pairs[:, 1], (n_r + n_m) / 2),
        "recognition_quality": (pairs[:, 0], (n_r + n_m) / 2),
        "segmentation_quality": (pairs[:, 1], pairs[:, 0]),
        "area_recall": (overlaps, area_r),
        "area_precision": (overlaps, area_m),
        "area_iou": (overlaps, area_r + area_m - overlaps),
    }
    size_r, size_m = np.array([r.size for r in reference]), np.array([m.size for m in mapped], np.int64)
    sizes = range(len(SIZE_EDGES_M2) + 1)
    for k in sizes:
        ratios[f"recall {k}"] = total(of_r, found * (size_r == k)), total(of_r, size_r == k)
        ratios[f"precision {k}"] = total(of_m, true * (size_m == k)), total(of_m, size_m == k)
    made = ratio_intervals(
        np.stack([y for y, _ in ratios.values()], axis=1), np.stack([x for _, x in ratios.values()], axis=1),
        options.draws, seed=options.seed,
    )  # fmt: skip
    intervals = dict(zip(ratios, made, strict=True))
    rows = []
    for k in sizes:
        of_size = [r for r in reference if r.size == k]
        errors = [r.area_error_m2 for r in of_size if r.area_error_m2 is not None]
        distances = [r.distance_mean_m for r in of_size if r.distance_mean_m is not None]
        rows.append(
            {
                "size": size_name(k),
                "lower_m2": SIZE_EDGES_M2[k - 1] if k > 0 else 0.0,
                "upper_m2": SIZE_EDGES_M2[k] if k < len(SIZE_EDGES_M2) else None,
                "reference": len(of_size),
                **{w: sum(r.verdict == w for r in of_size) for w in REFERENCE_COLOURS},
                "mapped": int((size_m == k).sum()),
                "true": int((true * (size_m == k)).sum()),
                "recall": asdict(intervals.pop(f"recall {k}")),
                "precision": asdict(intervals.pop(f"precision {k}")),
                "median_iou": float(np.median([r.iou for r in of_size])) if of_size else None,
                "median_area_error_m2": float(np.median(errors)) if errors else None,
                "median_distance_mean_m": float(np.median(distances)) if distances else None,
            }
        )
    return intervals, tuple(rows)


def _by_group(
    names: Sequence[str], unit_of: NDArray, number: int, reference: Sequence[ReferenceMine],
    mapped: Sequence[MappedMine], overlaps: NDArray,
) -> tuple[dict[str, Any], ...]:  # fmt: skip
    rows = []
    for k, name in enumerate(names):
        of_r = [r for r, unit in zip(reference, unit_of[:number], strict=True) if unit == k]
        of_m = [m for m, unit in zip(mapped, unit_of[number:], strict=True) if unit == k]
        row = {"group": name} | _totals(of_r, of_m, float(overlaps[k]))
        either = row["reference_m2"] + row["mapped_m2"] - row["overlap_m2"]
        rows.append(row | {"area_iou": row["overlap_m2"] / either if either > 0 else None})
    return tuple(rows)


def _totals(reference: Sequence[ReferenceMine], mapped: Sequence[MappedMine], overlap: float) -> dict[str, Any]:
    return {
        "reference": len(reference),
        "found": sum(r.found for r in reference),
        "missed": sum(not r.found for r in reference),
        "split": sum("split" in r.verdict for r in reference),
        "merged": sum("merged" in r.verdict for r in reference),
        "mapped": len(mapped),
        "true": sum(m.verdict == "true" for m in mapped),
        "false": sum(m.verdict == "false" for m in mapped),
        "reference_m2": sum(r.area_m2 for r in reference),
        "mapped_m2": sum(m.area_m2 for m in mapped),
        "overlap_m2": overlap,
        "area_error_m2": sum(m.area_m2 for m in mapped) - sum(r.area_m2 for r in reference),
    }


def _read(
    path: Path, layer: str | None, field: str | None, values: Sequence[str | int], options: AuditOptions,
    empty_allowed: bool = False, encoding: str | None = None,
) -> tuple[NDArray[np.object_], list[str | None], CRS | None, dict[str, int]]:  # fmt: skip
    """Single polygons of a layer that are mines, their groups, CRS, and counts of what was mended or left out."""
    # A map without a mine is a result, not an error.
    if empty_allowed and landuse.is_empty(path, layer):
        return np.zeros(0, dtype=object), [], None, {"repaired": 0, "skipped": 0}
    land = landuse.read_layer(path, layer, field, encoding)
    groups: Sequence[str | None] = [None] * len(land.geometries)
    if options.group_field is not None:
        groups = landuse.read_layer(path, layer, options.group_field, encoding).values
    wanted = np.ones(len(land.geometries), np.bool_)
    if field is not None:
        keys = {landuse.value_text(v) for v in values}
        wanted = np.array([v in keys for v in land.values])
        if unknown := sorted(str(k) for k in keys - set(land.values)):
            known = sorted({v for v in land.values if v is not None})
            raise LabelError(
                f"Field {field!r} of {path} has no value {', '.join(map(repr, unknown))}.",
                f"It has {', '.join(known[:30])}.",
                "Name the values that mean mine.",
            )
    polygons, kept_groups = [], []
    for group in dict.fromkeys(groups) if options.dissolve else [None]:
        of = [bool(w) and (not options.dissolve or g == group) for w, g in zip(wanted, groups, strict=True)]
        geometries = land.geometries[of]
        if options.dissolve:
            geometries = np.array([shapely.union_all(geometries)], dtype=object)
        parts, index = shapely.get_parts(geometries, return_index=True)
        areal = shapely.get_dimensions(parts) == 2
        own = [group] if options.dissolve else [g for g, o in zip(groups, of, strict=True) if o]
        polygons.append(parts[areal])
        kept_groups += [own[i] for i in index[areal]]
    found = np.concatenate(polygons) if polygons else np.zeros(0, dtype=object)
    if not len(found) and not empty_allowed:
        raise LabelError(f"{path} holds no polygon that is a mine.", "Polygons of mines.")
    crs = land.crs if land.crs is not None and (land.crs.is_geographic or land.crs.is_projected) else None
    return found, kept_groups, crs, {"repaired": land.repaired, "skipped": land.skipped}


def _extent(path: Path, crs: CRS | None) -> shapely.Geometry:
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


def _cut(
    polygons: NDArray[np.object_], groups: list[str | None], ground: shapely.Geometry, crs: CRS | None, part: float
) -> tuple[NDArray[np.object_], list[str | None]]:
    """What of polygons inside a geometry is a mine, with their groups (see ``AuditOptions.extent``)."""
    inside = np.array([landuse.polygonal_part(g) for g in shapely.intersection(polygons, ground)], dtype=object)
    kept = np.zeros(len(inside), np.bool_)
    some = np.flatnonzero(~shapely.is_empty(inside)) if len(inside) else np.zeros(0, np.int64)
    # Edges of two layers that follow one line differ by rounding: slivers are no mines.
    large = _areas_m2(inside[some], crs) >= SMALLEST_M2
    kept[some] = large | (shapely.area(inside[some]) >= part * shapely.area(polygons[some]))
    return inside[kept], [g for g, k in zip(groups, kept, strict=True) if k]


def _touching(
    reference: NDArray, mapped: NDArray, reference_groups: Sequence[str | None], mapped_groups: Sequence[str | None]
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


def _moved(geometries: NDArray[np.object_], transform: Callable, edge: float) -> NDArray[np.object_]:
    def move(xy: NDArray) -> NDArray:
        return np.column_stack(transform(xy[:, 0], xy[:, 1]))

    if not len(geometries):
        return geometries
    return _mended(shapely.transform(shapely.segmentize(geometries, edge), move))


def _mended(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
    """Polygons that a change of coordinates folded over, made valid; lines and points that this leaves are dropped."""
    for i in np.flatnonzero(~shapely.is_valid(geometries)):
        parts = np.asarray(shapely.get_parts(shapely.make_valid(geometries[i])), dtype=object)
        geometries[i] = shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
    return geometries


def _geographic(polygons: NDArray[np.object_], crs: CRS | None) -> NDArray[np.object_]:
    """Polygons in longitude and latitude, long edges cut; as they are without a CRS."""
    if crs is None:
        return polygons
    if crs.equals(CRS.from_epsg(4326), ignore_axis_order=True):
        return _moved(polygons, lambda x, y: (x, y), _edge(crs))
    return _moved(polygons, Transformer.from_crs(crs, CRS.from_epsg(4326), always_xy=True).transform, _edge(crs))


def _areas_m2(polygons: NDArray[np.object_], crs: CRS | None) -> NDArray[np.float64]:
    plane_of, moved = _planes(crs), _geographic(polygons, crs)
    # A sliver may vanish on the way.
    return np.array(
        [0.0 if shapely.is_empty(moved[i]) else plane_of(moved[i : i + 1])[0].area for i in range(len(moved))]
    )


def _planes(crs: CRS | None) -> Callable[[NDArray[np.object_]], NDArray[np.object_]]:
    """A function that takes geometries in longitude and latitude to an equal-area plane about their middle."""
    if crs is None:
        return lambda geometries: geometries

    def to_plane(geometries: NDArray[np.object_]) -> NDArray[np.object_]:
        west, south, east, north = shapely.total_bounds(geometries)
        plane = Proj(proj="laea", lon_0=(west + east) / 2, lat_0=(south + north) / 2, ellps="WGS84")
        return _mended(shapely.transform(geometries, lambda xy: np.column_stack(plane(xy[:, 0], xy[:, 1]))))

    return to_plane


def _verdict_style(colours: Mapping[str, str]) -> str:
    """QML: outlines in a colour for each verdict."""
    symbols = [
        qgis.symbol(
            str(index),
            "fill",
            "SimpleFill",
            {"color": f"{rgb},60", "style": "solid", "outline_color": f"{rgb},255", "outline_width": "0.5"},
        )
        for index, rgb in enumerate(colours.values())
    ]
    return qgis.style(qgis.by_category("verdict", [(v, v) for v in colours], symbols))
