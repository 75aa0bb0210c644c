"""How many points, and where: for the overall accuracy, or for an area that is to be known to a stated half-width.

The area of a class is ``A = sum_h A_h p_h`` with p_h its share of stratum h. Half the length of the interval of
``intervals.total_limits`` from n_h points is, in two moments,

    (z (sqrt(sum_h D_h) + sqrt(sum_h U_h)) + sum_h S_h) / 2,

where D_h and U_h are the variances of A_h p_h that count for its lower and its upper end, and S_h is what the means of
the two ends lie apart because strata without the class (or with nothing else) count for one end only. All three are
expected over the binomial draw from guessed shares; the variances are not taken to be below those of the draw itself,
so that nothing seems to be won by cutting like ground into strata of few points. The points are laid where a further
one takes most off this: the allocation of least cost for one aim (Cochran 1977, Sampling Techniques, section 5.5), with
the interval that will be reported in place of the variance. For shares far from 0 and 1 this is Neyman's allocation;
where a share is near 0 it still asks for the points that are needed to show that it is.

Samples differ, and so do their intervals: a plan is made so that ``KEPT`` of the samples keep what was asked for, found
by drawing ``DRAWS`` of them from the guessed shares.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pitmap.accuracy.sampling.intervals import NEUTRAL, Z_95, total_limits
from pitmap.errors import LabelError

Allocation = Literal["equal", "proportional", "neyman"]

MOST_POINTS = 20_000
"""Points that a plan may ask for in one stratum."""

KEPT = 0.85
"""Share of samples whose interval is to be as narrow as asked for, by the shares expected."""

DRAWS = 500
"""Samples that a plan is tried on."""

APART = 8.0
"""Price of what the means of both ends lie apart, as a multiple of its part in the half-width in two moments. Above 1,
since these strata also make the distribution skew, which two moments do not show; and so that few strata are made,
whose shares are known better than those of many. Chosen on the grounds of ``benchmarks/sample_aim.py``."""


@dataclass(frozen=True)
class Plan:
    """Points for one aim.

    Attributes:
        points: Of each stratum, int64 ``(H,)``.
        half_width: Expected half-width of the 95 % interval of the class's area, in the unit of the areas.
        kept: Half-width that ``KEPT`` of the samples are expected to keep.
    """

    points: NDArray[np.int64]
    half_width: float
    kept: float


class Spread(NamedTuple):
    """What a stratum adds to the length of an interval, see the module."""

    down: NDArray[np.float64]
    up: NDArray[np.float64]
    apart: NDArray[np.float64]


def expected_spread(points: ArrayLike, areas: ArrayLike, shares: ArrayLike, unseen: ArrayLike = 1.0) -> Spread:
    """Expected over the binomial draw, arrays of any shapes that fit each other.

    Args:
        points: Of each stratum.
        areas: Of each stratum.
        shares: Guessed share of the class.
        unseen: Share of each stratum that is not in the sample.
    """
    n, area, p, part = (np.asarray(v, np.float64) for v in (points, areas, shares, unseen))
    none, all_of_it = (1 - p) ** n, p**n
    # E[(k + a)(n - k + a)] of a binomial k, less its term at k = 0 and at k = n
    scale = area**2 * part / ((n + 2 * NEUTRAL) ** 2 * (n + 2 * NEUTRAL + 1))
    both = n * (n - 1) * p * (1 - p) + NEUTRAL * n + NEUTRAL**2
    edge = NEUTRAL * (n + NEUTRAL)
    least = area**2 * part * p * (1 - p) / np.maximum(n, 1)
    apart = area * np.sqrt(part) * NEUTRAL / (n + 2 * NEUTRAL) * (none + all_of_it)
    down, up = (np.maximum(scale * (both - at_end * edge), least) for at_end in (none, all_of_it))
    return Spread(down, up, apart)


def tried(
    points: ArrayLike, areas: ArrayLike, shares: ArrayLike, pixels: ArrayLike | None = None, draws: int = DRAWS
) -> Plan:
    """What samples with these points reach, if the shares are as guessed.

    Args:
        points: Of each stratum, ``(H,)``.
        areas: Of each stratum.
        shares: Guessed share of the class in each stratum.
        pixels: Of each stratum; by default very many.
        draws: Samples drawn; always the same ones.
    """
    n, a, p = np.asarray(points, np.int64), np.asarray(areas, np.float64), np.asarray(shares, np.float64)
    unseen = np.ones(len(n)) if pixels is None else 1 - n / np.asarray(pixels, np.float64)
    some = n > 0
    found = np.random.default_rng(0).binomial(n[some], p[some], (draws, int(some.sum())))
    limits = total_limits(found, n[some], a[some], unseen[some])
    half = (limits.upper - limits.lower) / 2
    return Plan(n, float(half.mean()), float(np.quantile(half, KEPT)))


@dataclass(frozen=True)
class Choices:
    """Strata that a plan may choose among on one part of the ground, which a set of them must cover once.

    Attributes:
        first: Position at which each begins, int ``(N,)``.
        last: Position at which it ends; ``first`` 0 and the greatest ``last`` are the ends of the part.
        areas: Of each.
        shares: Guessed share of the class in each.
        pixels: Of each, its greatest number of points.
        floor: Least number of points of each, as far as it has pixels.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    areas: NDArray[np.float64]
    shares: NDArray[np.float64]
    pixels: NDArray[np.float64]
    floor: NDArray[np.int64]


class Chosen(NamedTuple):
    """What a plan chose of one part: which strata, and the points of each."""

    strata: NDArray[np.int64]
    points: NDArray[np.int64]


def fewest_points(
    areas: ArrayLike,
    shares: ArrayLike,
    half_width: float,
    pixels: ArrayLike | None = None,
    floor: ArrayLike = 10,
) -> Plan:
    """The fewest points with which ``KEPT`` of the intervals of a class's area are not wider than asked for.

    Args:
        areas: Of each stratum, ``(H,)``, above 0.
        shares: Guessed share of the class in each stratum, ``(H,)``.
        half_width: Asked for, in the unit of the areas.
        pixels: Of each stratum, its greatest number of points.
        floor: Least number of points of a stratum, as far as it has pixels; one number, or one a stratum.

    Raises:
        LabelError: The half-width is not above 0, or more points would be needed than there may be.
    """
    a, p = np.asarray(areas, np.float64), np.asarray(shares, np.float64)
    whole = np.full(len(a), np.inf) if pixels is None else np.asarray(pixels, np.float64)
    least = np.broadcast_to(np.asarray(floor, np.int64), a.shape)
    one, two = np.zeros(1, np.int64), np.ones(1, np.int64)
    parts = [Choices(one, two, a[h : h + 1], p[h : h + 1], whole[h : h + 1], least[h : h + 1]) for h in range(len(a))]
    return fewest_strata(parts, half_width)[1]


def fewest_strata(parts: list[Choices], half_width: float) -> tuple[list[Chosen], Plan]:
    """Strata of each part and their points, the fewest with which ``KEPT`` of the intervals are as asked for.

    For a price of the interval's length in points the best strata of a part are found exactly, by dynamic programming
    over where they end (Bühler and Deutler 1975, Metrika 22, 161-175; with cost as in Lavallée and Hidiroglou 1988).

    Raises:
        LabelError: As ``fewest_points``.
    """

    def trial(chosen: list[Chosen]) -> tuple[Plan, float]:
        taken = list(zip(parts, chosen, strict=True))
        plan = tried(
            np.concatenate([c.points for c in chosen]),
            np.concatenate([part.areas[c.strata] for part, c in taken]),
            np.concatenate([part.shares[c.strata] for part, c in taken]),
            np.concatenate([part.pixels[c.strata] for part, c in taken]),
        )
        return plan, plan.kept / half_width

    return _fewest(parts, half_width, trial)


def fewest_further(
    areas: ArrayLike,
    pixels: ArrayLike,
    had: ArrayLike,
    labelled: ArrayLike,
    of_class: ArrayLike,
    prior: ArrayLike,
    wanted: Callable[[float], float],
) -> Plan:
    """The fewest points of a sample that holds one of which labels are known already.

    What further points will find is drawn ``DRAWS`` times from what the labels leave open: shares from their
    posteriors, then points from the shares; the points seen stay as they are. A sample whose labels happen to look
    certain is so not taken at its word.

    Args:
        areas: Of each stratum, ``(H,)``.
        pixels: Of each stratum.
        had: Points drawn before, of each stratum.
        labelled: Those of them with a label.
        of_class: Those labelled as the class.
        prior: Parameters of the beta prior of each share, ``(H, 2)``, above 0.
        wanted: The half-width asked for, from the estimated area of the class.

    Raises:
        LabelError: As ``fewest_points``.
    """
    a, whole = np.asarray(areas, np.float64), np.asarray(pixels, np.float64)
    least, n, k = (np.asarray(v, np.int64) for v in (had, labelled, of_class))
    alpha, beta = (np.asarray(prior, np.float64) + np.stack([k, n - k], axis=-1)).T
    means = alpha / (alpha + beta)
    shares = np.random.default_rng(0).beta(alpha, beta, (DRAWS, len(a)))
    one, two = np.zeros(1, np.int64), np.ones(1, np.int64)
    parts = [
        Choices(one, two, a[h : h + 1], means[h : h + 1], whole[h : h + 1], least[h : h + 1]) for h in range(len(a))
    ]

    def trial(chosen: list[Chosen]) -> tuple[Plan, float]:
        points = np.concatenate([c.points for c in chosen])
        found = k + np.random.default_rng(1).binomial(points - n, shares)
        some = points > 0
        limits = total_limits(found[:, some], points[some], a[some], 1 - points[some] / whole[some])
        half = (limits.upper - limits.lower) / 2
        estimates = (found[:, some] / points[some] * a[some]).sum(axis=1)
        asked = np.array([wanted(float(v)) for v in estimates])
        ratio = np.divide(half, asked, out=np.full(len(half), np.inf), where=asked > 0)
        return Plan(points, float(half.mean()), float(np.quantile(half, KEPT))), float(np.quantile(ratio, KEPT))

    return _fewest(parts, wanted(float((a * means).sum())), trial)[1]


def _fewest(
    parts: list[Choices], half_width: float, trial: Callable[[list[Chosen]], tuple[Plan, float]]
) -> tuple[list[Chosen], Plan]:
    """The cheapest strata and points that pass a trial.

    Args:
        parts: To be covered.
        half_width: Asked for.
        trial: What is reached, and the half-width that ``KEPT`` of the samples keep as a multiple of the one asked for.
    """
    if not half_width > 0:
        raise LabelError(f"The half-width asked for is {half_width:g}.", "A number above 0.")
    best: tuple[list[Chosen], Plan] | None = None
    aim, costs = half_width, [_costs(part) for part in parts]
    for _ in range(8):
        chosen = _least_cost(parts, costs, aim, half_width)
        plan, ratio = trial(chosen)
        if ratio <= 1 and (best is None or plan.points.sum() < best[1].points.sum()):
            best = chosen, plan
        if 0.985 <= ratio <= 1 or not 0 < ratio < np.inf:
            break
        aim *= 0.995 / ratio
    if best is None:
        raise _cannot(half_width, plan)
    return best


def _costs(part: Choices) -> tuple[NDArray[np.float64], Spread]:
    """Numbers of points to choose among in each stratum of a part, and what they leave, ``(N, 160)``."""
    points = np.stack([_ladder(k, n) for k, n in zip(part.floor, part.pixels, strict=True)])
    unseen = 1 - points / part.pixels[:, None]
    return points, expected_spread(points, part.areas[:, None], part.shares[:, None], unseen)


def _least_cost(
    parts: list[Choices], costs: list[tuple[NDArray[np.float64], Spread]], aim: float, asked: float
) -> list[Chosen]:
    weight = APART * aim / Z_95**2

    def at(price: float) -> tuple[list[Chosen], float]:
        chosen, down, up, apart = [], 0.0, 0.0, 0.0
        for part, (points, spread) in zip(parts, costs, strict=True):
            cost = points + price * (spread.down + spread.up + weight * spread.apart)
            step = cost.argmin(axis=1)
            rows = np.arange(len(step))
            strata = _cheapest_cover(part.first, part.last, cost[rows, step])
            where = strata, step[strata]
            chosen.append(Chosen(strata, points[where].astype(np.int64)))
            down, up = down + spread.down[where].sum(), up + spread.up[where].sum()
            apart += spread.apart[where].sum()
        return chosen, (Z_95 * (np.sqrt(down) + np.sqrt(up)) + apart) / 2

    low, high = -18.0, 18.0
    scale = 100 / aim**2
    best, reached = at(scale * np.exp(high))
    if reached > aim:
        raise _cannot(asked, Plan(np.concatenate([c.points for c in best]), reached, reached))
    for _ in range(24):
        middle = (low + high) / 2
        chosen, reached = at(scale * np.exp(middle))
        if reached <= aim:
            high, best = middle, chosen
        else:
            low = middle
    return best


def _cheapest_cover(first: NDArray[np.int64], last: NDArray[np.int64], cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """The cheapest strata that lie end to end from 0 to the greatest end, in their order."""
    end = int(last.max())
    total, by = np.full(end + 1, np.inf), np.full(end + 1, -1)
    total[0] = 0.0
    for position in range(1, end + 1):
        here = np.flatnonzero(last == position)
        if len(here):
            sums = total[first[here]] + cost[here]
            k = int(sums.argmin())
            total[position], by[position] = sums[k], here[k]
    cover, position = [], end
    while position > 0:
        cover.append(int(by[position]))
        position = int(first[by[position]])
    return np.array(cover[::-1], np.int64)


def _ladder(least: int, most: float) -> NDArray[np.float64]:
    """Numbers of points to choose among, from the floor to what the stratum holds."""
    top = max(MOST_POINTS, least)
    return np.minimum(np.rint(np.geomspace(least, top, 160)) if least else np.arange(160.0), most)


def _cannot(half_width: float, plan: Plan) -> LabelError:
    return LabelError(
        f"A half-width of {half_width:,.4g} cannot be reached: {int(plan.points.sum()):,} points would leave "
        f"{plan.kept:,.4g}.",
        "An aim that the ground allows.",
        "Ask for a wider interval.",
    )


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
