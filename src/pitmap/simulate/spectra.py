"""Ground materials and what a satellite sees of them: four bands of top-of-atmosphere reflectance.

A cell's spectrum is a linear mixture of its material's ground and of green canopy, with a tone and a tint that vary
between objects (a roof, a parcel, a bench) and within them. Classes overlap on purpose: crushed rock, spoil, tilled
soil, dirt roads, yards and cement roofs differ less from each other than each varies in itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pitmap.legend import DEFAULT_LEGEND
from pitmap.simulate.noise import Field, fractal
from pitmap.simulate.terrain import cast_shadow, illumination

BANDS = ("blue", "green", "red", "nir")
"""Band names in the order of the image (GF-2 PMS: 0.45-0.52, 0.52-0.59, 0.63-0.69, 0.77-0.89 um)."""

PATH_REFLECTANCE = (0.072, 0.050, 0.033, 0.018)
"""Reflectance that the air adds, by band: a moderately hazy day."""

TRANSMITTANCE = (0.80, 0.85, 0.89, 0.93)
"""Share of the ground's reflectance that passes the air both ways, by band."""

BLUR_PIXELS = 0.45
"""Standard deviation of the point spread of optics and resampling, in pixels."""

SHADOW_LIGHT = 0.28
"""Share of the light that reaches shadow, from the sky."""

SHADOW_REACH_M = 60.0
"""Obstacles farther away than this throw no shadow."""

_BLOCK_CELLS = 512


class Material(IntEnum):
    """What covers a cell. ``OPEN`` is ground that no step has claimed yet."""

    OPEN = 0
    PIT_TREAD = 1
    PIT_FACE = 2
    PIT_FLOOR = 3
    PIT_HAUL = 4
    PIT_STOCK = 5
    PIT_OVERGROWN = 6
    WATER = 7
    ROOF_GREY = 8
    ROOF_RED = 9
    ROOF_BLUE = 10
    ROOF_WHITE = 11
    ROOF_DARK = 12
    YARD = 13
    LANE = 14
    WORKS_YARD = 15
    YARD_TREE = 16
    TILLED = 17
    GRADED = 18
    ASPHALT = 19
    CONCRETE = 20
    DIRT = 21
    DUMP = 22
    DUMP_OVERGROWN = 23
    CEREAL = 24
    CROP = 25
    FALLOW = 26
    ORCHARD = 27
    GRASS = 28
    SHRUB = 29
    WOOD = 30
    OUTCROP = 31
    TRACK = 32
    TREES = 33


@dataclass(frozen=True)
class Optics:
    """How a material looks.

    Attributes:
        key: Class of the legend.
        ground: Surface reflectance of the ground by band, in percent.
        canopy: Name of the green canopy above it.
        cover: Share of green canopy, 0..1.
        cover_spread: Change of the cover between objects (tint -1..1).
        cover_noise: Standard deviation of the cover within an object.
        tone_spread: Change of the logarithm of brightness between objects (tone -1..1).
        tone_noise: Standard deviation of the logarithm of brightness within an object.
        height_m: Height above the terrain, for shadows.
    """

    key: str
    ground: tuple[float, float, float, float]
    canopy: str = "grass"
    cover: float = 0.0
    cover_spread: float = 0.0
    cover_noise: float = 0.0
    tone_spread: float = 0.2
    tone_noise: float = 0.08
    height_m: float = 0.0


CANOPIES = {
    "crop": (3.0, 6.0, 3.5, 46.0),
    "tree": (2.2, 4.0, 2.6, 31.0),
    "grass": (4.0, 7.0, 6.0, 29.0),
}
"""Surface reflectance of closed canopies by band, in percent."""

_LIMESTONE = (18.0, 22.0, 25.0, 29.0)
_SPOIL = (13.5, 16.5, 19.0, 25.5)
_LOESS = (10.0, 14.5, 20.0, 27.0)
_DUST = (16.0, 20.0, 24.0, 29.0)

OPTICS: dict[Material, Optics] = {
    Material.OPEN: Optics("VEG", _LOESS, "grass", 0.5),
    Material.PIT_TREAD: Optics("OPM", _LIMESTONE, "grass", 0.02, 0.02, 0.03, 0.22, 0.11),
    Material.PIT_FACE: Optics("OPM", (15.0, 18.5, 21.5, 25.0), "grass", 0.03, 0.03, 0.04, 0.22, 0.15),
    Material.PIT_FLOOR: Optics("OPM", _DUST, "grass", 0.02, 0.02, 0.03, 0.22, 0.12),
    Material.PIT_HAUL: Optics("OPM", (19.0, 23.0, 26.5, 31.0), tone_spread=0.2, tone_noise=0.08),
    Material.PIT_STOCK: Optics("OPM", (11.0, 13.5, 15.5, 18.5), tone_spread=0.4, tone_noise=0.2, height_m=2.0),
    Material.PIT_OVERGROWN: Optics("OPM", _SPOIL, "grass", 0.3, 0.12, 0.16, 0.22, 0.13),
    Material.WATER: Optics("WAT", (5.0, 6.5, 4.5, 2.0), "grass", 0.0, 0.0, 0.01, 0.25, 0.04),
    Material.ROOF_GREY: Optics("BUI", (15.0, 17.5, 19.5, 22.0), tone_spread=0.35, tone_noise=0.07, height_m=5.0),
    Material.ROOF_RED: Optics("BUI", (9.5, 11.5, 19.0, 25.0), tone_spread=0.25, tone_noise=0.07, height_m=5.0),
    Material.ROOF_BLUE: Optics("BUI", (24.0, 22.0, 17.0, 22.0), tone_spread=0.25, tone_noise=0.04, height_m=8.0),
    Material.ROOF_WHITE: Optics("BUI", (31.0, 33.0, 34.0, 36.0), tone_spread=0.2, tone_noise=0.05, height_m=6.0),
    Material.ROOF_DARK: Optics("BUI", (8.5, 9.5, 10.5, 12.5), tone_spread=0.25, tone_noise=0.07, height_m=5.0),
    Material.YARD: Optics("BUI", (13.5, 16.0, 18.5, 22.0), "tree", 0.08, 0.08, 0.08, 0.18, 0.13),
    Material.LANE: Optics("BUI", (14.0, 16.5, 18.5, 21.5), "tree", 0.05, 0.05, 0.05, 0.15, 0.1),
    Material.WORKS_YARD: Optics("BUI", _DUST, "grass", 0.03, 0.03, 0.04, 0.3, 0.14),
    Material.YARD_TREE: Optics("BUI", _LOESS, "tree", 0.7, 0.15, 0.12, 0.2, 0.1, 6.0),
    Material.TILLED: Optics("BAS", _LOESS, "crop", 0.03, 0.03, 0.03, 0.2, 0.09),
    Material.GRADED: Optics("BAS", (12.0, 16.5, 22.0, 28.5), "grass", 0.03, 0.03, 0.04, 0.2, 0.11),
    Material.ASPHALT: Optics("ROA", (9.5, 10.5, 11.5, 13.5), tone_spread=0.2, tone_noise=0.08),
    Material.CONCRETE: Optics("ROA", (16.0, 18.5, 20.5, 23.5), tone_spread=0.2, tone_noise=0.08),
    Material.DIRT: Optics("ROA", (14.5, 18.5, 22.5, 28.0), "grass", 0.04, 0.04, 0.05, 0.22, 0.11),
    Material.DUMP: Optics("WDA", _SPOIL, "grass", 0.05, 0.03, 0.05, 0.16, 0.12),
    Material.DUMP_OVERGROWN: Optics("WDA", _SPOIL, "grass", 0.26, 0.1, 0.15, 0.18, 0.13),
    Material.CEREAL: Optics("VEG", _LOESS, "crop", 0.72, 0.22, 0.07, 0.12, 0.05),
    Material.CROP: Optics("VEG", _LOESS, "crop", 0.45, 0.25, 0.08, 0.15, 0.07),
    Material.FALLOW: Optics("VEG", (9.5, 13.5, 18.0, 25.0), "grass", 0.24, 0.16, 0.09, 0.24, 0.1),
    Material.ORCHARD: Optics("VEG", _LOESS, "tree", 0.5, 0.2, 0.2, 0.12, 0.1, 2.5),
    Material.GRASS: Optics("VEG", (8.5, 11.5, 14.5, 21.0), "grass", 0.5, 0.2, 0.15, 0.15, 0.08),
    Material.SHRUB: Optics("VEG", (8.0, 10.5, 12.5, 18.0), "tree", 0.6, 0.15, 0.14, 0.15, 0.1, 1.5),
    Material.WOOD: Optics("VEG", (6.0, 8.0, 9.5, 15.0), "tree", 0.85, 0.1, 0.1, 0.15, 0.14, 7.0),
    Material.OUTCROP: Optics("VEG", (13.0, 16.0, 18.5, 22.5), "grass", 0.25, 0.15, 0.16, 0.22, 0.14),
    Material.TRACK: Optics("VEG", (12.5, 16.5, 21.0, 27.0), "grass", 0.2, 0.1, 0.12, 0.2, 0.1),
    Material.TREES: Optics("VEG", _LOESS, "tree", 0.75, 0.15, 0.12, 0.15, 0.12, 7.0),
}


def _column(name: str) -> NDArray[np.float32]:
    return np.array([getattr(OPTICS[material], name) for material in Material], np.float32)


CLASS_OF_MATERIAL = np.array([DEFAULT_LEGEND[OPTICS[material].key].code for material in Material], np.uint8)
"""Class code by material number."""

_GROUND = np.array([OPTICS[material].ground for material in Material], np.float32).T / 100
_CANOPY = np.array([CANOPIES[OPTICS[material].canopy] for material in Material], np.float32).T / 100


@dataclass
class Canvas:
    """The landscape under construction, on cells half a pixel wide.

    Attributes:
        cell_m: Side of a cell, metres.
        elevation: Metres, float32 ``(rows, cols)``; lowered by pits, raised by dumps.
        material: ``Material`` numbers, uint8.
        tone: Brightness of the object, hundredths -100..100, int8.
        tint: Greenness or hue of the object, hundredths -100..100, int8.
        pit: Number of the pit from 1, 0 elsewhere, uint16.
    """

    cell_m: float
    elevation: Field
    material: NDArray[np.uint8]
    tone: NDArray[np.int8]
    tint: NDArray[np.int8]
    pit: NDArray[np.uint16]

    @classmethod
    def of(cls, elevation: Field, cell_m: float) -> Canvas:
        """Open ground with a relief."""
        shape = elevation.shape
        return cls(
            cell_m, elevation, np.zeros(shape, np.uint8), np.zeros(shape, np.int8), np.zeros(shape, np.int8),
            np.zeros(shape, np.uint16),
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.material.shape[0], self.material.shape[1]

    @property
    def area_m2(self) -> float:
        """Ground covered."""
        return self.material.size * self.cell_m**2


def hundredths(value: NDArray | float) -> NDArray[np.int8]:
    """Tones and tints -1..1 as the canvas stores them."""
    return np.round(np.clip(value, -1, 1) * 100).astype(np.int8)


def render(canvas: Canvas, sun_zenith_deg: float, sun_azimuth_deg: float, rng: np.random.Generator) -> Field:
    """Top-of-atmosphere reflectance of the pixels, each of 2 x 2 cells.

    Args:
        canvas: The ground.
        sun_zenith_deg: Sun zenith angle.
        sun_azimuth_deg: Sun azimuth, clockwise from north.
        rng: Source of randomness.

    Returns:
        Blue, green, red and NIR, float32 ``(4, rows / 2, cols / 2)``.
    """
    rows, cols = canvas.shape
    pixels = (rows // 2, cols // 2)
    patches = fractal(pixels, rng, 16, roughness=0.75)
    greening = fractal(pixels, rng, 32, roughness=0.75)
    haze = fractal(pixels, rng, max(pixels) / 2, 64, roughness=0.5)
    reflectance = np.empty((4, *pixels), np.float32)
    margin = round(SHADOW_REACH_M / canvas.cell_m) // 2 * 2 + 2
    for top in range(0, rows, _BLOCK_CELLS):
        bottom = min(rows, top + _BLOCK_CELLS)
        light = _light(canvas, top, bottom, margin, sun_zenith_deg, sun_azimuth_deg)
        half = slice(top // 2, bottom // 2)
        surface = _surface_reflectance(canvas, slice(top, bottom), patches[half], greening[half], rng)
        for band in range(4):
            reflectance[band, half] = _pixel_means(surface[band] * light)
    for band in range(4):
        air = np.float32(PATH_REFLECTANCE[band]) * (1 + np.float32(0.08) * haze)
        reflectance[band] = air + np.float32(TRANSMITTANCE[band]) * gaussian_filter(reflectance[band], BLUR_PIXELS)
        sensor = rng.standard_normal(pixels, np.float32) * (0.0015 + 0.008 * reflectance[band])
        reflectance[band] = np.clip(reflectance[band] + sensor, 0.001, 1.0)
    return reflectance


def _light(canvas: Canvas, top: int, bottom: int, margin: int, zenith: float, azimuth: float) -> Field:
    """Light on the cells of some rows, relative to level ground in the sun."""
    first, last = max(0, top - margin), min(canvas.shape[0], bottom + margin)
    terrain = canvas.elevation[first:last]
    cosine = illumination(terrain, canvas.cell_m, zenith, azimuth)
    surface = terrain + _column("height_m")[canvas.material[first:last]]
    shadow = cast_shadow(surface, canvas.cell_m, zenith, azimuth, SHADOW_REACH_M)
    direct = cosine / np.float32(np.cos(np.radians(zenith))) * (1 - shadow)
    light = np.float32(SHADOW_LIGHT) + np.float32(1 - SHADOW_LIGHT) * direct
    return light[top - first : light.shape[0] - (last - bottom)]


def _surface_reflectance(
    canvas: Canvas, rows: slice, patches: Field, greening: Field, rng: np.random.Generator
) -> list[Field]:
    material = canvas.material[rows]
    tone = canvas.tone[rows].astype(np.float32) / 100
    tint = canvas.tint[rows].astype(np.float32) / 100
    grain = rng.standard_normal(material.shape, np.float32)
    texture = np.float32(0.7) * patches.repeat(2, 0).repeat(2, 1) + np.float32(1.2) * grain
    brightness = np.exp(_column("tone_spread")[material] * tone + _column("tone_noise")[material] * texture)
    leaves = np.float32(0.8) * greening.repeat(2, 0).repeat(2, 1) - np.float32(0.5) * grain
    cover = _column("cover")[material] + _column("cover_spread")[material] * tint
    cover = np.clip(cover + _column("cover_noise")[material] * leaves, 0, 1)
    redness = np.exp(np.float32(0.08) * tint[None] * np.array([-1, -0.3, 0.5, 0.4], np.float32)[:, None, None])
    return [
        brightness * ((1 - cover) * _GROUND[b][material] * redness[b] + cover * _CANOPY[b][material]) for b in range(4)
    ]


def _pixel_means(cells: Field) -> Field:
    return 0.25 * (cells[0::2, 0::2] + cells[0::2, 1::2] + cells[1::2, 0::2] + cells[1::2, 1::2])


def majority_codes(material: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Class codes of pixels from the materials of their 2 x 2 cells: the majority.

    Where two classes share a pixel evenly, road wins (a thin line stays whole), then the class of the upper left cell.
    """
    cells = CLASS_OF_MATERIAL[material]
    four = [cells[0::2, 0::2], cells[0::2, 1::2], cells[1::2, 0::2], cells[1::2, 1::2]]
    best = np.zeros(four[0].shape, np.uint8)
    codes = np.zeros(four[0].shape, np.uint8)
    road = DEFAULT_LEGEND["ROA"].code
    for code in range(1, len(DEFAULT_LEGEND) + 1):
        votes = sum((cell == code).astype(np.uint8) for cell in four) * np.uint8(4)
        score = votes + np.uint8(2) * np.uint8(code == road) * (votes > 0) + (four[0] == code)
        better = score > best
        codes[better] = code
        best[better] = score[better]
    return codes
