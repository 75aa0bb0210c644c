"""Batches of tiles on their way: read ahead in one thread, mapped in the caller's, kept and written in another.

GDAL, NumPy and the engines work outside Python's lock, so the three run at the same time. Between them wait at most a
few batches: the memory depends on the size of a tile, not on that of the scene.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pitmap.grid import Window
from pitmap.labels import Cover
from pitmap.mapping.assembly import MapRasters
from pitmap.mapping.engines.interface import NO_PROBABILITY, Engine, Prediction
from pitmap.mapping.partial import CODES, CONFIDENCE, PROBABILITIES, Part, PartialMap
from pitmap.mapping.tiles import Tile
from pitmap.observer import SILENT, Observer
from pitmap.raster.reading import RasterReader

READ_AHEAD = 2
"""Batches read while one is mapped."""

WRITE_BEHIND = 1
"""Batches that wait to be kept while the next one is mapped."""

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


def _read_batch(reader: RasterReader, wanted: Cover, batch: Sequence[Tile]) -> _Pixels | None:
    """A batch, None where it has no pixel to map; what is masked as a whole is not even read."""
    ground = [wanted(tile.keep) for tile in batch]
    if not any(g.any() for g in ground):
        return None
    pixels, valid = zip(*(read_tile(reader, tile.read) for tile in batch), strict=True)
    mapped = _stacked([g & v[tile.kept] for g, v, tile in zip(ground, valid, batch, strict=True)])
    return _Pixels(_stacked(pixels), _stacked(valid), mapped) if mapped.any() else None


def _stacked(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Arrays along a new first axis, a single one without copying it."""
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


def map_batches(
    reader: RasterReader,
    make_engine: Callable[[], Engine],
    wanted: Cover,
    batches: Sequence[Sequence[Tile]],
    partial: PartialMap,
    rasters: MapRasters | None,
    *,
    confidence: bool,
    probabilities: bool,
    observer: Observer = SILENT,
    only: Collection[int] | None = None,
) -> int:
    """Map the batches that are not finished yet, keep each as a part, and put all of them together.

    Args:
        reader: The image.
        make_engine: Gives what maps a batch; called while the first one is read.
        wanted: Which pixels are to be mapped.
        batches: All batches, see ``tiles.batches_of``. A batch is always mapped as a whole: its size may change the
            last bit of a logit.
        partial: Where the parts are kept.
        rasters: Where they are put together; None not to.
        confidence: Whether to give the confidence.
        probabilities: Whether to give probabilities.
        observer: Told of the finished share of the tiles.
        only: Numbers of the batches that count, by default all.

    Returns:
        How many tiles were finished before.

    Raises:
        ImageError: The image cannot be read.
        OutputError: The disk is full or not writable, or a part of an earlier run is damaged.
    """
    chosen = sorted(range(len(batches)) if only is None else only)
    tiles = sum(len(batches[index]) for index in chosen)
    missing = [index for index in chosen if not partial.has(index)]
    done = resumed = tiles - sum(len(batches[index]) for index in missing)
    step = f"mapping {reader.info.path.name}"
    observer.progress(step, done / tiles)

    def keep(index: int, pixels: _Pixels | None, prediction: Prediction | None) -> None:
        part = {} if pixels is None or prediction is None else _part(prediction, pixels.mapped)
        partial.save(index, part)
        if rasters is not None:
            rasters.add(batches[index], part)

    def put_in_place(indices: Iterable[int]) -> None:
        for index in indices:
            if rasters is not None:
                rasters.add(batches[index], partial.load(index))

    def read(index: int) -> _Pixels | None:
        return _read_batch(reader, wanted, batches[index])

    # Both threads end whatever happens: they must be done with image and rasters before the caller closes them.
    with ThreadPoolExecutor(1) as thread, closing(_ahead(read, missing)) as reads:
        first = thread.submit(next, reads, None)
        finished = thread.submit(put_in_place, sorted(set(chosen) - set(missing)))
        try:
            engine = make_engine() if missing else None
        finally:
            wait([first])
        behind: deque[tuple[int, Future[None]]] = deque()
        for index, pixels in zip(missing, chain([first.result()] if missing else [], reads), strict=True):
            prediction = None
            if pixels is not None and engine is not None:
                prediction = engine.predict(
                    pixels.pixels, pixels.valid, batches[index][0].kept,
                    confidence=confidence, probabilities=probabilities,
                )  # fmt: skip
            behind.append((index, thread.submit(keep, index, pixels, prediction)))
            while len(behind) > (WRITE_BEHIND if index != missing[-1] else 0):
                kept, future = behind.popleft()
                future.result()
                done += len(batches[kept])
                observer.progress(step, done / tiles)
        finished.result()
    return resumed


def _part(prediction: Prediction, mapped: NDArray[np.bool_]) -> Part:
    """What is kept of a batch: nothing where a pixel is not to be mapped."""
    codes, confidence, probabilities = prediction
    part: Part = {CODES: codes * mapped}
    if confidence is not None:
        part[CONFIDENCE] = confidence * mapped
    if probabilities is not None:
        part[PROBABILITIES] = np.where(mapped[:, None], probabilities, np.uint16(NO_PROBABILITY))
    return part


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
