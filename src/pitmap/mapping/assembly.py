"""The parts of a map put together to rasters as they are finished, and their classes counted."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np

from pitmap.currency import unmark
from pitmap.errors import OutputError
from pitmap.files import replacing
from pitmap.grid import Grid, Window
from pitmap.legend import Legend
from pitmap.mapping.engines.interface import CONFIDENCE_STEPS, NO_PROBABILITY, PROBABILITY_SCALE
from pitmap.mapping.partial import CODES, CONFIDENCE, PROBABILITIES, Part, PartialMap
from pitmap.mapping.tiles import Tile
from pitmap.mapping.totals import ClassTotals, count, nothing
from pitmap.raster.codes import codes_layout
from pitmap.raster.looks import confidence_look, probability_look
from pitmap.raster.writing import Layout, RasterWriter, create_cog


class MapRasters:
    """The rasters of a map while its parts come in, in any order. Use it through ``map_rasters``."""

    def __init__(self, grid: Grid, classes: int, writers: Mapping[str, RasterWriter]) -> None:
        self._grid, self._classes, self._writers = grid, classes, writers
        self._totals: dict[Window, ClassTotals] = {}
        self._confidence: dict[Window, tuple[int, int]] = {}

    def add(self, batch: Sequence[Tile], part: Part) -> None:
        """Write the part of a batch. An empty one has no pixel to map: nothing is written, which is nodata.

        Raises:
            OutputError: The disk is full or not writable.
        """
        for n, tile in enumerate(batch):
            if part:
                for kind, writer in self._writers.items():
                    writer.write(part[kind][n], tile.keep)
                self._totals[tile.keep] = count(part[CODES][n], self._grid, tile.keep, self._classes)
                if CONFIDENCE in self._writers:
                    steps = part[CONFIDENCE][n]
                    self._confidence[tile.keep] = int(steps.sum(dtype=np.int64)), int(np.count_nonzero(steps))
            else:
                self._totals[tile.keep] = nothing(self._grid, tile.keep, self._classes)

    @property
    def totals(self) -> ClassTotals:
        """Of all parts, added in the order of their places, so that an interruption changes no digit."""
        return reduce(add, (self._totals[window] for window in sorted(self._totals)))

    @property
    def mean_confidence(self) -> float | None:
        """Over the mapped pixels of all parts; None without confidences."""
        steps, pixels = (sum(of[i] for of in self._confidence.values()) for i in (0, 1))
        return steps / (CONFIDENCE_STEPS * pixels) if pixels else None


@contextmanager
def map_rasters(
    partial: PartialMap,
    grid: Grid,
    legend: Legend,
    tags: Mapping[str, str],
    out: Path,
    confidence: Path | None,
    probabilities: Path | None,
) -> Iterator[MapRasters]:
    """The rasters of a map. They get their names when the block ends well, and all of them are complete.

    Args:
        partial: In whose folder they are written.
        grid: Of the map.
        legend: Its classes.
        tags: Metadata for all rasters.
        out: The map.
        confidence: Probability of the mapped class, uint8 in units of 1 / 255, nodata 0; None not to write it.
        probabilities: One band a class, uint16 in units of 0.0001, nodata 65535; None not to write them.

    Raises:
        OutputError: The disk is full or not writable.
    """
    layouts = {CODES: (out, codes_layout(legend, tags))}
    if confidence is not None:
        steps = 1 / CONFIDENCE_STEPS
        layout = Layout(1, "uint8", 0, ["confidence"], steps, tags=tags, look=lambda _: confidence_look())
        layouts[CONFIDENCE] = confidence, layout
    if probabilities is not None:
        layout = Layout(
            len(legend), "uint16", NO_PROBABILITY, legend.keys, PROBABILITY_SCALE, tags=tags,
            look=lambda _: probability_look(legend),
        )  # fmt: skip
        layouts[PROBABILITIES] = probabilities, layout
    staged = {partial.folder / kind / target.name: target for kind, (target, _) in layouts.items()}
    with ExitStack() as stack:
        writers = {
            kind: stack.enter_context(create_cog(path, grid, layout))
            for path, (kind, (_, layout)) in zip(staged, layouts.items(), strict=True)
        }
        yield MapRasters(grid, len(legend), writers)
    unmark(out)
    for path, target in reversed(staged.items()):  # the map last: where it is, everything is
        for sidecar in (path.with_suffix(".qml"), path.with_name(path.name + ".aux.xml")):
            if sidecar.exists():
                _move(sidecar, target.with_name(sidecar.name))
        _move(path, target)


def _move(path: Path, target: Path) -> None:
    try:
        path.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise OutputError(
                f"{target} cannot be written ({error.strerror or error}).",
                remedy="Choose another place, or change its permissions.",
            ) from error
        with replacing(target) as temporary:
            shutil.copyfile(path, temporary)
