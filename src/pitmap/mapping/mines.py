"""Mine polygons from a land-cover map: areas and perimeters on the ellipsoid, and how sure the network was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
import shapely.geometry
from numpy.typing import NDArray
from pyproj import CRS, Geod, Transformer

from pitmap.errors import LabelError
from pitmap.geopackage import write_layers
from pitmap.legend import LandCoverClass, Legend
from pitmap.mapping.mine_style import mine_style
from pitmap.mapping.zonal import zonal_confidence
from pitmap.raster.codes import IMAGE_TAG, code_polygons, read_legend
from pitmap.raster.reading import describe

if TYPE_CHECKING:
    import geopandas as gpd

LAYER = "mines"

LONGEST_EDGE = 32
"""Edges are cut to this many pixels before they are taken to the ellipsoid: a long straight edge of a map projection, a
parallel above all, is no geodesic."""


@dataclass(frozen=True)
class Measures:
    """Size of polygons.

    Attributes:
        area_m2: Area on the WGS 84 ellipsoid, float64 ``(polygon,)``.
        perimeter_m: Length of all rings on the ellipsoid, along pixel edges, float64 ``(polygon,)``.
    """

    area_m2: NDArray[np.float64]
    perimeter_m: NDArray[np.float64]


@dataclass(frozen=True)
class Mines:
    """The mines of a map as they were written.

    Attributes:
        path: The GeoPackage.
        count: Number of polygons.
        area_ha: Their area on the ellipsoid, None without a CRS.
        pixels: Their pixels.
        table: The layer, in the order of ``id``.
    """

    path: Path
    count: int
    area_ha: float | None
    pixels: int
    table: gpd.GeoDataFrame = field(repr=False, compare=False)

    def summary(self) -> str:
        """One line for the screen."""
        amount = f"{self.pixels} pixels" if self.area_ha is None else f"{self.area_ha:.1f} ha"
        return f"{self.count} mine polygon(s), {amount}, in {self.path}."

    def to_json(self) -> dict[str, Any]:
        """Plain values: the file, its totals, and a row a mine without its outline."""
        rows = self.table.drop(columns="geometry").to_dict("records")
        return {
            "path": str(self.path),
            "count": self.count,
            "area_ha": self.area_ha,
            "pixels": self.pixels,
            "mines": json.loads(json.dumps(rows, default=lambda number: number.item())),
        }


def measure(polygons: NDArray[np.object_], crs: CRS, longest_edge: float) -> Measures:
    """Areas and perimeters of polygons on the WGS 84 ellipsoid, holes taken out.

    Args:
        polygons: shapely polygons in map coordinates ``x, y``.
        crs: Their coordinate reference system, projected or geographic.
        longest_edge: Edges are cut to this length, in units of the CRS, before they are taken to the ellipsoid.
    """
    to_geographic = Transformer.from_crs(crs, CRS.from_epsg(4326), always_xy=True)
    geod = Geod(ellps="WGS84")
    areas, perimeters = np.zeros(len(polygons)), np.zeros(len(polygons))
    for index, polygon in enumerate(polygons):
        rings = [polygon.exterior, *polygon.interiors]
        for ring in rings:
            x, y = shapely.get_coordinates(shapely.segmentize(ring, longest_edge)).T
            area, perimeter = geod.polygon_area_perimeter(*to_geographic.transform(x, y))
            areas[index] += abs(area) if ring is rings[0] else -abs(area)
            perimeters[index] += perimeter
    return Measures(areas, perimeters)


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
) -> Mines:
    """Write the polygons of the mine classes of a map to the layer ``mines`` of a GeoPackage.

    A polygon is a region of pixels of one class that share edges; two regions that touch at a corner are two mines.
    Edges follow the pixels, so that the polygons hold exactly the map's pixels. Holes are kept whatever their size: the
    minimum mapping unit applies to the area of whole polygons, without their holes. The layer carries a style that QGIS
    applies on opening, see ``mine_style``.

    Columns: ``id`` (1 is the largest), ``class``, ``name``, ``pixels``; for maps with a CRS ``area_m2``, ``area_ha``
    and ``perimeter_m`` on the WGS 84 ellipsoid; ``confidence``, the mean over the pixels, where it is given;
    ``attributes``.
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

    Returns:
        The file and what is in it.

    Raises:
        ImageError: A raster cannot be read, or map and confidence do not fit together.
        LabelError: The map's classes are not known, or lack one of ``classes``.
        OutputError: The file cannot be written.
    """
    import geopandas as gpd

    map_path, out_gpkg = Path(map_path), Path(out_gpkg)
    legend = map_legend(map_path, legend)
    chosen = {c.code: c for c in mine_classes(map_path, legend, classes)}
    if not chosen:
        raise LabelError(
            f"None of the classes of {map_path} is called a pit, mine or quarry: {', '.join(legend.keys)}.",
            remedy="Name the classes that are mines by their keys.",
        )
    info = describe(map_path)
    grid = info.grid
    if attributes is None:
        attributes = {"image": info.tags[IMAGE_TAG]} if IMAGE_TAG in info.tags else {}
    found = [(code, shapely.geometry.shape(polygon)) for code, polygon in code_polygons(map_path, sorted(chosen))]
    codes = np.array([code for code, _ in found], np.int64)
    polygons = np.array([polygon for _, polygon in found], dtype=object)
    pixels = np.rint(shapely.area(polygons) / abs(grid.transform.determinant)).astype(np.int64)

    keep = pixels >= minimum_mapping_unit_pixels
    codes, polygons, pixels = codes[keep], polygons[keep], pixels[keep]
    columns: dict[str, Any] = {"pixels": pixels}
    if grid.crs is not None:
        pixel = abs(grid.transform.determinant) ** 0.5
        measures = measure(polygons, grid.crs, LONGEST_EDGE * pixel)
        keep = measures.area_m2 >= minimum_mapping_unit_m2
        codes, polygons = codes[keep], polygons[keep]
        columns = {
            "pixels": pixels[keep],
            "area_m2": measures.area_m2[keep],
            "area_ha": measures.area_m2[keep] / 10_000,
            "perimeter_m": measures.perimeter_m[keep],
        }
    if confidence is not None:
        columns["confidence"] = zonal_confidence(polygons, Path(confidence), info).confidence

    # Largest first; among equals from north to south and west to east, so that an id does not depend on the machine.
    size = columns.get("area_m2", columns["pixels"])
    bounds = shapely.bounds(polygons).reshape(-1, 4)
    order = np.lexsort((bounds[:, 0], -bounds[:, 3], -size))
    described = {
        "id": np.arange(1, len(order) + 1),
        "class": [chosen[int(code)].key for code in codes[order]],
        "name": [chosen[int(code)].name for code in codes[order]],
        **{name: values[order] for name, values in columns.items()},
        **{name: [value] * len(order) for name, value in attributes.items()},
    }
    mines = gpd.GeoDataFrame(described, geometry=polygons[order], crs=None if grid.crs is None else grid.crs.to_wkt())
    for name in ("class", "name", *attributes):
        mines[name] = mines[name].astype(object)  # an empty list would become a column of numbers

    style = mine_style(list(chosen.values()), [c for c in mines.columns if c != "geometry"])
    write_layers(out_gpkg, {LAYER: mines}, {LAYER: style}, {LAYER: "Polygon"})
    area_ha = float(mines["area_ha"].sum()) if grid.crs is not None else None
    return Mines(out_gpkg, len(mines), area_ha, int(mines["pixels"].sum()), mines)


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
