"""Mine polygons from a land-cover map: areas and perimeters on the ellipsoid, and how sure the network was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pitmap.errors import ImageError, LabelError
from pitmap.files import scratch
from pitmap.geopackage import write_layers
from pitmap.grid import Grid, Window
from pitmap.legend import LandCoverClass, Legend
from pitmap.mapping.confidence import check_confidence
from pitmap.mapping.measures import at_least
from pitmap.mapping.mine_style import mine_style
from pitmap.mapping.outlines import Simplification, simplify_shelf
from pitmap.mapping.shelf import Shelf
from pitmap.observer import SILENT, Observer
from pitmap.raster.codes import IMAGE_TAG, read_legend
from pitmap.raster.reading import RasterInfo, describe, open_raster
from pitmap.raster.regions import Regions, Strip, regions, strips
from pitmap.vectors import read_frame

if TYPE_CHECKING:
    import geopandas as gpd

LAYER, LAND_COVER = "mines", "land_cover"
"""Layers of mines, and of polygons of all classes."""

STEP = "mine polygons"

WRITING = 0.8
"""Share of the work that is done when the polygons are known and only to be written."""

BATCH = 5000
"""Polygons written at once."""


@dataclass(frozen=True)
class Mines:
    """The mines of a map as they were written.

    Attributes:
        path: The GeoPackage.
        count: Number of polygons.
        area_ha: Their area on the ellipsoid, None without a CRS.
        pixels: Their pixels.
        simplification: What simpler outlines changed, None where they follow the pixels.
        layer: ``mines``, or ``land_cover`` for polygons of all classes.
    """

    path: Path
    count: int
    area_ha: float | None
    pixels: int
    simplification: Simplification | None = None
    layer: str = LAYER

    @cached_property
    def table(self) -> gpd.GeoDataFrame:
        """The layer, in the order of ``id``, read from the file when it is first asked for."""
        return read_frame(self.path, self.layer)

    def summary(self) -> str:
        """One line for the screen."""
        amount = f"{self.pixels} pixels" if self.area_ha is None else f"{self.area_ha:.1f} ha"
        more = "" if self.simplification is None else f" {self.simplification.sentence()}"
        what = "mine polygon(s)" if self.layer == LAYER else "land-cover polygon(s)"
        return f"{self.count} {what}, {amount}, in {self.path}.{more}"

    def to_json(self) -> dict[str, Any]:
        """Plain values: the file, its totals, and a row a mine without its outline."""
        rows = read_frame(self.path, self.layer, geometry=False).to_dict("records")
        return {
            "path": str(self.path),
            "count": self.count,
            "area_ha": self.area_ha,
            "pixels": self.pixels,
            "simplification": None if self.simplification is None else asdict(self.simplification),
            self.layer: [
                {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in row.items()}
                for row in rows
            ],
        }


def extract_mines(
    map_path: str | Path,
    out_gpkg: str | Path,
    *,
    classes: Sequence[str] | None = None,
    minimum_mapping_unit_m2: float = 0.0,
    minimum_mapping_unit_pixels: int = 0,
    confidence: str | Path | None = None,
    legend: Legend | None = None,
    attributes: Mapping[str, str] | None = None,
    simplify_m: float | None = None,
    all_classes: bool = False,
    observer: Observer = SILENT,
) -> Mines:
    """Write the polygons of the mine classes of a map to the layer ``mines`` of a GeoPackage.

    A polygon is a region of pixels of one class that share edges; two regions that touch at a corner are two mines.
    Edges follow the pixels, so that the polygons hold exactly the map's pixels. Holes are kept whatever their size: the
    minimum mapping unit applies to the area of whole polygons, without their holes. The layer carries a style that QGIS
    applies on opening, see ``mine_style``. The map is read strip by strip and the polygons wait on the disk, so that
    memory does not grow with the map; of each mine only its numbers are kept, and its outline while it is read.

    Columns: ``id`` (1 is the largest), ``class``, ``name``, ``pixels``; for maps with a CRS ``area_m2``, ``area_ha``
    and ``perimeter_m`` on the WGS 84 ellipsoid; ``confidence``, the mean over the pixels, where it is given;
    ``attributes``.
    With ``simplify_m`` the outlines do not follow the stairs of the pixels: the perimeter is that of the simpler
    outline, the areas stay those of the pixels, and ``outline_change_pct`` says by how much the outline holds more.
    All outlines are in memory then, because those that touch keep their common borders.
    Without a CRS the geometry is in pixel coordinates, x = column and y = row. Without a mine the layer is empty.

    Args:
        map_path: Land-cover codes, uint8.
        out_gpkg: The file.
        classes: Keys of the classes that are mines, by default those of the legend (``Legend.mine_keys``).
        minimum_mapping_unit_m2: Polygons with a smaller area are left out; without effect on a map without a CRS.
        minimum_mapping_unit_pixels: Polygons with fewer pixels are left out.
        confidence: The confidence that was written together with the map.
        legend: The map's classes, by default those stored in it.
        attributes: Further columns, each with one value for all polygons; by default ``image``, where the map names it.
        simplify_m: Tolerance in metres (pixels without a CRS), see ``simplify.simplified``; None keeps the stairs.
        all_classes: Polygons of all classes, in the layer ``land_cover``: they share their borders, simplified or not,
            and cover the mapped ground without gaps where no smaller ones are left out.
        observer: Told of the progress.

    Returns:
        The file and what is in it.

    Raises:
        ImageError: A raster cannot be read, or map and confidence do not fit together.
        LabelError: The map's classes are not known, or lack one of ``classes``.
        OutputError: The file cannot be written.
    """
    map_path, out_gpkg = Path(map_path), Path(out_gpkg)
    legend = map_legend(map_path, legend)
    if all_classes:
        classes = legend.keys
    chosen = {c.code: c for c in mine_classes(map_path, legend, classes)}
    name = LAND_COVER if all_classes else LAYER
    if not chosen:
        raise LabelError(
            f"None of the classes of {map_path} is called a pit, mine or quarry: {', '.join(legend.keys)}.",
            remedy="Name the classes that are mines by their keys.",
        )
    info = describe(map_path)
    if info.dtype != "uint8":
        raise ImageError(f"{map_path} holds {info.dtype} pixels.", "Class codes of type uint8, as a map has them.")
    if confidence is not None:
        check_confidence(Path(confidence), info)
    if attributes is None:
        attributes = {"image": info.tags[IMAGE_TAG]} if IMAGE_TAG in info.tags else {}
    sure = None if confidence is None else Path(confidence)
    scale = None if sure is None else describe(sure).scales[0]
    simplification = None
    with scratch(out_gpkg.parent) as file, scratch(out_gpkg.parent) as simpler:
        shelf = Shelf(file)
        found = _regions(info, sorted(chosen), sure, observer)
        known = _shelved(found, shelf, info.grid, minimum_mapping_unit_m2, minimum_mapping_unit_pixels)
        if simplify_m is not None:
            shelf, simplification = simplify_shelf(shelf, Shelf(simpler), known, simplify_m, info.grid, chosen)
        layer = _batches(known, shelf, chosen, attributes, info.grid, scale, observer)
        fields = _fields(info.grid, confidence is not None, simplify_m is not None, attributes)
        style = mine_style(list(chosen.values()), fields, covering=all_classes)
        write_layers(out_gpkg, {name: layer}, {name: style}, {name: "Polygon"})
    observer.progress(STEP, 1.0)
    area_ha = None if info.grid.crs is None else float(known["area_m2"].sum()) / 10_000
    return Mines(out_gpkg, len(shelf), area_ha, int(known["pixels"].sum()), simplification, name)


def _regions(info: RasterInfo, codes: Sequence[int], confidence: Path | None, observer: Observer) -> Iterator[Regions]:
    """Regions of some codes, the first batch empty.

    Where there is a confidence they have two amounts: the sum of its steps, and the pixels that have one.
    """
    wanted = np.zeros(256, np.uint8)
    wanted[codes] = codes
    yield Regions.none(0 if confidence is None else 2)
    with (
        open_raster(info.path, [1], zero_is_void=False) as reader,
        contextlib.nullcontext() if confidence is None else open_raster(confidence) as sure_reader,
    ):

        def strip(window: Window) -> Strip:
            pixels, valid = reader.read(window)
            observer.progress(STEP, WRITING * window.row / info.grid.height)
            if sure_reader is None:
                return Strip(wanted[pixels[0]] * valid)
            sure = sure_reader.read(window)[0][0]
            return Strip(wanted[pixels[0]] * valid, (sure, sure > 0))

        yield from regions(map(strip, strips(info.grid.shape)), info.grid.transform)


def _shelved(
    found: Iterable[Regions], shelf: Shelf, grid: Grid, minimum_m2: float, minimum_pixels: int
) -> dict[str, NDArray[Any]]:
    """Put the polygons of mines on the shelf; give back all else that is known of them, in the same order."""
    rows: list[dict[str, NDArray[Any]]] = []
    for batch in found:
        kept = batch.where(batch.pixels >= minimum_pixels)
        sizes = {}
        if grid.crs is not None:
            kept, measures = at_least(kept, grid, minimum_m2)
            sizes = {"area_m2": measures.area_m2, "perimeter_m": measures.perimeter_m}
        shelf.put(kept.polygons)
        rows.append({"code": kept.codes, "pixels": kept.pixels, "first": kept.first, "sums": kept.sums, **sizes})
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _fields(grid: Grid, with_confidence: bool, simplified: bool, attributes: Iterable[str]) -> list[str]:
    """Columns of the layer, in their order."""
    sizes = [] if grid.crs is None else ["area_m2", "area_ha", "perimeter_m"]
    more = [*(["outline_change_pct"] if simplified else []), *(["confidence"] if with_confidence else [])]
    return ["id", "class", "name", "pixels", *sizes, *more, *attributes]


def _batches(
    known: Mapping[str, NDArray[Any]],
    shelf: Shelf,
    classes: Mapping[int, LandCoverClass],
    attributes: Mapping[str, str],
    grid: Grid,
    confidence_scale: float | None,
    observer: Observer,
) -> Iterator[gpd.GeoDataFrame]:
    """The layer, the largest mine first; among equals from north to south and west to east by their first pixels."""
    import geopandas as gpd

    size = known.get("area_m2", known["pixels"])
    order = np.lexsort((known["first"][:, 1], known["first"][:, 0], -size))
    for start in range(0, max(len(order), 1), BATCH):
        rows = order[start : start + BATCH]
        described: dict[str, Any] = {
            "id": np.arange(start + 1, start + 1 + len(rows)),
            "class": [classes[int(code)].key for code in known["code"][rows]],
            "name": [classes[int(code)].name for code in known["code"][rows]],
            "pixels": known["pixels"][rows],
        }
        if grid.crs is not None:
            area_m2 = known["area_m2"][rows]
            described |= {"area_m2": area_m2, "area_ha": area_m2 / 10_000, "perimeter_m": known["perimeter_m"][rows]}
        if "outline_change_pct" in known:
            described["outline_change_pct"] = known["outline_change_pct"][rows]
        if confidence_scale is not None:
            total, stated = known["sums"][rows].T
            mean = np.divide(total, stated, out=np.full(len(rows), np.nan), where=stated > 0)
            described["confidence"] = mean * confidence_scale
        described |= {name: [value] * len(rows) for name, value in attributes.items()}
        crs = None if grid.crs is None else grid.crs.to_wkt()
        frame = gpd.GeoDataFrame(described, geometry=shelf.take(rows), crs=crs)
        for name in ("class", "name", *attributes):
            frame[name] = frame[name].astype(object)  # an empty list would become a column of numbers
        yield frame
        observer.progress(STEP, WRITING + (1 - WRITING) * (start + len(rows)) / max(len(order), 1))


def map_legend(map_path: Path, legend: Legend | None = None) -> Legend:
    """The classes of a map: those given, or those stored in it.

    Raises:
        LabelError: There are none.
    """
    legend = legend or read_legend(map_path)
    if legend is None:
        raise LabelError(
            f"{map_path} does not say what its codes mean.",
            "A map of `pitmap map`, which holds its legend, or a legend given with it.",
            "Give the project file whose classes the map has.",
        )
    return legend


def mine_classes(map_path: Path, legend: Legend, classes: Sequence[str] | None) -> list[LandCoverClass]:
    """The classes of a map that are mines, by default those that the legend calls so.

    Raises:
        LabelError: The legend lacks one of ``classes``.
    """
    classes = legend.mine_keys if classes is None else classes
    if unknown := [key for key in classes if key not in legend.keys]:
        raise LabelError(
            f"The legend of {map_path} has no class {', '.join(unknown)}.",
            f"It has {', '.join(legend.keys)}.",
            "Name the classes that are mines by their keys.",
        )
    return [legend[key] for key in classes]
