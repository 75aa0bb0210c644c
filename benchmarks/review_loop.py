"""Is it worth reviewing what the network doubts? Corrections from the queue against as many labels at random places.

    python -m benchmarks.review_loop --report benchmarks/results/DATE-review-loop.md

Half of a simulated landscape, in squares at random, is for learning, the other half for judging. Some of the first
half has labels. A network learns from them and maps everything; the first polygons of its queue get the classes of the
truth, pixel by pixel, as an analyst would redraw them, where they lie in the half for learning; a second network learns
from those too. A third gets as many labelled pixels there, in squares at random places without labels, by the same way
into the training. All three are judged by the whole truth of the other half.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely.geometry
import torch
from numpy.typing import NDArray
from rasterio.features import rasterize, shapes

from pitmap import workflow
from pitmap.accuracy.census.confusion import figures
from pitmap.cli.console import Console
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.review import ReviewOptions, review
from pitmap.raster.codes import codes_layout, read_codes
from pitmap.raster.writing import write_cog
from pitmap.samples.dataset import SampleSet
from pitmap.simulate.landscape import LandscapeParameters, simulate
from pitmap.simulate.site_files import write_site
from pitmap.study.results import MapFiles
from pitmap.study.study import load_study

HALF_SQUARE, LABELLED_TILE, RANDOM_SQUARE = 128, 32, 16
"""Sides in pixels."""


def random_squares(shape: tuple[int, int], side: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Squares of ground in random order: the place of its square in that order for each pixel, from 0 on."""
    rows, cols = -(-shape[0] // side), -(-shape[1] // side)
    order = rng.permutation(rows * cols).reshape(rows, cols)
    return order.repeat(side, 0).repeat(side, 1)[: shape[0], : shape[1]]


def write_corrections(path: Path, codes: NDArray[np.uint8], grid: Grid) -> None:
    """A filled-in queue: the regions of equal code as polygons with their class."""
    found = list(shapes(codes, codes > 0, connectivity=4, transform=grid.transform))
    table = {"reference": [DEFAULT_LEGEND[int(code)].key for _, code in found]}
    polygons = [shapely.geometry.shape(p) for p, _ in found]
    gpd.GeoDataFrame(table, geometry=polygons, crs=grid.crs).to_file(path, layer="review", driver="GPKG")


def judged(
    folder: Path, seed: int, training: str, judging: NDArray[np.bool_], corrections: str = ""
) -> tuple[dict[str, float | None], Path]:
    """Run a study; figures by the whole truth on the ground for judging, and the map."""
    name = corrections.removesuffix(".gpkg") or "labels"
    line = f'corrections = "{corrections}"\n' if corrections else ""
    path = folder / f"{name}.toml"
    path.write_text(
        f'[project]\nname = "{name}"\nresults = "{name}"\nseed = {seed}\n[[sites]]\nname = "site"\nimage = "site.tif"\n'
        f'labels = "sparse.tif"\n{line}[training]\n{training}\n',
        encoding="utf-8",
    )
    project = load_study(path)
    workflow.run(project, observer=Console())
    samples = SampleSet(project.samples_folder)
    map_file = project.results.folder / "maps" / "site.tif"
    mapped, truth = read_codes(map_file), read_codes(folder / "site-labels.tif")
    size = len(DEFAULT_LEGEND)
    index = (mapped[judging].astype(np.int64) - 1) * size + truth[judging] - 1
    result = figures(np.bincount(index, minlength=size * size).reshape(size, size), DEFAULT_LEGEND)
    mine = next(c.iou for c in result.classes if c.key == "OPM")
    return {
        "labelled": float(samples.record.audit.labelled_pixels["training"]),
        "oa": result.overall_accuracy,
        "miou": result.mean_iou,
        "mine": mine,
    }, map_file


def trial(folder: Path, seed: int, arguments: argparse.Namespace) -> tuple[list[str], str]:
    """Three studies on one landscape: rows of a table, and a sentence on the queue."""
    rng = np.random.default_rng(seed)
    landscape = simulate(LandscapeParameters(arguments.height, arguments.width_pixels, seed=seed))
    write_site(folder, landscape, "site")
    truth, grid = landscape.codes, landscape.grid
    halves = random_squares(truth.shape, HALF_SQUARE, rng)
    learning = halves % 2 == 0
    tiles = random_squares(truth.shape, LABELLED_TILE, rng)
    labelled = learning & (tiles < round(arguments.labelled * (tiles.max() + 1)))
    write_cog(folder / "sparse.tif", np.where(labelled, truth, 0).astype(np.uint8), grid, codes_layout(DEFAULT_LEGEND))
    training = f"width = {arguments.width}"
    first, map_file = judged(folder, seed, training, ~learning)

    review(map_file, MapFiles(map_file).confidence, folder / "queue.gpkg", ReviewOptions(most=arguments.polygons))
    queue = gpd.read_file(folder / "queue.gpkg", layer="review")
    asked = rasterize(queue.geometry, grid.shape, transform=grid.transform, dtype="uint8") > 0
    wrong = read_codes(map_file) != truth
    write_corrections(folder / "reviewed.gpkg", np.where(asked & learning & ~labelled, truth, 0).astype(np.uint8), grid)
    second, _ = judged(folder, seed, training, ~learning, "reviewed.gpkg")

    # Squares at random until as much ground is labelled as in the queue.
    squares = random_squares(truth.shape, RANDOM_SQUARE, rng)
    free = learning & ~labelled
    ground = np.cumsum(np.bincount(squares[free], minlength=int(squares.max()) + 1))
    at_random = free & (squares <= np.searchsorted(ground, (asked & free).sum()))
    write_corrections(folder / "random.gpkg", np.where(at_random, truth, 0).astype(np.uint8), grid)
    third, _ = judged(folder, seed, training, ~learning, "random.gpkg")

    lines = []
    for name, found in (("labels", first), ("labels and queue", second), ("labels and random squares", third)):
        values = " | ".join("–" if found[k] is None else f"{found[k]:.4f}" for k in ("oa", "miou", "mine"))
        lines.append(f"| {seed} | {name} | {found['labelled']:.0f} | {values} |")
    about = (
        f"Seed {seed}: the queue holds {asked.mean():.1%} of the ground and {(wrong & asked).sum() / wrong.sum():.1%} "
        f"of what is wrong on the map; {wrong[asked].mean():.1%} of it is wrong, of other ground "
        f"{wrong[~asked].mean():.1%}."
    )
    return lines, about


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--height", type=int, default=640)
    parser.add_argument("--width-pixels", type=int, default=640)
    parser.add_argument("--labelled", type=float, default=0.2, help="share of the ground for learning that has labels")
    parser.add_argument("--polygons", type=int, default=60, help="polygons of the queue that are reviewed")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--report", type=Path, default=None, help="Markdown file to write")
    arguments = parser.parse_args()
    start, lines, sentences = time.perf_counter(), [], []
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            rows, about = trial(Path(folder), seed, arguments)
        print("\n".join([*rows, about]), flush=True)
        lines += rows
        sentences.append(f"- {about}")
    command = (
        f"python -m benchmarks.review_loop --seeds {arguments.seeds} --height {arguments.height} --width-pixels "
        f"{arguments.width_pixels} --labelled {arguments.labelled} --polygons {arguments.polygons} "
        f"--width {arguments.width}"
    )
    device = f"{platform.machine()}, torch {torch.__version__}, {time.perf_counter() - start:.0f} s"
    text = "\n".join(
        [
            f"# What a review is worth, {date.today().isoformat()}",
            "",
            f"`{command}` on {device}.",
            "",
            "| seed | learnt from | labelled training pixels | OA | mIoU | IoU of mines |",
            "|---|---|---|---|---|---|",
            *lines,
            "",
            *sentences,
            "",
        ]
    )
    print(text)
    if arguments.report:
        arguments.report.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
