"""What the numbers of an image are like: mean and standard deviation of its bands, from a few windows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pitmap.grid import Window
from pitmap.raster.reading import RasterReader

WINDOW, WINDOWS = 64, 5
"""Side in pixels of the windows in which the numbers of an image are looked at, and how many there are a side."""

OWN_WINDOWS = 10
"""How many there are a side where the numbers of an image are brought to those of others."""

LEAST_PIXELS = 100
"""Below this many pixels with data nothing is said about an image."""

Ground = Callable[[Window], NDArray[np.bool_]]
"""Which pixels of a window count, ``(height, width)``."""


class Scaling(Protocol):
    """How numbers become quantities: ``DN x scale + offset``, one of each a band."""

    @property
    def scales(self) -> tuple[float, ...]:
        """Factors."""

    @property
    def offsets(self) -> tuple[float, ...]:
        """Summands."""


def everywhere(window: Window) -> NDArray[np.bool_]:
    """All ground."""
    return np.ones((window.height, window.width), np.bool_)


class Spread(NamedTuple):
    """What the numbers of an image are like, in the unit of the scaled values.

    Attributes:
        mean: Per band.
        std: Per band.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]


def spread_of(
    reader: RasterReader, scaling: Scaling, wanted: Ground = everywhere, windows: int = WINDOWS
) -> Spread | None:
    """Mean and standard deviation of the bands over small windows spread evenly over an image.

    The same windows every time, and few: the cost does not grow with the image. Each is moved into one block of the
    file where it can be, so that no block is read for a few pixels.

    Args:
        reader: The image, opened with the bands of the scaling.
        scaling: Of its numbers.
        wanted: Which ground counts.
        windows: How many there are a side at most.

    Returns:
        None where the windows hold next to no pixel with data.

    Raises:
        ImageError: The pixels cannot be read.
    """
    rows, cols = (
        sorted({_within_block(round(start), block) for start in np.linspace(0, max(0, length - WINDOW), windows)})
        for length, block in zip(reader.grid.shape, reader.info.block_shape, strict=True)
    )
    found = []
    for row, col in product(rows, cols):
        height, width = (min(WINDOW, n - start) for n, start in zip(reader.grid.shape, (row, col), strict=True))
        window = Window(row, col, height, width)
        pixels, valid = reader.read(window)
        found.append(pixels[:, valid & wanted(window)].astype(np.float64))
    values = np.concatenate(found, axis=1)
    if values.shape[1] < LEAST_PIXELS:
        return None
    scaled = values * np.array(scaling.scales)[:, None] + np.array(scaling.offsets)[:, None]
    return Spread(scaled.mean(axis=1), scaled.std(axis=1))


def _within_block(start: int, block: int) -> int:
    """The start of a window, moved up or left to where it ends with its block if it reaches beyond it."""
    end = start // block * block + block
    return end - WINDOW if block >= WINDOW and end < start + WINDOW else start
