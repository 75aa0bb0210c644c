"""Edges are cut to a length, and into a bounded number of pieces."""

import numpy as np
import pytest
import shapely

from pitmap.edges import MOST_PIECES, cut_edges


def test_edges_have_at_most_the_length_and_the_shape_stays():
    ring = shapely.Polygon([(0, 0), (10, 0), (10, 10), (0, 10)], [[(2, 2), (3, 2), (3, 3)]])
    (cut,) = cut_edges(np.array([ring], dtype=object), 1.0)
    steps = np.hypot(*np.diff(shapely.get_coordinates(cut.exterior), axis=0).T)
    assert len(steps) == 40
    assert steps.max() == pytest.approx(1.0)
    assert cut.equals(ring)


@pytest.mark.parametrize("far", [1e5, 1e9])
def test_a_far_corner_makes_a_bounded_number_of_points_and_leaves_its_neighbours_alone(far):
    near = shapely.box(0, 0, 1000, 1000)
    wild = shapely.Polygon([(0, 0), (far, far), (0, 1)])
    cut = cut_edges(np.array([near, wild, shapely.Polygon(), shapely.Point(1, 2)], dtype=object), 1.0)
    assert shapely.get_num_coordinates(cut[0]) == 4001
    assert MOST_PIECES <= shapely.get_num_coordinates(cut[1]) <= 2 * MOST_PIECES + 8
    assert cut[2].is_empty
    assert cut[3].equals(shapely.Point(1, 2))


@pytest.mark.parametrize("far", [1e11, 1e150, 1.7e308])
def test_an_outline_that_is_nowhere_is_left_as_it_is(far):
    wild = shapely.Polygon([(0, 0), (far, far), (0, 1)])
    assert shapely.get_num_coordinates(cut_edges(np.array([wild], dtype=object), 1.0)[0]) == 4
