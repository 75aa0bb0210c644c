"""Does an image fit a model? Decided from the model's card, the image's header and a few pixels, before work starts."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pitmap.errors import ImageError, ModelError
from pitmap.grid import lack_of_place
from pitmap.networks.model_card import ModelCard
from pitmap.raster.reading import RasterInfo
from pitmap.raster.statistics import Spread
from pitmap.study.asked import AS_IT_IS, Asked, Reading

PIXEL_SIZE_TOLERANCE = 0.1
"""Share by which the pixels of an image may be larger or smaller than those the model was trained on."""

MOST_SHIFT, LARGEST_SHIFT = 1.0, 4.0
"""Standard deviations by which most bands, and any band, may lie away from the training ground."""

MOST_STRETCH, LARGEST_STRETCH = 3.5, 10.0
"""Factors by which most bands, and any band, may be more or less spread than on the training ground."""

FACTORS, OFFSETS = (1e-4, 1e-3, 0.01, 0.1, 10.0, 100.0, 1e3, 1e4), (-0.1, 0.1)
"""Usual mistakes in a scale and in an offset of reflectance."""


def fit_image(
    card: ModelCard,
    info: RasterInfo,
    default_bands: Sequence[int],
    asked: Asked = AS_IT_IS,
    pixel_size_m: float | None = None,
) -> Reading:
    """Check bands, scale and pixel size of an image against what a model was trained on.

    Args:
        card: The model's.
        info: The image's header.
        default_bands: Bands of the image without its alpha band, counted from 1.
        asked: What the user asks for. Without a choice of bands the model's are taken by their names where the image
            has all of them, else all bands.
        pixel_size_m: Stated for an image without a CRS.

    Returns:
        How the image is read: bands in the order of the model's, and the scaling to the model's unit.

    Raises:
        ImageError: The image lacks a band, or its pixels are not real numbers.
        ModelError: The image does not fit the model.
    """
    if np.dtype(info.dtype).kind not in "uif":
        raise ImageError(f"{info.path} holds {info.dtype} pixels.", "Integers or floating-point numbers.")
    indices = _bands(card, info, default_bands, asked.bands)
    _check_pixel_size(card, info, pixel_size_m)
    reading = asked.resolve(info, indices)
    if card.unit == "DN":
        _check_plain_values(card, info, asked, reading)
        return Reading(indices, (1.0,) * len(indices), (0.0,) * len(indices), calibrated=False)
    if not reading.calibrated:
        raise ModelError(
            f"The model was trained on reflectance, and {info.path} does not say how its {info.dtype} values become "
            "reflectance.",
            "Reflectance = DN x scale + offset, from the project's site, the file's tags or the options.",
            "Give the scale and offset of the product: a scale of 0.0001 for reflectance x 10000, of 1 for plain "
            "reflectance.",
            ["scale", "offset"],
        )
    return reading


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
            remedy="Choose the model's bands, in its order.",
            options=["bands"],
        )
    for index, band in zip(default_bands, card.bands, strict=True):
        name = info.descriptions[index - 1] or ""
        if not _is_nameless(band) and not _is_nameless(name) and name.casefold() != band.casefold():
            raise ModelError(
                f"Band {index} of {info.path} is {name!r} where the model takes {band!r}.",
                f"The bands {wanted}, in this order.",
                "If only the names differ, state the bands by number.",
                ["bands"],
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
            f"{info.path} {lack_of_place(info.grid.local_crs)}, so the size of its pixels is not known.",
            f"Pixels of {card.pixel_size_m:.3g} m, on which the model was trained.",
            "Assign the CRS with gdal_edit or QGIS, or state the size of a pixel.",
            ["pixel_size_m"],
        )
    if abs(found / card.pixel_size_m - 1) > PIXEL_SIZE_TOLERANCE:
        raise ModelError(
            f"The pixels of {info.path} measure {found:.3g} m.",
            f"{card.pixel_size_m:.3g} m, on which the model was trained, within {PIXEL_SIZE_TOLERANCE:.0%}.",
            f"Resample the image to {card.pixel_size_m:.3g} m (gdalwarp -tr), or train a model on pixels of this size.",
        )


def _check_plain_values(card: ModelCard, info: RasterInfo, asked: Asked, reading: Reading) -> None:
    if info.dtype != card.dtype:
        raise ModelError(
            f"{info.path} holds {info.dtype} values, and the model was trained on plain {card.dtype} values.",
            "Pixels of the same type, from the same kind of product.",
            "Convert the image as the training images were, or train on reflectance: give the sites a scale.",
        )
    plain = all(s == 1 for s in reading.scales) and all(o == 0 for o in reading.offsets)
    stated = asked.scale is not None or asked.offset is not None
    if not plain or (info.has_scale and not stated):
        raise ModelError(
            f"A scale is known for {info.path}, and the model was trained on plain {card.dtype} values without one.",
            "The same kind of pixel values as in training.",
            "Give the scale of the training images and train again; or, if the plain values of this image are what the "
            "model was trained on, state a scale of 1 and an offset of 0.",
            ["scale", "offset"],
        )


def unlike(card: ModelCard, image: Spread) -> str | None:
    """A sentence where the numbers of an image are of another kind than those that the model was trained on.

    Seasons and places shift and stretch single bands; an offset that was forgotten, a wrong scale or another order of
    bands moves most of them. What counts is therefore how far most bands are away: a quarter of them may be farther. A
    shift is measured in the standard deviation of image and training pixels together. The limits lie between what real
    dates and simulated places differ by and what wrong scalings do, see ``docs/method.md``.

    Args:
        card: The model's.
        image: Of the image.

    Returns:
        None where they are alike.
    """
    training = Spread(np.array(card.mean), np.array(card.std))
    if _alike(training, image):
        return None
    figures = ", ".join(
        f"{band} {mean:.4g} ± {std:.3g} (training {known_mean:.4g} ± {known_std:.3g})"
        for band, mean, std, known_mean, known_std in zip(card.bands, *image, *training, strict=True)
    )
    unit = "reflectance" if card.unit == "reflectance" else "plain values"
    return (
        f"The numbers of this image are unlike those that the model was trained on, so that its map may mean nothing. "
        f"Mean and standard deviation of the bands, {unit}: {figures}. {_likely_cause(card, training, image)}"
    )


def _alike(training: Spread, image: Spread) -> bool:
    together = np.sqrt((training.std**2 + image.std**2) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.nan_to_num(np.abs(image.mean - training.mean) / together, posinf=np.inf)
        stretch = np.abs(np.log(image.std / training.std))
    stretch = np.nan_to_num(stretch, nan=0.0, posinf=np.inf)
    return bool(
        _of_most(shift) <= MOST_SHIFT
        and shift.max() <= LARGEST_SHIFT
        and _of_most(stretch) <= np.log(MOST_STRETCH)
        and stretch.max() <= np.log(LARGEST_STRETCH)
    )


def _of_most(values: NDArray[np.float64]) -> float:
    """The value that three quarters of the bands do not exceed."""
    return float(np.quantile(values, 0.75, method="lower"))


def _likely_cause(card: ModelCard, training: Spread, image: Spread) -> str:
    """What would make the numbers alike, or what to look at."""
    mean, std = image
    candidates = {f"numbers {factor:g} times as large": Spread(mean * factor, std * factor) for factor in FACTORS}
    if card.unit == "reflectance":
        candidates |= {f"an offset that is {c:+g} from here": Spread(mean + c, std) for c in OFFSETS}
    if len(mean) > 1:
        candidates["the bands in the reverse order"] = Spread(mean[::-1], std[::-1])
    fitting = [name for name, spread in candidates.items() if _alike(training, spread)]
    if fitting:
        return f"It would fit with {' or '.join(fitting)}: check scale, offset and the order of the bands."
    return "Check scale, offset, the order of the bands, and whether the image is saturated or of another product."
