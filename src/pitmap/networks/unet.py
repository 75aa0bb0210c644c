"""U-Net (Ronneberger, Fischer and Brox 2015, doi 10.1007/978-3-319-24574-4_28), with ``same`` padding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pitmap.networks.blocks import check_size, conv1x1, double_conv, up_conv


class UNet(nn.Module):
    """Five levels down, four up, with the encoder's maps concatenated to the decoder's.

    Args:
        bands: Bands of the image.
        classes: Channels of the result.
        width: Channels W of the first level; level k has W x 2^(k-1).
        batch_norm: Normalise after each 3x3 convolution.
    """

    stride = 16
    reach = 107
    halo = 96
    depth = 27

    def __init__(self, bands: int, classes: int, width: int = 64, *, batch_norm: bool = True) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = (width * 2**k for k in range(5))
        self.encoder1 = double_conv(bands, c1, batch_norm)
        self.encoder2 = double_conv(c1, c2, batch_norm)
        self.encoder3 = double_conv(c2, c3, batch_norm)
        self.encoder4 = double_conv(c3, c4, batch_norm)
        self.encoder5 = double_conv(c4, c5, batch_norm)
        self.up4, self.decoder4 = up_conv(c5, c4), double_conv(c5, c4, batch_norm)
        self.up3, self.decoder3 = up_conv(c4, c3), double_conv(c4, c3, batch_norm)
        self.up2, self.decoder2 = up_conv(c3, c2), double_conv(c3, c2, batch_norm)
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
