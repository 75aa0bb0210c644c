"""A place with a map that misses part of a pit, and a labelled sample of the map."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.mines import extract_mines
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog
from studies import grid, reflectance_of

PIT, FOREST = 1, 6
WHERE = grid(120, 150)
SQUARE_HA = 16 / 1e4


def make_place(folder: Path, tags: dict[str, str] | None = None) -> Path:
    """A pit of 40 x 30 pixels, of which the map misses a strip of 40 x 6."""
    truth = np.full(WHERE.shape, FOREST, np.uint8)
    truth[30:70, 50:80] = PIT
    mapped = truth.copy()
    mapped[30:70, 74:80] = FOREST
    layout = Layout(4, "uint16", 0, ("blue", "green", "red", "nir"), scale=1e-4)
    write_cog(folder / "scene_20260714.tif", reflectance_of(truth), WHERE, layout)
    write_cog(
        folder / "valley.tif", mapped, WHERE, codes_layout(DEFAULT_LEGEND, {"PITMAP_PROJECT": "North", **(tags or {})})
    )
    extract_mines(folder / "valley.tif", folder / "valley.gpkg")
    drawn = design(folder / "valley.tif", folder / "points.gpkg", DesignOptions(points=500, floor=50))
    with closing(sqlite3.connect(folder / "points.gpkg")) as database, database:
        for name in [r[0] for r in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]:
            database.execute(f'DROP TRIGGER "{name}"')  # they call functions of SpatiaLite
        for number, (row, col) in enumerate(zip(drawn.rows, drawn.cols, strict=True), start=1):
            code = int(truth[row, col])
            database.execute("UPDATE points SET reference = ? WHERE point_id = ?", (code, number))
    return folder
