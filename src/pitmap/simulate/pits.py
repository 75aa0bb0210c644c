"""Open pits cut into the terrain bench by bench, waste dumps tipped beside them, and ponds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_fill_holes, distance_transform_edt, gaussian_filter, label
from scipy.optimize import brentq

from pitmap.simulate.noise import Field, fractal, smoothstep
from pitmap.simulate.spectra import Canvas, Material, hundredths

Mask = NDArray[np.bool_]


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
    largest = max(total_m2 * largest_share, 1.5 * total_m2 / count)
    rank = np.linspace(0, 1, count)
    span = np.log(largest / smallest_m2)

    def areas(power: float) -> NDArray[np.float64]:
        return smallest_m2 * np.exp(span * rank**power)

    def excess(log_power: float) -> float:
        return float(areas(np.exp(log_power)).sum() - total_m2)

    return areas(np.exp(brentq(excess, -9, 9))).tolist()[::-1]


class _Patch:
    """A square piece of the canvas around a cell, cut at the canvas's edge."""

    def __init__(self, canvas: Canvas, row: float, col: float, half_m: float) -> None:
        half = int(np.ceil(half_m / canvas.cell_m))
        top, left = max(0, round(row) - half), max(0, round(col) - half)
        self.slices = (
            slice(top, min(canvas.shape[0], round(row) + half + 1)),
            slice(left, min(canvas.shape[1], round(col) + half + 1)),
        )
        self.shape = canvas.material[self.slices].shape
        self.down_m = ((np.arange(self.shape[0]) + top - row) * canvas.cell_m).astype(np.float32)[:, None]
        self.right_m = ((np.arange(self.shape[1]) + left - col) * canvas.cell_m).astype(np.float32)[None, :]
        self.origin = (top, left)

    def axes(self, angle: float) -> tuple[Field, Field]:
        """Coordinates along and across a direction (radians from the columns' axis), metres."""
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        return self.right_m * c + self.down_m * s, self.down_m * c - self.right_m * s


def blob(order: Field, free: Mask, cells: int) -> Mask:
    """The connected region of ``cells`` free cells that come first by ``order``, without holes.

    Args:
        order: The lower, the earlier a cell belongs to the region; its minimum over free cells is the seed.
        free: Cells that may be taken.
        cells: Size of the region; fewer where the free ground is smaller.
    """
    order = np.where(free, order, np.inf)
    seed = np.unravel_index(np.argmin(order), order.shape)
    levels = np.sort(order[free])

    def below(rank: int) -> Mask:
        parts, _ = label(order <= levels[min(rank, len(levels) - 1)])
        return parts == parts[seed]

    rank = cells - 1
    region = below(rank)
    for _ in range(20):
        rank += cells - int(region.sum())
        grown = below(rank)
        if grown.sum() > cells:
            break
        region = grown
    region = binary_fill_holes(region) & free
    while (missing := cells - int(region.sum())) > 0:
        ring = np.flatnonzero(binary_dilation(region) & free & ~region)
        if not len(ring):
            break
        region.flat[ring[np.argsort(order.flat[ring], kind="stable")[:missing]]] = True
    return region


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
    patch = _Patch(canvas, row, col, 2.4 * radius + 60)
    ground = gaussian_filter(canvas.elevation[patch.slices], 20 / canvas.cell_m)
    mask = blob(
        _outline_order(patch, ground, radius, canvas.cell_m, rng), _free(canvas, patch, 14), _cells(canvas, area_m2)
    )
    inward = (distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] * canvas.cell_m).astype(np.float32)

    bench = float(np.clip(3.0 + 2.2 * np.log10(area_m2 / 1e3), 3.0, 11.0))
    rim = mask & (inward <= 1.5 * canvas.cell_m)
    depth = min(rng.uniform(0.08, 0.15) * np.sqrt(area_m2), 80.0)
    bottom = float(np.percentile(ground[rim], 20)) - depth
    # Inside, benches are laid out on a plane through the rim; hills within the outline are gone.
    near_rim = np.exp(-inward / 60)
    ground = np.minimum(ground, near_rim * ground + (1 - near_rim) * _plane(patch, ground, rim))
    coarsest = max(8.0, 0.7 * radius / canvas.cell_m)
    # One side is the high wall with narrow benches, the other is worked in wide ones.
    facing = np.tanh(patch.axes(rng.uniform(0, 2 * np.pi))[0] / (0.5 * radius))
    tread = bench * rng.uniform(1.8, 2.6) + 6
    steepness = bench / tread * np.exp(0.55 * facing + 0.2 * fractal(patch.shape, rng, coarsest, 8))
    # Floors of larger pits are worked at several levels.
    levels = np.clip(fractal(patch.shape, rng, coarsest, 4, roughness=0.5) * 0.8 + 0.4, 0, 2.9) * (radius > 60)
    lift = np.floor(levels) + smoothstep(0.9, 1.0, levels % 1)
    floor = bottom + bench * lift
    step = (ground - 0.4 * bench - steepness * inward - bottom) / bench
    whole = np.floor(step)
    part = step - whole
    surface = bottom + bench * (whole + smoothstep(0.62, 0.97, part))
    on_floor = surface <= floor
    surface = np.minimum(np.where(on_floor, floor, surface), canvas.elevation[patch.slices] - 1)
    face = np.where(on_floor, levels % 1 > 0.88, (part > 0.62) | rim)

    works = fractal(patch.shape, rng, max(8.0, 90 / canvas.cell_m), 2, roughness=0.6)
    tracks = np.abs(fractal(patch.shape, rng, max(8.0, 180 / canvas.cell_m), 8, roughness=0.4)) < 0.06
    material = np.where(face, Material.PIT_FACE, np.where(on_floor, Material.PIT_FLOOR, Material.PIT_TREAD))
    material[tracks & ~face] = Material.PIT_HAUL
    material[(works > 1.5) & on_floor] = Material.PIT_STOCK
    if rng.random() < 0.35:
        material[(works < rng.uniform(-1.4, 0.2)) & ~tracks] = Material.PIT_OVERGROWN

    bench_tone = rng.uniform(-1, 1, 256)[np.where(on_floor, 100 + np.floor(levels), whole).astype(np.int64) % 256]
    tone = 0.5 * rng.uniform(-1, 1) + 0.4 * bench_tone + 0.25 * works
    _paint(canvas, patch, mask, material, tone, rng.uniform(-1, 1))
    canvas.elevation[patch.slices][mask] = surface[mask]
    canvas.pit[patch.slices][mask] = number
    gate = np.flatnonzero(rim)[np.argmin(ground[rim])]
    at = np.unravel_index(gate, patch.shape)
    rows, cols = np.nonzero(mask)
    return Pit(
        number, float(rows.mean() + patch.origin[0]), float(cols.mean() + patch.origin[1]),
        float(mask.sum()) * canvas.cell_m**2, int(at[0] + patch.origin[0]), int(at[1] + patch.origin[1]), bench,
    )  # fmt: skip


def _plane(patch: _Patch, height: Field, where: Mask) -> Field:
    """The plane that fits the heights of some cells best, on all cells of the patch."""
    down, right = (np.broadcast_to(axis, patch.shape) for axis in (patch.down_m, patch.right_m))
    samples = np.stack([np.ones(int(where.sum())), down[where], right[where]], axis=1)
    (level, by_down, by_right), *_ = np.linalg.lstsq(samples, height[where].astype(np.float64), rcond=None)
    return (level + by_down * patch.down_m + by_right * patch.right_m).astype(np.float32)


def _outline_order(patch: _Patch, ground: Field, radius: float, cell_m: float, rng: np.random.Generator) -> Field:
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


def tip(canvas: Canvas, pit: Pit, area_m2: float, rng: np.random.Generator) -> bool:
    """Tip a waste dump beside a pit: a fan with its apex at the rim, gullied along the fall line.

    Args:
        canvas: Changed in place.
        pit: The pit that the waste comes from.
        area_m2: Area wanted.
        rng: Source of randomness.

    Returns:
        Whether there was room for it.
    """
    reach = np.sqrt(area_m2)
    angle = _way_out(canvas, pit, rng)
    step = canvas.cell_m
    row, col = pit.row, pit.col
    inside = np.inf
    while inside:  # walk from the pit's centre to its rim
        row, col = row + np.sin(angle), col + np.cos(angle)
        if not (0 <= row < canvas.shape[0] - 1 and 0 <= col < canvas.shape[1] - 1):
            return False
        inside = canvas.pit[round(row), round(col)] == pit.number
    patch = _Patch(canvas, row, col, 2.2 * reach + 40)
    free = _free(canvas, patch, 0)
    if free.sum() < 4 * area_m2 / step**2:
        return False
    out, side = patch.axes(angle)
    distance, bearing = np.hypot(out, side), np.arctan2(side, out)
    lobes = fractal(patch.shape, rng, max(6.0, 0.6 * reach / step), 3, roughness=0.5)
    # Tongues: every ray from the apex reaches its own distance.
    tongues = np.exp(np.interp(bearing, np.linspace(-np.pi, np.pi, 9), 0.2 * rng.standard_normal(9)))
    spread = rng.uniform(0.7, 1.3)
    order = distance / (reach * tongues) * (1 + 0.6 * np.abs(bearing / spread) ** 3) + 0.16 * lobes
    mask = blob(order.astype(np.float32), free, _cells(canvas, area_m2))

    margin = (distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] * step).astype(np.float32)
    lift = float(np.clip(0.05 * reach, 3, 14))
    rise = np.minimum(0.6 * margin, lift) + np.clip(0.6 * (margin - lift / 0.6 - 14), 0, lift)
    spokes = max(12, round(2 * np.pi * 0.8 * reach / 11))
    ray = (bearing / (2 * np.pi) % 1) * spokes + np.float32(0.5) * lobes
    gully = np.interp(ray, np.arange(spokes + 3), rng.uniform(-1, 1, spokes + 3)).astype(np.float32)
    slope = np.clip(1 - (margin - lift / 0.6) / 25, 0.25, 1)
    ground = gaussian_filter(canvas.elevation[patch.slices], 8 / step)
    surface = ground + rise + np.float32(0.7) * gully * slope * np.minimum(margin / 6, 1)

    material = np.full(patch.shape, Material.DUMP, np.uint8)
    if rng.random() < 0.45:
        growth = fractal(patch.shape, rng, max(8.0, 60 / step), 2, roughness=0.6) - np.float32(0.5) * gully
        material[growth > rng.uniform(-0.2, 1.2)] = Material.DUMP_OVERGROWN
    _paint(canvas, patch, mask, material, 0.5 * rng.uniform(-1, 1) + 0.5 * gully, rng.uniform(-1, 1))
    canvas.elevation[patch.slices][mask] = surface[mask]
    return True


def _way_out(canvas: Canvas, pit: Pit, rng: np.random.Generator) -> float:
    """Direction from the pit's centre to its dump, mostly downhill (radians from the columns' axis)."""
    patch = _Patch(canvas, pit.row, pit.col, 2 * np.sqrt(pit.area_m2))
    by_row, by_col = map(np.asarray, np.gradient(canvas.elevation[patch.slices][::4, ::4]))
    outside = canvas.pit[patch.slices][::4, ::4] != pit.number
    downhill = np.arctan2(-by_row[outside].mean(), -by_col[outside].mean()) if outside.any() else 0.0
    return float(downhill + rng.normal(0, 0.8))


def flood(canvas: Canvas, row: float, col: float, area_m2: float, rng: np.random.Generator) -> bool:
    """Fill a hollow with water, around the lowest ground near a cell.

    Args:
        canvas: Changed in place.
        row: Cell row of the place.
        col: Cell column of the place.
        area_m2: Area wanted.
        rng: Source of randomness.

    Returns:
        Whether there was room for it.
    """
    radius = np.sqrt(area_m2 / np.pi)
    patch = _Patch(canvas, row, col, 3 * radius + 40)
    free = _free(canvas, patch, 10)
    if free.sum() < 2 * area_m2 / canvas.cell_m**2:
        return False
    ground = gaussian_filter(canvas.elevation[patch.slices], 6 / canvas.cell_m)
    along, across = patch.axes(rng.uniform(0, np.pi))
    order = np.hypot(along / 1.5, across * 1.2) / radius + 0.12 * fractal(
        patch.shape, rng, max(6.0, radius / canvas.cell_m), 4
    )
    order += 0.8 * (ground - ground[free].min()) / max(float(np.ptp(ground[free])), 4.0)
    mask = blob(order.astype(np.float32), free, _cells(canvas, area_m2))
    _paint(canvas, patch, mask, np.full(patch.shape, Material.WATER), rng.uniform(-1, 1), rng.uniform(-1, 1))
    canvas.elevation[patch.slices][mask] = float(np.percentile(ground[mask], 5)) - 1
    return True


def _cells(canvas: Canvas, area_m2: float) -> int:
    return max(1, round(area_m2 / canvas.cell_m**2))


def _free(canvas: Canvas, patch: _Patch, gap_m: float) -> Mask:
    """Open ground that keeps a distance from all that is built, and from the scene's edge."""
    taken = canvas.material[patch.slices] != Material.OPEN
    if gap_m:
        taken = binary_dilation(taken, iterations=max(1, round(gap_m / canvas.cell_m)))
    top, left = patch.origin
    edge = 3
    rows = np.arange(top, top + patch.shape[0])[:, None]
    cols = np.arange(left, left + patch.shape[1])[None, :]
    within = (rows >= edge) & (rows < canvas.shape[0] - edge) & (cols >= edge) & (cols < canvas.shape[1] - edge)
    return ~taken & within


def _paint(
    canvas: Canvas, patch: _Patch, mask: Mask, material: NDArray, tone: NDArray | float, tint: NDArray | float
) -> None:
    canvas.material[patch.slices][mask] = material[mask]
    canvas.tone[patch.slices][mask] = hundredths(np.broadcast_to(tone, patch.shape)[mask])
    canvas.tint[patch.slices][mask] = hundredths(np.broadcast_to(tint, patch.shape)[mask])
