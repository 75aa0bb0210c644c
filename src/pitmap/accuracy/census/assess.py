"""A map against a reference, pixel by pixel: a census of the ground where both have a class.

The reference is a label raster or a land-use layer of any CRS; it is brought to the map's grid, block by block, in
memory that does not grow with the map. A census has no sampling error; intervals for it come from resampling blocks of
ground (``pitmap.accuracy.census.resampling``), and statements on ground without reference from a probability sample
(``pitmap.accuracy.sampling.estimation``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitmap import landuse
from pitmap.accuracy.census.confusion import ABSENT_CLASSES, KAPPA_NOTE, ORIENTATION, ConfusionMatrix, count
from pitmap.accuracy.census.resampling import DRAWS, METHOD, FigureIntervals, GroundBlocks, GroundCells, intervals
from pitmap.errors import LabelError
from pitmap.files import together, write_json
from pitmap.grid import Grid, blocks
from pitmap.labels import LabelOptions, absent_values, check_classes, open_labels, usable_ground
from pitmap.legend import DEFAULT_LEGEND, Legend
from pitmap.observer import SILENT, Observer
from pitmap.raster.codes import read_legend
from pitmap.raster.reading import describe, open_raster

BLOCK = 1024
"""Side of the blocks in which a map is read, in pixels: about 100 MB with areas, masks and counts."""

WHOLE_GROUND = "all ground where both the map and the reference have a class"

CENSUS = (
    "Census of the ground named here: no sampling error, and no statement about other ground. Neighbouring pixels are "
    "not independent, so formulas for random samples give no valid interval."
)


@dataclass(frozen=True)
class AssessOptions:
    """How a map is compared with a reference.

    Attributes:
        legend: The classes; None reads them from the map's own metadata, else takes the default legend.
        values: The reference's values (as text or number) to class keys, None for values that are not compared; by
            default its values are the codes, keys or names of the legend.
        map_values: The same for the map.
        layer: Layer of a vector reference, where it has several.
        field: Field of a vector reference that holds the class; None where the whole layer is one class, which
            ``values`` then names with any value.
        all_touched: Burn every pixel that a reference polygon touches.
        encoding: Of the text of a vector reference, such as GBK; None takes what the file states or GDAL assumes.
        extent: Layer that bounds the ground: only pixels with their centre in its polygons are compared.
        ground: Name of the ground compared, as it stands in the result.
    """

    legend: Legend | None = None
    values: Mapping[Any, str | None] | None = None
    map_values: Mapping[Any, str | None] | None = None
    layer: str | None = None
    field: str | None = None
    all_touched: bool = False
    encoding: str | None = None
    extent: str | Path | None = None
    ground: str | None = None

    @property
    def reference(self) -> LabelOptions:
        """How the reference is read."""
        return LabelOptions(
            self.values, self.layer, None, self.field, encoding=self.encoding, all_touched=self.all_touched
        )


@dataclass(frozen=True)
class Assessment:
    """The comparison of a map with a reference.

    Attributes:
        matrix: Pixel counts, rows = map, columns = reference, over the pixels where both have a class.
        areas_m2: The same in square metres on the ellipsoid, float64 ``(K, K)``; None without a CRS.
        mapped: Pixels of each class anywhere on the ground, with or without reference: int64 ``(K,)``.
        referenced: Pixels of each class in the reference anywhere on the ground: int64 ``(K,)``.
        mapped_m2: Area of each class on the map anywhere on the ground; None without a CRS.
        referenced_m2: Area of each class in the reference anywhere on the ground; None without a CRS.
        pixels: Pixels of the ground.
        ground: What ground was compared.
        sources: What was compared and how it was laid together: text by subject.
        blocks: Matrices of blocks of the ground, from which ``intervals`` come; None where they were not counted.
    """

    matrix: ConfusionMatrix
    areas_m2: NDArray[np.float64] | None
    mapped: NDArray[np.int64]
    referenced: NDArray[np.int64]
    mapped_m2: NDArray[np.float64] | None
    referenced_m2: NDArray[np.float64] | None
    pixels: int
    ground: str = WHOLE_GROUND
    sources: Mapping[str, str] = field(default_factory=dict)
    blocks: GroundBlocks | None = None

    @property
    def legend(self) -> Legend:
        """The classes compared."""
        return self.matrix.legend

    def __add__(self, other: Assessment) -> Assessment:
        """Pool two sites; areas and blocks are kept where both have them."""

        def both(a: Any, b: Any) -> Any:
            return None if a is None or b is None else a + b

        return Assessment(
            self.matrix + other.matrix, both(self.areas_m2, other.areas_m2), self.mapped + other.mapped,
            self.referenced + other.referenced, both(self.mapped_m2, other.mapped_m2),
            both(self.referenced_m2, other.referenced_m2), self.pixels + other.pixels, self.ground,
            _joined(self.sources, other.sources), both(self.blocks, other.blocks),
        )  # fmt: skip

    def intervals(self, draws: int = DRAWS, seed: int = 0) -> FigureIntervals | None:
        """Intervals of the figures from resampling blocks of ground; None where no blocks were counted."""
        if self.blocks is None:
            return None
        return intervals(self.blocks.matrices, self.legend, self.blocks.groups, draws, seed=seed)

    def summary(self) -> str:
        """One line: the main figures."""
        f = self.matrix.figures()
        if f.overall_accuracy is None or f.mean_iou is None or f.majority_accuracy is None:
            return f"No pixel was compared ({self.ground})."
        return (
            f"OA {f.overall_accuracy:.2%}, mIoU {f.mean_iou:.2%} over {f.total:.0f} pixels ({self.ground}); a map of "
            f"{f.majority_class} alone scores OA {f.majority_accuracy:.2%}, mIoU {f.majority_mean_iou:.2%}."
        )

    def to_json(self) -> dict[str, Any]:
        """Everything, with the conventions, as plain Python values."""
        compared = int(self.matrix.counts.sum())
        made = self.intervals()
        return {
            "ground": self.ground,
            "kind": CENSUS,
            "sources": dict(self.sources),
            "conventions": {
                "orientation": ORIENTATION,
                "absent_classes": ABSENT_CLASSES,
                "figures": "From pixel counts, pooled over all ground before dividing; shares are 0 to 1.",
                "kappa": KAPPA_NOTE,
                "area": "Square metres and hectares on the WGS 84 ellipsoid." if self.areas_m2 is not None
                else "The map has no coordinate reference system: pixels only.",
            },
            "pixels": {
                "ground": self.pixels,
                "compared": compared,
                "map_without_reference": int(self.mapped.sum()) - compared,
                "reference_without_map": int(self.referenced.sum()) - compared,
            },
            "confusion": self.matrix.to_json(),
            "confusion_m2": None if self.areas_m2 is None else self.areas_m2.round(3).tolist(),
            "figures": self.matrix.figures().to_json(),
            "intervals": None if made is None else made.bounds(),
            "intervals_made": None if made is None or self.blocks is None else {
                "method": METHOD,
                "level": made.level,
                "blocks": made.blocks,
                "block_pixels": self.blocks.block_pixels,
                "errors_correlated_up_to_pixels": self.blocks.correlation_length,
                "draws": made.draws,
                "warnings": list(made.warnings),
            },
            "areas": self.areas(),
        }  # fmt: skip

    def areas(self) -> list[dict[str, Any]]:
        """Pixels and hectares of each class.

        ``compared`` counts the pixels where both have a class; ``anywhere`` all of the ground. Hectares are None
        without a CRS.
        """
        rows = []
        counts, areas = self.matrix.counts, self.areas_m2
        for k, c in enumerate(self.legend):
            row: dict[str, Any] = {"code": c.code, "key": c.key, "name": c.name}
            for where, mapped, referenced in (
                ("compared", counts.sum(axis=1), counts.sum(axis=0)),
                ("anywhere", self.mapped, self.referenced),
            ):
                row |= {f"mapped_{where}_pixels": int(mapped[k]), f"reference_{where}_pixels": int(referenced[k])}
            for where, mapped_m2, referenced_m2 in (
                (
                    "compared",
                    None if areas is None else areas.sum(axis=1),
                    None if areas is None else areas.sum(axis=0),
                ),
                ("anywhere", self.mapped_m2, self.referenced_m2),
            ):
                row[f"mapped_{where}_ha"] = None if mapped_m2 is None else float(mapped_m2[k]) / 1e4
                row[f"reference_{where}_ha"] = None if referenced_m2 is None else float(referenced_m2[k]) / 1e4
            rows.append(row)
        return rows

    def write(self, path: Path) -> None:
        """Write the JSON to ``path``, and ``confusion.csv`` (``NAME-confusion.csv`` unless it is accuracy.json) beside.

        Raises:
            OutputError: A file cannot be written.
        """
        name = "confusion.csv" if path.stem == "accuracy" else f"{path.stem}-confusion.csv"
        with together():
            write_json(path, self.to_json())
            self.matrix.write_csv(path.with_name(name))


def assess_arrays(
    map_codes: NDArray[Any],
    reference_codes: NDArray[Any],
    legend: Legend,
    region: NDArray[np.bool_] | None = None,
    areas: NDArray[np.float64] | None = None,
    ground: str = WHOLE_GROUND,
    sources: Mapping[str, str] | None = None,
) -> Assessment:
    """Compare two arrays of class codes.

    Args:
        map_codes: Integer ``(H, W)``; 0 is not compared.
        reference_codes: Integer ``(H, W)``; 0 is not compared.
        legend: The classes.
        region: The ground, boolean ``(H, W)``; by default all. Pixels outside count nowhere.
        areas: Area of each pixel in m2, ``(H, W)``; None where it is not known.
        ground: Name of the ground.
        sources: What was compared, for the result.

    Raises:
        LabelError: Codes that the legend lacks.
    """
    if region is not None:
        map_codes, reference_codes = map_codes[region], reference_codes[region]
        areas = None if areas is None else areas[region]
    size = len(legend)
    counts = count(map_codes, reference_codes, size)
    mapped = _totals(map_codes, size, None).astype(np.int64)
    referenced = _totals(reference_codes, size, None).astype(np.int64)
    areas_m2 = mapped_m2 = referenced_m2 = None
    if areas is not None:
        areas_m2 = count(map_codes, reference_codes, size, areas)
        mapped_m2, referenced_m2 = _totals(map_codes, size, areas), _totals(reference_codes, size, areas)
    return Assessment(
        ConfusionMatrix(legend, counts), areas_m2, mapped, referenced, mapped_m2, referenced_m2, int(map_codes.size),
        ground, sources or {},
    )  # fmt: skip


def assess(
    map_path: str | Path,
    reference_path: str | Path,
    options: AssessOptions | None = None,
    region: NDArray[np.bool_] | None = None,
    observer: Observer = SILENT,
) -> Assessment:
    """Compare a map with a reference.

    Args:
        map_path: A raster of land-cover codes.
        reference_path: A label raster, or a vector layer; it is brought to the map's grid (nearest neighbour, or the
            polygon that holds the pixel centre, the smaller one where polygons overlap).
        options: What is compared.
        region: The ground, boolean, of the map's size.
        observer: Told of the progress.

    Raises:
        ImageError: A raster cannot be read.
        LabelError: The two cannot be laid together, values have no class, or no pixel has both.
    """
    options, map_path = options or AssessOptions(), Path(map_path)
    info = describe(map_path)
    grid = info.grid
    legend = options.legend or read_legend(map_path) or DEFAULT_LEGEND
    map_codes = _map_values(options, legend)
    check_classes(info, map_codes)
    reference = open_labels(Path(reference_path), grid, legend, options.reference, "map")
    wanted = usable_ground(grid, options.extent, ())
    seen: set[str] = set()
    if region is not None and region.shape != grid.shape:
        raise ValueError(f"the region has the shape {region.shape}, the map {grid.shape}")
    default_ground = (
        WHOLE_GROUND if options.extent is None else f"{WHOLE_GROUND}, within {Path(str(options.extent)).name}"
    )
    sources = {"map": Path(map_path).name, "reference": Path(reference_path).name, "matching": reference.matching}
    result = _empty(legend, grid, options.ground or default_ground, sources)
    cells = GroundCells(grid.shape, len(legend))
    done = 0
    with open_raster(map_path, zero_is_void=False) as reader:
        for window in blocks(grid.shape, BLOCK):
            values, valid = reader.read(window)
            inside = wanted(window) if region is None else wanted(window) & region[window.slices]
            if inside.any():
                codes = landuse.map_values(values[0], map_codes, valid & inside, str(map_path), seen)
                areas = None if grid.crs is None else grid.pixel_areas_m2(window)
                reference_codes = reference.read(window)
                result += assess_arrays(codes, reference_codes, legend, inside, areas)
                cells.add(codes, np.where(inside, reference_codes, 0), window.row, window.col)
            done += window.height * window.width
            observer.progress("comparing", done / (grid.height * grid.width))
    expected = {str(v): k for v, k in (options.map_values or {}).items() if k is not None}
    for sentence in (*reference.absent(), *absent_values(Path(map_path).name, expected, seen)):
        observer.warn(sentence)
    if result.matrix.counts.sum() == 0:
        raise LabelError(
            f"{map_path} and {reference_path} have no pixel where both have a class ({result.ground}).",
            "A reference that labels part of the map's ground.",
            "Check the extent, the classes left out on purpose, and the nodata values of both files.",
        )
    return replace(result, blocks=cells.blocks())


def _empty(legend: Legend, grid: Grid, ground: str, sources: Mapping[str, str]) -> Assessment:
    nothing = np.zeros((0, 0), np.uint8)
    return assess_arrays(
        nothing, nothing, legend, None, None if grid.crs is None else np.zeros((0, 0)), ground, sources
    )


def _joined(a: Mapping[str, str], b: Mapping[str, str]) -> dict[str, str]:
    parts = {key: [text for text in (a.get(key), b.get(key)) if text] for key in {**a, **b}}
    return {key: "; ".join(dict.fromkeys(texts)) for key, texts in parts.items()}


def _totals(codes: NDArray[Any], classes: int, weights: NDArray[Any] | None) -> NDArray[Any]:
    return np.bincount(codes.ravel(), None if weights is None else weights.ravel(), minlength=classes + 1)[1:]


def _map_values(options: AssessOptions, legend: Legend) -> dict[str, int]:
    if options.map_values is not None:
        return landuse.class_codes(options.map_values, legend)
    return {str(c.code): c.code for c in legend}
