"""Labels of a scene on the scene's own pixel grid, from a land-use layer or a label raster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pitmap import landuse
from pitmap.errors import LabelError
from pitmap.grid import Grid
from pitmap.legend import UNLABELLED, Legend
from pitmap.raster.reading import describe, is_raster, read_onto
from pitmap.study.scenes import Scene
from pitmap.study.study import Study


def scene_labels(project: Study, scene: Scene) -> NDArray[np.uint8]:
    """Land-cover codes of a scene from its site's labels, extent and excluded ground.

    Returns:
        uint8 codes, ``(height, width)`` of the image; 0 is unlabelled.

    Raises:
        LabelError: The labels lie outside the image, hold values that no class is given for, or cannot be read.
    """
    site, grid, legend = scene.site, scene.info.grid, project.legend
    if scene.labels is None:
        return np.zeros(grid.shape, np.uint8)
    if scene.labels_are_raster:
        codes = raster_labels(scene.labels, grid, codes_of_values(legend, site.label_values))
    elif site.label_layers:
        layers = {layer: legend[key].code if key else UNLABELLED for layer, key in site.label_layers.items()}
        codes = landuse.burn_layers(scene.labels, layers, grid, all_touched=site.all_touched)
    else:
        layer = landuse.read_layer(scene.labels, site.label_layer, site.label_field)
        values = codes_of_values(legend, site.label_values)
        codes = landuse.burn(layer, grid, values, all_touched=site.all_touched)
    codes[unusable_ground(project, scene)] = UNLABELLED
    return codes


def unusable_ground(project: Study, scene: Scene) -> NDArray[np.bool_]:
    """Ground outside the extent of a scene's site, or under an excluded layer: boolean, ``(height, width)``."""
    grid = scene.info.grid
    unusable = np.zeros(grid.shape, np.bool_)
    if scene.site.extent is not None:
        unusable |= ~landuse.covered(project.folder / scene.site.extent, grid)
    for path in scene.site.exclude:
        unusable |= excluded(project.folder / path, grid)
    return unusable


def codes_of_values(legend: Legend, label_values: Mapping[str, str] | None) -> dict[str, int]:
    """Values of a label file to class codes: the user's mapping, or the legend's keys, names and codes themselves."""
    if label_values is None:
        return landuse.class_codes(None, legend)
    return landuse.class_codes({value: key or None for value, key in label_values.items()}, legend)


def raster_labels(path: Path, grid: Grid, values: Mapping[str, int]) -> NDArray[np.uint8]:
    """A label raster brought to an image's grid by nearest neighbour, its values mapped to class codes.

    Raises:
        ImageError: It cannot be read or laid over the image.
        LabelError: It does not overlap the image, or has values without a class.
    """
    found, covered = read_onto(path, grid)
    if not covered.any() and not describe(path).grid.overlaps(grid):
        raise LabelError(
            f"The label raster {path} does not overlap the image.",
            "Labels cover at least a part of the image.",
            "Check that both are of the same place and that their coordinate systems are right.",
        )
    return landuse.map_values(found, values, covered, f"The label raster {path}")


def excluded(path: Path, grid: Grid) -> NDArray[np.bool_]:
    """Ground to leave out: covered by a vector layer's polygons, or not 0 (and not nodata) in a raster.

    Returns:
        Boolean, ``(height, width)``.
    """
    if is_raster(path):
        values, covered = read_onto(path, grid)
        return covered & (values != 0)
    return landuse.covered(path, grid)
