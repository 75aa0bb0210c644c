"""Many images mapped with one model: what is up to date is left, a failure is noted, and the rest goes on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from pitmap.cluster import Cluster
from pitmap.errors import ImageError, OutputError, PitmapError
from pitmap.exclusive import exclusive
from pitmap.files import make_folder
from pitmap.mapping.manifest import MANIFEST, Line, Status, count_mines, read_manifest, read_map, write_manifest
from pitmap.mapping.order import Beside, MapOrder, fulfil
from pitmap.mapping.parts import engines_kept, forget_engine
from pitmap.mapping.prediction import Choice, MapOptions
from pitmap.networks.model_card import read_card
from pitmap.observer import SILENT, Observer, Part, logger
from pitmap.paths import is_gdal, matching
from pitmap.study.names import clashes, name_from_path


@dataclass(frozen=True)
class MapRun:
    """Many images mapped, as far as they could be.

    Attributes:
        manifest: The file ``manifest.jsonl``.
        lines: What became of each image, in the order in which they were given.
    """

    manifest: Path
    lines: tuple[Line, ...]

    @property
    def failed(self) -> tuple[Line, ...]:
        """The images that were not mapped."""
        return tuple(line for line in self.lines if line.status == "failed")

    def summary(self) -> str:
        """One line for the screen, and one more for each image that failed."""
        counts = Counter(line.status for line in self.lines)
        words: dict[Status, str] = {"made": "made", "current": "up to date", "failed": "failed"}
        found = ", ".join(f"{counts[status]} {word}" for status, word in words.items() if counts[status])
        return "\n".join(
            [
                f"{len(self.lines)} image(s): {found}. Written to {self.manifest}.",
                *(f"Failed: {line.input}: {line.error}" for line in self.failed),
            ]
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values: the manifest's name, how many came to what, and its lines."""
        counts = Counter(line.status for line in self.lines)
        return {
            "manifest": str(self.manifest),
            **{status: counts[status] for status in ("made", "current", "failed")},
            "scenes": [line.to_json() for line in self.lines],
        }


class NamedImage(NamedTuple):
    """An image and what it is called.

    Attributes:
        image: The image.
        name: Of its map, without ending.
        of_many: Whether it comes from a pattern or a list.
    """

    image: Path
    name: str
    of_many: bool


def find_images(names: Sequence[str | Path]) -> list[NamedImage]:
    """The images that are named, each once.

    Args:
        names: Paths, addresses and names of GDAL's own, patterns such as ``scenes/*.tif``, and ``@list.txt`` for a text
            file of such names, one a line, relative to its folder; lines that begin with ``#`` are left out. An image
            of a pattern is called by its path below the folder in which the pattern varies, any other by its own name.

    Raises:
        ImageError: Nothing matches a pattern, or a list cannot be read.
        OutputError: Two maps would share a file.
    """
    found: dict[Path, NamedImage] = {}
    for folder, name, listed in _listed(names):
        images = matching(folder, name)
        if not images:
            raise ImageError(f"No file matches {name!r} (looked in {folder.absolute()}).", remedy="Check the pattern.")
        for image, varying in images:
            called = name_from_path(varying or _own_name(image))
            one = image if is_gdal(image) else image.resolve()
            found.setdefault(one, NamedImage(image, called, listed or varying is not None))
    if not found:
        raise ImageError("No image is named.", "At least one image, pattern or list.")
    if shared := clashes([each.name for each in found.values()]):
        first, *rest = [str(each.image) for each in found.values() if each.name in shared[0]]
        raise OutputError(
            f"The maps of {first} and {rest[-1]} would share a file.",
            "Images of different names.",
            "Give a pattern in quotes, as in 'scenes/*/image.tif': its maps are called by the folders too; or map them "
            "to different folders.",
        )
    return list(found.values())


def _listed(names: Sequence[str | Path]) -> Iterator[tuple[Path, str, bool]]:
    """The names with the folders that they start from, and whether they stand in a list."""
    for name in map(str, names):
        if not name.startswith("@") or Path(name).exists():
            yield Path(), name, False
            continue
        path = Path(name[1:])
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise ImageError(f"The list {path} cannot be read ({why}).", "A text file, a path a line.") from error
        yield from ((path.parent, line.strip(), True) for line in lines if line.strip() and not line.startswith("#"))


def _own_name(image: Path) -> str:
    return image.name.split("?")[0] if is_gdal(image) else image.name


def map_images(
    model: str | Path,
    images: Sequence[str | Path],
    folder: str | Path,
    options: MapOptions | None = None,
    observer: Observer = SILENT,
    *,
    beside: Collection[Beside] = (),
    replace: bool = False,
    wait: bool = False,
    cluster: Cluster | None = None,
) -> MapRun:
    """Map many images with one model into one folder, with a manifest ``manifest.jsonl``.

    Maps that are up to date are left as they are. An image that cannot be mapped is noted, and the others are mapped:
    look at ``failed`` of the result.

    Args:
        model: A model file. It is loaded once.
        images: Paths, patterns, addresses and lists, see ``find_images``.
        folder: Where the maps go, ``<name of the image>.tif`` each.
        options: How all images are mapped.
        observer: Told of the progress.
        beside: What is written beside each map: ``mines``, ``confidence``, ``probabilities``.
        replace: See ``map_image``.
        wait: Likewise.
        cluster: Where the work is done, see ``cluster.cluster_at``; by default in this process.

    Raises:
        BusyError: Another process maps into the folder.
        ImageError: Nothing matches a pattern, or a list cannot be read.
        ModelError: The model file is damaged.
        OutputError: Two maps would share a file, or the folder cannot be written to.
    """
    folder = Path(folder)
    orders = [
        MapOrder(image, folder / f"{name}.tif", options or MapOptions()).with_files(beside)
        for image, name, _ in find_images(images)
    ]
    return map_orders(Path(model), orders, folder, observer, replace=replace, wait=wait, cluster=cluster)


def map_orders(
    model: Path,
    orders: Sequence[MapOrder],
    folder: Path,
    observer: Observer = SILENT,
    *,
    replace: bool = False,
    wait: bool = False,
    cluster: Cluster | None = None,
) -> MapRun:
    """Fulfil many orders whose maps lie in one folder. Arguments and errors as of ``map_images``."""
    card = read_card(model)
    make_folder(folder)
    with exclusive(folder / MANIFEST, wait=wait, observer=observer):
        earlier = read_manifest(folder)
        pieces = [
            _Piece(
                model.absolute(),
                order,
                earlier.get(order.out.name),
                replace,
                wait,
                None if cluster is None else Choice.of(card, order.options),
            )
            for order in orders
        ]
        lines: dict[int, Line] = {}
        done = _here(pieces, observer) if cluster is None else _there(pieces, cluster, observer)
        for index, line in done:
            lines[index] = line
            if line.status == "failed":
                observer.warn(f"{line.input} was not mapped: {line.error}")
            write_manifest(folder, (lines[i] for i in sorted(lines)))
    return MapRun(folder / MANIFEST, tuple(lines[i] for i in sorted(lines)))


@dataclass(frozen=True)
class _Piece:
    """An order with what is needed to fulfil it anywhere."""

    model: Path
    order: MapOrder
    earlier: Line | None
    replace: bool
    wait: bool
    choice: Choice | None


def _here(pieces: Sequence[_Piece], observer: Observer) -> Iterator[tuple[int, Line]]:
    try:
        for index, piece in enumerate(pieces):
            step = f"mapping {index + 1} of {len(pieces)}, {piece.order.image.name}"
            yield index, attempt(piece, Part(observer, index / len(pieces), (index + 1) / len(pieces), step))
    finally:
        forget_engine()


def _there(pieces: Sequence[_Piece], cluster: Cluster, observer: Observer) -> Iterator[tuple[int, Line]]:
    step = f"mapping {len(pieces)} images on {cluster.name}"
    absolute = [replace(piece, order=_absolute(piece.order)) for piece in pieces]
    observer.progress(step, 0)
    for number, (index, result) in enumerate(cluster.each(attempt, absolute), start=1):
        piece = pieces[index]
        if isinstance(result, Exception):
            line = _failed(piece, result)
        else:
            line = replace(result, input=str(piece.order.image))
            for warning in line.warnings if line.status == "made" else ():
                observer.warn(f"{piece.order.image.name}: {warning}")
        observer.progress(step, number / len(pieces))
        yield index, line


def _absolute(order: MapOrder) -> MapOrder:
    """The same order for a process that works in another folder."""

    def place(path: str | Path) -> Path:
        return Path(path) if is_gdal(path) else Path(path).absolute()

    options = order.options
    options = replace(
        options,
        masks=tuple(place(p) for p in options.masks),
        extent=None if options.extent is None else place(options.extent),
        confidence=None if options.confidence is None else place(options.confidence),
        probabilities=None if options.probabilities is None else place(options.probabilities),
    )
    return replace(order, image=place(order.image), out=place(order.out), options=options)


def attempt(piece: _Piece, observer: Observer = SILENT) -> Line:
    """Fulfil an order, or say why it cannot be fulfilled."""
    order, start = piece.order, time.monotonic()
    try:
        with engines_kept():
            fulfilled = fulfil(
                piece.model, order, observer, replace=piece.replace, wait=piece.wait, choice=piece.choice
            )
        mines = None if order.mines is None else count_mines(order.out)
        report, key, earlier = fulfilled.report, fulfilled.key, piece.earlier
        line = Line(str(order.image), order.out.name, "made", mines=mines, key=key)
        if report is not None:
            hectares = None if report.area_m2 is None else {k: area / 1e4 for k, area in report.area_m2.items()}
            seconds = round(time.monotonic() - start, 2)
            return replace(line, hectares=hectares, pixels=report.pixels, seconds=seconds, warnings=report.warnings)
        if earlier is not None and earlier.key == key:
            return replace(earlier, input=line.input, status="current", mines=mines)
        pixels, hectares, warnings = read_map(order.out)
        return replace(line, status="current", hectares=hectares, pixels=pixels, warnings=warnings)
    except Exception as error:
        if not isinstance(error, PitmapError):
            logger.exception("%s was not mapped", order.image)
        return _failed(piece, error)


def _failed(piece: _Piece, error: Exception) -> Line:
    text = str(error) if isinstance(error, PitmapError) else f"{type(error).__name__}: {error}"
    return Line(str(piece.order.image), piece.order.out.name, "failed", error=text)
