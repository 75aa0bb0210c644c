"""Confidence intervals of ratios of totals from a stratified sample that hold for rare classes and good maps.

Every figure is a ratio ``R = Y / X`` of two totals over the ground (``accuracy.sampling.estimation``). A value r of the
ratio is believed if 0 lies in the interval of ``T(r) = Y - r X``, and the interval of R holds all values believed
(Fieller's argument). ``T(r)`` is a sum over strata of proportions times known numbers,

    T(r) = sum_h A_h (a(r) p_h - b(r) q_h),   a(r) = v - r w_both >= 0,   b(r) = r w_only >= 0,

with p_h the share of stratum h that counts in numerator (by v) and denominator (by w_both), and q_h the share that
counts in the denominator only. Its interval is made from those of the shares by MOVER, the method of variance estimates
recovery (Zou and Donner 2008, Statistics in Medicine 27, 1693-1702),

    L = T - sqrt(sum_h A_h^2 (d_p^2 + d_q^2 + 2 rho_h d_p d_q)),   d_p = a (p - l_p),   d_q = b (u_q - q)

and likewise U, with Jeffreys limits l, u of each share: quantiles of beta(k + 1/2, n - k + 1/2), 0 where k = 0 and 1
where k = n. p_h and q_h are shares of one multinomial draw, with correlation ``-sqrt(p q / ((1 - p) (1 - q)))``; since
a and -b have opposite signs their contributions to T are correlated by its absolute value rho_h. ``L = 0`` and
``U = 0`` are quadratic equations of r. Where the strata are the classes of the map, numerator and rest of the
denominator lie in different strata, and this is the ratio interval of Donner and Zou (2012, Statistical Methods in
Medical Research 21, 347-359); where they are not, rho_h carries what they have in common. With one stratum and X its
whole area it is the Jeffreys interval itself.

Sums of shares alone, areas and the overall accuracy, have narrower intervals that hold (``total_limits``): MOVER adds
the squares of 95 % distances as if all shares were distributed normally, which is too much where shares near 0 or 1
decide.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, gammainc, gammaincc, gammaincinv

Z_95 = 1.96
"""Half-width of a 95 % interval in standard errors."""


NEUTRAL = 1 / 3
"""Both parameters of the beta prior whose posterior has its median at the observed share, nearly: Kerman (2011),
Electronic Journal of Statistics 5, 1450-1470."""


TAILS = np.linspace(0.3, 0.7, 9)
"""Parts of the doubt that the lower tail of a total's interval may hold; the shortest interval is taken."""


class Limits(NamedTuple):
    """Lower and upper ends of intervals."""

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


def jeffreys(successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95) -> Limits:
    """Jeffreys limits of proportions (Brown, Cai and DasGupta 2001, Statistical Science 16, 101-133).

    Args:
        successes: Any shape.
        trials: The same shape; 0 gives 0 and 1.
        confidence: Of the interval, 0..1.
    """
    k, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(trials, np.float64))
    tail = (1 - confidence) / 2
    lower = np.where(k > 0, betaincinv(k + 0.5, n - k + 0.5, tail), 0.0)
    upper = np.where(k < n, betaincinv(k + 0.5, n - k + 0.5, 1 - tail), 1.0)
    return Limits(lower, upper)


def ratio_limits(
    both: ArrayLike,
    only: ArrayLike,
    trials: ArrayLike,
    areas: ArrayLike,
    *,
    weight_both: float = 1.0,
    weight_only: float = 1.0,
    numerator: float = 1.0,
    may_both: ArrayLike = True,
    may_only: ArrayLike = True,
    may_neither: ArrayLike = True,
    unseen: ArrayLike = 1.0,
    confidence: float = 0.95,
) -> Limits:
    """Interval of ``R = Y / X`` from the counts of a stratified sample.

    Args:
        both: Points of each stratum that count in numerator and denominator, ``(..., H)``.
        only: Points that count in the denominator only, ``(..., H)``.
        trials: Points of each stratum, ``(..., H)`` or ``(H,)``, all above 0.
        areas: Area of each stratum, ``(H,)``.
        weight_both: What a point of ``both`` adds to the denominator.
        weight_only: What a point of ``only`` adds to it.
        numerator: What a point of ``both`` adds to the numerator, ``weight_both`` at most.
        may_both: Whether ground of a stratum can count in numerator and denominator, ``(H,)``: in a stratum of one map
            class most figures know that it cannot, whatever the sample says.
        may_only: Likewise, in the denominator only.
        may_neither: Likewise, in neither.
        unseen: Share of each stratum that is not in the sample, ``(H,)``: 0 for a stratum that is known as a whole.
        confidence: Of the interval.

    Returns:
        Lower and upper ends ``(...)``, within 0 and ``numerator / weight_both``; NaN where the denominator is 0.
    """
    k, j, n = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (both, only, trials)))
    area, part = np.asarray(areas, np.float64), np.sqrt(np.asarray(unseen, np.float64))
    p, q = k / n, j / n
    of_p, of_q = jeffreys(k, n, confidence), jeffreys(j, n, confidence)
    vary_p, vary_q = area * part * np.asarray(may_both), area * part * np.asarray(may_only)
    rho = _correlation(k, j, n, np.asarray(may_neither))
    y = numerator * (area * p).sum(axis=-1)
    x = (area * (weight_both * p + weight_only * q)).sum(axis=-1)
    value = np.divide(y, x, out=np.full(x.shape, np.nan), where=x > 0)

    def end(d_p: NDArray[np.float64], d_q: NDArray[np.float64], bound: float) -> NDArray[np.float64]:
        """The r between the estimate and a bound where T(r), moved by its half-interval, is 0; else the bound."""
        s_p, s_q, s_pq = (d_p**2).sum(axis=-1), (d_q**2).sum(axis=-1), (rho * d_p * d_q).sum(axis=-1)
        # (y - r x)^2 = half(r)^2 as c2 r^2 + c1 r + c0 = 0
        c2 = x**2 - (weight_both**2 * s_p + weight_only**2 * s_q - 2 * weight_both * weight_only * s_pq)
        c1 = -2 * x * y - 2 * numerator * (weight_only * s_pq - weight_both * s_p)
        c0 = y**2 - numerator**2 * s_p
        beyond = c2 * bound**2 + c1 * bound + c0 > 0
        root = -(c1 + np.where(c1 < 0, -1, 1) * np.sqrt(np.maximum(c1**2 - 4 * c2 * c0, 0))) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = root / c2, c0 / root
        low, high = np.minimum(value, bound), np.maximum(value, bound)
        # Rounding may put a root a hair outside.
        inside = np.abs(first - first.clip(low, high)) <= np.abs(second - second.clip(low, high))
        found = np.where(np.isfinite(first) & (inside | ~np.isfinite(second)), first, second)
        return np.asarray(np.where(beyond, found.clip(low, high), np.where(np.isnan(value), np.nan, bound)))

    lower = end(vary_p * (p - of_p.lower), vary_q * (of_q.upper - q), 0.0)
    upper = end(vary_p * (of_p.upper - p), vary_q * (q - of_q.lower), numerator / weight_both)
    return Limits(lower, upper)


class Moments(NamedTuple):
    """Mean, variance and third central moment of beta distributions."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    third: NDArray[np.float64]


def neutral_moments(successes: ArrayLike, trials: ArrayLike) -> Moments:
    """Of the posteriors of proportions, beta(k + 1/3, n - k + 1/3)."""
    k, n = np.asarray(successes, np.float64), np.asarray(trials, np.float64)
    a, b = k + NEUTRAL, n - k + NEUTRAL
    total = a + b
    variance = a * b / (total**2 * (total + 1))
    third = 2 * (b - a) * np.sqrt(total + 1) / ((total + 2) * np.sqrt(a * b)) * variance**1.5
    return Moments(a / total, variance, third)


def total_limits(
    successes: ArrayLike,
    trials: ArrayLike,
    areas: ArrayLike,
    unseen: ArrayLike = 1.0,
    confidence: float = 0.95,
) -> Limits:
    """Interval of a total ``sum_h A_h p_h`` from the counts of a stratified sample.

    The shares have independent posteriors from Kerman's neutral prior; for the lower end a stratum without a success,
    and for the upper end one without a failure, is taken as it was found (the modification of Brown, Cai and DasGupta
    2001 for single proportions), so that many strata without the class do not lift the interval off the estimate. The
    distribution of the sum is that of Pearson's type III with its first three moments (the approximation of weighted
    sums of gamma variables by Buckley and Eagleson 1988, Australian Journal of Statistics 30, 150-159). Of the
    intervals that leave between 0.3 and 0.7 of the doubt below them the shortest is taken: where errors are rare the
    distribution is skew, and equal tails miss the truth on one side only.

    Args:
        successes: Points of each stratum that count, ``(..., H)``.
        trials: Points of each stratum, all above 0.
        areas: Of each stratum, ``(H,)``.
        unseen: Share of each stratum that is not in the sample, ``(H,)``: distances from the observed share are
            multiplied by its square root.
        confidence: Of the interval.

    Returns:
        Lower and upper ends ``(...)``, within 0 and the sum of the areas.
    """
    doubt = 1 - confidence
    below = doubt * TAILS
    ends = []
    for shares, of in zip((below, 1 - doubt + below), _distributions(successes, trials, areas, unseen), strict=True):
        steps = _pearson_quantile(shares, of.variance[..., None], of.third[..., None])
        moved = of.mean[..., None] + np.sqrt(of.variance)[..., None] * steps
        ends.append(np.clip(moved, 0, np.asarray(areas).sum()))
    best = (ends[1] - ends[0]).argmin(axis=-1)[..., None]
    lower, upper = (np.take_along_axis(e, best, axis=-1)[..., 0] for e in ends)
    estimate = _total(successes, trials, areas)
    return Limits(np.minimum(lower, estimate), np.maximum(upper, estimate))


def total_exceedance(
    successes: ArrayLike, trials: ArrayLike, areas: ArrayLike, unseen: ArrayLike, threshold: ArrayLike
) -> NDArray[np.float64]:
    """How sure it is that a total is larger than a threshold: by the one-sided limit that ends there.

    From the distributions of ``total_limits``, that of the lower end for a threshold below the estimate and that of the
    upper end for one above it; between the estimate and the middle of its distribution it is one half.

    Args:
        successes: Points of each stratum that count, ``(..., H)``.
        trials: Points of each stratum, all above 0.
        areas: Of each stratum, ``(H,)``.
        unseen: Share of each stratum that is not in the sample, ``(H,)``.
        threshold: ``(...)``.

    Returns:
        Probabilities ``(...)``.
    """
    aim, estimate = np.asarray(threshold, np.float64), _total(successes, trials, areas)
    of_lower, of_upper = (1 - _pearson_share(aim, of) for of in _distributions(successes, trials, areas, unseen))
    there = np.isclose(aim, estimate, rtol=1e-12, atol=0)
    stated = np.where(aim < estimate, np.maximum(of_lower, 0.5), np.minimum(of_upper, 0.5))
    return np.where(there, 0.5, stated)


def _total(successes: ArrayLike, trials: ArrayLike, areas: ArrayLike) -> NDArray[np.float64]:
    shares = np.asarray(successes, np.float64) / np.asarray(trials, np.float64)
    return np.asarray((np.asarray(areas, np.float64) * shares).sum(axis=-1))


def _distributions(
    successes: ArrayLike, trials: ArrayLike, areas: ArrayLike, unseen: ArrayLike
) -> tuple[Moments, Moments]:
    """Moments of a total for its lower and for its upper end, see ``total_limits``."""
    k, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(trials, np.float64))
    area, part = np.asarray(areas, np.float64), np.sqrt(np.asarray(unseen, np.float64))
    moments = neutral_moments(k, n)

    def of(known: NDArray[np.bool_]) -> Moments:
        scale = area * np.where(known, 0.0, part)
        mean = (area * k / n + scale * (moments.mean - k / n)).sum(axis=-1)
        return Moments(mean, (scale**2 * moments.variance).sum(axis=-1), (scale**3 * moments.third).sum(axis=-1))

    return of(k == 0), of(k == n)


def _skewness(variance: NDArray[np.float64], third: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(third, variance**1.5, out=np.zeros_like(third), where=variance > 0)


def _pearson_share(value: NDArray[np.float64], of: Moments) -> NDArray[np.float64]:
    """Share of Pearson's type III distribution with these moments that lies below a value."""
    skewness, spread = _skewness(of.variance, of.third), np.sqrt(of.variance)
    bent = np.where(np.abs(skewness) < 1e-3, 1e-3, np.abs(skewness))  # as good as normal below
    with np.errstate(divide="ignore", invalid="ignore"):
        step = (value - of.mean) / spread
    shape = 4 / bent**2
    right = gammainc(shape, np.maximum(shape + np.sqrt(shape) * step, 0))
    left = gammaincc(shape, np.maximum(shape - np.sqrt(shape) * step, 0))
    return np.asarray(np.where(spread > 0, np.where(skewness < 0, left, right), value >= of.mean))


def _pearson_quantile(
    share: NDArray[np.float64], variance: NDArray[np.float64], third: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of Pearson's type III distribution with mean 0, variance 1 and the skewness of the moments."""
    skewness = _skewness(variance, third)
    bent = np.where(np.abs(skewness) < 1e-3, 1e-3, np.abs(skewness))  # as good as normal below
    shape = 4 / bent**2
    right = (gammaincinv(shape, share) - shape) / np.sqrt(shape)
    left = -(gammaincinv(shape, 1 - share) - shape) / np.sqrt(shape)
    return np.asarray(np.where(skewness < 0, left, right))


def _correlation(
    k: NDArray[np.float64], j: NDArray[np.float64], n: NDArray[np.float64], may_neither: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Absolute correlation of two shares of one draw, from shares that are pulled off 0 and 1 by half a point each."""
    rest = np.where(may_neither, 0.5, 0.0)
    total = n + 1 + rest
    p, q = (k + 0.5) / total, (j + 0.5) / total
    return np.asarray(np.sqrt(p * q / ((1 - p) * (1 - q))))
