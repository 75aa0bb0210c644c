"""Blocks of digital numbers into the stored image: calibrated, clipped to uint16, and counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pitmap.errors import ImageError
from pitmap.grid import Grid
from pitmap.imagery.ortho import Block
from pitmap.imagery.radiometry import Scaling
from pitmap.observer import Observer
from pitmap.raster.looks import saturation_look
from pitmap.raster.writing import Layout, RasterWriter, create_cog

ALL_CLIPPED = 0.99
"""Share of clipped values from which an image holds nothing."""


@dataclass(frozen=True)
class Clipped:
    """Pixels of a band that uint16 could not hold: they were set to 65535 or to 1.

    Attributes:
        above: Pixels above 65535, a reflectance of 6.5535.
        below: Pixels below 1, a reflectance of 0.0001: most are negative.
        share: Of the pixels with data.
    """

    above: int
    below: int
    share: float


class Tally:
    """What was counted while an image was written.

    Attributes:
        valid: Pixels with data.
        saturated: Pixels at the sensor's ceiling, one number a band.
        above: Values above what can be stored, one number a band.
        below: Values below it.
    """

    def __init__(self, bands: int) -> None:
        self.valid = 0
        self.saturated: NDArray[np.int64] = np.zeros(bands, np.int64)
        self.above: NDArray[np.int64] = np.zeros(bands, np.int64)
        self.below: NDArray[np.int64] = np.zeros(bands, np.int64)

    def clipped(self, names: tuple[str, ...]) -> dict[str, Clipped]:
        """Bands with clipped pixels, by name."""
        counts = zip(names, self.above.tolist(), self.below.tolist(), strict=True)
        return {n: Clipped(a, b, (a + b) / max(self.valid, 1)) for n, a, b in counts if a or b}

    def refuse_if_all_clipped(self, path: Path) -> None:
        """Whether nearly every value was clipped, which is an image of nothing.

        Raises:
            ImageError: It was.
        """
        values = self.valid * len(self.above)
        if values and (share := float((self.above + self.below).sum()) / values) >= ALL_CLIPPED:
            beyond = "above 6.5535" if self.above.sum() > self.below.sum() else "below 0.0001"
            raise ImageError(
                f"{share:.1%} of the values of {path} become a reflectance {beyond}.",
                "Reflectance between 0 and about 1: stored numbers of 1 to 65535 are reflectance x 10000.",
                "Check scale and offset, with reflectance = DN x scale + offset: for reflectance x 10000 the scale is "
                "0.0001. Or keep the digital numbers.",
                ["scale", "offset", "keep_dn"],
            )


def write_blocks(
    blocks: Iterable[Block],
    scaling: Scaling,
    writer: RasterWriter,
    grid: Grid,
    tally: Tally,
    observer: Observer,
    flags: SaturationFlags | None = None,
) -> None:
    """Calibrate, write and count blocks."""
    done = 0
    for block in blocks:
        stored = scaling.quantised(block.values, block.valid)
        writer.write(stored.pixels, block.window)
        tally.valid += int(block.valid.sum())
        tally.above += stored.above
        tally.below += stored.below
        if block.extra is not None:
            tally.saturated += block.extra.sum(axis=(1, 2), dtype=np.int64)
            if flags is not None:
                flags.take(block)
        done += block.window.height * block.window.width
        observer.progress("writing", done / (grid.height * grid.width))


class SaturationFlags:
    """A raster of where pixels are saturated, which is begun when there is one. Use it through ``saturation_flags``."""

    def __init__(self, path: Path, grid: Grid, names: tuple[str, ...], stack: ExitStack) -> None:
        self._path, self._grid, self._names, self._stack = path, grid, names, stack
        self._writer: RasterWriter | None = None

    def take(self, block: Block) -> None:
        """Write the flags of a block."""
        if block.extra is None or not block.extra.any():
            return
        if self._writer is None:
            described = ("saturated bands, bit 0 is band 1",)
            layout = Layout(
                1, "uint8", None, described, look=lambda _: saturation_look(self._names), overviews="nearest"
            )
            self._writer = self._stack.enter_context(create_cog(self._path, self._grid, layout))
        packed = np.zeros(block.valid.shape, np.uint8)
        for band, where in enumerate(block.extra):
            packed |= where.view(np.uint8) << band
        self._writer.write(packed, block.window)


@contextmanager
def saturation_flags(path: Path, grid: Grid, names: tuple[str, ...]) -> Iterator[SaturationFlags]:
    """Gives what takes the flags of blocks of bands ``names``; ``path`` is there at the end if any was set."""
    with ExitStack() as stack:
        yield SaturationFlags(path, grid, names, stack)
