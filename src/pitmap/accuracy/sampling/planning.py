"""How many points, and where: for the overall accuracy, or for an area that is to be known to a stated half-width.

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
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from pitmap.accuracy.sampling.intervals import Z_95, jeffreys
from pitmap.errors import LabelError

Allocation = Literal["equal", "proportional", "neyman"]

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
    down, up = np.array([_squared_distances((int(k),), float(q))[0] for k, q in zip(n, p, strict=True)]).T
    factor = a**2 * np.asarray(unseen, np.float64)
    return float((np.sqrt((factor * down).sum()) + np.sqrt((factor * up).sum())) / 2)


def fewest_points(
    areas: ArrayLike,
    shares: ArrayLike,
    half_width: float,
    pixels: ArrayLike | None = None,
    floor: ArrayLike = 10,
    step: float = 1.03,
) -> Plan:
    """The fewest points whose expected interval of a class's area is not wider than asked for.

    Args:
        areas: Of each stratum, ``(H,)``, above 0.
        shares: Guessed share of the class in each stratum, ``(H,)``.
        half_width: Asked for, in the unit of the areas.
        pixels: Of each stratum, its greatest number of points.
        floor: Least number of points of a stratum, as far as it has pixels; one number, or one a stratum.
        step: Ratio of the numbers of points that are tried; a wide one is quicker and finds a few points more.

    Raises:
        LabelError: The half-width is not above 0, or more points would be needed than there may be.
    """
    a, p = np.asarray(areas, np.float64), np.asarray(shares, np.float64)
    if not half_width > 0:
        raise LabelError(f"The half-width asked for is {half_width:g}.", "A number above 0.")
    whole = np.full(len(a), np.inf) if pixels is None else np.asarray(pixels, np.float64)
    least = np.broadcast_to(np.asarray(floor), a.shape)
    ladders = [
        _ladder(int(min(k, n)), int(min(n, max(MOST_POINTS, k))), step) for k, n in zip(least, whole, strict=True)
    ]
    distances = [
        (area**2 * (1 - ladder / n))[:, None] * _squared_distances(tuple(ladder.tolist()), float(share))
        for area, share, n, ladder in zip(a, p, whole, ladders, strict=True)
    ]

    def plan_at(price: float) -> Plan:
        """The points of each stratum at a price of a squared half-width in points; both directions count alike."""
        best = [int(np.argmin(k + price * d.sum(axis=1))) for k, d in zip(ladders, distances, strict=True)]
        down, up = np.sqrt(sum(d[i] for d, i in zip(distances, best, strict=True)))
        return Plan(np.array([k[i] for k, i in zip(ladders, best, strict=True)]), float(down + up) / 2)

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
    for _ in range(40):
        middle = (low + high) / 2
        plan = plan_at(scale * np.exp(middle))
        if plan.half_width <= half_width:
            high, best = middle, plan
        else:
            low = middle
    return best


def _ladder(least: int, most: int, step: float) -> NDArray[np.int64]:
    """Numbers of points to choose among, each ``step`` times the one before."""
    steps = [least]
    while steps[-1] < most:
        steps.append(min(most, max(steps[-1] + 1, round(steps[-1] * step))))
    return np.array(steps)


@lru_cache(maxsize=256)
def _squared_distances(points: tuple[int, ...], share: float) -> NDArray[np.float64]:
    """Expected squared distances from an estimated share to its lower and upper Jeffreys limits, ``(N, 2)``."""
    n = np.array(points, np.float64)
    middle, reach = n * share, 5 * np.sqrt(n * share * (1 - share)) + 10
    first, last = np.maximum(0, np.floor(middle - reach)), np.minimum(n, np.ceil(middle + reach))
    length = (last - first + 1).astype(np.int64)
    start = np.cumsum(length) - length
    of = np.repeat(np.arange(len(n)), length)
    counts = first[of] + (np.arange(len(of)) - start[of])
    trials = n[of]
    weights = binom.pmf(counts, trials, share)
    limits = jeffreys(counts, trials)
    estimate = np.divide(counts, trials, out=np.full_like(counts, share), where=trials > 0)
    down, up = weights * (estimate - limits.lower) ** 2, weights * (limits.upper - estimate) ** 2
    return np.stack([np.add.reduceat(down, start), np.add.reduceat(up, start)], axis=1)


def sample_size(
    weights: ArrayLike,
    expected_users_accuracy: ArrayLike,
    standard_error: float | None = None,
    interval_width: float | None = None,
    z: float = Z_95,
) -> int:
    """Number of points for a target precision of the overall accuracy (Olofsson et al. 2014, eq. 13).

    ``n = (sum_h W_h sqrt(U_h (1 - U_h)) / S)^2``, rounded up.

    Args:
        weights: Share of the area of each stratum, summing to 1.
        expected_users_accuracy: Guess of the user's accuracy in each stratum, 0..1.
        standard_error: Target standard error S of the overall accuracy; or
        interval_width: Target width of its interval, ``2 z S``.
        z: Half-width of the interval in standard errors.

    Raises:
        LabelError: Not exactly one target, or figures out of their range.
    """
    w, u = np.asarray(weights, np.float64), np.asarray(expected_users_accuracy, np.float64)
    if (standard_error is None) == (interval_width is None):
        raise LabelError(
            "The sample size needs one target.", "Either a standard error or the width of the interval.",
            "Give exactly one of the two.",
        )  # fmt: skip
    target = standard_error if standard_error is not None else float(interval_width or 0) / (2 * z)
    if not 0 < target < 0.5 or not np.isclose(w.sum(), 1) or ((u < 0) | (u > 1)).any():
        raise LabelError(
            f"The target standard error is {target:g}, the expected user's accuracies are {u.tolist()}.",
            "A standard error between 0 and 0.5, accuracies from 0 to 1, and area shares that sum to 1.",
        )
    n = (float((w * np.sqrt(u * (1 - u))).sum()) / target) ** 2
    return max(ceil(n - 1e-9), 1)


def allocate(
    points: int,
    weights: ArrayLike,
    method: Allocation = "proportional",
    floor: ArrayLike = 0,
    expected_users_accuracy: ArrayLike | None = None,
    capacity: ArrayLike | None = None,
) -> NDArray[np.int64]:
    """Distribute points over strata.

    Args:
        points: Their number.
        weights: Share of the area of each stratum, ``(H,)``.
        method: ``equal``; ``proportional`` to the area; ``neyman``: proportional to area times the standard deviation
            ``sqrt(U (1 - U))`` (least variance of the overall accuracy).
        floor: Least number of points of a stratum, one number or one a stratum, so that rare classes can be judged (50
            to 100 after Olofsson et al. 2014, section 5.1.3); the rest is distributed over the other strata by the
            method.
        expected_users_accuracy: For ``neyman``: a guess for each stratum.
        capacity: Greatest number of points of each stratum, such as its pixels.

    Returns:
        int64 ``(H,)``; sums to ``points`` unless the capacities are smaller.

    Raises:
        LabelError: The floor needs more points than there are, an unknown method, or no guess for ``neyman``.
    """
    w = np.asarray(weights, np.float64)
    limit = np.full(len(w), points) if capacity is None else np.minimum(np.asarray(capacity, np.int64), points)
    least = np.minimum(np.broadcast_to(np.asarray(floor), limit.shape), limit)
    if least.sum() > points:
        raise LabelError(
            f"{points} points cannot give each of {len(w)} strata the least number of {np.max(floor)}.",
            f"At least {least.sum()} points.",
            "Draw more points or lower the floor.",
        )
    if method == "equal":
        share = np.ones(len(w))
    elif method == "proportional":
        share = w
    elif method == "neyman":
        if expected_users_accuracy is None:
            raise LabelError("Neyman allocation needs the expected user's accuracy of each stratum.")
        u = np.asarray(expected_users_accuracy, np.float64)
        share = w * np.sqrt(u * (1 - u))
    else:
        raise LabelError(f"There is no allocation {method!r}.", "equal, proportional or neyman.")
    # A stratum expected to be without error still takes its part of what the others cannot hold.
    share = np.maximum(share, 1e-9 * share.max()) if share.max() > 0 else np.ones(len(w))
    total = int(min(points, limit.sum()))
    low, high = 0.0, float((limit / share).max())
    for _ in range(200):  # the level at which the strata, each within its bounds, take all points
        level = (low + high) / 2
        low, high = (level, high) if np.clip(level * share, least, limit).sum() < total else (low, level)
    return _rounded(np.clip(high * share, least, limit), total, limit)


def _rounded(values: NDArray[np.float64], total: int, limit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers with a given sum, by largest remainders, none above its limit."""
    whole = np.floor(values + 1e-6).astype(np.int64)
    for k in np.argsort(-(values - whole), kind="stable"):
        if whole.sum() < total and whole[k] < limit[k]:
            whole[k] += 1
    return whole
