"""A study with results as a run leaves them, made without training: two sites, maps, confidence, mines, an audit."""

from pathlib import Path

import numpy as np

from pitmap.accuracy.mines.audit import audit
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.assembly import CONFIDENCE_STEPS
from pitmap.mapping.mines import extract_mines
from pitmap.raster.codes import codes_layout
from pitmap.raster.looks import confidence_look
from pitmap.raster.writing import Layout, write_cog
from pitmap.study.study import Study, load_study
from studies import grid, quilt, reflectance_of, write_project, write_site

GRIDS = {"north": grid(200, 240), "far": grid(96, 96, x=520_000)}


def write_study(folder: Path) -> Study:
    """Sites ``north`` and ``far``; the images of both lie outside the results folder."""
    for number, (name, where) in enumerate(GRIDS.items()):
        codes = quilt(where.height, where.width, 7, cell=24, seed=number)
        image = reflectance_of(codes)
        image[:, :10] = 0
        write_site(folder, name, codes, where, image)
    study = load_study(write_project(folder, list(GRIDS), '[project]\nname = "Käs & <Berg>"\n'))
    for number, (name, where) in enumerate(GRIDS.items()):
        codes = quilt(where.height, where.width, 7, cell=24, seed=number)
        codes[:10] = 0
        files = study.results.map(name)
        write_cog(files.map, codes, where, codes_layout(DEFAULT_LEGEND))
        sure = np.random.default_rng(number).integers(60, 256, codes.shape).astype(np.uint8)
        layout = Layout(1, "uint8", 0, ["confidence"], 1 / CONFIDENCE_STEPS, look=lambda _: confidence_look())
        write_cog(files.confidence, sure, where, layout)
        extract_mines(files.map, files.mines, confidence=files.confidence)
    mines = study.results.map("north").mines
    audit(mines, mines).write(study.results.audit)
    return study


def name_points(study: Study, points: str) -> Study:
    """The study with a sample of points named in its project file."""
    with study.path.open("a") as file:
        file.write(f'[accuracy]\nreference = "{points}"\n')
    return load_study(study.path)
