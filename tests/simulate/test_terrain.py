import numpy as np
from numpy.testing import assert_allclose

from pitmap.simulate import terrain
from pitmap.simulate.terrain import cast_shadow, drained_relief, hilliness, illumination, neighbour_edges, relief


def lower_neighbour_missing(height):
    start, end, _ = neighbour_edges(height.shape)
    lowest = np.full(height.size, np.inf)
    np.minimum.at(lowest, start, height.ravel()[end])
    return (lowest >= height.ravel()).reshape(height.shape)


def test_relief_drains_from_every_node_to_the_edge():
    steepness = np.random.default_rng(0).uniform(0.02, 0.5, (30, 41)).astype(np.float32)

    height = drained_relief(steepness, 64, np.random.default_rng(1))

    sinks = lower_neighbour_missing(height)
    assert not sinks[:-1, :-1].any()
    assert (height[-1] == 0).all()
    assert (height[:, -1] == 0).all()
    assert height[:-1, :-1].min() > 0


def test_heights_along_a_channel_follow_flints_law():
    # One row of nodes, each draining into its left neighbour; the first is the outlet.
    receiver = np.array([0, 0, 1, 2])

    height = terrain._steady_heights(receiver, np.full(4, 0.5), 10.0, (1, 4))

    steps = 5.0 * np.array([3.0, 2.0, 1.0]) ** -terrain.CONCAVITY
    assert_allclose(height, [0, *np.cumsum(steps)])


def test_hills_are_higher_and_rougher_than_plains():
    shape = (800, 800)
    hills = hilliness(shape, 0.5, np.random.default_rng(4))
    height = relief(shape, hills, 2.0, np.random.default_rng(5))

    slope = np.hypot(*np.gradient(height, 2.0))
    place = hills[1:-1, 1:-1].repeat(32, 0).repeat(32, 1)[:800, :800]
    assert height.dtype == np.float32
    assert slope[place > 0.8].mean() > 5 * slope[place < 0.05].mean()
    assert 0.4 < (hills < 0.5).mean() < 0.75


def test_light_falls_perpendicular_on_a_slope_that_faces_the_sun():
    rows = np.arange(20, dtype=np.float32)[:, None] * np.ones((1, 20), np.float32)
    facing_south = -2.0 * rows  # falls southwards by 45 degrees at a cell of 2 m

    assert_allclose(illumination(facing_south, 2.0, 45.0, 180.0), 1, atol=1e-5)
    assert_allclose(illumination(facing_south, 2.0, 45.0, 0.0), 0, atol=1e-5)
    assert_allclose(illumination(np.zeros((20, 20), np.float32), 2.0, 30.0, 77.0), np.cos(np.radians(30)), atol=1e-6)


def test_a_ledge_throws_a_shadow_as_long_as_the_sun_is_low():
    surface = np.zeros((40, 40), np.float32)
    surface[20:] = 10.0

    shadow = cast_shadow(surface, 1.0, 45.0, 180.0, 30.0)  # the sun in the south, 45 degrees high

    assert (shadow[20:] == 0).all()
    assert (shadow[16:20] == 1).all()
    assert (shadow[:10] == 0).all()
