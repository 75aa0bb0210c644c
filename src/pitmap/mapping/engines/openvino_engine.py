"""The engine for processors: OpenVINO, a wheel without a compiler, in float32, bf16 and int8."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pitmap.errors import ModelError
from pitmap.mapping.engines.int8_file import read_int8
from pitmap.mapping.engines.interface import CONFIDENCE_STEPS, EngineOptions, Kept
from pitmap.mapping.engines.network_engine import Kind, MappingGraph, NetworkEngine
from pitmap.networks.trimming import TRACING
from pitmap.processor import has_bf16

EXAMPLE = 2
"""Side of the tile, in strides, with which the network is converted. The graph serves tiles of every size."""


def import_openvino() -> Any:
    """The package, without its telemetry: the module that would send is made to be absent before anybody asks for it.

    Raises:
        ModelError: It is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise ModelError(
            f"OpenVINO cannot be imported ({error}).", remedy="Install it: pip install openvino. Or take engine torch.",
            options=["engine"],
        ) from error  # fmt: skip
    return openvino


class OpenVinoEngine(NetworkEngine):
    """A network that OpenVINO runs on the processor.

    The pixels are normalised before they come here, in float32: in bf16 their own numbers would not be exact. Codes and
    confidence are made in the graph, so that bytes come out of it.

    Args: see ``NetworkEngine``.

    Raises:
        ModelError: OpenVINO is not installed, cannot take this network, or another device than the processor is wanted.
    """

    def __init__(self, network: nn.Module, gain: Tensor, bias: Tensor, options: EngineOptions) -> None:
        self._openvino = import_openvino()
        if options.device.type != "cpu":
            raise ModelError(
                f"The engine openvino works on the processor, not on {options.device.type}.",
                remedy="Take device cpu, or engine torch.", options=["device", "engine"],
            )  # fmt: skip
        if options.precision == "bf16" and not has_bf16(options.device):
            raise ModelError(
                "This processor does not compute in bf16.", remedy="Take precision float32 or auto.",
                options=["precision"],
            )  # fmt: skip
        super().__init__(network, gain, bias, options)
        self._core = self._openvino.Core()
        self._requests: dict[Kind, Any] = {}
        self._model: Any = None
        if options.precision == "int8":
            if options.int8 is None:
                raise ModelError("The model has no int8 form.", remedy="Take precision bf16 or float32.")
            graph, weights, _ = read_int8(*options.int8)
            self._model = self._core.read_model(graph, weights)

    def run(self, x: Tensor, kept: Kept, kind: Kind) -> tuple[Tensor, ...]:
        """See ``NetworkEngine.run``."""
        request = self._requests.get(kind)
        if request is None:
            request = self._requests[kind] = self._request(kind)
        cuts = np.array(self.network.cuts((x.shape[-2], x.shape[-1]), kept), np.int64)
        results = request.infer([x.contiguous().numpy(), cuts], share_inputs=True, share_outputs=True)
        return tuple(torch.from_numpy(results[i].copy()) for i in range(len(results)))

    @property
    def model(self) -> Any:
        """The network as a model of OpenVINO, from pixels and cuts to logits."""
        if self._model is None:
            self._model = converted(MappingGraph(self.network, "logits", 1.0), len(self.gain))
        return self._model

    def take(self, model: Any) -> None:
        """Run another form of the same network from now on, such as one in int8."""
        self._model = model
        self._requests.clear()

    def _request(self, kind: Kind) -> Any:
        model = self._with_tail(kind)
        hints = {
            "INFERENCE_PRECISION_HINT": "bf16" if self.options.precision == "bf16" else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        return self._core.compile_model(model, "CPU", hints).create_infer_request()

    def _with_tail(self, kind: Kind) -> Any:
        """The network, which gives logits, with what ``MappingGraph`` puts behind it."""
        model = self.model.clone()
        if kind == "logits":
            return model
        from openvino import opset13 as ops

        logits = model.output(0).get_node().input_value(0)
        best = ops.topk(logits, np.int64(1), 1, "max", "none", index_element_type="i32")
        codes = ops.convert(ops.squeeze(ops.add(best.output(1), np.int32(1)), np.array([1])), "u8")
        outputs = [codes]
        if kind == "confident":
            share = ops.softmax(ops.divide(logits, np.float32(self.options.temperature)), 1)
            steps = ops.round(ops.multiply(ops.reduce_max(share, np.array([1])), np.float32(CONFIDENCE_STEPS)))
            outputs.append(ops.convert(ops.clamp(steps, 1.0, float(CONFIDENCE_STEPS)), "u8"))
        return self._openvino.Model([o.output(0) for o in outputs], model.get_parameters())


def converted(graph: MappingGraph, bands: int) -> Any:
    """A graph as an OpenVINO model with the inputs pixels (N, bands, H, W) and cuts (cuts, 4), sizes open.

    The front end is asked directly: the package's own function for this reports to its makers.

    Raises:
        ModelError: OpenVINO does not know an operation of the network.
    """
    openvino = import_openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    side = EXAMPLE * graph.network.stride
    kept = (slice(0, side), slice(0, side))
    cuts = torch.tensor(graph.network.cuts((side, side), kept))
    try:
        with TRACING, torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tracer: the graphs hold no choice that depends on values
            traced: Any = torch.jit.trace(  # type: ignore[no-untyped-call]
                graph, (torch.zeros(1, bands, side, side), cuts), check_trace=False
            )
        front_end = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced)
        model = front_end.convert(front_end.load(decoder))
        shapes = (openvino.Type.f32, [-1, bands, -1, -1]), (openvino.Type.i64, [len(cuts), 4])
        for parameter, (dtype, shape) in zip(model.inputs, shapes, strict=True):
            parameter.get_node().set_element_type(dtype)
            parameter.get_node().set_partial_shape(openvino.PartialShape(shape))
        model.validate_nodes_and_infer_types()
    except (RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            f"OpenVINO cannot take the network ({str(error).splitlines()[-1]}).", remedy="Take engine torch.",
            options=["engine"],
        ) from error  # fmt: skip
    return model
