"""What an interpreter sees of a sample in QGIS: a form, a list of classes, and a picture of each point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from pitmap import qgis
from pitmap.errors import ImageError
from pitmap.files import make_folder, replacing
from pitmap.grid import Grid, Window
from pitmap.legend import Legend
from pitmap.raster.reading import RasterReader, open_raster


def labelling_style(legend: Legend) -> str:
    """QGIS style (QML) of the points.

    The form offers the classes by name and hides stratum and map class; points are red until labelled, then green.
    """

    def cross(name: str, colour: str) -> str:
        options = {"name": "cross2", "outline_color": colour, "outline_width": "0.5", "size": "4"}
        return qgis.symbol(name, "marker", "SimpleMarker", options)

    hidden = ("stratum", "map_code", "row", "col")
    widgets = {
        "reference": qgis.value_list((c.name, c.code) for c in legend),
        "doubtful": qgis.CHECK_BOX,
        "comment": qgis.LONG_TEXT,
        "chip": qgis.PICTURE,
    }
    renderer = qgis.by_rule(
        [("to be labelled", '"reference" IS NULL'), ("labelled", '"reference" IS NOT NULL')],
        [cross("0", "215,25,28,255"), cross("1", "26,150,65,255")],
    )
    return qgis.style(renderer, qgis.form(["point_id", *widgets, *hidden], widgets, hidden, ["point_id"]))


def write_chips(
    image: Path,
    bands: Sequence[int | str] | None,
    size: int,
    grid: Grid,
    x: NDArray[Any],
    y: NDArray[Any],
    folder: Path,
) -> list[str]:
    """Write a PNG for each point, ``point_00001.png`` and so on: the image round it, stretched, a cross at its pixel.

    Args:
        image: Any raster.
        bands: Its bands for red, green and blue; of fewer than three the first is shown in grey.
        size: Side of the pictures in pixels of the image.
        grid: The grid whose CRS the coordinates have.
        x: Map coordinates of the points.
        y: Map coordinates of the points.
        folder: Where the pictures go.

    Returns:
        The files' names with the folder's, as they stand in a GeoPackage beside the folder.

    Raises:
        ImageError: The image cannot be read, or laid over the grid.
        OutputError: A picture cannot be written.
    """
    import matplotlib.image

    make_folder(folder)
    names = []
    with open_raster(image, bands) as reader:
        target = reader.grid
        if (target.crs is None) != (grid.crs is None):
            raise ImageError(
                f"{image} cannot be laid over the map: only one of the two has a coordinate reference system."
            )
        if target.crs is not None and grid.crs is not None:
            x, y = Transformer.from_crs(grid.crs, target.crs, always_xy=True).transform(x, y)
        rows, cols = target.pixel_indices(x, y)
        for number, (row, col) in enumerate(zip(rows, cols, strict=True), start=1):
            rgb = _chip(reader, int(row), int(col), size)
            name = f"point_{number:05d}.png"
            with replacing(folder / name) as temporary:
                matplotlib.image.imsave(
                    temporary,
                    np.kron(rgb, np.ones((4, 4, 1), np.uint8)),
                    format="png",
                    pil_kwargs={"compress_level": 1},
                )
            names.append(f"{folder.name}/{name}")
    return names


def _chip(reader: RasterReader, row: int, col: int, size: int) -> NDArray[np.uint8]:
    """uint8 ``(size, size, 3)`` with a frame round the pixel in the middle; black beyond the image."""
    top, left = row - size // 2, col - size // 2
    first_row, first_col = max(top, 0), max(left, 0)
    last_row, last_col = min(top + size, reader.grid.height), min(left + size, reader.grid.width)
    rgb = np.zeros((size, size, 3), np.uint8)
    if last_row > first_row and last_col > first_col:
        values, valid = reader.read(Window(first_row, first_col, last_row - first_row, last_col - first_col))
        values = values[[0, 1, 2]] if len(values) >= 3 else values[[0, 0, 0]]
        for band, pixels in enumerate(values):
            if not valid.any():
                continue
            low, high = np.percentile(pixels[valid], [2, 98])
            stretched = np.clip((pixels - low) / max(high - low, 1e-9), 0, 1) * 255 * valid
            rgb[first_row - top : last_row - top, first_col - left : last_col - left, band] = stretched
    middle = size // 2
    arm = np.arange(2, 2 + max(3, size // 16))  # a cross that leaves the pixel itself free
    for offsets in (-arm, arm):
        at = np.clip(middle + offsets, 0, size - 1)
        rgb[at, middle] = rgb[middle, at] = (255, 255, 0)
    return rgb
