"""Made ground for measurements of training: a scene and its labels as compressed GeoTIFFs, and a study of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import CRS

from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog
from pitmap.samples.build import build
from pitmap.samples.dataset import SampleSet
from pitmap.study.study import load_study

BANDS = 4


def sample_set(folder: Path, side: int, patch: int) -> SampleSet:
    """The samples of a study of one scene of uint16 whose classes are squares; the files are in ``folder``."""
    rng = np.random.default_rng(0)
    grid = Grid(CRS.from_epsg(32649), Affine(4, 0, 500_000, 0, -4, 3_800_000), side, side)
    squares = rng.integers(1, 8, (-(-side // 50), -(-side // 50)))
    codes = np.kron(squares, np.ones((50, 50), np.int64))[:side, :side].astype(np.uint8)
    image = (rng.integers(1, 1000, (BANDS, side, side)) + 500 * codes.astype(np.int64)).astype(np.uint16)
    write_cog(folder / "image.tif", image, grid, Layout(BANDS, "uint16", 0, scale=1e-4))
    write_cog(folder / "labels.tif", codes, grid, codes_layout(DEFAULT_LEGEND))
    (folder / "pitmap.toml").write_text(
        f'[samples]\npatch = {patch}\n[[sites]]\nname = "a"\nimage = "image.tif"\nlabels = "labels.tif"\n',
        encoding="utf-8",
    )
    return build(load_study(folder / "pitmap.toml"))
