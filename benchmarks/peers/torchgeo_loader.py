"""TorchGeo's documented loader of patches on an image and its labels. Runs in the peers' environment."""

from __future__ import annotations

from pathlib import Path

from torch.utils.data import DataLoader
from torchgeo.datasets import RasterDataset, stack_samples
from torchgeo.samplers import RandomGeoSampler


class Image(RasterDataset):
    """The scene."""

    filename_glob = "image.tif"


class Labels(RasterDataset):
    """Its codes."""

    filename_glob = "labels.tif"
    is_image = False


def loader(folder: str | Path, patch: int, batch: int, workers: int, patches: int) -> DataLoader:
    """Batches of random patches: ``image`` float32 (N, B, patch, patch), ``mask`` int64."""
    both = Image(str(folder)) & Labels(str(folder))
    sampler = RandomGeoSampler(both, size=patch, length=patches)
    return DataLoader(both, batch_size=batch, sampler=sampler, num_workers=workers, collate_fn=stack_samples)
