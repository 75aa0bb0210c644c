"""How images are to be read, as a project file or a command asks for it, and what that means for one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pitmap.errors import ImageError

if TYPE_CHECKING:
    from pitmap.raster.reading import RasterInfo


@dataclass(frozen=True)
class Reading:
    """How one image is read.

    Attributes:
        indices: Bands, counted from 1, in the order in which the network sees them.
        scales: One a band; the quantity is ``DN x scale + offset``.
        offsets: One a band.
        calibrated: Whether the scale is known, from what was asked or from the file; else all scales are 1.
    """

    indices: tuple[int, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    calibrated: bool


@dataclass(frozen=True)
class Asked:
    """How images are to be read. Each image resolves it against its own header: what is not asked for is its own.

    Attributes:
        bands: By number (from 1) or name, in the order in which the network sees them; None takes all but alpha.
        scale: Reflectance is ``DN x scale + offset``; one number for all bands or one a band; None takes the file's.
        offset: Likewise; 0 where only a scale is asked for.
        nodata: A pixel is invalid where any band has this value; None takes the file's.
    """

    bands: tuple[int | str, ...] | None = None
    scale: float | tuple[float, ...] | None = None
    offset: float | tuple[float, ...] | None = None
    nodata: float | None = None

    def resolve(self, info: RasterInfo, indices: Sequence[int] | None = None) -> Reading:
        """What is asked for means this for one image.

        Args:
            info: The image's header.
            indices: The bands, where they have been chosen in another way.

        Raises:
            ImageError: The image lacks a band, or scale or offset do not suit the bands.
        """
        indices = tuple(info.band_indices(self.bands) if indices is None else indices)
        scales, offsets = (_per_band(n, v, len(indices)) for n, v in (("scale", self.scale), ("offset", self.offset)))
        calibrated = scales is not None or info.has_scale
        if offsets is None:
            offsets = (0.0,) * len(indices) if scales is not None else tuple(info.offsets[i - 1] for i in indices)
        if scales is None:
            scales = tuple(info.scales[i - 1] for i in indices)
        return Reading(indices, scales, offsets, calibrated)


AS_IT_IS = Asked()
"""Nothing is asked for: the image says how it is read."""


def _per_band(name: str, value: float | Sequence[float] | None, bands: int) -> tuple[float, ...] | None:
    if value is None:
        return None
    values = tuple(float(v) for v in np.atleast_1d(value))
    values = values * bands if len(values) == 1 else values
    if len(values) != bands or not np.isfinite(values).all() or (name == "scale" and 0 in values):
        raise ImageError(
            f"The {name} {value!r} does not suit {bands} bands.",
            f"One finite number, or one for each of the {bands} bands" + (", not 0." if name == "scale" else "."),
        )
    return values
