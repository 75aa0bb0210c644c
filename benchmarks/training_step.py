"""A step of training of U-Net+ with reading, against the same network in plain float32 Lightning on TorchGeo's loader.

    python -m benchmarks.training_step [--peers PYTHON] [--sizes 32x256x8,16x64x32]

pitmap's steps are those of the recipe ``robust``: augmentation, mixing, cross-entropy with Dice, AdamW, the moving
average of the weights. Lightning's are cross-entropy and Adam, nothing else. ``--peers`` names a Python with Lightning
and TorchGeo; both read the same compressed GeoTIFF, or what pitmap made of it. Every row is a process of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from benchmarks.ground import sample_set
from benchmarks.record import Measure
from pitmap.observer import Observer
from pitmap.samples.dataset import SampleSet
from pitmap.training.choices import Training
from pitmap.training.loop import train
from pitmap.training.recipes import RECIPES

LEFT_OUT = 12
"""First steps, of which pitmap times some itself to say how long the training will take."""


class _Enough(Exception):  # noqa: N818
    """As many steps as are wanted were made."""


class _Steps(Observer):
    """Notes when steps end, and stops the training."""

    def __init__(self, steps: int) -> None:
        self.steps, self.ends = steps, list[float]()

    def progress(self, step: str, share: float) -> None:
        self.ends.append(time.perf_counter())
        if len(self.ends) == self.steps + LEFT_OUT:
            raise _Enough


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=os.environ.get("PITMAP_PEERS"), help="a Python with Lightning and TorchGeo")
    parser.add_argument("--sizes", default="32x256x8,16x64x32", help="width x patch x batch")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        folder, width, batch, steps, precision = arguments.child
        print(*seconds_of_steps(Path(folder), int(width), int(batch), int(steps), precision))
        return
    print("| U-Net+ | step, s (median) | least | most |\n|---|---|---|---|")
    for size in arguments.sizes.split(","):
        width, patch, batch = map(int, size.split("x"))
        steps = 6 if patch >= 256 else 40
        with tempfile.TemporaryDirectory() as folder:
            sample_set(Path(folder), max(2048, 16 * patch), patch)
            for precision in ("float32", "bf16"):
                child = [sys.executable, "-W", "ignore", "-m", "benchmarks.training_step", "--child", folder]
                report(f"pitmap, {precision}, {size}", [*child, str(width), str(batch), str(steps), precision])
            if arguments.peers:
                script = Path(__file__).parent / "peers" / "lightning_step.py"
                peer = [arguments.peers, "-W", "ignore", str(script), folder, str(patch), str(batch), str(width)]
                report(f"Lightning, float32, {size}", [*peer, str(3 if patch >= 256 else 20)])


def quick() -> list[Measure]:
    """Seconds of a step of the recipe ``robust`` in the precision of this processor, small and large."""
    measures = []
    for width, patch, batch, steps in ((16, 64, 32, 20), (32, 256, 8, 4)):
        with tempfile.TemporaryDirectory() as folder:
            sample_set(Path(folder), max(2048, 16 * patch), patch)
            seconds = statistics.median(seconds_of_steps(Path(folder), width, batch, steps, "auto"))
        measures.append(Measure(f"training step, U-Net+ {width}, {batch} patches of {patch} x {patch}", seconds, "s"))
    return measures


def report(label: str, command: list[str]) -> None:
    """Print a row: the seconds of the steps that a process prints."""
    sources = str(Path(__file__).parents[1] / "src")
    path = os.pathsep.join([sources, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)
    if done.returncode:
        sys.exit(f"{label}: {done.stderr}")
    seconds = [float(s) for s in done.stdout.split()]
    print(f"| {label} | {statistics.median(seconds):.3f} | {min(seconds):.3f} | {max(seconds):.3f} |", flush=True)


def seconds_of_steps(folder: Path, width: int, batch: int, steps: int, precision: str) -> list[float]:
    """The seconds of each step of a training that is broken off after ``steps``."""
    recipe = replace(RECIPES["robust"], width=width, batch=batch, precision=precision, steps=steps + LEFT_OUT + 1000)
    samples = SampleSet(next(folder.glob("**/samples.json")).parent)
    observer = _Steps(steps)
    with contextlib.suppress(_Enough):
        train(samples, Training("unetplus", {}, recipe, 0, "cpu"), folder / f"{precision}.safetensors", observer)
    ends = observer.ends[LEFT_OUT - 1 :]
    return [b - a for a, b in pairwise(ends)]


if __name__ == "__main__":
    main()
