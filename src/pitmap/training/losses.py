"""Losses over labelled pixels; pixels whose target is -1 take no part.

Shapes: logits (N, K, H, W), target (N, H, W) int64 channel numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = -1

Loss = Callable[[Tensor, Tensor], Tensor]


def class_weights(pixels: Tensor, company: Tensor, kind: str) -> Tensor | None:
    """Weights of the classes from their frequency in the training patches.

    Args:
        pixels: Labelled pixels of each class, (K,).
        company: Labelled pixels of the patches in which each class occurs, (K,).
        kind: ``none``; ``inverse`` frequency; ``root``, its square root; or ``median`` frequency (Eigen and Fergus
            2015), where a class's frequency is that in the patches in which it occurs.

    Returns:
        (K,) float32 with mean 1 over the classes present, 0 for classes absent; None for ``none``.
    """
    if kind == "none":
        return None
    present = pixels > 0
    share = pixels.double() / (company if kind == "median" else pixels.sum())
    weights = torch.where(present, 1 / share.clamp(min=1e-12), 0.0)
    if kind == "root":
        weights = weights.sqrt()
    return (weights / weights[present].mean()).float()


def cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy over labelled pixels (weighted mean with weights); 0 with gradient 0 where there are none."""
    total = F.cross_entropy(logits, target, weights, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing)
    labelled = target != IGNORED
    count = labelled.sum() if weights is None else (weights[target.clamp(min=0)] * labelled).sum()
    return total / count.clamp(min=1e-12)


def focal(logits: Tensor, target: Tensor, weights: Tensor | None = None, gamma: float = 2.0) -> Tensor:
    """Focal loss (Lin et al. 2017): cross-entropy times (1 - p)^gamma, mean over labelled pixels."""
    log_p = -F.cross_entropy(logits, target, ignore_index=IGNORED, reduction="none")
    labelled = target != IGNORED
    factor = labelled if weights is None else weights[target.clamp(min=0)] * labelled
    return (-((1 - log_p.exp()) ** gamma) * log_p * factor).sum() / factor.sum().clamp(min=1e-12)


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """1 minus the Dice coefficient over the whole batch, mean over the classes that occur in its labels."""
    labelled = target != IGNORED
    one_hot = F.one_hot(target.clamp(min=0), logits.shape[1]).movedim(-1, 1) * labelled[:, None]
    probabilities = logits.softmax(dim=1) * labelled[:, None]
    overlap = (probabilities * one_hot).sum(dim=(0, 2, 3))
    sizes = (probabilities + one_hot).sum(dim=(0, 2, 3))
    present = one_hot.sum(dim=(0, 2, 3)) > 0
    losses = 1 - (2 * overlap + 1) / (sizes + 1)
    return (losses * present).sum() / present.sum().clamp(min=1)


def make_loss(kind: str, weights: Tensor | None, smoothing: float) -> Loss:
    """The loss of a recipe."""
    if kind == "cross_entropy":
        return lambda logits, target: cross_entropy(logits, target, weights, smoothing)
    if kind == "dice_cross_entropy":
        return lambda logits, target: cross_entropy(logits, target, weights, smoothing) + dice(logits, target)
    if kind == "focal":
        return lambda logits, target: focal(logits, target, weights)
    raise ValueError(f"unknown loss {kind!r}")
