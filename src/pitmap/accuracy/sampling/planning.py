"""How few points, and where, for an area that is to be known to a stated half-width.

The area of a class is ``A = sum_h A_h p_h`` with p_h its share of stratum h. From n_h points the interval of
``intervals.ratio_limits`` reaches from A down by ``sqrt(sum_h A_h^2 (p_h - l_h)^2)`` and up by
``sqrt(sum_h A_h^2 (u_h - p_h)^2)``. What these distances will be is expected over the binomial draw from guessed
shares; the points are then laid where a further one takes most off the half-width: the allocation of least cost for
one aim (Cochran 1977, Sampling Techniques, section 5.5), with the interval that will be reported in place of the
variance. For shares far from 0 and 1 this is Neyman's allocation; where a share is near 0 it still asks for the points
that are needed to show that it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from pitmap.accuracy.sampling.intervals import jeffreys
from pitmap.errors import LabelError

MOST_POINTS = 20_000
"""Points that a plan may ask for in one stratum."""


@dataclass(frozen=True)
class Plan:
    """Points for one aim.

    Attributes:
        points: Of each stratum, int64 ``(H,)``.
        half_width: Expected half-width of the 95 % interval of the class's area, in the unit of the areas.
    """

    points: NDArray[np.int64]
    half_width: float


def expected_half_width(points: ArrayLike, areas: ArrayLike, shares: ArrayLike, unseen: ArrayLike = 1.0) -> float:
    """Half the length of the 95 % interval of a class's area that is to be expected.

    Args:
        points: Of each stratum, ``(H,)``.
        areas: Of each stratum, ``(H,)``.
        shares: Guessed share of the class in each stratum, ``(H,)``.
        unseen: Share of each stratum that is not in the sample, ``(H,)``.
    """
    n, a, p = (np.asarray(v) for v in (points, areas, shares))
    down, up = np.array([_squared_distances(int(k), float(q)) for k, q in zip(n, p, strict=True)]).T
    factor = a**2 * np.asarray(unseen, np.float64)
    return float((np.sqrt((factor * down).sum()) + np.sqrt((factor * up).sum())) / 2)


def fewest_points(
    areas: ArrayLike, shares: ArrayLike, half_width: float, pixels: ArrayLike | None = None, floor: int = 10
) -> Plan:
    """The fewest points whose expected interval of a class's area is not wider than asked for.

    Args:
        areas: Of each stratum, ``(H,)``, above 0.
        shares: Guessed share of the class in each stratum, ``(H,)``.
        half_width: Asked for, in the unit of the areas.
        pixels: Of each stratum, its greatest number of points.
        floor: Least number of points of a stratum, as far as it has pixels.

    Raises:
        LabelError: The half-width is not above 0, or more points would be needed than there may be.
    """
    a, p = np.asarray(areas, np.float64), np.asarray(shares, np.float64)
    if not half_width > 0:
        raise LabelError(f"The half-width asked for is {half_width:g}.", "A number above 0.")
    whole = np.full(len(a), np.inf) if pixels is None else np.asarray(pixels, np.float64)
    ladders = [_ladder(int(min(floor, n)), int(min(n, MOST_POINTS))) for n in whole]
    # Both directions count alike.
    widths = [
        area**2 * (1 - ladder / n) * np.array([sum(_squared_distances(int(k), float(share))) for k in ladder])
        for area, share, n, ladder in zip(a, p, whole, ladders, strict=True)
    ]

    def plan_at(price: float) -> Plan:
        """The points of each stratum at a price of a squared half-width in points."""
        points = np.array([k[np.argmin(k + price * w)] for k, w in zip(ladders, widths, strict=True)])
        return Plan(points, expected_half_width(points, a, p, 1 - points / whole))

    low, high = -60.0, 60.0
    scale = 1 / (a**2).sum()
    best = plan_at(scale * np.exp(high))
    if best.half_width > half_width:
        raise LabelError(
            f"A half-width of {half_width:,.4g} cannot be reached: {int(best.points.sum()):,} points would leave "
            f"{best.half_width:,.4g}.",
            "An aim that the ground allows.",
            "Ask for a wider interval.",
        )
    for _ in range(60):
        middle = (low + high) / 2
        plan = plan_at(scale * np.exp(middle))
        if plan.half_width <= half_width:
            high, best = middle, plan
        else:
            low = middle
    return best


def _ladder(least: int, most: int) -> NDArray[np.int64]:
    """Numbers of points to choose among, each 3 % above the one before."""
    steps = [least]
    while steps[-1] < most:
        steps.append(min(most, max(steps[-1] + 1, round(steps[-1] * 1.03))))
    return np.array(steps)


@lru_cache(maxsize=65536)
def _squared_distances(points: int, share: float) -> tuple[float, float]:
    """Expected squared distance from an estimated share to its lower and to its upper Jeffreys limit."""
    if points == 0:
        return share**2, (1 - share) ** 2
    middle, reach = points * share, 8 * np.sqrt(points * share * (1 - share)) + 12
    counts = np.arange(max(0, int(middle - reach)), min(points, int(middle + reach)) + 1)
    weights = binom.pmf(counts, points, share)
    limits = jeffreys(counts, points)
    estimate = counts / points
    return float((weights * (estimate - limits.lower) ** 2).sum()), float(
        (weights * (limits.upper - estimate) ** 2).sum()
    )
