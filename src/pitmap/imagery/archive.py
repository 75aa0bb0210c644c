"""Reading tar and zip archives from strangers.

The kind is decided by content, because deliveries are renamed: tar, plain or packed by gzip, bzip2 or xz, and zip. Only
plain files are read, under their base name, in one pass. Paths that leave the archive, links, devices, sparse files,
repeated names and sizes that no satellite product has end in a ``ProductError`` before anything of that member is
written.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
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
_NAMES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".zip")
_PACKED: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


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


class _Entry(NamedTuple):
    """A member as the archive declares it; ``problem`` says what it is where it is no plain file or folder."""

    path: str
    size: int
    is_file: bool
    problem: str
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether a file is an archive by its content, or has the name of one."""
    if path.name.lower().endswith(_NAMES):
        return True
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError:
        return False
    return head.startswith((*_PACKED, *_ZIP)) or head[257:262] == b"ustar"


def read_archive(
    path: Path,
    is_text: Callable[[str], bool],
    is_wanted: Callable[[str], bool] = lambda name: False,
    folder: Path | None = None,
) -> list[Member]:
    """List an archive, read its small texts, and unpack what is wanted, in one pass.

    Args:
        path: A tar (plain, gzip, bzip2, xz) or zip file.
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
        with _entries(path) as entries:
            for number, entry in enumerate(entries):
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
                if not entry.is_file:
                    continue
                name = re.split(r"[/\\]", entry.path)[-1]
                if (is_text(name) or is_wanted(name)) and any(name == member.name for member in members):
                    raise _hostile(path, f"{name} twice", "Every file once.")
                text, file = None, None
                if is_text(name):
                    if entry.size > MAX_TEXT:
                        raise _hostile(path, f"{name} with {entry.size} bytes", f"At most {MAX_TEXT} bytes.")
                    with entry.open() as content:
                        text = content.read(MAX_TEXT + 1)
                elif folder is not None and is_wanted(name):
                    file = folder / name
                    with entry.open() as content:
                        _unpack(content, entry.size, file)
                members.append(Member(name, entry.path, entry.size, text, file))
    except tarfile.FilterError as error:
        raise _hostile(path, f"a member that does not belong in it ({error})", "Plain files and folders.") from error
    except (
        tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, EOFError, zlib.error, UnicodeError, ValueError,
        OverflowError, NotImplementedError,
    ) as error:  # fmt: skip
        raise ProductError(
            f"{path} cannot be read to its end ({error or type(error).__name__}).",
            "A complete tar or zip archive.",
            "The file is damaged or cut short: copy or download it again.",
        ) from error
    return members


@contextmanager
def _entries(path: Path) -> Iterator[Iterator[_Entry]]:
    with path.open("rb") as raw:
        head = raw.read(8)
        raw.seek(0)
        if head.startswith(_ZIP):
            with zipfile.ZipFile(raw) as archive:
                yield _zip_entries(archive)
            return
        unpack = next((make for magic, make in _PACKED.items() if head.startswith(magic)), None)
        source = raw if unpack is None else unpack(raw)
        with tarfile.open(fileobj=_BoundedReads(source), mode="r:") as archive:
            yield _tar_entries(archive)


def _tar_entries(archive: tarfile.TarFile) -> Iterator[_Entry]:
    for entry in archive:
        plain = (entry.isfile() or entry.isdir()) and not entry.issparse()

        def content(entry: tarfile.TarInfo = entry) -> IO[bytes]:
            # Python's own rules for archives from strangers, beside those above.
            tarfile.data_filter(entry, "/")
            found = archive.extractfile(entry)
            if found is None:
                raise tarfile.ReadError(f"{entry.name} has no content")
            return found

        yield _Entry(entry.name, entry.size, entry.isfile(), "" if plain else "a link or special file", content)


def _zip_entries(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    for entry in archive.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        problem = "" if kind in (0, stat.S_IFREG, stat.S_IFDIR) else "a link or special file"
        if entry.flag_bits & 1:
            problem = "which is encrypted"

        def content(entry: zipfile.ZipInfo = entry) -> IO[bytes]:
            return archive.open(entry)

        yield _Entry(entry.filename, entry.file_size, not entry.is_dir(), problem, content)


class _BoundedReads:
    """A file that refuses single reads beyond what headers of a tar file need: tarfile reads those whole."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= 16 * 2**20:
            raise tarfile.ReadError(f"a header of {size} bytes")
        try:
            content: bytes = self._source.read(size)
        except OSError as error:
            if error.errno is None:  # what unpacking says of damage; a problem of the disk has a number
                raise tarfile.ReadError(str(error)) from error
            raise
        return content

    def seek(self, *place: int) -> int:
        try:
            found: int = self._source.seek(*place)
        except OSError as error:
            if error.errno is None:
                raise tarfile.ReadError(str(error)) from error
            raise
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


def _check_entry(path: Path, entry: _Entry) -> None:
    parts = re.split(r"[/\\]", entry.path)
    if entry.path.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\x00" in entry.path:
        raise _hostile(path, f"the member {entry.path[:120]!r}", "Paths inside the archive.")
    if entry.problem:
        raise _hostile(path, f"{entry.path[:120]!r}, {entry.problem}", "Plain files and folders.")
    if entry.size < 0 or entry.size > MAX_TOTAL:
        raise _hostile(path, f"{entry.path[:120]!r} with a declared size of {entry.size} bytes", "A real size.")


def _unpack(content: IO[bytes], size: int, target: Path) -> None:
    make_folder(target.parent)
    if shutil.disk_usage(target.parent).free < size:
        raise OutputError(
            f"{target.parent} has no room for {target.name}, {size / 2**20:.0f} MiB.",
            remedy="Make room, or choose an output on another disk.",
        )
    with replacing(target) as temporary, temporary.open("wb") as file:
        try:
            shutil.copyfileobj(content, file, _CHUNK)
        except OSError as error:
            if error.errno is None:  # damage of the archive, which is no problem of the disk
                raise EOFError(str(error)) from error
            raise
        if file.tell() != size:
            raise EOFError(f"{target.name} ends after {file.tell()} of {size} bytes")


def _hostile(path: Path, what: str, expected: str) -> ProductError:
    return ProductError(
        f"{path} holds {what}.", expected, "This is no delivery of a satellite product: it was not unpacked."
    )
