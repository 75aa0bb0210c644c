"""What a model file says of its model: the card in its header, read and checked without the libraries of networks.

A model file is a safetensors file whose metadata entry ``pitmap`` is a JSON object, the model's card. The card's
``sha256`` is taken over the bytes of the whole file with its own 64 digits set to 0, so no byte can change unnoticed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)  # fmt: skip

from pitmap.errors import ModelError
from pitmap.legend import Legend

if TYPE_CHECKING:
    from torch import nn

FORMAT = 2
"""Version of the card. Later versions keep the checksum as it is, so that any version can tell damage from novelty."""

INITIAL_ONLY = frozenset({"encoder_weights"})
"""Options that only set initial weights: kept in the card, not needed to build the network for loading."""

CARD_KEY = "pitmap"
UNSIGNED = "0" * 64


@dataclass(frozen=True)
class TrainingGround:
    """An image and the labelled ground of it that a model learnt from.

    Attributes:
        scene: Name of the image.
        site: Its site.
        acquired: When it was taken, ISO 8601; None where nothing says it.
        bounds: West, south, east and north edge in degrees (WGS 84); None without CRS.
        labelled_pixels: Training pixels by key of the class.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    scene: str
    site: str
    acquired: str | None
    bounds: tuple[float, float, float, float] | None
    labelled_pixels: dict[str, int]


@dataclass(frozen=True)
class TrainingRecord:
    """How a model came about.

    Attributes:
        key: Checksum of what it depends on: samples, network, recipe, seed.
        recipe: The settings of the training by name.
        precision: ``float32`` or ``bf16``.
        device: ``cpu``, ``cuda`` or ``mps``.
        split: How the ground was divided, as in ``samples.json``.
        epochs: How many there were to be at most.
        best_epoch: The one that was kept, from 1 on.
        validation_miou: Of the best epoch, a share.
        validation_loss: Of the best epoch.
        validation_accuracy: Overall accuracy of the best epoch, a share.
        ground: The images and what of them it learnt from.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    key: str
    recipe: dict[str, str | int | float | bool]
    precision: str
    device: str
    split: dict[str, JsonValue]
    epochs: int
    best_epoch: int
    validation_miou: float
    validation_loss: float
    validation_accuracy: float
    ground: tuple[TrainingGround, ...] = ()

    def to_json(self) -> dict[str, JsonValue]:
        """As it stands in the model file."""
        return asdict(self)


class ModelCard(BaseModel):
    """What a model is, what it was fed, and how it came about. Lists become tuples; a card does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    network: str
    """Name for ``registry.build``."""
    options: dict[str, JsonValue]
    """Arguments for ``registry.build``: ``width``, ``batch_norm`` and the network's own."""
    legend: Legend
    """Channel k of the logits is code k + 1."""
    bands: tuple[str, ...] = Field(min_length=1)
    """Names of the image's bands in their order."""
    unit: Literal["reflectance", "DN"]
    """Of ``mean`` and ``std``: reflectance, or plain pixel values where the training images had no scale."""
    dtype: str
    """NumPy name of the training images' pixel type; the range of plain pixel values depends on it."""
    mean: tuple[float, ...]
    """Of the valid training pixels, per band, in ``unit``."""
    std: tuple[float, ...]
    """Likewise."""
    own_statistics: float = Field(default=0.0, ge=0, le=1)
    """Share of an image's own mean and standard deviation in those that its bands are normalised by."""
    pixel_size_m: float | None = None
    """Side of a training pixel, m; None for images without georeference."""
    project: str = ""
    """Name of the project."""
    seed: int = 0
    """Of the training."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Of pitmap and the libraries that matter."""
    training: TrainingRecord | None = None
    """How it came about; None for a model that was not trained by pitmap."""
    bf16_agreement: float | None = Field(default=None, ge=0, le=1)
    """Share of validation pixels that get the same code in bf16 as in float32."""
    temperature: float | None = Field(default=None, ge=1e-4, le=1e4)
    """Divides the logits before the softmax, so that probabilities are calibrated."""
    validation_confidence: float | None = Field(default=None, ge=0, le=1)
    """Mean calibrated probability of the mapped class over labelled validation pixels."""
    sha256: str = ""
    """Checksum of the file, set by ``save_model``."""

    @field_validator("dtype")
    @classmethod
    def _is_dtype(cls, name: str) -> str:
        try:
            return np.dtype(name).name
        except TypeError as error:
            raise ValueError(f"{name!r} is no NumPy pixel type") from error

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not len(self.bands) == len(self.mean) == len(self.std):
            raise ValueError(f"{len(self.bands)} bands, {len(self.mean)} means, {len(self.std)} standard deviations")
        if any(value < 0 for value in self.std):
            raise ValueError("a standard deviation is negative")
        if not any(value > 0 for value in self.std):
            raise ValueError("no band has any spread (std 0): the network would see nothing")
        return self

    def summary(self) -> str:
        """One line: network, and the epoch that was kept."""
        together = f", {members} networks together" if (members := self.options.get("members")) else ""
        start = f"{self.network} (width {self.options.get('width')}, seed {self.seed}{together})"
        if self.training is None:
            return f"{start}."
        t = self.training
        return f"{start}: epoch {t.best_epoch} of {t.epochs} kept, validation mIoU {t.validation_miou:.3f}."

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return self.model_dump(mode="json")

    def build_network(self) -> nn.Module:
        """The network that the card describes, with fresh weights.

        Raises:
            ProjectError: The network or one of its options is not known.
        """
        from pitmap.networks.registry import build

        options: dict[str, Any] = {k: v for k, v in self.options.items() if k not in INITIAL_ONLY}
        return build(self.network, len(self.bands), len(self.legend), **options)


def read_card(path: Path) -> ModelCard:
    """Read and check a model file, without building its network.

    Raises:
        ModelError: The file is missing, damaged or not a model file.
    """
    path = Path(path)
    try:
        stat = path.stat()
    except OSError:
        return read_checked(path)[1]
    return _card(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


@lru_cache(64)
def _card(path: Path, *signs: int) -> ModelCard:
    """The card of a file, which is checked once while it keeps its size, times and place on the disk."""
    return read_checked(path)[1]


def read_checked(path: Path) -> tuple[bytes, ModelCard]:
    """The bytes of a model file, checked, and its card.

    Raises:
        ModelError: See ``read_card``.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"The model file {path} cannot be read ({error.strerror or error}).", remedy="Check the path."
        ) from error
    fields = _fields(path, data)
    recorded = fields.pop("sha256", None)
    if not isinstance(recorded, str) or len(recorded) != 64:
        raise _not_a_model(path, data)
    if _unsigned_digest(data, recorded) != recorded:
        raise ModelError(
            f"{path} is damaged: its checksum is not the one it was written with.", "A file without any change.",
            "Copy or download it again; if it was edited on purpose, train or save the model again.",
        )  # fmt: skip
    version = fields.pop("format", None)
    if version != FORMAT:
        raise ModelError(
            f"{path} has the model format {version!r}.", f"Format {FORMAT}, which this version of pitmap reads.",
            "Train it again." if isinstance(version, int) and version < FORMAT else "Update pitmap.",
        )  # fmt: skip
    try:
        card = ModelCard.model_validate_json(json.dumps({**fields, "sha256": recorded}), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(
            f"The card of {path} is not valid: {': '.join([*map(str, first['loc']), first['msg']])}.",
            "A model file written by pitmap.",
        ) from error
    return data, card


def _unsigned_digest(data: bytes, recorded: str) -> str:
    """The checksum of a model file with its own digits set to 0, without a copy of its weights."""
    view, start = memoryview(data), data.find(recorded.encode())
    if start < 0:
        return hashlib.sha256(data).hexdigest()
    digest = hashlib.sha256(view[:start])
    digest.update(UNSIGNED.encode())
    digest.update(view[start + len(recorded.encode()) :])
    return digest.hexdigest()


def _fields(path: Path, data: bytes) -> dict[str, Any]:
    """The card in the header of a safetensors file, as plain JSON."""
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= len(data) - 8:
        raise _not_a_model(path, data)
    try:
        header = json.loads(data[8 : 8 + length])
        fields = json.loads(header["__metadata__"][CARD_KEY])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _not_a_model(path, data) from error
    if not isinstance(fields, dict):
        raise _not_a_model(path, data)
    return fields


def _not_a_model(path: Path, data: bytes) -> ModelError:
    if not data:
        what = "is empty (0 bytes)"
    elif data[:4] == b"PK\x03\x04" or data[:1] == b"\x80":
        what = "is a PyTorch checkpoint, a pickle or an archive, which could run code when it is opened"
    elif b'"__metadata__"' in data[8:4096] or data[8:9] == b"{":
        what = "is a safetensors file without a card of pitmap, or it is damaged or cut off"
    else:
        what = "is not a model file, or it is damaged"
    return ModelError(
        f"{path} ({len(data)} bytes) {what}.", "A model file written by pitmap.",
        "Copy or download it again, or train the model again with pitmap.",
    )  # fmt: skip
