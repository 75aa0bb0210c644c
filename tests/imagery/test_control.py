import math

import numpy as np
import pytest
from affine import Affine

from analytic_ground import grid
from pitmap.errors import ProductError
from pitmap.grid import Grid
from pitmap.imagery.control import fit_control, write_residuals
from pitmap.imagery.control_points import ControlPoint, read_control_points
from pitmap.imagery.heights import Heights, level
from pitmap.imagery.rpc import apply_affine
from pitmap.simulate.camera import Pushbroom
from pitmap.simulate.rpc_fit import fit_rpc

CAMERA = Pushbroom(112.43, 34.6, 280.0, 15.0, 192.0, 500, 520, 3.24)
RPC = fit_rpc(CAMERA, (0.0, 600.0))
IMAGE = Grid(None, Affine.identity(), 500, 520)
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
    control = fit_control(RPC, IMAGE, level(250.0), points(8))
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
    control = fit_control(RPC, IMAGE, level(250.0), points(3, shift))
    assert control.kind == "shift"
    np.testing.assert_allclose(control.correction, shift, atol=1e-6)
    alone = fit_control(RPC, IMAGE, level(250.0), points(1, shift))
    assert alone.check_rmse is None
    assert alone.rmse < 1e-6


def test_points_left_out_tell_the_truth_about_noise():
    fits = [fit_control(RPC, IMAGE, level(250.0), points(8, noise=1.0, seed=s), "affine") for s in range(20)]
    # residuals flatter a fit of six unknowns to sixteen numbers, by sqrt(10 / 16); points left out do not
    assert np.mean([f.rmse for f in fits]) == pytest.approx(np.sqrt(2 * 10 / 16), rel=0.15)
    assert np.mean([f.check_rmse for f in fits]) > np.sqrt(2)


def test_a_point_that_does_not_fit_is_named():
    many = points(10, noise=0.1)
    many[3] = many[3]._replace(row=many[3].row + 25)
    control = fit_control(RPC, IMAGE, level(250.0), many)
    assert "p3" in control.warnings[0]
    assert "p4 " not in control.warnings[0]
    assert fit_control(RPC, IMAGE, level(250.0), points(10, noise=0.1)).warnings == ()


def test_heights_of_their_own_come_before_the_model():
    given = [p._replace(height=250.0) for p in points(6)]
    wrong = level(900.0)
    assert fit_control(RPC, IMAGE, wrong, given).rmse < 1e-3
    shifted = fit_control(RPC, IMAGE, wrong, points(6), "shift")
    assert abs(shifted.correction[1][2]) > 30


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ProductError, match="2 control points"):
        fit_control(RPC, IMAGE, level(250.0), points(2), "affine")
    with pytest.raises(ProductError, match="0 control points"):
        fit_control(RPC, IMAGE, level(250.0), [])
    line = points(6)
    row, col = np.linspace(50, 400, 6), np.linspace(60, 410, 6)
    lon, lat = RPC.locate(row, col, 250.0)
    line = [ControlPoint(str(i), *map(float, v)) for i, v in enumerate(zip(row, col, lon, lat, strict=True))]
    with pytest.raises(ProductError, match="one line"):
        fit_control(RPC, IMAGE, level(250.0), line, "affine")
    small = grid(10, 10).rescaled(1000, 1000, 1.0, 10, 10)
    surface = Heights(np.full((10, 10), 250, np.float32), small, "", "")
    with pytest.raises(ProductError, match=r"p0, p1.*outside the elevation model"):
        fit_control(RPC, IMAGE, surface, points(2), "shift")


def test_residuals_are_written_beside_the_image(tmp_path):
    control = fit_control(RPC, IMAGE, level(250.0), [p._replace(name='a "b", c') for p in points(2)], "shift")
    write_residuals(tmp_path / "x.csv", control)
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert lines[0].startswith("name,row,col,lon,lat,residual_row")
    assert len(lines) == 3
    again = read_control_points(tmp_path / "x.csv", IMAGE)
    assert again[0].name == 'a "b", c'
    assert again[1].row == pytest.approx(control.points[1].row, abs=0.01)


def turned(degrees, centre=(250.0, 260.0)):
    a = math.radians(degrees)
    (r, c), cos, sin = centre, math.cos(a), math.sin(a)
    return ((cos, -sin, r - cos * r + sin * c), (sin, cos, c - sin * r - cos * c))


FAR = {
    "rows and columns look exchanged": ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
    "rows look counted from the bottom": ((-1.0, 0.0, 499.0), (0.0, 1.0, 0.0)),
    "columns look counted from the right": ((1.0, 0.0, 0.0), (0.0, -1.0, 519.0)),
    "turned by 180 degrees": ((-1.0, 0.0, 499.0), (0.0, -1.0, 519.0)),
    "turned by 30 degrees": turned(30),
    "pixels are 4 times as wide": ((0.25, 0.0, 0.0), (0.0, 0.25, 0.0)),
}


@pytest.mark.parametrize("words", FAR)
@pytest.mark.parametrize(("number", "kind"), [(6, "auto"), (6, "shift"), (3, "auto"), (3, "affine"), (2, "auto")])
def test_a_correction_far_from_identity_is_refused(words, number, kind):
    with pytest.raises(ProductError, match="do not lie in the image as on the ground") as error:
        fit_control(RPC, IMAGE, level(250.0), points(number, FAR[words]), kind)
    if number > 2:
        assert words in error.value.found


@pytest.mark.parametrize("shift", [(-150.0, 0.0), (0.0, 150.0)])
def test_a_shift_of_half_a_kilometre_is_refused(shift):
    truth = ((1.0, 0.0, shift[0]), (0.0, 1.0, shift[1]))
    with pytest.raises(ProductError, match=r"shift the image by .* m\."):
        fit_control(RPC, IMAGE, level(250.0), points(1, truth))


def test_an_affine_through_points_that_lie_together_is_refused():
    near = [p._replace(row=p.row + 4 * (i == 0)) for i, p in enumerate(together())]
    with pytest.raises(ProductError, match="changes distances in the image by"):
        fit_control(RPC, IMAGE, level(250.0), near)
    assert fit_control(RPC, IMAGE, level(250.0), near, "shift").kind == "shift"


def together():
    row, col = 240 + 8 * np.array([0, 0, 1, 1, 2, 2.0]), 250 + 8 * np.array([0, 1, 0, 1, 0, 1.0])
    lon, lat = RPC.locate(row, col, 250.0)
    return [ControlPoint(str(i), *map(float, v)) for i, v in enumerate(zip(row, col, lon, lat, strict=True))]
