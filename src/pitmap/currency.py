"""Is a result up to date? One key for what it depends on, and one sidecar that remembers the key.

A key is a checksum of contents: settings and the bytes of input files, never of paths, names of folders or times. A
study that was moved, copied or touched is a study that is done.

A step that makes a result does four things::

    key = content_key({"step": "samples", "format": FORMAT, "settings": ..., "image": digest(image)})
    if is_current(result, key):
        return ...
    unmark(result)
    ...                       # makes the result and the files that belong to it
    mark(result, key, files)

A file counts while its content is what it was when it was marked, so that a damaged one is made again.

``state`` holds what is written in the project file about *how* (not *where*), a number that changes with the meaning of
the step, and the ``digest`` of each input file. What makes no difference to the result (names of devices, number of
workers) stays out. A result that carries the key of its inputs in itself, as the header of a model does, needs no
sidecar: compare the key that stands there. A folder of unfinished work keeps its key in the same way:
``is_current(folder / "key", key)`` after ``mark(folder / "key", key, ())``. Keys chain: what depends on a sample set
takes the sample set's key, what depends on a model takes the checksum in its header.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sqlite3
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pitmap.errors import PitmapError, ProjectError
from pitmap.files import cache_folder, write_json
from pitmap.paths import gdal_name, is_gdal, local_file
from pitmap.stored import read_json

LARGE = 16_000_000
"""Bytes from which on the checksum of a file is remembered between runs, in the user's cache folder."""

VOLATILE = (".gpkg", ".csv", ".html", ".qml", ".xml")
"""Endings of results that people and programs open and change: unless they are sealed they count by being there."""

_PARTS = {
    ".shp": (".shx", ".dbf", ".prj", ".cpg"),
    ".tab": (".dat", ".map", ".id", ".ind"),
    ".mif": (".mid",),
    ".csv": (".csvt", ".prj"),
    ".gml": (".xsd", ".gfs"),
}
"""Vector files that come in parts: ending of the file that is named, and those of its parts."""

_SETTLED_NS = 2_000_000_000
"""A file changed more recently may change again without another time of change."""

_remembered: dict[str, tuple[list[int], str]] = {}


@dataclass(frozen=True)
class _Mark:
    """What a sidecar says: the key, and each file with the checksum of its content, None where that may change."""

    key: str
    files: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class _Known:
    """A checksum that is remembered, with what the file was like."""

    file: str
    signs: list[int]
    digest: str


def content_key(state: Mapping[str, Any]) -> str:
    """The checksum of everything that a result depends on.

    Args:
        state: JSON values; tuples count as lists. Paths are refused: the content of a file counts, by its ``digest``.

    Returns:
        64 hexadecimal digits.

    Raises:
        TypeError: A value is not of JSON.
    """
    text = json.dumps(state, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def is_current(result: Path, key: str) -> bool:
    """Whether a result carries this key, and it and all files that belong to it are there as they were made."""
    try:
        noted = read_json(_sidecar(result), _Mark)
        return noted.key == key and all(_fits(result.parent / name, value) for name, value in noted.files)
    except (ProjectError, OSError, ValueError):
        return False


def mark(result: Path, key: str, files: Sequence[Path] = (), sealed: Sequence[Path] = ()) -> None:
    """Note that a result and the files that belong to it are complete and of this key.

    Args:
        result: The file that names the result.
        key: Of ``content_key``.
        files: The files that must be there for the result to count; ``result`` is one of them where it exists.
        sealed: Those of them that nobody edits, whatever their ending.

    Raises:
        OutputError: The sidecar cannot be written.
    """
    own = dict.fromkeys([*([result] if result.exists() else []), *files])
    noted = (
        (_relative(file, result.parent), None if _volatile(file) and file not in sealed else _file_digest(file))
        for file in own
    )
    write_json(_sidecar(result), asdict(_Mark(key, tuple(noted))))


def unmark(result: Path) -> None:
    """Forget the key of a result that is about to be made again."""
    _sidecar(result).unlink(missing_ok=True)


def _sidecar(result: Path) -> Path:
    return result.with_name(f".{result.name}.key.json")


def _fits(file: Path, value: str | None) -> bool:
    return file.exists() if value is None else _file_digest(file) == value


def _volatile(file: Path) -> bool:
    return file.suffix.lower() in VOLATILE


def _relative(file: Path, folder: Path) -> str:
    return Path(os.path.relpath(file, folder)).as_posix()


def digest(path: Path | str) -> str:
    """The checksum of a data set: of a file and of all files that belong to it.

    These are the ones that GDAL lists (sources of a VRT, world file, header, mask), the parts of a shapefile, all files
    of a folder, and changes that an editor keeps beside an open GeoPackage. Not counted is what looking at a file
    leaves behind: statistics, pyramids, the header of a GeoPackage. A path into an archive counts as the archive. Of a
    remote file only its address and its header are known.

    Args:
        path: A file, a folder, or a path of GDAL's own such as ``/vsizip/a.zip/b.tif``.

    Returns:
        64 hexadecimal digits, the same wherever the data set lies and whatever it is called.

    Raises:
        PitmapError: It does not exist or cannot be read.
    """
    text = gdal_name(path)
    archive = local_file(path) if is_gdal(path) else None
    if archive is None and is_gdal(path):
        return content_key({"remote": text, "header": _header(text)})
    try:
        if archive is not None:
            return content_key({"archive": _file_digest(archive), "inside": text.split(str(archive), 1)[-1]})
        parts = sorted((role, _file_digest(file)) for role, file in _members(Path(path)))
    except OSError as error:
        raise PitmapError(f"{path} cannot be read ({error.strerror or error}).", remedy="Check the path.") from error
    return content_key({"files": [[role, value] for role, value in parts if value]})


def _header(text: str) -> list[Any]:
    """What GDAL says of a remote raster without reading it; empty for anything else."""
    import rasterio
    from rasterio.errors import RasterioError

    with warnings.catch_warnings(), contextlib.suppress(RasterioError):
        warnings.simplefilter("ignore")
        with rasterio.open(text) as source:
            crs = None if source.crs is None else source.crs.to_wkt()
            return [source.shape, source.dtypes, list(source.transform), crs, sorted(source.tags().items())]
    return []


def _members(path: Path, opened: frozenset[Path] = frozenset()) -> Iterator[tuple[str, Path]]:
    """The files of a data set, each with its role: what is left of its name without that of the data set."""
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            yield file.relative_to(path).as_posix(), file
        return
    yield "", path
    for suffix in _PARTS.get(path.suffix.lower(), ()):
        part = next((p for s in (suffix, suffix.upper()) if (p := path.with_suffix(s)).exists()), None)
        if part is not None:
            yield suffix, part
    driver, listed = _listed(path)
    for number, file in enumerate(listed):
        if driver != "VRT":
            yield _role(file, path), file
        elif file not in opened:
            for role, part in _members(file, opened | {path}):
                yield f"source {number} {role}", part


def _listed(path: Path) -> tuple[str | None, list[Path]]:
    """The driver of a raster, and the files that GDAL lists for it beside its own."""
    import rasterio
    from rasterio.errors import RasterioError

    with warnings.catch_warnings(), contextlib.suppress(RasterioError, ValueError):
        warnings.simplefilter("ignore")
        with rasterio.open(path) as source:
            files = [Path(f) for f in source.files]
            own = path.resolve()
            others = [f for f in files if f.resolve() != own and f.is_file() and f.suffix.lower() != ".ovr"]
            return source.driver, others
    return None, []


def _role(file: Path, path: Path) -> str:
    for start, sign in ((path.name, "+"), (path.stem, "~")):
        if file.name.startswith(start):
            return sign + file.name[len(start) :]
    return file.name


def _file_digest(path: Path) -> str:
    """The checksum of one file; empty where it holds nothing that counts."""
    if path.name.lower().endswith(".aux.xml"):
        return _without_statistics(path)
    stat = path.stat()
    wal = path.with_name(path.name + "-wal")
    signs = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    if wal.exists():
        signs += [wal.stat().st_size, wal.stat().st_mtime_ns]
    name = str(path.absolute())
    if (known := _recall(name, signs)) is not None:
        return known
    value = _of_database(path) if path.suffix.lower() == ".gpkg" else None
    if value is None:
        with path.open("rb") as file:
            value = hashlib.file_digest(file, "sha256").hexdigest()
        if wal.exists() and wal.stat().st_size:
            value = hashlib.sha256(value.encode() + wal.read_bytes()).hexdigest()
    if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _SETTLED_NS:
        _keep(name, signs, value)
    return value


def _without_statistics(path: Path) -> str:
    """Of GDAL's side file; the statistics that appear in it when somebody looks at the raster count for nothing."""
    text = path.read_text(encoding="utf-8", errors="replace")
    text = re.sub(r"<Histograms>.*?</Histograms>", "", text, flags=re.DOTALL)
    text = re.sub(r'<MDI key="STATISTICS_[^"]*">[^<]*</MDI>', "", text)
    text, last = re.sub(r">\s+<", "><", text.strip()), ""
    while text != last:
        last, text = text, re.sub(r"<(\w+)[^<>/]*>\s*</\1>", "", text)
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def _of_database(path: Path) -> str | None:
    """The checksum over the rows of a GeoPackage, None where it cannot be opened as one.

    Opening it in QGIS changes bytes of its header, and styles and times of change say nothing of its content.
    """
    wal = path.with_name(path.name + "-wal")
    mode = "mode=ro" if wal.exists() and wal.stat().st_size else "immutable=1"
    result = hashlib.sha256()
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as database:
            # Text that is not UTF-8 counts too.
            database.text_factory = bytes
            names = [n.decode() for (n,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for name in sorted(n for n in names if not re.match(r"sqlite_|rtree_|gpkg_ogr_contents|layer_styles", n)):
                columns = [c[1].decode() for c in database.execute(f"PRAGMA table_info({_quoted(name)})")]
                if name == "gpkg_contents":
                    columns = [c for c in columns if c in ("table_name", "data_type", "srs_id")]
                result.update(repr((name, columns)).encode())
                wanted = ", ".join(map(_quoted, columns))
                # gpkg_contents has a line for the styles as well.
                where = " WHERE table_name != 'layer_styles'" if name == "gpkg_contents" else ""
                rows = database.execute(f"SELECT {wanted} FROM {_quoted(name)}{where} ORDER BY 1")
                for row in rows:
                    result.update(repr(row).encode())
    except (sqlite3.Error, UnicodeDecodeError):
        return None
    return result.hexdigest()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _recall(name: str, signs: list[int]) -> str | None:
    """The checksum that a file had when its size, times and place on the disk were the same."""
    if (known := _remembered.get(name)) is not None and known[0] == signs:
        return known[1]
    if signs[0] < LARGE:
        return None
    try:
        kept = read_json(_memory(name), _Known)
        if (kept.file, kept.signs) == (name, signs):
            _remembered[name] = signs, kept.digest
            return kept.digest
    except (ProjectError, RuntimeError):
        pass
    return None


def _keep(name: str, signs: list[int], value: str) -> None:
    _remembered[name] = signs, value
    if signs[0] < LARGE:
        return
    # A machine without a cache folder or a home reads files again: slower, and as right.
    with contextlib.suppress(OSError, RuntimeError):
        path = _memory(name)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(asdict(_Known(name, signs, value))), encoding="utf-8")
        temporary.replace(path)


def _memory(name: str) -> Path:
    """Where the checksum of a large file is remembered.

    Raises:
        RuntimeError: The user has no folder for it.
    """
    folder = cache_folder("digests")
    if folder is None:
        raise RuntimeError("no cache folder")
    return folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"
