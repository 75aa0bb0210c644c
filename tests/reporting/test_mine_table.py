"""Of many mines the largest are read whole, of the others their numbers."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from pitmap.grid import Grid, Window
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.mines import extract_mines
from pitmap.raster.codes import codes_layout
from pitmap.raster.reading import open_raster
from pitmap.raster.writing import Layout, write_cog
from pitmap.reporting import content, mine_pictures, mine_table
from pitmap.reporting.mine_table import read_mine_table


@pytest.mark.parametrize("crs", [None, CRS.from_epsg(32633)])
def test_the_rest_is_added_up_whatever_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crs: CRS | None):
    codes = np.full((40, 60), 6, np.uint8)
    for k in range(9):
        codes[2:4, 6 * k : 6 * k + 5 - k // 2] = 1
    grid = Grid(crs, Affine(4, 0, 500_000, 0, -4, 5_600_000) if crs else Affine.identity(), *codes.shape)
    write_cog(tmp_path / "map.tif", codes, grid, codes_layout(DEFAULT_LEGEND))
    table = extract_mines(tmp_path / "map.tif", tmp_path / "map.gpkg").table
    monkeypatch.setattr(content, "MINES_LISTED", 3)
    whole = content.mines({"a": read_mine_table(tmp_path / "map.gpkg")})
    monkeypatch.setattr(mine_table, "OUTLINED", 4)
    few = read_mine_table(tmp_path / "map.gpkg")
    assert (len(few), len(few.largest)) == (9, 4)
    assert list(few.largest["id"]) == [1, 2, 3, 4]
    assert content.mines({"a": few}) == whole
    (group,) = whole["groups"]
    assert [row["pixels"] for row in group["listed"]] == [10, 10, 8]
    assert group["rest"]["pixels"] == table["pixels"][3:].sum() == 8 + 6 + 6 + 4 + 4 + 2
    assert whole["total"]["number"] == 9
    if crs is None:
        assert whole["total"]["area_ha"] is None
    else:
        assert whole["total"]["area_ha"] == pytest.approx(table["area_ha"].sum())
        assert group["rest"]["area_ha"] == pytest.approx(table["area_ha"][3:].sum())
    described = mine_pictures.describe_mines(few, grid, None, None, None)
    assert [mine.number for mine in described] == [1, 2, 3, 4]


def test_simplified_outlines_are_said(tmp_path: Path):
    codes = np.full((60, 60), 6, np.uint8)
    row, col = np.mgrid[:60, :60]
    codes[np.hypot(row - 30.2, col - 29.7) < 20] = 1
    where = Grid(CRS.from_epsg(32633), Affine(4, 0, 500_000, 0, -4, 5_600_000), 60, 60)
    write_cog(tmp_path / "map.tif", codes, where, codes_layout(DEFAULT_LEGEND))
    extract_mines(tmp_path / "map.tif", tmp_path / "stairs.gpkg")
    assert content.mines({"a": read_mine_table(tmp_path / "stairs.gpkg")})["simplified"] is None
    made = extract_mines(tmp_path / "map.tif", tmp_path / "simple.gpkg", simplify_m=2 * where.pixel_size_m)
    said = content.mines({"a": read_mine_table(tmp_path / "simple.gpkg")})["simplified"]
    assert said["all"] == pytest.approx(made.simplification.area_change, abs=1e-9)
    assert said["largest"] == pytest.approx(made.simplification.largest_change)
    assert said["all"] != 0


def test_a_thumbnail_of_a_mine_across_the_scene_is_read_thin(tmp_path: Path):
    rows, cols = np.mgrid[:900, :700]
    image = np.stack([rows, cols, rows + cols, 0 * rows + 1]).astype(np.uint16) + 1
    write_cog(tmp_path / "image.tif", image, Grid(None, Affine.identity(), 900, 700), Layout(4, "uint16", 0))
    with open_raster(tmp_path / "image.tif") as reader:
        window = Window(-100, 50, 1300, 1300)
        pixels, valid = mine_pictures._read_square(reader, window, (0, 1, 3))
    step = round(1300 / mine_pictures.THUMBNAIL_SIDE)
    assert pixels.shape == (3, *valid.shape) == (3, -(-1300 // step), -(-1300 // step))
    at_row, at_col = np.mgrid[: valid.shape[0], : valid.shape[1]] * step + np.array([-100, 50])[:, None, None]
    inside = (at_row >= step) & (at_row < 900 - step) & (at_col < 700 - step)
    assert valid[inside].all()
    assert not valid[(at_row < -step) | (at_row > 900) | (at_col > 700)].any()
    # An overview may stand in, and a pixel of it is as wide as two of the image.
    assert np.abs(pixels[0] - 1 - at_row)[inside].max() <= 2 * step
    assert np.abs(pixels[1] - 1 - at_col)[inside].max() <= 2 * step
