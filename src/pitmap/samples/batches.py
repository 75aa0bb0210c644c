"""Patches of a sample set, gathered in batches: each pixel is copied once, from the mapped file to its place.

Pixels and codes keep the types that they have on disk; what the network computes with is made on its device.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import Split


class Batch(NamedTuple):
    """Patches as they are read, before normalisation.

    Attributes:
        pixels: ``(N, band, patch, patch)`` in the images' own numbers.
        valid: ``(N, patch, patch)`` bool.
        codes: ``(N, patch, patch)`` uint8; 0 where unlabelled or without data.
        scene: Number of each patch's scene, ``(N,)`` int64.
    """

    pixels: torch.Tensor
    valid: torch.Tensor
    codes: torch.Tensor
    scene: torch.Tensor

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device; from pinned memory it may still be on its way."""
        return Batch(*(part.to(device, non_blocking=self.pixels.is_pinned()) for part in self))

    def first(self, patches: int) -> Batch:
        """The first so many patches, in the same memory."""
        return Batch(*(part[:patches] for part in self))

    @property
    def target(self) -> torch.Tensor:
        """``target_of`` the codes."""
        return target_of(self.codes)


def target_of(codes: torch.Tensor) -> torch.Tensor:
    """Channel numbers of codes, int64, on their device; -1 takes no part."""
    return codes.to(torch.int64) - 1


class PatchDataset:
    """The patches of one split.

    Under splits of the ground only the labels on the split's own ground count; under the random split all labels of a
    patch do.

    Args:
        samples: The sample set.
        split: Which patches.
    """

    def __init__(self, samples: SampleSet, split: Split) -> None:
        self.samples, self.split = samples, split
        self.patches = [p for p in samples.patches if p.split == split]
        self._dtype = np.result_type(*(a.dtype for a in samples.pixels))
        # Views without a class of their own: cutting a window out of an ``np.memmap`` costs as much as to copy codes.
        self._pixels, self._valid, self._codes, self._splits = (
            [np.asarray(a) for a in arrays] for arrays in (samples.pixels, samples.valid, samples.codes, samples.splits)
        )

    def __len__(self) -> int:
        return len(self.patches)

    def class_frequencies(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Labelled pixels of each class, and those of the patches in which each class occurs: ``(K,)`` each."""
        size, side = len(self.samples.legend) + 1, self.samples.patch
        pixels, company = np.zeros(size, np.int64), np.zeros(size, np.int64)
        codes = np.empty((side, side), np.uint8)
        for p in self.patches:
            window = slice(p.row, p.row + side), slice(p.col, p.col + side)
            height, width = self._codes[p.scene][window].shape
            self._put_codes(p.scene, window, codes[:height, :width])
            counts = np.bincount(codes[:height, :width].ravel(), minlength=size)
            pixels += counts
            company += np.where(counts > 0, counts[1:].sum(), 0)
        return pixels[1:], company[1:]

    def buffer(self, patches: int, *, pinned: bool = False) -> Batch:
        """Memory for a batch, with nothing in it.

        Args:
            patches: N.
            pinned: Whether a GPU reads it without a copy of the system's.
        """
        side, dtype = self.samples.patch, torch.from_numpy(np.empty(0, self._dtype)).dtype
        shapes = {
            "pixels": ((patches, len(self.samples.bands), side, side), dtype),
            "valid": ((patches, side, side), torch.bool),
            "codes": ((patches, side, side), torch.uint8),
            "scene": ((patches,), torch.int64),
        }
        return Batch(**{k: torch.empty(shape, dtype=d, pin_memory=pinned) for k, (shape, d) in shapes.items()})

    def read(self, numbers: list[int], into: Batch | None = None) -> Batch:
        """A batch of the patches of these numbers.

        Args:
            numbers: Of ``patches``.
            into: Memory for as many patches or more, of ``buffer``; by default new memory.
        """
        batch = (into or self.buffer(len(numbers))).first(len(numbers))
        pixels, valid, codes, scenes = (part.numpy() for part in batch)
        side = self.samples.patch
        for place, number in enumerate(numbers):
            p = self.patches[number]
            window = slice(p.row, p.row + side), slice(p.col, p.col + side)
            known = self._valid[p.scene][window]
            height, width = known.shape
            if (height, width) != (side, side):
                for part in (pixels, valid, codes):
                    part[place] = 0
            pixels[place, :, :height, :width] = self._pixels[p.scene][:, window[0], window[1]]
            valid[place, :height, :width] = known
            self._put_codes(p.scene, window, codes[place, :height, :width])
            scenes[place] = p.scene
        return batch

    def _put_codes(self, scene: int, window: tuple[slice, slice], codes: NDArray[Any]) -> None:
        """Write the codes of a window that count into an array; they are 0 without data as they are on disk."""
        given = self._codes[scene][window]
        if self.samples.random_split:
            codes[...] = given
        else:
            np.equal(self._splits[scene][window], np.uint8(self.split), out=codes.view(np.bool_))
            np.multiply(given, codes, out=codes)
