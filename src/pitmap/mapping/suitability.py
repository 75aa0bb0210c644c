"""Does an image fit a model? Decided from the model's card and the image's header, before any work starts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pitmap.errors import ImageError, ModelError
from pitmap.networks.model_file import ModelCard
from pitmap.raster.reading import RasterInfo

PIXEL_SIZE_TOLERANCE = 0.1
"""Share by which the pixels of an image may be larger or smaller than those the model was trained on."""


@dataclass(frozen=True)
class ImageReading:
    """How an image is to be read for a model.

    Attributes:
        indices: Bands, counted from 1, in the order of the model's.
        scale: One a band: the model's unit is ``DN x scale + offset``.
        offset: One a band.
    """

    indices: tuple[int, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]


def fit_image(
    card: ModelCard,
    info: RasterInfo,
    default_bands: Sequence[int],
    *,
    bands: Sequence[int | str] | None = None,
    scale: float | Sequence[float] | None = None,
    offset: float | Sequence[float] | None = None,
    pixel_size_m: float | None = None,
) -> ImageReading:
    """Check bands, scale and pixel size of an image against what a model was trained on.

    Args:
        card: The model's.
        info: The image's header.
        default_bands: Bands of the image without its alpha band, counted from 1.
        bands: The bands that the user chose, by number or name. Without a choice the model's bands are taken by their
            names where the image has all of them, else all bands.
        scale: What the user states, for all bands or one a band; without it the file's own.
        offset: Likewise; 0 where only a scale is stated.
        pixel_size_m: Stated for an image without a CRS.

    Raises:
        ImageError: The image lacks a band, or its pixels are not real numbers.
        ModelError: The image does not fit the model.
    """
    if np.dtype(info.dtype).kind not in "uif":
        raise ImageError(f"{info.path} holds {info.dtype} pixels.", "Integers or floating-point numbers.")
    indices = _bands(card, info, default_bands, bands)
    _check_pixel_size(card, info, pixel_size_m)
    per_band_scale = _per_band("scale", scale, len(indices))
    per_band_offset = _per_band("offset", offset, len(indices))
    if card.unit == "DN":
        _check_plain_values(card, info, per_band_scale, per_band_offset)
        return ImageReading(indices, (1.0,) * len(indices), (0.0,) * len(indices))
    if per_band_scale is None and not info.has_scale:
        raise ModelError(
            f"The model was trained on reflectance, and {info.path} does not say how its {info.dtype} values become "
            "reflectance.",
            "Reflectance = DN x scale + offset, from the project's site, the file's tags or the options.",
            "Give the scale and offset of the product: --scale 0.0001 for reflectance x 10000, --scale 1 for plain "
            "reflectance.",
        )
    if per_band_offset is None:
        own = tuple(info.offsets[i - 1] for i in indices)
        per_band_offset = own if per_band_scale is None else (0.0,) * len(indices)
    if per_band_scale is None:
        per_band_scale = tuple(info.scales[i - 1] for i in indices)
    return ImageReading(indices, per_band_scale, per_band_offset)


def _bands(
    card: ModelCard, info: RasterInfo, default_bands: Sequence[int], bands: Sequence[int | str] | None
) -> tuple[int, ...]:
    wanted = ", ".join(card.bands)
    if bands is not None:
        chosen = tuple(info.band_indices(bands))
        if len(chosen) != len(card.bands):
            raise ModelError(
                f"{len(chosen)} bands are chosen, and the model takes {len(card.bands)}: {wanted}.",
                remedy="Choose the model's bands, in its order.",
            )
        return chosen
    names = [(d or "").casefold() for d in info.descriptions]
    asked = [b.casefold() for b in card.bands]
    if not any(_is_nameless(b) for b in asked) and all(names.count(b) == 1 for b in asked):
        return tuple(names.index(b) + 1 for b in asked)
    if len(default_bands) != len(card.bands):
        raise ModelError(
            f"{info.path} has {len(default_bands)} bands, and the model takes {len(card.bands)}: {wanted}.",
            remedy="Choose the model's bands, in its order, with --bands.",
        )
    for index, band in zip(default_bands, card.bands, strict=True):
        name = info.descriptions[index - 1] or ""
        if not _is_nameless(band) and not _is_nameless(name) and name.casefold() != band.casefold():
            raise ModelError(
                f"Band {index} of {info.path} is {name!r} where the model takes {band!r}.",
                f"The bands {wanted}, in this order.",
                "If only the names differ, state the bands by number with --bands.",
            )
    return tuple(default_bands)


def _is_nameless(band: str) -> bool:
    return re.fullmatch(r"(band[ _]*)?\d*", band, re.IGNORECASE) is not None


def _check_pixel_size(card: ModelCard, info: RasterInfo, stated: float | None) -> None:
    if card.pixel_size_m is None:
        return
    found = info.grid.pixel_size_m if stated is None else stated
    if found is None:
        raise ModelError(
            f"{info.path} has no coordinate reference system, so the size of its pixels is not known.",
            f"Pixels of {card.pixel_size_m:.3g} m, on which the model was trained.",
            "Assign the CRS with gdal_edit or QGIS, or state the pixel size with --pixel-size.",
        )
    if abs(found / card.pixel_size_m - 1) > PIXEL_SIZE_TOLERANCE:
        raise ModelError(
            f"The pixels of {info.path} measure {found:.3g} m.",
            f"{card.pixel_size_m:.3g} m, on which the model was trained, within {PIXEL_SIZE_TOLERANCE:.0%}.",
            f"Resample the image to {card.pixel_size_m:.3g} m (gdalwarp -tr), or train a model on pixels of this size.",
        )


def _check_plain_values(
    card: ModelCard, info: RasterInfo, scale: tuple[float, ...] | None, offset: tuple[float, ...] | None
) -> None:
    if info.dtype != card.dtype:
        raise ModelError(
            f"{info.path} holds {info.dtype} values, and the model was trained on plain {card.dtype} values.",
            "Pixels of the same type, from the same kind of product.",
            "Convert the image as the training images were, or train on reflectance: give the sites a scale.",
        )
    stated = scale is not None or offset is not None
    if any(s != 1 for s in scale or ()) or any(o != 0 for o in offset or ()) or (info.has_scale and not stated):
        raise ModelError(
            f"A scale is known for {info.path}, and the model was trained on plain {card.dtype} values without one.",
            "The same kind of pixel values as in training.",
            "Give the scale of the training images and train again; or, if the plain values of this image are what the "
            "model was trained on, state that with --scale 1 --offset 0.",
        )


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
