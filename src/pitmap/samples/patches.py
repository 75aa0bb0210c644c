"""Patches: squares of pixels on a regular grid that covers every labelled pixel of a scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pitmap.grid import Window, origins
from pitmap.samples.split import USED, Split

PATCH_MULTIPLE = 32
"""Patch sides are multiples of it, the largest total stride of the networks."""

LARGEST_DEFAULT = 512
"""Side of a patch in Chen et al. (2022)."""


class Patch(NamedTuple):
    """A patch of a scene for one split.

    The patch may reach beyond a scene that is smaller; what lies outside is invalid and unlabelled.
    """

    scene: int
    row: int
    col: int
    split: Split


LEAST_DEFAULT = 64
ENOUGH_PATCHES = 300


def default_patch(shapes: list[tuple[int, int]]) -> int:
    """The largest side up to 512 that gives ``ENOUGH_PATCHES`` patches at a stride of half of it, at least 64.

    Few large patches put the same pixels in nearly every batch; many small ones, mixed, train better on small sites.
    """
    side = max(min(shape) for shape in shapes)
    largest = min(LARGEST_DEFAULT, -(-side // PATCH_MULTIPLE) * PATCH_MULTIPLE)
    for patch in range(largest, LEAST_DEFAULT, -PATCH_MULTIPLE):
        if (
            sum(len(origins(h, patch, patch // 2)) * len(origins(w, patch, patch // 2)) for h, w in shapes)
            >= ENOUGH_PATCHES
        ):
            return patch
    return min(LEAST_DEFAULT, largest)


def windows(shape: tuple[int, int], patch: int, stride: int) -> Iterator[Window]:
    """Windows of all patches of a scene, row by row; the last ones shift inwards, small scenes have one, cut off."""
    height, width = shape
    for row in origins(height, patch, stride):
        for col in origins(width, patch, stride):
            yield Window(row, col, min(patch, height - row), min(patch, width - col))


def ground_patches(
    scene: int, shape: tuple[int, int], labelled: Callable[[Window], set[Split]], patch: int, stride: int
) -> list[Patch]:
    """Patches under a split of the ground: one for each split with a label in it.

    Training patches lie ``stride`` apart, those of validation and test side by side. Several splits' patches can lie
    over the same pixels; each counts the labels of its own split only. Those for validation and test do not overlap
    more than the scene's size makes them.

    Args:
        scene: Index of the scene.
        shape: Its rows and columns.
        labelled: The splits that have labels in a window of it.
        patch: Side in pixels.
        stride: Distance in pixels.
    """
    return [
        Patch(scene, window.row, window.col, s)
        for s in USED
        for window in windows(shape, patch, stride if s == Split.TRAINING else patch)
        if s in labelled(window)
    ]


def random_patches(
    labels: Sequence[Callable[[Window], NDArray[np.uint8]]],
    shapes: Sequence[tuple[int, int]],
    patch: int,
    stride: int,
    shares: tuple[float, float, float],
    seed: int,
) -> list[Patch]:
    """The paper's protocol: labelled patches of all scenes, divided at random.

    Overlapping patches then put the same ground on both sides.

    Args:
        labels: Of each scene: the codes of a window.
        shapes: Rows and columns of each scene.
        patch: Side in pixels.
        stride: Distance in pixels.
        shares: Of training, validation and test; without a test share the validation patches are the test patches too.
        seed: Of the order.
    """
    found = [
        (scene, window)
        for scene, (codes, shape) in enumerate(zip(labels, shapes, strict=True))
        for window in windows(shape, patch, stride)
        if codes(window).any()
    ]
    order = np.random.default_rng(seed).permutation(len(found))
    first_validation = max(1, round(shares[0] * len(found)))
    first_test = round((shares[0] + shares[1]) * len(found)) if shares[2] > 0 else len(found)
    patches = []
    for place, index in enumerate(order.tolist()):
        scene, window = found[index]
        if place < first_validation:
            splits = [Split.TRAINING]
        elif place < first_test:
            splits = [Split.VALIDATION] if shares[2] > 0 else [Split.VALIDATION, Split.TEST]
        else:
            splits = [Split.TEST]
        patches += [Patch(scene, window.row, window.col, s) for s in splits]
    return sorted(patches)


def cover(window: Window, patches: Sequence[Patch], patch: int, scene: int) -> dict[Split, NDArray[np.bool_]]:
    """Which pixels of a window of a scene lie in patches of each split.

    Args:
        window: The pixels asked for.
        patches: Of all scenes.
        patch: Side in pixels.
        scene: Index of the scene.

    Returns:
        A boolean array ``(height, width)`` for training, validation and test.
    """
    covered = {s: np.zeros((window.height, window.width), np.bool_) for s in USED}
    for p in patches:
        row, col = p.row - window.row, p.col - window.col
        if p.scene == scene and -patch < row < window.height and -patch < col < window.width:
            covered[p.split][max(row, 0) : row + patch, max(col, 0) : col + patch] = True
    return covered
