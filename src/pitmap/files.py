"""Whole files or none: results are written beside their final name and renamed when complete."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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

    If the block raises, the temporary file is removed and ``path`` is left as it was. Within ``together`` the file gets
    its name with the others. What a process of this machine that was killed left unfinished in the folder is removed.

    Raises:
        OutputError: The file cannot be written, for lack of room or of permission.
    """
    make_folder(path.parent)
    _remove_forgotten(path.parent)
    temporary = path.with_name(f".{path.stem}.{_machine()}-{os.getpid()}.tmp{path.suffix}")
    waiting = _waiting.get()
    try:
        yield temporary
        if waiting is None:
            temporary.replace(path)
        else:
            waiting.append((temporary, path))
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
def together() -> Iterator[None]:
    """Files that ``replacing`` writes within the block get their names at its end, all of them or none.

    The first one that was written gets its name last: where it is, the others are.

    Raises:
        OutputError: See ``replacing``.
    """
    files: list[tuple[Path, Path]] = []
    token = _waiting.set(files)
    try:
        yield
        for temporary, path in reversed(files):
            temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}).",
            remedy="Close what has it open, or choose another place.",
        ) from error
    finally:
        _waiting.reset(token)
        for temporary, _ in files:
            _remove(temporary)


_waiting: ContextVar[list[tuple[Path, Path]] | None] = ContextVar("waiting", default=None)


def _machine() -> str:
    """A short name of this machine, so that no other one takes its unfinished files for forgotten ones."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


_tidied: set[Path] = set()


def _remove_forgotten(folder: Path) -> None:
    """Remove, once, the unfinished files in a folder whose process, on this machine, has ended."""
    if folder in _tidied:
        return
    _tidied.add(folder)
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            found = re.match(rf"\..*\.{_machine()}-(\d+)\.tmp", path.name)
            if found and not _is_alive(int(found[1])):
                _remove(path)


def _is_alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # there is no harmless question
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


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
    with contextlib.suppress(OSError):  # a name that is too long is none that is there
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


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Characters at the beginning of a cell that make spreadsheets compute it."""


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """A table as CSV.

    Text that a spreadsheet would compute, such as ``=HYPERLINK(...)`` in a name out of a stranger's file, gets an
    apostrophe in front, as spreadsheets write it themselves; numbers stay as they are.

    Args:
        rows: Values by columns, the first row with the names.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_uncomputed(value) for value in row] for row in rows)
    return text.getvalue()


def _uncomputed(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return "'" + value
    return value


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys left as given; NaN is refused (undefined figures are None).

    Raises:
        OutputError: See ``replacing``.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        # Piece by piece: the text of 100,000 mines is larger than they are.
        json.dump(content, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")
