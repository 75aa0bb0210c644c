"""One image, its map and its mines: the piece of work that is the same here, in a row of many, and on another machine.

What is up to date is left as it is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pitmap.currency import content_key, is_current, mark, unmark
from pitmap.exclusive import exclusive
from pitmap.mapping.prediction import Choice, MapOptions, MapReport, map_image, map_key, weights_key
from pitmap.observer import SILENT, Observer, Part
from pitmap.study.results import MapFiles

if TYPE_CHECKING:
    from pitmap.mapping.mines import Mines

Beside = Literal["mines", "confidence", "probabilities"]
"""What may be written beside a map, under the names of ``MapFiles``."""


@dataclass(frozen=True)
class MineOptions:
    """Which mines are written beside a map.

    Attributes:
        classes: Keys of the classes that are mines, by default those of the legend.
        minimum_mapping_unit_m2: Smaller polygons are left out.
        simplify_m: Tolerance by which outlines are simplified, in metres; None keeps the edges of the pixels.
    """

    classes: tuple[str, ...] | None = None
    minimum_mapping_unit_m2: float = 1000.0
    simplify_m: float | None = None


@dataclass(frozen=True)
class MapOrder:
    """An image that is to be mapped.

    Attributes:
        image: The image.
        out: The map.
        options: How it is mapped; ``confidence`` and ``probabilities`` say where these go.
        mines: Which mines are written to ``MapFiles(out).mines``, None for none.
    """

    image: Path
    out: Path
    options: MapOptions
    mines: MineOptions | None = None

    def with_files(self, beside: Collection[Beside]) -> MapOrder:
        """The same order with some of the files of ``MapFiles``; what it says of them itself stays."""
        files, options = MapFiles(self.out), self.options
        confidence = files.confidence if "confidence" in beside else None
        probabilities = files.probabilities if "probabilities" in beside else None
        options = replace(
            options,
            confidence=options.confidence or confidence,
            probabilities=options.probabilities or probabilities,
        )
        mines = self.mines or (MineOptions() if "mines" in beside else None)
        return replace(self, options=options, mines=mines)


@dataclass(frozen=True)
class Fulfilled:
    """A map and its mines that are there and up to date.

    Attributes:
        key: Of the map, see ``map_key``.
        report: Of the map; None where it was up to date before.
    """

    key: str
    report: MapReport | None


def fulfil(
    model: Path,
    order: MapOrder,
    observer: Observer = SILENT,
    *,
    replace: bool = False,
    wait: bool = False,
    choice: Choice | None = None,
) -> Fulfilled:
    """Make the map of an order and its mines, as far as they are not up to date.

    Args:
        model: The model file. A process that fulfils several orders with it reads it once.
        order: What is to be made.
        observer: Told of the progress.
        replace: See ``map_image``.
        wait: Likewise.
        choice: Likewise.

    Raises:
        PitmapError: See ``map_image`` and ``extract_mines``.
    """
    with exclusive(order.out, wait=wait, observer=observer):
        key, report = map_key(weights_key(model, order.options), order.image, order.options), None
        if not is_current(order.out, key):
            part = observer if order.mines is None else Part(observer, 0.0, MAPPING)
            report = map_image(model, order.image, order.out, order.options, part, replace=replace, choice=choice)
        if order.mines is not None:
            _extract(order, order.mines, key, Part(observer, MAPPING, 1.0))
    return Fulfilled(key, report)


def is_fulfilled(model: Path, order: MapOrder) -> bool:
    """Whether the map of an order and its mines are up to date.

    Raises:
        ModelError: The model cannot be read.
    """
    key = map_key(weights_key(model, order.options), order.image, order.options)
    if not is_current(order.out, key):
        return False
    return order.mines is None or is_current(MapFiles(order.out).mines, _mines_key(order.mines, key))


def _mines_key(options: MineOptions, map_key: str) -> str:
    return content_key(
        {
            "step": "mines",
            "map": map_key,
            "classes": None if options.classes is None else list(options.classes),
            "minimum_mapping_unit_m2": options.minimum_mapping_unit_m2,
            **({} if options.simplify_m is None else {"simplify_m": options.simplify_m}),
        }
    )


MAPPING = 0.9
"""Share of the work on an image that is done when it is mapped; then follow its mines."""


def _extract(order: MapOrder, options: MineOptions, map_key: str, observer: Observer) -> None:
    path = MapFiles(order.out).mines
    if is_current(path, key := _mines_key(options, map_key)):
        return
    unmark(path)
    extract_ordered(order, options, path, observer)
    mark(path, key)


def extract_ordered(order: MapOrder, options: MineOptions, path: Path, observer: Observer = SILENT) -> Mines:
    """The mines of the map of an order, with its confidence.

    Args:
        order: Its map is there.
        options: What counts as a mine.
        path: The GeoPackage.
        observer: Told of the progress.

    Raises:
        PitmapError: See ``extract_mines``.
    """
    from pitmap.mapping.mines import extract_mines

    return extract_mines(
        order.out,
        path,
        classes=options.classes,
        minimum_mapping_unit_m2=options.minimum_mapping_unit_m2,
        simplify_m=options.simplify_m,
        confidence=order.options.confidence,
        observer=observer,
    )
