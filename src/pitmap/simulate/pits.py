"""Open pits cut into the terrain bench by bench."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.optimize import brentq

from pitmap.simulate.canvas import Canvas, Mask, Patch, blob
from pitmap.simulate.materials import Material
from pitmap.simulate.noise import Field, fractal, smoothstep

RIM_GAP_M = 14.0
"""Distance of a pit from whatever lies beside it."""

DEEPEST_M = 80.0
"""Depth of the floor below the lower part of the rim, at most."""

FACE_FROM = 0.62
"""Share of a bench's width that is tread; the rest is face."""

OVERGROWN_SHARE = 0.35
"""Share of pits where some benches are left to grow over."""


@dataclass(frozen=True)
class Pit:
    """A pit as built.

    Attributes:
        number: Its value in ``Canvas.pit``.
        row: Cell row of its centre.
        col: Cell column of its centre.
        area_m2: Area of its cells.
        gate_row: Cell row of the point of the rim where its road arrives.
        gate_col: Cell column of that point.
        bench_m: Height of its benches.
    """

    number: int
    row: float
    col: float
    area_m2: float
    gate_row: int
    gate_col: int
    bench_m: float


def pit_areas(count: int, total_m2: float, largest_share: float, smallest_m2: float) -> list[float]:
    """Areas of pits, largest first: few large and many small ones, of a given sum.

    The logarithms of the areas grow from the smallest to the largest as a power of the rank, which fits the sum.
    """
    if count == 1 or total_m2 <= count * smallest_m2 * 1.5:
        return [total_m2 / count] * count
    rest = total_m2 - smallest_m2
    if count == 2:
        return [rest, smallest_m2]
    # Between these bounds the sum can be met.
    largest = float(
        np.clip(total_m2 * largest_share, 1.05 * rest / (count - 1), rest - 1.05 * (count - 2) * smallest_m2)
    )
    rank = np.linspace(0, 1, count)
    span = np.log(largest / smallest_m2)

    def areas(power: float) -> NDArray[np.float64]:
        return np.asarray(smallest_m2 * np.exp(span * rank**power))

    def excess(log_power: float) -> float:
        return float(areas(np.exp(log_power)).sum() - total_m2)

    return [float(area) for area in areas(np.exp(brentq(excess, -9, 9)))[::-1]]


def dig(canvas: Canvas, row: float, col: float, area_m2: float, number: int, rng: np.random.Generator) -> Pit:
    """Cut a pit into the canvas: outline, benches, floor, haul tracks, stockpiles.

    Args:
        canvas: Changed in place.
        row: Cell row of the centre.
        col: Cell column of the centre.
        area_m2: Area wanted.
        number: Number of the pit.
        rng: Source of randomness.
    """
    radius = np.sqrt(area_m2 / np.pi)
    patch = Patch(canvas, row, col, 2.4 * radius + 60)
    ground = gaussian_filter(patch.elevation, 20 / canvas.cell_m)
    order = _outline_order(patch, ground, radius, canvas.cell_m, rng)
    mask = blob(order, patch.free(RIM_GAP_M), canvas.cells(area_m2))
    inward = (distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] * canvas.cell_m).astype(np.float32)
    rim = mask & (inward <= 1.5 * canvas.cell_m)

    bench = float(np.clip(3.0 + 2.2 * np.log10(area_m2 / 1e3), 3.0, 11.0))
    benches = _benches(patch, ground, inward, rim, bench, radius, canvas.cell_m, rng)
    material, works = _pit_materials(benches, rim, canvas.cell_m, rng)
    bench_tone = rng.uniform(-1, 1, 256)[benches.level % 256]
    tone = 0.5 * rng.uniform(-1, 1) + 0.4 * bench_tone + 0.25 * works
    patch.paint(mask, material, tone, rng.uniform(-1, 1))
    patch.elevation[mask] = np.minimum(benches.height, patch.elevation - 1)[mask]
    patch.pit[mask] = number

    gate = np.unravel_index(np.flatnonzero(rim)[np.argmin(ground[rim])], patch.shape)
    rows, cols = np.nonzero(mask)
    top, left = patch.origin
    return Pit(
        number, float(rows.mean() + top), float(cols.mean() + left), float(mask.sum()) * canvas.cell_m**2,
        int(gate[0] + top), int(gate[1] + left), bench,
    )  # fmt: skip


@dataclass(frozen=True)
class _Benches:
    """The surface of a pit, by cell.

    Attributes:
        height: Metres.
        face: Whether the cell lies on a steep face between two benches.
        floor: Whether it lies on the floor.
        level: Number of the bench, or of the level of the floor.
    """

    height: Field
    face: Mask
    floor: Mask
    level: NDArray[np.int64]


def _benches(
    patch: Patch,
    ground: Field,
    inward: Field,
    rim: Mask,
    bench: float,
    radius: float,
    cell_m: float,
    rng: np.random.Generator,
) -> _Benches:
    """Cut the ground in steps of ``bench`` metres that go down with the distance from the rim, to the floor."""
    depth = min(rng.uniform(0.08, 0.15) * np.sqrt(np.pi) * radius, DEEPEST_M)
    bottom = float(np.percentile(ground[rim], 20)) - depth
    # Inside, benches are laid out on a plane through the rim; hills within the outline are gone.
    near_rim = np.exp(-inward / 60)
    ground = np.minimum(ground, near_rim * ground + (1 - near_rim) * _plane(patch, ground, rim))
    # One side is the high wall with narrow benches, the other is worked in wide ones.
    coarsest = max(8.0, 0.7 * radius / cell_m)
    facing = np.tanh(patch.axes(rng.uniform(0, 2 * np.pi))[0] / (0.5 * radius))
    tread = bench * rng.uniform(1.8, 2.6) + 6
    steepness = bench / tread * np.exp(0.55 * facing + 0.2 * fractal(patch.shape, rng, coarsest, 8))
    step = (ground - 0.4 * bench - steepness * inward - bottom) / bench
    part = step % 1
    height = bottom + bench * (np.floor(step) + smoothstep(FACE_FROM, 0.97, part))
    # Floors of larger pits are worked at several levels.
    levels = np.clip(fractal(patch.shape, rng, coarsest, 4, roughness=0.5) * 0.8 + 0.4, 0, 2.9) * (radius > 60)
    floor_height = bottom + bench * (np.floor(levels) + smoothstep(0.9, 1.0, levels % 1))
    floor = height <= floor_height
    return _Benches(
        np.maximum(height, floor_height),
        np.where(floor, levels % 1 > 0.88, part > FACE_FROM),
        floor,
        np.floor(np.where(floor, 100 + levels, step)).astype(np.int64),
    )


def _pit_materials(
    benches: _Benches, rim: Mask, cell_m: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], Field]:
    """Materials of a pit, and the noise that its brightness follows."""
    shape = rim.shape
    face = benches.face | (rim & ~benches.floor)
    works = fractal(shape, rng, max(8.0, 90 / cell_m), 2, roughness=0.6)
    tracks = np.abs(fractal(shape, rng, max(8.0, 180 / cell_m), 8, roughness=0.4)) < 0.06
    material = np.where(benches.floor, Material.PIT_FLOOR, Material.PIT_TREAD).astype(np.uint8)
    material[tracks] = Material.PIT_HAUL
    material[face] = Material.PIT_FACE
    material[(works > 1.5) & benches.floor] = Material.PIT_STOCK
    if rng.random() < OVERGROWN_SHARE:
        material[(works < rng.uniform(-1.4, 0.2)) & ~tracks] = Material.PIT_OVERGROWN
    return material, works


def _plane(patch: Patch, height: Field, where: Mask) -> Field:
    """The plane that fits the heights of some cells best, on all cells of the patch."""
    down, right = (np.broadcast_to(axis, patch.shape) for axis in (patch.down_m, patch.right_m))
    samples = np.stack([np.ones(int(where.sum())), down[where], right[where]], axis=1)
    (level, by_down, by_right), *_ = np.linalg.lstsq(samples, height[where].astype(np.float64), rcond=None)
    return np.asarray(level + by_down * patch.down_m + by_right * patch.right_m, np.float32)


def _outline_order(patch: Patch, ground: Field, radius: float, cell_m: float, rng: np.random.Generator) -> Field:
    """Distance from the pit's centre lines, elongated along the contour and frayed."""
    by_row, by_col = np.gradient(ground)
    angle = float(np.arctan2(by_row.mean(), by_col.mean()) + np.pi / 2 + rng.normal(0, 0.4))
    order = np.full(patch.shape, np.inf, np.float32)
    for lobe in range(1 + (radius > 60) + (radius > 150) + (radius > 400)):
        along, across = patch.axes(angle + rng.normal(0, 0.35))
        shift = rng.uniform(-0.6, 0.6, 2) * radius if lobe else np.zeros(2)
        size = 1.0 if lobe == 0 else rng.uniform(0.5, 0.9)
        aspect = rng.uniform(1.2, 1.9)
        order = np.minimum(
            order, np.hypot((along - shift[0]) / aspect, (across - shift[1]) * aspect**0.5) / (size * radius)
        )
    # Faces are blasted along straight lines.
    for _ in range(rng.integers(2, 5)):
        toward, _ = patch.axes(rng.uniform(0, 2 * np.pi))
        order = np.maximum(order, toward / (rng.uniform(0.6, 1.1) * radius))
    fray = fractal(patch.shape, rng, max(6.0, 0.7 * radius / cell_m), 3, roughness=0.5)
    return order + np.float32(0.11) * fray
