"""Which mines were found: mapped polygons against reference polygons, mine by mine.

Polygons that touch each other are a place and are taken together to a plane of their own. Intervals come from drawing
places, or whole groups (tiles) where they are given, with replacement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pitmap.accuracy.census.resampling import DRAWS, Interval, ratio_intervals, share_intervals
from pitmap.accuracy.mines.place import (
    SIZE_EDGES_M2,
    Criteria,
    MappedMine,
    Place,
    ReferenceMine,
    size_name,
)
from pitmap.accuracy.mines.polygons import (
    MineFilter,
    brought_to,
    cut,
    geographic_of,
    planes_of,
    read_extent,
    read_mines,
    touching,
)
from pitmap.accuracy.mines.verdict_style import MAPPED_COLOURS, REFERENCE_COLOURS, verdict_style
from pitmap.errors import LabelError
from pitmap.files import together, write_json
from pitmap.geopackage import write_layers
from pitmap.observer import SILENT, Observer

if TYPE_CHECKING:
    import geopandas as gpd

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
    "intervals": "95 %, over places (mines that touch each other), or over groups where `group_field` is given. Recall "
    "and precision: Jeffreys limits, with the effective number of mines where a unit holds several; the others: "
    f"{DRAWS} draws of units with replacement.",
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
        reference_values: Its values that mean mine. Without a field, a layer with several classes is refused;
            ``*`` alone takes all its polygons.
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
    extent: str | Path | None = None
    minimum_m2: float = 0.0
    boundary_m: float = 8.0
    step_m: float = 2.0
    draws: int = DRAWS
    seed: int = 0


@dataclass(frozen=True)
class Totals:
    """Counts and areas of mines; areas on the ellipsoid.

    Attributes:
        reference: Reference mines.
        found: Of them found, split and merged ones too.
        missed: Of them missed.
        split: Of them found in several parts.
        merged: Of them found together with another one.
        mapped: Mapped polygons.
        true: Of them true.
        false: Of them false.
        reference_m2: Area of the reference mines.
        mapped_m2: Area of the mapped polygons.
        overlap_m2: Area of both.
        area_error_m2: Mapped less reference area.
    """

    reference: int
    found: int
    missed: int
    split: int
    merged: int
    mapped: int
    true: int
    false: int
    reference_m2: float
    mapped_m2: float
    overlap_m2: float
    area_error_m2: float

    @property
    def area_iou(self) -> float | None:
        """Intersection over union of all areas; None where both are empty."""
        either = self.reference_m2 + self.mapped_m2 - self.overlap_m2
        return self.overlap_m2 / either if either > 0 else None


@dataclass(frozen=True)
class SizeRow:
    """Mines of a size class; sizes are those of the polygon itself.

    Attributes:
        size: In words.
        lower_m2: Lower edge.
        upper_m2: Upper edge, None for the largest.
        reference: Reference mines.
        verdicts: Of them with each verdict.
        mapped: Mapped polygons.
        true: Of them true.
        recall: With its interval.
        precision: With its interval.
        median_iou: Over the reference mines.
        median_area_error_m2: Over those that have one.
        median_distance_mean_m: Over those that have one.
    """

    size: str
    lower_m2: float
    upper_m2: float | None
    reference: int
    verdicts: Mapping[str, int]
    mapped: int
    true: int
    recall: Interval
    precision: Interval
    median_iou: float | None
    median_area_error_m2: float | None
    median_distance_mean_m: float | None

    def to_json(self) -> dict[str, Any]:
        """A flat row, a column a verdict."""
        row = asdict(self)
        return {**row, **row.pop("verdicts")}


@dataclass(frozen=True)
class Audit:
    """The comparison of mapped mines with reference mines.

    Attributes:
        reference: One verdict for each reference mine, in the order of the polygons.
        mapped: One verdict for each mapped polygon.
        figures: ``recall``, ``precision``, ``f1``, ``panoptic_quality``, ``segmentation_quality``, ``area_recall``,
            ``area_precision``, ``area_iou``, each with an interval over mines.
        by_size: One row a size class: edges, counts, recall and precision with intervals.
        by_group: By group, where there are groups.
        totals: Areas and counts.
        options: How mines were compared.
        sources: Names of the files, polygons repaired and left out.
    """

    reference: tuple[ReferenceMine, ...]
    mapped: tuple[MappedMine, ...]
    figures: Mapping[str, Interval]
    by_size: tuple[SizeRow, ...]
    by_group: Mapping[str, Totals]
    totals: Totals
    options: AuditOptions
    sources: Mapping[str, str | int]
    _polygons: _Polygons | None = None

    @property
    def layers(self) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
        """Mapped and reference polygons with their verdicts, in the order of ``mapped`` and ``reference``.

        Raises:
            ValueError: The audit is of polygons that came from no file.
        """
        import pandas as pd

        if self._polygons is None:
            raise ValueError("an audit of polygons without a file has no layers")
        of, crs = self._polygons, self._polygons.crs
        mapped, reference = _tables(self.mapped, of.mapped, crs), _tables(self.reference, of.reference, crs)
        return pd.concat(mapped, ignore_index=True), pd.concat(reference, ignore_index=True)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know."""
        texts = []
        if self.totals.reference < FEW_MINES:
            texts.append(f"Only {self.totals.reference} reference mines: the intervals are rough.")
        if mended := sum(int(n) for k, n in self.sources.items() if k.endswith("_repaired")):
            texts.append(f"{mended} features had an invalid geometry, which was mended.")
        if skipped := sum(int(n) for k, n in self.sources.items() if k.endswith("_skipped")):
            texts.append(f"{skipped} features have no geometry and were left out.")
        return tuple(texts)

    def summary(self) -> str:
        """One line: found and true, panoptic quality, areas."""
        t, pq = self.totals, self.figures["panoptic_quality"].value
        return (
            f"{t.found} of {t.reference} mines found ({t.split} split, {t.merged} merged, {t.missed} missed); "
            f"{t.true} of {t.mapped} mapped polygons true; panoptic quality "
            f"{'undefined' if pq is None else format(pq, '.2f')}; {t.mapped_m2 / 1e4:.1f} ha mapped, "
            f"{t.reference_m2 / 1e4:.1f} ha in the reference."
        )

    def to_json(self) -> dict[str, Any]:
        """Everything but the polygons as plain Python values."""
        return {
            "sources": dict(self.sources),
            "definitions": DEFINITIONS,
            "options": asdict(self.options)
            | {"extent": None if self.options.extent is None else Path(self.options.extent).name},
            "totals": asdict(self.totals),
            "figures": {name: asdict(interval) for name, interval in self.figures.items()},
            "by_size": [row.to_json() for row in self.by_size],
            "by_group": [
                {"group": name, **asdict(row), "area_iou": row.area_iou} for name, row in self.by_group.items()
            ],
            "warnings": list(self.warnings),
            "reference_mines": [{"id": i} | asdict(mine) for i, mine in enumerate(self.reference, start=1)],
            "mapped_mines": [{"id": i} | asdict(mine) for i, mine in enumerate(self.mapped, start=1)],
        }

    def write(self, path: Path) -> None:
        """Write the JSON, and the polygons with their verdicts to a GeoPackage of the same name.

        Raises:
            OutputError: A file cannot be written.
        """
        with together():
            write_json(path, self.to_json())
            if self._polygons is None:
                return
            of, crs = self._polygons, self._polygons.crs
            layers = {
                "reference": _tables(self.reference, of.reference, crs),
                "mapped": _tables(self.mapped, of.mapped, crs),
            }
            styles = {
                "reference": verdict_style(REFERENCE_COLOURS, _columns(self.reference), mapped=False),
                "mapped": verdict_style(MAPPED_COLOURS, _columns(self.mapped), mapped=True),
            }
            write_layers(path.with_suffix(".gpkg"), layers, styles)


@dataclass(frozen=True)
class _Polygons:
    """What an audit is about, in the order of its verdicts, and its coordinate reference system."""

    reference: NDArray[np.object_]
    mapped: NDArray[np.object_]
    crs: CRS | None


ROWS_AT_ONCE = 5000
"""Of a layer of verdicts, so that 100,000 mines are no table in memory beside their polygons."""


def _columns(mines: Sequence[ReferenceMine | MappedMine]) -> list[str]:
    return ["id", *(field.name for field in fields(mines[0]))] if mines else []


def _tables(
    mines: Sequence[ReferenceMine | MappedMine], polygons: NDArray[np.object_], crs: CRS | None
) -> Iterator[gpd.GeoDataFrame]:
    """Polygons with their verdicts, in batches, one at least."""
    import geopandas as gpd

    wkt = None if crs is None else crs.to_wkt()
    for start in range(0, max(len(mines), 1), ROWS_AT_ONCE):
        batch = mines[start : start + ROWS_AT_ONCE]
        rows = [{"id": i} | asdict(mine) for i, mine in enumerate(batch, start=start + 1)]
        for row in rows:
            row["size"] = size_name(row["size"])
            if "mapped" in row:
                row["mapped"] = ", ".join(map(str, row["mapped"]))
        frame = gpd.GeoDataFrame(rows, geometry=polygons[start : start + ROWS_AT_ONCE], crs=wkt)
        if "reference" in frame:
            frame["reference"] = frame["reference"].astype("Int32")
        for name in _MAY_BE_UNKNOWN & set(frame.columns):
            frame[name] = frame[name].astype("float64")  # a batch may know none of them
        yield frame


_MAY_BE_UNKNOWN = {f.name for f in fields(ReferenceMine) if f.default is None}


FEW_MINES = 20
"""Intervals over fewer reference mines are rough."""


def audit(
    mines_path: str | Path,
    reference_path: str | Path,
    options: AuditOptions | None = None,
    observer: Observer = SILENT,
) -> Audit:
    """Compare mapped mines with reference mines.

    Multipolygons are taken apart: a mine is one connected polygon. The reference is brought to the CRS of the map.

    Args:
        mines_path: Polygons of mapped mines, such as those of ``extract_mines``.
        reference_path: Polygons of reference mines.
        options: How they are compared.
        observer: Hears how many mines are compared.

    Raises:
        LabelError: A file cannot be read, only one has a CRS, values do not occur, or no reference mine is left.
    """
    options = options or AuditOptions()
    mapped = read_mines(
        Path(mines_path),
        MineFilter(options.layer, options.field, options.values, options.group_field, options.dissolve),
        empty_allowed=True,  # a map without a mine is a result
    )
    reference = read_mines(
        Path(reference_path),
        MineFilter(
            options.reference_layer, options.reference_field, options.reference_values, options.group_field,
            options.dissolve, options.encoding,
        ),
        several_classes=False,
    )  # fmt: skip
    if (mapped.crs is None) != (reference.crs is None) and len(mapped.polygons):
        raise LabelError(
            f"Of {mines_path} and {reference_path} only one has a coordinate reference system.",
            "Both have one, or neither has.",
            "Set the missing one in QGIS.",
        )
    crs = mapped.crs or reference.crs
    reference = brought_to(reference, crs)
    sources: dict[str, str | int] = {"mines": Path(mines_path).name, "reference": Path(reference_path).name}
    for name, read in (("mines", mapped), ("reference", reference)):
        sources |= {f"{name}_repaired": read.repaired, f"{name}_skipped": read.skipped}
    if options.extent is not None:
        ground = read_extent(Path(options.extent), crs)
        mapped, reference = (cut(mines, ground, crs, options.part) for mines in (mapped, reference))
        sources["extent"] = Path(options.extent).name
    result, kept_mapped, kept_reference = audit_polygons(
        mapped.polygons, reference.polygons, crs, options, mapped.groups, reference.groups, sources, observer
    )

    return Audit(
        result.reference, result.mapped, result.figures, result.by_size, result.by_group, result.totals,
        options, sources, _Polygons(kept_reference, kept_mapped, crs),
    )  # fmt: skip


def audit_polygons(
    mapped: NDArray[np.object_],
    reference: NDArray[np.object_],
    crs: CRS | None,
    options: AuditOptions,
    mapped_groups: Sequence[str | None] | None = None,
    reference_groups: Sequence[str | None] | None = None,
    sources: Mapping[str, str | int] | None = None,
    observer: Observer = SILENT,
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
        observer: Hears how many mines are compared.

    Returns:
        The audit, and the mapped and the reference polygons that it is about (those above the least size).

    Raises:
        LabelError: No reference mine is left.
    """
    to_degrees, plane_of = geographic_of(crs), planes_of(crs)

    def in_plane(polygons: NDArray[np.object_]) -> NDArray[np.object_]:
        return plane_of(to_degrees(polygons))

    everything = np.concatenate([reference, mapped])
    keep = np.ones(len(everything), np.bool_)
    if options.minimum_m2 > 0:
        areas = [in_plane(everything[i : i + 1])[0].area for i in range(len(everything))]
        keep = np.array(areas) >= options.minimum_m2
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
    everything = everything[keep]

    pairs = touching(everything[:number], everything[number:], groups[:number], groups[number:])
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1] + number)), shape=(len(everything),) * 2)
    places, place_of = connected_components(graph, directed=False)
    criteria = Criteria(options.overlap, options.part, options.boundary_m, options.step_m)
    verdicts: dict[int, ReferenceMine] = {}
    mapped_verdicts: dict[int, MappedMine] = {}
    # What is drawn for the intervals: tiles, whose mines one person outlined on one image, or else single places.
    named = [g for g in groups if g is not None]
    group_names = sorted(set(named)) if len(named) == len(groups) else []
    unit_of = np.unique(named, return_inverse=True)[1] if group_names else place_of
    iou_pairs, overlaps = np.zeros((int(unit_of.max()) + 1, 2)), np.zeros(int(unit_of.max()) + 1)
    order = np.argsort(place_of, kind="stable")
    for members in np.split(order, np.cumsum(np.bincount(place_of, minlength=places))[:-1]):
        r, m = members[members < number], members[members >= number]
        plane = in_plane(everything[members])  # one place after the other, so that only one is held twice
        place = Place(plane[members < number], plane[members >= number], r + 1, m - number + 1, criteria)
        verdicts.update(zip(r.tolist(), place.reference_mines(), strict=True))
        mapped_verdicts.update(zip((m - number).tolist(), place.mapped_mines(), strict=True))
        iou_pairs[unit_of[members[0]]] += place.pairs()
        overlaps[unit_of[members[0]]] += place.overlap_m2
        observer.progress("comparing mines", (len(verdicts) + len(mapped_verdicts)) / len(everything))
    references = tuple(verdicts[i] for i in range(number))
    mapped_mines = tuple(mapped_verdicts[i] for i in range(len(everything) - number))
    figures, by_size = _figures(references, mapped_mines, unit_of, number, iou_pairs, overlaps, options)
    totals = _totals(references, mapped_mines, float(overlaps.sum()))
    by_group = _by_group(group_names, unit_of, number, references, mapped_mines, overlaps)
    result = Audit(references, mapped_mines, figures, by_size, by_group, totals, options, sources or {})
    return result, kept_mapped, kept_reference


def _figures(
    reference: Sequence[ReferenceMine], mapped: Sequence[MappedMine], unit_of: NDArray[Any], number: int,
    pairs: NDArray[Any], overlaps: NDArray[Any], options: AuditOptions,
) -> tuple[dict[str, Interval], tuple[SizeRow, ...]]:  # fmt: skip
    """Figures and size classes with intervals over units, each a place or a group."""
    units = len(pairs)
    of_r, of_m = unit_of[:number], unit_of[number:]

    def total(unit: NDArray[Any], values: Sequence[float] | NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(unit, np.asarray(values, np.float64), minlength=units).astype(np.float64)

    found = np.array([r.found for r in reference], np.float64)
    true = np.array([m.verdict == "true" for m in mapped], np.float64)
    n_r, n_m = total(of_r, np.ones(len(reference))), total(of_m, np.ones(len(mapped)))
    area_r, area_m = total(of_r, [r.area_m2 for r in reference]), total(of_m, [m.area_m2 for m in mapped])
    n_found, n_true = total(of_r, found), total(of_m, true)
    ratios = {
        "panoptic_quality": (pairs[:, 1], (n_r + n_m) / 2),
        "recognition_quality": (pairs[:, 0], (n_r + n_m) / 2),
        "segmentation_quality": (pairs[:, 1], pairs[:, 0]),
        "area_recall": (overlaps, area_r),
        "area_precision": (overlaps, area_m),
        "area_iou": (overlaps, area_r + area_m - overlaps),
    }
    shares = {"recall": (n_found, n_r), "precision": (n_true, n_m)}
    size_r, size_m = np.array([r.size for r in reference]), np.array([m.size for m in mapped], np.int64)
    sizes = range(len(SIZE_EDGES_M2) + 1)
    for k in sizes:
        shares[f"recall {k}"] = total(of_r, found * (size_r == k)), total(of_r, size_r == k)
        shares[f"precision {k}"] = total(of_m, true * (size_m == k)), total(of_m, size_m == k)

    def columns(figures: Mapping[str, tuple[NDArray[Any], NDArray[Any]]]) -> tuple[NDArray[Any], NDArray[Any]]:
        return np.stack([y for y, _ in figures.values()], axis=1), np.stack([x for _, x in figures.values()], axis=1)

    intervals = dict(zip(shares, share_intervals(*columns(shares)), strict=True))
    drawn = ratio_intervals(*columns(ratios), options.draws, seed=options.seed)
    intervals |= dict(zip(ratios, drawn, strict=True))
    rows = []
    for k in sizes:
        of_size = [r for r in reference if r.size == k]
        errors = [r.area_error_m2 for r in of_size if r.area_error_m2 is not None]
        distances = [r.distance_mean_m for r in of_size if r.distance_mean_m is not None]
        rows.append(
            SizeRow(
                size=size_name(k),
                lower_m2=SIZE_EDGES_M2[k - 1] if k > 0 else 0.0,
                upper_m2=SIZE_EDGES_M2[k] if k < len(SIZE_EDGES_M2) else None,
                reference=len(of_size),
                verdicts={w: sum(r.verdict == w for r in of_size) for w in REFERENCE_COLOURS},
                mapped=int((size_m == k).sum()),
                true=int((true * (size_m == k)).sum()),
                recall=intervals.pop(f"recall {k}"),
                precision=intervals.pop(f"precision {k}"),
                median_iou=float(np.median([r.iou for r in of_size])) if of_size else None,
                median_area_error_m2=float(np.median(errors)) if errors else None,
                median_distance_mean_m=float(np.median(distances)) if distances else None,
            )
        )
    return intervals, tuple(rows)


def _by_group(
    names: Sequence[str], unit_of: NDArray[Any], number: int, reference: Sequence[ReferenceMine],
    mapped: Sequence[MappedMine], overlaps: NDArray[Any],
) -> dict[str, Totals]:  # fmt: skip
    of_r: list[list[ReferenceMine]] = [[] for _ in names]
    of_m: list[list[MappedMine]] = [[] for _ in names]
    if names:
        for mine, unit in zip(reference, unit_of[:number], strict=True):
            of_r[unit].append(mine)
        for polygon, unit in zip(mapped, unit_of[number:], strict=True):
            of_m[unit].append(polygon)
    return {name: _totals(of_r[k], of_m[k], float(overlaps[k])) for k, name in enumerate(names)}


def _totals(reference: Sequence[ReferenceMine], mapped: Sequence[MappedMine], overlap: float) -> Totals:
    return Totals(
        reference=len(reference),
        found=sum(r.found for r in reference),
        missed=sum(not r.found for r in reference),
        split=sum("split" in r.verdict for r in reference),
        merged=sum("merged" in r.verdict for r in reference),
        mapped=len(mapped),
        true=sum(m.verdict == "true" for m in mapped),
        false=sum(m.verdict == "false" for m in mapped),
        reference_m2=sum(r.area_m2 for r in reference),
        mapped_m2=sum(m.area_m2 for m in mapped),
        overlap_m2=overlap,
        area_error_m2=sum(m.area_m2 for m in mapped) - sum(r.area_m2 for r in reference),
    )
