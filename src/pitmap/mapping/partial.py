"""Finished parts of a map that is not complete, in a hidden folder beside it, so that a killed run resumes."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitmap.errors import OutputError
from pitmap.files import make_folder, replacing, write_json


class PartialMap:
    """The parts of one map, made from one set of inputs.

    Each part is a file that is written whole and renamed. Parts of other inputs are discarded on opening.

    Args:
        out: The map to be.
        inputs: Everything that the result depends on, as JSON values.

    Raises:
        OutputError: The folder cannot be written to.
    """

    def __init__(self, out: Path, inputs: Mapping[str, Any]) -> None:
        self.folder = out.with_name(f".{out.name}.partial")
        key = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        self._state_file = self.folder / "state.json"
        if self._read_state().get("key") != key:
            self.remove()
            make_folder(self.folder)
            write_json(self._state_file, {"key": key})
        else:
            make_folder(self.folder)

    def has(self, index: int) -> bool:
        """Whether a part is finished."""
        return self._path(index).exists()

    def save(self, index: int, arrays: Mapping[str, NDArray]) -> None:
        """Store a finished part.

        Raises:
            OutputError: The disk is full or not writable.
        """
        with replacing(self._path(index)) as temporary:
            np.savez(temporary, allow_pickle=False, **arrays)

    def load(self, index: int) -> dict[str, NDArray]:
        """A finished part.

        Raises:
            OutputError: The file is damaged.
        """
        path = self._path(index)
        try:
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise OutputError(
                f"{path}, a finished part of the map, cannot be read back ({error}).",
                remedy="Check the disk and run the command again: it starts anew.",
            ) from error

    def remove(self) -> None:
        """Remove the folder and everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:06d}.npz"

    def _read_state(self) -> dict[str, Any]:
        try:
            state = json.loads(self._state_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}
