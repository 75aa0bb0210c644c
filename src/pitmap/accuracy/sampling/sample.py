"""What a labelled sample says of its map: area-adjusted accuracy and hectares, and which points could not be used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pitmap import landuse
from pitmap.accuracy.sampling.design import DESIGN, map_checksum
from pitmap.accuracy.sampling.estimation import AreaEstimates, Estimate, Method, estimate_counts
from pitmap.errors import LabelError
from pitmap.files import write_json
from pitmap.grid import Grid
from pitmap.legend import UNLABELLED, Legend
from pitmap.observer import SILENT, Observer
from pitmap.raster.reading import describe

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd


@dataclass(frozen=True)
class EstimateOptions:
    """How a labelled sample is used.

    Attributes:
        use_doubtful: Whether points marked doubtful count with their reference class.
        values: Values of the field ``reference`` to class keys, None for "cannot be told"; by default its values are
            the codes, keys or names of the legend.
        method: How intervals are made, see ``estimation.METHODS``.
        thresholds: Areas by class key, in hectares: the estimate says how likely the class's area exceeds them.
    """

    use_doubtful: bool = True
    values: Mapping[Any, str | None] | None = None
    method: Method = "mover"
    thresholds: Mapping[str, float] = field(default_factory=dict)


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
    points, strata, about = _read_sample(Path(points_path))
    grid = describe(map_path).grid
    legend = Legend.from_json(about["legend"])
    _check_thresholds(options.thresholds, legend)
    _check_map(Path(points_path), Path(map_path), grid, about, observer)

    left_out: dict[str, tuple[int, ...]] = {}

    def leave_out(reason: str, which: NDArray[np.bool_]) -> None:
        nonlocal points
        left_out[reason] = tuple(int(i) for i in points["point_id"][which])
        points = points[~which]

    codes = landuse.class_codes(options.values, legend)
    reference = _reference_codes(points, codes, Path(points_path))
    points = points.assign(reference_code=reference)
    drawn = int(strata["points"].sum())
    missing = sorted(set(range(1, drawn + 1)) - set(points["point_id"]))
    if extra := sorted(set(points["point_id"]) - set(range(1, drawn + 1))):
        raise LabelError(
            f"{points_path} holds points that were not drawn: {_numbers(extra)}.",
            f"The {drawn} points of the design: a point that is added by hand has no known probability.",
            "Delete the points that were added.",
        )
    left_out["were deleted from the layer"] = tuple(missing)
    leave_out("are second copies of another point", _copies(points, Path(points_path)))
    rows, cols = _pixels(points, grid)
    off_map = (rows < 0) | (rows >= grid.height) | (cols < 0) | (cols >= grid.width)
    moved = (np.abs(rows - points["row"]) > 1) | (np.abs(cols - points["col"]) > 1)
    leave_out("lie outside the map", np.asarray(off_map))
    leave_out("were moved off their pixel", np.asarray(moved)[~off_map])
    leave_out("have no reference class", np.asarray(points["reference_code"] == UNLABELLED))
    doubtful = np.zeros(len(points), np.bool_)
    if "doubtful" in points:
        doubtful = np.array([bool(_missing_to_none(v)) for v in points["doubtful"]], np.bool_)
    doubtful_ids = tuple(int(i) for i in points["point_id"][doubtful])
    if not options.use_doubtful:
        leave_out("are doubtful", doubtful)
        doubtful_ids, doubtful = (), np.zeros(len(points), np.bool_)

    def estimates(of: gpd.GeoDataFrame) -> AreaEstimates:
        return estimate_counts(
            _counts(of, strata, legend), strata["area"].to_numpy(), legend, strata["stratum"].tolist(),
            strata["map_class"].tolist(), about["unit"], pixels=strata["pixels"].to_numpy(), method=options.method,
            thresholds=options.thresholds,
        )  # fmt: skip

    result = estimates(points)
    without = None
    if doubtful.any() and not doubtful.all():
        without = estimates(points[~doubtful]).overall_accuracy
    sources = {
        "points": Path(points_path).name,
        "map": Path(map_path).name,
        "map_sha256": about["map_sha256"],
        "design": about["design"],
        "seed": about["seed"],
        "options": about["options"],
        "unmapped_area": about["unmapped_area"],
        "note": about["note"],
    }
    estimate = SampleEstimate(result, drawn, len(points), left_out, doubtful_ids, without, sources)
    for warning in estimate.warnings:
        observer.warn(warning)
    return estimate


def _check_thresholds(thresholds: Mapping[str, float], legend: Legend) -> None:
    wrong = [f"{k} {v:g} ha" for k, v in thresholds.items() if k not in legend.keys or not 0 < v < math.inf]
    if wrong:
        raise LabelError(
            f"These areas cannot be asked about: {', '.join(wrong)}.",
            f"More than 0 ha of one of {', '.join(legend.keys)}.",
            "Name the class by its key.",
            options=["threshold"],
        )


def drawn_from(points_path: Path) -> str:
    """File name of the map that a sample was drawn from.

    Raises:
        LabelError: The file is no sample of ``design``.
    """
    return str(_read_sample(Path(points_path))[2]["map"])


def _read_sample(path: Path) -> tuple[gpd.GeoDataFrame, pd.DataFrame, dict[str, Any]]:
    import pyogrio

    landuse.check_layer(path, "points", "reference")
    tables = {str(name) for name, _ in pyogrio.list_layers(path)}
    points = pyogrio.read_dataframe(path, layer="points")
    needed = {"point_id", "stratum", "row", "col"}
    if not {"strata", "design"} <= tables or not needed <= set(points.columns):
        raise LabelError(
            f"{path} does not say how its points were drawn.",
            "A sample of `pitmap design`, with its tables strata and design: without the areas of the strata and the "
            "probabilities of the points no figure for the ground can be computed.",
            "Copy the labels into the file that `pitmap design` wrote.",
        )
    table = pyogrio.read_dataframe(path, layer="design", read_geometry=False)
    about = {key: json.loads(value) for key, value in zip(table["key"], table["value"], strict=True)}
    if about.get("design") != DESIGN:
        raise LabelError(
            f"The points of {path} were drawn by the design {about.get('design')!r}.",
            f"The design {DESIGN!r}: the points of a cluster depend on each other, and a systematic sample has no "
            "unbiased estimate of its variance, so the intervals would be wrong.",
            "Draw the sample with `pitmap design`.",
        )
    strata = pyogrio.read_dataframe(path, layer="strata", read_geometry=False).rename(columns={"name": "stratum"})
    if unknown := sorted(set(points["stratum"]) - set(strata["stratum"])):
        raise LabelError(f"Points of {path} are in strata that its table lacks: {', '.join(map(str, unknown))}.")
    return points, strata, about


def _check_map(points_path: Path, map_path: Path, grid: Grid, about: Mapping[str, Any], observer: Observer) -> None:
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


def _reference_codes(points: gpd.GeoDataFrame, codes: Mapping[str, int], path: Path) -> NDArray[np.uint8]:
    texts = [landuse.value_text(_missing_to_none(v)) for v in points["reference"]]
    texts = [None if t == "" else t for t in texts]
    known = {landuse.value_text(k): v for k, v in codes.items()}
    if wrong := sorted({t for t in texts if t is not None and t not in known}):
        raise LabelError(
            f"The field 'reference' of {path} holds {', '.join(map(repr, wrong))}.",
            f"Codes, keys or names of the legend: {', '.join(k for k in codes if not k.isdigit())}.",
            "Correct the points, or say with values what class they mean.",
        )
    return np.array([UNLABELLED if t is None else known[t] for t in texts], np.uint8)


def _missing_to_none(value: Any) -> Any:
    import pandas as pd

    return None if pd.isna(value) else value


def _copies(points: gpd.GeoDataFrame, path: Path) -> NDArray[np.bool_]:
    """Rows that repeat a point; copies that contradict each other are refused."""
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
    # Of copies the labelled one stays.
    order = np.argsort(np.asarray(points["reference_code"]) == UNLABELLED, kind="stable")
    copies = np.zeros(len(points), np.bool_)
    copies[order] = np.asarray(points["point_id"].iloc[order].duplicated())
    return copies


def _pixels(points: gpd.GeoDataFrame, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of each point on the map, whatever the CRS in which the layer was saved."""
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


def _counts(points: gpd.GeoDataFrame, strata: pd.DataFrame, legend: Legend) -> NDArray[np.float64]:
    counts = np.zeros((len(strata), len(legend), len(legend)))
    index = {name: h for h, name in enumerate(strata["stratum"])}
    for name, map_code, reference in zip(points["stratum"], points["map_code"], points["reference_code"], strict=True):
        counts[index[name], int(map_code) - 1, int(reference) - 1] += 1
    return counts


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:20])) + (f" and {len(numbers) - 20} more" if len(numbers) > 20 else "")
