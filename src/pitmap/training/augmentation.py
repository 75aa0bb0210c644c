"""Augmentation of batches on their device: the eight flips and rotations, brightness and contrast a band.

Exact index operations on square patches, so that labels stay labels; no clipping, so that bright quarries stay bright.
"""

from __future__ import annotations

import torch
from torch import Tensor


def dihedral(x: Tensor, element: int) -> Tensor:
    """One of the eight flips and rotations of the last two axes; ``element`` 0 is the identity.

    Args:
        x: (..., H, W), H = W for the rotations by a quarter.
        element: 0..7: quarter turns ``element % 4``, then a left-right flip from 4 on.
    """
    x = torch.rot90(x, element % 4, dims=(-2, -1))
    return x.flip(-1) if element >= 4 else x


def augment(
    images: Tensor, valid: Tensor, target: Tensor, jitter: float, mixing: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Give each patch a flip or rotation, each of its bands a gain and an offset, and some a piece of another patch.

    Pieces of other patches (CutMix, Yun et al. 2019, with hard labels) keep a network with few labels from learning
    places by heart: what surrounds a pixel is then less of a clue than what the pixel and its neighbours are.

    Args:
        images: (N, B, H, H) normalised: mean 0, standard deviation 1, 0 where invalid.
        valid: (N, H, H) bool; invalid pixels stay 0.
        target: (N, H, H).
        jitter: Standard deviation of the offset, and of the logarithm of the gain, a patch; half of it again a band.
        mixing: Probability that a rectangle of a quarter to three quarters of each side comes from another patch.
        generator: On the processor; the only source of chance.

    Returns:
        New images and targets.
    """
    n, bands = images.shape[:2]
    elements = torch.randint(8, (n,), generator=generator).tolist()
    noise = torch.randn((2, n, bands + 1), generator=generator)
    if jitter > 0:
        together = noise[..., :1] + 0.5 * noise[..., 1:]
        gain = (jitter * together[0]).exp().to(images)[:, :, None, None]
        offset = (jitter * together[1]).to(images)[:, :, None, None]
        images = torch.where(valid[:, None], images * gain + offset, images)
    images = torch.stack([dihedral(image, e) for image, e in zip(images, elements, strict=True)])
    target = torch.stack([dihedral(t, e) for t, e in zip(target, elements, strict=True)])
    return _mix(images, target, mixing, generator) if mixing > 0 else (images, target)


def _mix(images: Tensor, target: Tensor, probability: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Paste a rectangle of the next patch of the batch into each patch."""
    n, side = len(images), images.shape[-1]
    chance = torch.rand((n, 5), generator=generator)
    mixed, mixed_target = images.clone(), target.clone()
    for i, (happens, *shape) in enumerate(chance.tolist()):
        height, width = (round(side * (0.25 + 0.5 * s)) for s in shape[:2])
        row, col = round((side - height) * shape[2]), round((side - width) * shape[3])
        if happens < probability:
            place = (..., slice(row, row + height), slice(col, col + width))
            mixed[i][place] = images[(i + 1) % n][place]
            mixed_target[i][place] = target[(i + 1) % n][place]
    return mixed, mixed_target
