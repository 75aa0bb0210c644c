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
from typing import Literal

import numpy as np
import rasterio
from numpy.typing import NDArray

from benchmarks.interval_bound import fewest_for, least_length
from benchmarks.trained_maps import GROUNDS, strzegom_legend
from pitmap.accuracy.sampling import strata
from pitmap.accuracy.sampling.aim import AROUND, BELT_PIXELS, Aim, Target, aim, replan
from pitmap.accuracy.sampling.design import DesignOptions, draw
from pitmap.accuracy.sampling.intervals import ratio_limits, total_limits
from pitmap.legend import DEFAULT_LEGEND, Legend
from pitmap.raster.codes import read_codes
from pitmap.raster.reading import describe

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
class Cells:
    """A map in memory: its ground by cells, and the pixels of each that are of the class.

    Attributes:
        on: What was read.
        source: ``probabilities`` or ``confidence``.
        ground: By cells.
        found: Pixels of the class, in the shape of the cells.
    """

    on: Ground
    source: str
    ground: strata.Ground
    found: NDArray[np.int64]

    @classmethod
    def of(cls, on: Ground, source: Literal["probabilities", "confidence"]) -> Cells:
        """As `pitmap design` reads them."""
        code = on.legend[on.target].code
        width = BELT_PIXELS * max(describe(on.map).grid.pixel_steps_m)
        beside = strata.Sureness(on.map.with_name(f"map-{source}.tif"), source, code, AROUND)
        strips = strata.Strips(on.map, on.legend, strata.Border(code, width), None, beside)
        ground = strips.survey()
        found = np.zeros(ground.pixels.size, np.int64)
        for window, _, cells, _ in strips.read():
            truth = on.truth[window.row : window.row + window.height]
            found += np.bincount(cells[truth == code], minlength=found.size)
        return cls(on, source, ground, found.reshape(ground.pixels.shape))

    def aimed(self, **half_width: float) -> Sampler:
        """Strata and points of a sample with an aim, as `pitmap design` lays them."""
        target = Target(self.on.target, **half_width)
        planned = aim(self.ground, self.on.legend, target, self.source, None, "ha")
        return self.sampler(planned.strata, planned.plan.points, planned.expected, planned)

    def overall(self) -> Sampler:
        """A sample for the overall accuracy in strata that are the classes of the map."""
        drawn = draw(self.on.map, DesignOptions(standard_error=0.01, allocation="neyman"))
        classes = strata.class_strata(self.on.legend)
        points = np.zeros(len(classes.names), np.int64)
        points[[classes.names.index(s.name) for s in drawn.strata]] = [s.points for s in drawn.strata]
        return self.sampler(classes, points, np.zeros(len(points)), None)

    def sampler(self, of: strata.Strata, points: NDArray, expected: NDArray, planned: Aim | None) -> Sampler:
        """Of those strata that have ground."""
        pixels = of.sums(self.ground.pixels).astype(np.int64)
        kept = np.flatnonzero(pixels)
        areas, found = of.sums(self.ground.areas) * 1e-4, of.sums(self.found).astype(np.int64)
        names = tuple(of.names[h] for h in kept)
        return Sampler(names, areas[kept], pixels[kept], found[kept], points[kept], expected[kept], planned)


@dataclass(frozen=True)
class Sampler:
    """Draws counts from strata.

    Attributes:
        names: Of the strata.
        areas: Of the strata, in hectares.
        pixels: Of the strata.
        found: Pixels of each that are of the class.
        points: Of each stratum.
        expected: Share of the class that was expected.
        aim: What an aimed sample promises.
    """

    names: tuple[str, ...]
    areas: NDArray[np.float64]
    pixels: NDArray[np.int64]
    found: NDArray[np.int64]
    points: NDArray[np.int64]
    expected: NDArray[np.float64]
    aim: Aim | None

    @property
    def true(self) -> float:
        """Area of the class."""
        return float((self.found / self.pixels * self.areas).sum())

    @property
    def size(self) -> int:
        """Points of all strata."""
        return int(self.points.sum())

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
    planned = sampler.aim
    assert planned is not None
    asked, got = planned.target.half_width(planned.area), sampler.reached(draws, 1)
    return (
        f"| {name} | {sampler.size} | {len(sampler.names)} | {asked:.3g} | {planned.plan.half_width:.3g} "
        f"| {got.half.mean():.3g} | {got.half.mean() / planned.plan.half_width - 1:+.0%} "
        f"| {np.quantile(got.half, 0.8):.3g} | {got.within(asked):.0%} | {got.held:.1%} |"
    )


def enlarged(first: Sampler, steps: Sequence[float], draws: int) -> str:
    """Samples that are enlarged, once or more, by what their labels said, to half-widths relative to the estimate."""
    generator, at_first = np.random.default_rng(2), first.points
    results = []
    for found in first.counts(at_first, generator, draws):
        had, counts = at_first, found
        for relative in steps:
            plan = replan(first.areas, first.pixels, had, counts, had, first.expected, partial(mul, relative))
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


def same_interval(cells: Cells, wanted: float, draws: int) -> tuple[Sampler, Reached]:
    """The smallest aimed sample whose mean half-width is not above one that is wanted."""
    asked, best = wanted, None
    for _ in range(10):  # the promise is cautious: what is compared is the interval that is reached
        sampler = cells.aimed(hectares=asked)
        got = sampler.reached(draws, 4)
        mean = float(got.half.mean())
        if mean <= wanted and (best is None or sampler.size < best[0].size):
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
    shares, confidence = Cells.of(ground, "probabilities"), Cells.of(ground, "confidence")
    aims = {relative: shares.aimed(relative=relative) for relative in (0.2, 0.1, 0.05)}
    lines += [row(f"± {relative:.0%}", sampler, draws) for relative, sampler in aims.items()]
    overall = shares.overall()
    neyman = overall.reached(draws, 3)
    wanted, number = float(neyman.half.mean()), overall.size
    lines += [
        "",
        f"The same interval of the {overall.true:.4g} ha as Neyman allocation for the overall accuracy:",
        "",
        "| sample | points | reached, ha | holds | by MOVER, ha | holds | times fewer points |",
        "|---|---|---|---|---|---|---|",
        f"| Neyman, overall accuracy | {number} | {wanted:.3g} | {neyman.held:.1%} | {neyman.mover:.3g} | "
        f"{neyman.mover_held:.1%} | |",
    ]
    for name, cells in (("aimed, class probabilities", shares), ("aimed, confidence alone", confidence)):
        same, own = same_interval(cells, wanted, draws)
        lines.append(
            f"| {name} | {same.size} | {own.half.mean():.3g} | {own.held:.1%} | {own.mover:.3g} | "
            f"{own.mover_held:.1%} | **{number / same.size:.2f}** |"
        )
        if cells is shares:
            chosen = same
    lines += ["", *bounds(overall, (chosen, aims[0.05]), wanted)]
    strata_text = "; ".join(
        f"{name}: {n} of {pixels:,}, expected {expected:.2g}, true {found / pixels:.2g}"
        for name, n, pixels, expected, found in zip(
            chosen.names, chosen.points, chosen.pixels, chosen.expected, chosen.found, strict=True
        )
    )
    lines += [
        "",
        f"Points by stratum of the sample with the same interval, with the share of {ground.target}: {strata_text}.",
        "",
        *hidden(ground),
        "",
        "Samples enlarged by what their labels said (aimed first at ± 20 %):",
        "",
        "| points at first | aim | points in the end (10th to 90th percentile) | promised | reached, ha | "
        "against promise | within the aim | interval holds |",
        "|---|---|---|---|---|---|---|---|",
        *(enlarged(aims[0.2], steps, enlargements) for steps in ((0.1,), (0.05,), (0.1, 0.05))),
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
