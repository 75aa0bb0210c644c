"""The landscape under construction: layers of small cells, pieces of them, and regions that grow on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_fill_holes, label

from pitmap.simulate.materials import Material
from pitmap.simulate.noise import Field

Mask = NDArray[np.bool_]


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

    def cells(self, area_m2: float) -> int:
        """Number of cells of an area, at least 1."""
        return max(1, round(area_m2 / self.cell_m**2))


def hundredths(value: NDArray[Any] | float) -> NDArray[np.int8]:
    """Tones and tints -1..1 as the canvas stores them."""
    return np.round(np.clip(value, -1, 1) * 100).astype(np.int8)


class Patch:
    """A square piece of the canvas around a cell, cut at the canvas's edge.

    Args:
        canvas: The whole.
        row: Cell row of the centre.
        col: Cell column of the centre.
        half_m: Half of the side, metres.

    Attributes:
        slices: Rows and columns of the piece.
        shape: Number of rows and columns.
        origin: First row and column.
        down_m: Distance below the centre, metres, ``(rows, 1)``.
        right_m: Distance to the right of the centre, metres, ``(1, cols)``.
    """

    EDGE = 3
    """Cells along the scene's edge that stay free."""

    def __init__(self, canvas: Canvas, row: float, col: float, half_m: float) -> None:
        self.canvas = canvas
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

    @property
    def elevation(self) -> Field:
        """View of the canvas's elevation."""
        return self.canvas.elevation[self.slices]

    @property
    def pit(self) -> NDArray[np.uint16]:
        """View of the canvas's pit numbers."""
        return self.canvas.pit[self.slices]

    def free(self, gap_m: float) -> Mask:
        """Open ground that keeps a distance from all that is built, and off the scene's edge."""
        taken = self.canvas.material[self.slices] != Material.OPEN
        if gap_m:
            taken = binary_dilation(taken, iterations=max(1, round(gap_m / self.canvas.cell_m)))
        rows, cols = (np.arange(s.start, s.stop) for s in self.slices)
        height, width = self.canvas.shape
        inner_rows = (rows >= self.EDGE) & (rows < height - self.EDGE)
        inner_cols = (cols >= self.EDGE) & (cols < width - self.EDGE)
        return ~taken & inner_rows[:, None] & inner_cols

    def paint(
        self, mask: Mask, material: NDArray[Any] | int, tone: NDArray[Any] | float, tint: NDArray[Any] | float
    ) -> None:
        """Set material, tone and tint (-1..1) of the cells of ``mask``."""
        self.canvas.material[self.slices][mask] = np.broadcast_to(material, self.shape)[mask]
        self.canvas.tone[self.slices][mask] = hundredths(np.broadcast_to(tone, self.shape)[mask])
        self.canvas.tint[self.slices][mask] = hundredths(np.broadcast_to(tint, self.shape)[mask])


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
        return np.asarray(parts == parts[seed])

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
