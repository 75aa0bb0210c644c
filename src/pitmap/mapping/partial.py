"""Finished parts of a map that is not complete, in a hidden folder beside it, so that a killed run resumes."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitmap.currency import is_current, mark
from pitmap.errors import OutputError
from pitmap.files import make_folder, replacing

Part = dict[str, NDArray[Any]]
"""The kept pixels of the tiles of a batch: ``CODES`` ``(N, h, w)``, and ``CONFIDENCE`` and ``PROBABILITIES`` where they
are asked for. Empty where there is no pixel to map."""

CODES, CONFIDENCE, PROBABILITIES = "codes", "confidence", "probabilities"


class PartialMap:
    """The parts of one map, made from one set of inputs.

    Each part is a file that is written whole and renamed. Parts of other inputs are discarded on opening.

    Args:
        out: The map to be.
        key: Of everything that the parts depend on, see ``currency.content_key``.

    Raises:
        OutputError: The folder cannot be written to.
    """

    def __init__(self, out: Path, key: str) -> None:
        self.folder = out.with_name(f".{out.name}.partial")
        parts = self.folder / "parts"
        if not is_current(parts, key):
            self.remove()
            make_folder(self.folder)
            mark(parts, key)

    @classmethod
    def opened(cls, out: Path, key: str) -> PartialMap | None:
        """The parts that another process has begun to keep; None where this one sees none of these inputs."""
        partial = cls.__new__(cls)
        partial.folder = out.with_name(f".{out.name}.partial")
        return partial if is_current(partial.folder / "parts", key) else None

    def has(self, index: int) -> bool:
        """Whether a part is finished."""
        return self._path(index).exists()

    @property
    def finished(self) -> int:
        """Number of finished parts."""
        return sum(1 for _ in self.folder.glob("[0-9]*.npz"))

    def save(self, index: int, part: Part) -> None:
        """Store a finished part.

        Raises:
            OutputError: The disk is full or not writable.
        """
        with replacing(self._path(index)) as temporary:
            np.savez(temporary, allow_pickle=False, **part)

    def load(self, index: int) -> Part:
        """A finished part.

        Raises:
            OutputError: The file is damaged; it is removed, so that the next run makes it again.
        """
        path = self._path(index)
        try:
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            path.unlink(missing_ok=True)
            raise OutputError(
                f"{path}, a finished part of the map, cannot be read back ({error}).",
                remedy="Check the disk and run the command again: it makes that part again.",
            ) from error

    def remove(self) -> None:
        """Remove the folder and everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:06d}.npz"
