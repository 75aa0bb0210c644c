"""Batch normalisation folded into convolutions, for mapping."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


def fuse(network: nn.Module) -> nn.Module:
    """A copy of a network in which convolutions do the work of the batch normalisation after them.

    Pairs are found where an ``nn.Sequential`` holds a convolution followed by a batch normalisation, as all six do
    throughout; others stay as they are. The result differs by rounding only and cannot be trained.

    Args:
        network: In evaluation mode.

    Returns:
        The copy, in evaluation mode; weights that did not change share their memory with the network's.

    Raises:
        ValueError: The network is in training mode.
    """
    if network.training:
        raise ValueError("Only a network in evaluation mode has its batch normalisation folded: call eval() first.")
    # The copy holds the weights of the network itself until they are replaced: large ones are not copied first.
    shared: dict[int, object] = {id(p): nn.Parameter(p.detach(), p.requires_grad) for p in network.parameters()}
    shared |= {id(buffer): buffer.detach() for buffer in network.buffers()}
    fused = copy.deepcopy(network, shared)
    for module in list(fused.modules()):
        if isinstance(module, nn.Sequential):
            for i in reversed(range(len(module) - 1)):
                conv, norm = module[i], module[i + 1]
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    assert norm.running_mean is not None
                    assert norm.running_var is not None
                    conv.weight, conv.bias = fuse_conv_bn_weights(
                        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
                    )
                    del module[i + 1]
    return fused
