"""How far a network's probabilities can be believed: temperature scaling, reliability, expected calibration error.

Guo et al. (2017), On Calibration of Modern Neural Networks, ICML: one number T, fitted on validation ground, divides
the logits; the class of a pixel does not change, only how sure the network says it is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

BINS = 15
"""Bins of confidence, as in Guo et al. (2017)."""

TEMPERATURES = (0.05, 20.0)
"""Range in which the temperature is sought."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Pixels whose confidence lies in a range.

    Attributes:
        lower: Least confidence, excluded (included in the first bin).
        upper: Greatest confidence, included.
        pixels: Number of pixels.
        confidence: Their mean confidence, None where there are none.
        accuracy: Share of them that is right, None where there are none.
    """

    lower: float
    upper: float
    pixels: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy.

    Attributes:
        bins: From low to high confidence.
        expected_calibration_error: Mean of ``|accuracy - confidence|`` over the bins, weighted by pixels.
        greatest_calibration_error: The greatest of them.
        pixels: Number of pixels.
    """

    bins: tuple[ReliabilityBin, ...]
    expected_calibration_error: float | None
    greatest_calibration_error: float | None
    pixels: int

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries and lists."""
        return asdict(self) | {"bins": [asdict(b) for b in self.bins]}


def probabilities(logits: ArrayLike, temperature: float = 1.0, axis: int = 1) -> NDArray[np.float64]:
    """Class probabilities at a temperature.

    Args:
        logits: Scores of the classes along ``axis``.
        temperature: Above 1 makes the network less sure, below 1 more.
        axis: Axis of the classes.
    """
    return special.softmax(np.asarray(logits, np.float64) / temperature, axis=axis)


def fit_temperature(logits: ArrayLike, targets: ArrayLike) -> float:
    """The temperature with the least cross-entropy on validation pixels.

    Args:
        logits: ``(pixels, K)``.
        targets: Class index 0..K-1 of each pixel ``(pixels,)``; negative ones are left out.

    Returns:
        The temperature, within ``TEMPERATURES``; 1 where no pixel has a class.

    Raises:
        ValueError: Shapes that do not fit, a target above K - 1, or logits that are not finite.
    """
    scores, wanted = _labelled(logits, targets)
    if not len(wanted):
        return 1.0
    right = scores[np.arange(len(wanted)), wanted]

    # Convex in 1 / T, so that a bounded search finds the least value.
    def cross_entropy(inverse: float) -> float:
        return float((special.logsumexp(inverse * scores, axis=1) - inverse * right).mean())

    low, high = TEMPERATURES
    found = optimize.minimize_scalar(
        cross_entropy, bounds=(1 / high, 1 / low), method="bounded", options={"xatol": 1e-6}
    )
    return float(1 / found.x)


def reliability(probability: ArrayLike, targets: ArrayLike, bins: int = BINS) -> Reliability:
    """Confidence (the greatest probability) against accuracy, in bins of equal width.

    Args:
        probability: ``(pixels, K)``.
        targets: Class index 0..K-1 of each pixel; negative ones are left out.
        bins: Their number.

    Raises:
        ValueError: See ``fit_temperature``.
    """
    p, wanted = _labelled(probability, targets)
    confidence = p.max(axis=1) if len(p) else np.zeros(0)
    right = p.argmax(axis=1) == wanted if len(p) else np.zeros(0, np.bool_)
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return binned_reliability(
        np.bincount(index, minlength=bins), np.bincount(index, confidence, bins), np.bincount(index, right, bins)
    )


def binned_reliability(pixels: ArrayLike, confidence_sum: ArrayLike, right: ArrayLike) -> Reliability:
    """Reliability from sums by bin, so that large maps are added up block by block.

    Args:
        pixels: Number of pixels of each bin ``(bins,)``.
        confidence_sum: Sum of their confidences.
        right: Number of them that are right.
    """
    n, total, hits = (np.asarray(v, np.float64) for v in (pixels, confidence_sum, right))
    edges = np.linspace(0, 1, len(n) + 1)
    filled = n > 0
    gaps = np.abs(hits[filled] - total[filled]) / n[filled]
    made = tuple(
        ReliabilityBin(
            float(edges[k]), float(edges[k + 1]), int(n[k]),
            float(total[k] / n[k]) if filled[k] else None, float(hits[k] / n[k]) if filled[k] else None,
        )
        for k in range(len(n))
    )  # fmt: skip
    if not filled.any():
        return Reliability(made, None, None, 0)
    return Reliability(made, float((gaps * n[filled]).sum() / n.sum()), float(gaps.max()), int(n.sum()))


def _labelled(scores: ArrayLike, targets: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    x, y = np.asarray(scores, np.float64), np.asarray(targets)
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(
            f"scores of shape {x.shape} and targets of shape {y.shape}: expected (pixels, K) and (pixels,)"
        )
    kept = y >= 0
    x, y = x[kept], y[kept].astype(np.int64)
    if not np.isfinite(x).all() or y.max(initial=0) >= x.shape[1]:
        raise ValueError("scores are finite, and targets are below the number of classes")
    return x, y
