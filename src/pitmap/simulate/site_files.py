"""A simulated site as files: image, land-use map, mine outlines, elevation and label raster."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import shapely
import shapely.geometry
from pyproj import CRS
from rasterio.features import shapes

from pitmap.files import make_folder
from pitmap.geopackage import write_layers
from pitmap.legend import DEFAULT_LEGEND
from pitmap.qgis.forms import form, rounded
from pitmap.qgis.vector import by_category, filled, labels, outline, single, vector_style
from pitmap.raster.codes import codes_layout
from pitmap.raster.looks import image_layout
from pitmap.raster.reading import describe
from pitmap.raster.regions import Regions, code_regions
from pitmap.raster.writing import Layout, write_cog
from pitmap.simulate.landscape import Landscape
from pitmap.simulate.spectra import BANDS

REFLECTANCE_SCALE = 1e-4
"""Reflectance of one digital number of the image."""

EGM96_HEIGHT = 5773
"""EPSG code of heights above the geoid EGM96."""


@dataclass(frozen=True)
class SiteFiles:
    """Where the files of a site lie.

    Attributes:
        image: Reflectance x 10000, uint16, blue, green, red and NIR, nodata 0.
        landuse: GeoPackage, layer ``landuse``: polygons of all classes, field ``class`` holds the key.
        mines: GeoPackage, layer ``mines``: one feature a pit, with its number ``id`` and ``area_m2`` on the ellipsoid.
        labels: Land-cover codes, uint8.
        elevation: Heights above EGM96 in metres, float32; the CRS says so.
    """

    image: Path
    landuse: Path
    mines: Path
    labels: Path
    elevation: Path


def write_site(folder: Path, landscape: Landscape, name: str) -> SiteFiles:
    """Write a site as a user would have it.

    ``NAME.tif``, and beside it ``NAME-landuse.gpkg``, ``NAME-mines.gpkg``, ``NAME-labels.tif`` and ``NAME-dem.tif``.
    Polygons follow the pixel edges: rasterised on the image's grid they give the codes back exactly.

    Args:
        folder: Created where missing.
        landscape: The site.
        name: First part of the file names.

    Raises:
        OutputError: The folder or a file cannot be written.
    """
    make_folder(folder)
    ends = (".tif", "-landuse.gpkg", "-mines.gpkg", "-labels.tif", "-dem.tif")
    files = SiteFiles(*(folder / f"{name}{end}" for end in ends))
    grid = landscape.grid
    tags = {"PITMAP_SIMULATION": json.dumps(asdict(landscape.parameters), default=str)}
    dn = np.clip(np.rint(landscape.reflectance / REFLECTANCE_SCALE), 1, 65_535).astype(np.uint16)
    write_cog(files.image, dn, grid, image_layout(BANDS, scale=REFLECTANCE_SCALE, tags=tags))
    write_cog(files.labels, landscape.codes, grid, codes_layout(DEFAULT_LEGEND, tags))
    heights = replace(grid, crs=CRS.from_user_input(f"EPSG:{landscape.parameters.epsg}+{EGM96_HEIGHT}"))
    write_cog(files.elevation, landscape.elevation, heights, Layout(1, "float32", -9999, ("elevation",), tags=tags))
    _write_landuse(files)
    _write_mines(files, landscape)
    return files


def _write_landuse(files: SiteFiles) -> None:
    import geopandas as gpd

    found = Regions.together(list(code_regions(files.labels, range(1, len(DEFAULT_LEGEND) + 1))))
    found = found.where(np.lexsort(found.first.T[::-1]))
    classes = [DEFAULT_LEGEND[int(code)] for code in found.codes]
    table = {"class": [c.key for c in classes], "name": [c.name for c in classes]}
    crs = describe(files.labels).grid.crs
    style = vector_style(by_category("class", [(c.key, c.name, filled(c.colour)) for c in DEFAULT_LEGEND]))
    layer = gpd.GeoDataFrame(table, geometry=found.polygons, crs=crs)
    write_layers(files.landuse, {"landuse": layer}, {"landuse": style})


def _write_mines(files: SiteFiles, landscape: Landscape) -> None:
    import geopandas as gpd

    ids = landscape.pit_ids
    pieces: dict[int, list[shapely.Geometry]] = {}
    for polygon, value in shapes(ids, ids > 0, connectivity=4, transform=landscape.grid.transform):
        pieces.setdefault(int(value), []).append(shapely.geometry.shape(polygon))
    areas = np.bincount(ids.ravel(), landscape.grid.pixel_areas_m2().ravel())
    numbers = sorted(pieces)
    table = {"id": numbers, "area_m2": [float(areas[number]) for number in numbers]}
    geometry = [shapely.union_all(pieces[number]) for number in numbers]
    style = vector_style(
        single(outline(DEFAULT_LEGEND["OPM"].colour)),
        form=form(["id", "area_m2"], {"area_m2": rounded(0)}, names={"id": "No.", "area_m2": "area (m²)"}),
        labelled=labels("'No. ' || \"id\" || ' · ' || format_number(\"area_m2\" / 10000, 1) || ' ha'"),
    )
    layer = gpd.GeoDataFrame(table, geometry=geometry, crs=landscape.grid.crs)
    write_layers(files.mines, {"mines": layer}, {"mines": style})
