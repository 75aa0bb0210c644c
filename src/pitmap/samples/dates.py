"""Dates that only the test, or only validation, sees.

Images of one place taken on several days share their ground, and a split of the ground keeps test pixels off the ground
that was learnt from; but the network has then seen every one of the days. Where whole days are held out as well, test
pixels share neither ground nor acquisition with training, which is how a map of next year's image is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pitmap.errors import ProjectError
from pitmap.samples.split import USED, Split
from pitmap.study.schema import SamplesSection


@dataclass(frozen=True)
class HeldOut:
    """Days that are held out.

    Attributes:
        test: For the test alone.
        validation: For validation alone.
    """

    test: frozenset[date] = frozenset()
    validation: frozenset[date] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.test or self.validation)

    def splits_of(self, day: date | None) -> tuple[Split, ...]:
        """The splits that an image of a day may have ground of; training and those without days of their own share."""
        if day in self.test:
            return (Split.TEST,)
        if day in self.validation:
            return (Split.VALIDATION,)
        own = {Split.TEST: self.test, Split.VALIDATION: self.validation}
        return tuple(split for split in USED if not own.get(split))


def held_out(settings: SamplesSection, days: Sequence[date | None], seed: int) -> HeldOut:
    """The days that ``[samples]`` holds out.

    Args:
        settings: ``[samples]``.
        days: Of the images; None where nothing says when one was taken.
        seed: Chooses the day of ``leave_out = "date"``.

    Raises:
        ProjectError: A day has no image, or none is left to learn from.
    """
    known = sorted({day for day in days if day is not None})
    test = {date.fromisoformat(day) for day in settings.test_dates}
    validation = {date.fromisoformat(day) for day in settings.validation_dates}
    if settings.leave_out == "date" and not test and (free := [day for day in known if day not in validation]):
        test = {free[int(np.random.default_rng(seed).integers(len(free)))]}
    elif not test and not validation and settings.leave_out is None:
        return HeldOut()
    if unknown := sorted((test | validation) - set(known)):
        raise ProjectError(
            f"[samples] holds out {unknown[0]}, and no image was taken on that day.",
            f"Days of the images: {_listed(known)}.",
            "An image says its day in its metadata or in its name, as in scene_20230530.tif.",
        )
    if not (test or validation) or all(day in test | validation for day in days):
        raise ProjectError(
            f"[samples] holds out dates, and no image is left to learn from; days of the images: {_listed(known)}.",
            "One day more than are held out.",
            "Add images of other days, or hold out fewer.",
        )
    return HeldOut(frozenset(test), frozenset(validation))


def _listed(days: Iterable[date]) -> str:
    return ", ".join(day.isoformat() for day in days) or "none is known"
