"""Do the area-adjusted estimates keep what they promise? Brute-force simulation of sampling from known populations.

    python benchmarks/estimation_coverage.py [--samples 10000] [--report FILE]

For each population, stratified random samples are drawn and estimated; the table gives, for each figure, its true
value, the bias, the mean estimated standard error over the spread of the estimates, and how often the 95 % interval
holds the truth, over all samples and over those in which the figure was not warned of.

- A: three classes and a belt round the first, 2,200 points in large strata: what the intervals promise.
- B: the population and the design of Olofsson et al. (2014), Table 8: 640 points, of which a handful decide on the
  deforestation that the map missed.
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

from pitmap.accuracy.sampling.estimation import FEW_POINTS_RULE, AreaEstimates, Estimate, estimate_counts
from pitmap.legend import LandCoverClass, Legend

CLASSES_AND_BELT = np.zeros((4, 3, 3))
CLASSES_AND_BELT[0, 0] = [0.075, 0.004, 0.009]
CLASSES_AND_BELT[1, 1] = [0.006, 0.42, 0.03]
CLASSES_AND_BELT[2, 2] = [0.012, 0.03, 0.35]
CLASSES_AND_BELT[3, 1:] = [[0.006, 0.02, 0.004], [0.008, 0.004, 0.022]]

TABLE_8 = np.zeros((4, 4, 4))
for stratum, (share, counts) in enumerate(
    zip(
        (0.02, 0.015, 0.32, 0.645),
        ([66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]),
        strict=True,
    )
):
    TABLE_8[stratum, stratum] = share * np.array(counts) / sum(counts)


def figures(result: AreaEstimates) -> dict[str, Estimate]:
    rows = {"OA": result.overall_accuracy}
    for c in result.classes:
        rows |= {
            f"UA {c.key}": c.users_accuracy,
            f"PA {c.key}": c.producers_accuracy,
            f"IoU {c.key}": c.iou,
            f"F1 {c.key}": c.f1,
            f"area {c.key}": c.area,
        }
    return rows


def simulate(
    population: NDArray, points: list[int], keys: list[str], map_classes: list[int], samples: int, seed: int
) -> list[str]:
    legend = Legend(LandCoverClass(i, key, key, "#808080") for i, key in enumerate(keys, start=1))
    areas = population.sum(axis=(1, 2)) * 1e5
    true = {name: e.value for name, e in figures(estimate_counts(population * 1e9, areas, legend)).items()}
    generator = np.random.default_rng(seed)
    shape = population.shape[1:]
    values: dict[str, list[list[float]]] = {name: [] for name in true}
    for _ in range(samples):
        counts = np.stack(
            [
                generator.multinomial(n, (p / p.sum()).ravel()).reshape(shape)
                for n, p in zip(points, population, strict=True)
            ]
        )
        for name, e in figures(estimate_counts(counts, areas, legend, map_classes=map_classes)).items():
            if e.value is not None and e.standard_error is not None:
                held = e.lower <= true[name] <= e.upper
                values[name].append([e.value, e.standard_error**2, held, not e.warning])
    lines = [
        "| figure | truth | bias / spread | estimated SE / spread | coverage | not warned | coverage of these |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, rows in values.items():
        value, variance, held, calm = np.array(rows).T
        spread = value.std(ddof=1)
        quiet = held[calm == 1]
        lines.append(
            f"| {name} | {true[name]:.6g} | {(value.mean() - true[name]) / spread:+.3f} | "
            f"{np.sqrt(variance.mean()) / spread:.3f} | {held.mean():.2%} | {calm.mean():.1%} | "
            f"{'–' if len(quiet) < 100 else format(quiet.mean(), '.2%')} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    args = parser.parse_args()
    started = time.perf_counter()
    lines = [
        f"# Coverage of the area-adjusted intervals, {date.today().isoformat()}",
        "",
        f"`python benchmarks/estimation_coverage.py --samples {args.samples} --seed {args.seed}` on "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}. "
        f"{args.samples} samples a population: the standard error of a coverage of 95 % is "
        f"{np.sqrt(0.95 * 0.05 / args.samples):.2%}.",
        "",
        f"Warned: {FEW_POINTS_RULE}",
        "",
        "## A: three classes and a belt round PIT, 400 / 700 / 700 / 400 points",
        "",
        *simulate(
            CLASSES_AND_BELT, [400, 700, 700, 400], ["PIT", "WOOD", "REST"], [1, 2, 3, 0], args.samples, args.seed
        ),
        "",
        "## B: Olofsson et al. (2014), Table 8, 75 / 75 / 165 / 325 points",
        "",
        "The estimated error matrix of the paper is taken as the truth.",
        "",
        *simulate(
            TABLE_8,
            [75, 75, 165, 325],
            ["deforestation", "gain", "forest", "other"],
            [1, 2, 3, 4],
            args.samples,
            args.seed,
        ),
        "",
    ]
    text = "\n".join(lines)
    print(text)
    print(f"{time.perf_counter() - started:.0f} s")
    if args.report:
        args.report.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
