"""Estimates from points that were drawn and labelled elsewhere: the user states the design.

What can be checked is checked: whether points lie on the map, on ground with a class and in a stratum, whether two lie
on one pixel, how many each stratum has, and, for a simple random sample, whether the points are spread over the classes
of the map as such a sample is. What cannot be checked is said as an assumption, with every estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from pitmap import landuse
from pitmap.accuracy.sampling.estimation import AreaEstimates, estimate_counts
from pitmap.accuracy.sampling.point_table import id_field, label_field, read_points
from pitmap.accuracy.sampling.sample import (
    EstimateOptions,
    SampleEstimate,
    check_thresholds,
    conclude,
    count_points,
    leave_out,
    pixels_of,
    reference_codes,
    with_mapped_areas,
)
from pitmap.accuracy.sampling.strata import Strips, map_checksum
from pitmap.errors import ImageError, LabelError
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND, UNLABELLED, Legend
from pitmap.observer import SILENT, Observer
from pitmap.raster.codes import read_legend
from pitmap.raster.reading import describe, open_raster

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

UNLIKELY = 1e-3
"""Probability below which the points of a simple random sample are said to be spread otherwise."""

ASSUMED = {
    "map": "Within each class of the map every pixel had the same chance, and points were drawn one by one.",
    "raster": "Within each stratum of the raster every pixel had the same chance, and points were drawn one by one.",
    "simple": "Every pixel with a class had the same chance to be drawn, and points were drawn one by one.",
}
"""What is taken on trust, by kind of design."""


@dataclass(frozen=True)
class StatedDesign:
    """How points were drawn, as their user states it.

    Attributes:
        kind: ``map``: a stratified random sample whose strata are the classes of the map; ``raster``: whose strata are
            the values of a raster; ``simple``: a simple random sample.
        strata: The raster, whole numbers from 1 on, on the grid of the map.
        stratum_field: Field in which the points say their stratum, to be compared with the raster or the map.
    """

    kind: Literal["map", "raster", "simple"]
    strata: Path | None = None
    stratum_field: str | None = None

    def __post_init__(self) -> None:
        if (self.kind == "raster") != (self.strata is not None):
            raise LabelError("The strata are those of a raster exactly where a raster is given.")


def estimate_stated(
    points_path: str | Path,
    map_path: str | Path,
    design: StatedDesign,
    options: EstimateOptions | None = None,
    observer: Observer = SILENT,
) -> SampleEstimate:
    """Area-adjusted accuracy and areas of a map from points of another tool.

    Args:
        points_path: A point layer or a CSV file, see ``point_table``.
        map_path: The map that is judged.
        design: How the points were drawn.
        options: How they are used.
        observer: Hears what was assumed, and of the share of the map read.

    Raises:
        ImageError: Map or raster of strata cannot be read, or do not fit together.
        LabelError: The points cannot be used, contradict each other, or lie in other strata than they say.
    """
    options, points_path, map_path = options or EstimateOptions(), Path(points_path), Path(map_path)
    legend = options.legend or read_legend(map_path) or DEFAULT_LEGEND
    check_thresholds(options.thresholds, legend)
    grid = describe(map_path).grid
    points = read_points(points_path, grid.crs)
    field = label_field(points, points_path, options.field)
    codes = reference_codes(points[field], landuse.class_codes(options.values, legend), points_path)
    doubtful = points["doubtful"].fillna(False).astype(bool) if "doubtful" in points else False
    rows, cols = pixels_of(points, grid)
    table = points[["geometry"]].assign(
        point_id=_numbers(points, points_path), reference_code=codes, doubtful=doubtful, row=rows, col=cols
    )
    said = None if design.stratum_field is None else points[label_field(points, points_path, design.stratum_field)]

    left_out: dict[str, tuple[int, ...]] = {}
    off_map = (rows < 0) | (rows >= grid.height) | (cols < 0) | (cols >= grid.width)
    table = leave_out(table, left_out, "lie outside the map", off_map)
    ground = _read_ground(map_path, legend, grid, design, table, observer)
    table = table.assign(map_code=ground.codes, stratum=ground.strata)
    if said is not None:
        _check_strata(table, said[~off_map], points_path)
    without_class = np.asarray(table["map_code"] == UNLABELLED)
    table = leave_out(table, left_out, "lie on ground without a class on the map", without_class)
    table = leave_out(table, left_out, "lie in no stratum", np.asarray(table["stratum"] == 0))
    table = leave_out(table, left_out, "lie on a pixel of another point", _second(table, points_path))

    names, scale, unit = ground.names, *((1e-4, "ha") if grid.crs is not None else (1.0, "pixels"))
    areas = ground.areas.sum(axis=1) * scale
    possible = [tuple(int(c) for c in np.flatnonzero(row) + 1) for row in ground.areas > 0]
    mapped = ground.areas.sum(axis=0) * scale

    def estimates(of: pd.DataFrame) -> AreaEstimates:
        by_name = of.assign(stratum=[names[int(h) - 1] for h in of["stratum"]])
        result = estimate_counts(
            count_points(by_name, names, legend), areas, legend, names, possible, unit, pixels=ground.pixels,
            method=options.method, thresholds=options.thresholds,
        )  # fmt: skip
        return with_mapped_areas(result, mapped.tolist())

    assumed = [ASSUMED[design.kind]]
    if design.kind == "simple":
        assumed += _spread(table, mapped, legend)
    for sentence in assumed:
        observer.say(sentence)
    sources = {
        "points": points_path.name,
        "map": map_path.name,
        "map_sha256": map_checksum(map_path),
        "design": f"stated: {design.kind}",
        "strata": None if design.strata is None else Path(design.strata).name,
        "assumed": assumed,
        "points_by_stratum": {n: int((table["stratum"] == h).sum()) for h, n in enumerate(names, start=1)},
    }
    return conclude(table, left_out, len(points), options, sources, estimates, observer)


@dataclass(frozen=True)
class _StatedGround:
    """Map class and stratum (from 1) of each point; names, areas by map class ``(H, K)`` and pixels of the strata."""

    codes: NDArray[np.int64]
    strata: NDArray[np.int64]
    names: list[str]
    areas: NDArray[np.float64]
    pixels: NDArray[np.int64]


def _read_ground(
    path: Path, legend: Legend, grid: Grid, design: StatedDesign, table: pd.DataFrame, observer: Observer
) -> _StatedGround:
    rows, cols, size = table["row"].to_numpy(), table["col"].to_numpy(), len(legend)
    codes, strata = np.zeros(len(table), np.int64), np.zeros(len(table), np.int64)
    areas, pixels = np.zeros((1, size)), np.zeros(1, np.int64)
    if design.strata is not None and not describe(design.strata).grid.same_as(grid):
        raise ImageError(
            f"{design.strata} has another grid than {path}.",
            f"The grid of the map: {grid.height} x {grid.width} pixels.",
            "Resample the strata to the grid of the map (nearest neighbour).",
        )
    for strip in Strips(path, legend).read():
        if design.strata is None:
            of = strip.codes.astype(np.int64) if design.kind == "map" else (strip.codes > 0).astype(np.int64)
        else:
            of = _strata_of(design.strata, strip.window)
        of = np.where(strip.codes == UNLABELLED, 0, of)
        more = int(of.max(initial=0)) - len(areas)
        areas, pixels = np.pad(areas, ((0, max(more, 0)), (0, 0))), np.pad(pixels, (0, max(more, 0)))
        sampled = of > 0
        index = (of[sampled] - 1) * size + strip.codes[sampled] - 1
        areas += np.bincount(index, strip.areas[sampled], areas.size).reshape(areas.shape)
        pixels += np.bincount(of[sampled] - 1, minlength=len(pixels))
        inside = (rows >= strip.window.row) & (rows < strip.window.row + strip.window.height)
        codes[inside] = strip.codes[rows[inside] - strip.window.row, cols[inside]]
        strata[inside] = of[rows[inside] - strip.window.row, cols[inside]]
        observer.progress("reading the map", (strip.window.row + strip.window.height) / grid.height)
    if design.kind == "map":
        short = size - len(areas)
        areas, pixels = np.pad(areas, ((0, short), (0, 0))), np.pad(pixels, (0, short))
        names = legend.keys
    else:
        names = ["the map"] if design.kind == "simple" else [str(h) for h in range(1, len(areas) + 1)]
    return _StatedGround(codes, strata, names, areas, pixels)


def _strata_of(path: Path, window: Any) -> NDArray[np.int64]:
    with open_raster(path, [1]) as reader:
        values, valid = reader.read(window)
    if values.dtype.kind not in "ui" or values[0][valid].max(initial=0) > 10_000:
        raise ImageError(f"{path} holds {values.dtype} values that are no strata.", "Whole numbers from 1 to 10000.")
    return np.where(valid, values[0], 0).astype(np.int64)


def _numbers(points: gpd.GeoDataFrame, path: Path) -> NDArray[np.int64]:
    """Numbers of the points, 1, 2, ... in the order of the file where it has none that can serve."""
    try:
        numbers = points[id_field(points, path)].to_numpy(np.int64)
    except (LabelError, ValueError, TypeError):
        return np.arange(1, len(points) + 1)
    return numbers if len(set(numbers.tolist())) == len(numbers) else np.arange(1, len(points) + 1)


def _second(table: pd.DataFrame, path: Path) -> NDArray[np.bool_]:
    """Points on the pixel of an earlier one; of several the labelled one stays."""
    pixel = table["row"].to_numpy() * 2**31 + table["col"].to_numpy()
    labelled = table.assign(pixel=pixel)[table["reference_code"].to_numpy() != UNLABELLED]
    differ = labelled.groupby("pixel")["reference_code"].nunique()
    if wrong := differ.index[differ > 1].tolist():
        numbers = labelled["point_id"][labelled["pixel"].isin(wrong)].tolist()
        raise LabelError(
            f"Points of {path} lie on one pixel and have different reference classes: "
            f"{', '.join(map(str, numbers[:20]))}.",
            "One reference class for each pixel of the map.",
            "Delete the wrong ones.",
        )
    order = np.argsort(table["reference_code"].to_numpy() == UNLABELLED, kind="stable")
    _, first = np.unique(pixel[order], return_index=True)
    second = np.ones(len(table), np.bool_)
    second[order[first]] = False
    return second


def _check_strata(table: pd.DataFrame, said: pd.Series[Any], path: Path) -> None:
    texts = [landuse.value_text(v) for v in said]
    differ = [t is not None and t != str(h) for t, h in zip(texts, table["stratum"], strict=True)]
    if wrong := table["point_id"][differ].tolist():
        raise LabelError(
            f"{len(wrong)} of {len(table)} points of {path} say another stratum than they lie in: "
            f"{', '.join(map(str, wrong[:20]))}.",
            "The map or raster from which the points were drawn, unchanged.",
            "Give the raster of the strata that the points were drawn from.",
        )


def _spread(table: pd.DataFrame, mapped: NDArray[np.float64], legend: Legend) -> list[str]:
    """A sentence where the points are not spread over the classes as a simple random sample is (chi-squared test)."""
    found = np.bincount(table["map_code"], minlength=len(legend) + 1)[1:]
    expected = mapped / mapped.sum() * found.sum()
    there = expected > 0
    statistic = float(((found - expected)[there] ** 2 / expected[there]).sum())
    if chi2.sf(statistic, max(int(there.sum()) - 1, 1)) >= UNLIKELY:
        return []
    pairs = ", ".join(
        f"{key} {n} where {e:.0f} were to be expected"
        for key, n, e in zip(legend.keys, found, expected, strict=True)
        if e > 0
    )
    return [f"The points are not spread over the map as those of a simple random sample: {pairs}. Check the design."]
