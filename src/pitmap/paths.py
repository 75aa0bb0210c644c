"""Where a file lies: on the disk, in an archive, or at an address that GDAL reads.

A place is a ``Path`` everywhere. ``pathlib`` makes one slash of two, so that ``https://`` and ``/vsizip//folder`` are
no longer what was written; ``gdal_name`` gives the name that GDAL takes, and is the only way to one.
"""

from __future__ import annotations

import glob
import re
import unicodedata
from pathlib import Path, PurePosixPath

_ADDRESS = re.compile(r"^(https?|ftp|s3|gs|az|adls|oss|swift):/+", re.IGNORECASE)
_NETWORK = {
    "s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/", "adls": "/vsiadls/", "oss": "/vsioss/", "swift": "/vsiswift/",
}  # fmt: skip
_ARCHIVE = re.compile(r"^/vsi(zip|tar|gzip|7z|rar|sparse|cached|crypt)/", re.IGNORECASE)
_SUBDATASET = re.compile(r"^[A-Za-z][A-Za-z0-9_]+:[^/\\]")
"""``NETCDF:file.nc:band``; a drive letter is one character."""


def is_gdal(path: Path | str) -> bool:
    """Whether a path is a name of GDAL's own (``/vsizip/``, ``s3://``, ``https://``, ``NETCDF:...``) and no file."""
    text = str(path)
    if text.startswith("/vsi") or _ADDRESS.match(text):
        return True
    return _SUBDATASET.match(text) is not None and not Path(text).exists()


def gdal_name(path: Path | str) -> str:
    """The name under which GDAL opens a place."""
    text = str(path)
    if address := _ADDRESS.match(text):
        scheme, rest = address[1].lower(), text[address.end() :]
        return _NETWORK[scheme] + rest if scheme in _NETWORK else f"/vsicurl/{scheme}://{rest}"
    if not text.startswith("/vsi"):
        return text
    text = re.sub(r"(?<=[/=])(https?|ftp):/+", r"\1://", text)
    text = re.sub(r"^(/vsi\w+/)(?=vsi\w+[/?])", r"\1/", text)
    prefix, rest = _split_archive(text)
    if prefix and rest[:1] not in ("/", "{", "") and _archive_in(rest) is None and _archive_in("/" + rest):
        return f"{prefix}/{rest}"
    return text


def resolve(folder: Path, text: str | Path) -> Path:
    """The place that a project file names.

    Args:
        folder: Where relative paths start, those of archives too.
        text: As it is written there. A name that is spelt in another Unicode form than the file's is found.
    """
    text = str(text)
    if text.startswith("/vsi") or _ADDRESS.match(text):
        prefix, rest = _split_archive(gdal_name(text))
        below = bool(prefix) and rest[:1] not in ("/", "{") and _archive_in(str(folder / rest)) is not None
        return Path(f"{prefix}{folder / rest}" if below else gdal_name(text))
    place = folder / text
    if place.exists():
        return place
    for form in ("NFC", "NFD"):
        if (other := folder / unicodedata.normalize(form, text)).exists():
            return other
    return Path(text) if _SUBDATASET.match(text) else place


SIDE_FILES = (".aux.xml", ".tif.xml", ".ovr", ".msk", ".tfw", ".qml", ".qmd")
"""Ends of files that GDAL, QGIS and ArcGIS leave beside an image; a pattern does not take them for images."""


def matching(folder: Path, pattern: str) -> list[tuple[Path, str | None]]:
    """The images that a path or a pattern such as ``scenes/*.tif`` names, sorted.

    A path that exists is taken as it stands, whatever characters it has: ``scene [1].tif`` is a file before it is a
    pattern, and so is a folder ``data [1]`` at the beginning of one. Patterns reach into archives on the disk.

    Args:
        folder: Where relative paths start.
        pattern: The path or pattern, or an address.

    Returns:
        Each image with its path below the folder in which the pattern varies, None where it was no pattern; a path is
        returned whether it exists or not.
    """
    place = resolve(folder, pattern)
    if is_gdal(place):
        members = [place] if not glob.has_magic(pattern) else archive_members(place)
        varying = [member.as_posix() for member in members] if len(members) > 1 else [None]
        return list(zip(members, varying, strict=True))
    if not glob.has_magic(pattern) or place.exists():
        return [(place, None)]
    parts = Path(pattern).parts
    start, root = 0, folder
    while glob.has_magic(str(Path(*parts[start:]))) and (root / parts[start]).exists() and start < len(parts) - 1:
        start, root = start + 1, root / parts[start]
    found = glob.glob(str(Path(*parts[start:])), root_dir=root, recursive=True)
    paths = sorted(Path(p).as_posix() for p in found if (root / p).is_file() and not p.lower().endswith(SIDE_FILES))
    return [(root / path, path) for path in paths]


def archive_members(pattern: Path) -> list[Path]:
    """The files in an archive on the disk that match a pattern such as ``/vsizip/a.zip/*.tif``, sorted.

    Returns:
        The pattern itself where it leads into no archive on the disk: a question mark is a part of many addresses.
    """
    name, archive = gdal_name(pattern), local_file(pattern)
    if archive is None or not archive.is_file() or str(archive) not in name:
        return [pattern]
    import pyogrio

    members = pyogrio.vsi_listtree(name[: name.index(str(archive)) + len(str(archive))] + "}" * name.count("}"))
    return sorted(Path(member) for member in members if PurePosixPath(member).match(name)) or [pattern]


def exists(path: Path | str) -> bool:
    """Whether there is such a file; of an address, and of a member of an archive, only opening it can tell."""
    if not is_gdal(path):
        return Path(path).exists()
    return (file := local_file(path)) is None or file.exists()


def local_file(path: Path | str) -> Path | None:
    """The file on this disk that is read: the path itself, the archive it lies in, or None for an address."""
    if not is_gdal(path):
        return Path(path)
    name = gdal_name(path)
    prefix, rest = _split_archive(name)
    if prefix and not rest.startswith("/vsi"):
        found = _archive_in(rest)
        return Path(rest if found is None else found)
    if name.startswith("/vsi"):
        return None
    parts = [part.strip('"') for part in name.split(":")[1:]]
    return next((Path(part) for part in parts if part and Path(part).is_file()), None)


def _split_archive(name: str) -> tuple[str, str]:
    """``/vsitar//vsigzip/`` and the rest; no prefix where it names no archive."""
    prefix, rest = "", name
    while found := _ARCHIVE.match(rest if rest.startswith("/vsi") else ""):
        prefix, rest = prefix + found[0], rest[found.end() :]
    return prefix, rest


def _archive_in(rest: str) -> str | None:
    """The archive in ``folder/archive.zip/member``: the part that is a file."""
    if braced := re.match(r"^\{([^}]*)\}", rest):
        return braced[1]
    path = Path(rest)
    return next((str(part) for part in [*reversed(path.parents), path] if part.is_file()), None)
