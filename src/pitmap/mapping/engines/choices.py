"""Engine, device, precision and size of tile: chosen by rules, so that one machine always makes the same map."""

from __future__ import annotations

import importlib.util

import psutil

from pitmap.errors import ModelError
from pitmap.mapping.engines.interface import Precision
from pitmap.mapping.tiles import round_up
from pitmap.networks.facts import Demand
from pitmap.processor import has_bf16, has_cuda

LEAST_BF16_AGREEMENT = 0.999
"""Share of validation pixels on which bf16 must have given the same code before it is used unasked."""

MEMORY_SHARE = {"cuda": 0.7}
"""Share of a device's whole memory that a pass over a tile may take; elsewhere ``ELSEWHERE``."""

ELSEWHERE = 0.25
"""Share of the memory of a machine that others work on, too."""

MOST_MEMORY = 2 * 2**30
"""Bytes that the maps of a pass may take on a processor, however much there is: one large tile costs as much time as
four with their halos, and three times the memory."""

LARGEST_TILE = 2048
"""Longest side of a tile: beyond, the halo costs a few per cent, and reading and writing have less to run beside."""

HEAVY = 1e5
"""Multiplications a pixel from which on a scene takes many minutes, so that its tiles may take so many bytes."""

ENOUGH_HALOS, ENOUGH_MEMORY = 14, 160 * 2**20
"""Halos along a tile, or bytes if they allow more, that are enough for other networks: the halo costs little, and a
command stays below 1 GB whatever the scene."""

OPERATIONS_A_TILE = 4e12
"""Multiplications of a tile at most: about a minute on two cores in float32, which a killed run loses."""

OPERATIONS_FOR_OPENVINO = 1e9
"""Multiplications of a scene from which on OpenVINO is taken: a toy below it is mapped before a graph is converted."""

BYTES_A_VALUE: dict[Precision, int] = {"float32": 4, "bf16": 2, "int8": 2}
"""Of a map between layers. In int8 it counts the first and the last ones, which are of float32."""

SPARE = 1.25
"""Factor on the memory of the maps, for what the engines work with besides."""


def choose_device(name: str) -> str:
    """The device for ``auto``, ``cpu``, ``cuda`` or another name that PyTorch knows, as PyTorch calls it.

    Raises:
        ModelError: There is no such device here.
    """
    if name == "auto":
        return "cuda" if has_cuda() else "cpu"
    if name == "cpu":
        return name
    import torch

    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"The device {name!r} cannot be used ({(str(error).splitlines() or ['not available'])[0].rstrip('.')}).",
            "A device that PyTorch finds on this machine.",
            "Take device cpu or auto.",
        ) from error
    return str(device)


def device_kind(device: str) -> str:
    """A device without its number."""
    return device.partition(":")[0]


def choose_precision(wanted: str, agreement: float | None, device: str) -> Precision:
    """The precision to map with.

    Args:
        wanted: ``float32``, ``int8``, ``bf16`` or ``auto``: bf16 where the device computes in it and the model is known
            to give the same map in it.
        agreement: Share of validation pixels with the same code in both, None where it was not measured.
        device: Where the network works.

    Raises:
        ModelError: bf16 is asked for and the model is known to give other codes in it.
    """
    if wanted == "float32":
        return "float32"
    if wanted == "int8":
        return "int8"
    if wanted == "bf16":
        if agreement is not None and agreement < LEAST_BF16_AGREEMENT:
            raise ModelError(
                f"In bf16 this model gave the code of float32 on {agreement:.2%} of its validation pixels only.",
                f"At least {LEAST_BF16_AGREEMENT:.1%}.",
                "Map in float32.",
            )
        return "bf16"
    agrees = agreement is not None and agreement >= LEAST_BF16_AGREEMENT
    return "bf16" if agrees and has_bf16(device) else "float32"


def choose_engine(wanted: str, device: str, precision: Precision) -> str:
    """The name of the engine: what is wanted, or for ``auto`` what is fastest by rule.

    On a processor that is OpenVINO, where it is installed; elsewhere PyTorch.

    Args:
        wanted: ``auto`` or a name.
        device: Where the network works.
        precision: What it computes in.
    """
    if wanted != "auto":
        return wanted
    if precision == "int8":
        return "openvino"
    suits = device_kind(device) == "cpu" and (precision == "float32" or has_bf16(device))
    return "openvino" if suits and has_openvino() else "torch"


def has_openvino() -> bool:
    """Whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def choose_tile(
    needs: Demand,
    bands: int,
    stride: int,
    halo: int,
    device: str,
    precision: Precision,
) -> int:
    """The longest side of a tile, whatever else is in the memory at the moment.

    The larger a tile, the less is its halo. What memory lets it be, the work that a killed run may lose, and
    ``LARGEST_TILE`` bound it. On a processor light networks have smaller tiles: their halo costs little, and so much
    memory takes its time to get. A tile is four halos at least, below which it is mostly halo.

    Args:
        needs: Of the network.
        bands: Of the image.
        stride: Of the network.
        halo: Pixels thrown away at inner edges.
        device: Where the network works.
        precision: What it computes in.
    """
    bytes_a_pixel = SPARE * (BYTES_A_VALUE[precision] * needs.values + (2 + 4) * bands)

    def side(room: float) -> int:
        pixels = min(room / choose_batch(device) / bytes_a_pixel, OPERATIONS_A_TILE / needs.operations)
        return min(int(pixels**0.5), LARGEST_TILE) // stride * stride

    room = MEMORY_SHARE.get(device_kind(device), ELSEWHERE) * memory_bytes(device)
    tile = side(room if device_kind(device) == "cuda" else min(room, MOST_MEMORY))
    if device_kind(device) == "cpu" and needs.operations < HEAVY:
        tile = min(tile, max(ENOUGH_HALOS * halo, side(min(room, ENOUGH_MEMORY))))
    return max(tile, round_up(4 * halo, stride) or stride)


def choose_batch(device: str) -> int:
    """Tiles mapped at once: 1 on a processor, 4 elsewhere."""
    return 1 if device_kind(device) == "cpu" else 4


def memory_bytes(device: str) -> int:
    """The whole memory of a device, used or not."""
    if device_kind(device) == "cuda":
        import torch

        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(psutil.virtual_memory().total)
