"""Losses over labelled pixels, and weights of the classes; pixels whose target is -1 take no part.

Both are tables of functions of one signature; ``package.module:name`` names one's own.

Shapes: logits (N, K, H, W) float32, target (N, H, W) int64 channel numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from pitmap.extension import find

IGNORED = -1

Loss = Callable[[Tensor, Tensor, Tensor | None, float], Tensor]
"""``loss(logits, target, weights, smoothing)``: one number, 0 with gradient 0 where no pixel is labelled.

``weights`` are those of the classes, (K,), or None; ``smoothing`` is the share of the target that is spread over all
classes. With several processes it gets the logits of the whole batch, so that it may be any function of them.
"""

Weighting = Callable[[Tensor, Tensor], Tensor | None]
"""``weighting(pixels, company)``: positive weights of the classes up to a factor, (K,), or None for no weights.

``pixels`` are the labelled pixels of each class in the training patches, (K,); ``company`` the labelled pixels of the
patches in which each class occurs, (K,). The weight of a class without pixels does not matter.
"""


def class_weights(pixels: Tensor, company: Tensor, kind: str) -> Tensor | None:
    """Weights of the classes from their frequency in the training patches.

    Args:
        pixels: See ``Weighting``.
        company: Likewise.
        kind: A name of ``WEIGHTINGS``, or ``package.module:name``.

    Returns:
        (K,) float32 with mean 1 over the classes present, 0 for classes absent; None for no weights.

    Raises:
        ProjectError: There is no such weighting.
    """
    found = find("weighting of classes", kind, WEIGHTINGS)(pixels, company)
    if found is None:
        return None
    present = pixels > 0
    weights = torch.where(present, found.double(), 0.0)
    return (weights / weights[present].mean()).float()


def inverse(pixels: Tensor, company: Tensor) -> Tensor:
    """One over the frequency of a class."""
    return 1 / (pixels.double() / pixels.sum()).clamp(min=1e-12)


def median(pixels: Tensor, company: Tensor) -> Tensor:
    """One over the frequency in the patches in which the class occurs (Eigen and Fergus 2015)."""
    return 1 / (pixels.double() / company).clamp(min=1e-12)


WEIGHTINGS: dict[str, Weighting] = {
    "none": lambda pixels, company: None,
    "root": lambda pixels, company: inverse(pixels, company).sqrt(),
    "inverse": inverse,
    "median": median,
}


def cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy over labelled pixels (weighted mean with weights)."""
    # Added up here, because PyTorch's own sum on a GPU differs from time to time.
    each = F.cross_entropy(logits, target, weights, ignore_index=IGNORED, reduction="none", label_smoothing=smoothing)
    return each.sum() / _factor(target, weights).sum().clamp(min=1e-12)


def _factor(target: Tensor, weights: Tensor | None) -> Tensor:
    """What each pixel counts, (N, H, W): the weight of its class, or 1; 0 without a label."""
    labelled = target != IGNORED
    return labelled if weights is None else weights[target.clamp(min=0)] * labelled


def focal(
    logits: Tensor, target: Tensor, weights: Tensor | None = None, smoothing: float = 0.0, gamma: float = 2.0
) -> Tensor:
    """Focal loss (Lin et al. 2017): cross-entropy times (1 - p)^gamma, mean over labelled pixels."""
    plain = F.cross_entropy(logits, target, ignore_index=IGNORED, reduction="none")
    smoothed = plain if not smoothing else F.cross_entropy(
        logits, target, ignore_index=IGNORED, reduction="none", label_smoothing=smoothing
    )  # fmt: skip
    factor = _factor(target, weights)
    return ((1 - (-plain).exp()) ** gamma * smoothed * factor).sum() / factor.sum().clamp(min=1e-12)


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """1 minus the Dice coefficient over the whole batch, mean over the classes that occur in its labels."""
    shares = F.log_softmax(logits, dim=1)
    return _dice(shares, _of_the_label(shares, target), target)


def dice_cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """The sum of both."""
    shares = F.log_softmax(logits, dim=1)
    own = _of_the_label(shares, target)
    if smoothing:
        entropy = cross_entropy(logits, target, weights, smoothing)
    else:
        factor = _factor(target, weights)
        entropy = (own * factor).sum().neg() / factor.sum().clamp(min=1e-12)
    return entropy + _dice(shares, own, target)


def _of_the_label(shares: Tensor, target: Tensor) -> Tensor:
    """The logarithm of the probability of each pixel's label, (N, H, W); 0 without a label."""
    return F.nll_loss(shares, target, ignore_index=IGNORED, reduction="none").neg()


def _dice(shares: Tensor, own: Tensor, target: Tensor) -> Tensor:
    """``dice``, of the logarithms of all probabilities (N, K, H, W) and of that of the label (N, H, W).

    Sums over pixels are products of matrices, which read the probabilities once and write nothing of their size.
    """
    n, classes = shares.shape[:2]
    channels = torch.arange(classes, device=target.device)[:, None, None]
    labels = (target[:, None] == channels).to(shares).reshape(n, classes, -1)
    labelled = (target != IGNORED).to(shares).reshape(n, -1, 1)
    overlap, pixels = (labels @ own.exp().reshape(n, -1, 1)).sum((0, 2)), labels.sum((0, 2))
    sizes = (shares.exp().reshape(n, classes, -1) @ labelled).sum((0, 2)) + pixels
    present = pixels > 0
    losses = 1 - (2 * overlap + 1) / (sizes + 1)
    return (losses * present).sum() / present.sum().clamp(min=1)


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "dice_cross_entropy": dice_cross_entropy,
    "focal": focal,
}


def loss_of(name: str) -> Loss:
    """The loss of a name of ``LOSSES``, or of ``package.module:name``.

    Raises:
        ProjectError: There is no such loss.
    """
    return find("loss", name, LOSSES)
