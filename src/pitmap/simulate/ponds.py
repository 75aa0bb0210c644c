"""Ponds in the hollows of the terrain."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from pitmap.simulate.canvas import Canvas, Patch, blob
from pitmap.simulate.materials import Material
from pitmap.simulate.noise import fractal


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
    patch = Patch(canvas, row, col, 3 * radius + 40)
    free = patch.free(10)
    if free.sum() < 2 * area_m2 / canvas.cell_m**2:
        return False
    ground = gaussian_filter(patch.elevation, 6 / canvas.cell_m)
    along, across = patch.axes(rng.uniform(0, np.pi))
    order = np.hypot(along / 1.5, across * 1.2) / radius
    order = order + 0.12 * fractal(patch.shape, rng, max(6.0, radius / canvas.cell_m), 4)
    order += 0.8 * (ground - ground[free].min()) / max(float(np.ptp(ground[free])), 4.0)
    mask = blob(order.astype(np.float32), free, canvas.cells(area_m2))
    patch.paint(mask, Material.WATER, rng.uniform(-1, 1), rng.uniform(-1, 1))
    patch.elevation[mask] = float(np.percentile(ground[mask], 5)) - 1
    return True
