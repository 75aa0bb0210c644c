"""How far the confidence of a map can be believed: reliability and expected calibration error (Guo et al. 2017).

The confidence is the probability that the network gives the class it maps, made honest on validation ground (see
``training.calibration``). Whether it is honest elsewhere is what the reliability on test ground tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 15
"""Bins of confidence, as in Guo et al. (2017), On Calibration of Modern Neural Networks, ICML."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence against accuracy, in bins of equal width; two of the same number of bins can be added.

    A bin holds the pixels whose confidence is above its lower edge and at most its upper edge; the first holds 0 too.

    Attributes:
        pixels: Number of pixels of each bin, int64 ``(bins,)``.
        confidence_sum: Sum of their confidences, float64 ``(bins,)``.
        right: Number of them whose mapped class is that of the reference, int64 ``(bins,)``.
    """

    pixels: NDArray[np.int64]
    confidence_sum: NDArray[np.float64]
    right: NDArray[np.int64]

    @classmethod
    def of(cls, confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> Reliability:
        """Count pixels.

        Args:
            confidence: Of each pixel, 0..1, any shape.
            right: Whether its mapped class is that of the reference, the same shape.
            bins: Number of bins.

        Raises:
            ValueError: The shapes differ, or a confidence is not within 0..1.
        """
        sure, hit = np.asarray(confidence, np.float64).ravel(), np.asarray(right, np.bool_).ravel()
        if sure.shape != hit.shape:
            raise ValueError(f"{sure.size} confidences and {hit.size} verdicts: expected as many of both")
        if not ((sure >= 0) & (sure <= 1)).all():
            raise ValueError("a confidence is a number from 0 to 1")
        index = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
        return cls(
            np.bincount(index, minlength=bins),
            np.bincount(index, sure, bins).astype(np.float64),
            np.bincount(index[hit], minlength=bins),
        )

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            self.pixels + other.pixels, self.confidence_sum + other.confidence_sum, self.right + other.right
        )

    @property
    def gaps(self) -> NDArray[np.float64]:
        """``|accuracy - confidence|`` of each bin ``(bins,)``, NaN where it has no pixel."""
        difference = np.abs(self.right - self.confidence_sum)
        return np.asarray(
            np.divide(difference, self.pixels, out=np.full(len(self.pixels), np.nan), where=self.pixels > 0)
        )

    @property
    def expected_calibration_error(self) -> float | None:
        """Mean of the gaps, weighted by pixels (Guo et al. 2017, equation 3); None without a pixel."""
        total = self.pixels.sum()
        return float(np.nansum(self.gaps * self.pixels) / total) if total else None

    @property
    def greatest_calibration_error(self) -> float | None:
        """The greatest gap (Guo et al. 2017, equation 5); None without a pixel."""
        return float(np.nanmax(self.gaps)) if self.pixels.any() else None

    def to_json(self) -> dict[str, Any]:
        """The errors, and the bins from low to high with their mean confidence and accuracy (null where empty)."""
        edges = np.linspace(0, 1, len(self.pixels) + 1).tolist()
        return {
            "pixels": int(self.pixels.sum()),
            "expected_calibration_error": self.expected_calibration_error,
            "greatest_calibration_error": self.greatest_calibration_error,
            "bins": [
                {
                    "lower": edges[k],
                    "upper": edges[k + 1],
                    "pixels": int(n),
                    "confidence": float(self.confidence_sum[k] / n) if n else None,
                    "accuracy": float(self.right[k] / n) if n else None,
                }
                for k, n in enumerate(self.pixels)
            ],
        }
