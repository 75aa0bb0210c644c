"""The confusion matrix and the figures that follow from it.

Rows are the map, columns the reference, in every array and every file: user's accuracy is ``X_ii / X_i+`` (the row sum)
and producer's accuracy ``X_ii / X_+i`` (the column sum), equations 3 and 4 of Chen et al. (2022). Figures that are 0/0
are None and enter no mean. Counting stands apart from the figures, so that matrices of blocks, sites or dates are
added first ("pooled") and divided afterwards.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pitmap.errors import LabelError
from pitmap.files import write_text
from pitmap.legend import Legend

ORIENTATION = "rows = map, columns = reference"

ABSENT_CLASSES = (
    "A figure that is 0/0 is undefined (null) and enters no mean: user's accuracy of a class never mapped, producer's "
    "accuracy of a class not in the reference, IoU and F1 of a class in neither."
)

KAPPA_NOTE = (
    "Kappa compares the map with a chance agreement that no map maker uses, and hides whether the error is of quantity "
    "or of place; it is given only for comparison with other studies."
)


@dataclass(frozen=True)
class ClassFigures:
    """The figures of one class; shares are 0..1, None where undefined.

    Attributes:
        code: Class code.
        key: Class key.
        name: Class name.
        mapped: Pixels (or area) mapped as the class, ``X_i+``.
        reference: Pixels (or area) of the class in the reference, ``X_+i``.
        agreed: Pixels (or area) of the class in both, ``X_ii``.
        producers_accuracy: ``X_ii / X_+i``, recall.
        users_accuracy: ``X_ii / X_i+``, precision.
        iou: ``X_ii / (X_i+ + X_+i - X_ii)``.
        f1: ``2 X_ii / (X_i+ + X_+i)``.
    """

    code: int
    key: str
    name: str
    mapped: float
    reference: float
    agreed: float
    producers_accuracy: float | None
    users_accuracy: float | None
    iou: float | None
    f1: float | None


@dataclass(frozen=True)
class Figures:
    """The figures of a confusion matrix; shares are 0..1, None where undefined.

    Attributes:
        total: Pixels (or area) compared.
        overall_accuracy: Share that agrees.
        kappa: Agreement beyond chance; None where chance agreement is 1.
        mean_iou: Mean over the classes where it is defined, as are the other means.
        mean_producers_accuracy: Mean producer's accuracy.
        mean_users_accuracy: Mean user's accuracy.
        mean_f1: Mean F1.
        quantity: Quantity disagreement (Pontius and Millones 2011).
        allocation: Allocation disagreement; ``quantity + allocation = 1 - overall_accuracy``.
        exchange: The part of the allocation disagreement that pairs of classes swap.
        shift: The rest of the allocation disagreement.
        majority_class: Key of the commonest class of the reference.
        majority_accuracy: Overall accuracy of a map that says ``majority_class`` everywhere.
        majority_mean_iou: Its mean IoU.
        classes: The figures of each class, in the order of the codes.
    """

    total: float
    overall_accuracy: float | None
    kappa: float | None
    mean_iou: float | None
    mean_producers_accuracy: float | None
    mean_users_accuracy: float | None
    mean_f1: float | None
    quantity: float | None
    allocation: float | None
    exchange: float | None
    shift: float | None
    majority_class: str | None
    majority_accuracy: float | None
    majority_mean_iou: float | None
    classes: tuple[ClassFigures, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries and lists."""
        return asdict(self) | {"classes": [asdict(c) for c in self.classes]}


class ConfusionMatrix:
    """Pixel counts, or areas, by class of the map (rows) and of the reference (columns).

    Attributes:
        legend: The classes; row and column ``k`` are the code ``k + 1``.
        counts: ``(K, K)``, int64 pixels or float64 areas, rows = map, columns = reference.

    Raises:
        ValueError: ``counts`` does not have the legend's size, or holds negative or non-finite numbers.
    """

    def __init__(self, legend: Legend, counts: ArrayLike | None = None) -> None:
        size = len(legend)
        counts = np.zeros((size, size), np.int64) if counts is None else np.asarray(counts)
        if counts.shape != (size, size):
            raise ValueError(f"a confusion matrix of {size} classes cannot have the shape {counts.shape}")
        if not (np.isfinite(counts).all() and (counts >= 0).all()):
            raise ValueError("a confusion matrix holds no negative and no undefined numbers")
        self.legend = legend
        self.counts: NDArray = counts.astype(np.float64 if np.issubdtype(counts.dtype, np.floating) else np.int64)

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        if self.legend != other.legend:
            raise ValueError("confusion matrices of different legends cannot be added")
        return ConfusionMatrix(self.legend, self.counts + other.counts)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ConfusionMatrix)
            and self.legend == other.legend
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ConfusionMatrix({', '.join(self.legend.keys)}; {ORIENTATION})\n{self.counts}"

    def add(self, map_codes: NDArray, reference_codes: NDArray) -> None:
        """Count the pixels of a block into this matrix; see ``count``."""
        self.counts = self.counts + count(map_codes, reference_codes, len(self.legend))

    @property
    def total(self) -> float:
        """Pixels, or area, compared."""
        return float(self.counts.sum())

    def figures(self) -> Figures:
        """All figures that follow from the counts."""
        return figures(self.counts, self.legend)

    def merge(self, groups: Sequence[Sequence[str]], legend: Legend) -> ConfusionMatrix:
        """The matrix of a coarser legend.

        Args:
            groups: The class keys that are merged into each class of ``legend``, in its order; keys that are left out
                are not counted.
            legend: The coarser legend.
        """
        membership = np.array([[key in group for key in self.legend.keys] for group in groups]).astype(np.int64)
        return ConfusionMatrix(legend, membership @ self.counts @ membership.T)

    def to_json(self) -> dict[str, Any]:
        """Orientation, class keys and counts as plain Python values."""
        return {"orientation": ORIENTATION, "classes": self.legend.keys, "counts": self.counts.tolist()}

    def to_csv(self) -> str:
        """The matrix as CSV text: labels on rows and columns, orientation in the corner cell."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([ORIENTATION, *self.legend.keys])
        for key, row in zip(self.legend.keys, self.counts.tolist(), strict=True):
            writer.writerow([key, *row])
        return text.getvalue()

    def write_csv(self, path: Path) -> None:
        """Write ``to_csv`` to a file.

        Raises:
            OutputError: The file cannot be written.
        """
        write_text(path, self.to_csv())


def count(
    map_codes: NDArray, reference_codes: NDArray, classes: int, weights: NDArray[np.float64] | None = None
) -> NDArray:
    """Count pairs of codes.

    Args:
        map_codes: Class codes of the map, an integer array of any shape; 0 is not counted.
        reference_codes: Class codes of the reference, same shape; 0 is not counted.
        classes: Number of classes K.
        weights: Weight of each pixel, such as its area, same shape; by default each counts 1.

    Returns:
        ``(K, K)``, rows = map, columns = reference: int64, or float64 sums of weights.

    Raises:
        LabelError: A code above K.
        ValueError: The shapes differ, or the codes are no integers.
    """
    map_codes, reference_codes = np.asarray(map_codes), np.asarray(reference_codes)
    if map_codes.shape != reference_codes.shape:
        raise ValueError(f"the map has the shape {map_codes.shape}, the reference {reference_codes.shape}")
    for codes, name in ((map_codes, "map"), (reference_codes, "reference")):
        if codes.dtype.kind not in "ui":
            raise ValueError(f"the codes of the {name} are {codes.dtype}, not integers")
        if codes.size and (int(codes.min()) < 0 or int(codes.max()) > classes):
            wrong = [v for v in np.unique(codes).tolist() if not 0 <= v <= classes]
            raise LabelError(
                f"The {name} holds the codes {', '.join(map(str, wrong[:20]))}{' ...' if len(wrong) > 20 else ''}.",
                f"Codes 1 to {classes} of the legend, and 0 for pixels that are not counted.",
                "Give the legend that the file was made with, or map its values to classes.",
            )
    size = classes + 1
    # uint16 holds 255 * 255 + 255: the index needs no wide copy of the block.
    narrow = np.dtype(np.uint16 if classes <= 254 else np.int64)
    index: NDArray = map_codes.astype(narrow).ravel() * size + reference_codes.astype(narrow).ravel()
    flat_weights = None if weights is None else np.asarray(weights, np.float64).ravel()
    table = np.bincount(index, weights=flat_weights, minlength=size * size).reshape(size, size)[1:, 1:]
    return table if weights is not None else table.astype(np.int64)


def figures(counts: ArrayLike, legend: Legend) -> Figures:
    """The figures of a matrix of counts, areas or shares.

    Formulas: Chen et al. (2022) eq. 1 to 5; quantity, allocation, exchange and shift after Pontius and Millones (2011)
    and Pontius and Santacruz (2014).

    Args:
        counts: ``(K, K)``, rows = map, columns = reference, not negative.
        legend: The K classes.
    """
    x = np.asarray(counts, np.float64)
    total, agreed, mapped, reference = x.sum(), np.diag(x), x.sum(axis=1), x.sum(axis=0)
    pa, ua, iou, f1 = class_figures(x)
    per_class = tuple(
        ClassFigures(c.code, c.key, c.name, float(m), float(r), float(a), *map(_defined, values))
        for c, m, r, a, *values in zip(legend, mapped, reference, agreed, pa, ua, iou, f1, strict=True)
    )
    means = (_mean(iou), _mean(pa), _mean(ua), _mean(f1))
    if total == 0:
        return Figures(0.0, None, None, *means, None, None, None, None, None, None, None, per_class)
    oa = agreed.sum() / total
    chance = (mapped * reference).sum() / total**2
    kappa = (oa - chance) / (1 - chance) if not np.isclose(chance, 1.0, rtol=0, atol=1e-12) else np.nan
    quantity, allocation, exchange = disagreement(x)
    majority = int(reference.argmax())
    majority_accuracy = float(reference[majority] / total)
    return Figures(
        float(total), float(oa), _defined(kappa), *means, quantity, allocation, exchange,
        # The difference of two equal sums may leave a rest below zero.
        max(allocation - exchange, 0.0), legend.classes[majority].key, majority_accuracy,
        majority_accuracy / int((reference > 0).sum()), per_class,
    )  # fmt: skip


def class_figures(counts: NDArray) -> NDArray[np.float64]:
    """Producer's accuracy, user's accuracy, IoU and F1 of each class.

    Args:
        counts: ``(..., K, K)``, rows = map, columns = reference; leading axes are kept.

    Returns:
        ``(4, ..., K)``, NaN where a figure is 0/0.
    """
    x = np.asarray(counts, np.float64)
    agreed, mapped, reference = np.diagonal(x, axis1=-2, axis2=-1), x.sum(axis=-1), x.sum(axis=-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack(
            [
                agreed / reference,
                agreed / mapped,
                agreed / (mapped + reference - agreed),
                2 * agreed / (mapped + reference),
            ]
        )


def disagreement(counts: NDArray) -> tuple[float, float, float]:
    """Quantity, allocation and exchange disagreement as shares of the total; shift is allocation - exchange.

    Pontius and Millones (2011), Int. J. Remote Sens. 32(15), 4407-4429; exchange after Pontius and Santacruz (2014), as
    in the R package diffeR.
    """
    p = np.asarray(counts, np.float64) / np.sum(counts)
    agreed, mapped, reference = np.diag(p), p.sum(axis=1), p.sum(axis=0)
    quantity = np.abs(mapped - reference).sum() / 2
    allocation = np.minimum(mapped - agreed, reference - agreed).sum()
    exchange = 2 * np.triu(np.minimum(p, p.T), 1).sum()
    return float(quantity), float(allocation), float(exchange)


def pooled(matrices: Iterable[ConfusionMatrix]) -> ConfusionMatrix:
    """The sum of the matrices of several blocks, sites or dates.

    Raises:
        ValueError: No matrix, or different legends.
    """
    first, *rest = matrices
    for matrix in rest:
        first = first + matrix
    return first


def _defined(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(np.nanmean(values)) if np.isfinite(values).any() else None
