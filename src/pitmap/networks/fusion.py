"""Batch normalisation folded into convolutions, for mapping."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fuse(network: nn.Module) -> nn.Module:
    """A copy of a network in which convolutions do the work of the batch normalisation after them.

    Pairs are found where an ``nn.Sequential`` holds a convolution followed by a batch normalisation, as all six do
    throughout; others stay as they are. The result differs by rounding only and cannot be trained.

    Args:
        network: In evaluation mode.

    Returns:
        The copy, in evaluation mode.

    Raises:
        ValueError: The network is in training mode.
    """
    if network.training:
        raise ValueError("Only a network in evaluation mode has its batch normalisation folded: call eval() first.")
    fused = copy.deepcopy(network)
    for module in list(fused.modules()):
        if isinstance(module, nn.Sequential):
            for i in reversed(range(len(module) - 1)):
                conv, norm = module[i], module[i + 1]
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    module[i] = fuse_conv_bn_eval(conv, norm)
                    del module[i + 1]
    return fused
