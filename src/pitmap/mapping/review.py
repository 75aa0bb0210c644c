"""A review queue: mines and doubtful ground of a map, the least sure and largest first, to be corrected in QGIS.

What an analyst fills in goes back as labels of the next training (``corrections`` of a site in the project file, see
``samples.corrections``).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import shapely.geometry
from numpy.typing import NDArray
from scipy.ndimage import binary_opening

from pitmap import __version__, review_queue
from pitmap.accuracy.sampling.strata import map_checksum
from pitmap.errors import ImageError, ProjectError
from pitmap.files import refuse_to_replace
from pitmap.geopackage import write_layers
from pitmap.grid import Grid, Window
from pitmap.legend import Legend
from pitmap.mapping.mines import LONGEST_EDGE, map_legend, measure, mine_classes
from pitmap.mapping.zonal import check_confidence, code_counts, zonal_confidence
from pitmap.observer import SILENT, Observer
from pitmap.qgis.forms import LONG_TEXT, form, rounded, value_list
from pitmap.qgis.vector import DONE, TO_CHECK, Naming, by_rule, labels, outline, vector_style
from pitmap.raster.codes import IMAGE_TAG, code_polygons
from pitmap.raster.reading import RasterInfo, describe, open_raster
from pitmap.raster.writing import Layout, create_plain
from pitmap.samples.split import Split

MINE, GROUND = 1, 2
"""Kinds of polygons, as codes of the raster that they are drawn from."""

KINDS = {MINE: "mine", GROUND: "doubtful ground"}

STRIP_ROWS = 512

STEP = "looking for doubtful ground"

NARROWEST = 3
"""Doubtful ground narrower than this many pixels is left out: every border between two classes is a little doubtful."""


@dataclass(frozen=True)
class ReviewOptions:
    """What goes into the queue.

    Attributes:
        classes: Keys of the classes whose polygons are all in it, sure or not; by default the legend's mines.
        below: Ground of the other classes is in it where the confidence is below this.
        minimum_m2: Smaller polygons are left out; pixels instead of m2 for a map without a CRS.
        most: Number of polygons at most, the first of the order.
        split: Raster of the split of the ground (``samples/splits/<scene>.tif``), on the map's grid: tells how much of
            a polygon is validation or test ground, on which corrections do not count. None leaves that open.
        legend: The map's classes, by default those stored in it.
    """

    classes: Sequence[str] | None = None
    below: float = 0.7
    minimum_m2: float = 1000.0
    most: int = 500
    split: str | Path | None = None
    legend: Legend | None = None

    def __post_init__(self) -> None:
        if not 0 < self.below <= 1:
            raise ProjectError(f"The confidence below which ground is doubtful is {self.below:g}.", "Above 0, up to 1.")
        if self.most < 1 or self.minimum_m2 < 0:
            raise ProjectError(
                f"The queue has at most {self.most} polygons of at least {self.minimum_m2:g} m2.",
                "At least one polygon, of an area from 0 on.",
            )


@dataclass(frozen=True)
class Review:
    """A queue as it was written.

    Attributes:
        path: The file.
        polygons: Number of polygons by kind.
        left_out: Polygons beyond ``most``.
        area: Area of the polygons in ``unit``.
        doubt: Area of their doubtful ground that is expected to be wrong.
        unit: ``ha`` or ``pixels``.
    """

    path: Path
    polygons: dict[str, int]
    left_out: int
    area: float
    doubt: float
    unit: str

    def summary(self) -> str:
        """One line for the screen."""
        then = "."
        if self.unit == "ha":
            then = ", then give the file as `corrections` of the site in the project file."
        kinds = ", ".join(f"{number} {kind}" for kind, number in self.polygons.items())
        more = f" ({self.left_out} more polygons left out)" if self.left_out else ""
        return (
            f"{self.path}: {sum(self.polygons.values())} polygons ({kinds}), {self.area:.1f} {self.unit}{more}; of "
            f"their doubtful ground {self.doubt:.1f} {self.unit} are expected to be wrong. Fill in the field "
            f"`reference` in QGIS{then}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"path": str(self.path)}


def review(
    map_path: str | Path,
    confidence: str | Path,
    out_gpkg: str | Path,
    options: ReviewOptions | None = None,
    observer: Observer = SILENT,
) -> Review:
    """Write the review queue of a map to the layer ``review`` of a GeoPackage.

    Ground is doubtful where the confidence is below a limit over at least ``NARROWEST`` pixels each way. A polygon is a
    mine (a region of pixels of the mine classes that share edges), or a region of doubtful ground outside the mines.
    The order is that of the area of doubtful ground in it that is expected to be wrong, the sum of 1 - confidence: what
    is least sure and largest comes first, and mines of which the network is sure come last, the larger first.

    Columns: ``rank`` (1 is the first to look at), ``kind``, ``class`` and ``name`` (the mapped class that most of it
    has), ``held_back`` (share of it that is validation or test ground, where the split is given), ``confidence``
    (mean), ``area_ha`` and ``doubt_ha`` (``area_px`` and ``doubt_px`` without a CRS), ``pixels``; and to be filled in:
    ``reference`` (key of a class from a list, or ``?`` for ground that nobody can tell), ``comment``.
    An outline may be changed, a polygon split, and new ones may be drawn. A table keeps the map's name and the options.

    Args:
        map_path: Land-cover codes, uint8.
        confidence: The confidence that was written together with the map.
        out_gpkg: The file, which must not exist: nobody's work is replaced.
        options: See ``ReviewOptions``.
        observer: Told of the progress.

    Raises:
        ImageError: A raster cannot be read, or map and confidence do not fit together.
        LabelError: The map's classes are not known, or lack one of the mine classes.
        OutputError: The file cannot be written, or exists.
    """
    options = options or ReviewOptions()
    map_path, confidence, out_gpkg = Path(map_path), Path(confidence), Path(out_gpkg)
    refuse_to_replace(out_gpkg, "the queue", ".gpkg")
    legend = map_legend(map_path, options.legend)
    mines = mine_classes(map_path, legend, options.classes)
    info = describe(map_path)
    if not confidence.exists():
        raise ImageError(
            f"There is no confidence {confidence}.",
            "The raster that is written together with the map where it is asked for, as a study always does.",
            "Make the map again with its confidence, or say where the confidence is.",
            ["confidence"],
        )
    check_confidence(confidence, info)
    if options.split is not None and not describe(Path(options.split)).grid.same_as(info.grid):
        raise ImageError(f"The split {options.split} has another grid than the map {map_path}.")
    scale = describe(confidence).scales[0]
    with tempfile.TemporaryDirectory(prefix="pitmap-review-") as folder:
        kinds_file, doubtful_file = Path(folder) / "kinds.tif", Path(folder) / "doubtful.tif"
        codes = [c.code for c in mines]
        _draw(map_path, confidence, kinds_file, doubtful_file, info.grid, codes, options.below / scale, observer)
        found = [(kind, shapely.geometry.shape(p)) for kind, p in code_polygons(kinds_file, sorted(KINDS))]
        kinds = np.array([kind for kind, _ in found], np.int64)
        polygons = np.array([polygon for _, polygon in found], dtype=object)
        table = _table(info, confidence, doubtful_file, legend, kinds, polygons, options)
    observer.progress(STEP, 1.0)
    kept = table[: options.most]
    unit = "px" if info.grid.crs is None else "ha"
    settings = {
        "pitmap": __version__,
        "map": map_path.name,
        "map_sha256": map_checksum(map_path),
        "image": info.tags.get(IMAGE_TAG),
        "classes": [c.key for c in mines],
        "below": options.below,
        "minimum_m2": options.minimum_m2,
    }
    write_queue(out_gpkg, kept, legend, settings)
    return Review(
        out_gpkg,
        {name: int((kept["kind"] == name).sum()) for name in KINDS.values()},
        len(table) - len(kept),
        float(kept[f"area_{unit}"].sum()),
        float(kept[f"doubt_{unit}"].sum()),
        "pixels" if unit == "px" else "ha",
    )


def _draw(
    map_path: Path,
    confidence: Path,
    kinds_file: Path,
    doubtful_file: Path,
    grid: Grid,
    mines: Sequence[int],
    limit: float,
    observer: Observer,
) -> None:
    """Write the kind of each pixel and whether it is doubtful, strip by strip."""
    with (
        open_raster(map_path, [1]) as codes_reader,
        open_raster(confidence) as confidence_reader,
        create_plain(kinds_file, grid, Layout(1, "uint8", 0)) as kinds_writer,
        create_plain(doubtful_file, grid, Layout(1, "uint8", 0)) as doubtful_writer,
    ):
        for row in range(0, grid.height, STRIP_ROWS):
            strip = Window(row, 0, min(STRIP_ROWS, grid.height - row), grid.width)
            # Whether a pixel survives the opening depends on its neighbours up to two pixels away.
            top, bottom = min(NARROWEST, row), min(NARROWEST, grid.height - row - strip.height)
            wider = Window(row - top, 0, top + strip.height + bottom, grid.width)
            codes, sure = codes_reader.read(wider)[0][0], confidence_reader.read(wider)[0][0]
            known = (codes > 0) & (sure > 0)
            is_mine = known & np.isin(codes, mines)
            # Apart, so that the border of a mine is no wider than it is on either side.
            square = np.ones((NARROWEST, NARROWEST), np.bool_)
            unsure = known & (sure < limit)
            doubtful = binary_opening(unsure & ~is_mine, square) | binary_opening(unsure & is_mine, square)
            kinds = np.where(is_mine, MINE, np.where(doubtful, GROUND, 0)).astype(np.uint8)
            inner = slice(top, top + strip.height)
            kinds_writer.write(kinds[inner], strip)
            doubtful_writer.write(doubtful[inner].astype(np.uint8), strip)
            observer.progress(STEP, 0.7 * (row + strip.height) / grid.height)


def _table(
    info: RasterInfo,
    confidence: Path,
    doubtful_file: Path,
    legend: Legend,
    kinds: NDArray[np.int64],
    polygons: NDArray[np.object_],
    options: ReviewOptions,
) -> Any:
    """The queue in its order, as a GeoDataFrame."""
    import geopandas as gpd
    import pandas as pd

    grid = info.grid
    pixels = np.rint(shapely.area(polygons) / abs(grid.transform.determinant))
    if grid.crs is None:
        area, unit, suffix = pixels, 1.0, "px"
    else:
        # Twice the least area by the pixel's nominal size is too much to be left out for a map far from true to scale.
        nominal = pixels * (grid.pixel_size_m or 1.0) ** 2
        near = nominal >= 0.5 * options.minimum_m2
        kinds, polygons, pixels = kinds[near], polygons[near], pixels[near]
        edge = LONGEST_EDGE * abs(grid.transform.determinant) ** 0.5
        area, unit, suffix = measure(polygons, grid.crs, edge).area_m2, 10_000.0, "ha"
    large = area >= options.minimum_m2
    kinds, polygons, pixels, area = kinds[large], polygons[large], pixels[large], area[large]
    codes = code_counts(polygons, info.path, grid)
    sure, doubt = zonal_confidence(polygons, confidence, info, doubtful_file)
    doubt = doubt * area / pixels
    bounds = shapely.bounds(polygons).reshape(-1, 4)
    order = np.lexsort((bounds[:, 0], -bounds[:, 3], -area, -doubt))
    most = codes[order, 1 : len(legend) + 1].argmax(axis=1)
    keys, names = np.array(legend.keys, dtype=object), np.array([c.name for c in legend], dtype=object)
    number = len(order)
    held_back = {}
    if options.split is not None:
        ground = code_counts(polygons, Path(options.split), grid)[order]
        held_back["held_back"] = ground[:, [Split.VALIDATION, Split.TEST]].sum(axis=1) / pixels[order]
    return gpd.GeoDataFrame(
        {
            "rank": np.arange(1, number + 1),
            "kind": np.array([KINDS[int(k)] for k in kinds[order]], dtype=object),
            "class": keys[most],
            "name": names[most],
            **held_back,
            "confidence": sure[order],
            f"area_{suffix}": area[order] / unit,
            f"doubt_{suffix}": doubt[order] / unit,
            "pixels": pixels[order].astype(np.int64),
            review_queue.FIELD: pd.array([None] * number, dtype=object),
            "comment": pd.array([""] * number, dtype=object),
        },
        geometry=polygons[order],
        crs=None if grid.crs is None else grid.crs.to_wkt(),
    )


def write_queue(path: Path, table: Any, legend: Legend, settings: dict[str, Any]) -> None:
    """Write a queue with its style and the table of its settings.

    Raises:
        OutputError: The file cannot be written.
    """
    import pandas as pd

    kept = pd.DataFrame(
        {"key": list(settings), "value": [json.dumps(v, ensure_ascii=False) for v in settings.values()]}
    )
    columns = [c for c in table.columns if c != table.geometry.name]
    style = review_style(legend, columns)
    write_layers(
        path,
        {review_queue.LAYER: table, review_queue.TABLE: kept},
        {review_queue.LAYER: style},
        {review_queue.LAYER: "Polygon"},
    )


def review_style(legend: Legend, columns: Sequence[str]) -> str:
    """QGIS style (QML) of a queue: outlines only, so that the image shows, red until a class is chosen, then green.

    The form offers the classes by name; what pitmap measured cannot be edited.
    """
    unanswered = f"coalesce(\"{review_queue.FIELD}\", '') = ''"
    doubtful = f"{unanswered} AND coalesce(\"kind\", '') <> 'mine'"
    rules = [
        ("mine, to be checked", f"{unanswered} AND \"kind\" = 'mine'", outline(TO_CHECK)),
        ("doubtful ground, to be checked", doubtful, outline(TO_CHECK, dashed=True)),
        ("checked", f"NOT {unanswered}", outline(DONE)),
    ]
    answers = [*((c.name, c.key) for c in legend), ("cannot be told", review_queue.CANNOT_BE_TOLD)]
    widgets = {review_queue.FIELD: value_list(answers), "comment": LONG_TEXT}
    shown = {name: rounded(decimals) for name, decimals in _DECIMALS.items() if name in columns}
    names = {name: alias for name, alias in _NAMES.items() if name in columns}
    locked = [c for c in columns if c not in widgets]
    title = "'No. ' || \"rank\" || ' · ' || \"name\""
    return vector_style(
        by_rule(rules),
        form=form(columns, shown | widgets, locked=locked, names=names),
        naming=Naming(title, f'<b>[% {title} %]</b><br>confidence [% format_number(100 * "confidence", 0) %] %'),
        labelled=labels('"rank"', size_pt=8),
    )


_NAMES = {
    "rank": "No.", "name": "land cover", "held_back": "validation and test ground (share)",
    "confidence": "mean confidence", "area_ha": "area (ha)", "doubt_ha": "doubtful (ha)", "area_px": "area (pixels)",
    "doubt_px": "doubtful (pixels)",
}  # fmt: skip
_DECIMALS = {
    "held_back": 2, "confidence": 2, "area_ha": 2, "doubt_ha": 2, "area_px": 0, "doubt_px": 0,
}  # fmt: skip
