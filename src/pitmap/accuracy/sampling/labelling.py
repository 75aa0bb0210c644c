"""What an interpreter sees of a sample in QGIS: a form, a list of classes, and a picture of each point."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from pitmap.errors import ImageError
from pitmap.files import make_folder, replacing
from pitmap.grid import Grid, Window
from pitmap.legend import Legend
from pitmap.qgis.forms import CHECK_BOX, LONG_TEXT, PICTURE, form, value_list
from pitmap.qgis.vector import DONE, TO_CHECK, Naming, by_category, by_rule, cross, dot, vector_style
from pitmap.raster.reading import RasterReader, open_raster

if TYPE_CHECKING:
    import geopandas as gpd


WIDE = 4
"""Side of the wide view as a multiple of the near one."""


def labelling_style(legend: Legend, images: Sequence[str | Path] = (), columns: Sequence[str] | None = None) -> str:
    """QGIS style (QML) of the points.

    The form offers the classes by name and shows the pictures; points go by their number in lists and map tips, and are
    red until labelled, then green.

    Args:
        legend: The classes.
        images: What the pictures were cut from.
        columns: Fields of the layer where it has others than a new one.
    """
    names = picture_names(images)
    pictures = names if columns is None else [c for c in columns if c.startswith("chip")]
    widgets = {
        "reference": value_list((c.name, c.code) for c in legend),
        "doubtful": CHECK_BOX,
        "comment": LONG_TEXT,
        **dict.fromkeys(pictures, PICTURE),
    }
    rules = [
        ("to be labelled", '"reference" IS NULL', cross(TO_CHECK)),
        ("labelled", '"reference" IS NOT NULL', cross(DONE)),
    ]
    return vector_style(
        by_rule(rules),
        form=form(["point_id", *widgets], widgets, locked=["point_id"], names={"point_id": "point", **names}),
        naming=Naming('"point_id"', '[% "point_id" %]'),
    )


def labelled_style(legend: Legend) -> str:
    """QGIS style (QML) of points that are labelled: dots in the colours of their reference classes."""
    name = "CASE " + " ".join(f'WHEN "reference" = {c.code} THEN {_quoted(c.name)}' for c in legend) + " END"
    return vector_style(
        by_category("reference", [(c.code, c.name, dot(c.colour)) for c in legend]),
        form=form(
            ["point_id", "reference"], {"reference": value_list((c.name, c.code) for c in legend)},
            locked=["point_id", "reference"], names={"point_id": "point", "reference": "land cover on the ground"},
        ),
        naming=Naming('"point_id"', f'<b>point [% "point_id" %]</b><br>[% {name} %]'),
    )  # fmt: skip


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def picture_names(images: Sequence[str | Path]) -> dict[str, str]:
    """Fields of the pictures, and what they are called: of the first image two views, of the others one."""
    names: dict[str, str] = {}
    for number, image in enumerate(images, start=1):
        names[f"chip_{number}"] = Path(image).stem
        if number == 1:
            names["chip_1_wide"] = f"{Path(image).stem}, wider view"
    return names


def write_pictures(
    images: Sequence[str | Path],
    bands: Sequence[int | str] | None,
    size: int,
    grid: Grid,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    numbers: NDArray[np.int64],
    gpkg: Path,
) -> dict[str, list[str]]:
    """Write PNGs of each point, ``point_00001_chip_1.png`` and so on: image, stretched, a cross at its pixel.

    Args:
        images: Rasters in any CRS.
        bands: Their bands for red, green and blue; of fewer than three the first is shown in grey.
        size: Side of the near view in pixels of the image.
        grid: The grid whose CRS the coordinates have.
        x: Map coordinates of the points.
        y: Map coordinates of the points.
        numbers: Numbers of the points.
        gpkg: File beside which the folder of the pictures lies.

    Returns:
        By field the files' names with the folder's, relative to the folder of the GeoPackage.

    Raises:
        ImageError: An image cannot be read, or laid over the grid.
        OutputError: A picture cannot be written.
    """
    folder = _folder(gpkg)
    names: dict[str, list[str]] = {field: [] for field in picture_names(images)}
    for number, image in enumerate(images, start=1):
        with open_raster(Path(image), bands) as reader:
            rows, cols = _pixels(reader.grid, Path(image), grid, x, y)
            make_folder(folder)
            for field in (f for f in names if f.split("_")[1] == str(number)):
                wide = field.endswith("wide")
                side, enlarged = (WIDE * size, 1) if wide else (size, WIDE)
                for point, row, col in zip(numbers, rows, cols, strict=True):
                    name = f"point_{point:05d}_{field}.png"
                    chip = _chip(reader, int(row), int(col), side)
                    _save(folder / name, np.kron(chip, np.ones((enlarged, enlarged, 1), np.uint8)))
                    names[field].append(f"{folder.name}/{name}")
    return names


def copy_pictures(points: gpd.GeoDataFrame, old_gpkg: Path, new_gpkg: Path) -> gpd.GeoDataFrame:
    """Copy the pictures of a sample for another file, and point to them there; pictures that are gone stay gone.

    Raises:
        OutputError: They cannot be written.
    """
    folder, points = _folder(new_gpkg), points.copy()
    for field in (c for c in points.columns if c.startswith("chip")):
        names = []
        for name in points[field]:
            source = old_gpkg.parent / str(name)
            if isinstance(name, str) and name and source.is_file():
                make_folder(folder)
                with replacing(folder / source.name) as temporary:
                    shutil.copyfile(source, temporary)
                name = f"{folder.name}/{source.name}"
            names.append(name)
        points[field] = names
    return points


def _folder(gpkg: Path) -> Path:
    return gpkg.with_name(f"{gpkg.stem}_chips")


def _pixels(
    target: Grid, image: Path, grid: Grid, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of points on an image."""
    if (target.crs is None) != (grid.crs is None):
        raise ImageError(f"{image} cannot be laid over the map: only one of the two has a coordinate reference system.")
    if target.crs is not None and grid.crs is not None:
        x, y = Transformer.from_crs(grid.crs, target.crs, always_xy=True).transform(x, y)
    return target.pixel_indices(x, y)


def _save(path: Path, rgb: NDArray[np.uint8]) -> None:
    import matplotlib.image

    with replacing(path) as temporary:
        matplotlib.image.imsave(temporary, rgb, format="png", pil_kwargs={"compress_level": 1})


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
