"""What a pass of a network demands of a machine: memory and work."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from pitmap.networks.facts import Demand
from pitmap.networks.trimming import graph_of, node_results


def demand(network: nn.Module, bands: int, stride: int) -> Demand:
    """Follow a small image through a network.

    A map lives until the last layer that reads it; layers that work in place have one map. Where the network cannot be
    followed, the maps of all layers count together.

    Args:
        network: In evaluation mode, with its batch normalisation folded.
        bands: Bands of the image.
        stride: Its total stride.
    """
    side = 2 * stride
    operations: list[int] = []
    values: list[int] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], result: object) -> None:
        if isinstance(result, Tensor):
            values.append(result.numel())
            if isinstance(layer, nn.Conv2d):
                operations.append(result.numel() * layer.weight[0].numel())
            elif isinstance(layer, nn.ConvTranspose2d):
                operations.append(inputs[0].numel() * layer.weight[0].numel())

    leaves = [m for m in network.modules() if not list(m.children())]
    hooks = [m.register_forward_hook(note) for m in leaves]
    try:
        most = _most_alive(network, bands, side)
        if most is None:
            values.clear()
            operations.clear()
            weight = next(network.parameters())
            with torch.no_grad():
                network(torch.zeros(1, bands, side, side, dtype=weight.dtype, device=weight.device))
            most = sum(values)
    finally:
        for hook in hooks:
            hook.remove()
    return Demand(most / side**2, sum(operations) / side**2)


def _most_alive(network: nn.Module, bands: int, side: int) -> int | None:
    """The most values alive at once, None where the network cannot be followed."""
    try:
        graph = graph_of(network)
        results = node_results(fx.GraphModule(network, graph), bands, side)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, NotImplementedError):
        return None
    order = {node: index for index, node in enumerate(graph.nodes)}
    sizes: dict[int, int] = {}
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for node, result in results.items():
        storage = result.untyped_storage().data_ptr()
        sizes[storage] = max(sizes.get(storage, 0), result.numel())
        first.setdefault(storage, order[node])
        last[storage] = max(last.get(storage, 0), order[node], *(order[u] for u in node.users))
    return max(sum(n for s, n in sizes.items() if first[s] <= at <= last[s]) for at in range(len(order)))
