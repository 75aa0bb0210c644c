"""Arrays on disk that are read and written window by window, so that nothing of them stays in memory."""

from __future__ import annotations

import mmap
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


@dataclass(frozen=True)
class DiskArray:
    """An uncompressed ``.npy`` file whose last two axes are rows and columns.

    The file is mapped for one window at a time: what lies mapped counts as memory of the process.

    Attributes:
        path: The file.
    """

    path: Path

    def mapped(self, mode: Any = "r") -> NDArray[Any]:
        """The whole array, memory-mapped; ``mode`` as in ``numpy.load``."""
        array: NDArray[Any] = np.load(self.path, mmap_mode=mode)
        return array

    def read(self, window: Window) -> NDArray[Any]:
        """A copy of a window, ``(..., height, width)``."""
        with self._opened(mmap.ACCESS_READ) as array:
            return np.array(array[..., window.slices[0], window.slices[1]])

    def write(self, window: Window, values: NDArray[Any]) -> None:
        """Replace a window."""
        with self._opened(mmap.ACCESS_WRITE) as array:
            array[..., window.slices[0], window.slices[1]] = values

    @contextmanager
    def _opened(self, access: int) -> Iterator[NDArray[Any]]:
        shape, dtype, start = self._header
        with self.path.open("rb" if access == mmap.ACCESS_READ else "r+b") as file:
            memory = mmap.mmap(file.fileno(), 0, access=access)
            yield np.frombuffer(memory, dtype, offset=start).reshape(shape)

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
