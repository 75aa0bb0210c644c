"""Footprints of patches as a GeoPackage that QGIS opens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from pitmap.geopackage import write_layers
from pitmap.legend import Legend
from pitmap.qgis.forms import form, rounded
from pitmap.qgis.vector import Naming, by_category, outline, vector_style
from pitmap.samples.patches import Patch
from pitmap.samples.split import SPLIT_LEGEND
from pitmap.study.scenes import Scene


def write_footprints(
    path: Path, legend: Legend, scenes: list[Scene], patches: list[Patch], class_pixels: list[NDArray[Any]], patch: int
) -> None:
    """Write one polygon a patch with site, scene, row, col, split, labelled pixels and class shares.

    Scenes without CRS have footprints in pixel coordinates (x = column, y = -row). Each coordinate system has a layer
    of its own: ``patches``, ``patches_2`` and so on.

    Raises:
        OutputError: The file cannot be written.
    """
    systems: dict[str, list[int]] = {}
    for i, p in enumerate(patches):
        crs = scenes[p.scene].info.grid.crs
        systems.setdefault("" if crs is None else crs.to_wkt(), []).append(i)
    layers = {}
    for number, (crs_text, members) in enumerate(systems.items(), start=1):
        rows = []
        for i in members:
            p, scene = patches[i], scenes[patches[i].scene]
            counts = np.asarray(class_pixels[i], np.float64)
            total = counts.sum()
            shares = counts / total if total else counts
            rows.append(
                {
                    "site": scene.site.name,
                    "scene": scene.name,
                    "row": p.row,
                    "col": p.col,
                    "split": p.split.label,
                    "labelled": int(total),
                    **{f"share_{k}": float(n) for k, n in zip(legend.keys, shares, strict=True)},
                    "geometry": _footprint(scene, p, patch),
                }
            )
        name = "patches" if number == 1 else f"patches_{number}"
        layers[name] = gpd.GeoDataFrame(rows, geometry="geometry", crs=crs_text or None)
    style = patch_style(legend, [c for c in next(iter(layers.values())).columns if c != "geometry"]) if layers else ""
    write_layers(path, layers, dict.fromkeys(layers, style))


def patch_style(legend: Legend, columns: Sequence[str]) -> str:
    """QGIS style (QML) of patches: outlines in the colours of the splits, so that the image shows."""
    shares = {f"share_{c.key}": f"{c.name} (share)" for c in legend}
    names = {"row": "first row", "col": "first column", "labelled": "labelled pixels", **shares}
    return vector_style(
        by_category("split", [(c.name, c.name, outline(c.colour, width_mm=0.3)) for c in SPLIT_LEGEND]),
        form=form(columns, dict.fromkeys(shares, rounded(3)), names=names),
        naming=Naming('"scene" || \', \' || "row" || \', \' || "col"', '<b>[% "split" %]</b> patch of [% "scene" %]'),
    )


def _footprint(scene: Scene, p: Patch, patch: int) -> Polygon:
    cols = np.array([p.col, p.col + patch, p.col + patch, p.col])
    rows = np.array([p.row, p.row, p.row + patch, p.row + patch])
    return Polygon(np.stack(scene.info.grid.pixel_centres(rows - 0.5, cols - 0.5), axis=-1))
