"""A model for other programs: ONNX that takes the image's own numbers, with what Deepness, a QGIS plugin, reads."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pitmap import __version__
from pitmap.errors import ModelError, OutputError
from pitmap.files import replacing
from pitmap.mapping.batches import read_tile
from pitmap.mapping.engines.interface import EngineOptions
from pitmap.mapping.engines.onnxruntime_engine import exported, session_of
from pitmap.mapping.engines.torch_engine import TorchEngine
from pitmap.mapping.normalisation import statistics_for
from pitmap.mapping.suitability import fit_image
from pitmap.mapping.tiles import TilePlan, round_up
from pitmap.networks.fusion import fuse
from pitmap.networks.model_card import ModelCard
from pitmap.networks.model_file import load_model
from pitmap.networks.normalise import gain_and_bias, normalise
from pitmap.networks.reach import tile_geometry
from pitmap.networks.trimming import plain
from pitmap.observer import SILENT, Observer
from pitmap.raster.reading import open_raster
from pitmap.study.asked import AS_IT_IS, Asked, Reading

TIE = 1e-5
"""Two probabilities that differ by less are equal as far as float32 goes."""

CHECKED_TILE = 1024
"""Side of the tiles in which an image is compared, in pixels."""

DEEPNESS_TILE = 512
"""Least side of the tiles that Deepness is told to cut, in pixels."""


class Void(NamedTuple):
    """The numbers that stand for no data, as ``RasterReader`` has it.

    Attributes:
        value: That number, None where only NaN is no data.
        any_band: Whether one band is enough; else all bands must hold it.
    """

    value: float | None
    any_band: bool

    @property
    def fill(self) -> float:
        """What stands in pixels without data."""
        return math.nan if self.value is None else self.value

    def __str__(self) -> str:
        """Part of a sentence."""
        if self.value is None:
            return "NaN"
        return f"{self.value:g} in {'any' if self.any_band else 'every'} band, or NaN"


@dataclass(frozen=True)
class OnnxExport:
    """A model that was written as ONNX.

    Attributes:
        path: The file.
        source_sha256: Checksum of the model that it was made from.
        scale: Of each band; the network saw ``DN x scale + offset``.
        offset: Likewise.
        void: Which numbers are no data.
        tile: Side of the tiles that the file's metadata ask for, pixels.
        overlap_percent: By which they overlap.
        image: What it was checked on.
        pixels: How many pixels with data were compared with the map of pitmap's own engine in float32.
        same: How many of them have the same code.
        ties: How many others have two classes whose probabilities differ by less than ``TIE``.
        of_image: Whether statistics of the image are in the file, so that it is for this image.
    """

    path: Path
    source_sha256: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    void: Void
    tile: int
    overlap_percent: int
    image: str
    pixels: int
    same: int
    ties: int
    of_image: bool = False

    def summary(self) -> str:
        """One line for the screen."""
        ties = f", {self.ties} others are ties" if self.ties else ""
        return (
            f"{self.path}: takes the image's own numbers (float32, any size) and gives probabilities. On {self.image} "
            f"{self.same} of {self.pixels} pixels get the code that pitmap gives them{ties}."
            + (" It holds the statistics of this image: write one for each image." if self.of_image else "")
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        lists = {"scale": list(self.scale), "offset": list(self.offset), "void": self.void._asdict()}
        return {**self.__dict__, "path": str(self.path), **lists}


class OnnxGraph(nn.Module):
    """From the numbers of an image to probabilities: normalisation, network and softmax in one.

    Args:
        network: In evaluation mode.
        gain: Of ``normalise``, per band.
        bias: Likewise.
        temperature: Divides the logits before the softmax.
        stride: Total stride of the network; images of other sizes are filled up at the bottom and right.
        void: Which pixels are no data, besides those with NaN.
    """

    gain: Tensor
    bias: Tensor

    def __init__(
        self, network: nn.Module, gain: Tensor, bias: Tensor, temperature: float, stride: int, void: Void
    ) -> None:
        super().__init__()
        self.network, self.temperature, self.stride, self.void = network, temperature, stride, void
        self.register_buffer("gain", gain)
        self.register_buffer("bias", bias)

    def forward(self, pixels: Tensor) -> Tensor:
        """Float32 (N, bands, H, W) to probabilities (N, classes, H, W)."""
        height, width = pixels.shape[-2], pixels.shape[-1]
        unknown = torch.isnan(pixels).to(torch.float32).amax(1) > 0
        if self.void.value is not None:
            held = (pixels == self.void.value).to(torch.float32)
            unknown = unknown | ((held.amax(1) if self.void.any_band else held.amin(1)) > 0)
        x = normalise(pixels, ~unknown, self.gain, self.bias)
        x = F.pad(x, (0, -width % self.stride, 0, -height % self.stride))
        logits: Tensor = self.network(x)[..., :height, :width]
        return (logits / self.temperature).softmax(1)


def export_onnx(
    model_path: str | Path,
    out: str | Path,
    image: str | Path | None = None,
    asked: Asked = AS_IT_IS,
    observer: Observer = SILENT,
    *,
    trusted: tuple[str, ...] = (),
    replace_existing: bool = False,
) -> OnnxExport:
    """Write a model as ONNX, and compare its codes with those of pitmap's own engine on a whole image.

    The file has one input, ``pixels``: float32 (N, bands, rows, cols) of any size, in the image's own numbers; and one
    output, ``probabilities``: (N, classes, rows, cols), calibrated. Its metadata hold the model's card (``pitmap``) and
    the keys that Deepness documents. Deepness divides the numbers by 255 first; its keys for standardisation undo
    that. Rows and columns bear one name in the file, which Deepness wants of square tiles; they may differ.

    Args:
        model_path: The model.
        out: The file, ``.onnx``.
        image: An image of the kind that the model is for: it says what its numbers mean, and all of it is compared.
            Without one, numbers round the means of the training ground are. A model that goes by an image's own
            statistics (``own_statistics`` of its card) is written with those of this image, for this image alone.
        asked: Scale, offset, bands and nodata value where the image does not say them, or where there is none.
        observer: Told of the progress.
        trusted: See ``load_model``.
        replace_existing: Whether a file that is there is replaced.

    Raises:
        ModelError: ONNX or ONNX Runtime is missing or cannot take the network, image and model do not fit together, the
            scale of the numbers is not known, or the codes differ: then nothing is written.
        ImageError: The image cannot be read.
        OutputError: The file exists, or cannot be written.
    """
    out, model_path = Path(out), Path(model_path)
    if out.exists() and not replace_existing:
        raise OutputError(f"{out} exists.", remedy="Choose another name.", options=["replace"])
    network, card = load_model(model_path, trusted=trusted)
    reading, void = _reading(card, image, asked)
    statistics = (card.mean, card.std) if image is None else statistics_for(card, Path(image), reading, asked.nodata)
    folded = gain_and_bias(reading.scales, reading.offsets, *statistics)
    if image is None and card.own_statistics:
        observer.warn(
            "The model goes by the statistics of each image, and no image is named: the file holds those of the "
            "training ground, and maps other dates worse than pitmap does."
        )
    stride, _, halo = tile_geometry(network, len(card.bands))
    observer.say("Writing the network as ONNX.")
    graph = OnnxGraph(plain(fuse(network)), *folded, card.temperature or 1.0, stride, void)
    axes = {0: "n", 2: "pixels_a_side", 3: "pixels_a_side"}
    content = exported(
        graph, {"pixels": torch.zeros(1, len(card.bands), 2 * stride, 2 * stride)}, ["probabilities"],
        {"pixels": axes, "probabilities": axes},
    )  # fmt: skip
    tile, overlap = deepness_tiles(stride, halo)
    result = OnnxExport(out, card.sha256, reading.scales, reading.offsets, void, tile, overlap, "", 0, 0, 0)
    result = replace(result, of_image=image is not None and card.own_statistics > 0)
    model = _with_metadata(content, card, result)
    engine = TorchEngine(network, *folded, EngineOptions("cpu"))
    session = session_of(model)
    if image is None:
        pieces, name = _invented(card, reading, stride, void), "invented pixels"
    else:
        pieces, name = _tiles(Path(image), reading, asked, stride, halo), Path(image).name
    result = replace(result, image=name)
    for share, pixels, valid, kept in pieces:
        expected = engine.predict(pixels, valid, kept).codes
        numbers = np.where(valid[:, None], pixels, void.fill).astype(np.float32)
        probabilities = session.run(None, {"pixels": numbers})[0][..., *kept]
        known = valid[..., *kept]
        differ = known & (probabilities.argmax(1) + 1 != expected)
        best = np.sort(probabilities.transpose(0, 2, 3, 1)[differ], axis=-1)
        ties = int((best[:, -1] - best[:, -2] < TIE).sum())
        result = replace(
            result,
            pixels=result.pixels + int(known.sum()),
            same=result.same + int(known.sum() - differ.sum()),
            ties=result.ties + ties,
        )
        observer.progress("comparing with pitmap's own engine", share)
    wrong = result.pixels - result.same - result.ties
    if wrong:
        raise ModelError(
            f"As ONNX the model gives {wrong} of {result.pixels} pixels of {name} another code: nothing is written.",
            "The same code on every pixel.",
            "Report this network; meanwhile map with pitmap.",
        )
    with replacing(out) as temporary:
        temporary.write_bytes(model)
    return result


def deepness_tiles(stride: int, halo: int) -> tuple[int, int]:
    """Side of a tile, pixels, and overlap, per cent, with which tiles of Deepness equal the whole image.

    Deepness starts a tile every ``side x (1 - overlap)`` pixels and throws half the overlap away at each inner edge:
    the first must be a multiple of the stride, the second at least the halo.
    """
    for parts in (4, 2):  # overlaps of 25 and 50 %
        side = round_up(max(DEEPNESS_TILE, 2 * parts * halo), parts * stride)
        if side <= 2 * DEEPNESS_TILE:
            break
    return side, 100 // parts


def _reading(card: ModelCard, image: str | Path | None, asked: Asked) -> tuple[Reading, Void]:
    if image is not None:
        with open_raster(Path(image)) as reader:
            info, bands = reader.info, reader.indices
        reading = fit_image(card, info, bands, asked)
        with open_raster(Path(image), reading.indices, asked.nodata) as reader:
            return reading, void_of(reader.nodata, np.dtype(reader.info.dtype))
    bands = tuple(range(1, len(card.bands) + 1))
    void = void_of(asked.nodata, np.dtype(card.dtype))
    if card.unit == "DN":
        return Reading(bands, (1.0,) * len(bands), (0.0,) * len(bands), calibrated=False), void
    if asked.scale is None:
        raise ModelError(
            "The model was trained on reflectance, and the file is to take the image's own numbers.",
            "How these become reflectance: DN x scale + offset.",
            "Name an image of the kind that the model is for, or give the scale: 0.0001 for reflectance x 10000.",
            ["image", "scale"],
        )
    return asked.resolve(_Bands(len(bands)), bands), void  # type: ignore[arg-type]


def void_of(nodata: float | None, dtype: np.dtype[Any]) -> Void:
    """What is no data in an image of a type: its nodata value, else 0 in all bands of integers, else NaN alone."""
    if nodata is not None and not math.isnan(nodata):
        return Void(float(nodata), any_band=True)
    return Void(0.0 if dtype.kind in "ui" else None, any_band=False)


@dataclass(frozen=True)
class _Bands:
    """As much of an image's header as ``Asked.resolve`` needs where the scale is given."""

    bands: int
    has_scale: bool = False

    @property
    def offsets(self) -> tuple[float, ...]:
        return (0.0,) * self.bands


Piece = tuple[float, NDArray[Any], NDArray[np.bool_], tuple[slice, slice]]
"""Share done with it, pixels (1, bands, H, W), which hold data (1, H, W), and the rows and columns that count."""


def _tiles(image: Path, reading: Reading, asked: Asked, stride: int, halo: int) -> Iterator[Piece]:
    with open_raster(image, reading.indices, asked.nodata) as reader:
        tiles = TilePlan(reader.grid.shape, stride, halo, max(CHECKED_TILE, 4 * halo)).tiles()
        for number, tile in enumerate(tiles):
            pixels, valid = read_tile(reader, tile.read)
            yield (number + 1) / len(tiles), pixels[None], valid[None], tile.kept


def _invented(card: ModelCard, reading: Reading, stride: int, void: Void) -> Iterator[Piece]:
    """Numbers round the means of the training ground, of two sizes that are no multiples of the stride."""
    rng = np.random.default_rng(0)
    mean, std, scale, offset = (
        np.array(v)[:, None, None] for v in (card.mean, card.std, reading.scales, reading.offsets)
    )
    dtype = np.dtype(card.dtype)
    for share, shape in ((0.5, (3 * stride + 5, 5 * stride - 1)), (1.0, (8 * stride, 8 * stride))):
        numbers = (mean + std * rng.normal(size=(len(card.bands), *shape)) - offset) / scale
        if dtype.kind in "ui":
            limits = np.iinfo(dtype)
            numbers = numbers.round().clip(max(limits.min, 1), limits.max - 1)
        numbers += numbers == void.fill
        padded = [round_up(side, stride) for side in shape]
        pixels = np.zeros((1, len(card.bands), *padded), np.float32)
        pixels[0, :, : shape[0], : shape[1]] = numbers
        valid = np.zeros((1, *padded), np.bool_)
        valid[0, : shape[0], : shape[1]] = rng.random(shape) > 0.1
        yield share, pixels, valid, (slice(0, shape[0]), slice(0, shape[1]))


def _with_metadata(content: bytes, card: ModelCard, export: OnnxExport) -> bytes:
    """The model with who made it, the card, and the keys that Deepness documents, each a JSON value."""
    import onnx

    model = onnx.load_from_string(content)
    model.producer_name, model.producer_version = "pitmap", __version__
    model.doc_string = (
        f"{card.summary()} Input: the image's own numbers, bands {', '.join(card.bands)}; no data: "
        f"{export.void}. Output: calibrated probabilities of "
        f"{', '.join(f'{c.key} {c.name}' for c in card.legend)}."
    )
    values: dict[str, Any] = {
        "model_type": "Segmentor",
        "class_names": {str(i): c.name for i, c in enumerate(card.legend)},
        "tile_size": export.tile,
        "tiles_size": export.tile,  # as the documentation spells it
        "tiles_overlap": export.overlap_percent,
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
        "standardization_mean": [0.0] * len(card.bands),
        "standardization_std": [1 / 255] * len(card.bands),
        "pitmap": {**card.to_json(), "scale": list(export.scale), "offset": list(export.offset)},
    }
    if card.pixel_size_m is not None:
        values["resolution"] = round(100 * card.pixel_size_m, 6)
    onnx.helper.set_model_props(model, {k: json.dumps(v, ensure_ascii=False) for k, v in values.items()})
    return bytes(model.SerializeToString(deterministic=True))
