"""A simulated landscape some years later: pits that grew, are new, or were restored; and an image that is off."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.ndimage import distance_transform_edt, shift

from pitmap.legend import DEFAULT_LEGEND
from pitmap.simulate import pits
from pitmap.simulate.canvas import Canvas, Mask, Patch, blob
from pitmap.simulate.landscape import Landscape, LandscapeParameters, build, look
from pitmap.simulate.materials import CLASS_OF_MATERIAL, Material
from pitmap.simulate.noise import fractal

BENCH_M, FACE_M = 14.0, 5.0
"""Width of a bench of ground that a pit has grown by, and the part of it that is face."""


@dataclass(frozen=True)
class Development:
    """What happens to the pits of a landscape.

    Attributes:
        grown: Number of a pit to the factor by which its area grows, above 1.
        opened_m2: Areas of new pits, which lie as far as possible from all that is built; they are numbered on.
        restored: Numbers of pits that are filled with grass and shrubs.
    """

    grown: Mapping[int, float] = field(default_factory=dict)
    opened_m2: tuple[float, ...] = ()
    restored: tuple[int, ...] = ()


def later(parameters: LandscapeParameters, development: Development, date: datetime.date) -> Landscape:
    """The landscape of some parameters at a later date, with all else as it was.

    Pits grow over fields and woods alone, and by less where roads or houses stop them. The image has noise of its own.

    Args:
        parameters: Of the landscape before.
        development: What happened since.
        date: Of the later image.
    """
    canvas = build(parameters)
    rng = np.random.default_rng([parameters.seed, date.toordinal()])
    for number, factor in development.grown.items():
        _grow(canvas, number, factor)
    for area in development.opened_m2:
        _open(canvas, area, int(canvas.pit.max()) + 1, rng)
    for number in development.restored:
        _restore(canvas, number, rng)
    return look(replace(parameters, date=date), canvas, rng)


def displaced(landscape: Landscape, rows: float, cols: float) -> Landscape:
    """The landscape in an image that lies off by a part of a pixel; truth and elevation stay where they are."""
    moved = np.stack([shift(band, (rows, cols), order=3, mode="nearest") for band in landscape.reflectance])
    return replace(landscape, reflectance=np.clip(moved, 0.001, 1.0).astype(np.float32))


def _natural(patch: Patch) -> Mask:
    """Fields, grass and woods."""
    codes = CLASS_OF_MATERIAL[patch.canvas.material[patch.slices]]
    return np.asarray(np.isin(codes, [DEFAULT_LEGEND[k].code for k in ("VEG", "BAS")]) & (patch.pit == 0))


def _grow(canvas: Canvas, number: int, factor: float) -> None:
    rows, cols = np.nonzero(canvas.pit == number)
    reach = (max(np.ptp(rows), np.ptp(cols)) * factor**0.5 + 20) * canvas.cell_m
    patch = Patch(canvas, float(rows.mean()), float(cols.mean()), float(reach))
    pit = patch.pit == number
    beyond = (distance_transform_edt(~pit) * canvas.cell_m).astype(np.float32)
    ring = blob(beyond, pit | _natural(patch), round(len(rows) * factor)) & ~pit
    face = beyond % BENCH_M < FACE_M
    patch.paint(ring, np.where(face, Material.PIT_FACE, Material.PIT_TREAD), 0.0, 0.0)
    patch.elevation[ring] -= np.float32(4.0)
    patch.pit[ring] = number


def _open(canvas: Canvas, area_m2: float, number: int, rng: np.random.Generator) -> None:
    whole = Patch(canvas, canvas.shape[0] / 2, canvas.shape[1] / 2, max(canvas.shape) * canvas.cell_m)
    distance = distance_transform_edt(np.pad(_natural(whole), 1))[1:-1, 1:-1]
    row, col = np.unravel_index(np.argmax(distance), distance.shape)
    before = canvas.material.copy()
    radius = 1.6 * np.sqrt(area_m2 / np.pi)
    patch = Patch(canvas, float(row), float(col), float(radius))
    canvas.material[patch.slices][_natural(patch)] = Material.OPEN
    pits.dig(canvas, float(row), float(col), area_m2, number, rng)
    unused = canvas.material == Material.OPEN
    canvas.material[unused] = before[unused]


def _restore(canvas: Canvas, number: int, rng: np.random.Generator) -> None:
    pit = canvas.pit == number
    thicket = fractal(canvas.shape, rng, max(8.0, 60 / canvas.cell_m), 3) > 0.4
    canvas.material[pit] = np.where(thicket, Material.SHRUB, Material.GRASS)[pit]
    canvas.pit[pit] = 0
