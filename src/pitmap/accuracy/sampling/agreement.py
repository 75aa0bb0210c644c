"""Two interpreters of one sample: how far they agree, where not, and what the figures are with either."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pitmap.accuracy.census.confusion import ConfusionMatrix
from pitmap.accuracy.sampling.sample import EstimateOptions, SampleEstimate, copies, estimate, labelled_points
from pitmap.accuracy.sampling.sample_file import read_sample
from pitmap.errors import LabelError
from pitmap.files import write_json
from pitmap.legend import UNLABELLED, Legend
from pitmap.observer import SILENT, Observer


@dataclass(frozen=True)
class Agreement:
    """What two interpreters made of the same points.

    Attributes:
        first: The estimate with the labels of the first.
        second: The estimate with those of the second.
        counts: Points that both labelled, ``(K, K)``: class of the first, class of the second.
        disagreements: Number of each point on which they differ, with the two class keys.
        one_only: Numbers of the points that only one of them labelled.
        legend: The classes.
    """

    first: SampleEstimate
    second: SampleEstimate
    counts: NDArray[np.int64]
    disagreements: Mapping[int, tuple[str, str]]
    one_only: tuple[int, ...]
    legend: Legend = field(repr=False)

    @property
    def share(self) -> float:
        """Share of the points labelled by both on which they agree."""
        return float(np.trace(self.counts) / self.counts.sum())

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa of the two, unweighted; None where both gave all points one class."""
        return ConfusionMatrix(self.legend, self.counts).figures().kappa

    def summary(self) -> str:
        """The estimate with either, and how far they agree."""
        kappa = "undefined" if self.kappa is None else f"{self.kappa:.3f}"
        listed = "; ".join(f"{n}: {a} or {b}" for n, (a, b) in list(self.disagreements.items())[:20])
        rest = len(self.disagreements) - 20
        return (
            f"First interpreter: {self.first.summary()}\nSecond interpreter: {self.second.summary()}\n"
            f"They agree on {self.share:.1%} of {int(self.counts.sum())} points, kappa {kappa}."
            + (f" They differ on {listed}" + (f" and {rest} more." if rest > 0 else ".") if listed else "")
        )

    def to_json(self) -> dict[str, Any]:
        """The first estimate as it stands alone, and ``second_interpreter`` with all that concerns the two."""
        return self.first.to_json() | {
            "second_interpreter": {
                "agreement": self.share,
                "kappa": self.kappa,
                "points": int(self.counts.sum()),
                "counts_rows_first_columns_second": self.counts.tolist(),
                "disagreements": {str(n): list(pair) for n, pair in self.disagreements.items()},
                "labelled_by_one_only": list(self.one_only),
                "estimate": self.second.to_json(),
            }
        }

    def write(self, path: Path) -> None:
        """Write the JSON.

        Raises:
            OutputError: The file cannot be written.
        """
        write_json(path, self.to_json())


def compare_interpreters(
    points_path: str | Path,
    second_path: str | Path,
    map_path: str | Path,
    options: EstimateOptions | None = None,
    observer: Observer = SILENT,
) -> Agreement:
    """Estimate with the labels of each of two interpreters, and compare them point by point.

    Args:
        points_path: The sample as the first labelled it.
        second_path: A copy of it as the second labelled it.
        map_path: The map that it was drawn from.
        options: How the labels are used.
        observer: Told of the share of the map read.

    Raises:
        ImageError: The map cannot be read.
        LabelError: The two are not the same sample, share no labelled point, or cannot be used.
    """
    options = options or EstimateOptions()
    labels: list[dict[int, int]] = []
    samples = [read_sample(Path(path)) for path in (points_path, second_path)]
    legend = Legend.from_json(samples[0].about["legend"])
    same = samples[0].about["map_sha256"] == samples[1].about["map_sha256"]
    if not same or not samples[0].drawn.equals(samples[1].drawn):
        raise LabelError(
            f"{second_path} is not a copy of {points_path}: other points were drawn.",
            "The same sample, labelled by two people.",
            "Give the second interpreter a copy of the file before it is labelled.",
        )
    for sample, path in zip(samples, (points_path, second_path), strict=True):
        table = labelled_points(sample, legend, Path(path), options)
        table = table[~copies(table, Path(path))]
        labels.append(dict(zip(table["point_id"].tolist(), table["reference_code"].tolist(), strict=True)))
    first, second = ({n: c for n, c in of.items() if c != UNLABELLED} for of in labels)
    both = sorted(first.keys() & second.keys())
    if not both:
        raise LabelError(f"No point of {points_path} was labelled by both interpreters.")
    counts = np.zeros((len(legend), len(legend)), np.int64)
    for n in both:
        counts[first[n] - 1, second[n] - 1] += 1
    differ = {n: (legend[first[n]].key, legend[second[n]].key) for n in both if first[n] != second[n]}
    estimates = [estimate(Path(path), map_path, options, observer) for path in (points_path, second_path)]
    return Agreement(estimates[0], estimates[1], counts, differ, tuple(sorted(first.keys() ^ second.keys())), legend)
