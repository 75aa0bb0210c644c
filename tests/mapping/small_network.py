"""A network that sees little, so that tiles and halos are small and tests quick: stride 2, reach 4."""

import torch.nn.functional as F
from torch import Tensor, nn

from pitmap.networks.registry import register


class SmallNetwork(nn.Module):
    stride = 2
    reach = 4

    def __init__(self, bands: int, classes: int, width: int) -> None:
        super().__init__()
        self.near = nn.Sequential(nn.Conv2d(bands, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.far = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        near = self.near(x)
        far = F.interpolate(self.far(F.max_pool2d(near, 2)), scale_factor=2.0, mode="nearest")
        return self.head(near + far)


register("small", SmallNetwork)
