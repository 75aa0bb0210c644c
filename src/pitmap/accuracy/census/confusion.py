"""The confusion matrix and the figures that follow from it.

Rows are the map, columns the reference, in every array and every file: user's accuracy is ``X_ii / X_i+`` (the row sum)
and producer's accuracy ``X_ii / X_+i`` (the column sum), equations 3 and 4 of Chen et al. (2022). Figures that are 0/0
are None and enter no mean. Counting stands apart from the figures, so that matrices of blocks, sites or dates are
added first ("pooled") and divided afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from pitmap.errors import LabelError
from pitmap.files import csv_text, write_text
from pitmap.legend import Legend
from pitmap.stored import Amount, Share

ORIENTATION = "rows = map, columns = reference"

ABSENT_CLASSES = (
    "A figure that is 0/0 is undefined (null) and enters no mean: user's accuracy of a class never mapped, producer's "
    "accuracy of a class not in the reference, IoU and F1 of a class in neither."
)

KAPPA_NOTE = (
    "Kappa compares the map with a chance agreement that no map maker uses, and hides whether the error is of quantity "
    "or of place; it is given only for comparison with other studies."
)


GLOBAL_FIGURES = (
    "overall_accuracy", "kappa", "mean_producers_accuracy", "mean_users_accuracy", "mean_iou", "mean_f1", "quantity",
    "allocation", "exchange", "shift",
)  # fmt: skip
"""The figures of a whole matrix, in the order of ``figure_table``."""

CLASS_FIGURES = ("producers_accuracy", "users_accuracy", "iou", "f1")
"""The figures of each class, in the order of ``class_figures``."""


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
    mapped: Amount
    reference: Amount
    agreed: Amount
    producers_accuracy: Share | None
    users_accuracy: Share | None
    iou: Share | None
    f1: Share | None


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

    total: Amount
    overall_accuracy: Share | None
    kappa: Annotated[float, Field(ge=-1, le=1 + 1e-9)] | None
    mean_iou: Share | None
    mean_producers_accuracy: Share | None
    mean_users_accuracy: Share | None
    mean_f1: Share | None
    quantity: Share | None
    allocation: Share | None
    exchange: Share | None
    shift: Share | None
    majority_class: str | None
    majority_accuracy: Share | None
    majority_mean_iou: Share | None
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
        self.counts: NDArray[Any] = counts.astype(np.float64 if np.issubdtype(counts.dtype, np.floating) else np.int64)

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

    def add(self, map_codes: NDArray[Any], reference_codes: NDArray[Any]) -> None:
        """Count the pixels of a block into this matrix; see ``count``."""
        self.counts = self.counts + count(map_codes, reference_codes, len(self.legend))

    @property
    def total(self) -> float:
        """Pixels, or area, compared."""
        return float(self.counts.sum())

    def figures(self) -> Figures:
        """All figures that follow from the counts."""
        return figures(self.counts, self.legend)

    def to_json(self) -> dict[str, Any]:
        """Orientation, class keys and counts as plain Python values."""
        return {"orientation": ORIENTATION, "classes": self.legend.keys, "counts": self.counts.tolist()}

    def to_csv(self) -> str:
        """The matrix as CSV text: labels on rows and columns, orientation in the corner cell."""
        rows = zip(self.legend.keys, self.counts.tolist(), strict=True)
        return csv_text([[ORIENTATION, *self.legend.keys], *([key, *row] for key, row in rows)])

    def write_csv(self, path: Path) -> None:
        """Write ``to_csv`` to a file.

        Raises:
            OutputError: The file cannot be written.
        """
        write_text(path, self.to_csv())


def count(
    map_codes: NDArray[Any], reference_codes: NDArray[Any], classes: int, weights: NDArray[np.float64] | None = None
) -> NDArray[Any]:
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
    index: NDArray[Any] = map_codes.astype(narrow).ravel() * size + reference_codes.astype(narrow).ravel()
    flat_weights = None if weights is None else np.asarray(weights, np.float64).ravel()
    table = np.bincount(index, weights=flat_weights, minlength=size * size).reshape(size, size)[1:, 1:]
    return table if weights is not None else table.astype(np.int64)


def figures(counts: ArrayLike, legend: Legend) -> Figures:
    """The figures of a matrix of counts, areas or shares.

    Args:
        counts: ``(K, K)``, rows = map, columns = reference, not negative.
        legend: The K classes.
    """
    x = np.asarray(counts, np.float64)
    total, agreed, mapped, reference = float(x.sum()), np.diag(x), x.sum(axis=1), x.sum(axis=0)
    table = figure_table(x)
    whole = {name: _defined(value) for name, value in zip(GLOBAL_FIGURES, table, strict=False)}
    of_classes = table[len(GLOBAL_FIGURES) :].reshape(len(legend), len(CLASS_FIGURES))
    per_class = tuple(
        ClassFigures(c.code, c.key, c.name, float(m), float(r), float(a), *map(_defined, values))
        for c, m, r, a, values in zip(legend, mapped, reference, agreed, of_classes, strict=True)
    )
    if total == 0:
        return Figures(
            total=0.0, **whole, majority_class=None, majority_accuracy=None, majority_mean_iou=None, classes=per_class
        )
    majority = int(reference.argmax())
    accuracy = float(reference[majority] / total)
    return Figures(
        total=total, **whole, majority_class=legend.classes[majority].key, majority_accuracy=accuracy,
        majority_mean_iou=accuracy / int((reference > 0).sum()), classes=per_class,
    )  # fmt: skip


def figure_table(counts: ArrayLike) -> NDArray[np.float64]:
    """All figures of many matrices at once.

    Formulas: Chen et al. (2022) eq. 1 to 5; quantity and allocation disagreement after Pontius and Millones (2011),
    Int. J. Remote Sens. 32(15), 4407-4429; exchange and shift after Pontius and Santacruz (2014), as in the R package
    diffeR.

    Args:
        counts: ``(..., K, K)``, rows = map, columns = reference.

    Returns:
        ``(..., 10 + 4 K)``: ``GLOBAL_FIGURES``, then ``CLASS_FIGURES`` for each class; NaN where undefined.
    """
    x = np.asarray(counts, np.float64)
    agreed, mapped, reference = np.diagonal(x, axis1=-2, axis2=-1), x.sum(axis=-1), x.sum(axis=-2)
    per_class = class_figures(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = x.sum(axis=(-2, -1))
        oa = agreed.sum(axis=-1) / total
        chance = (mapped * reference).sum(axis=-1) / total**2
        kappa = np.where(chance < 1 - 1e-12, (oa - chance) / (1 - chance), np.nan)
        quantity = np.abs(mapped - reference).sum(axis=-1) / (2 * total)
        allocation = np.minimum(mapped - agreed, reference - agreed).sum(axis=-1) / total
        swapped = np.minimum(x, np.swapaxes(x, -1, -2)).sum(axis=(-2, -1)) - agreed.sum(axis=-1)
        exchange = swapped / total
        means = [_nanmean(figure) for figure in per_class]
        # The difference of two equal sums may leave a rest below zero.
        table = [oa, kappa, *means, quantity, allocation, exchange, np.maximum(allocation - exchange, 0)]
    classes = np.moveaxis(per_class, 0, -1)  # (..., K, 4)
    return np.concatenate([np.stack(table, axis=-1), classes.reshape(*x.shape[:-2], -1)], axis=-1)


def class_figures(counts: NDArray[Any]) -> NDArray[np.float64]:
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


def as_one_class(counts: NDArray[Any], classes: Sequence[int]) -> NDArray[Any]:
    """Confusion matrices of several classes, taken as one, against the rest.

    Args:
        counts: ``(..., K, K)``, rows = map, columns = reference.
        classes: Rows (and columns) of the classes.

    Returns:
        ``(..., 2, 2)``: the classes, then the rest.
    """
    membership = np.zeros((2, counts.shape[-1]), np.int64)
    membership[1] = 1
    membership[:, list(classes)] = [[1], [0]]
    return np.asarray(membership @ counts @ membership.T)


def iou_as_one(counts: NDArray[Any], classes: Sequence[int]) -> float | None:
    """IoU of several classes taken as one, such as those that are mines; None without any and where it is undefined.

    Args:
        counts: ``(K, K)``, rows = map, columns = reference.
        classes: Rows (and columns) of the classes.
    """
    if not classes:
        return None
    return _defined(class_figures(as_one_class(np.asarray(counts), classes))[CLASS_FIGURES.index("iou"), 0])


def _defined(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _nanmean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    defined = np.isfinite(values)
    number = defined.sum(axis=-1)
    return np.asarray(np.where(defined, values, 0.0).sum(axis=-1) / np.where(number > 0, number, np.nan))
