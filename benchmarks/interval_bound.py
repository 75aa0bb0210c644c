"""The shortest intervals that any method could give: a bound on what a sample of a stratified population can tell.

The expected length of a confidence set is the integral, over all values, of the chance that it covers them (Pratt 1961,
Journal of the American Statistical Association 56, 549-567). A value of the total that some population with other
shares has must be covered with 95 % if that population is the true one; at the population that is true it may be left
out no more often than the most powerful test of size 5 % rejects that other population (Neyman and Pearson). So no
interval that holds for all populations is shorter in the mean than the integral of one minus that power, whichever
other populations are taken. Here they are those that differ least in likelihood for the distance of their total.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pitmap.accuracy.sampling.planning import fewest_points

PARTS = 12
"""Steps in which the integral goes on by a standard interval's half-width."""


def least_length(
    areas: ArrayLike, shares: ArrayLike, points: ArrayLike, draws: int = 8000, miss: float = 0.05
) -> float:
    """Bound on the expected length of intervals of ``sum_h A_h p_h`` that hold for every population.

    Args:
        areas: Of the strata, ``(H,)``.
        shares: True shares.
        points: Of each stratum.
        draws: By which the power of a test is found; always the same ones.
        miss: How often an interval may miss the truth.
    """
    a, p = np.asarray(areas, np.float64), np.asarray(shares, np.float64)
    n = np.asarray(points, np.int64)
    generator = np.random.default_rng(0)
    true = generator.binomial(n, p, (draws, len(n)))
    broken = generator.random(draws) * 1e-9  # ties of the likelihood ratio are broken at random
    spread = np.sqrt((a**2 * (p * (1 - p) / n + (p * n < 3) * 1 / n**2)).sum())
    length = 0.0
    for side in (1, -1):
        room = float((a * (1 - p)).sum() if side > 0 else (a * p).sum())
        step, left = 2 * spread / PARTS, 1.0
        for k in range(1, 8 * PARTS):
            if k * step >= room or left < 0.003:
                break
            other = _nearest(a, p, n, side * k * step)
            drawn = generator.binomial(n, other, (draws, len(n)))
            reject = np.quantile(_ratio(drawn, n, other, p) + broken, miss, method="lower")
            # The least value of a step stands for the whole of it, so that the sum is not above the integral.
            left = min(left, 1 - float((_ratio(true, n, other, p) + broken < reject).mean()))
            length += left * step
    return length


def _nearest(
    a: NDArray[np.float64], p: NDArray[np.float64], n: NDArray[np.int64], distance: float
) -> NDArray[np.float64]:
    """Shares q with a total that lies so far off, and of these those with the least divergence from p.

    They solve ``n (q - p) = price a q (1 - q)`` with one price for all strata.
    """

    def at(price: float) -> NDArray[np.float64]:
        x = price * a
        root = ((x - n) + np.sqrt((x - n) ** 2 + 4 * x * n * p)) / (2 * x)
        return np.clip(np.where((p == 0) & (x < n), 0.0, root), 0, 1)

    side, low, high = np.sign(distance), 1e-12, 1e12
    for _ in range(100):
        middle = float(np.sqrt(low * high))
        total = float((a * (at(side * middle / a.max()) - p)).sum())
        low, high = (middle, high) if abs(total) < abs(distance) else (low, middle)
    return at(side * high / a.max())


def _ratio(
    found: NDArray[np.int64], n: NDArray[np.int64], other: NDArray[np.float64], p: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logarithm of the likelihood of the other shares over that of the true ones."""
    with np.errstate(divide="ignore", invalid="ignore"):
        of, rest = np.log(other) - np.log(p), np.log1p(-other) - np.log1p(-p)
        parts = np.where(found > 0, found * of, 0) + np.where(found < n, (n - found) * rest, 0)
    return np.asarray(parts.sum(axis=1))


def fewest_for(areas: ArrayLike, shares: ArrayLike, pixels: ArrayLike, length: float) -> int:
    """The fewest points with which the bound is not above a length, laid as a plan lays them that knows the shares.

    Args:
        areas: Of the strata.
        shares: True shares.
        pixels: Of the strata.
        length: Asked for.
    """
    wide, narrow = 1.5 * length / 2, 0.3 * length / 2
    for _ in range(9):
        middle = float(np.sqrt(wide * narrow))
        points = fewest_points(areas, shares, middle, pixels, 2).points
        if least_length(areas, shares, points) <= length:
            narrow = middle
        else:
            wide = middle
    return int(fewest_points(areas, shares, narrow, pixels, 2).points.sum())
