import numpy as np
import pytest

from analytic_ground import grid, smooth, targets
from pitmap.raster.writing import Layout, write_cog
from pitmap.simulate.product import ProductOptions, write_product


@pytest.fixture(scope="session")
def smooth_product(tmp_path_factory):
    """A delivery of smooth ground without PAN, and the ground."""
    ground = smooth()
    options = ProductOptions(pan=False, declare_datum=True)
    return ground, write_product(tmp_path_factory.mktemp("smooth"), ground, options)


@pytest.fixture(scope="session")
def target_product(tmp_path_factory):
    """A delivery of bright targets, whose elevation model does not declare its datum; the ground, and the targets."""
    ground, places = targets()
    options = ProductOptions(pan=False, declare_datum=False)
    return ground, places, write_product(tmp_path_factory.mktemp("targets"), ground, options)


@pytest.fixture(scope="session")
def like(tmp_path_factory):
    """A raster on the grid of the analytic grounds."""
    path = tmp_path_factory.mktemp("like") / "like.tif"
    g = grid(220, 260)
    write_cog(path, np.ones(g.shape, np.uint8), g, Layout(1, "uint8"))
    return path
