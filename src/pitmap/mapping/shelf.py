"""Polygons put on the disk until their order is known."""

from __future__ import annotations

from array import array
from typing import IO

import numpy as np
import shapely
from numpy.typing import NDArray


class Shelf:
    """Polygons in a file, found again by their number in the order in which they came.

    Args:
        file: Open for reading and writing, such as of ``files.scratch``.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def put(self, polygons: NDArray[np.object_]) -> None:
        """Add polygons."""
        self._file.seek(self._ends[-1])
        for wkb in shapely.to_wkb(polygons):
            self._file.write(wkb)
            self._ends.append(self._ends[-1] + len(wkb))

    def take(self, numbers: NDArray[np.intp]) -> NDArray[np.object_]:
        """Polygons by their numbers, from 0 on; they stay on the shelf."""
        found = np.empty(len(numbers), dtype=object)
        for k, number in enumerate(numbers):
            self._file.seek(self._ends[number])
            found[k] = self._file.read(self._ends[number + 1] - self._ends[number])
        return np.asarray(shapely.from_wkb(found), dtype=object)
