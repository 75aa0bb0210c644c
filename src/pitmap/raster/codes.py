"""Rasters of land-cover codes: their layout and their legend."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from pitmap.errors import ImageError
from pitmap.grid import Window, blocks
from pitmap.legend import MAX_CLASSES, UNLABELLED, LandCoverClass, Legend
from pitmap.raster.looks import codes_look
from pitmap.raster.reading import open_raster, opened
from pitmap.raster.writing import Layout
from pitmap.stored import conform, parse_json


def read_codes(path: Path, window: Window | None = None) -> NDArray[Any]:
    """The codes of a raster, 0 where it has no data: ``(height, width)`` in the file's dtype.

    Raises:
        ImageError: The file cannot be read.
    """
    with open_raster(path, [1], zero_is_void=False) as reader:
        pixels, valid = reader.read(window)
        codes: NDArray[Any] = pixels[0]
        codes[~valid] = UNLABELLED
        return codes


def class_areas(path: Path, classes: int) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """Pixels and areas of each class on a map.

    Args:
        path: The map.
        classes: Number of classes.

    Returns:
        Pixels ``(classes,)``, and square metres on the ellipsoid ``(classes,)``, None without a CRS.
    """
    pixels, areas = np.zeros(256, np.int64), np.zeros(256)
    with open_raster(path, [1]) as reader:
        georeferenced = reader.grid.crs is not None
        for window in blocks(reader.grid.shape, 2048):
            codes = reader.read(window)[0][0].ravel()
            pixels += np.bincount(codes, minlength=256)
            if georeferenced:
                areas += np.bincount(codes, reader.grid.pixel_areas_m2(window).ravel(), minlength=256)
    known = slice(1, classes + 1)
    return pixels[known], areas[known] if georeferenced else None


TAG_PREFIX = "PITMAP_"
"""Start of the names of all metadata items that pitmap writes."""

IMAGE_TAG = "PITMAP_IMAGE"
"""Metadata item of a map: file name of the image that it was made from."""

MODEL_TAG = "PITMAP_MODEL"
"""Metadata item of a map: file name of the model that made it."""

WARNINGS_TAG = "PITMAP_WARNINGS"
"""Metadata item of maps: what should be looked at before the map is used."""

LEGEND_TAG = "PITMAP_LEGEND"
"""Metadata item of land-cover rasters that holds the legend with its keys, as JSON."""


def codes_layout(legend: Legend, tags: Mapping[str, str] | None = None) -> Layout:
    """The layout of land-cover codes: uint8, nodata 0, colours, names and style of the legend, mode overviews."""
    tags = {LEGEND_TAG: json.dumps(legend.to_json(), ensure_ascii=False)} | dict(tags or {})
    return Layout(
        1, "uint8", UNLABELLED, ("land cover",), tags=tags, legend=legend, look=lambda _: codes_look(legend),
        overviews="mode",
    )  # fmt: skip


def read_legend(path: Path) -> Legend | None:
    """The legend of a land-cover raster: from pitmap's own tag, else from GDAL's class names and the colour table.

    Where only names are known they are the keys as well, and classes without a name are called ``class N``.

    Returns:
        None where the file names no classes.

    Raises:
        ImageError: The file cannot be opened, or its legend tag is damaged.
    """
    with opened(path) as source:
        if (text := source.tags().get(LEGEND_TAG)) is not None:
            what = f"The legend in the metadata of {path}"
            remedy = f"Remove the metadata item {LEGEND_TAG}, or make the map again."
            return conform(parse_json(text, what, remedy, ImageError), Legend, what, remedy, ImageError)
        try:
            colours = source.colormap(1)
        except ValueError:
            colours = {}
    sidecar = Path(f"{path}.aux.xml")
    if not sidecar.exists():
        return None
    try:
        found = ElementTree.parse(sidecar).findall("./PAMRasterBand[@band='1']/CategoryNames/Category")
    except ElementTree.ParseError:
        return None
    names = [(element.text or "").strip() for element in found][1:]
    while names and not names[-1]:
        names.pop()
    if not names or len(names) > MAX_CLASSES:
        return None
    names = [name or f"class {code}" for code, name in enumerate(names, start=1)]
    keys = [name if names.count(name) == 1 else f"{name} {code}" for code, name in enumerate(names, start=1)]
    return Legend(
        LandCoverClass(code, key, name, "#{:02x}{:02x}{:02x}".format(*colours.get(code, (128, 128, 128))[:3]))
        for code, (key, name) in enumerate(zip(keys, names, strict=True), start=1)
    )
