"""Do aimed samples reach what they promise, and how many points do they save?

    python -m benchmarks.sample_aim [--draws 200] [--report FILE]

Two grounds whose truth is known: a simulated mining site, and the land-use layer of a granite district
(`../shared/data/strzegom_west`, labelled ground only). No network is trained: the "map" of both is the truth with
errors along borders and in patches, the confidence is that of the probabilities it was made from, with one temperature
fitted on the western half of the ground, as pitmap calibrates on validation ground.

For each aim the strata and the plan are pitmap's own; samples are drawn as counts (the multivariate hypergeometric
distribution of what a draw of pixels finds in each stratum). The table says what half-width was asked for and expected,
what the samples reached, how often their interval holds the truth; how many points a sample for the overall accuracy
(standard error 0.01, Neyman allocation at user's accuracies of 0.85: 1275 points) needs for the same interval; and what
becomes of samples that are enlarged because of what their labels said.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from operator import mul
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import minimize_scalar

from benchmarks.strzegom import CLASSES, DATA
from pitmap.accuracy.sampling.aim import replan
from pitmap.accuracy.sampling.design import Design, DesignOptions, draw, strata_again
from pitmap.accuracy.sampling.estimation import estimate_counts
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND, LandCoverClass, Legend
from pitmap.raster.codes import codes_layout, read_codes
from pitmap.raster.reading import describe
from pitmap.raster.writing import Layout, write_cog
from pitmap.simulate.landscape import simulate, sites


@dataclass(frozen=True)
class Ground:
    """A map with its confidence, and the truth.

    Attributes:
        name: For the headings.
        map: The map; the confidence lies beside it.
        truth: Codes, 0 where unknown.
        legend: The classes.
        target: Key of the class whose area is wanted.
    """

    name: str
    map: Path
    truth: NDArray[np.uint8]
    legend: Legend
    target: str


def degraded(
    truth: NDArray[np.uint8], classes: int, blur: float, noise: float, patch: float, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A map with errors along borders and in patches, and its confidence in units of 1 / 255.

    Args:
        truth: Codes; 0 is kept.
        classes: Their number.
        blur: Standard deviation in pixels of the blur of each class's share, which gives the errors along borders.
        noise: Standard deviation of the error of log shares.
        patch: Size of its patches in pixels.
        seed: Of the noise.
    """
    generator = np.random.default_rng(seed)
    known = truth > 0
    logits = np.empty((classes, *truth.shape), np.float32)
    for k in range(classes):
        share = ndimage.gaussian_filter((truth == k + 1).astype(np.float32), blur)
        field = ndimage.gaussian_filter(generator.standard_normal(truth.shape).astype(np.float32), patch)
        logits[k] = np.log(share + 0.004) + noise * field / field.std()
    logits -= logits.max(axis=0)
    west = known & (np.arange(truth.shape[1]) < truth.shape[1] // 2)
    fitted, wanted = logits[:, west], truth[west].astype(np.int64) - 1

    def loss(temperature: float) -> float:
        scaled = fitted / temperature
        return float((np.log(np.exp(scaled).sum(axis=0)) - scaled[wanted, np.arange(len(wanted))]).mean())

    temperature = minimize_scalar(loss, bounds=(0.1, 10), method="bounded").x
    shares = np.exp(logits / temperature)
    sure = 1 / shares.sum(axis=0)
    codes = np.where(known, shares.argmax(axis=0) + 1, 0).astype(np.uint8)
    return codes, np.where(known, np.clip(np.rint(255 * sure), 1, 255), 0).astype(np.uint8)


def write_ground(
    folder: Path, name: str, truth: NDArray[np.uint8], grid: Grid, legend: Legend, target: str, **options: float
) -> Ground:
    codes, sure = degraded(truth, len(legend), **options, seed=0)  # type: ignore[arg-type]
    path = folder / f"{target}.tif"
    write_cog(path, codes, grid, codes_layout(legend))
    write_cog(path.with_name(f"{target}-confidence.tif"), sure, grid, Layout(1, "uint8", 0, scale=1 / 255))
    return Ground(name, path, truth, legend, target)


def simulated(folder: Path, scale: float) -> Ground:
    landscape = simulate(sites(scale)["site2"])
    return write_ground(
        folder, f"simulated site 2, {landscape.codes.shape[0]} x {landscape.codes.shape[1]} pixels of 4 m",
        landscape.codes, landscape.grid, DEFAULT_LEGEND, "OPM", blur=2.0, noise=1.3, patch=6.0,
    )  # fmt: skip


def strzegom(folder: Path) -> Ground:
    legend = Legend(LandCoverClass(i, key, name, colour) for i, (_, key, name, colour) in enumerate(CLASSES, start=1))
    path = DATA / "masks" / "strzegom_west_20230530.tif"
    mask = read_codes(path)
    truth = np.zeros(mask.shape, np.uint8)
    for code, (value, *_) in enumerate(CLASSES, start=1):
        truth[mask == value] = code
    return write_ground(
        folder, "Strzegom west, labelled ground, pixels of 10 m", truth, describe(path).grid, legend, "PIT",
        blur=4.0, noise=2.0, patch=4.0,
    )  # fmt: skip


@dataclass(frozen=True)
class Sampler:
    """Draws counts from the strata of a design.

    Attributes:
        ground: The ground.
        drawn: The design.
        cells: Pixels ``(H, K, K)`` by stratum, map class and true class.
    """

    ground: Ground
    drawn: Design
    cells: NDArray[np.int64]

    @classmethod
    def of(cls, ground: Ground, drawn: Design) -> Sampler:
        """A sampler from a design's strata."""
        size = len(ground.legend)
        strips, strata = strata_again(ground.map, ground.legend, drawn.rule)
        place = {s.name: h for h, s in enumerate(drawn.strata, start=1)}
        order = np.array([0, *(place.get(name, 0) for name in strata.names)])
        cells = np.zeros((len(drawn.strata) + 1, size + 1, size + 1), np.int64)
        for strip in strips.read():
            stratum = order[strata.table.ravel()[strip.cells]]
            truth = ground.truth[strip.window.slices]
            np.add.at(cells, (stratum, strip.codes, truth), 1)
        return cls(ground, drawn, cells[1:, 1:, 1:])

    @property
    def code(self) -> int:
        """Code of the class aimed at."""
        return self.ground.legend[self.ground.target].code

    @property
    def areas(self) -> NDArray[np.float64]:
        """Hectares of the strata."""
        return np.array([s.area for s in self.drawn.strata])

    @property
    def true(self) -> float:
        """Area of the target."""
        of = self.cells.sum(axis=1)
        return float((of[:, self.code - 1] / of.sum(axis=1) * self.areas).sum())

    def counts(self, points: Sequence[int], generator: np.random.Generator) -> NDArray[np.int64]:
        """Points by stratum, map class and true class of a sample."""
        return np.stack(
            [
                generator.multivariate_hypergeometric(c.ravel(), n, method="marginals").reshape(c.shape)
                for c, n in zip(self.cells, points, strict=True)
            ]
        )

    def further(
        self, had: NDArray[np.int64], points: NDArray[np.int64], generator: np.random.Generator
    ) -> NDArray[np.int64]:
        """Counts of a sample to which points were added, drawn from the pixels that were not drawn."""
        rest = Sampler(self.ground, self.drawn, self.cells - had)
        return had + rest.counts(points - had.sum(axis=(1, 2)), generator)

    def interval(self, counts: NDArray[np.int64]) -> tuple[float, float]:
        """Of the area of the class aimed at."""
        strata = self.drawn.strata
        result = estimate_counts(
            counts, self.areas, self.ground.legend, [s.name for s in strata], [s.map_classes for s in strata],
            pixels=[s.pixels for s in strata],
        )  # fmt: skip
        area = result.classes[self.code - 1].area
        assert area.lower is not None
        assert area.upper is not None
        return area.lower, area.upper


def reached(sampler: Sampler, draws: int, seed: int) -> tuple[NDArray[np.float64], float]:
    """Half-width of each sample, and the share of intervals that hold the truth."""
    generator = np.random.default_rng(seed)
    points = [s.points for s in sampler.drawn.strata]
    ends = np.array([sampler.interval(sampler.counts(points, generator)) for _ in range(draws)])
    return (ends[:, 1] - ends[:, 0]) / 2, float(((ends[:, 0] <= sampler.true) & (sampler.true <= ends[:, 1])).mean())


def row(name: str, sampler: Sampler, draws: int) -> str:
    aim = sampler.drawn.aim
    assert aim is not None
    asked = aim.target.half_width(aim.area)
    half, held = reached(sampler, draws, 1)
    strata = ", ".join(f"{s.name} {s.points}" for s in sampler.drawn.strata)
    return (
        f"| {name} | {len(sampler.drawn.rows)} | {asked:.3g} | {aim.plan.half_width:.3g} | {half.mean():.3g} | "
        f"{np.quantile(half, 0.9):.3g} | {(half <= asked).mean():.0%} | {held:.1%} | {strata} |"
    )


def enlarged(first: Sampler, wanted: Callable[[float], float], name: str, draws: int) -> str:
    """Samples that are enlarged by what their labels said, to a half-width that follows from the estimated area."""
    generator = np.random.default_rng(2)
    strata, k = first.drawn.strata, first.code - 1
    beforehand = np.array([s.expected for s in strata], np.float64)
    found = []
    for _ in range(draws):
        had = first.counts([s.points for s in strata], generator)
        labels = had.sum(axis=1)
        plan = replan(
            first.areas, np.array([s.pixels for s in strata]), labels.sum(axis=1), labels[:, k], labels.sum(axis=1),
            beforehand, wanted,
        )  # fmt: skip
        counts = first.further(had, np.maximum(plan.points, labels.sum(axis=1)), generator)
        lower, upper = first.interval(counts)
        estimate = float((counts.sum(axis=1)[:, k] / counts.sum(axis=(1, 2)) * first.areas).sum())
        found.append([counts.sum(), (upper - lower) / 2, wanted(estimate), lower <= first.true <= upper])
    number, half, aim, held = np.array(found).T
    return (
        f"| {len(first.drawn.rows)} | {name} | {number.mean():.0f} ({np.quantile(number, 0.1):.0f} to "
        f"{np.quantile(number, 0.9):.0f}) | {half.mean():.3g} | {(half <= aim).mean():.0%} | {held.mean():.1%} |"
    )


def section(ground: Ground, draws: int) -> list[str]:
    code = ground.legend[ground.target].code
    mapped = read_codes(ground.map)
    known = (ground.truth > 0) & (mapped > 0)
    right = (mapped == ground.truth)[known].mean()
    both = ((mapped == code) & (ground.truth == code)).sum()
    lines = [
        f"## {ground.name}", "",
        f"{known.sum():,} pixels; {ground.target} is {(ground.truth == code).sum() / known.sum():.1%} of them, mapped "
        f"with user's accuracy {both / (mapped == code).sum():.3f} and producer's accuracy "
        f"{both / (ground.truth == code).sum():.3f}; overall accuracy {right:.3f}.", "",
        "| aim | points | asked, ha | expected | reached | 90th percentile | within asked | interval holds | strata |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for relative in (0.2, 0.1, 0.05):
        options = DesignOptions(target=ground.target, relative=relative)
        lines.append(row(f"± {relative:.0%}", Sampler.of(ground, draw(ground.map, options)), draws))

    plain = DesignOptions(standard_error=0.01, allocation="neyman", floor=30)
    overall = Sampler.of(ground, draw(ground.map, plain))
    half, held = reached(overall, draws, 3)
    wanted = float(half.mean())
    for _ in range(3):  # the promise is cautious: what is compared is the interval that is reached
        same = Sampler.of(ground, draw(ground.map, DesignOptions(target=ground.target, hectares=wanted)))
        own, own_held = reached(same, draws, 4)
        wanted *= float(half.mean() / own.mean())
    ratio = len(overall.drawn.rows) / len(same.drawn.rows)
    lines += [
        "",
        f"Truth: {overall.true:.4g} ha. **Neyman allocation for the overall accuracy:** {len(overall.drawn.rows)} "
        f"points know the area of {ground.target} to ± {half.mean():.3g} ha ({half.mean() / overall.true:.1%}; "
        f"the interval holds {held:.1%} of the time). **Aimed so that the same is reached:** {len(same.drawn.rows)} "
        f"points, ± {own.mean():.3g} ha reached, {own_held:.1%}: **{ratio:.1f} times fewer points.**",
        "",
        "Samples enlarged by what their labels said (aimed first at ± 20 %):",
        "",
        "| points at first | aim | points in the end (10th to 90th percentile) | reached, ha | within the aim | "
        "interval holds |",
        "|---|---|---|---|---|---|",
    ]
    first = Sampler.of(ground, draw(ground.map, DesignOptions(target=ground.target, relative=0.2)))
    lines += [enlarged(first, partial(mul, relative), f"± {relative:.0%}", draws) for relative in (0.1, 0.05)]
    lines.append(enlarged(first, lambda area: float(half.mean()), f"± {half.mean():.3g} ha, as Neyman's", draws))
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--scale", type=float, default=0.1, help="of the simulated site's area")
    parser.add_argument("--processor", default=platform.processor() or platform.machine())
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    args = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        grounds = [simulated(Path(folder), args.scale)]
        if DATA.exists():
            grounds.append(strzegom(Path(folder)))
        sections = [line for ground in grounds for line in section(ground, args.draws)]
    lines = [
        f"# Samples aimed at the hectares of a class, {date.today().isoformat()}",
        "",
        f"`python -m benchmarks.sample_aim --draws {args.draws} --scale {args.scale}` on {args.processor}, "
        f"{os.cpu_count()} cores, {time.perf_counter() - started:.0f} s. {args.draws} samples a row: the standard "
        f"error of a coverage of 95 % is {np.sqrt(0.95 * 0.05 / args.draws):.1%}.",
        "",
        "The maps are no network's: they are the truth with errors along borders and in patches, and the confidence is "
        "that of the probabilities they were made from, calibrated on the western half.",
        "",
    ]
    text = "\n".join([*lines, *sections])
    print(text)
    if args.report:
        args.report.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
