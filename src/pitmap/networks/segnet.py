"""SegNet (Badrinarayanan, Kendall and Cipolla 2017, doi 10.1109/TPAMI.2016.2644615)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import safetensors.torch
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn

from pitmap.errors import ProjectError
from pitmap.networks.blocks import check_choice, check_size, conv1x1, convolutions

VGG16_CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
"""Where the convolutions of VGG16 stand in ``features`` of torchvision's model."""


class SegNet(nn.Module):
    """The convolutions of VGG16 and their mirror image, joined only by the positions of the maxima.

    Args:
        bands: Bands of the image.
        classes: Channels of the result.
        width: Channels W of the first stage; the others have 2W, 4W, 8W and 8W.
        batch_norm: Normalise after each 3x3 convolution.
        unpool: How the decoder enlarges: ``indices`` (each value goes back to where the encoder's maximum stood) or
            ``nearest`` (as Table I of Chen et al. 2022 has it).
        encoder_weights: Initial weights of the encoder, for width 64: the path of a safetensors file with the names of
            torchvision's VGG16 (``features.0.weight`` and so on), or ``torchvision``, which takes them from there. The
            first layer is adapted to the bands: three are taken as red, green, blue; other numbers get the mean over
            the three, rescaled so that the sum over the bands stays what it was.

    Raises:
        ProjectError: An option has a value that is not listed, or the weights cannot be read or do not fit.
    """

    stride = 32
    reach = 211
    halo = 192
    depth = 37

    variants: ClassVar[dict[str, dict[str, Any]]] = {"indices": {"unpool": "indices"}, "nearest": {"unpool": "nearest"}}
    """Named sets of options; ``indices`` is the default."""

    def __init__(
        self, bands: int, classes: int, width: int = 64, *, batch_norm: bool = True, unpool: str = "indices",
        encoder_weights: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_choice("unpool", unpool, ("indices", "nearest"))
        self.unpool = unpool
        c1, c2, c3, c4 = width, 2 * width, 4 * width, 8 * width
        self.encoder1 = convolutions(bands, c1, c1, batch_norm=batch_norm)
        self.encoder2 = convolutions(c1, c2, c2, batch_norm=batch_norm)
        self.encoder3 = convolutions(c2, c3, c3, c3, batch_norm=batch_norm)
        self.encoder4 = convolutions(c3, c4, c4, c4, batch_norm=batch_norm)
        self.encoder5 = convolutions(c4, c4, c4, c4, batch_norm=batch_norm)
        self.decoder5 = convolutions(c4, c4, c4, c4, batch_norm=batch_norm)
        self.decoder4 = convolutions(c4, c4, c4, c3, batch_norm=batch_norm)
        self.decoder3 = convolutions(c3, c3, c3, c2, batch_norm=batch_norm)
        self.decoder2 = convolutions(c2, c2, c1, batch_norm=batch_norm)
        self.decoder1 = convolutions(c1, c1, c1, batch_norm=batch_norm)
        self.head = conv1x1(c1, classes)
        if encoder_weights is not None:
            self.load_encoder(vgg16_weights(encoder_weights))

    def forward(self, x: Tensor) -> Tensor:
        """Image (N, bands, H, W) to logits (N, classes, H, W).

        Raises:
            ValueError: H or W is not a multiple of the stride.
        """
        check_size(x, self.stride)
        p1, at1 = self._pool(self.encoder1(x))  # W H/2
        p2, at2 = self._pool(self.encoder2(p1))  # 2W H/4
        p3, at3 = self._pool(self.encoder3(p2))  # 4W H/8
        p4, at4 = self._pool(self.encoder4(p3))  # 8W H/16
        p5, at5 = self._pool(self.encoder5(p4))  # 8W H/32
        d5 = self.decoder5(self._up(p5, at5))  # 8W H/16
        d4 = self.decoder4(self._up(d5, at4))  # 4W H/8
        d3 = self.decoder3(self._up(d4, at3))  # 2W H/4
        d2 = self.decoder2(self._up(d3, at2))  # W H/2
        d1 = self.decoder1(self._up(d2, at1))  # W H
        logits: Tensor = self.head(d1)  # classes H
        return logits

    def _pool(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.unpool == "nearest":
            return F.max_pool2d(x, 2), None
        return F.max_pool2d(x, 2, return_indices=True)

    def _up(self, x: Tensor, positions: Tensor | None) -> Tensor:
        if positions is None:
            return F.interpolate(x, scale_factor=2.0, mode="nearest")
        return F.max_unpool2d(x, positions, [2, 2])

    @torch.no_grad()
    def load_encoder(self, weights: Mapping[str, Tensor]) -> None:
        """Set the encoder's convolutions to those of VGG16; other weights stay.

        Args:
            weights: By torchvision's names; entries other than the thirteen convolutions are not looked at.

        Raises:
            ProjectError: A convolution is missing or has another shape, as for any width but 64.
        """
        stages = (self.encoder1, self.encoder2, self.encoder3, self.encoder4, self.encoder5)
        convs = [layer for stage in stages for layer in stage if isinstance(layer, nn.Conv2d)]
        for index, conv in zip(VGG16_CONVOLUTIONS, convs, strict=True):
            for name, target in conv.named_parameters():
                key = f"features.{index}.{name}"
                source = weights.get(key)
                if source is not None and index == 0 and name == "weight":
                    source = _adapted(source, conv.in_channels)
                if source is None or source.shape != target.shape:
                    found = "missing" if source is None else f"of shape {tuple(source.shape)}"
                    raise ProjectError(
                        f"The encoder weights {key} are {found}.", f"Shape {tuple(target.shape)}.",
                        "Use the weights of VGG16 without batch normalisation, and width 64.",
                    )  # fmt: skip
                target.copy_(source)


def vgg16_weights(source: str | Path) -> dict[str, Tensor]:
    """The weights of VGG16 trained on ImageNet.

    Args:
        source: ``torchvision``, which downloads them where they are not at hand, or the path of a safetensors file.

    Raises:
        ProjectError: torchvision is absent, or the file cannot be read.
    """
    if source == "torchvision":
        try:
            models = importlib.import_module("torchvision.models")
            return dict(models.VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True))
        except (ImportError, RuntimeError, OSError) as error:
            raise ProjectError(
                f"torchvision does not give the weights of VGG16 ({error}).",
                remedy="Install the torchvision that fits this torch, give a safetensors file, or leave it out.",
            ) from error
    try:
        return safetensors.torch.load_file(source)
    except (OSError, SafetensorError) as error:
        raise ProjectError(
            f"The encoder weights {source} cannot be read ({error}).",
            "A safetensors file with the names of torchvision's VGG16, or 'torchvision'.",
            "Convert a .pth file with safetensors.torch.save_file; pitmap does not open pickles.",
        ) from error


def _adapted(weight: Tensor, bands: int) -> Tensor:
    """First-layer weights for another number of bands; the response to a grey image stays the same."""
    if weight.ndim != 4 or weight.shape[1] == bands:
        return weight
    return weight.mean(dim=1, keepdim=True).expand(-1, bands, -1, -1) * (weight.shape[1] / bands)
