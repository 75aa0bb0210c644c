"""The engine of ONNX Runtime, in float32: the same network through the exchange format that other programs read."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pitmap.errors import ModelError
from pitmap.mapping.engines.interface import EngineOptions, Kept
from pitmap.mapping.engines.network_engine import Kind, MappingGraph, NetworkEngine
from pitmap.networks.trimming import TRACING

OPSET = 18
"""Version of the operators of ONNX (December 2022)."""

EXAMPLE = 2
"""Side of the tile, in strides, with which the network is followed. The graph serves tiles of every size."""


class OnnxRuntimeEngine(NetworkEngine):
    """A network that ONNX Runtime runs on the processor. The pixels are normalised before they come here.

    Args: see ``NetworkEngine``.

    Raises:
        ModelError: ONNX or ONNX Runtime is not installed or cannot take this network, or another precision than float32
            or another device than the processor is wanted.
    """

    def __init__(self, network: nn.Module, gain: Tensor, bias: Tensor, options: EngineOptions) -> None:
        import_onnxruntime()
        if options.kind != "cpu" or options.precision != "float32":
            raise ModelError(
                f"The engine onnxruntime computes in float32 on the processor, not in {options.precision} on "
                f"{options.kind}.",
                remedy="Take device cpu and precision float32, or engine openvino.", options=["precision", "engine"],
            )  # fmt: skip
        super().__init__(network, gain, bias, options)
        self._sessions: dict[Kind, Any] = {}

    def run(self, x: Tensor, kept: Kept, kind: Kind) -> tuple[Tensor, ...]:
        """See ``NetworkEngine.run``."""
        session = self._sessions.get(kind)
        if session is None:
            session = self._sessions[kind] = self._session(kind)
        cuts = np.array(self.network.cuts((x.shape[-2], x.shape[-1]), kept), np.int64)
        found = session.run(None, {"pixels": x.contiguous().numpy(), "cuts": cuts})
        return tuple(torch.from_numpy(array) for array in found)

    def _session(self, kind: Kind) -> Any:
        side = EXAMPLE * self.network.stride
        cuts = torch.tensor(self.network.cuts((side, side), (slice(0, side), slice(0, side))))
        outputs = {"logits": ["logits"], "codes": ["codes"], "confident": ["codes", "confidence"]}[kind]
        axes = {0: "n", 2: "rows", 3: "cols"} if kind == "logits" else {0: "n", 1: "rows", 2: "cols"}
        return session_of(
            exported(
                MappingGraph(self.network, kind, self.options.temperature),
                {"pixels": torch.zeros(1, len(self.gain), side, side), "cuts": cuts},
                outputs,
                {"pixels": {0: "n", 2: "height", 3: "width"}, **dict.fromkeys(outputs, axes)},
            )
        )


def exported(
    graph: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    dynamic_axes: Mapping[str, Mapping[int, str]],
) -> bytes:
    """A graph as a model of ONNX.

    Args:
        graph: In evaluation mode; takes the inputs in their order.
        inputs: Name and example of each input.
        outputs: Name of each output.
        dynamic_axes: Of inputs and outputs, the axes whose length is open, and what it is called.

    Raises:
        ModelError: ONNX is not installed, or does not know an operation of the network.
    """
    try:
        import onnx  # noqa: F401  # PyTorch asks for it when it has done everything else
    except ImportError as error:
        raise _missing("ONNX", error) from error
    buffer = io.BytesIO()
    try:
        with TRACING, torch.no_grad(), warnings.catch_warnings():
            # Of the tracer and of PyTorch's age: the graphs hold no choice that depends on values.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph.eval(), tuple(inputs.values()),
                buffer,  # type: ignore[arg-type]  # which the older exporter takes
                dynamo=False, opset_version=OPSET,
                input_names=list(inputs), output_names=list(outputs), dynamic_axes=dict(dynamic_axes),
            )  # fmt: skip
    except (RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            f"The network cannot be written as ONNX ({str(error).strip().splitlines()[0]}).",
            "A network of operations that ONNX has.",
            "Take engine torch or openvino.",
        ) from error
    return buffer.getvalue()


def session_of(model: bytes) -> Any:
    """A model of ONNX at work, on the processor with the threads of PyTorch."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def import_onnxruntime() -> Any:
    """The package, told to report nothing: its builds for Windows otherwise send how it is used.

    Raises:
        ModelError: It is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise _missing("ONNX Runtime", error) from error
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def _missing(what: str, error: ImportError) -> ModelError:
    return ModelError(
        f"{what} cannot be imported ({error}).", remedy='Install it: pip install "pitmap[onnx]".', options=["engine"]
    )
