"""What a labelled sample says of its map: area-adjusted accuracy and hectares, and which points could not be used."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pitmap import landuse
from pitmap.accuracy.sampling.estimation import AreaEstimates, Estimate, Method, estimate_counts
from pitmap.accuracy.sampling.point_table import id_field, label_field, read_points
from pitmap.accuracy.sampling.sample_file import SampleFile, drawn_from, read_sample
from pitmap.accuracy.sampling.strata import map_checksum
from pitmap.errors import LabelError
from pitmap.files import write_json
from pitmap.grid import Grid
from pitmap.legend import UNLABELLED, Legend
from pitmap.observer import SILENT, Observer
from pitmap.raster.reading import describe

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

__all__ = ["EstimateOptions", "SampleEstimate", "drawn_from", "estimate"]


@dataclass(frozen=True)
class EstimateOptions:
    """How a labelled sample is used.

    Attributes:
        use_doubtful: Whether points marked doubtful count with their reference class.
        values: Values of the labels to class keys, None for "cannot be told"; by default they are the codes, keys or
            names of the legend.
        method: How intervals are made, see ``estimation.METHODS``.
        thresholds: Areas by class key, in hectares: the estimate says how likely the class's area exceeds them.
        labels: File with the labels where the sample was labelled elsewhere: a table or layer with the points' numbers.
        field: Field of the labels; by default ``reference``, or as other tools name it (``point_table``).
        legend: The classes, where neither sample nor map says them.
    """

    use_doubtful: bool = True
    values: Mapping[Any, str | None] | None = None
    method: Method = "posterior"
    thresholds: Mapping[str, float] = field(default_factory=dict)
    labels: Path | None = None
    field: str | None = None
    legend: Legend | None = None


@dataclass(frozen=True)
class SampleEstimate:
    """What a labelled sample says of a map.

    Attributes:
        estimates: Area-adjusted figures.
        drawn: Points of the design.
        used: Points that the estimates rest on.
        left_out: Points that they do not rest on: reason to point numbers.
        doubtful: Numbers of the points marked doubtful that were used.
        without_doubtful: Overall accuracy without them, None where there are none.
        sources: Names of the files and what the design says of itself.
    """

    estimates: AreaEstimates
    drawn: int
    used: int
    left_out: Mapping[str, tuple[int, ...]]
    doubtful: tuple[int, ...] = ()
    without_doubtful: Estimate | None = None
    sources: Mapping[str, Any] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know: of the estimates, and of the points."""
        return (*self.estimates.warnings, *self._of_points())

    def _of_points(self) -> list[str]:
        lost = self.drawn - self.used
        texts = [f"{len(ids)} points {reason}." for reason, ids in self.left_out.items() if ids]
        if lost > 0.05 * self.drawn:
            texts.append(
                f"{lost} of {self.drawn} points are not used. The estimates are right only if the ground under these "
                "points is like that of the others of their stratum."
            )
        return texts

    def summary(self) -> str:
        """One line: figures, and points used."""
        return f"{self.estimates.summary()} {self.used} of {self.drawn} points used."

    def to_json(self) -> dict[str, Any]:
        """Everything as plain Python values."""
        return {
            "sources": dict(self.sources),
            "points": {
                "drawn": self.drawn,
                "used": self.used,
                "left_out": {reason: list(ids) for reason, ids in self.left_out.items()},
                "doubtful_used": list(self.doubtful),
                "overall_accuracy_without_doubtful": None
                if self.without_doubtful is None
                else asdict(self.without_doubtful),
            },
            "sample_warnings": self._of_points(),
            **self.estimates.to_json(),
        }

    def write(self, path: Path) -> None:
        """Write the JSON.

        Raises:
            OutputError: The file cannot be written.
        """
        write_json(path, self.to_json())


def estimate(
    points_path: str | Path,
    map_path: str | Path,
    options: EstimateOptions | None = None,
    observer: Observer = SILENT,
) -> SampleEstimate:
    """Area-adjusted accuracy and areas of a map from its labelled sample.

    Left out, counted and named are points without a reference class, points that were moved off their pixel (off the
    map or to ground without a class among them), points deleted from the layer, and second copies of a point.

    Args:
        points_path: The GeoPackage of ``design``, labelled; the layer may have been saved in another CRS.
        map_path: The map that it was drawn from.
        options: How the points are used.
        observer: Told of the share of the map read.

    Raises:
        ImageError: The map cannot be read.
        LabelError: The file is no sample of this map, was drawn by another design, or cannot be used.
    """
    options, points_path, map_path = options or EstimateOptions(), Path(points_path), Path(map_path)
    sample = read_sample(points_path)
    grid, legend = describe(map_path).grid, Legend.from_json(sample.about["legend"])
    check_thresholds(options.thresholds, legend)
    check_map(Path(points_path), Path(map_path), grid, sample.about, observer)
    table = labelled_points(sample, legend, Path(points_path), options)
    left_out: dict[str, tuple[int, ...]] = {}
    drawn = sorted(int(i) for i in sample.drawn["point_id"])
    left_out["were deleted from the layer"] = tuple(sorted(set(drawn) - set(table["point_id"])))
    table = leave_out(table, left_out, "are second copies of another point", copies(table, Path(points_path)))
    rows, cols = pixels_of(table, grid)
    off_map = (rows < 0) | (rows >= grid.height) | (cols < 0) | (cols >= grid.width)
    moved = (np.abs(rows - table["row"]) > 1) | (np.abs(cols - table["col"]) > 1)
    table = leave_out(table, left_out, "lie outside the map", off_map)
    table = leave_out(table, left_out, "were moved off their pixel", np.asarray(moved)[~off_map])
    strata, about = sample.strata, sample.about
    sources = {
        "points": Path(points_path).name,
        "map": Path(map_path).name,
        **{k: about[k] for k in ("map_sha256", "design", "seed", "phases", "rule", "options", "unmapped_area", "note")},
    }

    def estimates(of: pd.DataFrame) -> AreaEstimates:
        result = estimate_counts(
            count_points(of, strata["stratum"].tolist(), legend), strata["area"].to_numpy(), legend,
            strata["stratum"].tolist(), sample.map_classes, about["unit"], pixels=strata["pixels"].to_numpy(),
            method=options.method, thresholds=options.thresholds,
        )  # fmt: skip
        return with_mapped_areas(result, about["mapped_areas"])

    return conclude(table, left_out, len(drawn), options, sources, estimates, observer)


def check_thresholds(thresholds: Mapping[str, float], legend: Legend) -> None:
    """Refuse areas of classes that there are not, and areas that none can have.

    Raises:
        LabelError: One of them.
    """
    wrong = [f"{k} {v:g} ha" for k, v in thresholds.items() if k not in legend.keys or not 0 < v < math.inf]
    if wrong:
        raise LabelError(
            f"These areas cannot be asked about: {', '.join(wrong)}.",
            f"More than 0 ha of one of {', '.join(legend.keys)}.",
            "Name the class by its key.",
            options=["threshold"],
        )


def conclude(
    table: pd.DataFrame,
    left_out: dict[str, tuple[int, ...]],
    drawn: int,
    options: EstimateOptions,
    sources: Mapping[str, Any],
    estimates: Callable[[pd.DataFrame], AreaEstimates],
    observer: Observer,
) -> SampleEstimate:
    """Leave out points that say nothing, and estimate with and without the doubtful ones.

    Args:
        table: Points on their pixels, with ``point_id``, ``reference_code`` and ``doubtful``.
        left_out: Reason to numbers of the points left out before.
        drawn: Number of points of the design.
        options: How the points are used.
        sources: What the result says of its sources.
        estimates: Figures from points.
        observer: Hears the warnings.
    """
    table = leave_out(table, left_out, "have no reference class", np.asarray(table["reference_code"] == UNLABELLED))
    doubtful = table["doubtful"].to_numpy(np.bool_)
    if not options.use_doubtful:
        table = leave_out(table, left_out, "are doubtful", doubtful)
        doubtful = np.zeros(len(table), np.bool_)
    result, without = estimates(table), None
    if doubtful.any() and not doubtful.all():
        without = estimates(table[~doubtful]).overall_accuracy
    numbers = tuple(int(i) for i in table["point_id"][doubtful])
    concluded = SampleEstimate(result, drawn, len(table), left_out, numbers, without, sources)
    for warning in concluded.warnings:
        observer.warn(warning)
    return concluded


def labelled_points(sample: SampleFile, legend: Legend, path: Path, options: EstimateOptions) -> gpd.GeoDataFrame:
    """The points with what was drawn of them: ``point_id``, ``reference_code``, ``doubtful``, stratum, pixel, geometry.

    Raises:
        LabelError: Points that were not drawn, or labels that are no classes.
    """
    points = sample.points
    if extra := sorted(set(points["point_id"]) - set(sample.drawn["point_id"])):
        raise LabelError(
            f"{path} holds points that were not drawn: {_numbers(extra)}.",
            f"The {len(sample.drawn)} points of the design: a point that is added by hand has no known probability.",
            "Delete the points that were added.",
        )
    field, source = options.field or "reference", path
    if options.labels is not None:
        source = Path(options.labels)
        other = read_points(source)
        number, field = id_field(other, source), label_field(other, source, options.field)
        told = other[[number, field]].rename(columns={number: "point_id", field: "told"})
        told["point_id"] = told["point_id"].astype(np.int64)
        points = points.merge(told, on="point_id", how="left")
        field = "told"
    elif field not in points:
        raise LabelError(f"{path} has no field {field!r}.", f"One of {', '.join(map(str, points.columns))}.")
    codes = reference_codes(points[field], landuse.class_codes(options.values, legend), source)
    doubtful = [bool(_missing_to_none(v)) for v in points["doubtful"]] if "doubtful" in points else False
    table = points[["point_id", "geometry"]].assign(reference_code=codes, doubtful=doubtful)
    return table.merge(sample.drawn, on="point_id")


def labels_by_stratum(sample: SampleFile, legend: Legend, path: Path) -> NDArray[np.int64]:
    """Labelled points of each stratum and reference class, int64 ``(H, K)``."""
    table = labelled_points(sample, legend, path, EstimateOptions())
    table = table[~copies(table, path)]
    counts = count_points(table[table["reference_code"] != UNLABELLED], sample.strata["stratum"].tolist(), legend)
    return np.asarray(counts.sum(axis=1), np.int64)


def with_mapped_areas(estimates: AreaEstimates, areas: Sequence[float]) -> AreaEstimates:
    """The mapped areas as the map has them, where the estimates stand for all of its ground."""
    if estimates.unsampled:
        return estimates
    classes = tuple(replace(c, mapped_area=float(a)) for c, a in zip(estimates.classes, areas, strict=True))
    return replace(estimates, classes=classes)


def check_map(points_path: Path, map_path: Path, grid: Grid, about: Mapping[str, Any], observer: Observer) -> None:
    """Refuse a map that a sample was not drawn from.

    Raises:
        LabelError: Its codes differ, or it lies elsewhere.
    """
    transform = np.array(list(grid.transform)[:6])
    same_place = np.allclose(
        transform, about["map_transform"], rtol=0, atol=1e-3 * np.abs(transform[[0, 1, 3, 4]]).max()
    )
    if map_checksum(map_path, observer) != about["map_sha256"] or not same_place:
        raise LabelError(
            f"{points_path} is a sample of another map than {map_path}: "
            + ("the codes of the map differ from those" if same_place else "the map lies elsewhere than that one")
            + f" of {about['map']!r}, from which the points were drawn.",
            "The very map: its classes are the strata, and their areas weigh the points.",
            "Give the map that the sample was drawn from, or draw a sample of this one.",
        )


def reference_codes(values: pd.Series[Any], codes: Mapping[str, int], path: Path) -> NDArray[np.uint8]:
    """Class codes of labels, 0 where there is none.

    Raises:
        LabelError: A label that is no class.
    """
    texts = [landuse.value_text(_missing_to_none(v)) for v in values]
    texts = [None if t == "" else t for t in texts]
    known = {landuse.value_text(k): v for k, v in codes.items()}
    if wrong := sorted({t for t in texts if t is not None and t not in known}):
        raise LabelError(
            f"The field {str(values.name)!r} of {path} holds {', '.join(map(repr, wrong))}.",
            f"Codes, keys or names of the legend: {', '.join(k for k in codes if not k.isdigit())}.",
            "Correct the points, or say with values what class they mean.",
        )
    return np.array([UNLABELLED if t is None else known[t] for t in texts], np.uint8)


def copies(points: pd.DataFrame, path: Path) -> NDArray[np.bool_]:
    """Rows that repeat a point; of copies the labelled one stays.

    Raises:
        LabelError: Copies contradict each other.
    """
    repeated = np.asarray(points["point_id"].duplicated(keep=False))
    if repeated.any():
        labelled = points[repeated & (points["reference_code"] != UNLABELLED)]
        differ = labelled.groupby("point_id")["reference_code"].nunique()
        if wrong := [int(i) for i in differ.index[differ > 1]]:
            raise LabelError(
                f"{path} holds points more than once, with different reference classes: {_numbers(wrong)}.",
                "One reference class for each point.",
                "Delete the wrong copies.",
            )
    order = np.argsort(np.asarray(points["reference_code"]) == UNLABELLED, kind="stable")
    further = np.zeros(len(points), np.bool_)
    further[order] = np.asarray(points["point_id"].iloc[order].duplicated())
    return further


def pixels_of(points: gpd.GeoDataFrame, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of each point on the map, whatever the CRS in which the layer was saved.

    Raises:
        LabelError: The points have no CRS and the map has one.
    """
    if grid.crs is not None:
        if points.crs is None:
            raise LabelError(
                "The points have no coordinate reference system, the map has one.",
                remedy="Set the CRS of the layer to the one that it was drawn in.",
            )
        points = points.to_crs(grid.crs.to_wkt())
    usable = ~(points.geometry.is_empty | points.geometry.isna())
    x, y = np.full(len(points), np.nan), np.full(len(points), np.nan)
    x[usable], y[usable] = points.geometry[usable].x, points.geometry[usable].y
    return grid.pixel_indices(x, y)


def count_points(points: pd.DataFrame, strata: Sequence[Any], legend: Legend) -> NDArray[np.float64]:
    """Points by stratum, map class and reference class, ``(H, K, K)``."""
    counts = np.zeros((len(strata), len(legend), len(legend)))
    index = {name: h for h, name in enumerate(strata)}
    for name, map_code, reference in zip(points["stratum"], points["map_code"], points["reference_code"], strict=True):
        counts[index[name], int(map_code) - 1, int(reference) - 1] += 1
    return counts


def leave_out(table: Any, left_out: dict[str, tuple[int, ...]], reason: str, which: NDArray[np.bool_]) -> Any:
    left_out[reason] = tuple(int(i) for i in table["point_id"][which])
    return table[~which]


def _missing_to_none(value: Any) -> Any:
    import pandas as pd

    return None if pd.isna(value) else value


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:20])) + (f" and {len(numbers) - 20} more" if len(numbers) > 20 else "")
