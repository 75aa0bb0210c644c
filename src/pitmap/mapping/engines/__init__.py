"""Mapping engines: what runs a network over pixels. One rule makes the engine exchangeable, ``interface.Engine``.

    interface           what an engine takes and gives, and the numbers that its results are stored in
    choices             which engine, device, precision and size of tile, by rule
    source              a model file: what is known of its network, and the network where it is needed
    store               what was worked out once for a model, for the next command
    network_engine      what engines round a network of PyTorch's share
    torch_engine        PyTorch, on processors and GPUs, as it stands or compiled
    array_engine        what engines round a graph share that need no PyTorch
    openvino_engine     OpenVINO, on processors
    onnxruntime_engine  ONNX Runtime, on processors, in float32

An engine of one's own is a function with the signature of ``MakeEngine``, named as ``package.module:name``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitmap.extension import find

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from pitmap.mapping.engines.interface import Engine, EngineOptions, MakeEngine
    from pitmap.mapping.engines.source import NetworkSource

    MakeFromFile = Callable[[NetworkSource, NDArray[np.float32], NDArray[np.float32], EngineOptions], Engine]


def _torch(network: nn.Module, gain: Tensor, bias: Tensor, options: EngineOptions) -> Engine:
    from pitmap.mapping.engines.torch_engine import TorchEngine

    return TorchEngine(network, gain, bias, options)


def _compiled(network: nn.Module, gain: Tensor, bias: Tensor, options: EngineOptions) -> Engine:
    from pitmap.mapping.engines.torch_engine import CompiledEngine

    return CompiledEngine(network, gain, bias, options)


def _openvino(network: nn.Module, gain: Tensor, bias: Tensor, options: EngineOptions) -> Engine:
    from pitmap.mapping.engines.openvino_engine import OpenVinoEngine, converted
    from pitmap.networks.trimming import Trimmed

    trimmed = Trimmed.of(network, len(gain))
    return OpenVinoEngine(converted(trimmed), trimmed.network.plan, gain.numpy(), bias.numpy(), options)


def _openvino_from(
    source: NetworkSource, gain: NDArray[np.float32], bias: NDArray[np.float32], options: EngineOptions
) -> Engine:
    from pitmap.mapping.engines.openvino_engine import make_from

    return make_from(source, gain, bias, options)


def _onnxruntime(network: nn.Module, gain: Tensor, bias: Tensor, options: EngineOptions) -> Engine:
    from pitmap.mapping.engines.onnxruntime_engine import OnnxRuntimeEngine

    return OnnxRuntimeEngine(network, gain, bias, options)


ENGINES: dict[str, MakeEngine] = {
    "torch": _torch,
    "compiled": _compiled,
    "openvino": _openvino,
    "onnxruntime": _onnxruntime,
}
"""The engines by name. Each imports its library when it is made: nobody needs the libraries of the others."""

FROM_FILES: dict[str, MakeFromFile] = {"openvino": _openvino_from}
"""Engines that take a model file: what they keep of it spares the next command PyTorch and the network itself."""


def engine_maker(name: str) -> MakeEngine:
    """The function that makes an engine.

    Args:
        name: A name of ``ENGINES``, or ``package.module:name``.

    Raises:
        ProjectError: There is no such engine, or its module cannot be imported.
    """
    return find("mapping engine", name, ENGINES)


def make_engine(
    name: str, source: NetworkSource, gain: NDArray[np.float32], bias: NDArray[np.float32], options: EngineOptions
) -> Engine:
    """An engine for the network of a model file.

    Args:
        name: See ``engine_maker``.
        source: The file.
        gain: Of ``networks.scaling``, float32 ``(bands,)``.
        bias: Likewise.
        options: How the engine is to work.

    Raises:
        PitmapError: See ``engine_maker``; the engine cannot be made, or the network cannot be built.
    """
    if name in FROM_FILES:
        return FROM_FILES[name](source, gain, bias, options)
    maker = engine_maker(name)
    import torch

    return maker(source.network, torch.from_numpy(gain), torch.from_numpy(bias), options)
