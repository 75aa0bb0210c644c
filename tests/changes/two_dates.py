"""Two dates of a small place whose change is known to the pixel, as maps and images."""

from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import CRS
from scipy import ndimage

from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND, Legend
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog

OPM, WAT, VEG, WDA = (DEFAULT_LEGEND[k].code for k in ("OPM", "WAT", "VEG", "WDA"))
SIDE = 160
PIXEL_HA = 16 / 0.9996**2 / 1e4
"""Hectares of a pixel of 4 m on the central meridian of UTM."""


def grid(side: int = SIDE, pixel: float = 4.0, west: float = 500_000.0) -> Grid:
    return Grid(CRS.from_epsg(32633), Affine(pixel, 0, west, 0, -pixel, 5_600_000), side, side)


def before() -> np.ndarray:
    codes = np.full((SIDE, SIDE), VEG, np.uint8)
    codes[10:30, 10:30] = OPM  # grows
    codes[10:30, 60:80] = OPM  # is restored
    codes[60:80, 10:30] = OPM  # stays, its border drawn one pixel wider
    codes[60:70, 60:70] = OPM  # two that merge
    codes[60:70, 80:90] = OPM
    codes[110:130, 10:40] = OPM  # moves on
    codes[100:110, 100:110] = WDA  # a dump that is greened
    return codes


def after() -> np.ndarray:
    codes = before()
    codes[10:30, 30:45] = OPM
    codes[10:30, 60:80] = VEG
    codes[59:81, 9:31] = OPM
    codes[60:70, 70:80] = OPM
    codes[110:130, 10:20] = VEG
    codes[110:130, 40:50] = OPM
    codes[100:110, 100:110] = VEG
    codes[130:150, 100:130] = OPM  # new
    return codes


def write_map(
    path: Path, codes: np.ndarray, where: Grid | None = None, legend: Legend = DEFAULT_LEGEND, **tags
) -> Path:
    write_cog(path, codes, where or grid(len(codes)), codes_layout(legend, tags))
    return path


def write_image(
    path: Path, codes: np.ndarray, shift: tuple[float, float] = (0, 0), seed: int = 0, bands: int = 2,
    where: Grid | None = None,
) -> Path:  # fmt: skip
    """An image of a ground with texture of its own, displaced by rows and columns between its pixels."""
    texture = np.random.default_rng(7).normal(0, 1, (2 * codes.shape[0], 2 * codes.shape[1]))
    texture = ndimage.gaussian_filter(texture, 2.0)[: codes.shape[0], : codes.shape[1]]
    noise = np.random.default_rng(seed)
    pixels = []
    for band in range(bands):
        ground = 1000 + 120.0 * ((codes * (band + 3)) % 7) + 900 * texture
        moved = ndimage.shift(ground, shift, order=3, mode="nearest") + noise.normal(0, 10, codes.shape)
        pixels.append(np.clip(np.rint(moved), 1, 60_000))
    names = ("red", "nir")[:bands]
    write_cog(path, np.stack(pixels).astype(np.uint16), where or grid(len(codes)), Layout(bands, "uint16", 0, names))
    return path


def two_dates(folder: Path, shift: tuple[float, float] = (0, 0)) -> tuple[list[Path], tuple[Path, ...]]:
    """Maps and images."""
    maps = [write_map(folder / "before.tif", before()), write_map(folder / "after.tif", after())]
    images = (
        write_image(folder / "scene-20210619.tif", before()),
        write_image(folder / "scene-20230530.tif", after(), shift, seed=1),
    )
    return maps, images
