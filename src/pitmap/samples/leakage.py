"""The audit of a split: how much ground the splits share, counted from the rasters and not from how they were made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from pitmap.grid import Grid, Window, blocks
from pitmap.legend import Legend
from pitmap.samples.split import USED, Split

BLOCK = 1024
"""Side of the blocks in which rasters are read, in pixels."""

Members = Callable[[Window], NDArray[np.uint8]]
"""The splits that the pixels of a window belong to, as bits (``bit``): uint8 ``(height, width)``."""


@dataclass(frozen=True)
class SplitAudit:
    """What the splits share and what they hold.

    Attributes:
        shared_labelled_pixels: Labelled pixels of ground that two splits share, for ``training-test`` and so on.
        shared_input_pixels: Pixels that lie in patches of both.
        labelled_pixels: By split.
        labelled_pixels_by_class: By split and class key.
        patches: By split.
        classes_below_minimum: ``KEY in split`` where a class has fewer labelled pixels than the project asks for.
        leaks: Whether labelled ground is shared.
        remark: A sentence on it.
    """

    shared_labelled_pixels: Mapping[str, int]
    shared_input_pixels: Mapping[str, int]
    labelled_pixels: Mapping[str, int]
    labelled_pixels_by_class: Mapping[str, Mapping[str, int]]
    patches: Mapping[str, int]
    classes_below_minimum: tuple[str, ...]
    leaks: bool
    remark: str

    def with_training(self, pixels_by_class: Mapping[str, int], patches: int) -> SplitAudit:
        """The same with other training labels, of which ``pixels_by_class`` are left in ``patches`` patches."""
        label = Split.TRAINING.label
        return replace(
            self,
            labelled_pixels={**self.labelled_pixels, label: sum(pixels_by_class.values())},
            labelled_pixels_by_class={**self.labelled_pixels_by_class, label: dict(pixels_by_class)},
            patches={**self.patches, label: patches},
        )


@dataclass(frozen=True)
class AuditScene:
    """A scene as the audit reads it.

    Attributes:
        grid: Its pixels.
        place: Scenes without CRS show the same ground only where their places are equal.
        codes: Labels of a window, uint8.
        inputs: Splits whose patches a pixel lies in.
        labelled: Splits whose figures, or training, a labelled pixel counts for.
    """

    grid: Grid
    place: object
    codes: Members
    inputs: Members
    labelled: Members


def bit(split: Split) -> int:
    """The bit of a split in what ``Members`` gives."""
    return 1 << (split - 1)


def audit(
    scenes: Sequence[AuditScene], legend: Legend, patches: Mapping[Split, int], minimum: int, *, by_patches: bool,
    tested: bool,
) -> SplitAudit:  # fmt: skip
    """Count what the splits share and what they hold.

    Args:
        scenes: All scenes.
        legend: The classes.
        patches: Number of patches of each split.
        minimum: Labelled pixels that each class should have in each split.
        by_patches: Whether patches were divided and not ground.
        tested: Whether test patches are others than validation patches.
    """
    counts = {s: np.zeros(len(legend) + 1, np.int64) for s in USED}
    for scene in scenes:
        for window in blocks(scene.grid.shape, BLOCK):
            codes, labelled = scene.codes(window), scene.labelled(window)
            for split in USED:
                counts[split] += np.bincount(codes[labelled & bit(split) > 0], minlength=len(legend) + 1)
    classes = {s.label: dict(zip(legend.keys, counts[s][1:].tolist(), strict=True)) for s in USED}
    below = tuple(
        f"{key} in {split}"
        for split, own in classes.items()
        for key, n in own.items()
        if n < minimum and sum(c[key] for c in classes.values()) > 0
    )
    grids, places = [s.grid for s in scenes], [s.place for s in scenes]
    shared = shared_pixels(grids, [s.labelled for s in scenes], places)
    leaks = any(shared.values())
    return SplitAudit(
        shared_labelled_pixels=shared,
        shared_input_pixels=shared_pixels(grids, [s.inputs for s in scenes], places),
        labelled_pixels={split: sum(own.values()) for split, own in classes.items()},
        labelled_pixels_by_class=classes,
        patches={s.label: patches[s] for s in USED},
        classes_below_minimum=below,
        leaks=leaks,
        remark=_remark(leaks, by_patches, tested),
    )


def _remark(leaks: bool, by_patches: bool, tested: bool) -> str:
    if not by_patches:
        return (
            "No labelled ground is shared between training, validation and test." if not leaks else "GROUND IS SHARED."
        )
    text = "Random patches put the same ground on both sides: the figures measure interpolation, not generalisation."
    return text + ("" if tested else " Validation and test are the same patches, as in Chen et al. (2022).")


def shared_pixels(grids: Sequence[Grid], members: Sequence[Members], places: Sequence[object]) -> dict[str, int]:
    """Ground pixels that two splits share, over all scenes and dates; scenes are read block by block.

    A pixel of one split is shared when its centre lies in a pixel of the other split, in its own or in any other scene.
    Scenes with the same grid are dates of one place and counted once.

    Args:
        grids: One a scene.
        members: One a scene: the splits of its pixels.
        places: One a scene; scenes without CRS show the same ground only where their places are equal.

    Returns:
        Number of shared pixels for ``training-validation``, ``training-test`` and ``validation-test``.
    """
    grounds: list[tuple[Grid, object, list[Members]]] = []
    for grid, own, place in zip(grids, members, places, strict=True):
        for other, other_place, dates in grounds:
            if (grid.crs is not None or place == other_place) and grid.same_as(other):
                dates.append(own)
                break
        else:
            grounds.append((grid, place, [own]))
    pairs = list(combinations(USED, 2))
    asked_of = sum({bit(a) for a, _ in pairs})
    shared = dict.fromkeys(pairs, 0)
    for i, (grid, _, dates) in enumerate(grounds):
        others = [
            (other, other_dates)
            for j, (other, _, other_dates) in enumerate(grounds)
            if j != i and grid.crs is not None and other.crs is not None and grid.overlaps(other)
        ]
        # What a block covers of a finer grid has more pixels.
        finest = min([1.0, *((o.pixel_size_m or 1.0) / (grid.pixel_size_m or 1.0) for o, _ in others)])
        for window in blocks(grid.shape, max(16, int(BLOCK * finest))):
            own_bits = _union(dates, window)
            found = own_bits.copy()
            for other, other_dates in others:
                _add_overlap(found, own_bits & asked_of > 0, grid, window, other, other_dates)
            for a, b in pairs:
                shared[a, b] += int(np.count_nonzero((own_bits & bit(a) > 0) & (found & bit(b) > 0)))
    return {f"{a.label}-{b.label}": number for (a, b), number in shared.items()}


def _union(dates: Sequence[Members], window: Window) -> NDArray[np.uint8]:
    bits = dates[0](window).copy()
    for other in dates[1:]:
        bits |= other(window)
    return bits


def _add_overlap(
    found: NDArray[np.uint8], asked: NDArray[np.bool_], grid: Grid, window: Window, other: Grid,
    dates: Sequence[Members],
) -> None:  # fmt: skip
    """Add the splits of the pixel of another grid that holds the centre of each pixel that is asked for."""
    rows, cols = np.nonzero(asked)
    if len(rows) == 0:
        return
    transformer = Transformer.from_crs(grid.crs, other.crs, always_xy=True)
    x, y = transformer.transform(*grid.pixel_centres(rows + window.row, cols + window.col))
    row, col = other.pixel_indices(x, y)
    inside = (row >= 0) & (row < other.height) & (col >= 0) & (col < other.width)
    if not inside.any():
        return
    rows, cols, row, col = rows[inside], cols[inside], row[inside], col[inside]
    first_row, first_col = int(row.min()), int(col.min())
    part = Window(first_row, first_col, int(row.max()) - first_row + 1, int(col.max()) - first_col + 1)
    found[rows, cols] |= _union(dates, part)[row - first_row, col - first_col]
