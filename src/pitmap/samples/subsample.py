"""Fewer training labels, so that two ways of dividing the ground are compared at an equal number."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import numpy as np

from pitmap.grid import Window
from pitmap.legend import UNLABELLED
from pitmap.samples.dataset import SampleSet
from pitmap.samples.patches import cover
from pitmap.samples.split import Split

CLOSE_ENOUGH = 0.01
"""No more patches are dropped when the labelled pixels exceed the wanted number by less than this share of it."""


def thinned(samples: SampleSet, pixels: int, seed: int) -> SampleSet:
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
        A sample set with its own fingerprint and audit; ``content["split"]["thinned_to"]`` notes the number.
    """
    patches = [p for p in samples.patches if p.split == Split.TRAINING]
    labelled = [samples.ground(i, Split.TRAINING) for i in range(len(samples.scenes))]
    total = sum(int(ground.sum()) for ground in labelled)
    if total <= pixels:
        return samples
    times = [np.zeros(s.shape, np.uint16) for s in samples.scenes]
    windows = [(slice(p.row, p.row + samples.patch), slice(p.col, p.col + samples.patch)) for p in patches]
    for p, window in zip(patches, windows, strict=True):
        times[p.scene][window] += 1
    dropped = set()
    order = np.random.default_rng(seed).permutation(len(patches)).tolist()
    for index in order:
        if total - pixels < CLOSE_ENOUGH * pixels:
            break
        scene, window = patches[index].scene, windows[index]
        lost = int((labelled[scene][window] & (times[scene][window] == 1)).sum())
        if total - lost >= pixels:
            dropped.add(index)
            times[scene][window] -= 1
            total -= lost
    codes = [c.copy() for c in samples.codes]
    validated = [
        cover(Window(0, 0, *s.shape), samples.patches, samples.patch, i)[Split.VALIDATION]
        for i, s in enumerate(samples.scenes)
    ]
    for index in order:
        scene, window = patches[index].scene, windows[index]
        alone = labelled[scene][window] & (times[scene][window] == 1)
        if samples.random_split:  # the labels of validation patches are theirs too
            alone &= ~validated[scene][window]
        if index not in dropped and total > pixels:
            rows, cols = (axis[: total - pixels] for axis in np.nonzero(alone))
            codes[scene][window][rows, cols] = UNLABELLED
            total -= len(rows)
    kept = {p for index, p in enumerate(patches) if index not in dropped}
    result = copy.copy(samples)
    result.__dict__["codes"] = codes
    result.patches = [p for p in samples.patches if p.split != Split.TRAINING or p in kept]
    result.content = _content(samples, result, pixels, seed, total)
    return result


def _content(samples: SampleSet, result: SampleSet, pixels: int, seed: int, total: int) -> dict[str, Any]:
    content = copy.deepcopy(samples.content)
    text = f"{content['fingerprint']} thinned to {pixels} by {seed}"
    content["fingerprint"] = hashlib.sha256(text.encode()).hexdigest()
    content["patches"] = [[p.scene, p.row, p.col, int(p.split)] for p in result.patches]
    content["split"]["thinned_to"] = total
    label, audit = Split.TRAINING.label, content["audit"]
    counts = result.class_pixels(Split.TRAINING).tolist()
    audit["labelled_pixels"][label] = total
    audit["labelled_pixels_by_class"][label] = dict(zip(samples.legend.keys, counts, strict=True))
    audit["patches"][label] = result.patch_count(Split.TRAINING)
    return content
