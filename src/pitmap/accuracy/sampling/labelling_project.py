"""The QGIS project in which a sample is labelled: its points over the images, and nothing of the map."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pitmap.grid import place_of
from pitmap.observer import SILENT, Observer
from pitmap.paths import gdal_name
from pitmap.qgis.project import Layer, Project
from pitmap.qgis.saving import save
from pitmap.raster.looks import image_look, own_look
from pitmap.raster.reading import describe

if TYPE_CHECKING:
    import geopandas as gpd


def write_labelling_project(
    gpkg: Path,
    points: gpd.GeoDataFrame,
    style: str,
    images: Sequence[str | Path],
    bands: Sequence[int | str] | None,
    observer: Observer = SILENT,
) -> Path:
    """Write the project beside the GeoPackage of a sample, under its name; one saved in QGIS is left to its owner.

    It opens with the points in their form over the first image. It shows what the layer of the points shows, and the
    images: neither the map, nor the stratum of a point, nor how the ground was divided.

    Args:
        gpkg: The sample.
        points: Its layer, with the CRS.
        style: QML of the points.
        images: What the interpreter looks at; the first lies uppermost.
        bands: Their bands for red, green and blue.
        observer: Told of a project that is left to its owner.

    Returns:
        The ``.qgz``.

    Raises:
        ImageError: An image cannot be read.
        OutputError: The project cannot be written.
    """
    path = gpkg.with_suffix(".qgz")
    crs = None if points.crs is None else place_of(points.crs.to_wkt())
    layers, grids = [Layer("points", gpkg, "vector", style, crs, "points")], []
    for number, image in enumerate(map(Path, images)):
        grids.append(describe(image).grid)
        look = own_look(image) or image_look(image, bands)
        layers.append(Layer(Path(gdal_name(image)).stem, image, "raster", look, grids[-1].crs, visible=number == 0))
    west, south, east, north = (float(v) for v in points.total_bounds)
    seen = (grids[0].crs, grids[0].bounds) if grids else (crs, (west, south, east, north))
    project = Project(gpkg.stem, *seen, tuple(layers))
    save(path, hashlib.sha256(project.archive(path.parent)).hexdigest(), lambda: project, observer)
    return path
