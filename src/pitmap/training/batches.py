"""Patches in batches: their order in each epoch, reading them ahead, and what the network sees of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pitmap.networks.normalise import gain_and_bias, normalise
from pitmap.networks.scaling import towards_own
from pitmap.samples.batches import Batch, PatchDataset
from pitmap.samples.dataset import SampleSet


class Order(Protocol):
    """Numbers of patches in batches; each pass over it may have an order of its own."""

    def __iter__(self) -> Iterator[list[int]]: ...

    def __len__(self) -> int: ...


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


class BatchReader:
    """Batches on the device of the network, read ahead by threads into memory that is used again and again.

    A batch holds until the next one is asked for, and one pass at a time goes over a reader.

    Args:
        patches: Are read.
        batches: Their order; each pass goes over it anew.
        most: Patches in a batch at most.
        device: Where batches are wanted.
        threads: That read ahead; with 0 a batch is read when it is asked for.
    """

    def __init__(
        self, patches: PatchDataset, batches: Order | Sequence[list[int]], most: int, device: torch.device, threads: int
    ) -> None:
        self.patches, self.batches, self.most, self.device, self.threads = patches, batches, most, device, threads
        self._buffers: list[Batch] = []
        self._taken: list[Any] = []

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        # One buffer for each thread, and one for the batch that is being used.
        number = self.threads + 1
        if not self._buffers:
            pinned = self.device.type == "cuda"
            self._buffers = [self.patches.buffer(self.most, pinned=pinned) for _ in range(number)]
            event: Any = torch.cuda.Event  # without types of its own
            self._taken = [event() if pinned else None for _ in range(number)]
        if not self.threads:
            for numbers in self.batches:
                yield self._on_device(0, self._read(0, numbers))
            return
        ahead: deque[tuple[int, Future[Batch]]] = deque()
        with ThreadPoolExecutor(self.threads) as pool:
            for i, numbers in enumerate(self.batches):
                if len(ahead) == number:
                    yield self._next(ahead)
                ahead.append((i % number, pool.submit(self._read, i % number, numbers)))
            while ahead:
                yield self._next(ahead)

    def _next(self, ahead: deque[tuple[int, Future[Batch]]]) -> Batch:
        buffer, future = ahead.popleft()
        return self._on_device(buffer, future.result())

    def _read(self, buffer: int, numbers: list[int]) -> Batch:
        if self._taken[buffer] is not None:
            self._taken[buffer].synchronize()
        return self.patches.read(numbers, self._buffers[buffer])

    def _on_device(self, buffer: int, batch: Batch) -> Batch:
        batch = batch.to(self.device)
        if self._taken[buffer] is not None:
            self._taken[buffer].record()
        return batch


class Normaliser:
    """What the network sees of a batch: each patch by the scaling and the statistics of its scene.

    Args:
        samples: Says scalings and statistics.
        device: Where the batches are.
        own_statistics: Share of a scene's own statistics, see ``towards_own``.
    """

    def __init__(self, samples: SampleSet, device: torch.device, own_statistics: float) -> None:
        self._samples, self._device = samples, device
        scalings = [self._scaling(scene, own_statistics) for scene in range(len(samples.scenes))]
        self._gain, self._bias = (torch.stack(parts).to(device) for parts in zip(*scalings, strict=True))

    def __call__(self, batch: Batch, own_statistics: Sequence[float] | None = None) -> Tensor:
        """Normalised images, (N, B, H, W) float32, channels last.

        Args:
            batch: The patches.
            own_statistics: A share for each patch, in place of one for all.
        """
        if own_statistics is None:
            gain, bias = self._gain[batch.scene], self._bias[batch.scene]
        else:
            pairs = zip(batch.scene.tolist(), own_statistics, strict=True)
            scalings = [self._scaling(scene, share) for scene, share in pairs]
            gain, bias = (torch.stack(parts).to(self._device) for parts in zip(*scalings, strict=True))
        images = normalise(batch.pixels, batch.valid, gain, bias)
        return images.contiguous(memory_format=torch.channels_last)

    def _scaling(self, scene: int, share: float) -> tuple[Tensor, Tensor]:
        samples, s = self._samples, self._samples.scenes[scene]
        return gain_and_bias(s.scales, s.offsets, *towards_own(samples.mean, samples.std, s.mean, s.std, share))
