"""Ground materials: the class they belong to and how they look.

Classes overlap on purpose: crushed rock, spoil, tilled soil, dirt roads, yards and cement roofs differ less from each
other than each varies in itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from pitmap.legend import DEFAULT_LEGEND


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


def column(name: str) -> NDArray[np.float32]:
    """One attribute of ``Optics`` by material number."""
    return np.array([getattr(OPTICS[material], name) for material in Material], np.float32)


CLASS_OF_MATERIAL = np.array([DEFAULT_LEGEND[OPTICS[material].key].code for material in Material], np.uint8)
"""Class code by material number."""

GROUND = np.array([OPTICS[material].ground for material in Material], np.float32).T / 100
"""Reflectance of the ground, ``(4, material)``."""

CANOPY = np.array([CANOPIES[OPTICS[material].canopy] for material in Material], np.float32).T / 100
"""Reflectance of the closed canopy, ``(4, material)``."""
