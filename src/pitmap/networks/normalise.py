"""Normalisation of pixels to what the networks are fed with, the same in training and in mapping."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pitmap.networks.scaling import folded_scaling


def gain_and_bias(scale: ArrayLike, offset: ArrayLike, mean: ArrayLike, std: ArrayLike) -> tuple[Tensor, Tensor]:
    """Fold the image's scaling and the training statistics into one factor and one summand per band.

    With reflectance = DN x scale + offset, the network sees (reflectance - mean) / std = DN x gain + bias. A band
    without spread over the training pixels (std 0) tells nothing and becomes 0.

    Args:
        scale: Of the image, per band or one for all.
        offset: Of the image, per band or one for all.
        mean: Of the valid training pixels, per band, in the unit of the scaled values.
        std: Likewise.

    Returns:
        ``gain`` and ``bias``, float32, each (bands,), computed in float64.

    Raises:
        ImageError: Scale or offset are not finite, or so large that no network could take the result.
    """
    gain, bias = folded_scaling(scale, offset, mean, std)
    return torch.from_numpy(gain), torch.from_numpy(bias)


def normalise(pixels: Tensor, valid: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """Scale the bands of images; pixels without data become 0, the mean of the training pixels.

    Args:
        pixels: (N, bands, H, W) of any real dtype, also uint16; values without data may be NaN.
        valid: (N, H, W), bool.
        gain: (bands,), or (N, bands) for images of several scalings; float32.
        bias: Likewise.

    Returns:
        ``pixels x gain + bias``, float32, (N, bands, H, W), on the device of ``pixels``; exactly 0 where not valid.
    """
    scaled = torch.addcmul(bias[..., None, None], pixels.to(torch.float32), gain[..., None, None])
    return torch.where(valid[:, None], scaled, 0.0)
