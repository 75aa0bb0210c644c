"""What a satellite sees of a landscape: four bands of top-of-atmosphere reflectance, and the class of every pixel.

A cell's spectrum is a linear mixture of its material's ground and of green canopy, with a tone and a tint that vary
between objects (a roof, a parcel, a bench) and within them. Relief, trees and houses cast shadow, the air adds haze,
optics blur and the sensor adds noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pitmap.legend import DEFAULT_LEGEND
from pitmap.simulate.canvas import Canvas
from pitmap.simulate.conditions import USUAL, Conditions
from pitmap.simulate.materials import CANOPY, CLASS_OF_MATERIAL, GROUND, column
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


def render(
    canvas: Canvas, sun_zenith_deg: float, sun_azimuth_deg: float, rng: np.random.Generator,
    conditions: Conditions = USUAL,
) -> Field:  # fmt: skip
    """Top-of-atmosphere reflectance of the pixels, each of 2 x 2 cells.

    Args:
        canvas: The ground.
        sun_zenith_deg: Sun zenith angle.
        sun_azimuth_deg: Sun azimuth, clockwise from north.
        rng: Source of randomness.
        conditions: Season, air and sensor.

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
        surface = _surface_reflectance(canvas, slice(top, bottom), patches[half], greening[half], rng, conditions)
        for band in range(4):
            reflectance[band, half] = _pixel_means(surface[band] * light)
    for band in range(4):
        air = np.float32(PATH_REFLECTANCE[band] * conditions.haze) * (1 + np.float32(0.08) * haze)
        through = np.float32(TRANSMITTANCE[band] ** conditions.haze)
        reflectance[band] = air + through * gaussian_filter(reflectance[band], BLUR_PIXELS)
        reflectance[band] *= np.float32(conditions.gain[band])
        sensor = rng.standard_normal(pixels, np.float32) * (0.0015 + 0.008 * reflectance[band])
        reflectance[band] = np.clip(reflectance[band] + sensor, 0.001, 1.0)
    return reflectance


def _light(canvas: Canvas, top: int, bottom: int, margin: int, zenith: float, azimuth: float) -> Field:
    """Light on the cells of some rows, relative to level ground in the sun."""
    first, last = max(0, top - margin), min(canvas.shape[0], bottom + margin)
    terrain = canvas.elevation[first:last]
    cosine = illumination(terrain, canvas.cell_m, zenith, azimuth)
    surface = terrain + column("height_m")[canvas.material[first:last]]
    shadow = cast_shadow(surface, canvas.cell_m, zenith, azimuth, SHADOW_REACH_M)
    direct = cosine / np.float32(np.cos(np.radians(zenith))) * (1 - shadow)
    light = np.float32(SHADOW_LIGHT) + np.float32(1 - SHADOW_LIGHT) * direct
    return light[top - first : light.shape[0] - (last - bottom)]


def _surface_reflectance(
    canvas: Canvas, rows: slice, patches: Field, greening: Field, rng: np.random.Generator, conditions: Conditions
) -> list[Field]:
    material = canvas.material[rows]
    tone = canvas.tone[rows].astype(np.float32) / 100
    tint = canvas.tint[rows].astype(np.float32) / 100
    grain = rng.standard_normal(material.shape, np.float32)
    texture = np.float32(0.7) * patches.repeat(2, 0).repeat(2, 1) + np.float32(1.2) * grain
    brightness = np.exp(column("tone_spread")[material] * tone + column("tone_noise")[material] * texture)
    leaves = np.float32(0.8) * greening.repeat(2, 0).repeat(2, 1) - np.float32(0.5) * grain
    cover = column("cover")[material] + column("cover_spread")[material] * tint
    cover = np.clip(cover + column("cover_noise")[material] * leaves, 0, 1)
    redness = np.exp(np.float32(0.08) * tint[None] * np.array([-1, -0.3, 0.5, 0.4], np.float32)[:, None, None])
    ground, canopy = conditions.ground(GROUND), conditions.canopy(CANOPY)
    return [
        brightness * ((1 - cover) * ground[b][material] * redness[b] + cover * canopy[b][material]) for b in range(4)
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
