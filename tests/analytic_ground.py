"""A small piece of ground whose relief and reflectance are formulas, for tests of imagery and of its simulation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.rpc import RPC
from scipy.ndimage import gaussian_filter

from pitmap.grid import Grid
from pitmap.imagery.rpc import Rpc

UTM49 = CRS.from_epsg(32649)


@dataclass(frozen=True)
class AnalyticGround:
    """The fields that the simulator wants."""

    reflectance: NDArray[np.float32]
    elevation: NDArray[np.float32]
    grid: Grid


def grid(height: int, width: int, pixel_size_m: float = 4.0) -> Grid:
    """Near 34.6 N, 112.4 E, where EGM96 lies about 20 m below the ellipsoid."""
    return Grid(UTM49, Affine(pixel_size_m, 0, 630_000, 0, -pixel_size_m, 3_830_000), height, width)


def hills(g: Grid, relief: float = 150.0) -> NDArray[np.float32]:
    """Smooth hills 300 m above the geoid."""
    x, y = g.pixel_centres(np.arange(g.height)[:, None], np.arange(g.width)[None, :])
    heights = 300 + relief * np.sin((x - 630_000) / 260) * np.cos((y - 3_830_000) / 310)
    return heights.astype(np.float32)


def smooth(height: int = 220, width: int = 260) -> AnalyticGround:
    """Reflectance that changes slowly, four bands that differ."""
    g = grid(height, width)
    r, c = np.mgrid[0:height, 0:width]
    bands = [0.10 + 0.02 * b + 0.05 * np.sin(r / 40 + b) * np.cos(c / 45) for b in range(4)]
    return AnalyticGround(np.stack(bands).astype(np.float32), hills(g), g)


TARGET_SIGMA = 2.5
"""Pixels."""


@lru_cache(maxsize=2)
def targets(height: int = 220, width: int = 260) -> tuple[AnalyticGround, NDArray[np.float64]]:
    """Bright round spots on even ground, and their ``row, col``."""
    g = grid(height, width)
    rng = np.random.default_rng(3)
    rows, cols = np.meshgrid(np.arange(25, height - 20, 28), np.arange(25, width - 20, 28), indexing="ij")
    places = np.stack([rows.ravel(), cols.ravel()], axis=1) + rng.uniform(-3, 3, (rows.size, 2))
    r, c = np.mgrid[0:height, 0:width]
    image = np.full((height, width), 0.06)
    for row, col in places:
        image += 0.12 * np.exp(-((r - row) ** 2 + (c - col) ** 2) / (2 * TARGET_SIGMA**2))
    return AnalyticGround(np.stack([image] * 4).astype(np.float32), hills(g), g), places


def found_targets(image: NDArray, places: NDArray, background: float = 0.06, reach: int = 9) -> NDArray[np.float64]:
    """Centres of mass of the spots near ``places``, ``row, col``."""
    found = []
    for row, col in np.rint(places).astype(int):
        part = image[row - reach : row + reach + 1, col - reach : col + reach + 1] - background
        weight = np.clip(part - 0.01, 0, None)
        r, c = np.mgrid[row - reach : row + reach + 1, col - reach : col + reach + 1]
        found.append([(r * weight).sum() / weight.sum(), (c * weight).sum() / weight.sum()])
    return np.array(found)


def textured(height: int, width: int, pixel_size_m: float = 1.0, seed: int = 5) -> AnalyticGround:
    """Texture at all scales, for what is measured by correlation; bands differ in detail."""
    g = grid(height, width, pixel_size_m)
    rng = np.random.default_rng(seed)
    bands = []
    shared = _rough((height, width), rng)
    for band in range(4):
        own = _rough((height, width), rng)
        bands.append(0.12 + 0.02 * band + 0.03 * shared + 0.008 * own)
    return AnalyticGround(np.stack(bands).clip(0.01, 1).astype(np.float32), hills(g, 60), g)


def _rough(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    noise = rng.normal(size=shape)
    total = sum(scale * gaussian_filter(noise, scale, mode="reflect") for scale in (0.8, 2.0, 6.0, 20.0))
    return np.asarray(total / np.std(total))


def geographic(g: Grid, rows: NDArray, cols: NDArray) -> tuple[NDArray, NDArray]:
    """Longitude and latitude of pixel positions."""
    return Transformer.from_crs(g.crs, 4326, always_xy=True).transform(*g.pixel_centres(rows, cols))


def as_rasterio(rpc: Rpc) -> RPC:
    """A camera model as rasterio and GDAL take it."""
    return RPC(
        rpc.height_offset, rpc.height_scale, rpc.latitude_offset, rpc.latitude_scale, list(rpc.line_denominator),
        list(rpc.line_numerator), rpc.line_offset, rpc.line_scale, rpc.longitude_offset, rpc.longitude_scale,
        list(rpc.sample_denominator), list(rpc.sample_numerator), rpc.sample_offset, rpc.sample_scale, None, None,
    )  # fmt: skip


def shared_data() -> Path:
    """The folder of real data beside the checkout."""
    return Path(__file__).resolve().parents[1].parent / "shared" / "data"
