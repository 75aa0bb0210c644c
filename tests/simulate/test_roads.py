import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, label
from shapely import LineString

from pitmap.simulate.canvas import Canvas
from pitmap.simulate.materials import Material
from pitmap.simulate.roads import Road, network, pave


def drawn(roads, shape):
    """Lattice nodes that the roads touch."""
    grid = np.zeros(shape, bool)
    for road in roads:
        line = LineString(road.points)
        for at in np.linspace(0, 1, 400):
            row, col = line.interpolate(at, normalized=True).coords[0]
            grid[round(row), round(col)] = True
    return grid


def test_two_places_on_even_ground_are_joined_by_the_straight_line():
    roads = network(np.ones((20, 30), np.float32), np.array([[3, 4], [3, 25]]), 0, np.random.default_rng(0))

    assert len(roads) == 1
    assert LineString(roads[0].points).length == pytest.approx(21)


def test_a_road_goes_round_what_is_costly():
    cost = np.ones((20, 30), np.float32)
    cost[:15, 15] = 100

    roads = network(cost, np.array([[3, 4], [3, 25]]), 0, np.random.default_rng(0))

    grid = drawn(roads, cost.shape)
    assert not grid[:13, 15].any()
    assert grid[:, 15].any()


def test_the_network_is_connected_and_reaches_every_place():
    rng = np.random.default_rng(5)
    places = rng.integers(0, 60, (25, 2))

    roads = network(rng.uniform(0.5, 2, (60, 60)).astype(np.float32), places, 0, rng)

    grid = drawn(roads, (60, 60))
    parts, count = label(grid, np.ones((3, 3)))
    assert count == 1
    assert parts[tuple(places.T)].min() == 1


def test_loops_are_added_until_the_length_is_reached():
    rng = np.random.default_rng(5)
    cost, places = rng.uniform(0.5, 2, (60, 60)).astype(np.float32), rng.integers(0, 60, (25, 2))

    def length(wanted):
        return sum(LineString(r.points).length for r in network(cost, places, wanted, np.random.default_rng(1)))

    tree = length(0)
    assert length(1.3 * tree) > 1.15 * tree


def test_paving_gives_the_area_and_the_widths_and_spares_what_it_may_not_cover():
    canvas = Canvas.of(np.zeros((300, 400), np.float32), 2.0)
    canvas.material[:, 190:210] = Material.WATER
    road = Road(np.array([[150.0, 0.0], [150.0, 400.0]]), 3.0)

    pave(canvas, [road], 800 * 7.2, (Material.OPEN,), np.random.default_rng(0))

    # 7.2 m of road pixels are 6 m of road.
    paved = np.isin(canvas.material, (Material.ASPHALT, Material.CONCRETE, Material.DIRT))
    assert set(paved.sum(axis=0)[:190]) == {3}
    assert (canvas.material[:, 190:210] == Material.WATER).all()


def test_the_widest_road_is_2_pixels_and_the_narrowest_1():
    for area, cells in ((1e6, 6), (1.0, 2)):
        canvas = Canvas.of(np.zeros((100, 400), np.float32), 2.0)
        pave(canvas, [Road(np.array([[50.0, 0.0], [50.0, 400.0]]), 1.0)], area, (0,), np.random.default_rng(0))
        width = distance_transform_edt(canvas.material > 0)[:, 200]
        assert (width > 0).sum() == cells
