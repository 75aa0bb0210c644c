"""Maps of trained networks over ground whose truth is known, with the calibrated probabilities of all classes.

    python -m benchmarks.trained_maps FOLDER

Four grounds, each a folder with `map.tif`, `map-probabilities.tif`, `map-confidence.tif` and `truth.tif` (0 where the
truth is unknown or nothing was mapped; the map is 0 there too). U-Net+ is trained by the recipe `robust`, as `pitmap
run` trains it.

- `simulated`: site 2 of the simulated landscape, trained on the training blocks of both sites;
- `simulated-new`: the same site mapped by a network that was trained on site 1 only;
- `strzegom`: the labelled ground of 20230530, trained on the training blocks of six dates;
- `strzegom-new`: the same, each half (north, south) mapped by a network that was trained on the other half only.

A ground that is there is not made again.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from benchmarks.strzegom import CLASSES, DATA, DATES, write_project
from pitmap import workflow
from pitmap.cli.console import Console
from pitmap.legend import DEFAULT_LEGEND, LandCoverClass, Legend
from pitmap.mapping.prediction import MapOptions, map_image
from pitmap.raster.codes import codes_layout, read_codes
from pitmap.raster.reading import describe
from pitmap.raster.writing import Layout, write_cog
from pitmap.simulate.landscape import simulate, sites
from pitmap.simulate.site_files import write_site
from pitmap.study.study import load_study

DATE = "20230530"
HALF_ROW = 200


@dataclass(frozen=True)
class Mapped:
    """What a network says of a ground.

    Attributes:
        codes: Map, ``(rows, cols)``.
        levels: Class probabilities in units of 1 / 255, uint8 ``(K, rows, cols)``.
    """

    codes: NDArray[np.uint8]
    levels: NDArray[np.uint8]


def mapped(project: Path, image: Path, options: MapOptions) -> Mapped:
    """Train on the samples of a project and map an image."""
    study = load_study(project)
    workflow.sample(study)
    workflow.train(study, observer=Console())
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "map.tif"
        shares = Path(folder) / "probabilities.tif"
        map_image(workflow.model_path(study), image, out, MapOptions(**vars(options) | {"probabilities": shares}))
        with rasterio.open(shares) as file:
            values = file.read() * np.array(file.scales)[:, None, None]
        return Mapped(read_codes(out), np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))


def write_ground(folder: Path, image: Path, truth: NDArray[np.uint8], legend: Legend, found: Mapped) -> None:
    """Write map, probabilities, confidence and truth where both the truth and the map are known."""
    known = (truth > 0) & (found.codes > 0)
    codes, grid = np.where(known, found.codes, 0).astype(np.uint8), describe(image).grid
    sure = np.take_along_axis(found.levels, np.maximum(codes, 1)[None].astype(np.intp) - 1, axis=0)[0]
    write_cog(folder / "map.tif", codes, grid, codes_layout(legend))
    write_cog(folder / "truth.tif", np.where(known, truth, 0).astype(np.uint8), grid, codes_layout(legend))
    confidence = np.where(known, np.maximum(sure, 1), 0).astype(np.uint8)
    write_cog(folder / "map-confidence.tif", confidence, grid, Layout(1, "uint8", 0, scale=1 / 255))
    layout = Layout(len(legend), "uint8", None, scale=1 / 255)
    write_cog(folder / "map-probabilities.tif", np.where(known, found.levels, 0), grid, layout)


def simulated(folder: Path, names: tuple[str, ...], scale: float) -> None:
    """Site 2, mapped by a network that knows the training blocks of some sites."""
    text = '[project]\nname = "Simulated sites"\nseed = 0\n'
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        for name, parameters in sites(scale).items():
            landscape = simulate(parameters)
            write_site(work, landscape, name)
            if name in names:
                text += (
                    f'[[sites]]\nname = "{name}"\nimage = "{name}.tif"\nlabels = "{name}-landuse.gpkg"\n'
                    'label_field = "class"\n'
                )
        (work / "pitmap.toml").write_text(text, encoding="utf-8")
        image = work / "site2.tif"
        found = mapped(work / "pitmap.toml", image, MapOptions())
        write_ground(folder, image, landscape.codes, DEFAULT_LEGEND, found)


def strzegom_legend() -> Legend:
    """The classes that occur, numbered from 1."""
    return Legend(LandCoverClass(i, key, name, colour) for i, (_, key, name, colour) in enumerate(CLASSES, start=1))


def strzegom_truth() -> NDArray[np.uint8]:
    """Codes of the labelled ground."""
    mask = read_codes(DATA / "masks" / f"strzegom_west_{DATE}.tif")
    truth = np.zeros(mask.shape, np.uint8)
    for code, (value, *_) in enumerate(CLASSES, start=1):
        truth[mask == value] = code
    return truth


def strzegom(folder: Path, halves: bool) -> None:
    """The labelled ground of one date; by halves, each is mapped by a network that does not know its labels."""
    image = DATA / "images" / f"strzegom_west_{DATE}.tif"
    options = MapOptions(bands=["B02", "B03", "B04", "B08"], scale=1e-4, offset=-0.1, nodata=0)
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        if not halves:
            found = mapped(write_project(work, 0), image, options)
        else:
            parts = [_half(work / name, rows, image, options) for name, rows in (
                ("south", slice(0, HALF_ROW)), ("north", slice(HALF_ROW, None)),
            )]  # fmt: skip
            found = Mapped(*(np.concatenate(
                [getattr(parts[0], k)[..., :HALF_ROW, :], getattr(parts[1], k)[..., HALF_ROW:, :]], axis=-2
            ) for k in ("codes", "levels")))  # fmt: skip
        write_ground(folder, image, strzegom_truth(), strzegom_legend(), found)


def _half(work: Path, hidden: slice, image: Path, options: MapOptions) -> Mapped:
    """A network that knows no label of the hidden rows, on any date."""
    work.mkdir()
    project = write_project(work, 0)
    text = project.read_text(encoding="utf-8")
    for date in DATES:
        path = DATA / "masks" / f"strzegom_west_{date}.tif"
        with rasterio.open(path) as file:
            mask, profile = file.read(), file.profile
        mask[:, hidden] = 0
        with rasterio.open(work / path.name, "w", **profile) as out:
            out.write(mask)
        text = text.replace(str(path), str(work / path.name))
    project.write_text(text, encoding="utf-8")
    return mapped(project, image, options)


GROUNDS: dict[str, Callable[[Path], None]] = {
    "simulated": lambda folder: simulated(folder, ("site1", "site2"), 0.1),
    "simulated-new": lambda folder: simulated(folder, ("site1",), 0.1),
    "strzegom": lambda folder: strzegom(folder, halves=False),
    "strzegom-new": lambda folder: strzegom(folder, halves=True),
}
"""How each ground is made."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=list(GROUNDS), action="append")
    args = parser.parse_args()
    for name in args.only or GROUNDS:
        folder = args.folder / name
        if (folder / "map.tif").exists() or ("strzegom" in name and not DATA.exists()):
            continue
        beside = folder.with_name(f"{name}-unfinished")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        GROUNDS[name](beside)
        beside.rename(folder)
        codes, truth = read_codes(folder / "map.tif"), read_codes(folder / "truth.tif")
        print(f"{name}: {(codes == truth)[truth > 0].mean():.4f} of {(truth > 0).sum():,} pixels right", flush=True)


if __name__ == "__main__":
    main()
