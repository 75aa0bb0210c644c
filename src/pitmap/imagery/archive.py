"""Reading tar and tar.gz archives from strangers.

Only plain files are read, under their base name, in one pass. Paths that leave the archive, links, devices, sparse
files, repeated names and sizes that no satellite product has end in a ``ProductError`` before anything of that member
is written.
"""

from __future__ import annotations

import gzip
import re
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from pitmap.errors import OutputError, ProductError
from pitmap.files import make_folder, replacing

MAX_TOTAL = 64 * 2**30
"""Bytes that an archive may declare in all; a GF-2 scene has 2 GiB."""
MAX_MEMBERS = 1000
MAX_TEXT = 4 * 2**20
"""Bytes of an XML or RPB file; real ones have 10 kB."""
MAX_RATIO = 200
"""Declared bytes for each byte of the archive; images compress by 2 to 10."""
_CHUNK = 2**20


class Member(NamedTuple):
    """A file in an archive.

    Attributes:
        name: Base name.
        path: Path inside the archive.
        size: Bytes.
        text: Content, for small files that were asked for; else None.
        file: Where it was unpacked, else None.
    """

    name: str
    path: str
    size: int
    text: bytes | None = None
    file: Path | None = None


def is_archive(path: Path) -> bool:
    """Whether a path has the name of an archive that can be read."""
    return path.name.lower().endswith((".tar.gz", ".tgz", ".tar"))


def read_archive(
    path: Path,
    is_text: Callable[[str], bool],
    is_wanted: Callable[[str], bool] = lambda name: False,
    folder: Path | None = None,
) -> list[Member]:
    """List an archive, read its small texts, and unpack what is wanted, in one pass.

    Args:
        path: A tar or tar.gz file.
        is_text: Given a base name, whether its content is returned.
        is_wanted: Given a base name, whether it is unpacked into ``folder``.
        folder: Where to; without it nothing is unpacked.

    Returns:
        The plain files in the order of the archive.

    Raises:
        ProductError: The archive is damaged or hostile.
        OutputError: There is no room for what it declares.
    """
    members: list[Member] = []
    total, limit = 0, min(MAX_TOTAL, MAX_RATIO * path.stat().st_size + 256 * 2**20)
    try:
        with _opened(path) as archive:
            for number, entry in enumerate(archive):
                if number >= MAX_MEMBERS:
                    raise _hostile(path, f"more than {MAX_MEMBERS} members", "A product has about ten.")
                _check_entry(path, entry)
                total += entry.size
                if total > limit:
                    raise _hostile(
                        path,
                        f"members of {total / 2**30:.1f} GiB in an archive of {path.stat().st_size / 2**20:.1f} MiB",
                        f"At most {limit / 2**30:.1f} GiB for an archive of that size.",
                    )
                if not entry.isfile():
                    continue
                name = entry.name.rsplit("/", 1)[-1]
                if (is_text(name) or is_wanted(name)) and any(name == member.name for member in members):
                    raise _hostile(path, f"{name} twice", "Every file once.")
                text, file = None, None
                if is_text(name):
                    if entry.size > MAX_TEXT:
                        raise _hostile(path, f"{name} with {entry.size} bytes", f"At most {MAX_TEXT} bytes.")
                    text = _content(archive, entry).read(MAX_TEXT + 1)
                elif folder is not None and is_wanted(name):
                    file = folder / name
                    _unpack(_content(archive, entry), entry.size, file)
                members.append(Member(name, entry.name, entry.size, text, file))
    except (tarfile.TarError, EOFError, zlib.error, UnicodeError, ValueError, OverflowError) as error:
        raise ProductError(
            f"{path} cannot be read to its end ({error or type(error).__name__}).",
            "A complete tar or tar.gz archive.",
            "The file is damaged or cut short: copy or download it again.",
        ) from error
    return members


class _BoundedReads:
    """A file that refuses single reads beyond what headers of a tar file need: tarfile reads those whole."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= 16 * 2**20:
            raise tarfile.ReadError(f"a header of {size} bytes")
        try:
            return self._source.read(size)
        except gzip.BadGzipFile as error:  # an OSError, which would read as a problem of the disk
            raise tarfile.ReadError(str(error)) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    with path.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        source: Any = gzip.GzipFile(fileobj=raw) if compressed else raw
        with tarfile.open(fileobj=_BoundedReads(source), mode="r:") as archive:
            yield archive


def _check_entry(path: Path, entry: tarfile.TarInfo) -> None:
    parts = re.split(r"[/\\]", entry.name)
    if entry.name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\x00" in entry.name:
        raise _hostile(path, f"the member {entry.name[:120]!r}", "Paths inside the archive.")
    if not (entry.isfile() or entry.isdir()) or entry.issparse():
        raise _hostile(path, f"{entry.name[:120]!r}, a link or special file", "Plain files and folders.")
    if entry.size < 0 or entry.size > MAX_TOTAL:
        raise _hostile(path, f"{entry.name[:120]!r} with a declared size of {entry.size} bytes", "A real size.")


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(entry)
    if content is None:
        raise tarfile.ReadError(f"{entry.name} has no content")
    return content


def _unpack(content: IO[bytes], size: int, target: Path) -> None:
    make_folder(target.parent)
    if shutil.disk_usage(target.parent).free < size:
        raise OutputError(
            f"{target.parent} has no room for {target.name}, {size / 2**20:.0f} MiB.",
            remedy="Make room, or choose an output on another disk.",
        )
    with replacing(target) as temporary, temporary.open("wb") as file:
        shutil.copyfileobj(content, file, _CHUNK)
        if file.tell() != size:
            raise EOFError(f"{target.name} ends after {file.tell()} of {size} bytes")


def _hostile(path: Path, what: str, expected: str) -> ProductError:
    return ProductError(
        f"{path} holds {what}.", expected, "This is no delivery of a satellite product: it was not unpacked."
    )
