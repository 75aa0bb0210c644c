"""Device, precision and size of tile: chosen by rules, so that one machine always makes the same map."""

from __future__ import annotations

import psutil
import torch
from torch import Tensor, nn

from pitmap.errors import ModelError
from pitmap.mapping.engines.interface import Precision
from pitmap.networks.fusion import fuse
from pitmap.processor import has_bf16

LEAST_BF16_AGREEMENT = 0.999
"""Share of validation pixels on which bf16 must have given the same code before it is used unasked."""

MEMORY_SHARE = {"cuda": 0.7}
"""Share of a device's whole memory that a pass over a tile may take; elsewhere ``ELSEWHERE``."""

ELSEWHERE = 0.4
"""Share of the memory of a machine that others work on, too."""


def choose_device(name: str) -> torch.device:
    """The device for ``auto``, ``cpu``, ``cuda`` or another name that PyTorch knows.

    Raises:
        ModelError: There is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"The device {name!r} cannot be used ({(str(error).splitlines() or ['not available'])[0].rstrip('.')}).",
            "A device that PyTorch finds on this machine.",
            "Take device cpu or auto.",
        ) from error
    return device


def choose_precision(wanted: str, agreement: float | None, device: torch.device) -> Precision:
    """The precision to map with.

    Args:
        wanted: ``float32``, ``bf16`` or ``auto``: bf16 where the device computes in it and the model is known to give
            the same map in it.
        agreement: Share of validation pixels with the same code in both, None where it was not measured.
        device: Where the network works.

    Raises:
        ModelError: bf16 is asked for and the model is known to give other codes in it.
    """
    if wanted == "float32":
        return "float32"
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


def choose_tile(network: nn.Module, bands: int, stride: int, halo: int, device: torch.device) -> int:
    """The largest of the usual tile sides that fits the device's memory, whatever else is in it at the moment.

    Larger tiles waste less on their halo; beyond 1024 pixels a processor gains nothing from them.
    """
    sides = [side for side in (2048, 1024, 512, 256) if side <= (1024 if device.type == "cpu" else 2048)]
    usable = [side for side in sides if side >= 4 * halo] or [4 * halo + stride]
    share = MEMORY_SHARE.get(device.type, ELSEWHERE)
    room = share * memory_bytes(device) / _bytes_a_pixel(fuse(network), bands, stride)
    return next((side for side in usable if side**2 <= room), usable[-1])


def choose_batch(device: torch.device) -> int:
    """Tiles mapped at once: 1 on a processor, 4 elsewhere."""
    return 1 if device.type == "cpu" else 4


def memory_bytes(device: torch.device) -> int:
    """The whole memory of a device, used or not."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(psutil.virtual_memory().total)


def _bytes_a_pixel(network: nn.Module, bands: int, stride: int) -> float:
    """Upper estimate of the memory of one pass: the results of all layers together, in float32."""
    sizes: list[int] = []

    def note(_module: nn.Module, _inputs: object, result: object) -> None:
        if isinstance(result, Tensor):
            sizes.append(4 * result.numel())

    hooks = [m.register_forward_hook(note) for m in network.modules() if not list(m.children())]
    try:
        weight = next(network.parameters())
        with torch.inference_mode():
            network(torch.zeros(1, bands, 2 * stride, 2 * stride, device=weight.device))
    finally:
        for hook in hooks:
            hook.remove()
    return sum(sizes) / (2 * stride) ** 2
