"""The errors that pitmap raises on purpose.

    PitmapError
    ├── ProjectError    the project file, or what it names
    ├── ImageError      a raster file, its bands, grid, scale or pixels
    ├── LabelError      land-use layers, label rasters, reference data
    ├── ModelError      a model file, or an image that does not fit it
    ├── ProductError    a satellite product: archive, metadata, RPC, heights
    ├── OutputError     a file or folder that cannot be written
    ├── ClusterError    workers on other processes or machines
    └── BusyError       a result that another process is working on

Each says what was found, what was expected, and what to do; the command line prints it as one paragraph and exits
with its ``exit_code``. An error speaks of options in plain words and names the Python ones that it is about, so that
the command line can add how they are given there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import ClassVar


class PitmapError(Exception):
    """A problem that the user can mend.

    Args:
        found: What was found, as a sentence that names the file, field or value.
        expected: What was expected instead, as a sentence. May be empty where ``found`` says it.
        remedy: What to do about it, as a sentence.
        options: Python names of the options that the remedy speaks of, such as ``scale`` and ``pixel_size_m``.
    """

    exit_code: ClassVar[int] = 1
    """Of the command line."""

    def __init__(self, found: str, expected: str = "", remedy: str = "", options: Sequence[str] = ()) -> None:
        self.found, self.expected, self.remedy, self.options = found, expected, remedy, tuple(options)
        super().__init__(" ".join(part for part in (found, expected, remedy) if part))

    def __reduce__(self) -> tuple[type[PitmapError], tuple[str, str, str, tuple[str, ...]]]:
        return type(self), (self.found, self.expected, self.remedy, self.options)


class ProjectError(PitmapError):
    """The project file, or something it names, is not usable."""


class ImageError(PitmapError):
    """A raster cannot be read, or is not what the step needs."""


class LabelError(PitmapError):
    """Labels or reference data cannot be used."""


class ModelError(PitmapError):
    """A model file is damaged or does not fit the image."""


class ProductError(PitmapError):
    """A satellite product is incomplete, damaged or hostile."""


class OutputError(PitmapError):
    """A result cannot be written."""


class ClusterError(PitmapError):
    """A cluster cannot be reached, or its workers do not do their work."""


class BusyError(PitmapError):
    """Another process is working on a result."""

    exit_code = 75
    """EX_TEMPFAIL of sysexits.h: the same command may succeed later."""


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The name that is spelt most like another, whatever its case.

    Args:
        name: What was written.
        names: What may be written.
        cutoff: Least likeness, 0..1; 0 always finds one if there is any.

    Returns:
        One of ``names``, None where none is near.
    """
    folded = {n.casefold(): n for n in reversed(list(names))}
    found = get_close_matches(name.casefold(), folded, n=1, cutoff=cutoff)
    if not found and cutoff == 0:
        found = list(folded)[-1:]
    return folded[found[0]] if found else None
