"""What a trained network shows on the validation ground: how far bf16 changes its map, and how sure it may claim to be.

Guo et al. (2017), On Calibration of Modern Neural Networks, ICML: one number, the temperature, divides the logits. The
class of a pixel does not change, only the probability that the network states for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from pitmap.samples.batches import Batch
from pitmap.training.losses import IGNORED

LOG_TEMPERATURES = (-3.0, 3.0)
"""Range of the logarithm of the temperature."""

MOST_PIXELS = 200_000
"""Of more labelled pixels every n-th is used: neighbours say the same."""


class ValidationChecks(NamedTuple):
    """What the model file keeps.

    Attributes:
        bf16_agreement: Share of the pixels that bf16 maps as float32 does, None without a pixel.
        temperature: See ``fit_temperature``.
        confidence: Mean calibrated probability of the mapped class over labelled pixels, None without any.
    """

    bf16_agreement: float | None
    temperature: float
    confidence: float | None = None


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
    # Convex in 1 / T, so that it falls to one minimum and rises from there in log T too.
    found = minimize_scalar(
        lambda t: float(nn.functional.cross_entropy(scores / np.exp(t), wanted)),
        bounds=LOG_TEMPERATURES,
        method="bounded",
    )
    return float(np.exp(found.x))


def check_on_validation(
    network: nn.Module,
    batches: Iterable[Batch],
    images: Callable[[Batch], Tensor],
    device: torch.device,
    labelled_pixels: int,
) -> ValidationChecks:
    """Run the network over the validation patches in float32 and in bf16.

    Memory does not grow with them: pixels are counted, and the logits of at most ``MOST_PIXELS`` are kept.

    Args:
        network: In evaluation mode, on the device.
        batches: The validation patches, on the device.
        images: From a batch to what the network sees.
        device: Where to work.
        labelled_pixels: Of all batches together; says which pixels are kept.
    """
    step = max(1, -(-labelled_pixels // MOST_PIXELS))
    same = total = torch.zeros((), dtype=torch.int64, device=device)
    logits, targets, seen = [], [], 0
    with torch.inference_mode():
        for batch in batches:
            shown, target = images(batch), batch.target
            full = network(shown).float()
            with torch.autocast(device.type, torch.bfloat16):
                low = network(shown)
            same = same + ((full.argmax(1) == low.argmax(1)) & batch.valid).sum()
            total = total + batch.valid.sum()
            scores, wanted = full.movedim(1, -1)[target != IGNORED], target[target != IGNORED]
            first = -seen % step
            logits.append(scores[first::step].cpu())
            targets.append(wanted[first::step].cpu())
            seen += len(wanted)
    pixels, scores = int(total), torch.cat(logits)
    temperature = fit_temperature(scores, torch.cat(targets))
    confidence = float((scores.double() / temperature).softmax(1).amax(1).mean()) if len(scores) else None
    return ValidationChecks(int(same) / pixels if pixels else None, temperature, confidence)
