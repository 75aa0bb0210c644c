"""Model files: weights and everything needed to use them, in a file that cannot run code.

What a file says of its model stands in ``model_card``. The same weights and card always give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from pitmap.errors import ModelError, PitmapError
from pitmap.files import replacing
from pitmap.networks.model_card import CARD_KEY, FORMAT, UNSIGNED, ModelCard, read_checked
from pitmap.networks.reach import state_geometry
from pitmap.networks.registry import BUILT_IN, is_known


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
    data, card = read_checked(Path(path))
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
    text = f'{{"sha256":"{UNSIGNED}",{text[1:]}'
    data = safetensors.torch.save(tensors, {CARD_KEY: text})
    digest = hashlib.sha256(data).hexdigest()
    return data.replace(UNSIGNED.encode(), digest.encode(), 1), digest
