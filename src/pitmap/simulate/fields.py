"""What grows between the works of man: parcels on the plain, terraced fields, woods, scrub and rock on the hills."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

from pitmap.simulate.canvas import Canvas, hundredths
from pitmap.simulate.materials import Material
from pitmap.simulate.noise import Field, fractal, refined
from pitmap.simulate.terrain import NODE

_KEYS = 2**20
_ROWS_AT_ONCE = 512
_BEND = 0.007
"""Amplitude over wavelength of the bends of field borders."""

TERRACES_ABOVE, WILD_ABOVE = 0.3, 0.5
"""Hilliness above which fields are terraced, and above which nothing is sown."""

TERRACE_M = 3.5
"""Height of a terrace of fields."""

TRACK_BELOW, TREES_ABOVE = 0.5, 0.7
"""Share of the blocks of parcels with a track along their border, and without a row of trees."""


@dataclass(frozen=True)
class Season:
    """How fields and woods stand.

    Attributes:
        cereal: Share of parcels under winter cereal.
        crop: Share of parcels under other crops.
        orchard: Share of parcels with fruit trees; the rest lies fallow.
        greenness: Shift of the tint of parcels, -1 (senescent) to 1 (lush).
    """

    cereal: float
    crop: float
    orchard: float
    greenness: float


SPRING = Season(cereal=0.55, crop=0.17, orchard=0.08, greenness=0.1)
AUTUMN = Season(cereal=0.2, crop=0.3, orchard=0.1, greenness=-0.45)


def season_of(month: int) -> Season:
    """The season of a month on the North China Plain: winter wheat is green in spring, harvest is over in autumn."""
    return SPRING if 3 <= month <= 8 else AUTUMN


def _mixed(*numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """A key 0 .. ``_KEYS`` - 1 from integers, scrambled so that neighbours do not resemble each other."""
    key = np.zeros(1, np.uint64)
    with np.errstate(over="ignore"):
        for number in numbers:
            key = (key ^ number.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            key ^= key >> np.uint64(29)
    return (key >> np.uint64(20)).astype(np.int64) % _KEYS


class _Parcels:
    """Parcels of a plain: rows of blocks, each cut into strips, on slightly bent coordinates."""

    def __init__(self, extent_m: float, rng: np.random.Generator) -> None:
        self.angle = np.radians(rng.normal(0, 7))
        self.waves = [(rng.uniform(700, 2500), rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)) for _ in range(3)]
        reach = 1.6 * extent_m + 600
        self.breaks = np.cumsum(rng.uniform(70, 210, int(2 * reach / 70))) - reach
        count = len(self.breaks) + 1
        self.length, self.offset = rng.uniform(110, 330, count), rng.uniform(0, 330, count)
        self.strip = rng.choice([9.0, 14.0, 20.0, 30.0, 45.0, 90.0], _KEYS, p=[0.12, 0.22, 0.26, 0.22, 0.12, 0.06])
        self.lengthwise = rng.random(_KEYS) < 0.7
        self.edge = rng.random(_KEYS)

    def at(self, down_m: NDArray[Any], right_m: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
        """Key of the parcel, distance to the border of its block, and what that border is like (0..1)."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        u, v = right_m * c + down_m * s, down_m * c - right_m * s
        for wavelength, direction, phase in self.waves:
            along = right_m * np.cos(direction) + down_m * np.sin(direction)
            bend = _BEND * wavelength * np.sin(2 * np.pi * along / wavelength + phase)
            u, v = u + bend * np.sin(direction), v + bend * np.cos(direction)
        row = np.searchsorted(self.breaks, v)
        x = (u + self.offset[row]) / self.length[row]
        col = np.floor(x).astype(np.int64)
        across = (x - col) * self.length[row]
        block = _mixed(row, col)
        top = self.breaks[np.maximum(row - 1, 0)]
        depth = self.breaks[np.minimum(row, len(self.breaks) - 1)] - top
        inward = v - top
        strip = np.floor(np.where(self.lengthwise[block], inward, across) / self.strip[block]).astype(np.int64)
        border = np.minimum(np.minimum(across, self.length[row] - across), np.minimum(inward, depth - inward))
        return _mixed(row, col, strip), border, self.edge[block]


@dataclass(frozen=True)
class _Tenure:
    """To which parcel every cell belongs.

    Attributes:
        key: Key of the parcel, int32.
        border: Metres to the border of the block of parcels, or to the edge of the terrace, float16.
        edge: What that border is like: below ``TRACK_BELOW`` a track, above ``TREES_ABOVE`` a row of trees, float16.
        tilled: Whether the parcel is tilled; otherwise the ground is wild.
    """

    key: NDArray[np.int32]
    border: NDArray[np.float16]
    edge: NDArray[np.float16]
    tilled: NDArray[np.bool_]


def cover(canvas: Canvas, hills: Field, bare_m2: float, season: Season, rng: np.random.Generator) -> None:
    """Cover all open ground of the canvas.

    Args:
        canvas: Changed in place; no open cell is left.
        hills: Hilliness 0..1 on the node lattice.
        bare_m2: Area of bare soil wanted, in whole parcels.
        season: How fields stand.
        rng: Source of randomness.
    """
    open_ground = canvas.material == Material.OPEN
    tenure = _tenure(canvas, hills, rng)
    patches = fractal((canvas.shape[0] // 2, canvas.shape[1] // 2), rng, 64, roughness=0.65)
    stands, belt = _stands(canvas, rng), _green_belt(canvas)
    size = np.bincount(tenure.key[tenure.tilled & open_ground], minlength=_KEYS) * canvas.cell_m**2
    bare = _bare_parcels(size, bare_m2, rng)
    kinds, tones, tints = _parcel_tables(season, rng)
    kinds[bare] = np.where(rng.random(len(bare)) < 0.7, Material.TILLED, Material.GRADED)
    for part, half in _strips(canvas):
        key, border, edge = tenure.key[part], tenure.border[part], tenure.edge[part]
        material, tone, tint = kinds[key], tones[key], tints[key]
        sown = ~np.isin(material, (Material.TILLED, Material.GRADED))
        patch = _cells(patches[half])
        material[sown & _cells(belt[half]) & (patch > 0.3)] = Material.TREES
        material[sown & (border < 1.6) & (edge < TRACK_BELOW)] = Material.TRACK
        material[sown & (border < 3.5) & (edge > TREES_ABOVE) & (patch > 0.2)] = Material.TREES
        wild = ~tenure.tilled[part]
        grown = _cells(stands[half]) + 0.45 * patch + np.float32(0.2) * rng.standard_normal(patch.shape, np.float32)
        material[wild] = _natural(grown)[wild]
        tone[wild] = 0
        tint[wild] = hundredths(season.greenness)
        here = open_ground[part]
        canvas.material[part][here] = material[here]
        canvas.tone[part][here] = tone[here]
        canvas.tint[part][here] = tint[here]


def _strips(canvas: Canvas) -> Iterator[tuple[slice, slice]]:
    """Rows of cells, and the rows of pixels that they make up."""
    for top in range(0, canvas.shape[0], _ROWS_AT_ONCE):
        bottom = min(canvas.shape[0], top + _ROWS_AT_ONCE)
        yield slice(top, bottom), slice(top // 2, bottom // 2)


def _tenure(canvas: Canvas, hills: Field, rng: np.random.Generator) -> _Tenure:
    """Divide the ground: parcels on the plain, terraces between contours on its rim, wild ground above."""
    rows, cols = canvas.shape
    parcels = _Parcels(max(rows, cols) * canvas.cell_m, rng)
    pixels = (rows // 2, cols // 2)
    wildness = refined(hills, NODE.bit_length() - 2, pixels)
    wildness += np.float32(0.13) * fractal(pixels, rng, 64, 2, roughness=0.5)
    key = np.empty(canvas.shape, np.int32)
    border, edge = np.empty(canvas.shape, np.float16), np.empty(canvas.shape, np.float16)
    right = np.arange(cols)[None, :] * canvas.cell_m
    total, count = np.zeros(_KEYS), np.zeros(_KEYS)
    for part, half in _strips(canvas):
        down = np.arange(part.start, part.stop)[:, None] * canvas.cell_m
        plain_key, distance, kind = parcels.at(down, right)
        wild = _cells(wildness[half])
        tier = canvas.elevation[part] / np.float32(TERRACE_M)
        stretch = np.floor((right + 0.4 * down) / 130).astype(np.int64)
        terrace_key = _mixed(np.floor(tier).astype(np.int64), stretch, np.full((1, 1), 7))
        terraced = (wild > TERRACES_ABOVE) & (wild <= WILD_ABOVE)
        key[part] = np.where(terraced, terrace_key, plain_key)
        border[part] = np.where(terraced, (tier % 1) * 6, np.minimum(distance, 100))
        edge[part] = np.where(terraced, TRACK_BELOW, kind)
        total += np.bincount(key[part].ravel(), wild.ravel(), minlength=_KEYS)
        count += np.bincount(key[part].ravel(), minlength=_KEYS)
    # Whole parcels are tilled or wild, so that the edge of the woods follows the fields.
    tilled = (total / np.maximum(count, 1) <= 0.5 * (TERRACES_ABOVE + WILD_ABOVE) + 0.05)[key]
    for part, half in _strips(canvas):
        tilled[part] &= _cells(wildness[half]) < WILD_ABOVE + 0.1
    return _Tenure(key, border, edge, tilled)


def _bare_parcels(size: NDArray[Any], wanted_m2: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Keys of parcels that lie bare: at random among those of ordinary size, until the area is reached."""
    candidates = np.flatnonzero((size > min(2000, 0.2 * wanted_m2)) & (size < np.clip(0.35 * wanted_m2, 1500, 30000)))
    chosen, total = [], 0.0
    for key in rng.permutation(candidates):
        if total + size[key] <= 1.05 * wanted_m2:
            chosen.append(key)
            total += size[key]
        if total >= 0.97 * wanted_m2:
            break
    return np.array(chosen, np.int64)


def _parcel_tables(season: Season, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Material, tone and tint by parcel key."""
    fallow = 1 - season.cereal - season.crop - season.orchard
    choice = rng.choice(
        [Material.CEREAL, Material.CROP, Material.ORCHARD, Material.FALLOW], _KEYS,
        p=[season.cereal, season.crop, season.orchard, fallow],
    ).astype(np.uint8)  # fmt: skip
    tint = rng.uniform(-1, 1, _KEYS)
    shift = np.where(np.isin(choice, (Material.CEREAL, Material.CROP)), season.greenness, 0.3 * season.greenness)
    return choice, hundredths(rng.uniform(-1, 1, _KEYS)), hundredths(tint + shift)


def _stands(canvas: Canvas, rng: np.random.Generator) -> Field:
    """How well wild ground is wooded, by pixel: valleys and northern slopes best, crests and southern slopes worst."""
    height = gaussian_filter(canvas.elevation[::2, ::2], 3)
    northward = np.clip(4 * np.gradient(height, 2 * canvas.cell_m, axis=0), -1, 1)
    valley = np.clip((gaussian_filter(height, 12) - height) / 4, -1, 1)
    stands = 0.75 * fractal(height.shape, rng, 128, 4, roughness=0.6) + 0.8 * northward + 0.6 * valley
    return stands.astype(np.float32)


def _green_belt(canvas: Canvas) -> NDArray[np.bool_]:
    """Pixels close to settlements and paved roads, where trees are planted."""
    material = canvas.material[::2, ::2]
    built = np.isin(material, range(Material.ROOF_GREY, Material.YARD_TREE + 1))
    paved = np.isin(material, (Material.ASPHALT, Material.CONCRETE))
    return (uniform_filter(built.astype(np.float32), 13) > 1e-3) | (uniform_filter(paved.astype(np.float32), 5) > 1e-3)


def _cells(pixels: NDArray[Any]) -> NDArray[Any]:
    """Values of pixels given to their 2 x 2 cells."""
    return pixels.repeat(2, 0).repeat(2, 1)


def _natural(grown: Field) -> NDArray[np.uint8]:
    """Wood, scrub, grass or rock."""
    return np.select(
        [grown > 0.65, grown > -0.4, grown > -1.6], [Material.WOOD, Material.SHRUB, Material.GRASS], Material.OUTCROP
    ).astype(np.uint8)
