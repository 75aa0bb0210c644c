"""The image's scaling and the training statistics folded into one factor and one summand per band."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def folded_scaling(
    scale: ArrayLike, offset: ArrayLike, mean: ArrayLike, std: ArrayLike
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``gain`` and ``bias`` of ``normalise.gain_and_bias``, as arrays. Arguments and errors as there."""
    scale, offset, mean, std = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(v, np.float64)) for v in (scale, offset, mean, std))
    )
    if not all(np.isfinite(v).all() for v in (scale, offset, mean, std)) or (std < 0).any():
        raise ValueError(f"Scale {scale}, offset {offset}, mean {mean} and std {std} must be finite, and std >= 0.")
    inverse = np.divide(1.0, std, out=np.zeros_like(std), where=std > 0)
    return (scale * inverse).astype(np.float32), ((offset - mean) * inverse).astype(np.float32)
