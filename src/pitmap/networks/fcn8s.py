"""FCN-8s (Long, Shelhamer and Darrell 2015, doi 10.1109/CVPR.2015.7298965) on the convolutions of VGG16.

The layers fc6 and fc7 of 4096 channels are left out by default, as the depth of 22 in Table I of Chen et al. (2022) has
it, and the input is not padded by 100 pixels as in the original.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pitmap.networks.blocks import check_choice, check_size, conv1x1, conv_relu, convolutions, up_conv


class FCN8s(nn.Module):
    """VGG16 with scores at strides 8, 16 and 32, enlarged and added.

    Args:
        bands: Bands of the image.
        classes: Channels of the result.
        width: Channels W of the first stage; the others have 2W, 4W, 8W and 8W.
        batch_norm: Normalise after each 3x3 convolution.
        add: What is added on the way up: ``score`` (maps of ``classes`` channels) or ``feature`` (maps of 8W and 4W
            channels, with one 1x1 convolution to the classes at the end).
        fc67: Whether fc6 (7x7) and fc7 (1x1) of 64W channels follow the last stage.

    Raises:
        ProjectError: ``add`` has a value that is not listed.
    """

    stride = 32

    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "score": {"add": "score", "fc67": False},
        "feature": {"add": "feature", "fc67": False},
        "fc67": {"add": "score", "fc67": True},
    }
    """Named sets of options; ``score`` is the default."""

    def __init__(
        self, bands: int, classes: int, width: int = 64, *, batch_norm: bool = True, add: str = "score",
        fc67: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        check_choice("add", add, ("score", "feature"))
        self.depth = 24 if fc67 else 22
        self.reach, self.halo = (245, 224) if fc67 else (149, 128)
        c1, c2, c3, c4 = width, 2 * width, 4 * width, 8 * width
        self.encoder1 = convolutions(bands, c1, c1, batch_norm=batch_norm)
        self.encoder2 = convolutions(c1, c2, c2, batch_norm=batch_norm)
        self.encoder3 = convolutions(c2, c3, c3, c3, batch_norm=batch_norm)
        self.encoder4 = convolutions(c3, c4, c4, c4, batch_norm=batch_norm)
        self.encoder5 = convolutions(c4, c4, c4, c4, batch_norm=batch_norm)
        top = c4
        self.fc67 = nn.Sequential()
        if fc67:
            top = 64 * width
            self.fc67.extend(conv_relu(c4, top, kernel=7, batch_norm=False))
            self.fc67.extend(conv_relu(top, top, kernel=1, batch_norm=False))
        if add == "score":
            scores: list[nn.Module] = [conv1x1(c, classes) for c in (top, c4, c3)]
            self.up5, self.up4 = (_bilinear(up_conv(classes, classes, kernel=4, stride=2)) for _ in range(2))
            self.up3 = _bilinear(up_conv(classes, classes, kernel=16, stride=8))
            self.head: nn.Module = nn.Identity()
        else:
            scores = [nn.Identity() for _ in range(3)]
            self.up5, self.up4 = up_conv(top, c4, kernel=4, stride=2), up_conv(c4, c3, kernel=4, stride=2)
            self.up3 = up_conv(c3, c1, kernel=16, stride=8)
            self.head = conv1x1(c1, classes)
        self.score5, self.score4, self.score3 = scores

    def forward(self, x: Tensor) -> Tensor:
        """Image (N, bands, H, W) to logits (N, classes, H, W).

        Raises:
            ValueError: H or W is not a multiple of the stride.
        """
        check_size(x, self.stride)
        p1 = F.max_pool2d(self.encoder1(x), 2)  # W H/2
        p2 = F.max_pool2d(self.encoder2(p1), 2)  # 2W H/4
        p3 = F.max_pool2d(self.encoder3(p2), 2)  # 4W H/8
        p4 = F.max_pool2d(self.encoder4(p3), 2)  # 8W H/16
        p5 = F.max_pool2d(self.encoder5(p4), 2)  # 8W H/32
        s5 = self.score5(self.fc67(p5))  # classes H/32
        s4 = self.up5(s5) + self.score4(p4)  # classes H/16
        s3 = self.up4(s4) + self.score3(p3)  # classes H/8
        logits: Tensor = self.head(self.up3(s3))  # classes H
        return logits


@torch.no_grad()
def _bilinear(up: nn.ConvTranspose2d) -> nn.ConvTranspose2d:
    """Start a transposed convolution as bilinear interpolation, channel by channel, as in the original."""
    kernel, stride = up.kernel_size[0], up.stride[0]
    tent = 1 - (torch.arange(kernel) - (kernel - 1) / 2).abs() / stride
    up.weight.zero_()
    up.weight.diagonal().copy_((tent[:, None] * tent)[..., None].expand(-1, -1, up.in_channels))
    return up
