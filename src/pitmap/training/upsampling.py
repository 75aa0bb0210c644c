"""Gradients of up-convolutions as matrix products.

An up-convolution whose kernel is as large as its stride is one product of matrices: pixels by input channels, times
input channels by the pixels of a kernel and output channels. On processors oneDNN computes its gradients at less than
half of the speed of the products that they are, so they are taken as such.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class UpConv(nn.ConvTranspose2d):
    """An up-convolution with the values of ``nn.ConvTranspose2d``, and its gradients as products of matrices."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """As of ``nn.ConvTranspose2d``."""
        if not torch.is_grad_enabled() or self.bias is None:
            return super().forward(x, output_size)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        result: Tensor = _UpConvolution.apply(x.to(dtype), self.weight.to(dtype), self.bias.to(dtype))  # type: ignore[no-untyped-call]
        return result


def with_product_gradients(network: nn.Module, device: torch.device) -> nn.Module:
    """A network whose up-convolutions are ``UpConv`` on a processor; weights and their names stay."""
    if device.type == "cpu":
        for module in network.modules():
            if type(module) is nn.ConvTranspose2d and _is_product(module):
                module.__class__ = UpConv
    return network


def _is_product(module: nn.ConvTranspose2d) -> bool:
    """Whether each output pixel comes from one input pixel."""
    plain = (module.padding, module.output_padding, module.dilation, module.groups) == ((0, 0), (0, 0), (1, 1), 1)
    return plain and tuple(module.kernel_size) == tuple(module.stride) and module.bias is not None


class _UpConvolution(torch.autograd.Function):
    """x (N, I, H, W), weight (I, O, k, l), bias (O,) to (N, O, kH, lW)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv_transpose2d(x, weight, bias, stride=weight.shape[2:])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        (n, inputs, h, w), (outputs, rows, cols) = x.shape, weight.shape[1:]
        # Pixels of the input in rows; in the columns what of the output each of them made, and its channels.
        g = (
            gradients[0]
            .permute(0, 2, 3, 1)
            .reshape(n, h, rows, w, cols, outputs)
            .transpose(2, 3)
            .reshape(n * h * w, -1)
        )
        pixels = x.permute(0, 2, 3, 1).reshape(-1, inputs)
        to_x = None
        if ctx.needs_input_grad[0]:
            by_channel = weight.permute(2, 3, 1, 0).reshape(-1, inputs)
            to_x = (g @ by_channel).view(n, h, w, inputs).permute(0, 3, 1, 2)
        to_weight = (pixels.T @ g).view(inputs, rows, cols, outputs).permute(0, 3, 1, 2)
        return to_x, to_weight, g.sum(0).view(-1, outputs).sum(0)
