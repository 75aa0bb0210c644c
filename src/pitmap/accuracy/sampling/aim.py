"""A sample aimed at the area of one class: its strata, and the fewest points for a stated half-width.

Ground mapped as the class, ground of other classes near it and the other ground are each cut by how probable the map
says the class is, there and on the ground about it. Cuts may lie where the cumulative square root of the frequency is
shared out evenly (Dalenius and Hodges 1959, J. Am. Stat. Assoc. 54, 88-101); which of them are used, how many, and
whether the ground near the class is a part of its own follows from the precision asked for: the fewest points in all
(``planning.fewest_strata``). Each further stratum must be shown to be what it is by its own points, so that few strata
are used for a rough aim and more for a fine one. Without a probability the ground of the class near its border stands
for the doubtful.

How much of the class a stratum holds is expected from the calibrated probability, of which a part is not believed: near
the border of the class ``UNSURE_NEAR`` of the pixels, elsewhere ``UNSURE_FAR``, are expected to be of the class as
likely as not. Where only the confidence of the mapped class is known, one minus it bounds the probability of every
other class: near the class all of this doubt is taken for the class; elsewhere most of it is between other classes, and
such a part is taken that as much of the class is missed in all as is mapped too much, as on a map whose area is about
right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pitmap.accuracy.sampling.planning import KEPT, Choices, Plan, fewest_further, fewest_points, fewest_strata
from pitmap.accuracy.sampling.strata import LEVELS, Cuts, Ground, Strata, aimed_strata
from pitmap.errors import LabelError
from pitmap.legend import Legend
from pitmap.observer import clock

UNSURE_NEAR = 0.1
"""Share of the pixels near the border of the class on which the probability is not believed: mixed pixels, and
errors of position that the labels have as well."""

UNSURE_FAR = 0.0005
"""The same share elsewhere: what no probability knows of."""

POSSIBLE_CUTS = 7
"""Levels at which each part of the ground may be cut, besides the first with ground."""

WITHOUT_PROBABILITY = {(0, True): 0.95, (1, True): 0.75, (1, False): 0.15, (0, False): 0.005}
"""Share of the class that is expected where the map does not say how sure it is: by zone (1 near its border), and
whether the ground is mapped as the class."""

BELT_PIXELS = 3
"""Width of the belt in pixels where it is not stated: errors of position and mixed pixels lie in it."""

AROUND = 3
"""Pixels on each side of a pixel whose probability counts for it as well."""

FLOOR = 10
"""Least number of points of a stratum of an aimed sample."""

PRIOR_POINTS = 10
"""Points that the share expected of a stratum beforehand counts for when a sample is planned anew."""

LEAST_SHARE = 1e-4
"""Share of the class, and of what is not the class, that is never held impossible when a sample is planned anew."""


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
            f"{self.plan.half_width:,.3g} {self.unit} ({self.plan.half_width / self.area:.1%}) with 95 % confidence, "
            f"in {KEPT:.0%} of samples to ± {self.plan.kept:,.3g} {self.unit} or better."
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

    belief = _expected(ground, legend, code, source)
    # What is promised as a share is promised of the smaller of the two areas that the map gives.
    area = min(mapped, float((ground.areas * belief.plain).sum()) * scale) if source else mapped
    least = FLOOR if floor is None else floor

    def planned(belt: bool, edge: bool) -> Aim:
        others = [c.code for c in legend if c.code != code]
        both = [0, 1]
        named = [("edge", [1], [code])] if edge else []
        named += [("mapped", [0] if edge else both, [code])]
        named += [("near", [1], others)] if belt else []
        named += [("other", [0] if belt else both, others)]
        parts, cuts = [], {}
        for name, zones, codes in named:
            cells = np.ix_(zones, codes, range(LEVELS))
            of = [v[cells].sum(axis=(0, 1)) for v in (ground.areas * scale, ground.pixels, ground.areas * belief.plan)]
            if of[1].sum():
                cuts[name], choices = _choices(of[0], of[1], of[2] * scale, least)
                parts.append(choices)
        chosen, _ = fewest_strata(parts, target.half_width(area))
        levels = {
            name: tuple(int(cuts[name][part.first[k]]) for k in c.strata[1:])
            for name, part, c in zip(cuts, parts, chosen, strict=True)
        }
        near = levels.get("near", ()) if belt else None
        taken = Cuts(levels.get("mapped", ()), near, levels.get("other", ()), edge)
        strata = aimed_strata(legend, target.key, taken)
        areas, pixels = strata.sums(ground.areas) * scale, strata.sums(ground.pixels)
        shares = strata.sums(ground.areas * belief.plan) * scale / np.maximum(areas, 1e-12)
        present = pixels > 0
        found = fewest_points(areas[present], shares[present], target.half_width(area), pixels[present], least)
        points = np.zeros(len(areas), np.int64)
        points[present] = found.points
        return Aim(target, taken, strata, shares, area, Plan(points, found.half_width, found.kept), unit)

    belts = (True, False) if ground.areas[1, 1:].sum() > 0 else (False,)
    edges = (False,) if source else belts
    return min((planned(belt, edge) for belt in belts for edge in edges), key=lambda a: a.plan.points.sum())


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
    share = np.clip(beforehand, LEAST_SHARE, 1 - LEAST_SHARE)
    prior = PRIOR_POINTS * np.stack([share, 1 - share], axis=-1)
    return fewest_further(areas, pixels, points, labelled, of_class, prior, half_width)


def _choices(
    areas: NDArray[np.float64], pixels: NDArray[np.int64], of_class: NDArray[np.float64], floor: int
) -> tuple[NDArray[np.int64], Choices]:
    """Levels at which a part may be cut, and the strata between any two of them.

    Args:
        areas: Of the part by level, ``(LEVELS,)``.
        pixels: Likewise.
        of_class: Area of the class that is expected.
        floor: Least number of points of a stratum.
    """
    cuts = _cuts(areas)
    first, last = np.triu_indices(len(cuts), 1)
    sums = [np.concatenate([[0], v.cumsum()])[cuts] for v in (areas, pixels, of_class)]
    area, number, found = (v[last] - v[first] for v in sums)
    share = np.clip(found / np.maximum(area, 1e-12), 0, 1)
    return cuts, Choices(first, last, area, share, number.astype(np.float64), np.full(len(first), floor))


def _cuts(frequency: NDArray[np.float64]) -> NDArray[np.int64]:
    """Levels that share out the cumulative square root of the frequency evenly, with both ends."""
    total = np.sqrt(frequency).cumsum()
    shares = np.arange(1, POSSIBLE_CUTS + 1) / (POSSIBLE_CUTS + 1)
    first, last = np.flatnonzero(frequency)[[0, -1]]
    levels = {int(v) + 1 for v in np.searchsorted(total, shares * total[-1])} | {int(first) + 1}
    return np.array([0, *sorted(v for v in levels if first < v <= last), len(frequency)])


@dataclass(frozen=True)
class _Belief:
    """Share of the class expected in each cell: by the probabilities, and for a plan, ``(2, K + 1, LEVELS)``."""

    plain: NDArray[np.float64]
    plan: NDArray[np.float64]


def _expected(ground: Ground, legend: Legend, code: int, source: str) -> _Belief:
    levels = np.broadcast_to(np.arange(LEVELS) / (LEVELS - 1), ground.areas.shape).copy()
    others = [c.code for c in legend if c.code != code]
    levels[:, 0] = 0
    if source == "confidence" and len(legend) > 2:
        doubt = ground.areas * levels
        too_much = ground.areas[:, code].sum() - doubt[:, code].sum()
        missed = too_much - doubt[1, others].sum()
        levels[0, others] *= np.clip(missed / max(doubt[0, others].sum(), 1e-12), 0, 1)
    if not source:
        for (zone, inside), share in WITHOUT_PROBABILITY.items():
            levels[zone, code if inside else others] = share
        return _Belief(levels, levels)
    unsure = np.array([UNSURE_FAR, UNSURE_NEAR])[:, None, None]
    return _Belief(levels, levels + unsure * (0.5 - levels))
