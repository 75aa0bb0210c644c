"""Patches in batches: their order in each epoch, and what the network sees of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pitmap.networks.normalise import gain_and_bias, normalise
from pitmap.samples.dataset import Batch, PatchDataset, SampleSet
from pitmap.training.choices import Training


class EpochOrder:
    """All patches in batches, in an order that depends on seed and epoch alone.

    Args:
        patches: Number of patches.
        batch: Patches a batch; the last one of an epoch may have fewer.
        seed: Of the order.

    Attributes:
        epoch: The epoch that is to be read, from 0 on.
    """

    def __init__(self, patches: int, batch: int, seed: int) -> None:
        self.patches, self.batch, self.seed, self.epoch = patches, batch, seed, 0

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.patches).tolist()
        return iter([order[i : i + self.batch] for i in range(0, self.patches, self.batch)])

    def __len__(self) -> int:
        return -(-self.patches // self.batch)


def in_order(patches: int, batch: int) -> list[list[int]]:
    """All patches in batches, one after the other."""
    return [list(range(i, min(i + batch, patches))) for i in range(0, patches, batch)]


def read(patches: PatchDataset, batches: Iterable[list[int]], training: Training) -> DataLoader[Any]:
    """Reads batches of patches; each pass goes over ``batches`` anew."""
    return DataLoader(
        patches,
        batch_sampler=batches,
        collate_fn=patches.collate,
        num_workers=training.workers,
        pin_memory=training.device == "cuda",
        persistent_workers=training.workers > 0,
    )


class Normaliser:
    """What the network sees of a batch: each patch by the scaling of its scene.

    Args:
        samples: Says scalings and statistics.
        device: Where the batches are.
    """

    def __init__(self, samples: SampleSet, device: torch.device) -> None:
        scalings = [gain_and_bias(s.scales, s.offsets, samples.mean, samples.std) for s in samples.scenes]
        self._gain, self._bias = (torch.stack(parts).to(device) for parts in zip(*scalings, strict=True))

    def __call__(self, batch: Batch) -> Tensor:
        """Normalised images, (N, B, H, W) float32, channels last."""
        images = normalise(batch.pixels, batch.valid, self._gain[batch.scene], self._bias[batch.scene])
        return images.contiguous(memory_format=torch.channels_last)
