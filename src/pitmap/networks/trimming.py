"""A network cut to what the kept pixels of a tile need: nothing is computed that is thrown away afterwards.

A tile is read with a halo, so that the deepest level sees far enough. On the way back up each level needs less of it:
a decoder level that is T pixels wide needs a few pixels more from the level below, not the whole halo. ``trim`` finds,
from the graph of a network, which pixels each node must deliver for the kept ones, and puts cuts where a path can
become narrower: at skips, and before up-sampling. Where a map is cut, the zero padding of the next convolution is wrong
at its border; the cuts leave room for that. Where the tile itself ends nothing is cut, and padding is what it was. So
the kept pixels equal those of the whole network on the same tile.

The cuts are numbers given at run time, not part of the network: one graph serves tiles of all sizes and positions.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from pitmap.networks.blocks import check_size
from pitmap.networks.cuts import Cut, CutPlan, Node, Step
from pitmap.networks.facts import NetworkFacts, TileGeometry
from pitmap.networks.fusion import fuse
from pitmap.networks.reach import tile_geometry


class TrimmedNetwork(nn.Module):
    """A network with cuts.

    Attributes:
        stride: Total stride of the network.
        plan: Where it is cut; without nodes where the network is whole and only its result is cut.
    """

    def __init__(self, network: nn.Module, plan: CutPlan) -> None:
        super().__init__()
        self.network, self.stride, self.plan = network, plan.stride, plan

    @property
    def trimmed(self) -> bool:
        """Whether levels are cut."""
        return bool(self.plan.nodes)

    def cuts(self, shape: tuple[int, int], kept: tuple[slice, slice]) -> tuple[Cut, ...]:
        """The numbers for ``forward``, see ``CutPlan.cuts``."""
        return self.plan.cuts(shape, kept)

    def forward(self, x: Tensor, cuts: Sequence[Cut] | Tensor) -> Tensor:
        """Tiles (N, bands, H, W) to the kept logits (N, classes, h, w).

        Args:
            x: What the network sees.
            cuts: Of ``cuts`` for this shape; as int64 (cuts, 4) where a graph is traced.
        """
        result = self.network(x, cuts) if self.trimmed else self.network(x)
        return cut(result, cuts, -1)


def trim(network: nn.Module, bands: int, stride: int) -> TrimmedNetwork:
    """A network with cuts, sharing its weights.

    Networks that cannot be followed, because they do more than convolve, pool, up-sample, add and concatenate or
    because their path depends on values, are taken whole.

    Args:
        network: In evaluation mode, best with its batch normalisation folded.
        bands: Bands of the image.
        stride: Its total stride.
    """
    try:
        graph = graph_of(network)
        _prepare(graph)
        module, side = fx.GraphModule(network, graph), 2 * stride
        plan, nodes = _plan(graph, dict(module.named_modules()), node_results(module, bands, side), side, stride)
        _insert(graph, [(nodes[source], nodes[target]) for source, target in plan.edges])
        graph.lint()
        module.recompile()
    except _NOT_FOLLOWED:
        return TrimmedNetwork(network, CutPlan(stride))
    return TrimmedNetwork(module, plan)


def plain(network: nn.Module) -> nn.Module:
    """The whole network, sharing its weights, without checks of the size and with ``unpool``: for other formats.

    Networks that cannot be followed are returned as they are.
    """
    try:
        graph = graph_of(network)
        _prepare(graph)
        graph.lint()
    except _NOT_FOLLOWED:
        return network
    return fx.GraphModule(network, graph)


class Trimmed(NamedTuple):
    """A network made ready to map.

    Attributes:
        network: With its batch normalisation folded, and with cuts.
        bands: Bands of the image.
        geometry: How a scene may be cut into tiles for it.
        whole: Without cuts.
    """

    network: TrimmedNetwork
    bands: int
    geometry: TileGeometry
    whole: nn.Module

    @classmethod
    def of(cls, network: nn.Module, bands: int) -> Self:
        """Fold, follow and cut a network.

        Args:
            network: In evaluation mode.
            bands: Bands of the image.

        Raises:
            ModelError: Its geometry is not stated and cannot be measured.
        """
        geometry, fused = tile_geometry(network, bands), fuse(network)
        return cls(trim(fused, bands, geometry.stride), bands, geometry, fused)

    @property
    def facts(self) -> NetworkFacts:
        """What mapping must know of it."""
        from pitmap.networks.demand import demand

        needs = demand(self.whole, self.bands, self.geometry.stride)
        return NetworkFacts(self.geometry, needs, self.network.plan)


TRACING = threading.Lock()
"""Held while a network is traced: PyTorch changes its modules for all threads meanwhile."""


def graph_of(network: nn.Module) -> fx.Graph:
    """The graph of a network, whose leaves are layers of PyTorch.

    Raises:
        Exception: The network cannot be followed; of many kinds.
    """
    with TRACING:
        return _Tracer(autowrap_functions=(check_size,)).trace(network)


class _Tracer(fx.Tracer):
    """Leaves other threads alone, whose modules are called through the tracer while it works."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._thread = threading.get_ident()

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def cut(x: Tensor, cuts: Sequence[Cut] | Tensor, index: int) -> Tensor:
    """Rows and columns of a map."""
    first_row, end_row, first_col, end_col = cuts[index]
    return x[..., first_row:end_row, first_col:end_col]


def places(indices: Tensor, pooled: Tensor) -> Tensor:
    """In which of the four cells of its window each maximum stood: 0, 1 in the upper row, 2, 3 in the lower.

    Args:
        indices: Of ``max_pool2d`` over windows of 2 x 2 without padding.
        pooled: What was pooled.
    """
    width = pooled.shape[-1]
    return torch.div(indices, width, rounding_mode="floor") % 2 * 2 + indices % 2


def unpool(x: Tensor, place: Tensor) -> Tensor:
    """``max_unpool2d`` over windows of 2 x 2, by ``places``: of a part of a map as of the whole."""
    cells = torch.stack([x * (place == k) for k in range(4)], dim=2)  # (N, C, 4, H, W)
    return F.pixel_shuffle(cells.flatten(1, 2), 2)


class _CannotFollowError(Exception):
    """A node does something that has no place in a plan."""


_NOT_FOLLOWED = (
    _CannotFollowError, fx.proxy.TraceError, TypeError, ValueError, RuntimeError, NotImplementedError,
)  # fmt: skip
"""What shows that a network cannot be followed, and is taken as it is."""


def _plan(
    graph: fx.Graph, modules: dict[str, nn.Module], results: dict[fx.Node, Tensor], side: int, stride: int
) -> tuple[CutPlan, list[fx.Node]]:
    """The plan for a graph, and the nodes that it numbers.

    Args:
        graph: Of the network.
        modules: Its layers by name.
        results: Of the nodes, for a tile of ``side`` x ``side`` pixels.
        side: Of that tile.
        stride: Total stride of the network.
    """
    (output,) = (n.args[0] for n in graph.nodes if n.op == "output")
    if output not in results:
        raise _CannotFollowError
    order = [n for n in graph.nodes if n in results]
    inputs = {n: [i for i in n.all_input_nodes if i in results][: 1 if n.target is places else None] for n in order}
    steps = {n: _step(n, modules, results) for n in order if n.op != "placeholder"}
    ratio = {n: side // result.shape[-1] for n, result in results.items()}
    if any(side % r.shape[-1] or r.shape[-1] != r.shape[-2] for r in results.values()):
        raise _CannotFollowError
    for node, step in steps.items():
        ratios = {ratio[i] for i in inputs[node]}
        if len(ratios) != 1 or ratios.pop() * step.down != ratio[node] * step.up:
            raise _CannotFollowError
    wide: set[fx.Node] = set()
    for node in reversed(order):
        if any(u in wide or steps[u].down > 1 for u in node.users if u in steps):
            wide.add(node)
    wide |= {n for n in order if n.op == "placeholder" or steps[n].down > 1 or _is_part(n)}
    number = {node: index for index, node in enumerate(order)}
    nodes = [Node(steps.get(n, Step()), tuple(number[i] for i in inputs[n]), ratio[n], n in wide) for n in order]
    return CutPlan.of(nodes, number[output], stride), order


def _insert(graph: fx.Graph, edges: Sequence[tuple[fx.Node, fx.Node]]) -> None:
    """Put cuts into a graph, which gets them as its second input."""
    first = next(n for n in graph.nodes if n.op == "placeholder")
    with graph.inserting_after(first):
        numbers = graph.placeholder("cuts")
    for index, (source, target) in enumerate(edges):
        with graph.inserting_before(target):
            part = graph.call_function(cut, (source, numbers, index))
        target.replace_input_with(source, part)


def node_results(module: fx.GraphModule, bands: int, side: int) -> dict[fx.Node, Tensor]:
    """What each node gives for a square tile; of several results the first."""
    found: dict[fx.Node, Tensor] = {}

    class Noting(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            result = super().run_node(n)
            first = result[0] if isinstance(result, tuple) else result
            if isinstance(first, Tensor) and n.op != "output":
                found[n] = first
            return result

    weight = next(module.parameters(), torch.zeros(()))
    with torch.no_grad():
        Noting(module).run(torch.zeros(1, bands, side, side, dtype=weight.dtype, device=weight.device))
    return found


def _prepare(graph: fx.Graph) -> None:
    """Drop checks of the size, and write unpooling so that it does not count pixels from the start of the map."""
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target is check_size:
            graph.erase_node(node)
        elif node.op == "call_function" and node.target is F.max_unpool2d:
            x, indices, window = node.args
            given = {k: v for k, v in node.kwargs.items() if v not in (None, 0)}
            if not isinstance(indices, fx.Node) or indices.target is not operator.getitem or given:
                raise _CannotFollowError
            pool = indices.args[0]
            if (
                not isinstance(pool, fx.Node)
                or _one(window) != 2
                or _pooling_stride(pool) != 2
                or _one(pool.args[1]) != 2
            ):
                raise _CannotFollowError
            with graph.inserting_after(indices):
                place = graph.call_function(places, (indices, pool.args[0]))
            with graph.inserting_before(node):
                node.replace_all_uses_with(graph.call_function(unpool, (x, place)))
            graph.erase_node(node)


def _is_part(node: fx.Node) -> bool:
    """Whether a node only passes on a part of what a pooling gives."""
    return node.target in (operator.getitem, places)


_ELEMENTWISE = {
    operator.add, operator.iadd, operator.sub, operator.mul, operator.truediv, operator.neg, operator.getitem,
    torch.add, torch.sub, torch.mul, torch.div, torch.relu, torch.sigmoid, torch.tanh,
    F.relu, F.leaky_relu, F.elu, F.gelu, F.silu, torch.cat, torch.concat, torch.unflatten, places,
    "relu", "contiguous", "float", "mean", "sum", "unflatten", "add", "mul",
}  # fmt: skip
_ELEMENTWISE_LAYERS = (
    nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.PReLU, nn.Sigmoid, nn.Tanh, nn.Identity, nn.BatchNorm2d,
    nn.Dropout, nn.Dropout2d,
)  # fmt: skip


def _step(node: fx.Node, modules: dict[str, nn.Module], results: dict[fx.Node, Tensor]) -> Step:
    """The step of a node.

    Raises:
        _CannotFollowError: It has none.
    """
    if node.op == "call_module":
        return _layer_step(modules[str(node.target)])
    if node.target is unpool:
        return Step(up=2)
    if node.target is F.interpolate:
        given = dict(zip(("input", "size", "scale_factor", "mode", "align_corners"), node.args, strict=False))
        given |= node.kwargs
        if given.get("size") is not None or given.get("recompute_scale_factor") or given.get("antialias"):
            raise _CannotFollowError
        return _upsampling(given.get("scale_factor"), given.get("mode", "nearest"), given.get("align_corners"))
    if node.target in _POOLING:
        return Step(down=_pooling_stride(node))
    if node.target not in _ELEMENTWISE:
        raise _CannotFollowError
    axes = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 and node.target in _OVER_AN_AXIS else None)
    if node.target in _OVER_AN_AXIS:
        rank = results[node.all_input_nodes[0]].ndim
        if not isinstance(axes, int) or axes % rank >= rank - 2:
            raise _CannotFollowError
    return Step()


def _pooling_stride(node: fx.Node) -> int:
    window = node.args[1] if len(node.args) > 1 else node.kwargs.get("kernel_size")
    stride = node.args[2] if len(node.args) > 2 else node.kwargs.get("stride")
    return int(_one(window if stride is None else stride))


_POOLING = {F.max_pool2d, F.max_pool2d_with_indices, F.avg_pool2d}
_OVER_AN_AXIS = {torch.cat, torch.concat, torch.unflatten, "mean", "sum", "unflatten"}


def _layer_step(layer: nn.Module) -> Step:
    if isinstance(layer, nn.ConvTranspose2d):
        kernel, stride, padding = (_one(v) for v in (layer.kernel_size, layer.stride, layer.padding))
        if kernel - stride != 2 * padding or _one(layer.dilation) != 1 or _one(layer.output_padding) != 0:
            raise _CannotFollowError
        return Step(kernel - stride - padding, padding, up=stride)
    if isinstance(layer, nn.Conv2d):
        if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
            raise _CannotFollowError
        kernel, stride, padding, dilation = (
            _one(v) for v in (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        )
        if stride > 1:
            return Step(down=stride)
        if (kernel - 1) * dilation != 2 * padding:
            raise _CannotFollowError
        return Step(padding, padding)
    if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
        return Step(down=_one(layer.stride))
    if isinstance(layer, nn.Upsample) and layer.size is None:
        return _upsampling(layer.scale_factor, layer.mode, layer.align_corners)
    if isinstance(layer, _ELEMENTWISE_LAYERS):
        return Step()
    raise _CannotFollowError


def _upsampling(factor: Any, mode: Any, align_corners: Any) -> Step:
    scale = _one(factor)
    if scale != int(scale) or align_corners or mode not in ("nearest", "bilinear"):
        raise _CannotFollowError
    around = int(scale) // 2 if mode == "bilinear" else 0
    return Step(around, around, up=int(scale))


def _one(value: Any) -> Any:
    """The number that holds for both axes."""
    values = set(value) if isinstance(value, tuple | list) else {value}
    if len(values) != 1 or not isinstance(number := values.pop(), int | float):
        raise _CannotFollowError
    return number
