"""Names of scenes: unique, usable as names of files, and made from an image's own path as far as that is possible.

A site of one image by name has the site's name. Where the image is a pattern, a scene is called by site and path:
``north-2017-scene`` for ``2017/scene.tif``, below the folder in which the pattern begins to vary. Such a name depends
on no other image, so that one more image does not rename the maps of the others. Only where two images would share a
name, or a file of results, do both get a mark made from their path.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pitmap.study.results import MapFiles

DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
"""Names that no file can have on Windows."""

LONGEST = 120
"""Characters; file systems take 255 bytes, and results have endings of their own."""

PLAIN_SUFFIXES = {".tif", ".tiff", ""}
"""Endings that stay out of a scene's name."""


@dataclass(frozen=True)
class Unnamed:
    """An image that wants a name.

    Attributes:
        site: Name of its site.
        path: The image, relative to the folder in which its pattern begins to vary; None where it is no pattern.
    """

    site: str
    path: str | None


def scene_names(images: Sequence[Unnamed]) -> list[str]:
    """A name for each image, no two of which differ in case alone or share a file of results.

    Sites of one image by name keep theirs; ``clashes`` finds what cannot be told apart then.
    """
    plain = [image.site if image.path is None else f"{image.site}-{name_from_path(image.path)}" for image in images]
    taken = Counter(file for name in plain for file in _files(name))
    names = []
    for image, name in zip(images, plain, strict=True):
        shared = any(taken[file] > 1 for file in _files(name))
        if image.path is not None and (shared or len(name) > LONGEST):
            mark = hashlib.sha256(f"{image.site}/{image.path}".encode()).hexdigest()[:8]
            name = f"{name[:LONGEST]}-{mark}"
        names.append(name)
    return names


def clashes(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of scenes whose results would lie in one file."""
    owners: dict[str, str] = {}
    found = []
    for name in names:
        for file in sorted(_files(name)):
            if file in owners:
                found.append((owners[file], name))
            owners.setdefault(file, name)
    return list(dict.fromkeys(found))


def _files(name: str) -> set[str]:
    """The files of a scene's map, as a disk that ignores case and accents' forms tells them apart."""
    files = MapFiles(Path(f"{name}.tif"))
    paths = (files.map, files.confidence, files.probabilities)
    return {unicodedata.normalize("NFKC", path.name).casefold() for path in paths}


def name_from_path(path: str) -> str:
    """A path as a part of a file name: letters, digits, dots, underscores and hyphens, without an ending ``.tif``."""
    whole = Path(unicodedata.normalize("NFC", path))
    if whole.suffix.lower() in PLAIN_SUFFIXES:
        whole = whole.with_suffix("")
    text = "-".join(re.sub(r"[^\w.-]+", "_", part).strip("_") for part in whole.parts)
    return text.strip("-.") or "image"
