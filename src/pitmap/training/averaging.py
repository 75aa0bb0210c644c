"""A moving average of a network's weights, which is validated and kept in place of the last weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class MovingAverage:
    """An exponential moving average of weights and buffers whose memory grows with the steps done, up to ``decay``.

    Without the growth a short training would keep its first weights: decay = min(decay, (1 + n) / (10 + n)).

    Args:
        network: On its device.
        decay: Of the average in the long run.

    Attributes:
        network: The network with averaged weights.
        steps: How many weights went into the average.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take the weights after a step into the average."""
        weight = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps)) if self.steps else 1.0
        pairs = list(zip(_values(self.network), _values(network), strict=True))
        old, new = ([pair[i] for pair in pairs if pair[0].is_floating_point()] for i in (0, 1))
        torch._foreach_lerp_(old, new, weight)
        for averaged, current in pairs:
            if not averaged.is_floating_point():
                averaged.copy_(current)
        self.steps += 1


def _values(network: nn.Module) -> list[Tensor]:
    return [*(p.detach() for p in network.parameters()), *network.buffers()]
