from dataclasses import replace

import numpy as np
import pytest
from rasterio.transform import RPCTransformer

from analytic_ground import as_rasterio
from pitmap.errors import ProductError
from pitmap.imagery.rpc import IDENTITY, WGS84, Rpc, format_rpb, from_gdal, parse_rpb
from pitmap.simulate.camera import Pushbroom
from pitmap.simulate.rpc_fit import fit_rpc

CAMERA = Pushbroom(112.4, 34.6, 280.0, 15.0, 192.0, 6908, 7300, 3.24)


@pytest.fixture(scope="module")
def rpc():
    return fit_rpc(CAMERA, (-200.0, 1200.0))


def test_image_and_ground_are_each_others_inverse(rpc):
    rng = np.random.default_rng(0)
    row, col = rng.uniform(-10, 6920, 300), rng.uniform(-10, 7310, 300)
    height = rng.uniform(-200, 1200, 300)
    found = rpc.project(*rpc.locate(row, col, height), height)
    assert np.abs(found[0] - row).max() < 1e-5
    assert np.abs(found[1] - col).max() < 1e-5


def test_positions_are_those_of_gdal(rpc):
    lon, lat, height = 112.41, 34.59, 321.0
    with RPCTransformer(as_rasterio(rpc)) as transformer:
        theirs = transformer.rowcol(lon, lat, height, op=lambda v: v)
    ours = rpc.project(lon, lat, height)
    # GDAL's pixels count from the corner, the RPC from the centre of the first pixel
    assert theirs[0] - 0.5 == pytest.approx(float(ours[0]), abs=1e-6)
    assert theirs[1] - 0.5 == pytest.approx(float(ours[1]), abs=1e-6)


def test_a_file_round_trip_keeps_the_model(rpc):
    again = parse_rpb(format_rpb(rpc), "x.rpb")
    rows, cols = np.array([0.0, 6907.0, 3000.0]), np.array([0.0, 7299.0, 100.0])
    there, back = rpc.locate(rows, cols, 500.0), again.locate(rows, cols, 500.0)
    np.testing.assert_allclose(there, back, atol=1e-9)
    assert from_gdal(as_rasterio(again)) == again


def test_crops_and_corrections_move_the_image(rpc):
    place = rpc.locate(1000.0, 2000.0, 300.0)
    assert np.allclose(rpc.crop(900, 1950).project(*place, 300.0), (100, 50), atol=1e-5)
    turned = rpc.adjusted(((1.0, 0.001, 5.0), (-0.001, 1.0, -3.0)))
    assert np.allclose(turned.project(*place, 300.0), (1007, 1996), atol=1e-5)
    assert np.allclose(turned.locate(1007.0, 1996.0, 300.0), place, atol=1e-9)
    assert np.allclose(turned.crop(7, 6).project(*place, 300.0), (1000, 1990), atol=1e-5)
    assert turned.adjusted(IDENTITY) == turned
    with pytest.raises(ValueError, match="adjustment"):
        format_rpb(turned)


def test_viewing_angles_and_pixels_are_those_of_the_camera(rpc):
    incidence, azimuth = rpc.viewing_angles(3453.5, 3649.5)
    assert incidence == pytest.approx(16.53, abs=0.05)
    assert azimuth == pytest.approx(282.0, abs=0.05)
    along, across = rpc.ground_sampling(3453.5, 3649.5)
    assert along == pytest.approx(3.24, abs=0.01)
    # 3.24 m at nadir, over cos(roll) for the longer way and over cos(incidence) for the slant
    assert across == pytest.approx(3.24 / np.cos(np.radians(15)) / np.cos(np.radians(16.53)), rel=0.03)


def test_a_scene_on_the_antimeridian():
    camera = replace(CAMERA, lon=180.0, lat=-17.0)
    rpc = shifted_fit(camera)
    rows, cols = np.array([100.0, 6800.0]), np.array([100.0, 7200.0])
    lon, lat = rpc.locate(rows, cols, 100.0)
    assert lon[0] > 179 or lon[0] < -179
    assert np.allclose(rpc.project(lon, lat, 100.0), (rows, cols), atol=1e-4)
    # the same ground under its other name
    assert np.allclose(rpc.project(lon % 360, lat, 100.0), (rows, cols), atol=1e-4)


def shifted_fit(camera):
    """The RPC of a camera, fitted where longitudes have one sign and moved."""
    there = fit_rpc(replace(camera, lon=100.0), (-200.0, 1200.0))
    return replace(there, longitude_offset=there.longitude_offset + 80.0)


def test_heights_move_a_pixel_by_the_tangent_of_the_view_angle(rpc):
    lon, lat = rpc.locate(3000.0, 3000.0, np.array([200.0, 300.0]))
    _, _, distance = WGS84.inv(lon[0], lat[0], lon[1], lat[1])
    incidence, _ = rpc.viewing_angles(3000.0, 3000.0, 250.0)
    assert distance == pytest.approx(100 * np.tan(np.radians(incidence)), rel=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"line_offset": float("nan")}, {"sample_scale": 0.0}, {"latitude_scale": float("inf")},
        {"line_numerator": (1.0,) * 19}, {"sample_denominator": (float("nan"),) * 20},
        {"line_denominator": (0.0,) * 20},
    ],
)  # fmt: skip
def test_models_that_cannot_be_are_refused(rpc, change):
    with pytest.raises(ProductError):
        replace(rpc, **change)


def test_a_model_that_cannot_be_inverted_is_refused(rpc):
    flat = replace(rpc, line_numerator=(0.5,) + (0.0,) * 19)
    with pytest.raises(ProductError, match="inverted"):
        flat.locate(100.0, 100.0, 0.0)


def test_an_rpb_is_described_where_it_breaks(rpc):
    text = format_rpb(rpc)
    assert isinstance(parse_rpb(text.lower(), "x"), Rpc)
    with pytest.raises(ProductError, match=r"x\.rpb is empty"):
        parse_rpb("  \n", "x.rpb")
    with pytest.raises(ProductError, match="no complete sampDenCoef"):
        parse_rpb(text[: text.index("sampDenCoef") + 200], "x.rpb")
    with pytest.raises(ProductError, match="lineScale"):
        parse_rpb(text.replace("lineScale = ", "lineScale = twelve"), "x.rpb")


def test_adjustments_follow_each_other_in_their_order(rpc):
    shift, stretch = ((1.0, 0.0, 10.0), (0.0, 1.0, -20.0)), ((2.0, 0.5, 0.0), (0.0, 3.0, 0.0))
    row, col = (float(v) for v in rpc.project(112.41, 34.59, 300.0))
    both = rpc.adjusted(shift).adjusted(stretch).project(112.41, 34.59, 300.0)
    assert float(both[0]) == pytest.approx(2 * (row + 10) + 0.5 * (col - 20))
    assert float(both[1]) == pytest.approx(3 * (col - 20))
    other = rpc.adjusted(stretch).adjusted(shift).project(112.41, 34.59, 300.0)
    assert float(other[0]) == pytest.approx(2 * row + 0.5 * col + 10)
    assert float(other[1]) == pytest.approx(3 * col - 20)
