"""Connected regions of a scene that is read strip by strip, and which of them belong together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


class Groups:
    """Numbers from 1 on that are joined into groups (union-find with path halving)."""

    def __init__(self) -> None:
        self._parent = [0]

    def add(self, count: int) -> int:
        """Make ``count`` new numbers, each a group of its own; returns the one before the first."""
        last = len(self._parent) - 1
        self._parent.extend(range(last + 1, last + 1 + count))
        return last

    def find(self, number: int) -> int:
        """The number that stands for a group: its smallest."""
        parent = self._parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    def join(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        """Join the groups of numbers that stand at one place, where both are above 0."""
        both = (first > 0) & (second > 0)
        if not both.any():
            return
        for a, b in np.unique(np.stack([first[both], second[both]], axis=1), axis=0).tolist():
            low, high = sorted((self.find(a), self.find(b)))
            self._parent[high] = low

    def roots(self) -> NDArray[np.int64]:
        """The number that stands for the group of each, index 0 included."""
        return np.array([self.find(n) for n in range(len(self._parent))], np.int64)


class Regions:
    """Regions of pixels that share edges, of a mask that comes strip by strip from north to south.

    Args:
        parts: Joined for regions that go over from one strip to the next.
        also: Joined likewise.
    """

    def __init__(self, parts: Groups, also: Groups) -> None:
        self._groups = (parts, also)
        self._last: NDArray[np.int64] | None = None

    def label(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Numbers of the regions of the next strip, 0 outside: int64 ``(rows, cols)``."""
        found, count = ndimage.label(mask)
        starts = {groups.add(count) for groups in self._groups}
        (start,) = starts  # both count alike
        labels = np.where(found > 0, found + start, 0).astype(np.int64)
        if self._last is not None:
            for groups in self._groups:
                groups.join(self._last, labels[0])
        self._last = labels[-1].copy()
        return labels
