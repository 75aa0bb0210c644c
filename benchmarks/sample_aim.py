"""Do aimed samples reach what they promise, and how many points do they save?

    python -m benchmarks.trained_maps FOLDER
    python -m benchmarks.sample_aim FOLDER [--draws 10000] [--report FILE]

The maps are those of trained networks over ground whose truth is known (`benchmarks/trained_maps.py`), with their own
calibrated probabilities. For each aim the strata and the plan are pitmap's own; samples are drawn as counts (the
hypergeometric distribution of what a draw of pixels finds of the class in each stratum), the interval is the one that
`pitmap estimate` reports. The tables say what half-width was asked for and promised, what the samples reached, how
often their interval holds the truth; how many points a sample for the overall accuracy (standard error 0.01, Neyman
allocation at user's accuracies of 0.85, 50 points a class at least: 1275 points) needs for the same interval, and what
no sample could do better (`benchmarks/interval_bound.py`); and what becomes of samples that are enlarged because of
what their labels said.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import pairwise, repeat
from multiprocessing import get_context
from operator import mul
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from benchmarks.interval_bound import fewest_for, least_length
from benchmarks.trained_maps import GROUNDS, strzegom_legend
from pitmap.accuracy.sampling.aim import replan
from pitmap.accuracy.sampling.design import Design, DesignOptions, draw, strata_again
from pitmap.accuracy.sampling.intervals import ratio_limits, total_limits
from pitmap.legend import DEFAULT_LEGEND, Legend
from pitmap.raster.codes import read_codes

TITLES = {
    "simulated": "Simulated site 2, network trained on the training blocks of both sites",
    "simulated-new": "Simulated site 2 as new ground, network trained on site 1 alone",
    "strzegom": "Strzegom west, network trained on the training blocks of six dates",
    "strzegom-new": "Strzegom west, each half mapped by a network trained on the other half",
}


@dataclass(frozen=True)
class Ground:
    """A map, and the truth.

    Attributes:
        title: For the headings.
        map: The map; confidence and probabilities lie beside it.
        truth: Codes, 0 where unknown.
        legend: The classes.
        target: Key of the class whose area is wanted.
    """

    title: str
    map: Path
    truth: NDArray[np.uint8]
    legend: Legend
    target: str

    @classmethod
    def of(cls, folder: Path) -> Ground:
        """From a folder of ``benchmarks.trained_maps``."""
        legend, target = (DEFAULT_LEGEND, "OPM") if "simulated" in folder.name else (strzegom_legend(), "PIT")
        return cls(TITLES[folder.name], folder / "map.tif", read_codes(folder / "truth.tif"), legend, target)


@dataclass(frozen=True)
class Reached:
    """What samples reach: half-widths, and the share of intervals that hold the truth; likewise by MOVER."""

    half: NDArray[np.float64]
    held: float
    mover: float
    mover_held: float

    def within(self, asked: float) -> float:
        """Share of samples whose half-width is not above what was asked for."""
        return float((self.half <= asked).mean())


@dataclass(frozen=True)
class Sampler:
    """Draws counts from the strata of a design.

    Attributes:
        drawn: The design.
        areas: Of the strata.
        pixels: Of the strata.
        found: Pixels of each that are of the class.
    """

    drawn: Design
    areas: NDArray[np.float64]
    pixels: NDArray[np.int64]
    found: NDArray[np.int64]

    @classmethod
    def of(cls, ground: Ground, drawn: Design) -> Sampler:
        """What the truth holds in the strata of a design."""
        strips, strata = strata_again(ground.map, ground.legend, drawn.rule)
        kept = {strata.names.index(s.name) + 1: h for h, s in enumerate(drawn.strata)}
        found, table, code = np.zeros(len(kept), np.int64), strata.table.ravel(), ground.legend[ground.target].code
        for window, _, cells, _ in strips.read():
            truth = ground.truth[window.row : window.row + window.height]
            numbers = np.bincount(table[cells[truth == code]], minlength=len(strata.names) + 1)
            for number, h in kept.items():
                found[h] += numbers[number]
        areas = np.array([s.area for s in drawn.strata])
        return cls(drawn, areas, np.array([s.pixels for s in drawn.strata]), found)

    @property
    def points(self) -> NDArray[np.int64]:
        """Of each stratum."""
        return np.array([s.points for s in self.drawn.strata])

    @property
    def true(self) -> float:
        """Area of the class."""
        return float((self.found / self.pixels * self.areas).sum())

    def counts(self, points: NDArray[np.int64], generator: np.random.Generator, draws: int) -> NDArray[np.int64]:
        """Points of the class, ``(draws, H)``."""
        shape = (draws, len(points))
        return generator.hypergeometric(self.found, self.pixels - self.found, points, shape)

    def ends(self, counts: NDArray[np.int64], points: NDArray[np.int64]) -> tuple[NDArray, NDArray]:
        """Of the interval of the area, as `pitmap estimate` gives it."""
        limits = total_limits(counts, points, self.areas, 1 - points / self.pixels)
        return limits.lower, limits.upper

    def reached(self, draws: int, seed: int) -> Reached:
        """What samples of this design reach."""
        points = self.points
        counts = self.counts(points, np.random.default_rng(seed), draws)
        lower, upper = self.ends(counts, points)
        other = ratio_limits(
            counts, points - counts, points, self.areas, may_neither=False, unseen=1 - points / self.pixels
        )
        total = self.areas.sum()
        return Reached(
            (upper - lower) / 2, self._held(lower, upper), float((other.upper - other.lower).mean() / 2 * total),
            self._held(other.lower * total, other.upper * total),
        )  # fmt: skip

    def _held(self, lower: NDArray, upper: NDArray) -> float:
        return float(((lower <= self.true + 1e-9) & (self.true <= upper + 1e-9)).mean())


def row(name: str, sampler: Sampler, draws: int) -> str:
    aim = sampler.drawn.aim
    assert aim is not None
    asked, got = aim.target.half_width(aim.area), sampler.reached(draws, 1)
    return (
        f"| {name} | {len(sampler.drawn.rows)} | {len(sampler.drawn.strata)} | {asked:.3g} | {aim.plan.half_width:.3g} "
        f"| {got.half.mean():.3g} | {got.half.mean() / aim.plan.half_width - 1:+.0%} "
        f"| {np.quantile(got.half, 0.8):.3g} | {got.within(asked):.0%} | {got.held:.1%} |"
    )


def enlarged(first: Sampler, steps: Sequence[float], draws: int) -> str:
    """Samples that are enlarged, once or more, by what their labels said, to half-widths relative to the estimate."""
    generator, at_first = np.random.default_rng(2), first.points
    beforehand = np.array([s.expected for s in first.drawn.strata], np.float64)
    results = []
    for found in first.counts(at_first, generator, draws):
        had, counts = at_first, found
        for relative in steps:
            plan = replan(first.areas, first.pixels, had, counts, had, beforehand, partial(mul, relative))
            left, more = first.found - counts, plan.points - had
            counts = counts + generator.hypergeometric(left, first.pixels - had - left, more)
            had = plan.points
        lower, upper = (float(v) for v in first.ends(counts, had))
        half, estimate = (upper - lower) / 2, float((counts / had * first.areas).sum())
        held = lower <= first.true + 1e-9 and first.true <= upper + 1e-9
        results.append([had.sum(), plan.half_width, half, half <= relative * estimate, held])
    number, promised, half, within, held_all = np.array(results).T
    name = ", then ".join(f"± {r:.0%}" for r in steps)
    return (
        f"| {at_first.sum()} | {name} | {number.mean():.0f} ({np.quantile(number, 0.1):.0f} to "
        f"{np.quantile(number, 0.9):.0f}) | {promised.mean():.3g} | {half.mean():.3g} | "
        f"{half.mean() / promised.mean() - 1:+.0%} | {within.mean():.0%} | {held_all.mean():.1%} |"
    )


def same_interval(ground: Ground, wanted: float, draws: int, **options: object) -> tuple[Sampler, Reached]:
    """The smallest aimed sample whose mean half-width is not above one that is wanted."""
    asked, best = wanted, None
    for _ in range(10):  # the promise is cautious: what is compared is the interval that is reached
        sampler = Sampler.of(
            ground, draw(ground.map, DesignOptions(target=ground.target, hectares=asked, **options))  # type: ignore[arg-type]
        )  # fmt: skip
        got = sampler.reached(draws, 4)
        mean = float(got.half.mean())
        if mean <= wanted and (best is None or len(sampler.drawn.rows) < len(best[0].drawn.rows)):
            best = sampler, got
        if 0.985 <= mean / wanted <= 1:
            break
        asked *= 0.997 * wanted / mean
    return (sampler, got) if best is None else best


def section(ground: Ground, draws: int, enlargements: int) -> list[str]:
    code = ground.legend[ground.target].code
    mapped = read_codes(ground.map)
    known = (ground.truth > 0) & (mapped > 0)
    right = (mapped == ground.truth)[known].mean()
    both = ((mapped == code) & (ground.truth == code)).sum()
    lines = [
        f"## {ground.title}", "",
        f"{known.sum():,} pixels; {ground.target} is {(ground.truth == code).sum() / known.sum():.1%} of them, mapped "
        f"with user's accuracy {both / (mapped == code).sum():.3f} and producer's accuracy "
        f"{both / (ground.truth == code).sum():.3f}; overall accuracy {right:.3f}.", "",
        "| aim | points | strata | asked, ha | promised | reached | against promise | 80th percentile | within asked | "
        "holds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for relative in (0.2, 0.1, 0.05):
        options = DesignOptions(target=ground.target, relative=relative)
        lines.append(row(f"± {relative:.0%}", Sampler.of(ground, draw(ground.map, options)), draws))

    plain = DesignOptions(standard_error=0.01, allocation="neyman")
    overall = Sampler.of(ground, draw(ground.map, plain))
    neyman = overall.reached(draws, 3)
    wanted, number = float(neyman.half.mean()), len(overall.drawn.rows)
    lines += [
        "",
        f"The same interval of the {overall.true:.4g} ha as Neyman allocation for the overall accuracy:",
        "",
        "| sample | points | reached, ha | holds | by MOVER, ha | holds | times fewer points |",
        "|---|---|---|---|---|---|---|",
        f"| Neyman, overall accuracy | {number} | {wanted:.3g} | {neyman.held:.1%} | {neyman.mover:.3g} | "
        f"{neyman.mover_held:.1%} | |",
    ]
    for name, given in (
        ("aimed, class probabilities", {}),
        ("aimed, confidence alone", {"confidence": ground.map.with_name("map-confidence.tif")}),
    ):
        same, own = same_interval(ground, wanted, draws, **given)
        lines.append(
            f"| {name} | {len(same.drawn.rows)} | {own.half.mean():.3g} | {own.held:.1%} | {own.mover:.3g} | "
            f"{own.mover_held:.1%} | **{number / len(same.drawn.rows):.2f}** |"
        )
        if not given:
            chosen = same
    fine = Sampler.of(ground, draw(ground.map, DesignOptions(target=ground.target, relative=0.05)))
    lines += ["", *bounds(overall, (chosen, fine), wanted)]
    strata = "; ".join(
        f"{s.name}: {s.points} of {s.pixels:,}, expected {s.expected:.2g}, true {t:.2g}"
        for s, t in zip(chosen.drawn.strata, chosen.found / chosen.pixels, strict=True)
    )
    first = Sampler.of(ground, draw(ground.map, DesignOptions(target=ground.target, relative=0.2)))
    lines += [
        "",
        f"Points by stratum of the sample with the same interval, with the share of {ground.target}: {strata}.",
        "",
        *hidden(ground),
        "",
        "Samples enlarged by what their labels said (aimed first at ± 20 %):",
        "",
        "| points at first | aim | points in the end (10th to 90th percentile) | promised | reached, ha | "
        "against promise | within the aim | interval holds |",
        "|---|---|---|---|---|---|---|---|",
        *(enlarged(first, steps, enlargements) for steps in ((0.1,), (0.05,), (0.1, 0.05))),
    ]
    return [*lines, ""]


def bounds(overall: Sampler, cut: Sequence[Sampler], wanted: float) -> list[str]:
    """What no interval could do better with samples in the strata of these designs, see `interval_bound`."""
    least = least_length(overall.areas, overall.found / overall.pixels, overall.points)
    number = int(overall.points.sum())

    def points(length: float) -> int:
        return min(fewest_for(s.areas, s.found / s.pixels, s.pixels, length) for s in cut)

    like, any_ = points(least), points(2 * wanted)
    return [
        f"Bound: were the true shares of the strata known beforehand, {any_} points could give intervals as short as "
        f"the ± {wanted:.3g} ha that are reached, if they were the shortest that can hold for all populations: "
        f"{number / any_:.2f} times fewer. With such intervals for either sample (Neyman's ± {least / 2:.3g} ha): "
        f"{like} points, {number / like:.2f} times fewer."
    ]


def hidden(ground: Ground) -> list[str]:
    """Share of the class in ground that is mapped as something else, by how probable the network holds the class."""
    code = ground.legend[ground.target].code
    with rasterio.open(ground.map.with_name("map-probabilities.tif")) as file:
        levels = file.read(code)
    other = (ground.truth > 0) & (read_codes(ground.map) != code)
    ends = np.array([0, 1, 2, 3, 5, 8, 26])
    rows = [other & (levels >= low) & (levels < high) for low, high in pairwise(ends)]
    texts = [
        f"{(low - 0.5) / 2.55 if low else 0:.1f} to {(high - 0.5) / 2.55:.1f} %: {r.sum():,} pixels, "
        f"{(ground.truth[r] == code).mean():.2%}"
        for (low, high), r in zip(pairwise(ends), rows, strict=True)
        if r.any()
    ]
    return [f"Share of {ground.target} in ground mapped as another class, by its probability: {'; '.join(texts)}."]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of `benchmarks.trained_maps`")
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--enlargements", type=int, default=200)
    parser.add_argument("--processor", default=platform.processor() or platform.machine())
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    args = parser.parse_args(arguments)
    started = time.perf_counter()
    grounds = [Ground.of(args.folder / name) for name in GROUNDS if (args.folder / name).exists()]
    with ProcessPoolExecutor(len(grounds), mp_context=get_context("spawn")) as pool:
        parts = pool.map(section, grounds, repeat(args.draws), repeat(args.enlargements))
        sections = [line for part in parts for line in part]
    lines = [
        f"# Samples aimed at the hectares of a class, {date.today().isoformat()}",
        "",
        f"`python -m benchmarks.trained_maps FOLDER`, then `python -m benchmarks.sample_aim FOLDER --draws "
        f"{args.draws} --enlargements {args.enlargements}` on {args.processor}, {os.cpu_count()} cores, "
        f"{time.perf_counter() - started:.0f} s. {args.draws:,} samples a row (standard error of a coverage of 95 %: "
        f"{np.sqrt(0.95 * 0.05 / args.draws):.1%}), {args.enlargements} of enlarged samples.",
        "",
        "The maps are those of U-Net+ trained by the recipe `robust`, the probabilities its own, calibrated on its "
        "validation ground.",
        "",
    ]
    text = "\n".join([*lines, *sections])
    print(text)
    if args.report:
        args.report.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
