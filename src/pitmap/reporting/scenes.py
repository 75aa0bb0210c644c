"""The pictures of a scene: image with mine outlines, map, reference, and the ground of the splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pitmap.legend import Legend
from pitmap.raster.reading import read_reduced
from pitmap.reporting.pictures import (
    Outline,
    ScaleBar,
    coloured,
    composite,
    jpeg,
    mine_outlines,
    png,
    resized,
    scale_bar,
    split_overlay,
    stretched,
)
from pitmap.samples.build import SPLIT_LEGEND
from pitmap.samples.dataset import SampleSet
from pitmap.study.results import Results
from pitmap.study.scenes import Scene

if TYPE_CHECKING:
    import geopandas as gpd


@dataclass(frozen=True)
class ScenePictures:
    """The pictures of a scene, all of the same ground and shape.

    Attributes:
        name: Of the scene.
        height: Rows of the pictures.
        width: Columns of the pictures.
        bands: What the image shows, for the caption.
        image: Data URI of the image.
        map: Data URI of the map, empty where there is none.
        reference: Data URI of the labels.
        split: Data URI of the ground of the splits, empty where it was not asked for.
        outlines: Of the mines.
        mines: Number of mines, None where they were not extracted.
        scale_bar: None without a CRS.
        north_up: Whether rows run along the CRS's north.
    """

    name: str
    height: int
    width: int
    bands: str
    image: str
    map: str
    reference: str
    split: str
    outlines: list[Outline]
    mines: int | None
    scale_bar: ScaleBar | None
    north_up: bool


def scene_pictures(
    scene: Scene,
    results: Results,
    samples: SampleSet,
    legend: Legend,
    mines: gpd.GeoDataFrame | None,
    longest_side: int,
    with_split: bool,
) -> ScenePictures:
    """Read reduced versions of a scene's image, map, labels and split, and draw them.

    Args:
        scene: The scene.
        results: Where the maps lie.
        samples: Where labels and splits lie.
        legend: The classes.
        mines: The scene's mines, None where they were not extracted.
        longest_side: Of the pictures, in pixels.
        with_split: Whether the ground of the splits is drawn.

    Raises:
        ImageError: A raster cannot be read.
    """
    shown = composite(scene.band_names)
    pixels, valid = read_reduced(scene.image, scene.band_indices, longest_side, scene.site.nodata)
    image = stretched(pixels[list(shown.bands)], valid)
    shape = valid.shape

    def codes(path: Path) -> np.ndarray | None:
        return resized(read_reduced(path, [1], longest_side)[0][0], shape) if path.exists() else None

    mapped, labels = codes(results.map(scene.name).map), codes(samples.label_file(scene.name))
    split_codes = codes(samples.split_file(scene.name)) if with_split else None
    assert labels is not None  # a complete sample set has them
    grid = scene.info.grid
    factor = shape[0] / grid.height, shape[1] / grid.width
    transform = grid.transform
    return ScenePictures(
        name=scene.name,
        height=shape[0],
        width=shape[1],
        bands=shown.description,
        image=jpeg(image),
        map="" if mapped is None else png(coloured(mapped, legend)),
        reference=png(coloured(labels, legend)),
        split="" if split_codes is None else png(split_overlay(split_codes, labels > 0, image, SPLIT_LEGEND)),
        outlines=[] if mines is None else mine_outlines(mines, scene.info.grid.transform, legend, factor),
        mines=None if mines is None else len(mines),
        scale_bar=None if grid.pixel_size_m is None else scale_bar(grid.width * grid.pixel_size_m),
        north_up=grid.crs is not None and transform.b == transform.d == 0 and transform.e < 0 < transform.a,
    )
