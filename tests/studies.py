"""Small analytic studies for tests: images whose classes are known, written as real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog

UTM = CRS.from_epsg(32649)


def grid(height: int, width: int, x: float = 500_000.0, y: float = 3_800_000.0, size: float = 4.0) -> Grid:
    """A UTM grid with its upper left corner at x, y."""
    return Grid(UTM, Affine(size, 0, x, 0, -size, y), height, width)


def quilt(height: int, width: int, classes: int = 4, cell: int = 16, seed: int = 0) -> NDArray[np.uint8]:
    """Codes in square cells of random classes."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(1, classes + 1, (-(-height // cell), -(-width // cell)))
    return np.kron(cells, np.ones((cell, cell), np.int64))[:height, :width].astype(np.uint8)


def reflectance_of(codes: NDArray[np.uint8], bands: int = 4, noise: float = 0.01, seed: int = 0) -> NDArray[np.uint16]:
    """Reflectance x 10000 that a per-pixel rule can tell apart: each class has a spectrum of its own."""
    rng = np.random.default_rng(seed)
    spectra = np.random.default_rng(99).uniform(0.05, 0.5, (9, bands))
    image = spectra[codes].transpose(2, 0, 1) + rng.normal(0, noise, (bands, *codes.shape))
    return np.clip(image * 10_000, 1, 65_535).astype(np.uint16)


def write_site(
    folder: Path, name: str, codes: NDArray[np.uint8], where: Grid, image: NDArray[np.uint16] | None = None
) -> None:
    """Write ``<name>.tif`` (reflectance) and ``<name>-labels.tif``."""
    image = reflectance_of(codes) if image is None else image
    layout = Layout(len(image), "uint16", 0, ("blue", "green", "red", "nir")[: len(image)], scale=1e-4)
    write_cog(folder / f"{name}.tif", image, where, layout)
    write_cog(folder / f"{name}-labels.tif", codes, where, codes_layout(DEFAULT_LEGEND))


def write_project(folder: Path, names: list[str], more: str = "", samples: str = "", site: str = "") -> Path:
    """A project file for sites that ``write_site`` wrote."""
    text = ""
    for name in names:
        text += f'[[sites]]\nname = "{name}"\nimage = "{name}.tif"\nlabels = "{name}-labels.tif"\n{site}\n'
    text += f"[samples]\npatch = 64\n{samples}\n{more}\n"
    path = folder / "pitmap.toml"
    path.write_text(text, encoding="utf-8")
    return path
