"""Do intervals from resampled blocks of ground cover where the formula for independent pixels fails?

    python benchmarks/resampling_coverage.py [--scenes 1000] [--report FILE]

Scenes are drawn from a process with a known mean: a reference of three classes from a Gaussian random field, and a map
that is wrong where a second field is high, so that errors come in clusters. Each scene is assessed as a census; its
interval should hold the figure of the process in 95 % of the scenes. The naive interval takes the pixels as
independent.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from pitmap.accuracy.census.resampling import (
    CLASS_FIGURES,
    GLOBAL_FIGURES,
    METHOD,
    GroundCells,
    figure_table,
    intervals,
)
from pitmap.legend import LandCoverClass, Legend

LEGEND = Legend(LandCoverClass(i, f"C{i}", f"class {i}", "#808080") for i in (1, 2, 3))

CASES = [(256, 0.0), (512, 2.0), (512, 4.0), (256, 4.0)]
"""Side of the scene and width of the correlation kernel, both in pixels; 0 is independent errors."""


def field(generator: np.random.Generator, size: int, sigma: float) -> NDArray[np.float64]:
    """Gaussian field of variance 1 and correlation exp(-d^2 / (4 sigma^2)), without wrap-round inside the scene."""
    noise = generator.standard_normal((size + 8 * int(sigma),) * 2)
    if sigma == 0:
        return noise
    smooth = ndimage.gaussian_filter(noise, sigma, mode="wrap")[:size, :size]
    return smooth * 2 * np.sqrt(np.pi) * sigma


def scene(generator: np.random.Generator, size: int, sigma: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    ground = field(generator, size, 2 * sigma)
    reference = (1 + (ground > -0.3) + (ground > 1.2)).astype(np.uint8)
    wrong = field(generator, size, sigma) > 1.1
    return np.where(wrong, reference % 3 + 1, reference).astype(np.uint8), reference


def expected_matrix() -> NDArray[np.float64]:
    """The confusion matrix that the process has in the mean: thresholds of Gaussian fields."""
    shares = np.diff([0.0, stats.norm.cdf(-0.3), stats.norm.cdf(1.2), 1.0])
    wrong = stats.norm.sf(1.1)
    matrix = np.diag(shares * (1 - wrong))
    for k in range(3):
        matrix[(k + 1) % 3, k] = shares[k] * wrong
    return matrix


def run(size: int, sigma: float, scenes: int, seed: int) -> list[str]:
    generator = np.random.default_rng(seed)
    true = figure_table(expected_matrix())
    covered, plain, naive, blocks, ratio = [], [], [], [], []
    for k in range(scenes):
        mapped, reference = scene(generator, size, sigma)
        cells = GroundCells(mapped.shape, 3)
        cells.add(mapped, reference)
        ground = cells.blocks()
        result = intervals(ground.matrices, LEGEND, ground.groups, draws=400, seed=k)
        made = [*result.figures.values(), *(i for c in result.classes.values() for i in c.values())]
        covered.append(
            [np.nan if i.lower is None else i.lower <= t <= i.upper for i, t in zip(made, true, strict=True)]
        )
        sums = np.zeros((int(ground.groups.max()) + 1, 3, 3))
        np.add.at(sums, ground.groups, ground.matrices)
        uncorrected = intervals(sums, LEGEND, draws=400, seed=k).figures["overall_accuracy"]
        plain.append(uncorrected.lower <= true[0] <= uncorrected.upper)
        oa = result.figures["overall_accuracy"]
        error = np.sqrt(oa.value * (1 - oa.value) / mapped.size)
        naive.append(abs(oa.value - true[0]) <= 1.96 * error)
        ratio.append(oa.standard_error / error)
        blocks.append(result.blocks)
    share = np.nanmean(covered, axis=0)
    per_class = share[len(GLOBAL_FIGURES) :].reshape(3, len(CLASS_FIGURES))
    row = [f"{size}", f"{sigma:g}", f"{np.median(blocks):.0f}", f"{np.median(ratio):.1f}", f"{np.mean(naive):.1%}"]
    row += [f"{np.mean(plain):.1%}"]
    row += [f"{share[GLOBAL_FIGURES.index(name)]:.1%}" for name in ("overall_accuracy", "kappa", "mean_iou")]
    row += [f"{per_class[:, CLASS_FIGURES.index('iou')].min():.1%}", f"{share.mean():.1%}"]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    args = parser.parse_args()
    started = time.perf_counter()
    header = [
        "side", "kernel", "blocks", "SE / naive SE", "naive OA", "OA, blocks without correction", "OA", "kappa", "mIoU",
        "worst class IoU", "mean of 18 figures",
    ]  # fmt: skip
    lines = [
        f"# Coverage of intervals from resampled ground, {date.today().isoformat()}",
        "",
        f"`python benchmarks/resampling_coverage.py --scenes {args.scenes} --seed {args.seed}` on "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}. "
        f"{args.scenes} scenes a row: the standard error of a coverage of 95 % is "
        f"{np.sqrt(0.95 * 0.05 / args.scenes):.1%}. {METHOD}",
        "",
        "Nominal coverage 95 %. Side and kernel in pixels; blocks is the median number of blocks.",
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(run(size, sigma, args.scenes, args.seed)) + " |" for size, sigma in CASES),
        "",
    ]
    text = "\n".join(lines)
    print(text)
    print(f"{time.perf_counter() - started:.0f} s")
    if args.report:
        args.report.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
