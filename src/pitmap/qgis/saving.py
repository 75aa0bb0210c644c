"""Projects beside results: written when what they show has changed, and left alone once somebody has saved them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

from pitmap.files import replacing
from pitmap.observer import SILENT, Observer
from pitmap.qgis.project import Project

_SIGNATURE = "pitmap "
"""Begins the comment of an archive as pitmap left it; QGIS drops it when somebody saves the project."""


def save(path: Path, key: str, make: Callable[[], Project], observer: Observer = SILENT) -> None:
    """Write a project; one that is up to date, or that somebody has saved in QGIS, is left as it is.

    Args:
        path: The ``.qgz``; paths of layers are relative to its folder.
        key: Of what the project shows; kept in the file.
        make: Called where it is to be written.
        observer: Told of a project that is left to its owner.

    Raises:
        OutputError: It cannot be written.
    """
    if (comment := _comment(path)) is not None:
        if not comment.startswith(_SIGNATURE):
            observer.say(f"{path.name} was saved in QGIS and is left as it is; once removed it is written anew.")
            return
        if comment == _SIGNATURE + key:
            return
    project = make()
    with replacing(path) as temporary:
        temporary.write_bytes(project.archive(path.parent, _SIGNATURE + key))


def is_saved(path: Path, key: Callable[[], str]) -> bool:
    """Whether a project is there with this key; one that somebody has saved is theirs, and counts as such."""
    comment = _comment(path)
    if comment is None or not comment.startswith(_SIGNATURE):
        return comment is not None
    return comment == _SIGNATURE + key()


def _comment(path: Path) -> str | None:
    """The comment of an archive; None where there is none that can be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment.decode(errors="replace")
    except (OSError, zipfile.BadZipFile):
        return None
