"""Augmentation of whole batches on their device: the eight flips and rotations, brightness and contrast a band, mixing.

Exact index operations on square patches, so that labels stay labels; no clipping, so that bright quarries stay bright.
"""

from __future__ import annotations

import torch
from torch import Tensor


def dihedral(x: Tensor, elements: Tensor) -> Tensor:
    """Give each patch one of the eight flips and rotations of its last two axes.

    Args:
        x: (N, ..., H, H).
        elements: (N,) of 0..7: quarter turns ``element % 4``, then a left-right flip from 4 on; 0 is the identity.
    """
    turns = elements.view(-1, *[1] * (x.ndim - 1)) % 4
    flipped = elements.view(turns.shape) >= 4
    # A quarter turn is a transposition and a flip of the rows, three quarters are one and a flip of the columns.
    x = torch.where(turns % 2 == 1, x.transpose(-2, -1), x)
    x = torch.where((turns == 1) | (turns == 2), x.flip(-2), x)
    return torch.where((turns >= 2) ^ flipped, x.flip(-1), x)


def augment(
    images: Tensor, valid: Tensor, target: Tensor, jitter: float, mixing: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Give each patch a flip or rotation, each of its bands a gain and an offset, and some a piece of another patch.

    Pieces of other patches (CutMix, Yun et al. 2019, with hard labels) keep a network with few labels from learning
    places by heart: what surrounds a pixel is then less of a clue than what the pixel and its neighbours are.

    Args:
        images: (N, B, H, H) normalised: mean 0, standard deviation 1, 0 where invalid.
        valid: (N, H, H) bool; invalid pixels stay 0.
        target: (N, H, H), of any dtype.
        jitter: Standard deviation of the offset, and of the logarithm of the gain, a patch; half of it again a band.
        mixing: Probability that a rectangle of a quarter to three quarters of each side comes from another patch.
        generator: On the processor; the only source of chance.

    Returns:
        New images and targets.
    """
    n, bands = images.shape[:2]
    elements = torch.randint(8, (n,), generator=generator).to(images.device)
    noise = torch.randn((2, n, bands + 1), generator=generator)
    if jitter > 0:
        together = noise[..., :1] + 0.5 * noise[..., 1:]
        gain = (jitter * together[0]).exp().to(images)[:, :, None, None]
        offset = (jitter * together[1]).to(images)[:, :, None, None]
        images = torch.where(valid[:, None], images * gain + offset, images)
    images, target = dihedral(images, elements), dihedral(target, elements)
    if mixing > 0:
        taken = _rectangles(n, images.shape[-1], mixing, generator).to(images.device)
        images = torch.where(taken[:, None], images.roll(-1, 0), images)
        target = torch.where(taken, target.roll(-1, 0), target)
    return images, target


def _rectangles(n: int, side: int, probability: float, generator: torch.Generator) -> Tensor:
    """What of each patch comes from the next one of the batch: a rectangle or nothing, bool (N, side, side)."""
    ends = []
    for happens, *shape in torch.rand((n, 5), generator=generator).tolist():
        height, width = (round(side * (0.25 + 0.5 * s)) if happens < probability else 0 for s in shape[:2])
        row, col = round((side - height) * shape[2]), round((side - width) * shape[3])
        ends.append((row, row + height, col, col + width))
    top, bottom, left, right = torch.tensor(ends)[:, :, None].unbind(1)
    place = torch.arange(side)
    rows, cols = (place >= top) & (place < bottom), (place >= left) & (place < right)
    return rows[:, :, None] & cols[:, None]
