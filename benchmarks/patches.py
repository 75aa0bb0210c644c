"""Reading patches for training against copying the same bytes in memory.

    python -m benchmarks.patches

A sample set of one scene (4 bands, uint16) is built; every patch of the training split is read through the data set
and the same windows are copied out of an array in memory. The ratio of the two is what counts.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from affine import Affine
from pyproj import CRS

from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog
from pitmap.samples.build import build
from pitmap.samples.dataset import PatchDataset
from pitmap.samples.split import Split
from pitmap.study.study import load_study

SIDE = 3000


def main() -> None:
    rng = np.random.default_rng(0)
    grid = Grid(CRS.from_epsg(32649), Affine(4, 0, 500_000, 0, -4, 3_800_000), SIDE, SIDE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = rng.integers(1, 5000, (4, SIDE, SIDE)).astype(np.uint16)
        codes = np.kron(rng.integers(1, 8, (SIDE // 50, SIDE // 50)), np.ones((50, 50), np.int64)).astype(np.uint8)
        write_cog(folder / "a.tif", image, grid, Layout(4, "uint16", 0, scale=1e-4))
        write_cog(folder / "labels.tif", codes, grid, codes_layout(DEFAULT_LEGEND))
        (folder / "pitmap.toml").write_text('[[sites]]\nname = "a"\nimage = "a.tif"\nlabels = "labels.tif"\n')
        samples = build(load_study(folder / "pitmap.toml"))
        patches = PatchDataset(samples, Split.TRAINING)
        side = samples.patch

        def read() -> None:
            for i in range(len(patches)):
                patches[i]

        def pixels_alone() -> None:
            for p in patches.patches:
                np.array(samples.pixels[p.scene][:, p.row : p.row + side, p.col : p.col + side])

        def copy() -> None:
            for p in patches.patches:
                np.array(image[:, p.row : p.row + side, p.col : p.col + side])

        seconds = {}
        for function in (copy, pixels_alone, read):
            function()
            times = []
            for _ in range(5):
                start = time.perf_counter()
                function()
                times.append(time.perf_counter() - start)
            seconds[function.__name__] = min(times)
        megabytes = len(patches) * 4 * side * side * 2 / 1e6
        print(f"{len(patches)} patches of {side} x {side} x 4, uint16, {megabytes:.0f} MB; least of 5 rounds")
        for label, key in (
            ("copy out of an array in memory", "copy"),
            ("pixels of the sample set", "pixels_alone"),
            ("patch with validity and labels of its split", "read"),
        ):
            ratio = seconds[key] / seconds["copy"]
            print(
                f"| {label} | {seconds[key] * 1e3:.0f} ms | {megabytes / seconds[key] / 1e3:.2f} GB/s | {ratio:.2f} |"
            )


if __name__ == "__main__":
    main()
