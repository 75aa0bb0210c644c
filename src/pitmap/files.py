"""Whole files or none: results are written beside their final name and renamed when complete."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pitmap.errors import OutputError


def make_folder(folder: Path) -> Path:
    """Create a folder with its parents and check that it can be written to.

    Raises:
        OutputError: It cannot be created, or is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".pitmap-{os.getpid()}-{threading.get_ident()}"
        probe.touch()
        probe.unlink(missing_ok=True)  # by a machine with whom the folder is shared
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot be written to ({error.strerror or error}).",
            remedy="Choose another output folder, or change its permissions.",
        ) from error
    return folder


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and rename it to ``path`` when the block ends well.

    If the block raises, the temporary file is removed and ``path`` is left as it was.

    Raises:
        OutputError: The file cannot be written, for lack of room or of permission.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        _remove(temporary)
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}).",
            remedy="Make room on the disk or choose another place; nothing was left behind under that name.",
        ) from error
    except BaseException:
        _remove(temporary)
        raise


@contextmanager
def scratch(folder: Path) -> Iterator[IO[bytes]]:
    """A file without a name on the disk of a folder, for what memory is too small for; gone when the block ends.

    Raises:
        OutputError: The folder cannot be written to, or has no room.
    """
    make_folder(folder)
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".pitmap-") as file:
            yield file
    except OSError as error:
        raise OutputError(
            f"The folder {folder} cannot hold what is put there for a while ({error.strerror or error}).",
            remedy="Make room on the disk or choose another place; nothing was left behind.",
        ) from error


def cache_folder(kind: str) -> Path | None:
    """The user's folder for what may be lost, never for results; None where the user has no home.

    Args:
        kind: Of what is kept: the name of a folder in it.
    """
    folder = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return (Path(folder) if folder else Path("~/.cache").expanduser()) / "pitmap" / kind
    except RuntimeError:
        return None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    for sidecar in (path.with_name(path.name + ".aux.xml"), path.with_name(path.name + "-journal")):
        sidecar.unlink(missing_ok=True)


def journals(path: Path) -> list[Path]:
    """Files beside an SQLite database (a GeoPackage) that hold changes which are not in it yet.

    QGIS leaves what was saved there as long as it has the file open.
    """
    journal = path.with_name(path.name + "-wal")
    return [journal] if journal.exists() else []


def refuse_to_replace(path: Path, what: str, suffix: str) -> None:
    """Refuse to write a file that somebody will work on over an existing file.

    Raises:
        OutputError: It exists, or its name ends in something else.
    """
    if path.suffix.lower() != suffix:
        raise OutputError(f"{what.capitalize()} {path} is no {suffix} file.", f"A name that ends in {suffix}.")
    if path.exists():
        raise OutputError(
            f"{path} exists.",
            f"A new name for {what}: what somebody has filled in or drawn is never replaced.",
            "Choose another name, or remove the file if nobody needs it.",
        )


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all.

    Raises:
        OutputError: See ``replacing``.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys left as given; NaN is refused (undefined figures are None).

    Raises:
        OutputError: See ``replacing``.
    """
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
