"""The parts of one map, wherever they are made: here one after the other, or in groups on the workers of a cluster.

What is to be made is described once, by whoever makes the map: engine, precision and tiles follow no machine but that
one. A worker writes its parts beside the map, where a run here would write them: each goes on with the other's.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from pitmap.cluster import Cluster
from pitmap.errors import ClusterError
from pitmap.labels import Cover, usable_ground
from pitmap.mapping.assembly import MapRasters
from pitmap.mapping.batches import map_batches
from pitmap.mapping.engines import make_engine
from pitmap.mapping.engines.interface import Engine, EngineOptions
from pitmap.mapping.engines.source import NetworkSource
from pitmap.mapping.partial import PartialMap
from pitmap.mapping.tiles import Tile, TilePlan, batches_of
from pitmap.networks.model_card import read_card
from pitmap.networks.scaling import folded_scaling
from pitmap.observer import SILENT, Observer
from pitmap.paths import is_gdal
from pitmap.raster.reading import cache_bytes, describe, open_raster
from pitmap.study.asked import Reading

GROUPS_A_WORKER = 8
"""Groups of parts for each worker: few enough to open the image seldom, enough to end at the same time."""


@dataclass(frozen=True)
class MapParts:
    """All that the parts of one map follow from. It can be sent to another process.

    Attributes:
        model: The model file.
        model_sha256: Its checksum.
        trusted: Networks of other packages that it may import.
        engine: Name of the engine.
        engine_options: How it works.
        image: The image.
        reading: How it is read.
        mean: Of each band, by which it is normalised; in the model's unit.
        std: Likewise.
        nodata: Overrides the file's nodata value.
        extent: Vector layer that bounds the area to map.
        masks: Layers of ground to leave out.
        plan: How the image is cut into tiles.
        batch: Tiles of a part.
        out: The map; the parts lie beside it.
        key: Of everything that the parts depend on.
        confidence: Whether they hold the confidence.
        probabilities: Whether they hold probabilities.
    """

    model: Path
    model_sha256: str
    trusted: tuple[str, ...]
    engine: str
    engine_options: EngineOptions
    image: Path
    reading: Reading
    mean: tuple[float, ...]
    std: tuple[float, ...]
    nodata: float | None
    extent: Path | None
    masks: tuple[Path, ...]
    plan: TilePlan
    batch: int
    out: Path
    key: str
    confidence: bool
    probabilities: bool

    @cached_property
    def batches(self) -> list[list[Tile]]:
        """The tiles of each part."""
        return batches_of(self.plan.tiles(), self.batch)

    def make(
        self,
        partial: PartialMap,
        rasters: MapRasters | None = None,
        observer: Observer = SILENT,
        *,
        wanted: Cover | None = None,
        only: Collection[int] | None = None,
    ) -> int:
        """Make the parts that are missing, in this process.

        Args:
            partial: Where they are kept.
            rasters: Where all parts are put together; None not to.
            observer: Told of the progress.
            wanted: Which pixels are to be mapped, where extent and masks have been read already.
            only: Numbers of the parts to make, by default all.

        Returns:
            How many tiles were mapped before.

        Raises:
            PitmapError: See ``map_batches``.
        """
        info = describe(self.image)
        if wanted is None:
            wanted = usable_ground(info.grid, self.extent, self.masks)
        cache = cache_bytes(info, self.batches[0][0].read.height)
        with open_raster(self.image, self.reading.indices, self.nodata, cache=cache) as reader:
            return map_batches(
                reader, lambda: _engine(self), wanted, self.batches, partial, rasters,
                confidence=self.confidence, probabilities=self.probabilities, observer=observer, only=only,
            )  # fmt: skip

    def make_on(self, cluster: Cluster, partial: PartialMap, rasters: MapRasters, observer: Observer = SILENT) -> int:
        """Make the parts that are missing on workers that see image, model and map under the same paths.

        Returns:
            How many tiles were mapped before.

        Raises:
            ClusterError: A worker sees other files, or the connection is lost.
            PitmapError: See ``map_batches``.
        """
        missing = [index for index in range(len(self.batches)) if not partial.has(index)]
        there = sorted(set(range(len(self.batches))) - set(missing))
        groups = _groups(missing, GROUPS_A_WORKER * cluster.slots)
        step = f"mapping {self.image.name} on {cluster.name}"
        done = len(there)
        observer.progress(step, done / len(self.batches))
        for index in there:
            rasters.add(self.batches[index], partial.load(index))
        portable = self._absolute()
        for number, result in cluster.each(_make_group, [(portable, group) for group in groups]):
            if isinstance(result, Exception):
                raise result
            for index in groups[number]:
                rasters.add(self.batches[index], partial.load(index))
            done += len(groups[number])
            observer.progress(step, done / len(self.batches))
        return sum(len(self.batches[index]) for index in there)

    def _absolute(self) -> MapParts:
        def place(path: Path) -> Path:
            return path if is_gdal(path) else path.absolute()

        return replace(
            self,
            model=place(self.model),
            image=place(self.image),
            extent=None if self.extent is None else place(self.extent),
            masks=tuple(place(path) for path in self.masks),
            out=place(self.out),
        )


def _groups(indices: Sequence[int], number: int) -> list[list[int]]:
    """Runs of neighbouring parts, as many as are wanted or fewer, of sizes that differ by one at most."""
    number = max(1, min(number, len(indices)))
    edges = [len(indices) * i // number for i in range(number + 1)]
    return [list(indices[a:b]) for a, b in pairwise(edges) if b > a]


def _make_group(work: tuple[MapParts, list[int]]) -> None:
    """Make a group of parts on a worker."""
    parts, group = work
    partial = PartialMap.opened(parts.out, parts.key)
    if partial is None:
        raise ClusterError(
            f"A worker does not see the parts that are kept beside {parts.out}.",
            "Storage that all machines see under one path.",
        )
    with engines_kept():
        parts.make(partial, only=group)


_kept = threading.local()


@contextmanager
def engines_kept() -> Iterator[None]:
    """Keep the last engine of this thread inside the block, so that several maps or groups share it."""
    _kept.depth = getattr(_kept, "depth", 0) + 1
    try:
        yield
    finally:
        _kept.depth -= 1


def forget_engine() -> None:
    """Let go of the engine that was kept for this thread."""
    _kept.last = None


def _engine(parts: MapParts) -> Engine:
    """The engine for some parts: the last one of this thread, where nothing that it depends on has changed."""
    key = parts.model_sha256, parts.engine, parts.engine_options, parts.reading, parts.mean, parts.std
    last: tuple[object, Engine] | None = getattr(_kept, "last", None)
    if last is not None and last[0] == key:
        return last[1]
    card = read_card(parts.model)
    if card.sha256 != parts.model_sha256:
        raise ClusterError(
            f"The model {parts.model} is another one here than where the map is made.",
            "Storage that all machines see under one path.",
        )
    gain, bias = folded_scaling(parts.reading.scales, parts.reading.offsets, parts.mean, parts.std)
    source = NetworkSource(parts.model, card, parts.engine_options.device, parts.trusted)
    engine = make_engine(parts.engine, source, gain, bias, parts.engine_options)
    if getattr(_kept, "depth", 0):
        _kept.last = key, engine
    return engine
