"""Rasters without georeference and the mines of their maps, as QGIS lays them out; needs QGIS, see ``qgis_python``."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

import qgis_python
from pitmap.grid import PIXEL_FRAME, Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.mines import extract_mines
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import write_cog

OPENED = Path(__file__).with_name("opened.py")
LOCAL = 'LOCAL_CS["site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'


@pytest.mark.verify
@pytest.mark.parametrize("local", [None, LOCAL], ids=["nothing", "a local system"])
def test_mines_lie_on_the_image_from_which_they_come(tmp_path, local):
    qgis_python.require()
    codes = np.full((60, 80), 6, np.uint8)
    codes[5:15, 50:70] = 1
    grid = Grid(None, PIXEL_FRAME, 60, 80, local)
    write_cog(tmp_path / "map.tif", codes, grid, codes_layout(DEFAULT_LEGEND))
    with (
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(
            tmp_path / "image.tif", "w", driver="GTiff", height=60, width=80, count=1, dtype="uint8", crs=local
        ) as image,
    ):  # as any program writes a picture
        image.write(codes, 1)
    extract_mines(tmp_path / "map.tif", tmp_path / "mines.gpkg")
    sources = [tmp_path / "map.tif", tmp_path / "image.tif", f"{tmp_path / 'mines.gpkg'}|layername=mines"]
    map_layer, image_layer, mines = qgis_python.shown(OPENED, tmp_path / "p.png", *sources)["layers"]
    assert map_layer["extent"] == image_layer["extent"] == [0, -60, 80, 0]
    assert mines["extent"] == [50, -15, 70, -5]
    assert mines["under_first"] == {"map.tif": 1.0, "image.tif": 1.0}
