"""Model files: weights and everything needed to use them, in a file that cannot run code.

A model file is a safetensors file whose metadata entry ``pitmap`` is a JSON object, the model's card. The card's
``sha256`` is taken over the bytes of the whole file with its own 64 digits set to 0, so no byte can change unnoticed.
The same weights and card always give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import safetensors.torch
import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)  # fmt: skip
from safetensors import SafetensorError
from torch import Tensor, nn

from pitmap.errors import ModelError, PitmapError
from pitmap.files import replacing
from pitmap.legend import Legend
from pitmap.networks.reach import state_geometry
from pitmap.networks.registry import BUILT_IN, build, is_known

FORMAT = 2
"""Version of the card. Later versions keep the checksum as it is, so that any version can tell damage from novelty."""

INITIAL_ONLY = frozenset({"encoder_weights"})
"""Options that only set initial weights: kept in the card, not needed to build the network for loading."""

_KEY = "pitmap"
_UNSIGNED = "0" * 64


def _legend(value: Any) -> Legend:
    if isinstance(value, Legend):
        return value
    try:
        return Legend.from_json(value)
    except (TypeError, PitmapError) as error:
        raise ValueError(str(error)) from error


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

    def to_json(self) -> dict[str, JsonValue]:
        """As it stands in the model file."""
        return asdict(self)


class ModelCard(BaseModel):
    """What a model is, what it was fed, and how it came about. Lists become tuples; a card does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    network: str
    """Name for ``registry.build``."""
    options: dict[str, JsonValue]
    """Arguments for ``registry.build``: ``width``, ``batch_norm`` and the network's own."""
    legend: Annotated[Legend, PlainValidator(_legend), PlainSerializer(Legend.to_json)]
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
    temperature: float | None = Field(default=None, gt=0)
    """Divides the logits before the softmax, so that probabilities are calibrated."""
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
        return self

    def summary(self) -> str:
        """One line: network, and the epoch that was kept."""
        start = f"{self.network} (width {self.options.get('width')}, seed {self.seed})"
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
        options: dict[str, Any] = {k: v for k, v in self.options.items() if k not in INITIAL_ONLY}
        return build(self.network, len(self.bands), len(self.legend), **options)


def save_model(path: Path, network: nn.Module, card: ModelCard) -> ModelCard:
    """Write a model file.

    Args:
        path: The file, ending in ``.safetensors`` by custom.
        network: The trained network.
        card: Its card; ``sha256`` is set here.

    Returns:
        The card with its checksum.

    Raises:
        ModelError: The card describes another network, or a weight is not finite.
        OutputError: The file cannot be written.
    """
    # A clone a tensor: safetensors wants contiguous ones that share no memory.
    tensors = {
        name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in network.state_dict().items()
    }
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ModelError(
                f"The weights {name!r} are not finite.", remedy="Train again with a smaller learning rate."
            )
    try:
        expected = _skeleton(card).state_dict()
    except PitmapError as error:
        raise ModelError(f"The card does not describe a network that can be built: {error}") from error
    _check_tensors("The network to be saved", tensors, expected)
    content = card.model_dump(mode="json", exclude={"sha256"})
    data, digest = _serialise(tensors, content)
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(data)
    return card.model_copy(update={"sha256": digest})


def load_model(
    path: str | Path, device: str | torch.device = "cpu", *, trusted: Collection[str] = ()
) -> tuple[nn.Module, ModelCard]:
    """Read a model file.

    Args:
        path: The file.
        device: Where the network goes.
        trusted: Names of the form ``package.module:factory`` that may be imported if the file asks for them. A model
            from a stranger otherwise imports nothing.

    Returns:
        The network in evaluation mode, with the attributes ``stride``, ``reach`` and ``halo``, and its card.

    Raises:
        ModelError: The file is missing, damaged, not a model file, or describes a network that cannot be built here.
    """
    data, card = _read(Path(path))
    if not is_known(card.network) and ":" in card.network and card.network not in trusted:
        raise ModelError(
            f"{path} holds the network {card.network!r}, which is not part of pitmap.",
            "A network of pitmap, one that was registered, or one that the user trusts by name.",
            "If you know where the model comes from, name the network in the project file.",
        )
    try:
        tensors = safetensors.torch.load(data)
        network = _skeleton(card)
    except (SafetensorError, PitmapError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"The network {card.network!r} of {path} cannot be built ({error}).",
            "A network and options that this version of pitmap has.",
            "Update pitmap, or install the package that the network comes from.",
        ) from error
    _check_tensors(str(path), tensors, network.state_dict())
    network.load_state_dict(tensors, assign=True)
    state_geometry(network, len(card.bands))
    return network.to(device).eval(), card


def held_model(
    path: str | Path, device: str | torch.device = "cpu", *, trusted: Collection[str] = ()
) -> tuple[nn.Module, ModelCard]:
    """The same as ``load_model``, for a network that is not changed: one process reads it once for many images.

    The last model is kept as long as its file keeps its size, times and place on the disk.
    """
    path = Path(path)
    try:
        stat = path.stat()
    except OSError:
        return load_model(path, device, trusted=trusted)
    return _held(path, str(device), tuple(trusted), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


@lru_cache(1)
def _held(path: Path, device: str, trusted: tuple[str, ...], *signs: int) -> tuple[nn.Module, ModelCard]:
    return load_model(path, device, trusted=trusted)


def read_card(path: Path) -> ModelCard:
    """Read and check a model file, without building its network.

    Raises:
        ModelError: The file is missing, damaged or not a model file.
    """
    path = Path(path)
    try:
        stat = path.stat()
    except OSError:
        return _read(path)[1]
    return _card(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


@lru_cache(64)
def _card(path: Path, *signs: int) -> ModelCard:
    """The card of a file, which is checked once while it keeps its size, times and place on the disk."""
    return _read(path)[1]


def _skeleton(card: ModelCard) -> nn.Module:
    """The card's network; the six without memory for weights, which are about to be replaced.

    The state of the random numbers stays, so that saving and loading do not change a training that goes on.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta" if card.network in BUILT_IN else "cpu"):
        return card.build_network()


def _check_tensors(where: str, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    problems = [f"{name} is missing" for name in expected if name not in tensors]
    problems += [f"{name} is not part of it" for name in tensors if name not in expected]
    for name, tensor in tensors.items():
        if name in expected:
            found, wanted = (
                f"{str(t.dtype).removeprefix('torch.')} {tuple(t.shape)}" for t in (tensor, expected[name])
            )
            if found != wanted:
                problems.append(f"{name} is {found}, not {wanted}")
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ModelError(
            f"{where} does not fit the network of its card: {', '.join(problems[:3])}{more}.",
            "Weights of the network, width, bands and classes that the card names.",
        )


def _serialise(tensors: dict[str, Tensor], content: dict[str, Any]) -> tuple[bytes, str]:
    """The bytes of a model file and its checksum."""
    fields = {"format": FORMAT, **content}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
    # The checksum stands first, so that its digits are the first to be found. One metadata entry only: safetensors
    # writes several in an order of its own.
    text = f'{{"sha256":"{_UNSIGNED}",{text[1:]}'
    data = safetensors.torch.save(tensors, {_KEY: text})
    digest = hashlib.sha256(data).hexdigest()
    return data.replace(_UNSIGNED.encode(), digest.encode(), 1), digest


def _read(path: Path) -> tuple[bytes, ModelCard]:
    """The bytes of a model file, checked, and its card."""
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
    digest.update(_UNSIGNED.encode())
    digest.update(view[start + len(recorded.encode()) :])
    return digest.hexdigest()


def _fields(path: Path, data: bytes) -> dict[str, Any]:
    """The card in the header of a safetensors file, as plain JSON."""
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= len(data) - 8:
        raise _not_a_model(path, data)
    try:
        header = json.loads(data[8 : 8 + length])
        fields = json.loads(header["__metadata__"][_KEY])
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
