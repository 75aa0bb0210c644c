"""Labels of a scene on the scene's own pixel grid, from a land-use layer or a label raster, window by window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pitmap import landuse
from pitmap.errors import LabelError
from pitmap.grid import Grid, Window, blocks
from pitmap.legend import UNLABELLED, Legend
from pitmap.raster.reading import check_overlay, describe, is_raster, read_onto
from pitmap.study.scenes import Scene
from pitmap.study.study import Study

CodesReader = Callable[[Window], NDArray[np.uint8]]
"""Codes of a window of a scene: uint8 ``(height, width)``, 0 where unlabelled."""

GroundReader = Callable[[Window], NDArray[np.bool_]]
"""Which pixels of a window are meant: boolean ``(height, width)``."""


def scene_labels(project: Study, scene: Scene) -> CodesReader:
    """Land-cover codes of a scene from its site's labels, extent and excluded ground, read window by window.

    The function that is returned raises the errors of values and of reading, too.

    Raises:
        LabelError: The labels lie outside the image, hold values that no class is given for, or cannot be read.
    """
    site, grid, legend = scene.site, scene.info.grid, project.legend
    if scene.labels is None:
        return lambda window: np.zeros((window.height, window.width), np.uint8)
    if scene.labels_are_raster:
        codes = raster_labels(scene.labels, grid, codes_of_values(legend, site.label_values))
    elif site.label_layers:
        layers = {layer: legend[key].code if key else UNLABELLED for layer, key in site.label_layers.items()}
        codes = landuse.project_layers(scene.labels, layers, grid, all_touched=site.all_touched).burn
    else:
        layer = landuse.read_layer(scene.labels, site.label_layer, site.label_field)
        values = codes_of_values(legend, site.label_values)
        codes = landuse.project(layer, grid, values, all_touched=site.all_touched).burn
    unusable = unusable_ground(project, scene)
    return lambda window: np.where(unusable(window), UNLABELLED, codes(window)).astype(np.uint8)


def unusable_ground(project: Study, scene: Scene) -> GroundReader:
    """Ground outside the extent of a scene's site, or under an excluded layer, read window by window."""
    grid = scene.info.grid
    extent = None if scene.site.extent is None else _polygons(project.folder / scene.site.extent, grid)
    hidden = [excluded(project.folder / path, grid) for path in scene.site.exclude]

    def unusable(window: Window) -> NDArray[np.bool_]:
        ground = np.zeros((window.height, window.width), np.bool_) if extent is None else ~extent(window)
        for layer in hidden:
            ground = ground | layer(window)
        return ground

    return unusable


def _polygons(path: Path, grid: Grid) -> GroundReader:
    layer = landuse.project(landuse.read_layer(path), grid, {"": 1}, may_miss=True)
    return lambda window: layer.burn(window) > 0


def codes_of_values(legend: Legend, label_values: Mapping[str, str] | None) -> dict[str, int]:
    """Values of a label file to class codes: the user's mapping, or the legend's keys, names and codes themselves."""
    if label_values is None:
        return landuse.class_codes(None, legend)
    return landuse.class_codes({value: key or None for value, key in label_values.items()}, legend)


def raster_labels(path: Path, grid: Grid, values: Mapping[str, int]) -> CodesReader:
    """A label raster brought to an image's grid by nearest neighbour, its values mapped to class codes.

    Raises:
        ImageError: It cannot be read or laid over the image.
        LabelError: It does not overlap the image, or (when it is read) has values without a class.
    """
    own = describe(path).grid
    if grid.crs is not None and own.crs is not None and not own.overlaps(grid):
        raise LabelError(
            f"The label raster {path} does not overlap the image.",
            "Labels cover at least a part of the image.",
            "Check that both are of the same place and that their coordinate systems are right.",
        )
    check_overlay(describe(path), grid)
    source = f"The label raster {path}"

    def codes(window: Window) -> NDArray[np.uint8]:
        found, covered = read_onto(path, grid, window=window)
        try:
            return landuse.map_values(found, values, covered, source)
        except LabelError:
            # All values without a class at once, and not those of one window after those of another.
            everything: set[float] = set()
            for part in blocks(grid.shape, window.height):
                found, covered = read_onto(path, grid, window=part)
                everything |= set(np.unique(found[covered]).tolist())
            landuse.map_values(np.array(sorted(everything), found.dtype), values, source=source)
            raise

    return codes


def excluded(path: Path, grid: Grid) -> GroundReader:
    """Ground to leave out: covered by a vector layer's polygons, or not 0 (and not nodata) in a raster."""
    if not is_raster(path):
        return _polygons(path, grid)

    check_overlay(describe(path), grid)

    def covered_and_set(window: Window) -> NDArray[np.bool_]:
        values, covered = read_onto(path, grid, window=window)
        return covered & (values != 0)

    return covered_and_set
