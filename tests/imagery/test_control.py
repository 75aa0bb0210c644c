import numpy as np
import pytest

from analytic_ground import geographic, grid
from pitmap.errors import ProductError
from pitmap.imagery.control import ControlPoint, fit_control, read_control_points, write_residuals
from pitmap.imagery.heights import Heights, level
from pitmap.imagery.rpc import apply_affine
from pitmap.simulate.product import Pushbroom, fit_rpc

CAMERA = Pushbroom(112.43, 34.6, 280.0, 15.0, 192.0, 500, 520, 3.24)
RPC = fit_rpc(CAMERA, (0.0, 600.0))
WRONG = ((1.002, 0.001, -8.0), (-0.0015, 0.999, 5.0))


def points(number, truth=WRONG, noise=0.0, seed=0):
    """Places measured in an image that the RPC gets wrong by an affine."""
    rng = np.random.default_rng(seed)
    row, col = rng.uniform(20, 480, number), rng.uniform(20, 500, number)
    lon, lat = RPC.locate(row, col, 250.0)
    seen = apply_affine(truth, row, col)
    seen = [v + rng.normal(0, noise, number) if noise else v for v in seen]
    return [ControlPoint(f"p{i}", *map(float, values)) for i, values in enumerate(zip(*seen, lon, lat, strict=True))]


def test_an_affine_is_recovered():
    control = fit_control(RPC, level(250.0), points(8))
    assert control.kind == "affine"
    np.testing.assert_allclose(control.correction, WRONG, atol=1e-4)
    assert control.rmse < 1e-3
    assert control.check_rmse < 1e-3
    corrected = RPC.adjusted(control.correction)
    place = points(20, seed=9)[7]
    found = corrected.project(place.lon, place.lat, 250.0)
    assert (float(found[0]), float(found[1])) == (
        pytest.approx(place.row, abs=1e-3),
        pytest.approx(place.col, abs=1e-3),
    )


def test_few_points_give_a_shift():
    shift = ((1.0, 0.0, -4.0), (0.0, 1.0, 7.5))
    control = fit_control(RPC, level(250.0), points(3, shift))
    assert control.kind == "shift"
    np.testing.assert_allclose(control.correction, shift, atol=1e-6)
    alone = fit_control(RPC, level(250.0), points(1, shift))
    assert alone.check_rmse is None
    assert alone.rmse < 1e-6


def test_points_left_out_tell_the_truth_about_noise():
    fits = [fit_control(RPC, level(250.0), points(8, noise=1.0, seed=s), "affine") for s in range(20)]
    # residuals flatter a fit of six unknowns to sixteen numbers, by sqrt(10 / 16); points left out do not
    assert np.mean([f.rmse for f in fits]) == pytest.approx(np.sqrt(2 * 10 / 16), rel=0.15)
    assert np.mean([f.check_rmse for f in fits]) > np.sqrt(2)


def test_a_point_that_does_not_fit_is_named():
    many = points(10, noise=0.1)
    many[3] = many[3]._replace(row=many[3].row + 25)
    control = fit_control(RPC, level(250.0), many)
    assert "p3" in control.warnings[0]
    assert "p4 " not in control.warnings[0]
    assert fit_control(RPC, level(250.0), points(10, noise=0.1)).warnings == ()


def test_heights_of_their_own_come_before_the_model():
    given = [p._replace(height=250.0) for p in points(6)]
    wrong = level(900.0)
    assert fit_control(RPC, wrong, given).rmse < 1e-3
    shifted = fit_control(RPC, wrong, points(6), "shift")
    assert abs(shifted.correction[1][2]) > 30


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ProductError, match="2 control points"):
        fit_control(RPC, level(250.0), points(2), "affine")
    with pytest.raises(ProductError, match="0 control points"):
        fit_control(RPC, level(250.0), [])
    line = points(6)
    row, col = np.linspace(50, 400, 6), np.linspace(60, 410, 6)
    lon, lat = RPC.locate(row, col, 250.0)
    line = [ControlPoint(str(i), *map(float, v)) for i, v in enumerate(zip(row, col, lon, lat, strict=True))]
    with pytest.raises(ProductError, match="one line"):
        fit_control(RPC, level(250.0), line, "affine")
    small = grid(10, 10).rescaled(1000, 1000, 1.0, 10, 10)
    surface = Heights(np.full((10, 10), 250, np.float32), small, "", "")
    with pytest.raises(ProductError, match=r"p0, p1.*outside the elevation model"):
        fit_control(RPC, surface, points(2), "shift")


def test_files_of_points(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("﻿name,row,col,lon,lat,height\nmast,10.5,20,112.4,34.6,\nwell,1,2,112.5,34.7,99.5\n")
    assert read_control_points(path) == [
        ControlPoint("mast", 10.5, 20, 112.4, 34.6, None), ControlPoint("well", 1, 2, 112.5, 34.7, 99.5),
    ]  # fmt: skip


def test_points_of_qgis_count_from_the_corner(tmp_path):
    lon, lat = geographic(grid(10, 10), np.array(3.0), np.array(4.0))
    x, y = grid(10, 10).pixel_centres(np.array(3.0), np.array(4.0))
    path = tmp_path / "x.points"
    path.write_text(
        "#CRS: EPSG:32649\nmapX,mapY,sourceX,sourceY,enable,dX,dY,residual\n"
        f"{x},{y},100.5,-200.5,1,0,0,0\n{x},{y},7,-7,0,0,0,0\n"
    )
    (point,) = read_control_points(path)
    assert (point.row, point.col) == (200.0, 100.0)
    assert (point.lon, point.lat) == (pytest.approx(float(lon)), pytest.approx(float(lat)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "columns a, b"), ("", "none"), ("row,col,lon,lat\n1,2,3,nan\n", "finite"),
        ("row,col,lon,lat\n1,2,3\n", "point 1"), ("row,col,lon,lat\n1,2,630000,3830000\n", "no longitude"),
        ("#CRS: nonsense\nmapX,mapY,sourceX,sourceY\n1,2,3,4\n", "not known"),
        ("#CRS: EPSG:32649\nmapX,mapY,sourceX,sourceY\n1e30,2,3,4\n", "outside the CRS"),
    ],
)  # fmt: skip
def test_broken_files_of_points_are_errors(tmp_path, text, words):
    path = tmp_path / "points.csv"
    path.write_text(text)
    with pytest.raises(ProductError, match=words):
        read_control_points(path)
    with pytest.raises(ProductError, match="cannot be read"):
        read_control_points(tmp_path / "gone.csv")


def test_residuals_are_written_beside_the_image(tmp_path):
    control = fit_control(RPC, level(250.0), [p._replace(name='a "b", c') for p in points(2)], "shift")
    write_residuals(tmp_path / "x.csv", control)
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert lines[0].startswith("name,row,col,lon,lat,residual_row")
    assert len(lines) == 3
    again = read_control_points(tmp_path / "x.csv")
    assert again[0].name == 'a "b", c'
    assert again[1].row == pytest.approx(control.points[1].row, abs=0.01)
