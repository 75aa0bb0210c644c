"""A sample aimed at the area of one class: its strata, and the fewest points for a stated half-width.

Ground mapped as the class is cut into sure and doubtful, ground of other classes into what lies near the class, what is
doubtful, and the rest. Where the map says how probable the class is, doubtful is what lies beyond a cut on that
probability: at a third, a half or two thirds of the cumulative square root of its frequency (Dalenius and Hodges 1959,
J. Am. Stat. Assoc. 54, 88-101), whichever needs the fewest points for the precision asked for (the aim of Lavallée and
Hidiroglou 1988, Survey Methodology 14, 33-43). Every cut may also be left out: where few points decide, each stratum in
which the class is nearly absent must be shown to be so by its own points. Without a probability the ground of the class
near its border stands for the doubtful.

How much of the class a stratum holds is expected with caution, so that the promise is kept: from the calibrated
probability, with ``CAUTION`` times as much error as it says and at least ``LEAST_ERROR``; and the plan is made for
``MARGIN`` of the half-width asked for. Where only the confidence of the mapped class is known, one minus it bounds the
probability of every other class: near the class all of this doubt is taken for the class; elsewhere most of it is
between other classes, and such a part is taken that as much of the class is missed in all as is mapped too much, as on
a map whose area is about right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pitmap.accuracy.sampling.planning import Plan, fewest_points
from pitmap.accuracy.sampling.strata import LEVELS, Cuts, Ground, Strata, aimed_strata
from pitmap.errors import LabelError
from pitmap.legend import Legend
from pitmap.observer import clock

CAUTION = 1.5
"""Error expected, as a multiple of what the probability says."""

MARGIN = 0.9
"""Half-width that is planned for, as a share of what is asked for: samples differ, and so do their intervals."""

LEAST_ERROR = {"sure": 0.02, "unsure": 0.02, "belt": 0.03, "doubtful": 0.005, "rest": 0.001}
"""Least share of a stratum that is expected to be wrong: of ground of the class, and of other ground."""

WITHOUT_PROBABILITY = {(0, True): 0.95, (1, True): 0.75, (1, False): 0.15, (0, False): 0.005}
"""Share of the class that is expected where the map does not say how sure it is: by zone (1 near its border), and
whether the ground is mapped as the class."""

BELT_PIXELS = 3
"""Width of the belt in pixels where it is not stated: errors of position and mixed pixels lie in it."""

FLOOR = 10
"""Least number of points of a stratum of an aimed sample."""

PRIOR_POINTS = 10
"""Points that the share expected of a stratum beforehand counts for when a sample is planned anew."""


@dataclass(frozen=True)
class Target:
    """How well the area of a class is to be known.

    Attributes:
        key: The class.
        relative: Half-width of the 95 % interval as a share of the area; or
        hectares: in hectares.
    """

    key: str
    relative: float | None = None
    hectares: float | None = None

    def __post_init__(self) -> None:
        if (self.relative is None) == (self.hectares is None):
            raise LabelError(
                f"How well the area of {self.key} is to be known is not said once.",
                "The half-width of its interval either as a share of the area, such as 0.1, or in hectares.",
            )

    def half_width(self, area: float) -> float:
        """In the unit of the area, hectares where the map has a CRS."""
        return self.hectares if self.hectares is not None else (self.relative or 0.0) * area


@dataclass(frozen=True)
class Aim:
    """Strata, points, and what is expected of them.

    Attributes:
        target: What was asked for.
        cuts: Where the strata are cut.
        strata: The strata.
        expected: Share of the class in each stratum that is expected with caution, ``(H,)``.
        area: Area of the class by the probabilities, in the unit of ``half_width``.
        plan: Points and half-width.
        unit: ``ha`` or ``pixels``.
    """

    target: Target
    cuts: Cuts
    strata: Strata
    expected: NDArray[np.float64]
    area: float
    plan: Plan
    unit: str

    def sentence(self, seconds_a_point: float) -> str:
        """What the sample costs and what it promises."""
        n = int(self.plan.points.sum())
        return (
            f"{n} points, about {clock(n * seconds_a_point)} at {seconds_a_point:g} s each: the area of "
            f"{self.target.key} (about {self.area:,.4g} {self.unit}) is expected to be known to ± "
            f"{self.plan.half_width:,.3g} {self.unit} ({self.plan.half_width / self.area:.1%}) with 95 % confidence."
        )


def aim(ground: Ground, legend: Legend, target: Target, source: str, floor: int | None, unit: str) -> Aim:
    """Choose strata and points.

    Args:
        ground: Of the map; zone 1 lies near the border of the class.
        legend: The classes.
        target: How well the area of which class is to be known.
        source: ``confidence``, ``probabilities``, or empty where all levels are 0.
        floor: Least number of points of a stratum, None for ``FLOOR``.
        unit: ``ha``, or ``pixels`` for a map without a CRS.

    Raises:
        LabelError: Nothing is mapped as the class, or the aim cannot be reached.
    """
    code, scale = legend[target.key].code, 1e-4 if unit == "ha" else 1.0
    mapped = float(ground.areas[:, code].sum()) * scale
    if mapped == 0:
        raise LabelError(
            f"Nothing on the map is {target.key}.",
            "A class that is mapped: the half-width asked for is laid out for its area.",
            "Draw a sample of all classes, with a stated number of points.",
        )

    def planned(cuts: Cuts, step: float) -> Aim:
        strata = aimed_strata(legend, target.key, cuts)
        plain, cautious = _expected(ground, strata, legend, code, source)
        areas, pixels = strata.sums(ground.areas) * scale, strata.sums(ground.pixels)
        # What is promised as a share is promised of the smaller of the two areas that the map gives.
        area = min(mapped, float((areas * plain).sum())) if source else mapped
        present = pixels > 0
        found = fewest_points(
            areas[present], cautious[present], MARGIN * target.half_width(area), pixels[present],
            FLOOR if floor is None else floor, step,
        )  # fmt: skip
        points = np.zeros(len(areas), np.int64)
        points[present] = found.points
        return Aim(target, cuts, strata, cautious, area, Plan(points, found.half_width), unit)

    candidates = [planned(cuts, 1.1) for cuts in _choices(ground, legend, code, source)]
    return planned(min(candidates, key=lambda a: a.plan.points.sum()).cuts, 1.03)


def replan(
    areas: NDArray[np.float64],
    pixels: NDArray[np.int64],
    points: NDArray[np.int64],
    of_class: NDArray[np.int64],
    labelled: NDArray[np.int64],
    beforehand: NDArray[np.float64],
    half_width: Callable[[float], float],
) -> Plan:
    """The fewest points of a sample that holds the one drawn before, planned from its labels.

    Args:
        areas: Of each stratum, ``(H,)``.
        pixels: Of each stratum.
        points: Drawn before, of each stratum.
        of_class: Points of each stratum labelled as the class.
        labelled: Points of each stratum with a label.
        beforehand: Share of the class that was expected of each stratum; it counts for ``PRIOR_POINTS`` points.
        half_width: What is asked for, from the area of the class.

    Raises:
        LabelError: The aim cannot be reached.
    """
    shares = (of_class + PRIOR_POINTS * beforehand) / (labelled + PRIOR_POINTS)
    found = np.where(labelled > 0, of_class / np.maximum(labelled, 1), beforehand)
    return fewest_points(areas, shares, MARGIN * half_width(float((areas * found).sum())), pixels, points)


def _choices(ground: Ground, legend: Legend, code: int, source: str) -> list[Cuts]:
    belts = (True, False) if ground.areas[1, 1:].sum() > 0 else (False,)
    if not source:
        return [Cuts(belt=belt, edge=edge) for belt, edge in product(belts, belts)]
    others = [c.code for c in legend if c.code != code]
    of_class, of_others = ground.areas[:, code].sum(axis=0), ground.areas[:, others].sum(axis=(0, 1))
    return [
        Cuts(mapped, other, belt)
        for mapped, other, belt in product([None, *_cuts(of_class)], [None, *_cuts(of_others)], belts)
    ]


def _cuts(frequency: NDArray[np.float64]) -> list[int]:
    """Levels at a third, a half and two thirds of the cumulative square root of the frequency."""
    total = np.sqrt(frequency).cumsum()
    if total[-1] == 0:
        return []
    levels = {int(np.searchsorted(total, share * total[-1])) + 1 for share in (1 / 3, 1 / 2, 2 / 3)}
    first, last = np.flatnonzero(frequency)[[0, -1]]
    return sorted(level for level in levels if first < level <= last)


def _expected(
    ground: Ground, strata: Strata, legend: Legend, code: int, source: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of the class in each stratum: by the probabilities, and with caution."""
    area = np.maximum(strata.sums(ground.areas), 1e-12)
    levels = np.broadcast_to(np.arange(LEVELS) / (LEVELS - 1), ground.areas.shape).copy()
    others = [c.code for c in legend if c.code != code]
    if source == "confidence" and len(legend) > 2:
        doubt = ground.areas * levels
        too_much = ground.areas[:, code].sum() - doubt[:, code].sum()
        missed = too_much - doubt[1, others].sum()
        levels[0, others] *= np.clip(missed / max(doubt[0, others].sum(), 1e-12), 0, 1)
    if not source:
        for (zone, inside), share in WITHOUT_PROBABILITY.items():
            levels[zone, code if inside else others] = share
    plain = strata.sums(ground.areas * levels) / area
    if not source:
        return plain, plain
    cautious = np.zeros_like(plain)
    for h, kind in enumerate(strata.kinds):
        of_class = kind in ("sure", "unsure")
        error = min(max(CAUTION * (1 - plain[h] if of_class else plain[h]), LEAST_ERROR[kind]), 0.5)
        cautious[h] = 1 - error if of_class else error
    return plain, cautious
