"""U-Net++ (Zhou, Siddiquee, Tajbakhsh and Liang 2018, doi 10.1007/978-3-030-00889-5_1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pitmap.errors import ProjectError
from pitmap.networks.blocks import bilinear, check_choice, check_size, conv1x1, double_conv, up_conv


class UNetPlusPlus(nn.Module):
    """A grid of nodes X(i, j), row i = 0..4 downwards, column j = 0..4 - i; column 0 is the encoder of U-Net.

        X(i, j) = DC(concat[X(i, 0), ..., X(i, j-1), Up(X(i+1, j-1))])       j = 1..4 - i

    Args:
        bands: Bands of the image.
        classes: Channels of the result.
        width: Channels W of row 0; row i has W x 2^i.
        batch_norm: Normalise after each 3x3 convolution.
        up: ``upconv`` (2x2 up-convolutions that halve the channels) or ``bilinear`` (which keeps them).
        deep_supervision: A head on each of X(0, 1) .. X(0, 4) in place of the last; the logits are their mean, and
            ``side_logits`` gives them one by one for the loss.

    Raises:
        ProjectError: ``up`` has a value that is not listed.
    """

    stride = 16
    depth = 27

    def __init__(
        self, bands: int, classes: int, width: int = 64, *, batch_norm: bool = True, up: str = "upconv",
        deep_supervision: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        check_choice("up", up, ("upconv", "bilinear"))
        self.reach, self.halo = (107, 96) if up == "upconv" else (122, 112)
        self.nodes, self.ups = nn.ModuleDict(), nn.ModuleDict()
        for i in range(5):
            c, above, below = width * 2**i, width * 2**i // 2, width * 2**i * 2
            self.nodes[f"{i}0"] = double_conv(above if i else bands, c, batch_norm)
            for j in range(1, 5 - i):
                self.nodes[f"{i}{j}"] = double_conv(j * c + (c if up == "upconv" else below), c, batch_norm)
                self.ups[f"{i + 1}{j - 1}"] = up_conv(below, c) if up == "upconv" else _bilinear()
        self.heads = nn.ModuleList(conv1x1(width, classes) for _ in range(4 if deep_supervision else 1))

    def forward(self, x: Tensor) -> Tensor:
        """Image (N, bands, H, W) to logits (N, classes, H, W).

        Raises:
            ValueError: H or W is not a multiple of the stride.
        """
        logits = self.side_logits(x)
        return sum(logits[1:], logits[0]) / len(logits)

    def side_logits(self, x: Tensor) -> list[Tensor]:
        """The logits of each head, the deepest last: one, or four with deep supervision.

        Raises:
            ValueError: H or W is not a multiple of the stride.
        """
        check_size(x, self.stride)
        node = {(0, 0): self.nodes["00"](x)}  # W H
        for i in range(1, 5):
            node[i, 0] = self.nodes[f"{i}0"](F.max_pool2d(node[i - 1, 0], 2))  # W x 2^i, H / 2^i
        for j in range(1, 5):
            for i in range(5 - j):
                row = [node[i, k] for k in range(j)]
                below = self.ups[f"{i + 1}{j - 1}"](node[i + 1, j - 1])
                node[i, j] = self.nodes[f"{i}{j}"](torch.cat([*row, below], dim=1))  # W x 2^i, H / 2^i
        columns = range(5 - len(self.heads), 5)
        return [head(node[0, j]) for head, j in zip(self.heads, columns, strict=True)]  # classes H


def _bilinear() -> nn.Module:
    return nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False)


class SlimUNetPlusPlus(nn.Module):
    """U-Net++ without intermediate nodes, which has 27 layers in all.

    A U-Net whose decoder also gets every deeper encoder map but the last, enlarged bilinearly, by concatenation:

        D_l = DC(concat[u(D_(l+1)), E_l, Up(E_(l+1)), ..., Up(E_4)])       l = 4, 3, 2, 1

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
        self.up4, self.decoder4 = up_conv(c5, c4), double_conv(c4 + c4, c4, batch_norm)
        self.up3, self.decoder3 = up_conv(c4, c3), double_conv(c3 + c3 + c4, c3, batch_norm)
        self.up2, self.decoder2 = up_conv(c3, c2), double_conv(c2 + c2 + c3 + c4, c2, batch_norm)
        self.up1, self.decoder1 = up_conv(c2, c1), double_conv(c1 + c1 + c2 + c3 + c4, c1, batch_norm)
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
        d3 = self.decoder3(torch.cat([self.up3(d4), e3, bilinear(e4, 2)], dim=1))  # 4W H/4
        d2 = self.decoder2(torch.cat([self.up2(d3), e2, bilinear(e3, 2), bilinear(e4, 4)], dim=1))  # 2W H/2
        d1 = self.decoder1(
            torch.cat([self.up1(d2), e1, bilinear(e2, 2), bilinear(e3, 4), bilinear(e4, 8)], dim=1)
        )  # W H
        logits: Tensor = self.head(d1)  # classes H
        return logits


def unetplusplus(
    bands: int, classes: int, width: int = 64, *, batch_norm: bool = True, up: str = "upconv",
    deep_supervision: bool = False, slim: bool = False,
) -> nn.Module:  # fmt: skip
    """U-Net++ with its nodes, or ``slim``: see ``UNetPlusPlus`` and ``SlimUNetPlusPlus``.

    Raises:
        ProjectError: An option has a value that is not listed, or is given beside ``slim``.
    """
    if not slim:
        return UNetPlusPlus(bands, classes, width, batch_norm=batch_norm, up=up, deep_supervision=deep_supervision)
    if up != "upconv" or deep_supervision:
        raise ProjectError(
            "The slim U-Net++ has no choice of up and no deep supervision.", remedy="Leave slim or the others out."
        )
    return SlimUNetPlusPlus(bands, classes, width, batch_norm=batch_norm)


unetplusplus.variants = {  # type: ignore[attr-defined]  # a factory's named sets of options; ``upconv`` is the default
    "upconv": {"up": "upconv"},
    "bilinear": {"up": "bilinear"},
    "slim": {"slim": True},
}
