"""Layers that several networks share, with their initial weights.

Notation of the networks' files: W is the width of the first stage; a comment at a line end gives channels and side
length of the line's result, so ``8W H/8`` is a map of 8W channels at an eighth of the input's rows and columns.

Initial weights are normal with mean 0. Convolutions that a ReLU follows have variance 2 / fan-in (He et al. 2015,
doi 10.1109/ICCV.2015.123), linear ones (up-convolutions, 1x1 projections, heads) 1 / fan-in; biases start at 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from pitmap.errors import ProjectError, nearest


def conv_relu(inputs: int, outputs: int, kernel: int = 3, *, batch_norm: bool) -> list[nn.Module]:
    """A ``same`` convolution, batch normalisation if wanted, and ReLU.

    The convolution keeps its bias beside batch normalisation, as the published parameter counts have it. ReLU works in
    place on a map that nothing else holds.
    """
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    _initialise(conv, math.sqrt(2.0) / math.sqrt(inputs * kernel**2))
    return [conv, *([nn.BatchNorm2d(outputs)] if batch_norm else []), nn.ReLU(inplace=True)]


def convolutions(*channels: int, batch_norm: bool) -> nn.Sequential:
    """3x3 convolutions with ReLU, leading through ``channels``: (N, channels[0], H, W) to (N, channels[-1], H, W)."""
    layers = [layer for a, b in pairwise(channels) for layer in conv_relu(a, b, batch_norm=batch_norm)]
    return nn.Sequential(*layers)


def double_conv(inputs: int, outputs: int, batch_norm: bool) -> nn.Sequential:
    """DC(a -> b): two 3x3 convolutions with ReLU, a -> b -> b."""
    return convolutions(inputs, outputs, outputs, batch_norm=batch_norm)


def conv1x1(inputs: int, outputs: int) -> nn.Conv2d:
    """A linear 1x1 convolution: projections and heads."""
    conv = nn.Conv2d(inputs, outputs, 1)
    _initialise(conv, math.sqrt(1 / inputs))
    return conv


def up_conv(inputs: int, outputs: int, kernel: int = 2, stride: int = 2) -> nn.ConvTranspose2d:
    """A linear transposed convolution that enlarges rows and columns exactly ``stride`` times."""
    conv = nn.ConvTranspose2d(inputs, outputs, kernel, stride=stride, padding=(kernel - stride) // 2)
    contributors = inputs * (kernel / stride) ** 2  # each output pixel is reached by kernel / stride taps an axis
    _initialise(conv, math.sqrt(1 / contributors))
    return conv


def bilinear(x: Tensor, factor: int) -> Tensor:
    """Bilinear up-sampling that does not depend on the size of the map, so that tiles agree with the whole image."""
    return F.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)


def check_size(x: Tensor, stride: int) -> None:
    """Refuse images whose sides are not multiples of the total stride.

    Raises:
        ValueError: Rows or columns are not; the text names the size to pad to.
    """
    height, width = x.shape[-2:]
    if height % stride or width % stride:
        padded = tuple(-(-side // stride) * stride for side in (height, width))
        raise ValueError(
            f"An image of {height} rows x {width} columns does not fit a total stride of {stride}: "
            f"pad it at the bottom and right to {padded[0]} x {padded[1]}."
        )


def check_choice(option: str, value: object, choices: Iterable[str]) -> None:
    """Refuse a value that an option does not have.

    Raises:
        ProjectError: ``value`` is none of ``choices``; the text names the nearest one.
    """
    choices = list(choices)
    if value not in choices:
        raise ProjectError(
            f"{option} = {value!r} is not known.", f"One of {', '.join(choices)}.",
            f"Did you mean {nearest(str(value), choices, 0)!r}?",
        )  # fmt: skip


def _initialise(conv: nn.Conv2d | nn.ConvTranspose2d, std: float) -> None:
    """Normal weights and a bias of 0; nothing on ``meta``, where normal numbers load PyTorch's compiler (1.3 s)."""
    if conv.weight.is_meta:
        return
    assert conv.bias is not None
    nn.init.normal_(conv.weight, std=std)
    nn.init.zeros_(conv.bias)
