"""Arrays on disk that are read and written window by window, so that nothing of them stays in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pitmap.files import replacing
from pitmap.grid import Window

LONGEST_PIECE = 2**26
"""Bytes that are read or written at once at most."""

FEW_BYTES = 2**22
"""Up to so many bytes whole rows are read and cut: that is quicker than a read for each row of a window."""


@dataclass(frozen=True)
class DiskArray:
    """An uncompressed ``.npy`` file whose last two axes are rows and columns.

    Windows are read and written row by row and not through a mapping, where the system would map the columns beside
    the window as well: memory would grow with the width of the array.

    Attributes:
        path: The file.
    """

    path: Path

    def mapped(self, mode: Any = "r") -> NDArray[Any]:
        """The whole array, memory-mapped; ``mode`` as in ``numpy.load``."""
        array: NDArray[Any] = np.load(self.path, mmap_mode=mode)
        return array

    def read(self, window: Window) -> NDArray[Any]:
        """A copy of a window, ``(..., height, width)``.

        Raises:
            OSError: The file cannot be read, or is shorter than its header says.
        """
        shape, dtype, _ = self._header
        if window.width < shape[-1] and window.height * shape[-1] * dtype.itemsize <= FEW_BYTES:
            rows = self.read(Window(window.row, 0, window.height, shape[-1]))
            return np.ascontiguousarray(rows[..., window.col : window.col + window.width])
        values = np.empty((*shape[:-2], window.height, window.width), dtype)
        with self.path.open("rb", buffering=0) as file:
            for line, place in self._lines(values, window):
                file.seek(place)
                if file.readinto(line) != line.nbytes:
                    raise OSError(f"{self.path} ends early")
        return values

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """Replace a window.

        Raises:
            OSError: The file cannot be written.
        """
        _, dtype, _ = self._header
        with self.path.open("r+b", buffering=0) as file:
            for line, place in self._lines(np.ascontiguousarray(values, dtype), window):
                file.seek(place)
                file.write(line)

    def _lines(self, values: NDArray[Any], window: Window) -> Iterator[tuple[memoryview, int]]:
        """What of a window lies together in the file, as bytes, and where: a row, or many rows of full width."""
        shape, dtype, start = self._header
        height, width = shape[-2:]
        together = max(1, LONGEST_PIECE // (width * dtype.itemsize)) if window.width == width else 1
        for plane, rows in enumerate(values.reshape(-1, window.height, window.width)):
            for first in range(0, window.height, together):
                pixel = (plane * height + window.row + first) * width + window.col
                yield rows[first : first + together].reshape(-1).view(np.uint8).data, start + pixel * dtype.itemsize

    @cached_property
    def _header(self) -> tuple[tuple[int, ...], np.dtype[Any], int]:
        """Shape, type, and byte at which the values begin."""
        with self.path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            return shape, dtype, file.tell()


@contextmanager
def create_array(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> Iterator[DiskArray]:
    """A new array, to be filled while the block lasts; it gets its name when the block ends well.

    Raises:
        OutputError: There is no room for it, or the folder cannot be written to.
    """
    with replacing(path) as temporary:
        np.lib.format.open_memmap(temporary, "w+", np.dtype(dtype), shape)
        _allocate(temporary)
        yield DiskArray(temporary)


def _allocate(path: Path) -> None:
    """Claim the room of a sparse file: a full disk met while writing through memory would end the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
