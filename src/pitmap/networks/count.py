"""What the networks cost: depth, parameters, multiply-accumulate operations, stride and reach."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakIdKeyDictionary

from pitmap.networks.reach import tile_geometry
from pitmap.networks.registry import BUILT_IN, build, variants

_LAYERS = {
    "conv2d", "conv_transpose2d", "max_pool2d", "max_pool2d_with_indices", "avg_pool2d", "max_unpool2d", "interpolate",
    "upsample",
}  # fmt: skip


def parameters(network: nn.Module) -> int:
    """Number of weights that are trained."""
    return sum(p.numel() for p in network.parameters())


def multiply_accumulates(network: nn.Module, bands: int, height: int, width: int) -> int:
    """Multiplications with addition for one image, by PyTorch's own counter.

    A transposed convolution counts what it does, not four times as much as some counters have it. Bilinear steps,
    pooling, normalisation and biases do not count. Nothing is computed.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        _on_meta(network)(torch.empty(1, bands, height, width, device="meta"))
    return int(counter.get_total_flops()) // 2


def depth(network: nn.Module, bands: int, side: int = 256) -> int:
    """Layers on the longest path from input to output.

    Counted are convolutions, pools, and up-samplings (a transposed convolution is one); not counted are concatenation,
    addition, activation and normalisation. This rule gives all six depths in Table I of Chen et al. (2022). In a U-Net+
    that projects E_5 by a 1x1 convolution the side branch is one longer than the main path, which the network states.

    Args:
        network: From (N, bands, H, W) to (N, classes, H, W).
        bands: Bands of the image.
        side: Of the square image that is sent through, px. Nothing is computed.
    """
    with torch.no_grad(), _PathLength() as paths:
        result = _on_meta(network)(torch.empty(1, bands, side, side, device="meta"))
    return int(paths.length[result])


@dataclass(frozen=True)
class Cost:
    """One network in figures.

    Attributes:
        network: Name in the registry.
        variant: Name of its set of options; empty where it has none.
        depth: What the network states, else the layers on the longest path.
        parameters: Number of weights.
        multiply_accumulates: For one image.
        stride: Total stride, px.
        reach: Largest distance that an output pixel sees, px.
        halo: Exact halo of tiles with a kept block at multiples of the stride, px.
    """

    network: str
    variant: str
    depth: int
    parameters: int
    multiply_accumulates: int
    stride: int
    reach: int
    halo: int

    @property
    def gmac(self) -> float:
        """Multiply-accumulate operations in thousand millions."""
        return self.multiply_accumulates / 1e9


def cost(network: nn.Module, bands: int, name: str, variant: str = "", side: int = 512) -> Cost:
    """The figures of one network, for a square image of ``side`` pixels.

    Raises:
        ModelError: The network states no stride and reach, and they cannot be measured.
    """
    operations = multiply_accumulates(network, bands, side, side)
    geometry = tile_geometry(network, bands)
    stated = getattr(network, "depth", None)
    layers = stated if isinstance(stated, int) else depth(network, bands)
    return Cost(name, variant, layers, parameters(network), operations, *geometry)


def table(bands: int = 4, classes: int = 7, width: int = 64, side: int = 512, batch_norm: bool = False) -> list[Cost]:
    """The figures of the six networks with all their variants, the default variant of each first.

    As in the published tables, the defaults are four bands, seven classes, 512 x 512 pixels and no batch normalisation.
    """
    rows = []
    for name in BUILT_IN:
        for variant, options in (variants(name) or {"": {}}).items():
            with torch.device("meta"):
                network = build(name, bands, classes, width, batch_norm=batch_norm, **options)
            rows.append(cost(network, bands, name, variant, side))
    return rows


def _on_meta(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).to("meta").eval()


class _PathLength(TorchFunctionMode):
    """Carries the length of the longest path so far along with every tensor."""

    def __init__(self) -> None:
        super().__init__()
        # Without types of its own.
        self.length: Any = WeakIdKeyDictionary()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        before = max((self.length.get(t, 0) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)), default=0)
        result = func(*args, **kwargs)
        step = getattr(func, "__name__", "").removeprefix("_") in _LAYERS
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.length[leaf] = max(before + step, self.length.get(leaf, 0))
        return result
