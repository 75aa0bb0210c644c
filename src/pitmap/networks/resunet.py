"""ResU-Net as Chen, Zheng, Niu and Plaza (2022) compare it: a U-Net with residual blocks between its stages.

Their text and the depth of 43 in their Table I say: eight blocks, one after each stage but the last.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pitmap.networks.blocks import check_size, conv1x1, double_conv, up_conv

BLOCKS = 8


class Residual(nn.Module):
    """R(x) = x + DC(x), channels unchanged."""

    def __init__(self, channels: int, batch_norm: bool) -> None:
        super().__init__()
        self.convs = double_conv(channels, channels, batch_norm)
        last = [layer for layer in self.convs if isinstance(layer, nn.Conv2d)][-1]
        with torch.no_grad():  # keeps the sum over all blocks at the scale of x where nothing normalises
            last.weight /= math.sqrt(BLOCKS)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        change: Tensor = self.convs(x)
        return x + change


class ResUNet(nn.Module):
    """U-Net with a residual block after each stage but the last, before the pool or up-convolution that follows.

    Args:
        bands: Bands of the image.
        classes: Channels of the result.
        width: Channels W of the first level; level k has W x 2^(k-1).
        batch_norm: Normalise after each 3x3 convolution.
    """

    stride = 16
    reach = 197
    halo = 192
    depth = 43

    def __init__(self, bands: int, classes: int, width: int = 64, *, batch_norm: bool = True) -> None:
        super().__init__()

        def stage(inputs: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(double_conv(inputs, outputs, batch_norm), Residual(outputs, batch_norm))

        c1, c2, c3, c4, c5 = (width * 2**k for k in range(5))
        self.encoder1 = stage(bands, c1)
        self.encoder2 = stage(c1, c2)
        self.encoder3 = stage(c2, c3)
        self.encoder4 = stage(c3, c4)
        self.encoder5 = stage(c4, c5)
        self.up4, self.decoder4 = up_conv(c5, c4), stage(c5, c4)
        self.up3, self.decoder3 = up_conv(c4, c3), stage(c4, c3)
        self.up2, self.decoder2 = up_conv(c3, c2), stage(c3, c2)
        self.up1, self.decoder1 = up_conv(c2, c1), double_conv(c2, c1, batch_norm)
        self.head = conv1x1(c1, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Image (N, bands, H, W) to logits (N, classes, H, W).

        Raises:
            ValueError: H or W is not a multiple of the stride.
        """
        check_size(x, self.stride)
        e1 = self.encoder1(x)  # W H
        e2 = self.encoder2(F.max_pool2d(e1, 2))  # 2W H/2
        e3 = self.encoder3(F.max_pool2d(e2, 2))  # 4W H/4
        e4 = self.encoder4(F.max_pool2d(e3, 2))  # 8W H/8
        e5 = self.encoder5(F.max_pool2d(e4, 2))  # 16W H/16
        d4 = self.decoder4(torch.cat([self.up4(e5), e4], dim=1))  # 8W H/8
        d3 = self.decoder3(torch.cat([self.up3(d4), e3], dim=1))  # 4W H/4
        d2 = self.decoder2(torch.cat([self.up2(d3), e2], dim=1))  # 2W H/2
        d1 = self.decoder1(torch.cat([self.up1(d2), e1], dim=1))  # W H
        logits: Tensor = self.head(d1)  # classes H
        return logits
