"""What a trained network shows on the validation ground: how far bf16 changes its map, and how sure it may claim to be.

Guo et al. (2017), On Calibration of Modern Neural Networks, ICML: one number, the temperature, divides the logits. The
class of a pixel does not change, only the probability that the network states for it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn
from torch.utils.data import DataLoader

from pitmap.training.losses import IGNORED
from pitmap.training.module import Segmentation

LOG_TEMPERATURES = (-3.0, 3.0)
"""Range of the logarithm of the temperature."""

MOST_PIXELS = 200_000
"""Of more labelled pixels every n-th is used: neighbours say the same."""


class ValidationChecks(NamedTuple):
    """What the model file keeps.

    Attributes:
        bf16_agreement: Share of the pixels that bf16 maps as float32 does, None without a pixel.
        temperature: See ``fit_temperature``.
    """

    bf16_agreement: float | None
    temperature: float


def fit_temperature(logits: Tensor, target: Tensor) -> float:
    """The temperature T with the least cross-entropy of ``softmax(logits / T)``.

    Args:
        logits: ``(pixel, class)``.
        target: Channel number of each pixel ``(pixel,)``; ``IGNORED`` is left out.

    Returns:
        T, between e^-3 and e^3; 1 without a labelled pixel.
    """
    labelled = target != IGNORED
    if not labelled.any():
        return 1.0
    scores, wanted = logits[labelled].double(), target[labelled]
    step = -(-len(wanted) // MOST_PIXELS)
    scores, wanted = scores[::step], wanted[::step]
    # Convex in 1 / T, so that it falls to one minimum and rises from there in log T too.
    found = minimize_scalar(
        lambda t: float(nn.functional.cross_entropy(scores / np.exp(t), wanted)),
        bounds=LOG_TEMPERATURES,
        method="bounded",
    )
    return float(np.exp(found.x))


def check_on_validation(
    module: Segmentation, network: nn.Module, loader: DataLoader[Any], device: torch.device
) -> ValidationChecks:
    """Run the network over the validation patches in float32 and in bf16.

    Args:
        module: Turns batches into images, as in training.
        network: In evaluation mode, on the device.
        loader: Of the validation patches.
        device: Where to work.
    """
    same = total = 0
    logits: list[Tensor] = []
    targets: list[Tensor] = []
    with torch.inference_mode():
        for batch in loader:
            batch = batch.to(device)
            images = module.images(batch)
            full = network(images).float()
            with torch.autocast(device.type, torch.bfloat16):
                low = network(images)
            same += int(((full.argmax(1) == low.argmax(1)) & batch.valid).sum())
            total += int(batch.valid.sum())
            labelled = batch.target != IGNORED
            logits.append(full.movedim(1, -1)[labelled].cpu())
            targets.append(batch.target[labelled].cpu())
    return ValidationChecks(same / total if total else None, fit_temperature(torch.cat(logits), torch.cat(targets)))
