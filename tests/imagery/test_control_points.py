import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from analytic_ground import geographic, grid
from pitmap.errors import ProductError
from pitmap.grid import Grid
from pitmap.imagery.control_points import ControlPoint, read_control_points

IMAGE = Grid(None, Affine.identity(), 300, 400)
PLACE = grid(10, 10)
LON, LAT = (float(v) for v in geographic(PLACE, np.array(3.0), np.array(4.0)))
X, Y = (float(v) for v in PLACE.pixel_centres(np.array(3.0), np.array(4.0)))
QUOTED = CRS.from_epsg(32649).to_wkt().replace('"', '""')
HEAD = "mapX,mapY,sourceX,sourceY,enable,dX,dY,residual"


def points(tmp_path, text, image=IMAGE):
    path = tmp_path / "x.points"
    path.write_text(text, encoding="utf-8")
    return read_control_points(path, image)


def test_files_of_points(tmp_path):
    text = "\ufeffname,row,col,lon,lat,height\nmast,10.5,20,112.4,34.6,\nwell,1,2,112.5,34.7,99.5\n"
    assert points(tmp_path, text) == [
        ControlPoint("mast", 10.5, 20, 112.4, 34.6, None), ControlPoint("well", 1, 2, 112.5, 34.7, 99.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        # as QGIS writes it: rows negative, the CRS once
        f"#CRS: EPSG:32649\n{HEAD}\n{X},{Y},100.5,-200.5,1,0,0,0\n{X},{Y},7,-7,0,0,0,0\n",
        f"#CRS: {CRS.from_epsg(32649).to_wkt()}\n{HEAD}\n{X},{Y},100.5,-200.5,1,0,0,0\n",
        # with positive rows, the names of older versions, no CRS, another separator, a commented head
        f"#CRS: EPSG:32649\n{HEAD}\n{X},{Y},100.5,200.5,1,0,0,0\n",
        f"mapX,mapY,pixelX,pixelY,enable\n{LON!r},{LAT!r},100.5,-200.5,1\n",
        f"#CRS: EPSG:32649\n#mapX;mapY;sourceX;sourceY;enable\n{X};{Y};100,5;-200,5;1\n",
        f"#CRS: EPSG:32649\nmapX\tmapY\tsourceX\tsourceY\tenable\n{X}\t{Y}\t100.5\t-200.5\t1\n",
        # with the CRS in every row
        f"{HEAD},crs\n{X},{Y},100.5,200.5,1,0,0,0,EPSG:32649\n",
        f"{HEAD},EPSG\n{X},{Y},100.5,-200.5,1,0,0,0,32649\n",
        f"mapX,mapY,sourceX,sourceY,sourceCrs,destCrs\n{X},{Y},100.5,-200.5,EPSG:3857,EPSG:32649\n",
        HEAD + ",CRS\n" + f'{X},{Y},100.5,200.5,1,0,0,0,"{QUOTED}"\n',
    ],
)  # fmt: skip
def test_points_of_qgis_in_all_their_signs_and_dialects(tmp_path, text):
    (point,) = points(tmp_path, text)
    assert (point.row, point.col) == (200.0, 100.0)
    assert (point.lon, point.lat) == (pytest.approx(LON, abs=1e-9), pytest.approx(LAT, abs=1e-9))


def test_points_in_map_units_of_the_image(tmp_path):
    image = Grid(CRS.from_epsg(32649), Affine(2.0, 0, 630_000, 0, -2.0, 3_830_000), 300, 400)
    text = f"#CRS: EPSG:32649\n{HEAD}\n{X},{Y},{630_000 + 201},{3_830_000 - 401},1,0,0,0\n"
    (point,) = points(tmp_path, text, image)
    assert (point.row, point.col) == (200.0, 100.0)
    # the same numbers are pixels where the image has no georeference: outside
    with pytest.raises(ProductError, match="outside the image"):
        points(tmp_path, text)


def test_points_that_are_pixels_and_map_units_are_refused(tmp_path):
    image = Grid(None, Affine(2.0, 0, 0, 0, 2.0, 0), 300, 400)
    with pytest.raises(ProductError, match="pixels and map units"):
        points(tmp_path, f"{HEAD}\n{LON},{LAT},100,200,1,0,0,0\n", image)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,row,col,lon,lat\na,10,20,112,34\nb,20,350,112,34\nc,350,20,112,34\n", r"1 of 3 .*c \(row 350, col 20\)"),
        ("row,col,lon,lat\n350,250,112,34\n390,20,112,34\n", "exchange"),
        (f"{HEAD}\n112.4,34.6,112.4012,34.6003,1,0,0,0\n", "300 rows and 400 columns"),
        (f"{HEAD}\n112.4,34.6,112.4012,-350,1,0,0,0\n112.4,34.6,100,350,1,0,0,0\n", "outside the image"),
        (f"{HEAD}\n112.4,34.6,-74.4,4.6,1,0,0,0\n", "look like degrees"),
    ],
)  # fmt: skip
def test_points_outside_the_image_are_refused(tmp_path, text, words):
    if words.startswith("300"):
        # degrees within the image's rows and columns are read, and refused where the correction is fitted
        assert points(tmp_path, text)[0].row == pytest.approx(34.1003)
        return
    with pytest.raises(ProductError, match=words):
        points(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "columns a, b"), ("", "none"), ("row,col,lon,lat\n1,2,3,nan\n", "finite"),
        ("row,col,lon,lat\n1,2,3\n", "point 1"), ("row,col,lon,lat\n1,2,630000,3830000\n", "no longitude"),
        ("#CRS: nonsense\nmapX,mapY,sourceX,sourceY\n1,2,3,4\n", "not known"),
        ("#CRS: EPSG:32649\nmapX,mapY,sourceX,sourceY\n1e30,2,3,4\n", "outside the CRS"),
        (f"{HEAD}\n{X},{Y},3,4,1,0,0,0\n", "names no CRS"),
        (f'#CRS: LOCAL_CS["site grid",UNIT["metre",1]]\n{HEAD}\n{X},{Y},3,4,1,0,0,0\n', "no way to degrees"),
        (f"{HEAD},crs\n{X},{Y},3,4,1,0,0,0,PROJCS[a,b]\n", "more fields"),
    ],
)  # fmt: skip
def test_broken_files_of_points_are_errors(tmp_path, text, words):
    with pytest.raises(ProductError, match=words):
        points(tmp_path, text)
    with pytest.raises(ProductError, match="cannot be read"):
        read_control_points(tmp_path / "gone.csv", IMAGE)
