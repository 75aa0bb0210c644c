import numpy as np

from pitmap.simulate.camera import Pushbroom
from pitmap.simulate.rpc_fit import fit_rpc


def test_a_full_size_camera_is_fitted_to_a_fiftieth_of_a_pixel():
    camera = Pushbroom(112.4, 34.6, 280.0, 15.0, 192.0, 6908, 7300, 3.24)
    rpc = fit_rpc(camera, (-300.0, 1500.0))
    rng = np.random.default_rng(1)
    row, col = rng.uniform(0, 6908, 500), rng.uniform(0, 7300, 500)
    height = rng.uniform(-300, 1500, 500)
    found = rpc.project(*camera.locate(row, col, height), height)
    assert np.hypot(found[0] - row, found[1] - col).max() < 0.02


def test_a_camera_over_the_antimeridian_is_fitted_as_well():
    camera = Pushbroom(180.0, -16.8, 280.0, 15.0, 192.0, 690, 730, 3.24)
    rpc = fit_rpc(camera, (-300.0, 1500.0))
    row, col = np.array([[10.0], [600.0]]), np.array([[5.0, 365.0, 700.0]])
    lon, lat = camera.locate(row, col, 500.0)
    assert lon.min() < -179.9
    assert lon.max() > 179.9
    found = rpc.project(lon, lat, 500.0)
    assert np.hypot(found[0] - row, found[1] - col).max() < 0.02
