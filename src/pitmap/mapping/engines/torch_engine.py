"""The engines that need nothing but PyTorch, on processors and GPUs: as it stands, or compiled."""

from __future__ import annotations

import contextlib
import os
import shutil
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from pitmap.errors import ModelError
from pitmap.mapping.engines.interface import EngineOptions, Kept
from pitmap.mapping.engines.network_engine import Kind, MappingGraph, NetworkEngine
from pitmap.networks.cuts import Cut


class TorchEngine(NetworkEngine):
    """A network ready to map: batch normalisation folded, channels last; in bf16, weights and maps are bf16.

    Args: see ``NetworkEngine``.
    """

    def __init__(self, network: nn.Module, gain: Tensor, bias: Tensor, options: EngineOptions) -> None:
        if options.precision == "int8":
            raise ModelError("PyTorch does not map in int8.", remedy="Take engine openvino.", options=["engine"])
        super().__init__(network, gain, bias, options)
        self.dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
        self.network = self.network.to(options.device, self.dtype)
        self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(self, x: Tensor, kept: Kept, kind: Kind) -> tuple[Tensor, ...]:
        """See ``NetworkEngine.run``."""
        x = x.to(self.dtype, memory_format=torch.channels_last)
        with _full_float32(self.options.kind):
            graph = MappingGraph(self.network, kind, self.options.temperature)
            result: tuple[Tensor, ...] = graph(x, self._cuts(x, kept))
        return result

    def _cuts(self, x: Tensor, kept: Kept) -> tuple[Cut, ...]:
        return self.network.cuts((x.shape[-2], x.shape[-1]), kept)


class CompiledEngine(TorchEngine):
    """The network compiled by PyTorch for the shape of a tile: half a minute once, kept in PyTorch's own cache.

    It is not trimmed: another position in the scene would be another program.

    Raises:
        ModelError: There is no C++ compiler, which PyTorch needs on a processor.
    """

    trims = False

    def __init__(self, network: nn.Module, gain: Tensor, bias: Tensor, options: EngineOptions) -> None:
        if options.kind == "cpu" and not any(
            shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++", "cl")
        ):
            raise ModelError(
                "The engine compiled finds no C++ compiler on this machine.",
                "g++ or clang++, or cl on Windows.",
                "Install one, or take another engine.",
                ["engine"],
            )
        super().__init__(network, gain, bias, options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # PyTorch's own, of what it imports here
            self._compiled: Any = torch.compile(self.network.network, dynamic=False, options={"freezing": True})

    def run(self, x: Tensor, kept: Kept, kind: Kind) -> tuple[Tensor, ...]:
        """See ``NetworkEngine.run``."""
        x = x.to(self.dtype).contiguous(memory_format=torch.channels_last)
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            _full_float32(self.options.kind),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore", DeprecationWarning)
            logits = self._compiled(x.clone())
        tail = MappingGraph(_Identity(), kind, self.options.temperature)  # type: ignore[arg-type]
        result: tuple[Tensor, ...] = tail(logits[..., *kept], ())
        return result


class _Identity(nn.Module):
    def forward(self, x: Tensor, cuts: object) -> Tensor:
        return x


def _full_float32(kind: str) -> contextlib.AbstractContextManager[None]:
    """Convolutions in true float32 with algorithms that repeat: PyTorch allows TF32 in them by default."""
    if kind != "cuda":
        return contextlib.nullcontext()
    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
