"""The engine for processors: OpenVINO, a wheel without a compiler, in float32, bf16 and int8.

A network is converted once, by PyTorch; the graph is kept for the next command, which then loads no PyTorch at all.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pitmap.errors import ModelError
from pitmap.mapping.engines import store
from pitmap.mapping.engines.array_engine import ArrayEngine, Kind
from pitmap.mapping.engines.int8_file import read_int8
from pitmap.mapping.engines.interface import CONFIDENCE_STEPS, EngineOptions, Kept
from pitmap.networks.cuts import CutPlan
from pitmap.processor import has_bf16, installed_version, threads

if TYPE_CHECKING:
    from pitmap.mapping.engines.source import NetworkSource
    from pitmap.networks.trimming import Trimmed

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


class OpenVinoEngine(ArrayEngine):
    """A network that OpenVINO runs on the processor.

    The pixels are normalised before they come here, in float32: in bf16 their own numbers would not be exact. Codes and
    confidence are made in the graph, so that bytes come out of it.

    Args:
        model: Of OpenVINO, from pixels and cuts to logits, see ``converted``.
        plan: Where it is cut.
        gain: See ``ArrayEngine``.
        bias: Likewise.
        options: Likewise.

    Raises:
        ModelError: OpenVINO is not installed, or the processor does not compute as is asked.
    """

    def __init__(
        self, model: Any, plan: CutPlan, gain: NDArray[np.float32], bias: NDArray[np.float32], options: EngineOptions
    ) -> None:
        _check_device(options)
        super().__init__(plan, gain, bias, options)
        self._openvino, self._model = import_openvino(), model
        self._core = self._openvino.Core()
        self._requests: dict[Kind, Any] = {}

    def run(self, x: NDArray[np.float32], kept: Kept, kind: Kind) -> tuple[NDArray[Any], ...]:
        """See ``ArrayEngine.run``."""
        request = self._requests.get(kind)
        if request is None:
            request = self._requests[kind] = self._request(kind)
        results = request.infer([x, self.cuts(x, kept)], share_inputs=True, share_outputs=True)
        return tuple(results[i].copy() for i in range(len(results)))

    def _request(self, kind: Kind) -> Any:
        hints = {
            "INFERENCE_PRECISION_HINT": "bf16" if self.options.precision == "bf16" else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads(),
        }
        return self._core.compile_model(self._with_tail(kind), "CPU", hints).create_infer_request()

    def _with_tail(self, kind: Kind) -> Any:
        """The network, which gives logits, with what turns them to what is wanted."""
        model = self._model.clone()
        if kind == "logits":
            return model
        from openvino import opset13 as ops

        logits = model.output(0).get_node().input_value(0)
        best = ops.topk(logits, np.int64(1), 1, "max", "none", index_element_type="i32")
        outputs = [ops.convert(ops.squeeze(ops.add(best.output(1), np.int32(1)), np.array([1])), "u8")]
        if kind in ("confident", "shares"):
            share = ops.softmax(ops.divide(logits, np.float32(self.options.temperature)), 1)
            if kind == "shares":
                outputs.append(share)
            else:
                steps = ops.round(ops.multiply(ops.reduce_max(share, np.array([1])), np.float32(CONFIDENCE_STEPS)))
                outputs.append(ops.convert(ops.clamp(steps, 1.0, float(CONFIDENCE_STEPS)), "u8"))
        return self._openvino.Model([o.output(0) for o in outputs], model.get_parameters())


def make_from(
    source: NetworkSource, gain: NDArray[np.float32], bias: NDArray[np.float32], options: EngineOptions
) -> OpenVinoEngine:
    """The engine for a model file: its graph is taken from an earlier command if it is kept, or from the int8 form.

    Raises:
        ModelError: See ``OpenVinoEngine``; OpenVINO cannot take the network, or there is no int8 form.
    """
    _check_device(options)
    if options.precision == "int8":
        if options.int8 is None:
            raise ModelError("The model has no int8 form.", remedy="Take precision bf16 or float32.")
        graph, weights, plan, _ = read_int8(*options.int8)
    else:
        (graph, weights), plan = _graph_of(source), source.facts.plan
    model = import_openvino().Core().read_model(graph, weights)
    return OpenVinoEngine(model, plan, gain, bias, options)


def _check_device(options: EngineOptions) -> None:
    if options.kind != "cpu":
        raise ModelError(
            f"The engine openvino works on the processor, not on {options.kind}.",
            remedy="Take device cpu, or engine torch.", options=["device", "engine"],
        )  # fmt: skip
    if options.precision == "bf16" and not has_bf16("cpu"):
        raise ModelError(
            "This processor does not compute in bf16.", remedy="Take precision float32 or auto.", options=["precision"]
        )


def _graph_of(source: NetworkSource) -> tuple[bytes, bytes]:
    """Graph and weights of a network, in OpenVINO's own form."""
    key = source.key("openvino", openvino=installed_version("openvino"))
    if (kept := store.kept(key)) is not None:
        length = int.from_bytes(kept[:8], "little")
        return kept[8 : 8 + length], kept[8 + length :]
    graph, weights = serialised(converted(source.trimmed))
    if source.may_be_kept:
        store.keep(key, b"".join((len(graph).to_bytes(8, "little"), graph, weights)))
    return graph, weights


def serialised(model: Any) -> tuple[bytes, bytes]:
    """Graph and weights. Layers are named by their order: OpenVINO counts them through the life of a process."""
    model.set_friendly_name("pitmap")
    for number, layer in enumerate(model.get_ordered_ops()):
        layer.set_friendly_name(f"{layer.get_type_name()}_{number}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        import_openvino().serialize(model, path, path.with_suffix(".bin"))
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def converted(network: Trimmed) -> Any:
    """A network as an OpenVINO model with the inputs pixels (N, bands, H, W) and cuts (cuts, 4), sizes open.

    It gives logits, and is cut by the plan of its ``NetworkFacts``. The front end is asked directly: the package's own
    function for this reports to its makers.

    Args:
        network: With cuts.

    Raises:
        ModelError: OpenVINO does not know an operation of the network.
    """
    openvino = import_openvino()
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    from pitmap.mapping.engines.network_engine import MappingGraph
    from pitmap.networks.trimming import TRACING

    trimmed, bands = network.network, network.bands
    side = EXAMPLE * trimmed.stride
    kept = (slice(0, side), slice(0, side))
    cuts = torch.tensor(trimmed.cuts((side, side), kept))
    try:
        with TRACING, torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tracer: the graphs hold no choice that depends on values
            traced: Any = torch.jit.trace(  # type: ignore[no-untyped-call]
                MappingGraph(trimmed, "logits", 1.0), (torch.zeros(1, bands, side, side), cuts), check_trace=False
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
