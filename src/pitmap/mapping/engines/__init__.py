"""Mapping engines: what runs a network over pixels. One rule makes the engine exchangeable, ``interface.Engine``.

    interface        what an engine takes and gives, and the numbers that its results are stored in
    choices          which engine, device, precision and size of tile, by rule
    network_engine   what all engines round a network of PyTorch's share
    torch_engine     PyTorch, on processors and GPUs, as it stands or compiled
    openvino_engine  OpenVINO, on processors

An engine of one's own is a function with the signature of ``MakeEngine``, named as ``package.module:name``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitmap.extension import find

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pitmap.mapping.engines.interface import Engine, EngineOptions, MakeEngine


def _torch(network: nn.Module, gain: Tensor, bias: Tensor, options: EngineOptions) -> Engine:
    from pitmap.mapping.engines.torch_engine import TorchEngine

    return TorchEngine(network, gain, bias, options)


def _compiled(network: nn.Module, gain: Tensor, bias: Tensor, options: EngineOptions) -> Engine:
    from pitmap.mapping.engines.torch_engine import CompiledEngine

    return CompiledEngine(network, gain, bias, options)


def _openvino(network: nn.Module, gain: Tensor, bias: Tensor, options: EngineOptions) -> Engine:
    from pitmap.mapping.engines.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(network, gain, bias, options)


ENGINES: dict[str, MakeEngine] = {"torch": _torch, "compiled": _compiled, "openvino": _openvino}
"""The engines by name. Each imports its library when it is made: nobody needs the libraries of the others."""


def engine_maker(name: str) -> MakeEngine:
    """The function that makes an engine.

    Args:
        name: A name of ``ENGINES``, or ``package.module:name``.

    Raises:
        ProjectError: There is no such engine, or its module cannot be imported.
    """
    return find("mapping engine", name, ENGINES)
