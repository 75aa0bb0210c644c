"""TorchGeo's documented loop over a scene, run by a Python that has TorchGeo: ``mapping_speed`` starts it.

    PYTHONPATH=src /path/of/peers/bin/python benchmarks/mapping_peer.py MODEL IMAGE BATCH WORKERS

``GridGeoSampler`` with windows of 512 pixels at steps of 512, float32, the class of the largest logit; nothing is put
together or written. The network is the very module that pitmap maps with, its weights those of the model file; on the
last line stands how long importing pitmap for it took, which is not TorchGeo's to pay.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import rasterio
import torch
import torchgeo
from torch.utils.data import DataLoader
from torchgeo.datasets import RasterDataset, stack_samples
from torchgeo.samplers import GridGeoSampler

SIDE = 512


def main(model: Path, image: Path, batch: int, workers: int) -> None:
    start = time.perf_counter()
    from pitmap.networks.model_file import load_model

    imported = time.perf_counter() - start
    network, card = load_model(model)

    class Scene(RasterDataset):
        filename_glob = image.name

    scene = Scene(str(image.parent))
    sampler = GridGeoSampler(scene, size=SIDE, stride=SIDE)
    loader = DataLoader(scene, sampler=sampler, batch_size=batch, num_workers=workers, collate_fn=stack_samples)
    with rasterio.open(image) as source:
        scale = source.scales[0]
    mean, std = (torch.tensor(v, dtype=torch.float32).view(1, -1, 1, 1) for v in (card.mean, card.std))
    windows = found = 0
    with torch.inference_mode():
        for sample in loader:
            x = (sample["image"].float() * scale - mean) / std
            codes = network(x).argmax(dim=1)
            windows += len(codes)
            found += codes.numel()
    versions = {"torchgeo": torchgeo.__version__, "torch": torch.__version__}
    print(json.dumps({"windows": windows, "pixels": found, "importing_pitmap_s": imported, "versions": versions}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
