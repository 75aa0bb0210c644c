"""What a device is and computes in: the facts behind every choice of a precision.

The choice follows what the device has and never a race of timings, so that the same study gives the same files on every
machine of a kind, however busy it is.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def has_bf16(device: torch.device | str) -> bool:
    """Whether a device multiplies matrices in bfloat16 by instructions of its own.

    On a processor these are AMX or AVX-512 BF16, on an NVIDIA GPU the tensor cores from compute capability 8.0 on.
    Elsewhere bf16 is emulated, which is slower than float32, or not known to be faster: those devices count as without.

    Args:
        device: A device of PyTorch, or its name.
    """
    import torch

    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if kind == "cpu":
        return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return False


def device_name(device: torch.device | str) -> str:
    """The processor or GPU by name."""
    import torch

    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.get_device_name(torch.device(device))
    return f"{platform.machine()} processor" if kind == "cpu" else kind
