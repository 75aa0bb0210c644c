"""Batches of tiles: read ahead in a thread, mapped, kept as parts of the map."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pitmap.grid import Window
from pitmap.labels import Cover
from pitmap.legend import UNLABELLED
from pitmap.mapping.engines.interface import NO_PROBABILITY, Engine
from pitmap.mapping.partial import PartialMap
from pitmap.mapping.tiles import Tile
from pitmap.observer import SILENT, Observer
from pitmap.raster.reading import RasterReader

READ_AHEAD = 2
"""Batches read while one is mapped."""

T = TypeVar("T")
R = TypeVar("R")


class _Pixels(NamedTuple):
    """A batch as it is read."""

    pixels: NDArray[Any]  # (N, bands, H, W)
    valid: NDArray[np.bool_]  # (N, H, W), what the network sees
    mapped: NDArray[np.bool_]  # (N, h, w), which of the kept pixels get a code


def read_tile(reader: RasterReader, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Pixels of a window that may reach beyond the bottom and right of the image, where they are invalid.

    Returns:
        ``(band, height, width)`` in the file's dtype and a mask ``(height, width)``.

    Raises:
        ImageError: The pixels cannot be read.
    """
    height, width = reader.grid.shape
    inside = Window(
        window.row, window.col, min(window.height, height - window.row), min(window.width, width - window.col)
    )
    pixels, valid = reader.read(inside)
    if inside == window:
        return pixels, valid
    beyond = ((0, window.height - inside.height), (0, window.width - inside.width))
    return np.pad(pixels, ((0, 0), *beyond)), np.pad(valid, beyond)


def _read_batch(reader: RasterReader, wanted: Cover, batch: Sequence[Tile]) -> _Pixels:
    pixels, valid = zip(*(read_tile(reader, tile.read) for tile in batch), strict=True)
    seen = [v[tile.kept] for v, tile in zip(valid, batch, strict=True)]
    mapped = [s & wanted(tile.keep) if s.any() else s for s, tile in zip(seen, batch, strict=True)]
    return _Pixels(np.stack(pixels), np.stack(valid), np.stack(mapped))


def map_batches(
    reader: RasterReader,
    engine: Engine,
    wanted: Cover,
    batches: Sequence[Sequence[Tile]],
    partial: PartialMap,
    *,
    confidence: bool,
    probabilities: bool,
    observer: Observer = SILENT,
) -> int:
    """Map the batches that are not finished yet and keep each as a part.

    A part holds ``codes<n>``, ``confidence<n>`` and ``probabilities<n>`` of the kept pixels of its n-th tile; a batch
    without a pixel to map has codes only.

    Args:
        reader: The image.
        engine: Maps a batch.
        wanted: Which pixels are to be mapped.
        batches: All batches, see ``tiles.batches_of``. A batch is always mapped as a whole: its size may change the
            last bit of a logit.
        partial: Where the parts are kept.
        confidence: Whether to keep the confidence.
        probabilities: Whether to keep probabilities.
        observer: Told of the finished share of the tiles.

    Returns:
        How many tiles were finished before.
    """
    tiles = sum(len(batch) for batch in batches)
    missing = [index for index in range(len(batches)) if not partial.has(index)]
    done = resumed = tiles - sum(len(batches[index]) for index in missing)
    step = f"mapping {reader.info.path.name}"
    observer.progress(step, done / tiles)
    # Closed whatever happens: the thread must be done with the image before the caller closes it.
    with closing(_ahead(lambda index: _read_batch(reader, wanted, batches[index]), missing)) as reads:
        for index, (pixels, valid, mapped) in zip(missing, reads, strict=True):
            if mapped.any():
                kept = batches[index][0].kept
                codes, sure, shares = engine.predict(
                    pixels, valid, kept, confidence=confidence, probabilities=probabilities
                )
                codes = np.where(mapped, codes, np.uint8(UNLABELLED))
            else:
                codes, sure, shares = np.zeros(mapped.shape, np.uint8), None, None
            parts: dict[str, NDArray[Any]] = {}
            for n in range(len(batches[index])):
                parts[f"codes{n}"] = codes[n]
                if sure is not None:
                    parts[f"confidence{n}"] = sure[n] * mapped[n]
                if shares is not None:
                    parts[f"probabilities{n}"] = np.where(mapped[n], shares[n], np.uint16(NO_PROBABILITY))
            partial.save(index, parts)
            done += len(batches[index])
            observer.progress(step, done / tiles)
    return resumed


def _ahead(read: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
    """The results of ``read`` in order, made in one thread while the caller works on the one before."""
    with ThreadPoolExecutor(1) as thread:
        pending: deque[Future[R]] = deque()
        try:
            for item in items:
                pending.append(thread.submit(read, item))
                if len(pending) > READ_AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
