"""The image's scaling and the training statistics folded into one factor and one summand per band."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pitmap.errors import ImageError

LEAST_STD = 0.25
"""Share of the training pixels' standard deviation below which an image's own is not followed."""

LARGEST = 1e30
"""No factor or summand of a band is larger: pixels times it must stay within float32."""


def folded_scaling(
    scale: ArrayLike, offset: ArrayLike, mean: ArrayLike, std: ArrayLike
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``gain`` and ``bias`` of ``normalise.gain_and_bias``, as arrays. Arguments and errors as there."""
    scale, offset, mean, std = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(v, np.float64)) for v in (scale, offset, mean, std))
    )
    with np.errstate(over="ignore", invalid="ignore"):
        inverse = np.divide(1.0, std, out=np.zeros_like(std), where=std > 0)
        gain, bias = scale * inverse, (offset - mean) * inverse
    if (std < 0).any() or not (np.abs(np.concatenate([gain, bias])) < LARGEST).all():
        raise ImageError(
            f"The image's scale {_listed(scale)} and offset {_listed(offset)} cannot be brought to the mean "
            f"{_listed(mean)} and standard deviation {_listed(std)} of the training pixels.",
            "Finite numbers that bring the image's pixels to those that the network was trained on.",
            "Give the image's own scale and offset.",
            ["scale", "offset"],
        )
    return gain.astype(np.float32), bias.astype(np.float32)


def towards_own(
    mean: ArrayLike, std: ArrayLike, own_mean: ArrayLike | None, own_std: ArrayLike | None, share: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Statistics to normalise an image by, between those of the training pixels and its own.

    Light, air, season and a sensor's calibration shift and stretch the bands of a whole image. Normalised by its own
    statistics it looks as others do, and a network maps dates that it never saw; what it loses is how bright an image
    is as a whole.

    Args:
        mean: Of the training pixels, per band.
        std: Likewise.
        own_mean: Of the image, per band; None where it is not known.
        own_std: Likewise.
        share: 0 for the training's statistics to 1 for the image's own.

    Returns:
        Mean and standard deviation per band; the latter is at least ``LEAST_STD`` of the training's, so that an image
        of water alone is not all noise.
    """
    mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    if not share or own_mean is None or own_std is None:
        return mean, std
    own_std = np.maximum(np.asarray(own_std, np.float64), LEAST_STD * std)
    return (1 - share) * mean + share * np.asarray(own_mean, np.float64), (1 - share) * std + share * own_std


def _listed(values: NDArray[np.float64]) -> str:
    return ", ".join(f"{v:g}" for v in dict.fromkeys(values.tolist()))
