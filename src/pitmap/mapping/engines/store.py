"""What was worked out once for a model, kept in the user's cache folder for the next command.

An entry is found by the content of everything that it depends on, versions and pitmap's own code among it, and never
trusted beyond that: one that is damaged counts as absent and is made again. The folder may be removed at any time. It
holds at most ``MOST_BYTES``; what was not used for longest goes first.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from functools import lru_cache
from pathlib import Path

from pitmap.files import cache_folder

SWITCH = "PITMAP_CACHE"
"""Environment variable that switches keeping off where it is ``off``."""

MOST_BYTES = 2 * 2**30
"""Of all entries together."""

_DIGEST = 32


def kept(key: str) -> bytes | None:
    """An entry, None where there is none or it is damaged.

    Args:
        key: Of ``currency.content_key``.
    """
    path = _path(key)
    if path is None:
        return None
    with contextlib.suppress(OSError):
        data = path.read_bytes()
        view = memoryview(data)
        if hashlib.sha256(view[_DIGEST:]).digest() == data[:_DIGEST]:
            os.utime(path)
            return data[_DIGEST:]
        path.unlink(missing_ok=True)
    return None


def keep(key: str, content: bytes) -> None:
    """Keep an entry, where there is a folder to keep it in: whole or not at all."""
    path = _path(key)
    if path is None or len(content) > MOST_BYTES:
        return
    # A machine without a cache folder, or with a full one, works it out again: slower, and as right.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                file.write(hashlib.sha256(content).digest())
                file.write(content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _make_room(path.parent)


@lru_cache(1)
def own_code() -> str:
    """Checksum of the code that entries come from: whoever changes it works with nothing that it made before."""
    package = Path(__file__).parents[2]
    sources = [*sorted((package / "networks").glob("*.py")), *sorted(Path(__file__).parent.glob("*.py"))]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _path(key: str) -> Path | None:
    folder = None if os.environ.get(SWITCH, "").lower() == "off" else cache_folder("networks")
    return None if folder is None else folder / key[:40]


def _make_room(folder: Path) -> None:
    """Remove what was not used for longest, until the rest is small enough; and what a killed process left."""
    found = sorted(((p, p.stat()) for p in folder.iterdir()), key=lambda entry: entry[1].st_mtime, reverse=True)
    total = 0
    for path, stat in found:
        total += stat.st_size
        if total > MOST_BYTES:
            path.unlink(missing_ok=True)
