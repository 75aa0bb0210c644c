"""Labels on a grid, window by window: a raster of classes or a land-use layer, read in one way by every step.

Sampling, assessment and the check of a project file come here, so that what one of them refuses none accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitmap import landuse
from pitmap.errors import LabelError
from pitmap.grid import Grid, Window, blocks
from pitmap.legend import UNLABELLED, Legend
from pitmap.raster.reading import RasterInfo, check_overlay, describe, is_raster, only_band, read_onto

Cover = Callable[[Window], NDArray[np.bool_]]
"""Which pixels of a window are meant: boolean ``(height, width)``."""

BLOCK = 1024
"""Side of the blocks in which a raster is searched for values without a class, in pixels."""


@dataclass(frozen=True)
class LabelOptions:
    """How a file of labels is read.

    Attributes:
        values: Its values (text or numbers) to class keys, None for values that stay unlabelled; by default its values
            are the codes, keys or names of the legend.
        layer: Layer of a vector file, where it has several.
        layers: Layer name to class key, for vector files with one layer a class; "" leaves a layer unlabelled.
        field: Field of a vector layer that holds the values; without one the layer is one class, which ``values``
            names with any value.
        encoding: Of the text of a vector layer; None takes what the file states or GDAL assumes.
        all_touched: Burn every pixel that a polygon touches, and not only those whose centre it holds.
    """

    values: Mapping[Any, str | None] | None = None
    layer: str | None = None
    layers: Mapping[str, str] | None = None
    field: str | None = None
    encoding: str | None = None
    all_touched: bool = False


@dataclass(frozen=True)
class Labels:
    """The labels of a file on a grid.

    Attributes:
        path: The file.
        matching: How they were laid on the grid, as the middle of a sentence.
        read: Class codes of a window: uint8 ``(height, width)``, 0 where there is no label. Raises ``LabelError`` for
            values that no class is given for, all of them at once.
        expected: Values that a class is given for, as text, and its key.
        seen: Values that occur: in the layer, or in the windows of a raster that have been read.
    """

    path: Path
    matching: str
    read: Callable[[Window], NDArray[np.uint8]]
    expected: Mapping[str, str]
    seen: set[str] = field(default_factory=set)

    def absent(self) -> list[str]:
        """A sentence for each value that a class is given for and that occurs nowhere."""
        return absent_values(self.path.name, self.expected, self.seen)


def absent_values(source: str, expected: Mapping[str, str], seen: Iterable[str]) -> list[str]:
    """A sentence for each value that a class is given for and that occurs nowhere.

    Args:
        source: What was read.
        expected: Values as text, and the class key of each.
        seen: Values as text that occur.
    """
    found = set(seen)
    return [
        f"The value {value!r} is mapped to {key} and occurs nowhere in {source}{landuse.nearest_of(value, found)}."
        for value, key in expected.items()
        if value not in found
    ]


def check_labels(path: Path, legend: Legend, options: LabelOptions) -> None:
    """Check from headers alone that a file can be read as labels.

    Raises:
        ImageError: It is neither a raster nor a vector file, or a picture of several bands.
        LabelError: It has no such layer or field, text in another encoding, or a class that it declares as nodata.
    """
    codes = landuse.class_codes(options.values, legend)
    if not is_raster(path):
        for layer in options.layers or [options.layer]:
            landuse.check_layer(path, layer, options.field, options.encoding)
    else:
        check_classes(describe(path), codes)


def check_classes(info: RasterInfo, codes: Mapping[str, int]) -> None:
    """Check from its header that a raster may hold classes.

    Args:
        info: Its header.
        codes: Values as text to class codes, 0 for those that stay unlabelled.

    Raises:
        ImageError: It is a picture of several bands.
        LabelError: A value of a class is the file's nodata value.
    """
    band = only_band(info)
    nodata = landuse.value_text(info.nodatas[band - 1])
    if nodata is not None and codes.get(nodata, UNLABELLED) != UNLABELLED:
        raise LabelError(
            f"{info.path} declares {nodata} as its nodata value, and the value {nodata} is mapped to a class.",
            "A value is either a class or nodata.",
            f"Take {nodata} out of the values, or remove the file's nodata value (gdal_edit.py -unsetnodata).",
        )


def open_labels(path: Path, grid: Grid, legend: Legend, options: LabelOptions, what: str = "image") -> Labels:
    """The labels of a file on a grid.

    Args:
        path: A label raster, or a vector layer. It is brought to the grid by nearest neighbour, or by the polygon that
            holds the pixel centre, the smaller one where polygons overlap.
        grid: The grid.
        legend: The classes.
        options: How the file is read.
        what: What the grid is of, for messages.

    Raises:
        ImageError: A raster cannot be read or laid on the grid, or is a picture of several bands.
        LabelError: The file lies outside the grid, has no such layer or field, text in another encoding, values without
            a class, or a class that it declares as nodata.
    """
    path = Path(path)
    codes = landuse.class_codes(options.values, legend)
    expected = {
        text: key
        for value, key in (options.values or {}).items()
        if key is not None and (text := landuse.value_text(value)) is not None
    }
    if not is_raster(path):
        return _vector_labels(path, grid, legend, options, codes, expected, what)
    info = describe(path)
    check_classes(info, codes)
    check_overlay(info, grid, what)
    seen: set[str] = set()

    def read(window: Window) -> NDArray[np.uint8]:
        values, covered = read_onto(path, grid, window)
        try:
            return landuse.map_values(values, codes, covered, str(path), seen)
        except LabelError:
            _refuse_all(path, grid, codes)
            raise

    return Labels(path, _overlay(info, grid, what), read, expected, seen)


def _vector_labels(
    path: Path, grid: Grid, legend: Legend, options: LabelOptions, codes: Mapping[str, int],
    expected: Mapping[str, str], what: str,
) -> Labels:  # fmt: skip
    rule = "that they touch" if options.all_touched else "whose centre they hold"
    if options.layers is not None:
        by_layer = {name: legend[key].code if key else UNLABELLED for name, key in options.layers.items()}
        projected = landuse.project_layers(
            path, by_layer, grid, all_touched=options.all_touched, encoding=options.encoding
        )
        return Labels(path, f"polygons of {len(by_layer)} layers burned on the pixels of the {what} {rule}",
                      projected.burn, {})  # fmt: skip
    if options.field is None and options.values is None:
        raise LabelError(
            f"No field of {path} is named that holds the class; it has "
            f"{', '.join(landuse.field_names(path, options.layer, options.encoding)) or 'no fields'}.",
            "The field with the class of each polygon, or one class for the whole layer.",
            "Name the field with the class; or give values that make the whole layer one class.",
            ["field", "values"],
        )
    layer = landuse.read_layer(path, options.layer, options.field, options.encoding)
    projected = landuse.project(layer, grid, codes, all_touched=options.all_touched)
    matching = f"polygons of layer {layer.name} burned on the pixels of the {what} {rule}"
    return Labels(path, matching, projected.burn, {} if layer.field is None else expected, set(layer.counts()))


def _refuse_all(path: Path, grid: Grid, codes: Mapping[str, int]) -> None:
    """Raise for all values without a class at once, and not for those of one window after those of another."""
    everything: set[Any] = set()
    for window in blocks(grid.shape, BLOCK):
        values, covered = read_onto(path, grid, window)
        everything |= set(np.unique(values[covered]).tolist())
    landuse.map_values(np.array(sorted(everything), values.dtype), codes, source=str(path))


def _overlay(info: RasterInfo, grid: Grid, what: str) -> str:
    """How a raster lies on a grid.

    Raises:
        LabelError: It lies outside.
    """
    own = info.grid
    if own.same_as(grid):
        return "same grid"
    if own.crs is None or grid.crs is None:
        return f"brought to the grid of the {what} by nearest neighbour"
    west, south, east, north = landuse.lonlat_bounds(own.bounds, own.crs)
    grid_west, grid_south, grid_east, grid_north = landuse.lonlat_bounds(grid.bounds, grid.crs)
    if not own.overlaps(grid):
        raise LabelError(
            f"{info.path} lies entirely outside the {what}: it covers longitude {west:.4f} to {east:.4f} and latitude "
            f"{south:.4f} to {north:.4f}, the {what} longitude {grid_west:.4f} to {grid_east:.4f} and latitude "
            f"{grid_south:.4f} to {grid_north:.4f}.",
            f"Labels that overlap the {what}.",
            "Check the CRS of both files and that they show the same place.",
        )
    size, grid_size = own.pixel_size_m or 0.0, grid.pixel_size_m or 0.0
    return (
        f"reference in {_crs_name(own)} with pixels of {size:.4g} m brought to the grid of the {what} in "
        f"{_crs_name(grid)} with pixels of {grid_size:.4g} m by nearest neighbour"
    )


def _crs_name(grid: Grid) -> str:
    assert grid.crs is not None
    authority = grid.crs.to_authority()
    return ":".join(authority) if authority else grid.crs.name


def usable_ground(grid: Grid, extent: str | Path | None, excluded: Iterable[str | Path]) -> Cover:
    """Which pixels are meant: those whose centre lies in an extent and under no excluded layer.

    Args:
        grid: The image's or the map's.
        extent: Layer that bounds the area, None for all of it.
        excluded: Layers of ground to leave out: vector layers, or rasters that are neither 0 nor nodata there.

    Raises:
        ImageError: A raster cannot be read or laid over the grid.
        LabelError: A vector layer cannot be read or laid over the grid, or the extent lies outside it.
    """
    inside = None if extent is None else _cover(Path(extent), grid, may_miss=False)
    hidden = [_cover(Path(path), grid, may_miss=True) for path in excluded]

    def usable(window: Window) -> NDArray[np.bool_]:
        ground = np.ones((window.height, window.width), np.bool_) if inside is None else inside(window)
        for cover in hidden:
            ground = ground & ~cover(window)
        return ground

    return usable


def _cover(path: Path, grid: Grid, *, may_miss: bool) -> Cover:
    if is_raster(path):
        info = describe(path)
        only_band(info)
        check_overlay(info, grid)

        def covered(window: Window) -> NDArray[np.bool_]:
            values, valid = read_onto(path, grid, window)
            return np.asarray(valid & (values != 0), np.bool_)

        return covered
    layer = landuse.project(landuse.read_layer(path), grid, {"": 1}, may_miss=may_miss)
    return lambda window: layer.burn(window) > 0
