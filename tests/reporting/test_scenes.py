"""The pictures of a scene."""

import numpy as np
import pytest

from pitmap.raster.writing import Layout, write_cog
from pitmap.reporting.pictures import MISSED, RIGHT
from pitmap.reporting.scenes import _disagreement
from studies import grid


@pytest.mark.parametrize("shape", [(300, 200), (30, 20), (31, 17)])
def test_errors_have_their_share_of_the_picture(tmp_path, shape):
    rng = np.random.default_rng(0)
    labels = np.where(rng.random((300, 200)) < 0.5, 1, 6).astype(np.uint8)
    wrong = (rng.random(labels.shape) < 0.3) & (labels == 1)
    mapped = np.where(wrong, 6, labels).astype(np.uint8)
    for name, codes in (("map", mapped), ("labels", labels)):
        write_cog(tmp_path / f"{name}.tif", codes, grid(300, 200), Layout(1, "uint8", 0))
    kinds = _disagreement(tmp_path / "map.tif", tmp_path / "labels.tif", [1], shape)
    rows, cols = (((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(shape, labels.shape, strict=True))
    assert (kinds == np.where(wrong[np.ix_(rows, cols)], MISSED, RIGHT)).all()
