"""Do the intervals of area-adjusted estimates hold? Brute-force simulation of sampling from known populations.

    python benchmarks/estimation_coverage.py [--samples 10000] [--report FILE]

For each population, stratified random samples are drawn and estimated. The table gives, for each figure, its true
value, the mean number of points in its denominator, how often the 95 % interval holds the truth, how often the one of
the literature (Wald, plus or minus 1.96 standard errors) does, and the mean width of both.

- A: three classes and a belt round the first, 2,200 points in large strata.
- B: the population and the design of Olofsson et al. (2014), Table 8: 640 points, of which a handful decide on the
  deforestation that the map missed.
- C, D: good maps, user's accuracies 0.95 to 0.998, 650 and 525 points.
- E: a good map with a belt round the first class as a stratum, 675 points.
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

from pitmap.accuracy.sampling.estimation import FEW_POINTS, METHODS, AreaEstimates, Estimate, estimate_counts
from pitmap.accuracy.sampling.intervals import Z_95
from pitmap.legend import LandCoverClass, Legend


def classes_and_belt(shares: list[list[float]], belt: list[list[float]]) -> NDArray[np.float64]:
    """Population ``(stratum, map, reference)`` of strata that are classes of the map, and a belt of several."""
    size = len(shares)
    population = np.zeros((size + 1, size, size))
    population[np.arange(size), np.arange(size)] = shares
    population[size] = belt
    return population


def good_map(sizes: list[float], users_accuracy: list[float], errors: list[list[float]]) -> NDArray[np.float64]:
    """Population of strata that are classes, by the share of each, its user's accuracy, and odds of its errors."""
    size = len(sizes)
    population = np.zeros((size, size, size))
    for k in range(size):
        odds = np.array(errors[k]) * (np.arange(size) != k)
        population[k, k] = sizes[k] * (1 - users_accuracy[k]) * odds / odds.sum()
        population[k, k, k] = sizes[k] * users_accuracy[k]
    return population


TABLE_8 = np.zeros((4, 4, 4))
for stratum, (share, counts) in enumerate(
    zip(
        (0.02, 0.015, 0.32, 0.645),
        ([66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]),
        strict=True,
    )
):
    TABLE_8[stratum, stratum] = share * np.array(counts) / sum(counts)

QUARRIES = ["PIT", "DUMP", "FOREST", "REST"]
BELTED = good_map([0.04, 0.03, 0.28, 0.62], [0.985, 0.97, 0.995, 0.998],
                  [[0, 1, 3, 6], [1, 0, 2, 4], [0.05, 0.2, 0, 8], [0.05, 0.3, 6, 0]])  # fmt: skip

POPULATIONS = {
    "A: three classes and a belt round PIT": (
        classes_and_belt(
            [[0.075, 0.004, 0.009], [0.006, 0.42, 0.03], [0.012, 0.03, 0.35]],
            [[0, 0, 0], [0.006, 0.02, 0.004], [0.008, 0.004, 0.022]],
        ),
        [400, 700, 700, 400], ["PIT", "WOOD", "REST"], [1, 2, 3, 0],
    ),
    "B: Olofsson et al. (2014), Table 8, whose estimated error matrix is taken as the truth": (
        TABLE_8, [75, 75, 165, 325], ["deforestation", "gain", "forest", "other"], [1, 2, 3, 4],
    ),
    "C: a good map with the classes of B": (
        good_map([0.02, 0.015, 0.32, 0.645], [0.99, 0.95, 0.99, 0.998],
                 [[0, 1, 5, 4], [0, 0, 8, 12], [1, 0, 0, 11], [2, 1, 9, 0]]),
        [50, 50, 150, 400], ["deforestation", "gain", "forest", "other"], [1, 2, 3, 4],
    ),
    "D: a good map of quarries": (
        good_map([0.05, 0.03, 0.22, 0.70], [0.97, 0.985, 0.998, 0.995],
                 [[0, 1, 3, 6], [1, 0, 2, 4], [2, 1, 0, 8], [6, 2, 6, 0]]),
        [75, 50, 100, 300], QUARRIES, [1, 2, 3, 4],
    ),
    "E: a good map of quarries and a belt round PIT": (
        classes_and_belt(
            [BELTED[k, k].tolist() for k in range(4)],
            [[0] * 4, [0] * 4, [0.0012, 0.0002, 0.0080, 0.0006], [0.0020, 0.0002, 0.0010, 0.0168]],
        ),
        [75, 50, 150, 300, 100], QUARRIES, [1, 2, 3, 4, 0],
    ),
}  # fmt: skip
"""Population, points of each stratum, keys of the classes, and the only map class of each stratum or 0."""


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
    rows: dict[str, list[list[float]]] = {name: [] for name in true}
    for _ in range(samples):
        counts = np.stack(
            [
                generator.multinomial(n, (p / p.sum()).ravel()).reshape(shape)
                for n, p in zip(points, population, strict=True)
            ]
        )
        for name, e in figures(estimate_counts(counts, areas, legend, map_classes=map_classes)).items():
            if e.value is not None and e.lower is not None and e.upper is not None and e.standard_error is not None:
                truth, half = true[name], Z_95 * e.standard_error
                tiny = 1e-9 * truth
                rows[name].append([
                    e.points, e.lower - tiny <= truth <= e.upper + tiny, abs(e.value - truth) <= half + tiny,
                    e.upper - e.lower, 2 * half,
                ])  # fmt: skip
    lines = [
        "| figure | truth | points | holds | Wald holds | width | Wald's width | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, own in rows.items():
        number, held, wald_held, width, wald_width = np.array(own).mean(axis=0)
        outside = "outside 93 to 98.5" if not 0.93 <= held <= 0.985 and number >= FEW_POINTS else ""
        lines.append(
            f"| {name} | {true[name]:.6g} | {number:.0f} | {held:.1%} | {wald_held:.1%} | {width:.3g} | "
            f"{wald_width:.3g} | {outside} |"
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
        f"The intervals: {METHODS['posterior']}.",
    ]
    for title, (population, points, keys, map_classes) in POPULATIONS.items():
        lines += ["", f"## {title}, {' / '.join(map(str, points))} points", ""]
        lines += simulate(population, points, keys, map_classes, args.samples, args.seed)
    lines.append("")
    text = "\n".join(lines)
    print(text)
    print(f"{time.perf_counter() - started:.0f} s")
    if args.report:
        args.report.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
