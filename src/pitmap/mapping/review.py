"""A review queue: mines and doubtful ground of a map, the least sure and largest first, to be corrected in QGIS.

What an analyst fills in goes back as labels of the next training (``corrections`` of a site in the project file, see
``samples.corrections``).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_opening

from pitmap import __version__, review_queue
from pitmap.accuracy.sampling.strata import map_checksum
from pitmap.errors import ImageError, ProjectError
from pitmap.files import refuse_to_replace
from pitmap.geopackage import write_layers
from pitmap.grid import Window
from pitmap.legend import Legend
from pitmap.mapping.confidence import check_confidence
from pitmap.mapping.measures import at_least
from pitmap.mapping.mines import map_legend, mine_classes
from pitmap.observer import SILENT, Observer
from pitmap.qgis.forms import LONG_TEXT, form, rounded, value_list
from pitmap.qgis.vector import DONE, TO_CHECK, Naming, by_rule, labels, outline, vector_style
from pitmap.raster.codes import IMAGE_TAG
from pitmap.raster.reading import RasterInfo, describe, open_raster
from pitmap.raster.regions import Regions, Strip, regions, strips
from pitmap.samples.split import Split

MINE, GROUND = 1, 2
"""Kinds of polygons, as codes of their regions."""

KINDS = {MINE: "mine", GROUND: "doubtful ground"}

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
    queue = _Queue(info, legend, describe(confidence).scales[0], options)
    for found in _regions(info, confidence, [c.code for c in mines], legend, options, observer):
        queue.add(found)
    kept = queue.table()
    observer.progress(STEP, 1.0)
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
        queue.left_out,
        float(kept[f"area_{unit}"].sum()),
        float(kept[f"doubt_{unit}"].sum()),
        "pixels" if unit == "px" else "ha",
    )


CONFIDENCE, DOUBTFUL, DOUBTFUL_CONFIDENCE, HELD_BACK, CLASSES = range(5)
"""Amounts of a region: sum of the confidence, pixels that are doubtful, sum of the confidence over them, pixels of
validation and test ground; from ``CLASSES`` on pixels of each class of the map. Confidence counts in its own steps.
"""


def _regions(
    info: RasterInfo,
    confidence: Path,
    mines: Sequence[int],
    legend: Legend,
    options: ReviewOptions,
    observer: Observer,
) -> Iterator[Regions]:
    """Mines and doubtful ground, strip by strip; the first batch is empty."""
    grid = info.grid
    limit = options.below / describe(confidence).scales[0]
    square = np.ones((NARROWEST, NARROWEST), np.bool_)
    yield Regions.none(CLASSES + len(legend))
    with (
        open_raster(info.path, [1]) as codes_reader,
        open_raster(confidence) as confidence_reader,
        contextlib.nullcontext() if options.split is None else open_raster(Path(options.split), [1]) as split_reader,
    ):

        def strip(window: Window) -> Strip:
            # Whether a pixel survives the opening depends on its neighbours up to two pixels away.
            top, bottom = min(NARROWEST, window.row), min(NARROWEST, grid.height - window.row - window.height)
            wider = Window(window.row - top, 0, top + window.height + bottom, grid.width)
            inner = slice(top, top + window.height)
            codes, sure = codes_reader.read(wider)[0][0], confidence_reader.read(wider)[0][0]
            known = (codes > 0) & (sure > 0)
            is_mine = known & np.isin(codes, mines)
            # Apart, so that the border of a mine is no wider than it is on either side.
            unsure = known & (sure < limit)
            doubtful = binary_opening(unsure & ~is_mine, square) | binary_opening(unsure & is_mine, square)
            kinds = np.where(is_mine, np.uint8(MINE), doubtful * np.uint8(GROUND))[inner]
            codes, sure, doubtful = codes[inner], sure[inner], doubtful[inner]
            split = np.zeros_like(codes) if split_reader is None else split_reader.read(window)[0][0]
            held_back = (split == Split.VALIDATION) | (split == Split.TEST)
            observer.progress(STEP, (window.row + window.height) / grid.height)
            by_class = [codes == c.code for c in legend]
            return Strip(kinds, (sure, doubtful, sure * doubtful, held_back, *by_class))

        yield from regions(map(strip, strips(grid.shape)), grid.transform)


class _Queue:
    """The first polygons of the queue among those seen so far.

    Attributes:
        left_out: Number of polygons that are large enough, but beyond the most that are kept.
    """

    def __init__(self, info: RasterInfo, legend: Legend, scale: float, options: ReviewOptions) -> None:
        self._grid, self._legend, self._scale, self._options = info.grid, legend, scale, options
        self._found = Regions.none(CLASSES + len(legend))
        self._area = self._doubt = np.zeros(0)
        self.left_out = 0

    def add(self, found: Regions) -> None:
        """Take in regions, and drop those that are beyond the most."""
        if self._grid.crs is None:
            found = found.where(found.pixels >= self._options.minimum_m2)
            area = found.pixels.astype(np.float64)
        else:
            found, measures = at_least(found, self._grid, self._options.minimum_m2)
            area = measures.area_m2
        wrong = found.sums[:, DOUBTFUL] - self._scale * found.sums[:, DOUBTFUL_CONFIDENCE]
        everything = Regions.together([self._found, found])
        areas = np.concatenate([self._area, area])
        doubts = np.concatenate([self._doubt, wrong * area / found.pixels])
        order = np.lexsort((everything.first[:, 1], everything.first[:, 0], -areas, -doubts))[: self._options.most]
        self.left_out += len(everything) - len(order)
        self._found, self._area, self._doubt = everything.where(order), areas[order], doubts[order]

    def table(self) -> Any:
        """The queue in its order, as a GeoDataFrame."""
        import geopandas as gpd
        import pandas as pd

        found, grid, legend = self._found, self._grid, self._legend
        unit, suffix = (1.0, "px") if grid.crs is None else (10_000.0, "ha")
        most = found.sums[:, CLASSES:].argmax(axis=1)
        keys, names = np.array(legend.keys, dtype=object), np.array([c.name for c in legend], dtype=object)
        number = len(found)
        held_back = {} if self._options.split is None else {"held_back": found.sums[:, HELD_BACK] / found.pixels}
        return gpd.GeoDataFrame(
            {
                "rank": np.arange(1, number + 1),
                "kind": np.array([KINDS[int(k)] for k in found.codes], dtype=object),
                "class": keys[most],
                "name": names[most],
                **held_back,
                "confidence": self._scale * found.sums[:, CONFIDENCE] / found.pixels,
                f"area_{suffix}": self._area / unit,
                f"doubt_{suffix}": self._doubt / unit,
                "pixels": found.pixels,
                review_queue.FIELD: pd.array([None] * number, dtype=object),
                "comment": pd.array([""] * number, dtype=object),
            },
            geometry=found.polygons,
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
