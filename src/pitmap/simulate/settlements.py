"""Villages of courtyard houses in rows, and works of large halls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitmap.simulate.canvas import Canvas, hundredths
from pitmap.simulate.materials import Material
from pitmap.simulate.noise import fractal


@dataclass(frozen=True)
class Pattern:
    """Measures of a settlement, metres.

    Attributes:
        plot: Length and width of a block of the settlement.
        house: Length of a lot along the block.
        lane: Width of the lane along two sides of every block.
        depth: Where a house starts and ends across the block.
        roofs: Roof materials with their frequencies.
        yard: Material between the houses.
    """

    plot: tuple[float, float]
    house: float
    lane: float
    depth: tuple[float, float]
    roofs: dict[Material, float]
    yard: Material


VILLAGE = Pattern(
    (52.0, 25.0), 12.0, 4.0, (5.0, 15.0),
    {
        Material.ROOF_GREY: 0.45, Material.ROOF_RED: 0.25, Material.ROOF_DARK: 0.15, Material.ROOF_WHITE: 0.1,
        Material.ROOF_BLUE: 0.05,
    },
    Material.YARD,
)  # fmt: skip
WORKS = Pattern(
    (80.0, 44.0), 38.0, 7.0, (11.0, 34.0),
    {
        Material.ROOF_GREY: 0.3, Material.ROOF_BLUE: 0.3, Material.ROOF_WHITE: 0.2, Material.ROOF_DARK: 0.1,
        Material.WORKS_YARD: 0.1,
    },
    Material.WORKS_YARD,
)  # fmt: skip


def build(canvas: Canvas, row: float, col: float, area_m2: float, pattern: Pattern, rng: np.random.Generator) -> float:
    """Build a settlement on open ground.

    Args:
        canvas: Changed in place.
        row: Cell row of the centre.
        col: Cell column of the centre.
        area_m2: Area wanted.
        pattern: What it is built of.
        rng: Source of randomness.

    Returns:
        The area built, m2; below the wanted one where there is no room.
    """
    step = canvas.cell_m
    half = int(1.3 * np.sqrt(area_m2) / step + 2 * max(pattern.plot) / step)
    top, left = max(0, round(row) - half), max(0, round(col) - half)
    window = (slice(top, min(canvas.shape[0], round(row) + half)), slice(left, min(canvas.shape[1], round(col) + half)))
    down = ((np.arange(window[0].start, window[0].stop) - row) * step)[:, None]
    right = ((np.arange(window[1].start, window[1].stop) - col) * step)[None, :]
    angle = np.radians(rng.normal(0, 8))
    along, across = right * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - right * np.sin(angle)
    block_row = np.floor(across / pattern.plot[1]).astype(np.int64)
    # Rows of blocks are shifted against each other.
    shift = rng.uniform(0, pattern.plot[0], 4096)[block_row % 4096]
    block_col = np.floor((along + shift) / pattern.plot[0]).astype(np.int64)
    x, y = along + shift - block_col * pattern.plot[0], across - block_row * pattern.plot[1]

    free = canvas.material[window] == Material.OPEN
    block_row, block_col = block_row - block_row.min(), block_col - block_col.min()
    block = block_row * (block_col.max() + 1) + block_col
    count = int(block.max()) + 1
    room = np.bincount(block[free], minlength=count)
    size = np.bincount(block.ravel(), minlength=count)
    away = np.hypot(along / 1.15, across * 1.15)
    distance = np.bincount(block.ravel(), away.ravel(), minlength=count) / np.maximum(size, 1)
    frayed = distance * (1 + 0.13 * rng.standard_normal(count)) + 0.03 * rng.uniform(0, max(pattern.plot), count)
    frayed[room < 0.25 * pattern.plot[0] * pattern.plot[1] / step**2] = np.inf
    order = np.argsort(frayed, kind="stable")
    order = order[np.isfinite(frayed[order])]
    cells = np.cumsum(room[order])
    wanted = area_m2 / step**2
    chosen = order[: int(np.searchsorted(cells, wanted)) + 1]
    if len(chosen) and cells[len(chosen) - 1] - wanted > 0.5 * room[chosen[-1]]:
        chosen = chosen[:-1]
    built = np.zeros(count, bool)
    built[chosen] = True
    here = free & built[block]

    lot = (block * 16 + np.floor((x - pattern.lane) / pattern.house).astype(np.int64) % 16) % 65536
    material, tone, tint = _lots(pattern, lot, x, y, rng)
    clumps = fractal(here.shape, rng, 8, 2, roughness=0.7)
    material[(clumps > 1.5) & (material == pattern.yard)] = Material.YARD_TREE
    canvas.material[window][here] = material[here]
    canvas.tone[window][here] = hundredths(tone)[here]
    canvas.tint[window][here] = hundredths(tint)[here]
    return float(here.sum()) * step**2


def _lots(
    pattern: Pattern, lot: NDArray[np.int64], x: NDArray[Any], y: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Material, tone and tint of every cell from its lot and its place in the block."""
    roofs = rng.choice(list(pattern.roofs), 65536, p=list(pattern.roofs.values())).astype(np.uint8)
    has_house, has_wing = rng.random(65536) < 0.9, rng.random(65536) < 0.45
    tones = rng.uniform(-1, 1, 65536)
    place = (x - pattern.lane) % pattern.house
    front = rng.uniform(0, 3, 65536)[lot]
    house = has_house[lot] & (y > pattern.depth[0] + front) & (y < pattern.depth[1] + front) & (place > 0.8)
    wing = (
        has_house[lot] & has_wing[lot] & (place < 0.3 * pattern.house) & (y > pattern.lane) & (y < pattern.plot[1] - 2)
    )
    lane = (x < pattern.lane) | (y < pattern.lane)
    material = np.where(house | wing, roofs[lot], np.uint8(pattern.yard))
    material[lane] = Material.LANE
    tone = np.where(lane, 0.0, tones[lot])
    return material, tone, np.where(house | wing, 0.0, tones[::-1][lot])
