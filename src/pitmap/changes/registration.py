"""Are two images in register? The shift between them, from the phases of their tiles.

Season, sun and sensor change how bright ground is, and less where its edges lie: what is correlated is the strength of
the edges, the magnitude of the gradient, of the bands that both images have. In each tile the shift is the peak of the
correlation of the phases (Kuglin and Hines 1975), found to a hundredth of a pixel by an inverse Fourier transform that
is computed finely about the peak alone (Guizar-Sicairos, Thurman and Fienup 2008, Optics Letters 33(2), 156-158). Over
the tiles the median counts: clouds, new mines and fields that were ploughed spoil some of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Geod, Transformer
from scipy import ndimage

from pitmap.errors import ImageError
from pitmap.grid import Grid, Window
from pitmap.raster.reading import RasterInfo, describe
from pitmap.raster.warped import read_warped

TILE = 128
"""Side of a tile in pixels; smaller scenes have smaller ones."""

SMALLEST_TILE = 32

TILES_A_SIDE = 10
"""Tiles along each side of a scene at most, spread evenly: the cost does not grow with the scene."""

VALID_SHARE = 0.9
"""Share of a tile that must hold data in both images."""

TEXTURE = 0.02
"""Standard deviation of the brightness of a tile, as a share of its mean, below which it has no edges to compare."""

FINENESS = 100
"""Parts of a pixel to which the peak is found."""

PEAK_NOISE = 6.0
"""Standard deviations by which the peak of a tile stands above the rest of its correlation, at least."""

AGREEMENT_PIXELS = 0.5
"""Distance from the median within which a tile agrees with it."""

LEAST_TILES, LEAST_AGREEMENT = 3, 0.5
"""Tiles that agree, and their share of all that have texture, below which the shift is not known."""


@dataclass(frozen=True)
class Registration:
    """How a later image lies on an earlier one.

    Attributes:
        known: Whether enough tiles agree; if not, the figures say nothing.
        rows: Pixels by which the later image lies too far down, the median of the tiles that agree.
        cols: Pixels by which it lies too far to the right.
        pixels: Length of the shift in pixels of the earlier map.
        metres: Length of the shift on the ground.
        towards_deg: Direction in which the later image is displaced, clockwise from north.
        spread_pixels: Spread of the tiles that agree, as a standard deviation (1.4826 times the median deviation).
        standard_error_pixels: Of the median.
        tiles: Tiles with data and texture in both images.
        agreeing: Those within half a pixel of the median.
        without_texture: Tiles that were left out.
        bands: What was compared.
    """

    known: bool
    rows: float
    cols: float
    pixels: float
    metres: float
    towards_deg: float
    spread_pixels: float
    standard_error_pixels: float
    tiles: int
    agreeing: int
    without_texture: int
    bands: tuple[str, ...]

    def sentence(self, before: str, after: str) -> str:
        """What was found, in words."""
        of = f"{self.agreeing} of {self.tiles} tiles agree"
        if not self.known:
            return f"Whether {after} is in register with {before} cannot be told: {of}."
        return (
            f"{after} lies {self.pixels:.2f} pixels ({self.metres:.1f} m) off {before}, towards "
            f"{compass(self.towards_deg)} ({of}, standard error {self.standard_error_pixels:.2f} pixels)."
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def compass(degrees: float) -> str:
    """A direction in words and degrees: ``north-east (45°)``."""
    names = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
    return f"{names[round(degrees / 45) % 8]} ({degrees % 360:.0f}°)"


def register(before: Path, after: Path, grid: Grid) -> Registration:
    """Measure the shift of one image against another.

    Args:
        before: The earlier image.
        after: The later image, on any grid with a CRS.
        grid: The grid in whose pixels the shift is told, on which both are laid.

    Raises:
        ImageError: An image cannot be read, or has no place on the Earth.
    """
    infos = [describe(before), describe(after)]
    for info in infos:
        if info.grid.crs is None:
            raise ImageError(f"{info.path} has no coordinate reference system.", "An image with one, as its map has.")
    bands, names = common_bands(*infos)
    windows = _windows(grid)
    first, second = (read_warped(i.path, grid, windows, b) for i, b in zip(infos, bands, strict=True))
    shifts, without = [], 0
    for (a, a_valid), (b, b_valid) in zip(first, second, strict=True):
        valid = a_valid & b_valid
        if valid.mean() < VALID_SHARE:
            continue
        if not _has_texture(a, valid) or not _has_texture(b, valid):
            without += 1
            continue
        found = tile_shift(_edges(a, valid), _edges(b, valid))
        shifts.append((np.nan, np.nan) if found is None else found)
    return _conclude(np.array(shifts, np.float64).reshape(-1, 2), without, names, grid)


def common_bands(before: RasterInfo, after: RasterInfo) -> tuple[tuple[list[int], list[int]], tuple[str, ...]]:
    """Numbers of the bands that both images have by name; without common names, of all bands of each."""
    names = [
        {(d or "").casefold(): i for i, d in enumerate(info.descriptions, 1) if i in info.image_bands}
        for info in (before, after)
    ]
    shared = [name for name in names[0] if name and name in names[1]]
    if shared:
        return ([names[0][n] for n in shared], [names[1][n] for n in shared]), tuple(shared)
    if len(before.image_bands) == len(after.image_bands):
        return (before.image_bands, after.image_bands), tuple(f"band {i}" for i in before.image_bands)
    return (before.image_bands, after.image_bands), ("all bands of each",)


def tile_shift(before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[float, float] | None:
    """Rows and columns by which the second of two tiles ``(rows, cols)`` lies down and right of the first.

    Returns:
        None where no peak stands out of the correlation.
    """
    window = np.hanning(before.shape[0])[:, None] * np.hanning(before.shape[1])
    a, b = (np.fft.fft2((tile - tile.mean()) * window) for tile in (before, after))
    cross = b * a.conj()
    size = np.abs(cross)
    if not size.max() > 0:
        return None
    # Phases alone, weighted down where neither image has anything to say.
    cross /= np.sqrt(size * size.mean()) + 1e-12 * size.max()
    surface = np.fft.ifft2(cross).real
    peak = np.unravel_index(np.argmax(surface), surface.shape)
    if (surface[peak] - surface.mean()) < PEAK_NOISE * surface.std():
        return None
    place = np.array([p - n if p > n // 2 else p for p, n in zip(peak, surface.shape, strict=True)], np.float64)
    for fineness in (10, FINENESS):  # to a tenth of a pixel about the peak, then to a hundredth about that
        steps = np.arange(-15, 16) / fineness
        fine = _transform(cross, place[0] + steps, place[1] + steps)
        row, col = np.unravel_index(np.argmax(fine), fine.shape)
        place = place + np.array([steps[row], steps[col]])
    return float(place[0]), float(place[1])


def _transform(
    spectrum: NDArray[np.complex128], rows: NDArray[np.float64], cols: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The inverse Fourier transform of a spectrum at some places, as a product of matrices."""
    of_rows = np.exp(2j * np.pi * np.outer(rows, np.fft.fftfreq(spectrum.shape[0])))
    of_cols = np.exp(2j * np.pi * np.outer(np.fft.fftfreq(spectrum.shape[1]), cols))
    return np.asarray((of_rows @ spectrum @ of_cols).real)


def _windows(grid: Grid) -> list[Window]:
    side = max(min(TILE, *(n // 3 for n in grid.shape)), min(SMALLEST_TILE, *grid.shape))
    rows, cols = (
        np.unique(np.linspace(0, n - side, min(TILES_A_SIDE, max(1, (2 * n) // side))).astype(int)) for n in grid.shape
    )
    return [Window(int(r), int(c), side, side) for r in rows for c in cols]


def _has_texture(pixels: NDArray[np.float32], valid: NDArray[np.bool_]) -> bool:
    brightness = pixels.mean(axis=0)[valid]
    return bool(brightness.std() > TEXTURE * abs(brightness.mean()))


def _edges(pixels: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean over the bands of the gradient's magnitude, each band in units of its own spread."""
    strength = np.zeros(valid.shape)
    for band in pixels.astype(np.float64):
        filled = np.where(valid, band, band[valid].mean())
        strength += ndimage.gaussian_gradient_magnitude(filled, 1.0) / max(filled.std(), 1e-12)
    return np.sqrt(strength)  # a few strong edges, which may be new, do not outweigh all others


def _conclude(shifts: NDArray[np.float64], without: int, bands: Sequence[str], grid: Grid) -> Registration:
    seen = shifts[np.isfinite(shifts).all(axis=1)]
    rows = cols = spread = error = 0.0
    agreeing = 0
    if len(seen):
        near = np.hypot(*(seen - np.median(seen, axis=0)).T) <= AGREEMENT_PIXELS
        agreeing = int(near.sum())
        if agreeing:
            rows, cols = (float(v) for v in np.median(seen[near], axis=0))
            spread = float(1.4826 * np.median(np.hypot(*(seen[near] - [rows, cols]).T)))
            error = float(1.2533 * spread / np.sqrt(agreeing))
    known = agreeing >= LEAST_TILES and agreeing >= LEAST_AGREEMENT * len(shifts)
    metres, towards = _on_the_ground(grid, rows, cols)
    return Registration(
        known, rows, cols, float(np.hypot(rows, cols)), metres, towards, spread, error, len(shifts), agreeing, without,
        tuple(bands),
    )  # fmt: skip


def _on_the_ground(grid: Grid, rows: float, cols: float) -> tuple[float, float]:
    """Length in metres of a shift of the middle of a grid, and its direction clockwise from north."""
    if rows == cols == 0:
        return 0.0, 0.0
    row, col = grid.height / 2, grid.width / 2
    x, y = grid.pixel_centres(np.array([row, row + rows]), np.array([col, col + cols]))
    lon, lat = Transformer.from_crs(grid.crs, CRS.from_epsg(4326), always_xy=True).transform(x, y)
    azimuth, _, length = Geod(ellps="WGS84").inv(lon[0], lat[0], lon[1], lat[1])
    return float(length), float(azimuth % 360)
