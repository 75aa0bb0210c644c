"""Mines that no inventory has: how many of the first on the list are there, with 30 % of the inventory withheld.

    python -m benchmarks.inventory --report benchmarks/results/DATE-inventory.md

Simulated landscapes, whose mines are all known. Some of their mines are taken out of the inventory, and their ground
loses its label; a network learns from the rest, all landscapes are mapped, and the list of ``check_inventory`` is
compared with what was withheld. A mapped polygon is right where half of it lies in a withheld mine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from benchmarks.machine import heading
from pitmap import workflow
from pitmap.accuracy.mines.inventory import check_inventory
from pitmap.cli.console import Console
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.study import map_scene
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import write_cog
from pitmap.simulate.landscape import LandscapeParameters, simulate
from pitmap.simulate.site_files import write_site
from pitmap.study.study import load_study

APART_M = 20_000.0
"""Distance of the landscapes from each other."""

RIGHT = 0.5
"""Share of a listed polygon that lies in a withheld mine."""


def trial(folder: Path, seed: int, arguments: argparse.Namespace) -> list[str]:
    """One inventory: a row of the table."""
    rng = np.random.default_rng(seed)
    text = f'[project]\nname = "inventory"\nseed = {seed}\n'
    known, withheld = [], []
    for place in range(arguments.landscapes):
        landscape = simulate(
            LandscapeParameters(
                arguments.side, arguments.side, seed=100 * seed + place, west=600_000.0 + APART_M * place
            )
        )
        name = f"l{place}"
        files = write_site(folder, landscape, name)
        mines = gpd.read_file(files.mines, layer="mines")
        out = rng.random(len(mines)) < arguments.withheld
        known.append(mines[~out])
        withheld.append(mines[out])
        codes = np.where(np.isin(landscape.pit_ids, mines["id"][out]), 0, landscape.codes).astype(np.uint8)
        write_cog(folder / f"{name}-known.tif", codes, landscape.grid, codes_layout(DEFAULT_LEGEND))
        text += f'[[sites]]\nname = "{name}"\nimage = "{name}.tif"\nlabels = "{name}-known.tif"\n'
    path = folder / "pitmap.toml"
    path.write_text(f"{text}[training]\n{arguments.training.replace(';', chr(10))}\n", encoding="utf-8")
    study = load_study(path)
    workflow.sample(study)
    workflow.train(study, observer=Console())
    for scene in study.scenes:
        map_scene(study, workflow.model_path(study), scene)
    mapped = [gpd.read_file(study.results.folder / "maps" / f"{s.name}.gpkg", layer="mines") for s in study.scenes]
    gpd.GeoDataFrame(pd.concat(mapped, ignore_index=True)).to_file(folder / "mines.gpkg", layer="mines")
    gpd.GeoDataFrame(pd.concat(known, ignore_index=True)).to_file(folder / "known.gpkg", layer="mines")
    check = check_inventory(folder / "mines.gpkg", folder / "known.gpkg")
    check.write(folder / "visits.gpkg")
    listed = gpd.read_file(folder / "visits.gpkg", layer="unlisted")
    truth = gpd.GeoDataFrame(pd.concat(withheld, ignore_index=True)).geometry
    inside = listed.geometry.intersection(truth.union_all()).area / listed.geometry.area
    right = (inside >= RIGHT).to_numpy()
    first = listed.geometry[right & (listed["rank"] <= len(truth))]
    cells = [f"{right[:n].mean():.2f} ({right[:n].sum()} of {min(n, len(right))})" for n in (10, 20)]
    all_right = truth.intersects(listed.geometry[right].union_all()).mean()
    within = truth.intersects(first.union_all()).mean()
    return [
        f"| {seed} | {sum(map(len, known)) + len(truth)} | {len(truth)} | {len(listed)} | {' | '.join(cells)} | "
        f"{all_right:.2f} | {within:.2f} | {len(check.unmapped)} |"
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--landscapes", type=int, default=4)
    parser.add_argument("--side", type=int, default=640)
    parser.add_argument("--withheld", type=float, default=0.3)
    parser.add_argument("--training", default="width = 8", help="lines of [training], separated by ';'")
    parser.add_argument("--report", type=Path, default=None, help="Markdown file to write")
    arguments = parser.parse_args()
    start, rows = time.perf_counter(), []
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            rows += trial(Path(folder), seed, arguments)
        print(rows[-1], flush=True)
    command = (
        f"python -m benchmarks.inventory --seeds {arguments.seeds} --landscapes {arguments.landscapes} --side "
        f'{arguments.side} --withheld {arguments.withheld} --training "{arguments.training}"'
    )
    text = "\n".join(
        [
            *heading("Mines that no inventory has", command),
            "| seed | mines | withheld | on the list | right of first 10 | right of first 20 | recall, whole list | "
            "recall, as many as were withheld | listed mines not on the map |",
            "|---" * 9 + "|",
            *rows,
            "",
            f"{time.perf_counter() - start:.0f} s in all.",
            "",
        ]
    )
    print(text)
    if arguments.report:
        arguments.report.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
