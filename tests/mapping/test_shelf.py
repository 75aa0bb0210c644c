"""Polygons on the disk are found again by their number."""

from pathlib import Path

import numpy as np
import shapely

from pitmap.files import scratch
from pitmap.mapping.shelf import Shelf


def test_polygons_come_back_in_any_order_and_leave_no_file(tmp_path: Path):
    polygons = np.array([shapely.Point(k, 0).buffer(1, quad_segs=k + 1) for k in range(6)], dtype=object)
    with scratch(tmp_path) as file:
        shelf = Shelf(file)
        shelf.put(polygons[:4])
        assert shapely.equals_identical(shelf.take(np.array([3, 0])), polygons[[3, 0]]).all()
        shelf.put(polygons[4:])
        assert len(shelf) == 6
        order = np.array([5, 2, 2, 0])
        assert shapely.equals_identical(shelf.take(order), polygons[order]).all()
        assert len(shelf.take(np.zeros(0, np.intp))) == 0
    assert not list(tmp_path.iterdir())
