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
- F: an aimed sample of one class in strata of its probability, 459 points: pixels, points and true shares as
  `benchmarks/sample_aim.py` found them on the simulated site, and once more with the class hidden where the map is sure
  that it is not: two points' worth of the largest stratum, where the interval is most likely to miss it.

Then: a probability that an area exceeds a threshold, is it right as often as it says? Thresholds are drawn evenly from
three standard errors below the truth to three above; of the samples that state 80 to 90 %, 80 to 90 % should come from
an area that does exceed. And with the truth itself as the threshold, 95 % or more must be rare on either side.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pitmap.accuracy.sampling.estimation import FEW_POINTS, METHODS, AreaEstimates, Estimate, estimate_counts
from pitmap.accuracy.sampling.intervals import Z_95, total_exceedance
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


def aimed(shares: list[float]) -> NDArray[np.float64]:
    """Population of strata of mapped and of other ground, by the share of the class in each."""
    pixels = np.array([6035, 7879, 54924, 816788, 37870, 14116]) / 937612
    population = np.zeros((6, 2, 2))
    for h, (size, share) in enumerate(zip(pixels, shares, strict=True)):
        population[h, 0 if h < 3 else 1] = size * share, size * (1 - share)
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

AIMED = [13, 16, 59, 298, 46, 27]

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
    "F: an aimed sample of the simulated site": (
        aimed([0.556, 0.755, 0.983, 0.00029, 0.09, 0.41]), AIMED, ["OPM", "OTHER"], [1, 1, 1, 2, 2, 2],
    ),
    "F, with the class hidden in sure ground": (
        aimed([0.556, 0.755, 0.983, 2 / 298, 0.09, 0.41]), AIMED, ["OPM", "OTHER"], [1, 1, 1, 2, 2, 2],
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


BINS = np.array([0, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.975, 1])
"""Of stated probabilities."""


class Exceedances(NamedTuple):
    """Stated probabilities that areas exceed thresholds, of every class and sample.

    Attributes:
        stated: Of thresholds drawn about the truth, ``(K, samples)``.
        exceeds: Whether the true area does.
        of_truth: Stated of the true area itself.
    """

    stated: NDArray[np.float64]
    exceeds: NDArray[np.bool_]
    of_truth: NDArray[np.float64]


def exceedances(population: NDArray, points: list[int], samples: int, seed: int) -> Exceedances:
    """By ``total_exceedance``, which is what `pitmap estimate --threshold` gives."""
    generator, areas, n = np.random.default_rng(seed), population.sum(axis=(1, 2)) * 1e5, np.array(points)
    shares = population.sum(axis=1) / population.sum(axis=(1, 2))[:, None]
    found = np.stack([generator.multinomial(m, p, samples) for m, p in zip(points, shares, strict=True)], axis=1)
    rows = []
    for k in range(population.shape[1]):
        p = shares[:, k]
        true, error = (areas * p).sum(), np.sqrt((areas**2 * p * (1 - p) / n).sum())
        thresholds = generator.uniform(max(true - 3 * error, 0), true + 3 * error, samples)
        stated, of_truth = (
            total_exceedance(found[..., k], n, areas, np.ones(len(n)), t) for t in (thresholds, np.full(samples, true))
        )
        rows.append((stated, true > thresholds, of_truth))
    return Exceedances(*(np.stack(values) for values in zip(*rows, strict=True)))


def probability_tables(samples: int, seed: int) -> list[str]:
    results = {t: exceedances(p, n, samples, seed) for t, (p, n, _, _) in POPULATIONS.items()}
    lines = [
        "## The probability that an area exceeds a threshold", "",
        "Share of the areas that do exceed, of the samples that state a probability so high (all classes):", "",
        f"| stated | {' | '.join(t.split(':')[0] for t in results)} | all |", f"|---|{'---|' * (len(results) + 1)}",
    ]  # fmt: skip
    stated = [r.stated.ravel() for r in results.values()]
    exceeds = [r.exceeds.ravel() for r in results.values()]
    for low, high in pairwise(BINS):
        cells = []
        for said, true in [*zip(stated, exceeds, strict=True), (np.concatenate(stated), np.concatenate(exceeds))]:
            inside = (said >= low) & ((said < high) | (high == 1))
            cells.append(f"{true[inside].mean():.1%} ({said[inside].mean():.1%})" if inside.any() else "")
        lines.append(f"| {low:.1%} to {high:.1%} | {' | '.join(cells)} |")
    lines += [
        "", "In brackets the mean of what they state.", "",
        "With the true area as the threshold, share of samples that state more than 97.5 % or 95 %, less than 5 % or "
        "2.5 % (2.5, 5, 5, 2.5 % if right):", "",
        "| population | class | over 97.5 % | over 95 % | under 5 % | under 2.5 % |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for title, (_, _, keys, _) in POPULATIONS.items():
        for key, said in zip(keys, results[title].of_truth, strict=True):
            shares = [(said > 0.975).mean(), (said > 0.95).mean(), (said < 0.05).mean(), (said < 0.025).mean()]
            lines.append(f"| {title.split(':')[0]} | {key} | {' | '.join(f'{v:.1%}' for v in shares)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="letters of the populations whose intervals are tried, such as AF")
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
        if args.only and title[0] not in args.only:
            continue
        lines += ["", f"## {title}, {' / '.join(map(str, points))} points", ""]
        lines += simulate(population, points, keys, map_classes, args.samples, args.seed)
    lines += ["", *probability_tables(args.samples, args.seed)]
    lines.append("")
    text = "\n".join(lines)
    print(text)
    print(f"{time.perf_counter() - started:.0f} s")
    if args.report:
        args.report.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
