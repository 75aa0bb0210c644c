"""`pitmap change` where the truth is known, and on two real dates of a quarry district.

    python -m benchmarks.change                  # simulated: growth, new pits, restoration, a shift of 0.7 pixels
    python -m benchmarks.change --strzegom       # real: labels as maps, and maps of a network trained on one date

Simulated are two dates of one landscape; the maps are its truth, and for the displaced image the truth a pixel off, as
a network would map that image. Real images are of the project's shared data.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.strzegom import CLASSES, DATA, require_data, write_project
from pitmap import workflow
from pitmap.changes.change import change
from pitmap.changes.registration import register
from pitmap.changes.result import Change, ChangeOptions
from pitmap.errors import ImageError
from pitmap.legend import DEFAULT_LEGEND, LandCoverClass, Legend
from pitmap.mapping.study import map_scene
from pitmap.raster.codes import codes_layout, read_codes
from pitmap.raster.reading import describe
from pitmap.raster.writing import write_cog
from pitmap.simulate.landscape import LandscapeParameters, simulate
from pitmap.simulate.later import Development, displaced, later
from pitmap.simulate.site_files import write_site
from pitmap.study.study import load_study

EARLIER, LATER = "20220619", "20230530"


def simulated(seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parameters = LandscapeParameters(600, 600, seed=seed, terrain="mountain", date=datetime.date(2019, 4, 16))
        before = simulate(parameters)
        order = np.bincount(before.pit_ids.ravel())[1:].argsort()[::-1] + 1
        grown, restored = [int(order[0]), int(order[2])], [int(order[1]), int(order[4])]
        development = Development({grown[0]: 1.25, grown[1]: 1.6}, (30_000.0, 8_000.0), tuple(restored))
        after = later(parameters, development, datetime.date(2021, 4, 16))
        first = write_site(folder, before, "before-20190416")
        second = write_site(folder, after, "after-20210416")
        maps, images = (first.labels, second.labels), (first.image, second.image)
        print(f"seed {seed}: pits {grown} grow, {restored} are restored, two open; {before.pit_ids.max()} pits before")
        areas = before.grid.pixel_areas_m2() / 1e4
        old, new = before.pit_ids > 0, after.pit_ids > 0
        truth = {
            "became mine": areas[new & ~old].sum(), "mine before": areas[old].sum(), "mine after": areas[new].sum(),
            "restored": areas[old & ~new].sum(),
        }  # fmt: skip
        print("truth, ha: " + ", ".join(f"{k} {v:.2f}" for k, v in truth.items()))
        show(change(maps, folder / "out", ChangeOptions(images=images)))
        off = write_site(folder, replace(displaced(after, 0.0, 0.7)), "shifted-20210416")
        moved = folder / "shifted-map.tif"
        codes = np.roll(after.codes, 1, axis=1)
        codes[:, 0] = 0
        write_cog(moved, codes, after.grid, codes_layout(DEFAULT_LEGEND))
        shifted = ChangeOptions(images=(first.image, off.image))
        try:
            change((first.labels, moved), folder / "stopped", shifted)
            print("the shift was not noticed")
        except ImageError as error:
            print(f"shift of 0.7 pixels to the east: refused: {error.found}")
        for how, tolerance in (("accept", 0), ("accept", 1), ("align", 0), ("align", 1)):
            options = replace(shifted, shift=how, tolerance_pixels=tolerance)
            print(f"{how}, tolerance {tolerance}: ", end="")
            show(change((first.labels, moved), folder / f"{how}{tolerance}", options), mines=False)


def show(made: Change, mines: bool = True) -> None:
    for m in made.maps[1:]:
        if m.registration is not None:
            print(f"register: {m.registration.sentence('the earlier', 'the later')}")
    for step in made.steps:
        k = step.kinds_ha
        print(
            f"{step.before} to {step.after}, ha: became mine {k['GAINED']:.2f}, restored {k['RESTORED']:.2f}, "
            f"otherwise lost {k['LOST']:.2f}, within tolerance {sum(map(sum, step.tolerated_ha)):.2f}, other change "
            f"{k['OTHER']:.1f}; {step.verdicts()}"
        )
        for m in step.mines if mines else ():
            if m.verdict != "unchanged":
                print(
                    f"  No. {m.mine} {m.verdict} {m.relation}: {m.before_ha:.2f} -> {m.after_ha:.2f} ha, gained "
                    f"{m.gained_ha:.2f}, lost {m.lost_ha:.2f}, restored {m.restored_ha:.2f}"
                )


def strzegom(trained: bool) -> None:
    require_data()
    legend = Legend([LandCoverClass(k, key, n, c) for k, (_, key, n, c) in enumerate(CLASSES, start=1)])
    images = tuple(DATA / "images" / f"strzegom_west_{d}.tif" for d in (EARLIER, LATER))
    grid = describe(images[0]).grid
    dates = sorted(p.stem[-8:] for p in (DATA / "images").glob("*.tif"))
    for d in dates[1:]:
        pair = DATA / "images" / f"strzegom_west_{dates[0]}.tif", DATA / "images" / f"strzegom_west_{d}.tif"
        print(register(*pair, grid).sentence(dates[0], d))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        maps = []
        for d in (EARLIER, LATER):
            values = read_codes(DATA / "masks" / f"strzegom_west_{d}.tif")
            codes = np.zeros(values.shape, np.uint8)
            for code, (value, *_) in enumerate(CLASSES, start=1):
                codes[values == value] = code
            path = folder / f"labels-{d}.tif"
            write_cog(path, codes, describe(DATA / "masks" / f"strzegom_west_{d}.tif").grid, codes_layout(legend))
            maps.append(path)
        print("labels as maps")
        show(change(maps, folder / "labels", ChangeOptions(images=images)))
        if trained:
            study = load_study(write_project(folder, 0, (EARLIER, LATER)))
            workflow.sample(study)
            workflow.train(study)
            model = workflow.model_path(study)
            for scene in study.scenes:
                map_scene(study, model, scene)
            maps = [study.results.map(scene.name).map for scene in study.scenes]
            print("maps of one network")
            show(change(maps, folder / "maps", ChangeOptions(images=images)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--strzegom", action="store_true", help="the real dates")
    parser.add_argument("--labels-only", action="store_true", help="without training")
    arguments = parser.parse_args()
    if arguments.strzegom:
        strzegom(not arguments.labels_only)
    else:
        simulated(arguments.seed)


if __name__ == "__main__":
    main()
