"""Waste dumps: fans of spoil tipped from the rim of a pit, gullied along the fall line."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from pitmap.simulate.canvas import Canvas, Patch, blob
from pitmap.simulate.materials import Material
from pitmap.simulate.noise import fractal
from pitmap.simulate.pits import Pit


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
    step = canvas.cell_m
    angle = _way_out(canvas, pit, rng)
    apex = _beyond_rim(canvas, pit, angle)
    if apex is None:
        return False
    patch = Patch(canvas, *apex, 2.2 * reach + 40)
    free = patch.free(0)
    if free.sum() < 4 * area_m2 / step**2:
        return False
    out, side = patch.axes(angle)
    distance, bearing = np.hypot(out, side), np.arctan2(side, out)
    lobes = fractal(patch.shape, rng, max(6.0, 0.6 * reach / step), 3, roughness=0.5)
    # Tongues: every ray from the apex reaches its own distance.
    tongues = np.exp(np.interp(bearing, np.linspace(-np.pi, np.pi, 9), 0.2 * rng.standard_normal(9)))
    spread = rng.uniform(0.7, 1.3)
    order = distance / (reach * tongues) * (1 + 0.6 * np.abs(bearing / spread) ** 3) + 0.16 * lobes
    mask = blob(order.astype(np.float32), free, canvas.cells(area_m2))

    margin = (distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] * step).astype(np.float32)
    lift = float(np.clip(0.05 * reach, 3, 14))
    rise = np.minimum(0.6 * margin, lift) + np.clip(0.6 * (margin - lift / 0.6 - 14), 0, lift)
    spokes = max(12, round(2 * np.pi * 0.8 * reach / 11))
    ray = (bearing / (2 * np.pi) % 1) * spokes + np.float32(0.5) * lobes
    gully = np.interp(ray, np.arange(spokes + 3), rng.uniform(-1, 1, spokes + 3)).astype(np.float32)
    slope = np.clip(1 - (margin - lift / 0.6) / 25, 0.25, 1)
    ground = gaussian_filter(patch.elevation, 8 / step)
    surface = ground + rise + np.float32(0.7) * gully * slope * np.minimum(margin / 6, 1)

    material = np.full(patch.shape, Material.DUMP, np.uint8)
    if rng.random() < 0.45:
        growth = fractal(patch.shape, rng, max(8.0, 60 / step), 2, roughness=0.6) - np.float32(0.5) * gully
        material[growth > rng.uniform(-0.2, 1.2)] = Material.DUMP_OVERGROWN
    patch.paint(mask, material, 0.5 * rng.uniform(-1, 1) + 0.5 * gully, rng.uniform(-1, 1))
    patch.elevation[mask] = surface[mask]
    return True


def _beyond_rim(canvas: Canvas, pit: Pit, angle: float) -> tuple[float, float] | None:
    """The first cell (row, col) outside a pit on the way from its centre, None where the scene ends before."""
    row, col = pit.row + np.sin(angle), pit.col + np.cos(angle)
    while 0 <= row < canvas.shape[0] - 1 and 0 <= col < canvas.shape[1] - 1:
        if canvas.pit[round(row), round(col)] != pit.number:
            return row, col
        row, col = row + np.sin(angle), col + np.cos(angle)
    return None


def _way_out(canvas: Canvas, pit: Pit, rng: np.random.Generator) -> float:
    """Direction from the pit's centre to its dump, mostly downhill (radians from the columns' axis)."""
    patch = Patch(canvas, pit.row, pit.col, 2 * np.sqrt(pit.area_m2))
    by_row, by_col = map(np.asarray, np.gradient(patch.elevation[::4, ::4]))
    outside = patch.pit[::4, ::4] != pit.number
    downhill = np.arctan2(-by_row[outside].mean(), -by_col[outside].mean()) if outside.any() else 0.0
    return float(downhill + rng.normal(0, 0.8))
