"""A small network from outside the package: two dilated convolutions, stride 1; what it sees is measured."""

from torch import nn


def dilated(bands: int, classes: int, width: int, *, dilation: int = 2) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(bands, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation), nn.ReLU(), nn.Conv2d(width, classes, 1),
    )  # fmt: skip
