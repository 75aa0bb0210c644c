"""A land-cover map of a whole image, tile by tile, equal to one pass over the image at once.

Reading, mapping and writing run at the same time, see ``batches``. Each finished batch is kept in a hidden folder
beside the map until the map is complete: a killed run resumes there. Memory depends on the size of a tile only.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from pitmap import __version__
from pitmap.acquisition import ACQUIRED_TAG, acquisition
from pitmap.cluster import Cluster
from pitmap.currency import content_key, digest, is_current, mark
from pitmap.errors import OutputError, PitmapError, ProjectError
from pitmap.exclusive import exclusive
from pitmap.files import make_folder
from pitmap.labels import usable_ground
from pitmap.legend import UNLABELLED
from pitmap.mapping.assembly import map_rasters
from pitmap.mapping.engines import engine_maker
from pitmap.mapping.engines.choices import (
    OPERATIONS_FOR_OPENVINO,
    choose_batch,
    choose_device,
    choose_engine,
    choose_precision,
    choose_tile,
    device_kind,
)
from pitmap.mapping.engines.int8_file import int8_path, read_int8
from pitmap.mapping.engines.interface import EngineOptions, Precision
from pitmap.mapping.engines.source import NetworkSource
from pitmap.mapping.normalisation import statistics_for
from pitmap.mapping.partial import PartialMap
from pitmap.mapping.parts import MapParts
from pitmap.mapping.resting import geopackages, refuse_to_replace_image, refuse_to_replace_under
from pitmap.mapping.suitability import fit_image, unlike
from pitmap.mapping.tiles import TilePlan, round_up
from pitmap.networks.model_card import ModelCard, read_card
from pitmap.observer import SILENT, Observer
from pitmap.processor import installed_version
from pitmap.raster.codes import IMAGE_TAG, MODEL_TAG, WARNINGS_TAG
from pitmap.raster.reading import open_raster
from pitmap.raster.statistics import spread_of
from pitmap.study.asked import Asked

WORTH_KEEPING_S = 60.0
"""Finished parts of a map that failed are kept for the next run if they took longer; else the room is needed more."""

FORMAT = 1
"""Goes up when the same inputs give another map."""


@dataclass(frozen=True)
class MapOptions:
    """How an image is mapped.

    Attributes:
        bands: Bands by number (from 1) or name, in the model's order; by default those with the model's names, or all.
        scale: Reflectance is ``DN x scale + offset``; one number or one a band; by default the file's own.
        offset: Likewise; 0 where only a scale is given.
        nodata: Overrides the file's nodata value.
        pixel_size_m: States the size of a pixel for an image without a CRS.
        masks: Layers of ground to leave out: vector layers, or rasters that are neither 0 nor nodata there.
        extent: Vector layer that bounds the area to map.
        tile: Longest side of a tile in pixels; by default what the device's memory holds.
        halo: ``exact``, or the pixels thrown away at a tile's inner edges, rounded up to the network's stride.
        test_time_augmentation: Mean of the probabilities of the eight flips and rotations; eight times the work.
        precision: ``auto`` takes bf16 where the device computes in it and the model gives the same map in it. ``int8``
            needs the int8 form of the model beside it, see ``deliver.int8``.
        device: ``auto``, ``cpu``, ``cuda``, or another name that PyTorch knows.
        engine: What runs the network: a name of ``engines.ENGINES``, ``package.module:name``, or ``auto``, which takes
            OpenVINO on a processor where the scene is large enough, and else PyTorch.
        batch: Tiles mapped at once; by default 1 on a processor and 4 elsewhere.
        confidence: Where to write the calibrated probability of the mapped class, None not to.
        probabilities: Where to write the class probabilities, None not to.
        compare_numbers: Whether to warn where the numbers of the image are unlike those that the model was trained on.
        project: Name of the project, noted in the map.
        trusted: Networks of other packages that the model file may import, see ``load_model``.
    """

    bands: Sequence[int | str] | None = None
    scale: float | Sequence[float] | None = None
    offset: float | Sequence[float] | None = None
    nodata: float | None = None
    pixel_size_m: float | None = None
    masks: Sequence[str | Path] = ()
    extent: str | Path | None = None
    tile: int | None = None
    halo: Literal["exact"] | int = "exact"
    test_time_augmentation: bool = False
    precision: Literal["auto", "float32", "bf16", "int8"] = "auto"
    device: str = "auto"
    engine: str = "auto"
    batch: int | None = None
    confidence: str | Path | None = None
    probabilities: str | Path | None = None
    compare_numbers: bool = True
    project: str = ""
    trusted: Sequence[str] = ()

    @property
    def asked(self) -> Asked:
        """Bands, scale, offset and nodata."""
        scale, offset = (v if v is None or isinstance(v, int | float) else tuple(v) for v in (self.scale, self.offset))
        return Asked(None if self.bands is None else tuple(self.bands), scale, offset, self.nodata)

    def __post_init__(self) -> None:
        for name, value, least in (("tile", self.tile, 1), ("batch", self.batch, 1)):
            if value is not None and value < least:
                raise ProjectError(f"The {name} is {value}.", f"A whole number from {least} on.")
        if self.halo != "exact" and (not isinstance(self.halo, int) or self.halo < 0):
            raise ProjectError(f"The halo is {self.halo!r}.", "'exact', or a number of pixels from 0 on.")
        if self.precision not in ("auto", "float32", "bf16", "int8"):
            raise ProjectError(f"The precision is {self.precision!r}.", "One of auto, float32, bf16, int8.")


@dataclass(frozen=True)
class Choice:
    """What decides about the digits of a map and follows from the machine, chosen once for several machines.

    Attributes:
        device: ``cpu``, ``cuda`` or another name that PyTorch knows.
        precision: Of the network.
        engine: For scenes that are large enough to pay for its start, or for all where it is asked for.
    """

    device: str
    precision: Precision
    engine: str

    @classmethod
    def of(cls, card: ModelCard, options: MapOptions) -> Choice:
        """What this machine would choose.

        Raises:
            ModelError: The device or the precision cannot be used.
        """
        device = choose_device(options.device)
        precision = choose_precision(options.precision, card.bf16_agreement, device)
        return cls(device, precision, choose_engine(options.engine, device, precision))

    def engine_for(self, options: MapOptions, operations: float) -> str:
        """The engine for a scene.

        Args:
            options: Which engine is asked for.
            operations: Multiplications for the whole scene.
        """
        asked = options.engine != "auto" or self.precision == "int8" or device_kind(self.device) != "cpu"
        return self.engine if asked or operations >= OPERATIONS_FOR_OPENVINO else "torch"


@dataclass(frozen=True)
class MapReport:
    """A map as it was made.

    Attributes:
        path: The map.
        confidence: The confidence, None if it was not asked for.
        probabilities: The class probabilities, None if they were not asked for.
        card: The model's.
        shape: Rows and columns of the map.
        stride: Total stride of the network.
        halo: Pixels thrown away at the inner edges of tiles.
        exact: Whether the halo makes the map equal to that of the whole image at once.
        tile: Rows and columns of a tile.
        tiles: Number of tiles.
        resumed: How many of them an earlier, unfinished run had mapped.
        precision: ``float32``, ``bf16`` or ``int8``.
        device: ``cpu``, ``cuda`` or the like.
        engine: The mapping engine.
        warnings: What should be looked at before the map is used, a sentence each.
        pixels: Number of pixels of each class, by key.
        area_m2: Area of each class on the ellipsoid, by key; None without a CRS.
        unmapped: Number of pixels without data or masked.
        mean_confidence: Over the mapped pixels; None without confidences. Where it lies far below that of the model's
            card on validation ground, the image is unlike what the model learnt from, or shows what it finds hard.
    """

    path: Path
    confidence: Path | None
    probabilities: Path | None
    card: ModelCard
    shape: tuple[int, int]
    stride: int
    halo: int
    exact: bool
    tile: tuple[int, int]
    tiles: int
    resumed: int
    precision: Precision
    device: str
    engine: str
    warnings: tuple[str, ...]
    pixels: dict[str, int]
    area_m2: dict[str, float] | None
    unmapped: int
    mean_confidence: float | None = None

    def summary(self) -> str:
        """One line for the screen."""
        height, width = self.shape
        cut = f"{self.tiles} tile(s) of {self.tile[0]} x {self.tile[1]}"
        halo = f"halo {self.halo}, {'exact' if self.exact else 'not exact'}"
        resumed = f", {self.resumed} of them from an earlier run" if self.resumed else ""
        if self.area_m2 is None:
            found = [f"{key} {count} pixels" for key, count in self.pixels.items() if count]
        else:
            found = [f"{key} {area / 10_000:.1f} ha" for key, area in self.area_m2.items() if self.pixels[key]]
        return (
            f"{self.path}: {height} x {width} pixels in {cut} ({halo}){resumed}, "
            f"{self.precision} by {self.engine} on {self.device}: {', '.join(found) or 'no pixel with data'}."
            + self._sure()
        )

    def _sure(self) -> str:
        known = self.card.validation_confidence
        if self.mean_confidence is None or known is None:
            return ""
        return f" Mean confidence {self.mean_confidence:.2f}, on validation ground {known:.2f}."

    def to_json(self) -> dict[str, Any]:
        """Plain values; of the model its network, project and checksum."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "card"}
        return {
            **{name: str(value) if isinstance(value, Path) else value for name, value in plain.items()},
            "shape": list(self.shape),
            "tile": list(self.tile),
            "model": {"network": self.card.network, "project": self.card.project, "sha256": self.card.sha256},
        }


def map_image(
    model_path: str | Path,
    image_path: str | Path,
    out: str | Path,
    options: MapOptions | None = None,
    observer: Observer = SILENT,
    *,
    replace: bool = False,
    wait: bool = False,
    choice: Choice | None = None,
    cluster: Cluster | None = None,
) -> MapReport:
    """Map an image with a model.

    The map has the image's grid; pixels without data, under a mask or outside the extent are 0. Masks hide the result,
    not the image: the network sees what lies under them, as it did in training. Running a killed command again goes on
    where it stopped and gives the same values as an unbroken run.

    Args:
        model_path: A model file.
        image_path: Any raster that GDAL reads.
        out: The map, a cloud-optimised GeoTIFF (``.tif``) of uint8 codes with colours, class names and the legend.
        options: See ``MapOptions``.
        observer: Told of the progress.
        replace: Whether another map may take the place of one on which labelled points or reviewed polygons rest. They
            are looked for beside the map.
        wait: Whether to wait for another process that makes the same map, instead of raising.
        choice: Device, precision and engine, where they have been chosen for several machines.
        cluster: Where the tiles are mapped, see ``cluster_at``; by default in this process.

    Returns:
        What was made.

    Raises:
        BusyError: Another process makes the same map.
        ClusterError: Workers see other files, or are lost.
        ModelError: The model file is damaged, or image, options and model do not fit together.
        ImageError: The image cannot be read.
        LabelError: A mask layer or the extent cannot be used.
        OutputError: The map cannot be written.
    """
    options = options or MapOptions()
    model_path, image_path, out = Path(model_path), Path(image_path), Path(out)
    confidence = None if options.confidence is None else Path(options.confidence)
    probabilities = None if options.probabilities is None else Path(options.probabilities)
    _check_outputs([p for p in (out, confidence, probabilities) if p is not None], image_path, model_path)
    with exclusive(out, wait=wait, observer=observer):
        return _map_image(model_path, image_path, out, options, observer, replace, choice, cluster)


def _map_image(
    model_path: Path,
    image_path: Path,
    out: Path,
    options: MapOptions,
    observer: Observer,
    replace: bool,
    choice: Choice | None,
    cluster: Cluster | None,
) -> MapReport:
    confidence = None if options.confidence is None else Path(options.confidence)
    probabilities = None if options.probabilities is None else Path(options.probabilities)
    if options.engine != "auto":
        engine_maker(options.engine)  # which is refused before anything is read
    card = read_card(model_path)
    choice = choice or Choice.of(card, options)
    device, precision = choice.device, choice.precision
    facts = NetworkSource(model_path, card, device, tuple(options.trusted)).facts
    stride, _, sufficient = facts.geometry
    halo = sufficient if options.halo == "exact" else round_up(options.halo, stride)

    with open_raster(image_path) as reader:
        info, all_bands = reader.info, reader.indices
    reading = fit_image(card, info, all_bands, options.asked, options.pixel_size_m)
    # The checksum of a large image is made beside what follows, once the image is known to fit.
    thread = ThreadPoolExecutor(1)
    key_made = thread.submit(map_key, weights_key(model_path, options), image_path, options)
    thread.shutdown(wait=False)
    wanted = usable_ground(info.grid, options.extent, options.masks)
    warnings: tuple[str, ...] = ()
    if options.compare_numbers:
        with open_raster(image_path, reading.indices, options.nodata) as reader:
            spread = spread_of(reader, reading, wanted)
        warnings = tuple(w for w in [None if spread is None else unlike(card, spread)] if w is not None)
        for warning in warnings:
            observer.warn(f"{image_path.name}: {warning}")
    mean, std = statistics_for(card, image_path, reading, options.nodata)
    operations = facts.demand.operations * info.grid.height * info.grid.width
    engine_name = choice.engine_for(options, operations)
    tile = options.tile or choose_tile(facts.demand, len(card.bands), stride, halo, device, precision)
    batch = options.batch or choose_batch(device)
    int8 = (int8_path(model_path).absolute(), card.sha256) if precision == "int8" else None
    record = None if int8 is None else read_int8(*int8).record
    engine_options = EngineOptions(device, precision, int8, card.temperature or 1.0, options.test_time_augmentation)
    key = key_made.result()
    if not replace and not is_current(out, key):
        refuse_to_replace_under(out, geopackages(out.parent))
    depends = {
        "map": key,
        "versions": [__version__, installed_version("torch"), installed_version("openvino")],
        "engine": [engine_name, device_kind(device), precision, None if record is None else record.content_sha256],
        "tiles": [tile, batch, stride, halo],
    }
    parts = MapParts(
        model=model_path,
        model_sha256=card.sha256,
        trusted=tuple(options.trusted),
        engine=engine_name,
        engine_options=engine_options,
        image=image_path,
        reading=reading,
        mean=mean,
        std=std,
        nodata=options.nodata,
        extent=None if options.extent is None else Path(options.extent),
        masks=tuple(map(Path, options.masks)),
        plan=TilePlan(info.grid.shape, stride, halo, tile),
        batch=batch,
        out=out,
        key=content_key(depends),
        confidence=confidence is not None,
        probabilities=probabilities is not None,
    )
    partial, started = PartialMap(out, parts.key), time.monotonic()
    try:
        tiles = parts.plan.tiles()
        tile_shape = tiles[0].read.height, tiles[0].read.width
        taken = acquisition(image_path, info.tags)
        tags = {
            IMAGE_TAG: image_path.name,
            **({} if taken is None else {ACQUIRED_TAG: str(taken)}),
            MODEL_TAG: model_path.name,
            "PITMAP_MODEL_SHA256": card.sha256,
            "PITMAP_NETWORK": card.network,
            "PITMAP_PROJECT": options.project or card.project,
            "PITMAP_VERSION": __version__,
            "PITMAP_ENGINE": engine_name,
            "PITMAP_PRECISION": precision,
            **({} if record is None else {"PITMAP_INT8_AGREEMENT": f"{record.agreement:.5f}"}),
            "PITMAP_TILE": "{} x {}".format(*tile_shape),
            "PITMAP_HALO": str(halo),
            "PITMAP_EXACT": "yes" if halo >= sufficient else "no",
            "PITMAP_TEST_TIME_AUGMENTATION": "yes" if options.test_time_augmentation else "no",
            **({WARNINGS_TAG: " ".join(warnings)} if warnings else {}),
        }
        with map_rasters(partial, info.grid, card.legend, tags, out, confidence, probabilities) as rasters:
            if cluster is None:
                resumed = parts.make(partial, rasters, observer, wanted=wanted)
            else:
                resumed = parts.make_on(cluster, partial, rasters, observer)
        totals, mean_confidence = rasters.totals, rasters.mean_confidence
    except PitmapError as error:
        finished = partial.finished
        if not finished or time.monotonic() - started < WORTH_KEEPING_S:
            partial.remove()
            raise
        kept = f"{finished} finished part(s) of the map are kept: the same command goes on with the rest."
        raise type(error)(error.found, error.expected, f"{error.remedy} {kept}".strip(), error.options) from error
    mark(out, key, [p for p in (confidence, probabilities) if p is not None])
    partial.remove()
    keys, areas = card.legend.keys, totals.area_m2
    return MapReport(
        path=out,
        confidence=confidence,
        probabilities=probabilities,
        card=card,
        shape=info.grid.shape,
        stride=stride,
        halo=halo,
        exact=halo >= sufficient,
        tile=tile_shape,
        tiles=len(tiles),
        resumed=resumed,
        precision=precision,
        device=device_kind(device),
        engine=engine_name,
        warnings=warnings,
        pixels={key: int(totals.pixels[code]) for code, key in enumerate(keys, start=1)},
        area_m2=None if areas is None else {key: float(areas[code]) for code, key in enumerate(keys, start=1)},
        unmapped=int(totals.pixels[UNLABELLED]),
        mean_confidence=mean_confidence,
    )


def weights_key(model: Path, options: MapOptions) -> str:
    """The checksum of what a map is computed with: of the model, and in int8 of its int8 form, too.

    Raises:
        ModelError: The model or its int8 form cannot be read.
    """
    sha256 = read_card(model).sha256
    if options.precision != "int8":
        return sha256
    return content_key({"model": sha256, "int8": read_int8(int8_path(model), sha256).record.content_sha256})


def map_key(weights: str, image: Path, options: MapOptions) -> str:
    """The key of a map, see ``currency``: of its model, of the contents of image, masks and extent, and of the options.

    The tile of an exact map changes nothing but its speed; of the paths of outputs it counts whether they are given.

    Args:
        weights: Of ``weights_key``.
        image: The image.
        options: How it is mapped.

    Raises:
        PitmapError: A file cannot be read.
    """

    def given(value: float | Sequence[float] | None) -> float | list[float] | None:
        return value if value is None or isinstance(value, int | float) else list(value)

    return content_key(
        {
            "step": "map",
            "format": FORMAT,
            "model": weights,
            "image": digest(image),
            "masks": sorted(digest(layer) for layer in options.masks),
            "extent": None if options.extent is None else digest(options.extent),
            "bands": None if options.bands is None else list(options.bands),
            "scale": given(options.scale),
            "offset": given(options.offset),
            "nodata": options.nodata,
            "pixel_size_m": options.pixel_size_m,
            "halo": options.halo,
            "tile": None if options.halo == "exact" else options.tile,
            "test_time_augmentation": options.test_time_augmentation,
            "precision": options.precision,
            "engine": options.engine,
            "compare_numbers": options.compare_numbers,
            "confidence": options.confidence is not None,
            "probabilities": options.probabilities is not None,
        }
    )


def _check_outputs(outputs: Sequence[Path], image_path: Path, model_path: Path) -> None:
    for out in outputs:
        if out.suffix.lower() not in (".tif", ".tiff"):
            raise OutputError(f"The map {out} is no .tif file.", "A name that ends in .tif: maps are GeoTIFFs.")
        if out.resolve() in (image_path.resolve(), model_path.resolve()):
            raise OutputError(f"{out} would replace the file that the map is made from.", remedy="Choose another name.")
    if len({out.resolve() for out in outputs}) < len(outputs):
        raise OutputError(
            "The map, its confidence and its probabilities cannot share a file.", "A name of its own for each."
        )
    refuse_to_replace_image(outputs[0])
    for out in outputs:
        make_folder(out.parent)
