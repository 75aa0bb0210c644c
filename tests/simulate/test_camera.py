import numpy as np
import pytest

from analytic_ground import smooth
from pitmap.grid import Window
from pitmap.imagery.heights import undulation
from pitmap.imagery.rpc import WGS84
from pitmap.simulate.camera import Ground, Pushbroom, ground_of_pixels


def test_a_line_of_sight_has_the_geometry_of_its_roll():
    camera = Pushbroom(112.4, 34.6, 0.0, 15.0, 192.0, 101, 101, 3.24)
    lon, lat = camera.locate(50.0, 50.0, np.array([0.0, 1000.0]))
    assert (lon[0], lat[0]) == (pytest.approx(112.4, abs=1e-9), pytest.approx(34.6, abs=1e-9))
    azimuth, _, distance = WGS84.inv(lon[0], lat[0], lon[1], lat[1])
    # sin(incidence) = sin(roll) x (R + 631 km) / R, for a satellite to the right of a flight towards 192 degrees
    assert np.degrees(np.arctan(distance / 1000)) == pytest.approx(16.53, abs=0.05)
    assert azimuth % 360 == pytest.approx(282.0, abs=0.1)
    rows = camera.locate(np.array([50.0, 51.0]), 50.0, 0.0)
    azimuth, _, distance = WGS84.inv(rows[0][0], rows[1][0], rows[0][1], rows[1][1])
    assert azimuth % 360 == pytest.approx(192.0, abs=0.1)
    assert distance == pytest.approx(3.24, abs=0.02)


def test_lines_of_sight_end_on_the_relief():
    landscape = smooth(120, 140)
    ground = Ground.of(landscape)
    lon, lat = ground.geographic(np.array(60.0), np.array(70.0))
    camera = Pushbroom(float(lon), float(lat), ground.level, 15.0, 192.0, 200, 200, 3.24)
    row, col = ground_of_pixels(camera, ground, Window(40, 60, 100, 90))
    x = np.array([6, 50, 95])
    elevation = ground.sample(ground.elevation, row, col)[0][np.ix_(x, x - 6)]
    lon, lat = ground.geographic(*(v[np.ix_(x, x - 6)].astype(np.float64) for v in (row, col)))
    height = elevation + undulation(lon, lat)
    exact = camera.locate(*np.meshgrid(40.0 + x, 60.0 + x - 6, indexing="ij"), height)
    _, _, distance = WGS84.inv(lon, lat, *exact)
    assert np.max(distance) < 0.02
