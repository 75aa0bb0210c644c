"""The pictures of a scene: image with mine outlines, map, reference, where they disagree, confidence, splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitmap.errors import ProjectError
from pitmap.grid import blocks
from pitmap.legend import Legend
from pitmap.raster.bands import Composite, composite
from pitmap.raster.reading import open_raster, read_reduced
from pitmap.reporting.mine_table import MineTable
from pitmap.reporting.pictures import (
    Outline,
    ScaleBar,
    coloured,
    confidence_picture,
    disagreement,
    disagreement_picture,
    jpeg,
    mine_outlines,
    png,
    resized,
    scale_bar,
    split_overlay,
    stretched,
)
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import SPLIT_LEGEND
from pitmap.study.results import Results
from pitmap.study.scenes import Scene


@dataclass(frozen=True)
class ScenePictures:
    """The pictures of a scene, all of the same ground and shape.

    Attributes:
        name: Of the scene.
        height: Rows of the pictures.
        width: Columns of the pictures.
        shows: What the image shows.
        image: Data URI of the image.
        map: Data URI of the map, empty where there is none.
        reference: Data URI of the labels, empty where the scene has none.
        disagreement: Data URI of where map and labels disagree, empty where that is not drawn.
        confidence: Data URI of the map's confidence, likewise.
        split: Data URI of the ground of the splits, empty where it was not asked for.
        outlines: Of the mines.
        mines: Number of mines, None where they were not extracted.
        scale_bar: None without a CRS.
        north_up: Whether rows run along the CRS's north.
    """

    name: str
    height: int
    width: int
    shows: Composite
    image: str
    map: str
    reference: str
    disagreement: str
    confidence: str
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
    mines: MineTable | None,
    mine_codes: Sequence[int],
    longest_side: int,
    with_split: bool,
    in_full: bool,
) -> ScenePictures:
    """Read reduced versions of a scene's image, map, labels and split, and draw them.

    Args:
        scene: The scene.
        results: Where the maps lie.
        samples: Where labels and splits lie.
        legend: The classes.
        mines: The scene's mines, None where they were not extracted.
        mine_codes: Codes of the mine classes.
        longest_side: Of the pictures, in pixels.
        with_split: Whether the ground of the splits is drawn.
        in_full: Whether disagreement and confidence are drawn.

    Raises:
        ImageError: A raster cannot be read.
    """
    shown = composite(scene.band_names)
    pixels, valid = read_reduced(scene.image, scene.band_indices, longest_side, scene.site.nodata)
    image = stretched(pixels[list(shown.bands)], valid)
    shape = valid.shape

    def codes(path: Path) -> NDArray[Any] | None:
        return resized(read_reduced(path, [1], longest_side)[0][0], shape) if path.exists() else None

    mapped, labels = codes(results.map(scene.name).map), codes(samples.label_file(scene.name))
    if labels is None:
        raise ProjectError(
            f"The sample set lacks {samples.label_file(scene.name)}.", remedy="Sample the study (again)."
        )
    files, label_file = results.map(scene.name), samples.label_file(scene.name)
    differing, sure = "", ""
    if in_full and mapped is not None and labels.any():
        differing = disagreement_picture(_disagreement(files.map, label_file, mine_codes, shape))
    if in_full and mapped is not None and files.confidence.exists():
        sure = confidence_picture(resized(read_reduced(files.confidence, [1], longest_side)[0][0], shape))
    split_codes = codes(samples.split_file(scene.name)) if with_split else None
    grid = scene.info.grid
    factor = shape[0] / grid.height, shape[1] / grid.width
    transform = grid.transform
    return ScenePictures(
        name=scene.name,
        height=shape[0],
        width=shape[1],
        shows=shown,
        image=jpeg(image),
        map="" if mapped is None else png(coloured(mapped, legend)),
        reference=png(coloured(labels, legend)) if labels.any() else "",
        disagreement=differing,
        confidence=sure,
        split="" if split_codes is None else png(split_overlay(split_codes, labels > 0, image, SPLIT_LEGEND)),
        outlines=[] if mines is None else mine_outlines(mines.largest, scene.info.grid.transform, legend, factor),
        mines=None if mines is None else len(mines),
        scale_bar=None if grid.pixel_size_m is None else scale_bar(grid.width * grid.pixel_size_m),
        north_up=grid.crs is not None and transform.b == transform.d == 0 and transform.e < 0 < transform.a,
    )


def _disagreement(
    map_path: Path, label_path: Path, mine_codes: Sequence[int], shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """Of single pixels at equal distances, so that the picture has the errors in their true proportion.

    The overviews of the two files need not show the same pixels.
    """
    with open_raster(map_path, [1]) as mapped, open_raster(label_path, [1], zero_is_void=False) as labels:
        height, width = mapped.grid.shape
        rows = ((np.arange(shape[0]) + 0.5) * height / shape[0]).astype(np.int64)
        cols = ((np.arange(shape[1]) + 0.5) * width / shape[1]).astype(np.int64)
        kinds = np.zeros(shape, np.uint8)
        for window in blocks(mapped.grid.shape, 2048):
            own = [
                np.flatnonzero((at >= start) & (at < start + size))
                for at, start, size in ((rows, window.row, window.height), (cols, window.col, window.width))
            ]
            where = np.ix_(rows[own[0]] - window.row, cols[own[1]] - window.col)
            codes = [reader.read(window)[0][0][where] for reader in (mapped, labels)]
            kinds[np.ix_(*own)] = disagreement(codes[0], codes[1], mine_codes)
    return kinds
