"""Fewer training labels, so that two ways of dividing the ground are compared at an equal number."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Set
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pitmap.grid import Window
from pitmap.legend import UNLABELLED
from pitmap.samples.dataset import SampleSet
from pitmap.samples.patches import Patch, cover
from pitmap.samples.split import Split

CLOSE_ENOUGH = 0.01
"""No more patches are dropped when the labelled pixels exceed the wanted number by less than this share of it."""


def subsample(samples: SampleSet, pixels: int, seed: int) -> SampleSet:
    """A sample set that has lost training patches until a number of labelled training pixels is left.

    Patches are taken in a random order; each is dropped if that leaves at least ``pixels`` labelled pixels of ground
    that some training patch still holds. Whole patches go and not single labels, because scattered labels would leave
    most of what a patch tells. What is then left over is taken from the labels of single patches, row by row, where no
    other patch holds them. Validation, test and the band statistics stay as they are.

    Args:
        samples: The sample set; it is not changed, nothing is written.
        pixels: Labelled pixels wanted, at least 1; a set with fewer is returned as it is.
        seed: Of the order.

    Returns:
        A sample set with its own fingerprint and audit; ``record.split.subsampled_to`` notes the number.

    Raises:
        ValueError: The set is a subsample itself.
    """
    if samples.record.split.subsampled_to is not None:
        raise ValueError("a subsample is drawn from a whole sample set")
    patches = [p for p in samples.patches if p.split == Split.TRAINING]
    total = int(samples.class_pixels(Split.TRAINING).sum())
    if total <= pixels:
        return samples
    crowd = _Crowd(samples, patches)
    dropped: set[int] = set()
    order = np.random.default_rng(seed).permutation(len(patches)).tolist()
    for index in order:
        if total - pixels < CLOSE_ENOUGH * pixels:
            break
        lost = int(crowd.alone(index, dropped).sum())
        if total - lost >= pixels:
            dropped.add(index)
            total -= lost
    result = copy.copy(samples)
    result.__dict__.pop("codes", None)  # a mapping of its own, whose changes reach no other object and no file
    for index in order:
        if index in dropped or total <= pixels:
            continue
        p, window = patches[index], crowd.window(index)
        alone = crowd.alone(index, dropped)
        if samples.random_split:  # the labels of validation patches are theirs too
            alone &= ~cover(window, samples.patches, samples.patch, p.scene)[Split.VALIDATION]
        rows, cols = (axis[: total - pixels] for axis in np.nonzero(alone))
        result.codes[p.scene][rows + window.row, cols + window.col] = UNLABELLED
        total -= len(rows)
    kept = {p for index, p in enumerate(patches) if index not in dropped}
    record = samples.record
    result.record = replace(
        record,
        fingerprint=hashlib.sha256(f"{record.fingerprint} subsampled to {pixels} by {seed}".encode()).hexdigest(),
        patches=tuple(p for p in samples.patches if p.split != Split.TRAINING or p in kept),
        split=replace(record.split, subsampled_to=total),
    )
    counts = dict(zip(samples.legend.keys, result.class_pixels(Split.TRAINING).tolist(), strict=True))
    audit = record.audit.with_training(counts, result.patch_count(Split.TRAINING))
    result.record = replace(result.record, audit=audit)
    return result


class _Crowd:
    """Training patches that lie over each other."""

    def __init__(self, samples: SampleSet, patches: list[Patch]) -> None:
        self.samples, self.patches = samples, patches
        self._at = np.array([p[:3] for p in patches])

    def window(self, index: int) -> Window:
        """The pixels of a patch that lie in its scene."""
        p, side = self.patches[index], self.samples.patch
        height, width = self.samples.scenes[p.scene].shape
        return Window(p.row, p.col, min(side, height - p.row), min(side, width - p.col))

    def alone(self, index: int, dropped: Set[int]) -> NDArray[np.bool_]:
        """The labelled pixels of a patch that no other training patch holds."""
        p, side = self.patches[index], self.samples.patch
        away = np.abs(self._at - self._at[index])
        near = np.flatnonzero((away[:, 0] == 0) & (away[:, 1] < side) & (away[:, 2] < side)).tolist()
        others = [self.patches[i] for i in near if i != index and i not in dropped]
        window = self.window(index)
        held = cover(window, others, side, p.scene)[Split.TRAINING]
        return self.samples.ground(p.scene, Split.TRAINING, window) & ~held
