"""What one output pixel sees, for tiles that map exactly as the whole scene does.

A network with total stride S gives the same result on a tile as on the whole scene where the tile starts at a multiple
of S and what is kept lies far enough from its inner edges. The six networks state how far; others are measured.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from pitmap.errors import ModelError
from pitmap.networks.facts import TileGeometry

LARGEST_STRIDE = 128
LARGEST_IMAGE = 4096
"""Where the search ends, px."""


def tile_geometry(network: nn.Module, bands: int) -> TileGeometry:
    """The geometry that a network states in ``stride``, ``reach`` and ``halo``, or else what is measured.

    Without a stated ``halo`` it is the reach, rounded up to a multiple of the stride.

    Raises:
        ModelError: Nothing is stated, and it cannot be measured.
    """
    stride, reach, halo = (getattr(network, name, None) for name in TileGeometry._fields)
    if isinstance(stride, int) and isinstance(reach, int):
        return TileGeometry(stride, reach, halo if isinstance(halo, int) else -(-reach // stride) * stride)
    return measure_reach(network, bands)


def state_geometry(network: nn.Module, bands: int) -> None:
    """Give a network the attributes ``stride``, ``reach`` and ``halo`` that it lacks, from ``tile_geometry``.

    Raises:
        ModelError: They cannot be measured.
    """
    for name, value in tile_geometry(network, bands)._asdict().items():
        if not hasattr(network, name):
            setattr(network, name, value)


def measure_reach(network: nn.Module, bands: int) -> TileGeometry:
    """Find stride, reach and halo of a network by the support of its gradient.

    On a copy in float64 with random positive weights, no biases, average pooling in place of max pooling and nearest
    up-sampling in place of unpooling, nothing can cancel and no activation is switched off: the gradient of an output
    pixel is not zero exactly at the input pixels that the network connects it with. The stride is the ratio of the
    image's side to that of the smallest map; the support is taken at every position within a stride, and the position
    one stride further has to agree with the first.

    Args:
        network: From (N, bands, H, W) to (N, classes, H, W). It is not changed.
        bands: Bands of the image.

    Raises:
        ModelError: The network sees the whole image (by global pooling, attention, or normalisation over the image), or
            its result is not at the size of its input.
    """
    linear = _linear_copy(network)
    ratio = _downsampling(linear, bands)
    for stride in (ratio, 2 * ratio, 3 * ratio):
        length = max(64, 8 * stride)
        while length <= LARGEST_IMAGE:
            spans = [_spans(linear, bands, stride, length, along_rows) for along_rows in (True, False)]
            firsts, lasts = zip(*(span for axis in spans for span in axis), strict=True)
            if min(firsts) > 0 and max(lasts) < length - 1:
                if all(_repeats(axis, stride) for axis in spans):
                    return _geometry(spans, stride, length // stride // 2 * stride)
                break
            length *= 2
    raise _not_measurable("an output pixel sees the whole image, or the stride is not constant")


def _linear_copy(network: nn.Module) -> nn.Module:
    linear = copy.deepcopy(network).to("cpu", torch.float64).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in linear.named_parameters():
        if parameter.ndim > 1:
            parameter.uniform_(0.5, 1.5, generator=generator).div_(parameter[0].numel())
        else:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    for name, buffer in linear.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.fill_(float(name.endswith("running_var")))
    return linear


def _downsampling(linear: nn.Module, bands: int) -> int:
    """Side of the image divided by that of the smallest map."""
    problem = ""
    for side in (256, 192, 320):
        with torch.no_grad(), _Smooth() as seen:
            try:
                result = linear(torch.ones(1, bands, side, side, dtype=torch.float64))
            except (RuntimeError, ValueError) as error:
                problem = f"an image of {side} x {side} pixels gives: {error}"
                continue
        if not isinstance(result, Tensor) or result.shape[-2:] != (side, side):
            problem = "the result is not a tensor (N, classes, H, W) of the image's own size"
        elif side % seen.smallest or side // seen.smallest > LARGEST_STRIDE:
            problem = f"its smallest map has {seen.smallest} rows or columns for {side} of the image"
        else:
            return int(side // seen.smallest)
    raise _not_measurable(problem)


def _spans(linear: nn.Module, bands: int, stride: int, length: int, along_rows: bool) -> list[tuple[int, int]]:
    """First and last input pixel that reach the output pixels of a stride in the middle, and the one after it."""
    generator = torch.Generator().manual_seed(1)
    shape = (1, bands, length, 2 * stride)
    image = torch.rand(shape, dtype=torch.float64, generator=generator).add_(0.5)
    if not along_rows:
        image = image.transpose(2, 3).contiguous()
    image.requires_grad_(True)
    with _Smooth():
        result = linear(image)
    # A weight for each class, so that probabilities, which sum to 1, do not cancel.
    weights = torch.rand(result.shape[1], dtype=torch.float64, generator=generator) + 0.5
    across = 3 if along_rows else 2
    line = (result[0] * weights[:, None, None]).sum(dim=(0, across - 1))  # (length,)
    start = length // stride // 2 * stride
    spans = []
    for position in range(start, start + stride + 1):
        (gradient,) = torch.autograd.grad(line[position], image, retain_graph=True)
        support = gradient.ne(0).any(dim=across).any(dim=1)[0].nonzero()
        spans.append((int(support.min()), int(support.max())) if len(support) else (0, length - 1))
    return spans


def _repeats(spans: list[tuple[int, int]], stride: int) -> bool:
    """Whether what is seen one stride further lies one stride further."""
    return (spans[0][0] + stride, spans[0][1] + stride) == spans[-1]


def _geometry(spans: list[list[tuple[int, int]]], stride: int, start: int) -> TileGeometry:
    reach = margin = 0
    for axis in spans:
        for position, (first, last) in enumerate(axis[:-1], start=start):
            reach = max(reach, position - first, last - position)
            margin = max(margin, start - first, last - (start + stride - 1))
    return TileGeometry(stride, reach, -(-margin // stride) * stride)


class _Smooth(TorchFunctionMode):
    """Every pixel of a pooling window counts, not only the largest; notes the smallest map.

    Attributes:
        smallest: Rows or columns of the smallest map (N, C, H, W) so far.
    """

    smallest = LARGEST_IMAGE

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "").removeprefix("_")
        result = func(*args, **(kwargs or {}))
        if name in ("max_pool2d", "max_pool2d_with_indices"):
            averaged = _average(*args, **(kwargs or {}))
            result = (averaged, result[1]) if isinstance(result, tuple) else averaged
        elif name == "max_unpool2d":
            result = F.interpolate(args[0], size=result.shape[-2:], mode="nearest")
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.ndim == 4:
                self.smallest = min(self.smallest, *leaf.shape[-2:])
        return result


def _average(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:  # fmt: skip
    """Average pooling with the arguments of max pooling."""
    if dilation not in (1, (1, 1), [1, 1]):
        raise _not_measurable("it has dilated max pooling")
    return F.avg_pool2d(x, kernel_size, stride or kernel_size, padding, ceil_mode)


def _not_measurable(why: str) -> ModelError:
    return ModelError(
        f"Stride and reach of the network cannot be measured: {why}.",
        "Integer attributes stride and reach on the module, or a network that looks at a bounded neighbourhood.",
        "Set them on the module if they are known. A network that sees the whole image cannot map by tiles exactly.",
    )
