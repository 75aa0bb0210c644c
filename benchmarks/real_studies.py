"""The whole way, `pitmap run`, on real images: figures on test ground and hectares of open pits.

python -m benchmarks.real_studies --report benchmarks/results/DATE-real-studies.md
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd

from benchmarks.real_projects import write_aberystwyth, write_gid
from benchmarks.strzegom import write_project
from pitmap import workflow
from pitmap.cli.console import Console
from pitmap.study.study import Study, load_study

STUDIES: dict[str, Callable[[Path], Path]] = {
    "strzegom_west, six dates, masks": lambda folder: write_project(folder, 0),
    "strzegom_west, 20230530, land-use layer": lambda f: write_project(f, 0, dates=("20230530",), vector=True),
    "gid_gf2_rgb, 120 crops in groups": write_gid,
    "aberystwyth_s2, four layers": write_aberystwyth,
}


def describe(name: str, project: Study, seconds: float) -> str:
    """A study as Markdown."""
    samples = json.loads((project.results.folder / "samples" / "samples.json").read_text())
    content = json.loads((project.results.folder / "accuracy.json").read_text())
    test, figures = content["test"], content["test"]["figures"]
    intervals = test["intervals"] or {}
    oa, miou = (intervals.get(k) or (float("nan"),) * 2 for k in ("overall_accuracy", "mean_iou"))
    lines = [
        f"## {name}",
        "",
        f"- {len(samples['scenes'])} image(s), patch {samples['patch']}, split {samples['split']['kind']}; labelled "
        f"pixels {samples['audit']['labelled_pixels']}; shared {samples['audit']['shared_labelled_pixels']}.",
        f"- Test ground, {figures['total']} pixels: OA {figures['overall_accuracy']:.4f} ({oa[0]:.3f} to {oa[1]:.3f}), "
        f"mIoU {figures['mean_iou']:.4f} ({miou[0]:.3f} to {miou[1]:.3f}), Kappa {figures['kappa']:.4f}.",
        f"- A map of {figures['majority_class']} alone: OA {figures['majority_accuracy']:.4f}, mIoU "
        f"{figures['majority_mean_iou']:.4f}.",
        f"- Whole run {seconds:.0f} s.",
        "",
        "| class | PA | UA | IoU |",
        "|---|---|---|---|",
    ]
    for c in figures["classes"]:
        shares = (c["producers_accuracy"], c["users_accuracy"], c["iou"])
        cells = " | ".join("–" if v is None else f"{v:.3f}" for v in shares)
        lines.append(f"| {c['name']} | {cells} |")
    if project.mine_classes:
        lines += ["", "| image | open pits on the whole map, ha | polygons |", "|---|---|---|"]
        for scene in project.scenes:
            mines = gpd.read_file(project.results.folder / "maps" / f"{scene.name}.gpkg", layer="mines")
            lines.append(f"| {scene.name} | {mines['area_ha'].sum():.2f} | {len(mines)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, default=None, help="Markdown file to add the studies to")
    parser.add_argument("--only", default="", help="studies whose name contains this")
    arguments = parser.parse_args()
    for name, write in STUDIES.items():
        if arguments.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            project = load_study(write(Path(folder)))
            start = time.perf_counter()
            workflow.run(project, observer=Console())
            text = describe(name, project, time.perf_counter() - start)
        print(text, flush=True)
        if arguments.report:
            with arguments.report.open("a", encoding="utf-8") as file:
                file.write(text + "\n")


if __name__ == "__main__":
    main()
