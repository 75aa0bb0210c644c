"""Patches a second of TorchGeo's loader: ``torchgeo_patches.py FOLDER PATCH BATCH WORKERS``; three rounds."""

import sys
import time

from torchgeo_loader import loader

PATCHES = 160

folder, (patch, batch, workers) = sys.argv[1], map(int, sys.argv[2:5])
for _ in range(3):
    batches = iter(loader(folder, patch, batch, workers, PATCHES + batch))
    next(batches)  # workers start
    start = time.perf_counter()
    for _ in batches:
        pass
    print(PATCHES / (time.perf_counter() - start))
