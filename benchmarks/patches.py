"""Patches a second for training, against a copy of the same bytes in memory and TorchGeo's RandomGeoSampler.

    python -m benchmarks.patches [--peers PYTHON]

A study of one compressed GeoTIFF (4 bands, uint16) and its labels is sampled; then batches of 8 patches of 512 x 512
with pixels, validity and labels are read, as training reads them. The copy is one ``numpy.copyto`` of as many bytes
from one array to another. ``--peers`` names a Python with TorchGeo, which reads the same files.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.ground import BANDS, sample_set
from benchmarks.record import Measure
from pitmap.samples.batches import PatchDataset
from pitmap.samples.split import Split
from pitmap.study.schema import TrainingSection
from pitmap.training.batches import BatchReader, EpochOrder
from pitmap.training.choices import Training

SIDE, PATCH, BATCH, ROUNDS = 6144, 512, 8, 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=os.environ.get("PITMAP_PEERS"), help="a Python with TorchGeo")
    parser.add_argument("--side", type=int, default=SIDE, help="rows and columns of the scene")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        patches = PatchDataset(sample_set(Path(name), arguments.side, PATCH), Split.TRAINING)
        number, bytes_a_patch = len(patches), PATCH**2 * (BANDS * 2 + 2)
        print(f"{number} patches of {PATCH} x {PATCH} x {BANDS} uint16 with validity and labels, batches of {BATCH}")
        print("| | patches/s, median of rounds | least | most | GB/s |\n|---|---|---|---|---|")

        def report(label: str, rates: list[float]) -> None:
            middle = statistics.median(rates)
            gigabytes = middle * bytes_a_patch / 1e9
            print(f"| {label} | {middle:.0f} | {min(rates):.0f} | {max(rates):.0f} | {gigabytes:.2f} |", flush=True)

        source = np.ones(BATCH * bytes_a_patch, np.uint8)
        target = np.zeros_like(source)

        def copy() -> None:
            for _ in range(0, number, BATCH):
                np.copyto(target, source)

        report("copy of the bytes of a batch in memory, one thread", rates_of(copy, -(-number // BATCH) * BATCH))
        default = default_threads()
        for threads in sorted({0, 1, 2, default}):
            order = EpochOrder(number, BATCH, 0)
            reader = BatchReader(patches, order, BATCH, torch.device("cpu"), threads)
            told = f"pitmap, {threads} threads ahead{' (the default here)' if threads == default else ''}"
            report(told, rates_of(lambda r=reader: deplete(r), number))
        for workers in (0, 2) if arguments.peers else ():
            command = [arguments.peers, "-W", "ignore", str(Path(__file__).parent / "peers" / "torchgeo_patches.py")]
            command += [name, str(PATCH), str(BATCH), str(workers)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            report(f"TorchGeo RandomGeoSampler, {workers} workers", [float(r) for r in done.stdout.split()])


def quick() -> list[Measure]:
    """Patches a second as training reads them here, and as a share of a copy of the same bytes in memory."""
    with tempfile.TemporaryDirectory() as name:
        patches = PatchDataset(sample_set(Path(name), 2048, PATCH), Split.TRAINING)
        order = EpochOrder(len(patches), BATCH, 0)
        reader = BatchReader(patches, order, BATCH, torch.device("cpu"), default_threads())
        rate = statistics.median(rates_of(lambda: deplete(reader), len(patches)))
    return [Measure("patches of 512 x 512 x 4 read for training", rate, "/s", more_is_better=True)]


def default_threads() -> int:
    """Threads that read for a training whose project file does not say how many."""
    return Training.of(TrainingSection(device="cpu"), 0).workers


def deplete(reader: BatchReader) -> None:
    for _ in reader:
        pass


def rates_of(work: Callable[[], None], patches: int) -> list[float]:
    """Patches a second in each of some rounds, after one that does not count."""
    rates = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        work()
        rates.append(patches / (time.perf_counter() - start))
    return rates[1:]


if __name__ == "__main__":
    main()
