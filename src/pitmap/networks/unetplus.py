"""U-Net+ (Chen, Zheng, Niu and Plaza 2022, doi 10.1109/JSTARS.2022.3171290, section III-F and figure 8).

A U-Net whose skips are enriched: deeper encoder maps are up-sampled to the level of each skip and summed into it. The
paper's text leaves several points open (its abstract concatenates, its Table I adds), so each is an option.

The name is shared with an unrelated network of Zhou et al. (2020), a U-Net++ with only neighbouring skips.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pitmap.networks.blocks import bilinear, check_choice, check_size, conv1x1, double_conv, up_conv

FUSIONS = ("add", "concat")
PROJECTIONS = ("upconv", "1x1", "mean")
LIFTS = ("all", "one", "cascade")


def _variant(fusion: str, projection: str, lifts: str, include_bottleneck: bool = False) -> dict[str, Any]:
    return {
        "fusion": fusion, "projection": projection, "lifts": lifts, "include_bottleneck": include_bottleneck
    }  # fmt: skip


class UNetPlus(nn.Module):
    """U-Net with enriched skips.

    With encoder maps E_1..E_5, D_5 = E_5, and u the 2x2 up-convolution of U-Net, for the levels l = 4, 3, 2, 1:

        S_l = E_l + sum of L(E_k) over deeper levels k       the enriched skip
        D_l = DC(u(D_(l+1)) + S_l)                           fusion = "add"
        D_l = DC(concat[u(D_(l+1)), S_l])                    fusion = "concat"

    where L lifts a map to the size and channels of level l.

    Args:
        bands: Bands of the image.
        classes: Channels of the result.
        width: Channels W of the first level; level k has W x 2^(k-1).
        batch_norm: Normalise after each 3x3 convolution.
        fusion: How the enriched skip meets the decoder: ``add`` or ``concat``.
        projection: How a map is lifted: ``upconv`` (2x2 up-convolutions, one chain for each map that goes up through
            the levels), ``1x1`` (a 1x1 convolution, then bilinear) or ``mean`` (the average of groups of channels, then
            bilinear: no weights).
        lifts: Which maps are lifted to level l: ``all`` deeper ones, ``one`` (only that of level l + 1), or ``cascade``
            (the enriched skip S_(l+1) in place of E_(l+1)).
        include_bottleneck: Whether E_5 joins the sums. It already enters the decoder as D_5.

    Raises:
        ProjectError: An option has a value that is not listed.
    """

    stride = 16
    depth = 27

    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "A1": _variant("add", "upconv", "all"),
        "A2": _variant("add", "upconv", "all", include_bottleneck=True),
        "A3": _variant("add", "1x1", "all"),
        "A4": _variant("add", "1x1", "all", include_bottleneck=True),
        "A5": _variant("add", "mean", "all"),
        "A6": _variant("add", "mean", "all", include_bottleneck=True),
        "B1": _variant("concat", "upconv", "all"),
        "B2": _variant("concat", "1x1", "all"),
        "B3": _variant("concat", "upconv", "all", include_bottleneck=True),
        "C1": _variant("add", "upconv", "one"),
        "C2": _variant("concat", "upconv", "one"),
        "D1": _variant("add", "upconv", "cascade"),
        "D2": _variant("add", "1x1", "cascade"),
        "D3": _variant("concat", "upconv", "cascade"),
    }
    """Named sets of options; A1 is the default."""

    def __init__(
        self,
        bands: int,
        classes: int,
        width: int = 64,
        *,
        batch_norm: bool = True,
        fusion: str = "add",
        projection: str = "upconv",
        lifts: str = "all",
        include_bottleneck: bool = False,
    ) -> None:
        super().__init__()
        check_choice("fusion", fusion, FUSIONS)
        check_choice("projection", projection, PROJECTIONS)
        check_choice("lifts", lifts, LIFTS)
        # A bilinear step reads two cells of the bottleneck, where an up-convolution reads one.
        further = include_bottleneck and projection != "upconv"
        self.reach, self.halo = (115, 112) if further else (107, 96)
        self.concat = fusion == "concat"
        self.cascade = lifts == "cascade"
        self.chained = projection == "upconv"

        c1, c2, c3, c4, c5 = channels = [width * 2**k for k in range(5)]
        self.encoder1 = double_conv(bands, c1, batch_norm)
        self.encoder2 = double_conv(c1, c2, batch_norm)
        self.encoder3 = double_conv(c2, c3, batch_norm)
        self.encoder4 = double_conv(c3, c4, batch_norm)
        self.encoder5 = double_conv(c4, c5, batch_norm)

        deepest = 5 if include_bottleneck else 4
        self.sources = {
            level: range(level + 1, deepest + 1) if lifts == "all" else range(level + 1, min(level + 1, deepest) + 1)
            for level in (4, 3, 2, 1)
        }
        self.lifts = nn.ModuleDict(
            {
                f"{k}to{level}": up_conv(channels[level], channels[level - 1])
                if self.chained
                else _BilinearLift(channels[k - 1], channels[level - 1], weights=projection == "1x1")
                for level, deeper in self.sources.items()
                for k in deeper
            }
        )

        joined = 2 if self.concat else 1
        self.up4, self.decoder4 = up_conv(c5, c4), double_conv(joined * c4, c4, batch_norm)
        self.up3, self.decoder3 = up_conv(c4, c3), double_conv(joined * c3, c3, batch_norm)
        self.up2, self.decoder2 = up_conv(c3, c2), double_conv(joined * c2, c2, batch_norm)
        self.up1, self.decoder1 = up_conv(c2, c1), double_conv(joined * c1, c1, batch_norm)
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
        s4, s3, s2, s1 = self._enriched_skips({1: e1, 2: e2, 3: e3, 4: e4, 5: e5})
        d4 = self.decoder4(self._fuse(self.up4(e5), s4))  # 8W H/8
        d3 = self.decoder3(self._fuse(self.up3(d4), s3))  # 4W H/4
        d2 = self.decoder2(self._fuse(self.up2(d3), s2))  # 2W H/2
        d1 = self.decoder1(self._fuse(self.up1(d2), s1))  # W H
        logits: Tensor = self.head(d1)  # classes H
        return logits

    def _enriched_skips(self, encoded: dict[int, Tensor]) -> list[Tensor]:
        """S_4, S_3, S_2, S_1 from the encoder maps by level."""
        lifted = dict(encoded)  # from where each map is lifted to the next level
        skips = []
        for level, deeper in self.sources.items():
            skip = encoded[level]
            for k in deeper:
                step = self.lifts[f"{k}to{level}"](lifted[k])
                skip = skip + step
                if self.chained:
                    lifted[k] = step
            if self.cascade:
                lifted[level] = skip
            skips.append(skip)
        return skips

    def _fuse(self, decoded: Tensor, skip: Tensor) -> Tensor:
        return torch.cat([decoded, skip], dim=1) if self.concat else decoded + skip


class _BilinearLift(nn.Module):
    """Fewer channels by a 1x1 convolution or by averages of neighbouring channels, then bilinear up-sampling.

    The 1x1 convolution commutes with the bilinear step and is cheaper on the small map.
    """

    def __init__(self, inputs: int, outputs: int, *, weights: bool) -> None:
        super().__init__()
        self.factor = inputs // outputs
        self.project = conv1x1(inputs, outputs) if weights else None

    def forward(self, x: Tensor) -> Tensor:
        x = torch.unflatten(x, 1, (-1, self.factor)).mean(dim=2) if self.project is None else self.project(x)
        return bilinear(x, self.factor)
