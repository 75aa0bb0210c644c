"""U-Net+ against a per-pixel random forest on the simulated sites, whose truth is known everywhere.

    python -m benchmarks.simulated_sites --scale 0.25 --width 16

Forest and network learn from the same training ground and are judged on the same test ground (split `blocks`, both
sites pooled); the network's map is made by the mapping step.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from benchmarks.robust_recipe import forest, test_matrix
from pitmap import workflow
from pitmap.accuracy.census.confusion import Figures
from pitmap.cli.console import Console
from pitmap.mapping.study import map_scene
from pitmap.raster.codes import read_codes
from pitmap.simulate.landscape import simulate, sites
from pitmap.simulate.site_files import write_site
from pitmap.study.study import load_study


def write_study(folder: Path, scale: float, seed: int, training: str) -> Path:
    """Simulate both sites and write a project file for them."""
    text = f'[project]\nname = "Simulated sites"\nseed = {seed}\n'
    for name, parameters in sites(scale, seed).items():
        write_site(folder, simulate(parameters), name)
        text += (
            f'[[sites]]\nname = "{name}"\nimage = "{name}.tif"\nlabels = "{name}-landuse.gpkg"\nlabel_field = "class"\n'
        )
    path = folder / "pitmap.toml"
    path.write_text(text + f"[training]\n{training}\n", encoding="utf-8")
    return path


def line(name: str, figures: Figures, seconds: float) -> str:
    """A row of the results table."""
    ious = " | ".join("–" if c.iou is None else f"{c.iou:.3f}" for c in figures.classes)
    return f"| {name} | {figures.overall_accuracy:.4f} | {figures.mean_iou:.4f} | {ious} | {seconds:.0f} |"


def compare(
    scale: float, width: int, seed: int = 0, network: str = "unetplus", training: str = ""
) -> tuple[Figures, Figures]:
    """Figures of the forest and of the network on the test ground of both sites."""
    with tempfile.TemporaryDirectory() as folder:
        project = load_study(write_study(Path(folder), scale, seed, f"width = {width}\n{training}"))
        samples = workflow.sample(project)
        print(f"patch {samples.patch}, {len(samples.patches)} patches, {samples.record.audit.labelled_pixels}")
        print("| | OA | mIoU | " + " | ".join(samples.legend.keys) + " | s |")
        start = time.perf_counter()
        of_forest = test_matrix(samples, forest(samples, seed, most=200_000)).figures()
        print(line("random forest", of_forest, time.perf_counter() - start), flush=True)
        start = time.perf_counter()
        card = workflow.train(project, network, observer=Console())
        model = workflow.model_path(project, network)
        maps = []
        for scene in project.scenes:
            map_scene(project, model, scene)
            maps.append(read_codes(project.results.folder / "maps" / f"{scene.name}.tif"))
        of_network = test_matrix(samples, maps).figures()
        print(line(f"{network}, width {width}", of_network, time.perf_counter() - start))
        print(
            json.dumps({k: getattr(card.training, k) for k in ("best_epoch", "epochs", "precision", "validation_miou")})
        )
        return of_forest, of_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.25, help="factor on the areas of the paper's sites")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--network", default="unetplus")
    parser.add_argument("--training", default="", help="further lines of [training], separated by ';'")
    arguments = parser.parse_args()
    compare(arguments.scale, arguments.width, arguments.seed, arguments.network, arguments.training.replace(";", "\n"))


if __name__ == "__main__":
    main()
