"""A small study with an image, a map and mines, as a run leaves it."""

from pathlib import Path

import numpy as np
import pytest

from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.mines import extract_mines
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import Layout, write_cog
from pitmap.study.study import load_study
from studies import grid, write_project, write_site
from view.ground import landscape


@pytest.fixture
def study(tmp_path: Path):
    codes, where = landscape(), grid(512, 512)
    for name in ("west_20171030", "west_20180416"):
        write_site(tmp_path, name, codes, where)
    loaded = load_study(write_project(tmp_path, ["west_20171030", "west_20180416"]))
    files = loaded.results.map("west_20171030")
    files.map.parent.mkdir(parents=True)
    write_cog(files.map, codes, where, codes_layout(DEFAULT_LEGEND))
    write_cog(files.confidence, np.full(codes.shape, 200, np.uint8), where, Layout(1, "uint8", 0, scale=1 / 255))
    extract_mines(files.map, files.mines, confidence=files.confidence)
    loaded.results.report.write_text("<!doctype html><title>Report</title><p>The report.", encoding="utf-8")
    (loaded.results.folder / "run.py").write_text("secret")
    (tmp_path / "outside.html").write_text("secret")
    return loaded
