"""A network on the validation patches: loss, mean IoU and overall accuracy, without keeping what it says of a pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pitmap.samples.batches import Batch
from pitmap.training.losses import IGNORED, Loss


class ValidationFigures(NamedTuple):
    """Over all labelled pixels of the validation patches.

    Attributes:
        loss: Mean of the recipe's loss without weights and smoothing, batches weighted by their labelled pixels.
        miou: Mean over the classes that occur in the labels or are found.
        accuracy: Share of the pixels that get their class.
    """

    loss: float
    miou: float
    accuracy: float


@torch.no_grad()
def validate(
    network: nn.Module,
    batches: Iterable[Batch],
    images: Callable[[Batch], Tensor],
    loss: Loss,
    classes: int,
    device: torch.device,
    add: Callable[[Tensor], Tensor] = lambda own: own,
) -> ValidationFigures:
    """The figures of a network.

    Args:
        network: In evaluation mode.
        batches: This process's share of the validation patches, on the device.
        images: From a batch to what the network sees.
        loss: The recipe's.
        classes: K.
        device: Of the network.
        add: The sum of a tensor over all processes.
    """
    # The last cell takes what is not labelled, so that nothing waits for the device.
    counts = torch.zeros(classes * classes + 1, dtype=torch.int64, device=device)
    losses, pixels = [torch.zeros((), device=device)], [torch.zeros((), dtype=torch.int64, device=device)]
    for batch in batches:
        logits, target = network(images(batch)).float(), batch.target
        labelled = target != IGNORED
        losses.append(loss(logits, target, None, 0.0))
        pixels.append(labelled.sum())
        cells = torch.where(labelled, logits.argmax(1) * classes + target, classes * classes).flatten()
        counts.index_add_(0, cells, torch.ones_like(cells))
    number = torch.stack(pixels).double().cpu()
    sums = torch.stack([(torch.stack(losses).double().cpu() * number).sum(), number.sum()])
    lost, labelled_pixels = add(sums.to(device) if device.type != "mps" else sums).cpu()
    matrix = add(counts)[:-1].cpu().double().view(classes, classes)
    agreed, union = matrix.diagonal(), matrix.sum(0) + matrix.sum(1) - matrix.diagonal()
    present = union > 0
    return ValidationFigures(
        float(lost / labelled_pixels.clamp(min=1)),
        float((agreed[present] / union[present]).mean()) if present.any() else 0.0,
        float(agreed.sum() / matrix.sum().clamp(min=1)),
    )
