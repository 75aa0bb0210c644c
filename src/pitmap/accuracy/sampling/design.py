"""A stratified random sample of the pixels of a map, for labelling by an interpreter who is blind to the map.

Strata are the classes of the map, and where asked for a belt round one class, in which its omissions gather; or, for
the area of one class, those of ``aim``. What a pixel's stratum is says ``strata``, how many points go where
``planning``, which pixels they are ``draw``, what the file holds ``sample_file``, what QGIS shows ``labelling``. What
the labelled points say of the map is in ``sample``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pitmap import __version__
from pitmap.accuracy.sampling.aim import AROUND, BELT_PIXELS, Aim, Target, aim, replan
from pitmap.accuracy.sampling.draw import draw_points
from pitmap.accuracy.sampling.labelling import copy_pictures, labelling_style, write_pictures
from pitmap.accuracy.sampling.labelling_project import write_labelling_project
from pitmap.accuracy.sampling.planning import KEPT, Allocation, allocate, sample_size
from pitmap.accuracy.sampling.sample import check_map, labels_by_stratum
from pitmap.accuracy.sampling.sample_file import DESIGN, SampleFile, read_sample, write_sample
from pitmap.accuracy.sampling.strata import (
    Border,
    Cuts,
    Ground,
    Strata,
    Strips,
    Sureness,
    aimed_strata,
    class_strata,
)
from pitmap.errors import LabelError, nearest
from pitmap.exclusive import exclusive
from pitmap.files import refuse_to_replace
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND, Legend
from pitmap.observer import SILENT, Observer, Part, clock
from pitmap.raster.codes import read_legend
from pitmap.raster.reading import describe
from pitmap.study.results import MapFiles

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

SPACING_NOTE = (
    "Points keep a least distance. The estimators treat them as a plain stratified random sample; with a distance that "
    "is small beside the mean distance of the points this is close, and if anything the intervals are too wide."
)

SECONDS_A_POINT = 15.0
"""Time in which an interpreter labels a point."""

CLASS_FLOOR = 50
"""Least number of points of a class where the sample is for all of them (Olofsson et al. 2014: 50 to 100)."""


@dataclass(frozen=True)
class DesignOptions:
    """How a sample is drawn.

    Attributes:
        target: Key of the class whose area the sample is for; None for a sample of all classes.
        relative: Half-width of the 95 % interval of its area as a share of the area; or
        hectares: in hectares.
        confidence: The map's confidence, a ``.tif``, for a sample with a target; by default the file that lies beside
            the map, if there is one.
        probabilities: Class probabilities, which are used in place of the confidence; by default those beside the map.
        points: Number of points of a sample of all classes; None computes it from the precision.
        standard_error: Standard error asked for of the overall accuracy.
        interval_width: Width of its 95 % interval asked for, instead of a standard error.
        expected_users_accuracy: Guess of the user's accuracy, one for all strata or by class key.
        allocation: ``equal``, ``proportional`` or ``neyman``.
        floor: Least number of points of each stratum; by default 50, and 10 with a target.
        buffer_class: Key of the class with a belt round it as a stratum of its own, None for no belt.
        buffer_m: Width of the belt; with a target by default three pixels.
        spacing_m: Least distance of two points; 0 for none.
        extent: Vector file; only pixels with their centre in its polygons are sampled and stand for themselves.
        images: Rasters from which pictures of each point are cut: of the first a near and a wide view, of each further
            one (another date) a near view.
        bands: Their bands for red, green and blue, by number or name.
        chip_pixels: Side of the near view in pixels of the image.
        legend: The classes; None reads them from the map, else takes the default legend.
        seed: Of the draw.
        seconds_a_point: Time that labelling a point takes.
    """

    target: str | None = None
    relative: float | None = None
    hectares: float | None = None
    confidence: str | Path | None = None
    probabilities: str | Path | None = None
    points: int | None = None
    standard_error: float | None = None
    interval_width: float | None = None
    expected_users_accuracy: float | Mapping[str, float] = 0.85
    allocation: Allocation = "proportional"
    floor: int | None = None
    buffer_class: str | None = None
    buffer_m: float = 0.0
    spacing_m: float = 0.0
    extent: str | Path | None = None
    images: Sequence[str | Path] = ()
    bands: Sequence[int | str] | None = None
    chip_pixels: int = 64
    legend: Legend | None = None
    seed: int = 0
    seconds_a_point: float = SECONDS_A_POINT


@dataclass(frozen=True)
class Stratum:
    """One stratum.

    Attributes:
        name: Class key, ``near KEY`` for the belt, or as ``strata.aimed_strata`` names it.
        map_classes: Codes of the map classes in it.
        pixels: Number of pixels.
        area: Their area, in hectares, or in pixels without a CRS.
        points: Points drawn.
        expected: Share of the class aimed at that was expected, None without a target.
    """

    name: str
    map_classes: tuple[int, ...]
    pixels: int
    area: float
    points: int
    expected: float | None = None


@dataclass(frozen=True)
class Design:
    """A drawn sample.

    Attributes:
        strata: The strata that have pixels.
        unit: Unit of the areas: ``ha`` or ``pixels``.
        unmapped_area: Area inside the extent where the map has no class: no stratum, and left out of every total.
        mapped_areas: Area of each class on the map, inside the extent.
        checksum: Of the map; see ``strata.map_checksum``.
        rows: Row of each point on the map.
        cols: Column of each point on the map.
        stratum_of: Index of the stratum of each point.
        codes: Map class of each point.
        legend: The classes.
        rule: What decides to which stratum a pixel belongs, as plain values.
        aim: What an aimed sample promises.
    """

    strata: tuple[Stratum, ...]
    unit: str
    unmapped_area: float
    mapped_areas: tuple[float, ...]
    checksum: str
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    stratum_of: NDArray[np.int64]
    codes: NDArray[np.uint8]
    legend: Legend
    rule: Mapping[str, Any]
    aim: Aim | None = None

    def summary(self) -> str:
        """One line: points by stratum."""
        parts = ", ".join(f"{s.name} {s.points}" for s in self.strata)
        return f"{len(self.rows)} points drawn ({parts}) for {sum(s.area for s in self.strata):,.6g} {self.unit}."

    def to_json(self) -> dict[str, Any]:
        """The strata and the number of points; the points themselves are in the file."""
        return {
            "points": len(self.rows),
            "unit": self.unit,
            "unmapped_area": self.unmapped_area,
            "map_sha256": self.checksum,
            "expected_half_width": None if self.aim is None else self.aim.plan.half_width,
            "strata": [asdict(stratum) for stratum in self.strata],
            "legend": self.legend.to_json(),
        }


@dataclass(frozen=True)
class _Layout:
    """What can be sampled, how it is cut, and how many points go where."""

    strips: Strips
    ground: Ground
    strata: Strata
    points: NDArray[np.int64]
    rule: dict[str, Any]
    aim: Aim | None


@dataclass(frozen=True)
class Enlarged:
    """A sample to which points were added.

    Attributes:
        added: Points added, by name of the stratum.
        points: Points of the whole sample.
    """

    added: Mapping[str, int]
    points: int

    def summary(self) -> str:
        """One line: points added by stratum."""
        parts = ", ".join(f"{name} {n}" for name, n in self.added.items() if n)
        return f"{sum(self.added.values())} points added ({parts}), {self.points} with those drawn before."

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {"added": dict(self.added), "points": self.points}


def draw(map_path: Path, options: DesignOptions, observer: Observer = SILENT) -> Design:
    """Draw a stratified random sample of the pixels of a map; what it costs and promises is said before.

    The map is read twice, for the ground of the strata and for the draw.

    Raises:
        ImageError: The map, its confidence or its probabilities cannot be read.
        LabelError: The map has no class, codes that the legend lacks, or the options do not fit it.
    """
    layout = _lay_out(Path(map_path), options, Part(observer, 0.0, 0.5))
    sentence = (
        f"{layout.points.sum()} points, about {clock(float(layout.points.sum()) * options.seconds_a_point)} at "
        f"{options.seconds_a_point:g} s each."
        if layout.aim is None
        else layout.aim.sentence(options.seconds_a_point)
    )
    observer.say(sentence)
    drawn = draw_points(
        layout.strips, layout.strata, layout.points, options.seed, spacing_m=options.spacing_m,
        observer=Part(observer, 0.5, 1.0),
    )  # fmt: skip
    kept = np.flatnonzero(layout.strata.sums(layout.ground.pixels) > 0)
    scale, unit = _unit(layout.strips.grid)
    return Design(
        _stratum_rows(layout, kept, scale), unit, max(layout.ground.unmapped, 0.0) * scale,
        tuple((layout.ground.areas[:, 1:].sum(axis=(0, 2)) * scale).tolist()), layout.ground.checksum, drawn.rows,
        drawn.cols, np.searchsorted(kept, drawn.stratum), drawn.codes, layout.strips.legend, layout.rule, layout.aim,
    )  # fmt: skip


def design(
    map_path: str | Path, out_gpkg: str | Path, options: DesignOptions | None = None, observer: Observer = SILENT
) -> Design:
    """Draw a sample and write it as a GeoPackage for labelling in QGIS.

    The layer and the tables are described in ``sample_file``. Pictures go to a folder of the GeoPackage's name with
    ``_chips`` added, and show wherever the QGIS project lies as long as folder and GeoPackage stay together. Beside it
    lies that project, see ``labelling_project``.

    Raises:
        ImageError, LabelError: See ``draw``; or an image cannot be read.
        OutputError: A file cannot be written, or exists.
        BusyError: Another process draws a sample of this name.
    """
    with exclusive(Path(out_gpkg), observer=observer):
        return _design(Path(map_path), Path(out_gpkg), options or DesignOptions(), observer)


def _design(map_path: Path, out_gpkg: Path, options: DesignOptions, observer: Observer) -> Design:
    import pandas as pd

    refuse_to_replace(out_gpkg, "the sample", ".gpkg")
    drawn = draw(map_path, options, observer)
    grid = describe(map_path).grid
    numbers = np.arange(1, len(drawn.rows) + 1)
    names = [s.name for s in drawn.strata]
    table = _drawn_table(numbers, drawn.rows, drawn.cols, [names[h] for h in drawn.stratum_of], drawn.codes, phase=1)
    about = {
        "design": DESIGN,
        "pitmap": __version__,
        "map": Path(map_path).name,
        "map_sha256": drawn.checksum,
        "map_transform": list(grid.transform)[:6],
        "unmapped_area": drawn.unmapped_area,
        "mapped_areas": list(drawn.mapped_areas),
        "unit": drawn.unit,
        "seed": options.seed,
        "phases": [{"points": len(numbers)}],
        "legend": drawn.legend.to_json(),
        "rule": dict(drawn.rule),
        "options": {k: _plain(v) for k, v in asdict(options).items() if k != "legend"},
        "promised": None if drawn.aim is None else drawn.aim.sentence(options.seconds_a_point),
        "note": SPACING_NOTE if options.spacing_m > 0 else "",
    }
    strata = pd.DataFrame([_strata_row(s, drawn.unit) for s in drawn.strata])
    points = _points_layer(numbers, drawn.rows, drawn.cols, grid, options, out_gpkg)
    style = labelling_style(drawn.legend, options.images)
    write_sample(out_gpkg, SampleFile(points, table, strata, about), style)
    write_labelling_project(out_gpkg, points, style, options.images, options.bands, observer)
    return drawn


def enlarge(
    map_path: str | Path,
    sample_path: str | Path,
    out_gpkg: str | Path,
    options: DesignOptions,
    observer: Observer = SILENT,
) -> Enlarged:
    """Add points to a sample, keeping it a stratified random sample: same strata, pixels that were not drawn yet.

    The labels so far say how much of the class each stratum holds; the points are planned anew from them, none of the
    old ones is given up, and what the plan asks for beyond them is drawn. With ``points`` in place of a half-width that
    many are added by the allocation. The new file has the old points with everything filled in, and the new ones after
    them; the old file stays as it is.

    A sample that is enlarged because of what its labels said is, strictly, no sample of fixed size; by simulation the
    coverage of its intervals is near that of one, somewhat less where it grows by many times its size
    (``benchmarks/sample_aim.py``).

    Args:
        map_path: The map that the sample was drawn from.
        sample_path: The sample.
        out_gpkg: The larger sample.
        options: Target and half-width, or points; images, by default those of the sample where they still lie. What
            defines strata and seed is that of the sample.
        observer: Hears what the points cost and promise before they are drawn.

    Raises:
        ImageError: The map or its confidence cannot be read.
        LabelError: The file is no sample of this map, keeps a least distance, or has points enough.
        OutputError: A file cannot be written, or exists.
    """
    import pandas as pd

    map_path, sample_path, out_gpkg = Path(map_path), Path(sample_path), Path(out_gpkg)
    refuse_to_replace(out_gpkg, "the sample", ".gpkg")
    old = read_sample(sample_path)
    grid, legend, rule = describe(map_path).grid, Legend.from_json(old.about["legend"]), old.about["rule"]
    before = old.about["options"]
    if not options.images and all(Path(p).exists() for p in before["images"]):
        options = replace(
            options, images=before["images"], bands=before["bands"], chip_pixels=before["chip_pixels"]
        )  # fmt: skip
    check_map(sample_path, map_path, grid, old.about, observer)
    if float(old.about["options"].get("spacing_m") or 0) > 0:
        raise LabelError(
            f"The points of {sample_path} keep a least distance.",
            "A plain random draw within each stratum: which further points would have kept the distance is not known.",
            "Draw a larger sample anew.",
        )
    strips, strata = strata_again(map_path, legend, rule, options)
    stands = {str(name): h for h, name in enumerate(old.strata["stratum"])}
    had = old.strata["points"].to_numpy(np.int64)
    wanted = _enlarged(old, labels_by_stratum(old, legend, sample_path), legend, options, observer)
    added = np.zeros(len(strata.names), np.int64)
    for name, h in stands.items():
        added[strata.names.index(name)] = wanted[h] - had[h]
    taken = old.drawn["row"].to_numpy(np.int64), old.drawn["col"].to_numpy(np.int64)
    drawn = draw_points(strips, strata, added, int(old.about["seed"]), taken=taken, observer=observer)
    first = int(old.drawn["point_id"].max()) + 1
    numbers = np.arange(first, first + len(drawn.rows))
    phase = len(old.about["phases"]) + 1
    table = _drawn_table(
        numbers, drawn.rows, drawn.cols, [strata.names[h] for h in drawn.stratum], drawn.codes, phase=phase
    )
    fresh = _points_layer(numbers, drawn.rows, drawn.cols, grid, options, out_gpkg)
    kept = copy_pictures(old.points, sample_path, out_gpkg)
    points = pd.concat([kept, fresh if kept.crs is None else fresh.to_crs(kept.crs)], ignore_index=True)
    about = old.about | {"phases": [*old.about["phases"], {"points": len(numbers)}]}
    sample = SampleFile(
        points, pd.concat([old.drawn, table], ignore_index=True), old.strata.assign(points=wanted), about
    )
    style = labelling_style(legend, options.images, list(points.columns))
    write_sample(out_gpkg, sample, style)
    write_labelling_project(out_gpkg, points, style, options.images, options.bands, observer)
    return Enlarged(dict(zip(old.strata["stratum"], (wanted - had).tolist(), strict=True)), len(sample.drawn))


def _enlarged(
    old: SampleFile, labels: NDArray[np.int64], legend: Legend, options: DesignOptions, observer: Observer
) -> NDArray[np.int64]:
    """Points of each stratum of the larger sample."""
    had, pixels = old.strata["points"].to_numpy(np.int64), old.strata["pixels"].to_numpy(np.int64)
    areas = old.strata["area"].to_numpy(np.float64)
    key = options.target or old.about["rule"].get("target")
    if options.points is not None:
        weights = areas / areas.sum()
        total = int(had.sum()) + options.points
        expected = np.full(len(had), 0.85) if isinstance(options.expected_users_accuracy, Mapping) else np.full(
            len(had), options.expected_users_accuracy
        )  # fmt: skip
        wanted = allocate(total, weights, options.allocation, had, expected, pixels)
        text = ""
    else:
        if key is None:
            raise LabelError(
                "How many points are to be added is not said.",
                "A class and the half-width of its area, or a number of points.",
            )
        target = _target(legend, key, options)
        of_class = labels[:, _class(legend, key).code - 1]
        known = labels.sum(axis=1)
        beforehand = old.strata["expected"].to_numpy(np.float64)
        same = key == old.about["rule"].get("target")
        beforehand = np.where(np.isfinite(beforehand) & same, beforehand, (of_class + 0.5) / (known + 1))
        plan = replan(areas, pixels, had, of_class, known, beforehand, target.half_width)
        wanted = plan.points
        text = (
            f" With them the area of {key} is expected to be known to ± {plan.half_width:,.3g} "
            f"{old.about['unit']} with 95 % confidence, in {KEPT:.0%} of samples to ± {plan.kept:,.3g} or better."
        )
    further = int(wanted.sum() - had.sum())
    if further == 0:
        raise LabelError(
            f"The {int(had.sum())} points are enough for what is asked for.{text}",
            remedy="Label them, or ask for a narrower interval.",
        )
    observer.say(
        f"{further} more points, about {clock(further * options.seconds_a_point)} at {options.seconds_a_point:g} s "
        f"each.{text}"
    )
    return wanted


def _lay_out(path: Path, options: DesignOptions, observer: Observer) -> _Layout:
    legend = options.legend or read_legend(path) or DEFAULT_LEGEND
    grid = describe(path).grid
    extent = None if options.extent is None else Path(options.extent)
    rule: dict[str, Any] = {"extent": None if options.extent is None else str(options.extent)}
    if options.target is not None:
        target = _target(legend, options.target, options)
        sureness = _sureness(path, options, _class(legend, target.key).code)
        width = options.buffer_m or BELT_PIXELS * max(grid.pixel_steps_m)
        border = None if grid.crs is None else Border(legend[target.key].code, width)
        strips = Strips(path, legend, border, extent, sureness)
        ground = _survey(strips, observer)
        source = "" if sureness is None else sureness.kind
        aimed = aim(ground, legend, target, source, options.floor, _unit(grid)[1])
        rule |= {
            "target": target.key, "cuts": asdict(aimed.cuts), "border_m": 0.0 if border is None else border.width_m,
            "levels": source, "levels_from": "" if sureness is None else sureness.path.name, "levels_around": AROUND,
            "levels_sha256": ground.sureness_checksum,
        }  # fmt: skip
        return _Layout(strips, ground, aimed.strata, aimed.plan.points, rule, aimed)
    if options.relative is not None or options.hectares is not None:
        raise LabelError("A half-width is asked for, but not of which class's area.", "The key of a class.")
    belt = options.buffer_class
    border = None if belt is None else Border(_class(legend, belt).code, options.buffer_m)
    strips = Strips(path, legend, border, extent)
    ground, strata = _survey(strips, observer), class_strata(legend, belt)
    points = _points_by_stratum(options, strata.names, strata.sums(ground.areas), strata.sums(ground.pixels))
    rule |= {"belt_of": belt, "border_m": options.buffer_m if belt else 0.0}
    return _Layout(strips, ground, strata, points, rule, None)


def strata_again(
    path: Path, legend: Legend, rule: Mapping[str, Any], options: DesignOptions | None = None
) -> tuple[Strips, Strata]:
    """The strata of a sample once more.

    Args:
        path: The map.
        legend: Its classes.
        rule: ``Design.rule``.
        options: Where confidence or probabilities lie, if not where they lay.

    Raises:
        LabelError: They are not those from which the strata were made.
    """
    options = options or DesignOptions()
    extent = None if rule["extent"] is None else Path(rule["extent"])
    target = rule.get("target")
    if target is None:
        belt = rule["belt_of"]
        border = None if belt is None else Border(legend[belt].code, rule["border_m"])
        return Strips(path, legend, border, extent), class_strata(legend, belt)
    code = legend[target].code
    sureness = None
    if rule["levels"]:
        given = options.confidence if rule["levels"] == "confidence" else options.probabilities
        sureness = Sureness(
            Path(given or path.with_name(rule["levels_from"])), rule["levels"], code, rule.get("levels_around", 0)
        )
    strips = Strips(path, legend, Border(code, rule["border_m"]) if rule["border_m"] else None, extent, sureness)
    if sureness is not None and strips.survey().sureness_checksum != rule["levels_sha256"]:
        raise LabelError(
            f"{sureness.path} is not the {rule['levels']} from which the strata of the sample were made.",
            "The very file: it decides to which stratum a pixel belongs.",
        )
    return strips, aimed_strata(legend, target, Cuts.from_json(rule["cuts"]))


def _survey(strips: Strips, observer: Observer) -> Ground:
    ground = strips.survey(observer)
    if ground.pixels[:, 1:].sum() == 0:
        raise LabelError(f"{strips.path} has no pixel with a class, so there is nothing to sample.")
    return ground


def _class(legend: Legend, key: str) -> Any:
    if key not in legend.keys:
        close = nearest(key, legend.keys)
        raise LabelError(
            f"There is no class {key!r}.", f"A class of the legend: {', '.join(legend.keys)}.",
            "" if close is None else f"Did you mean {close!r}?",
        )  # fmt: skip
    return legend[key]


def _target(legend: Legend, key: str, options: DesignOptions) -> Target:
    return Target(_class(legend, key).key, options.relative, options.hectares)


def _sureness(path: Path, options: DesignOptions, code: int) -> Sureness | None:
    files = MapFiles(path)
    if options.probabilities is not None or (options.confidence is None and files.probabilities.exists()):
        return Sureness(Path(options.probabilities or files.probabilities), "probabilities", code, AROUND)
    if options.confidence is not None or files.confidence.exists():
        return Sureness(Path(options.confidence or files.confidence), "confidence", code, AROUND)
    return None


def _points_by_stratum(
    options: DesignOptions, names: Sequence[str], area: NDArray[np.float64], pixels: NDArray[np.float64]
) -> NDArray[np.int64]:
    guess = options.expected_users_accuracy
    if isinstance(guess, Mapping):
        if unknown := sorted(set(guess) - set(names)):
            raise LabelError(
                f"Accuracies are expected for {', '.join(unknown)}, which are no strata.",
                f"Strata: {', '.join(names)}.",
            )
        expected = np.array([guess.get(name, 0.85) for name in names])
    else:
        expected = np.full(len(names), float(guess))
    weights = area / area.sum()
    if options.points is not None:
        total = options.points
    elif options.interval_width is not None:
        total = sample_size(weights, expected, interval_width=options.interval_width)
    else:
        total = sample_size(weights, expected, standard_error=options.standard_error or 0.015)
    present = pixels > 0
    floor = CLASS_FLOOR if options.floor is None else options.floor
    least = int(np.minimum(floor, pixels[present]).sum())
    if options.points is None:
        total = max(total, least)  # the precision is for overall accuracy, the floor for every class
    points = np.zeros(len(names), np.int64)
    points[present] = allocate(total, weights[present], options.allocation, floor, expected[present], pixels[present])
    return points


def _unit(grid: Grid) -> tuple[float, str]:
    return (1e-4, "ha") if grid.crs is not None else (1.0, "pixels")


def _stratum_rows(layout: _Layout, kept: NDArray[np.int64], scale: float) -> tuple[Stratum, ...]:
    area, pixels = layout.strata.sums(layout.ground.areas) * scale, layout.strata.sums(layout.ground.pixels)
    classes = layout.strata.classes(layout.ground)
    return tuple(
        Stratum(
            layout.strata.names[h], classes[h], int(pixels[h]), float(area[h]), int(layout.points[h]),
            None if layout.aim is None else float(layout.aim.expected[h]),
        )
        for h in map(int, kept)
    )  # fmt: skip


def _strata_row(stratum: Stratum, unit: str) -> dict[str, Any]:
    return {
        "stratum": stratum.name, "map_classes": ",".join(map(str, stratum.map_classes)), "pixels": stratum.pixels,
        "area": stratum.area, "unit": unit, "points": stratum.points,
        "expected": np.nan if stratum.expected is None else stratum.expected,
    }  # fmt: skip


def _drawn_table(
    numbers: NDArray[np.int64],
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    strata: list[str],
    codes: NDArray[np.uint8],
    phase: int,
) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {"point_id": numbers, "stratum": strata, "map_code": codes.astype(np.int32), "row": rows, "col": cols,
         "phase": phase}
    )  # fmt: skip


def _points_layer(
    numbers: NDArray[np.int64],
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    grid: Grid,
    options: DesignOptions,
    out_gpkg: Path,
) -> gpd.GeoDataFrame:
    import geopandas as gpd
    import pandas as pd

    x, y = grid.pixel_centres(rows, cols)
    pictures = write_pictures(options.images, options.bands, options.chip_pixels, grid, x, y, numbers, out_gpkg)
    columns: dict[str, Any] = {
        "point_id": numbers,
        "reference": pd.array([None] * len(numbers), dtype="Int32"),
        "doubtful": np.zeros(len(numbers), np.bool_),
        "comment": pd.array([""] * len(numbers), dtype=object),
    }
    columns |= {field: pd.array(names, dtype=object) for field, names in pictures.items()}
    crs = None if grid.crs is None else grid.crs.to_wkt()
    return gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(x, y), crs=crs)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return dict(value) if isinstance(value, Mapping) else value
