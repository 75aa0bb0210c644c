"""Agreement of maps with labels by small cells of ground, over all dates of a place: the stuff of intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitmap.accuracy.census.confusion import count
from pitmap.accuracy.census.resampling import GroundBlocks, GroundCells
from pitmap.files import replacing
from pitmap.grid import Grid


class AgreementByPlace:
    """Counts of the scenes of a study by place.

    Scenes on one grid are dates of one place: what lies on the same ground is not independent and is counted together.
    An image without CRS is a block of its own, or one with the other images of its group.

    Args:
        grids: Of each scene.
        groups: Of each scene; only those of images without CRS matter.
        classes: Number of classes K.
    """

    def __init__(self, grids: Sequence[Grid], groups: Sequence[str], classes: int) -> None:
        self.grids, self.groups, self.classes = list(grids), list(groups), classes
        self._cells: dict[int, GroundCells] = {}
        self._lengths: dict[int, int] = {}
        self._bare: dict[int, NDArray[np.int64]] = {}

    def add(
        self, scene: int, map_codes: NDArray[Any], reference_codes: NDArray[Any], row: int = 0, col: int = 0
    ) -> None:
        """Count a window of a scene from pixel ``row, col`` on; pixels with code 0 on either side do not count."""
        grid = self.grids[scene]
        if grid.crs is None:
            self._bare[scene] = self._bare.get(scene, 0) + count(map_codes, reference_codes, self.classes)
            return
        place = next(i for i, g in enumerate(self.grids) if g.same_as(grid))
        cells = self._cells.setdefault(place, GroundCells(grid.shape, self.classes))
        cells.add(map_codes, reference_codes, row, col)

    @property
    def correlation_lengths(self) -> dict[int, int]:
        """Distance in pixels up to which the errors of each place are correlated, by number of its first scene."""
        own = {place: cells.blocks().correlation_length for place, cells in self._cells.items() if cells.counts.any()}
        return own | self._lengths

    def blocks(self, lengths: Mapping[int, int] | None = None) -> GroundBlocks | None:
        """The blocks of all places; None where nothing was counted.

        Args:
            lengths: By place, for maps that are compared: the same give the same blocks. By default their own.
        """
        lengths = self.correlation_lengths if lengths is None else lengths
        parts = [cells.blocks(lengths[place]) for place, cells in self._cells.items() if cells.counts.any()]
        bare = {scene: matrix for scene, matrix in sorted(self._bare.items()) if matrix.any()}
        if bare:
            groups = np.unique([self.groups[scene] for scene in bare], return_inverse=True)[1]
            side = max(max(self.grids[scene].shape) for scene in bare)
            parts.append(GroundBlocks(np.stack(list(bare.values())), groups, side, 0))
        return sum(parts[1:], parts[0]) if parts else None

    def __add__(self, other: AgreementByPlace) -> AgreementByPlace:
        """The counts of two maps of the same scenes together, such as those of two seeds."""
        both = AgreementByPlace(self.grids, self.groups, self.classes)
        for part in (self, other):
            for place, cells in part._cells.items():
                target = both._cells.setdefault(place, GroundCells(self.grids[place].shape, self.classes))
                target.counts = target.counts + cells.counts
            for scene, matrix in part._bare.items():
                both._bare[scene] = both._bare.get(scene, 0) + matrix
        first, second = self.correlation_lengths, other.correlation_lengths
        both._lengths = {place: max(first.get(place, 1), second.get(place, 1)) for place in {**first, **second}}
        return both

    def write(self, path: Path) -> None:
        """Write the counts as an ``.npz`` file.

        Raises:
            OutputError: The file cannot be written.
        """
        arrays = {f"cells-{place}": cells.counts for place, cells in sorted(self._cells.items())}
        arrays |= {f"length-{place}": np.array(length) for place, length in sorted(self.correlation_lengths.items())}
        arrays |= {f"bare-{scene}": matrix for scene, matrix in sorted(self._bare.items())}
        with replacing(path) as temporary:
            np.savez_compressed(temporary, allow_pickle=False, **arrays)

    @classmethod
    def read(cls, path: Path, grids: Sequence[Grid], groups: Sequence[str], classes: int) -> AgreementByPlace:
        """The counts that ``write`` wrote, for the same scenes."""
        agreement = cls(grids, groups, classes)
        with np.load(path, allow_pickle=False) as arrays:
            for key in arrays.files:
                kind, number = key.split("-")
                if kind == "cells":
                    cells = GroundCells(agreement.grids[int(number)].shape, classes)
                    cells.counts = arrays[key]
                    agreement._cells[int(number)] = cells
                elif kind == "length":
                    agreement._lengths[int(number)] = int(arrays[key])
                else:
                    agreement._bare[int(number)] = arrays[key]
        return agreement
