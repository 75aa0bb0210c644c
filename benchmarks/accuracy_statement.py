"""The statement that an agency signs, on a real quarry district: estimate and audit of a trained network's map.

    python -m benchmarks.accuracy_statement --report benchmarks/results/DATE-accuracy-statement.md

A network is trained on `../shared/data/strzegom_west` (the land-use layer of 20230530), the map is sampled inside the
labelled ground, the points are labelled from the mask by this script, and estimated. On that ground the truth is known:
the table says whether the intervals hold it, for the sample that was drawn first and over many others. The mines are
audited against the layer's pits, on the labelled ground and, to show what unlabelled pits do, without that limit.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.strzegom import CLASSES, DATA, require_data, write_project
from pitmap import workflow
from pitmap.accuracy.mines.audit import Audit, AuditOptions, audit
from pitmap.accuracy.sampling.design import DesignOptions, design, draw
from pitmap.accuracy.sampling.estimation import AreaEstimates, Estimate, estimate_counts
from pitmap.accuracy.sampling.sample import estimate
from pitmap.accuracy.sampling.sample_file import read_sample
from pitmap.cli.console import Console
from pitmap.legend import Legend
from pitmap.raster.codes import read_codes
from pitmap.study.study import load_study

DAY = "20230530"
LANDUSE = DATA / "landuse_west.gpkg"
PITS = ("10",)


def truth(mapped: NDArray, reference: NDArray, areas: NDArray, legend: Legend) -> dict[str, float]:
    """The figures of the whole labelled ground, by area, where map and reference are known for every pixel."""
    size = len(legend)
    known = (reference > 0) & (mapped > 0)
    index = (mapped[known].astype(np.int64) - 1) * size + reference[known] - 1
    matrix = np.bincount(index, areas[known], size * size).reshape(size, size) / 10_000
    figures = {"OA": float(np.trace(matrix) / matrix.sum())}
    for k, key in enumerate(legend.keys):
        row, column = matrix[k].sum(), matrix[:, k].sum()
        figures[f"area {key}"] = float(column)
        figures[f"UA {key}"] = float(matrix[k, k] / row) if row else float("nan")
        figures[f"PA {key}"] = float(matrix[k, k] / column) if column else float("nan")
    return figures


def figures_of(result: AreaEstimates) -> dict[str, Estimate]:
    figures = {"OA": result.overall_accuracy}
    for c in result.classes:
        figures |= {f"area {c.key}": c.area, f"UA {c.key}": c.users_accuracy, f"PA {c.key}": c.producers_accuracy}
    return figures


def label(points: Path, reference: NDArray) -> None:
    """Fill in the field `reference` from the mask, as an interpreter would in QGIS."""
    drawn = read_sample(points).drawn.set_index("point_id")
    layer = gpd.read_file(points, layer="points")
    of = drawn.loc[layer["point_id"]]
    layer["reference"] = reference[of["row"], of["col"]].astype(np.int32)
    layer.to_file(points, layer="points", driver="GPKG")


def repeated(map_file: Path, reference: NDArray, options: DesignOptions, draws: int) -> dict[str, NDArray]:
    """Of many samples: lower and upper end of each interval, and whether it was warned of, ``(draw, 3)``."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(1, draws + 1):
        sample = draw(map_file, DesignOptions(**{**vars(options), "seed": seed}))
        size = len(sample.legend)
        counts = np.zeros((len(sample.strata), size, size))
        answers = reference[sample.rows, sample.cols]
        np.add.at(counts, (sample.stratum_of, sample.codes - 1, answers - 1), 1)
        result = estimate_counts(
            counts, [s.area for s in sample.strata], sample.legend, [s.name for s in sample.strata],
            [s.map_classes for s in sample.strata], pixels=[s.pixels for s in sample.strata],
        )  # fmt: skip
        for name, figure in figures_of(result).items():
            if figure.lower is not None and figure.upper is not None:
                found.setdefault(name, []).append((figure.lower, figure.upper, float(bool(figure.warning))))
    return {name: np.array(rows) for name, rows in found.items()}


def audit_line(name: str, result: Audit) -> str:
    t, f = result.totals, result.figures

    def with_interval(key: str) -> str:
        v = f[key]
        if v.value is None:
            return "–"
        return f"{v.value:.2f}" + ("" if v.lower is None else f" ({v.lower:.2f} to {v.upper:.2f})")

    return (
        f"| {name} | {t.reference} | {t.found} | {t.split} | {t.merged} | {t.missed} | {t.mapped} | "
        f"{t.true} | {t.reference_m2 / 1e4:.1f} | {t.mapped_m2 / 1e4:.1f} | {with_interval('recall')} | "
        f"{with_interval('precision')} | {with_interval('panoptic_quality')} |"
    )


def statement(folder: Path, seed: int, draws: int, training: str) -> list[str]:
    """The result as lines of Markdown."""
    project = load_study(write_project(folder, seed, dates=(DAY,), vector=True, more=f"\n[training]\n{training}\n"))
    workflow.run(project, observer=Console())
    (scene,) = project.scenes
    map_file = project.results.folder / "maps" / f"{scene.name}.tif"
    mask = read_codes(DATA / "masks" / f"strzegom_west_{DAY}.tif")
    reference = np.zeros_like(mask)
    for code, (value, *_) in enumerate(CLASSES, start=1):
        reference[mask == value] = code
    mapped, legend = read_codes(map_file), project.legend
    areas = scene.info.grid.pixel_areas_m2()
    true = truth(mapped, reference, areas, legend)

    options = DesignOptions(
        standard_error=0.01, floor=30, extent=LANDUSE, images=(scene.image,), bands=("B04", "B03", "B02")
    )
    points = folder / "points.gpkg"
    drawn = design(map_file, points, options)
    label(points, reference)
    result = estimate(points, map_file)
    many = repeated(map_file, reference, options, draws)
    content = json.loads((project.results.folder / "accuracy.json").read_text(encoding="utf-8"))
    test = content["test"]["figures"]

    lines = [
        f"Map: U-Net+, width {project.training.width or 'of the recipe'}, seed {seed}; on its test ground "
        f"({test.total:.0f} pixels) OA {test.overall_accuracy:.3f}, mIoU {test.mean_iou:.3f}, expected "
        f"calibration error {content.reliability['expected_calibration_error']:.3f}.",
        "",
        "## Estimate from points",
        "",
        drawn.summary(),
        "",
        result.summary(),
        "",
        f"Truth: all {int(((reference > 0) & (mapped > 0)).sum())} mapped pixels inside the land-use layer, most of "
        f"which trained the network. Coverage: share of {draws} other samples whose 95 % interval holds the truth, in "
        "brackets of those without the warning of too few points.",
        "",
        "| figure | truth | estimate | 95 % interval | holds it | coverage |",
        "|---|---|---|---|---|---|",
    ]
    for name, figure in figures_of(result.estimates).items():
        if figure.value is None or name not in many or not np.isfinite(true[name]):
            continue
        places = 1 if name.startswith("area") else 3
        rows = many[name]
        held = (rows[:, 0] <= true[name]) & (true[name] <= rows[:, 1])
        calm = held[rows[:, 2] == 0]
        interval, holds = "–", "–"
        if figure.lower is not None and figure.upper is not None:
            interval = f"{figure.lower:.{places}f} to {figure.upper:.{places}f}"
            holds = "yes" if figure.lower <= true[name] <= figure.upper else "no"
        star = "*" if figure.warning else ""
        lines.append(
            f"| {name} | {true[name]:.{places}f} | {figure.value:.{places}f}{star} | {interval} | {holds} | "
            f"{held.mean():.1%} ({f'{calm.mean():.1%}' if len(calm) else '–'}) |"
        )
    lines += ["", "\\* rests on too few points: " + (" ".join(result.estimates.warnings) or "none.")]

    mines = map_file.with_suffix(".gpkg")
    to_pits = AuditOptions(reference_field="code", reference_values=PITS, boundary_m=20.0)
    known_ground = AuditOptions(**{**vars(to_pits), "extent": LANDUSE})
    lines += [
        "",
        "## Audit of the pits",
        "",
        "| ground | pits | found | split | merged | missed | mapped | true | pits, ha | mapped, ha | recall "
        "| precision | panoptic quality |",
        "|" + "---|" * 13,
        audit_line("labelled", audit(mines, LANDUSE, known_ground)),
        audit_line("whole map", audit(mines, LANDUSE, to_pits)),
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=1000, help="other samples of the map")
    parser.add_argument("--training", default="", help="lines for [training]")
    parser.add_argument("--report", type=Path, default=None, help="Markdown file to write")
    arguments = parser.parse_args()
    require_data()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        lines = statement(Path(folder), arguments.seed, arguments.draws, arguments.training.replace("\\n", "\n"))
    head = [
        f"# Accuracy statement on a quarry district, {date.today().isoformat()}",
        "",
        f"`python -m benchmarks.accuracy_statement --seed {arguments.seed} --draws {arguments.draws}` on "
        f"{platform.machine()}, torch {torch.__version__}, {time.perf_counter() - start:.0f} s.",
        "",
    ]
    text = "\n".join([*head, *lines]) + "\n"
    print(text)
    if arguments.report:
        arguments.report.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
