"""The statistics by which the bands of an image are normalised for a model."""

from __future__ import annotations

from pathlib import Path

from pitmap.networks.model_card import ModelCard
from pitmap.networks.scaling import towards_own
from pitmap.raster.reading import open_raster
from pitmap.raster.statistics import OWN_WINDOWS, spread_of
from pitmap.study.asked import Reading

Statistics = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation, one a band, in the model's unit."""


def statistics_for(card: ModelCard, image: Path, reading: Reading, nodata: float | None) -> Statistics:
    """Those of the training ground, or between these and the image's own where the model goes by them.

    The image's own are those of the whole image, whatever part of it is mapped, as in training.

    Args:
        card: The model's.
        image: The image.
        reading: How it is read.
        nodata: Overrides the file's nodata value.

    Raises:
        ImageError: The pixels cannot be read.
    """
    if not card.own_statistics:
        return card.mean, card.std
    with open_raster(image, reading.indices, nodata) as reader:
        own = spread_of(reader, reading, windows=OWN_WINDOWS)
    if own is None:
        return card.mean, card.std
    mean, std = towards_own(card.mean, card.std, own.mean, own.std, card.own_statistics)
    return tuple(mean.tolist()), tuple(std.tolist())
