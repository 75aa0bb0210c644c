"""Several networks of one kind that map together: the mean of their logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from pitmap.networks.reach import tile_geometry


class Ensemble(nn.Module):
    """The mean of the logits of networks that were trained apart (Lakshminarayanan et al. 2017, of logits here).

    What one network learnt by chance the others did not. It costs as many times one network in mapping.

    Args:
        members: Networks of the same kind, bands and classes.
        bands: Bands of the image.
    """

    def __init__(self, members: Sequence[nn.Module], bands: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        geometry: Any = tile_geometry(members[0], bands)
        self.stride, self.reach, self.halo = geometry.stride, geometry.reach, geometry.halo

    def forward(self, x: Tensor) -> Tensor:
        """Image (N, bands, H, W) to logits (N, classes, H, W)."""
        logits = [member(x) for member in self.members]
        mean: Tensor = sum(logits[1:], logits[0]) / len(logits)
        return mean
