import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift, uniform_filter

from analytic_ground import grid, textured
from pitmap.errors import ProductError
from pitmap.imagery.gaofen import open_product
from pitmap.imagery.heights import level
from pitmap.imagery.options import PrepareOptions
from pitmap.imagery.ortho import OrthoMap
from pitmap.imagery.pansharpen import fused, phase_shift, register, spectral_weights
from pitmap.imagery.prepare import prepare
from pitmap.raster.reading import open_raster
from pitmap.raster.writing import Layout, write_cog
from pitmap.simulate.product import ProductOptions, write_product

EXTENT = (630_040.0, 3_829_640.0, 630_360.0, 3_829_960.0)


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """A product with texture down to a metre, and its ground."""
    ground = textured(420, 420)
    options = ProductOptions(pan_tilt=((-5.0, 6.0, 3.0), (2.0, -4.0, 1.5)))
    return ground, write_product(tmp_path_factory.mktemp("pan"), ground, options)


@pytest.mark.parametrize("moved", [(0.0, 0.0), (3.25, -4.6), (-10.5, 7.1)])
def test_shifts_are_measured_to_a_twentieth_of_a_pixel(moved):
    rng = np.random.default_rng(2)
    image = gaussian_filter(rng.normal(size=(200, 200)), 1.5)
    other = shift(image, moved, order=5)
    found = phase_shift(image[36:164, 36:164].astype(np.float32), other[36:164, 36:164].astype(np.float32))
    assert found == pytest.approx(moved, abs=0.05)


def test_images_without_anything_in_common_have_no_shift():
    rng = np.random.default_rng(3)
    a, b = gaussian_filter(rng.normal(size=(2, 128, 128)), (0, 1.5, 1.5)).astype(np.float32)
    assert phase_shift(a, b) is None
    assert phase_shift(a, np.zeros_like(a)) is None


def test_the_misfit_is_found_and_taken_out(taken, tmp_path):
    ground, product = taken
    opened = open_product(product.path, tmp_path)
    mss, pan = opened.images["mss"], opened.images["pan"]
    g = ground.grid.rescaled(40, 40, 1.0, 320, 320)
    heights = level(float(ground.elevation.mean()) - 22.5)
    with open_raster(mss.tiff) as mss_reader, open_raster(pan.tiff) as pan_reader:
        mss_map = OrthoMap(g, mss_reader.grid, mss.rpc, heights)
        found = register(pan_reader, mss_reader, OrthoMap(g, pan_reader.grid, pan.rpc, heights), mss_map)
    assert found.misfit > 1.5
    assert found.rmse < 0.5
    # the corrected RPC agrees with the camera that took the picture
    camera, corrected = product.cameras["pan"], found.model
    rows, cols = np.meshgrid(np.linspace(250, camera.rows - 250, 5), np.linspace(250, camera.cols - 250, 5))
    height = float(ground.elevation.mean()) - 22.5
    seen = corrected.project(*camera.locate(rows, cols, height), height)
    gap = np.hypot(seen[0] - rows, seen[1] - cols)
    assert np.sqrt((gap**2).mean()) < 0.5


def test_the_sharpened_image_is_at_one_metre_and_nearer_to_the_truth(taken, tmp_path):
    ground, product = taken
    options = PrepareOptions(dem=product.dem, extent=EXTENT, kernel="cubic")
    sharp = prepare(product.path, tmp_path / "sharp.tif", PrepareOptions(**{**vars(options), "pan": True}))
    plain = prepare(product.path, tmp_path / "plain.tif", PrepareOptions(**{**vars(options), "resolution": 1.0}))
    truth = ground.reflectance[:, 40:360, 40:360]
    with open_raster(sharp.output) as a, open_raster(plain.output) as b:
        assert a.grid.transform.a == 1.0
        (with_pan, known), (without, _) = a.read(), b.read()
    assert known.mean() > 0.99
    inner = (slice(None), slice(8, -8), slice(8, -8))
    error = [np.sqrt(((v * 1e-4 - truth)[inner] ** 2).mean()) for v in (with_pan, without)]
    assert error[0] < 0.7 * error[1]
    # seen at the multispectral scale, reflectance is what it was
    coarse = [uniform_filter(v.astype(float), (0, 8, 8))[inner] for v in (with_pan * 1e-4, truth)]
    assert np.abs(coarse[0] - coarse[1]).mean() < 0.005
    assert sharp.pan.rmse_pixels < 0.5
    assert sharp.pan.misfit_pixels > 1.5
    assert not any("fits the multispectral" in w for w in sharp.warnings)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "plain.json", "plain.qml", "plain.tif", "sharp.json", "sharp.qml", "sharp.tif",
    ]  # fmt: skip


def test_weights_are_those_that_made_the_image(tmp_path):
    fine, coarse = grid(64 * 4, 64 * 4, 1.0), grid(64, 64, 4.0)
    rng = np.random.default_rng(4)
    bands = rng.integers(500, 3000, (3, 64, 64)).astype(np.uint16)
    pan = np.rint(np.tensordot([0.1, 0.0, 0.2], bands, 1)).astype(np.uint16)
    write_cog(tmp_path / "mss.tif", bands, coarse, Layout(3, "uint16", 0))
    write_cog(tmp_path / "pan.tif", np.kron(pan, np.ones((4, 4), np.uint16)), fine, Layout(1, "uint16", 0))
    with open_raster(tmp_path / "mss.tif") as mss, open_raster(tmp_path / "pan.tif") as panchromatic:
        found = spectral_weights(mss, panchromatic, 4)
    assert found == pytest.approx((0.1, 0.0, 0.2), abs=1e-3)


def test_fusion_keeps_nodata_and_even_ground(tmp_path):
    fine, coarse = grid(80, 80, 1.0), grid(20, 20, 4.0)
    bands = np.full((2, 20, 20), 1000, np.uint16)
    bands[1] = 2000
    bands[:, :, :3] = 0
    pan = np.full((80, 80), 300, np.uint16)
    pan[:, :12] = 0
    write_cog(tmp_path / "mss.tif", bands, coarse, Layout(2, "uint16", 0))
    write_cog(tmp_path / "pan.tif", pan, fine, Layout(1, "uint16", 0))
    (block,) = fused(tmp_path / "mss.tif", tmp_path / "pan.tif", (0.1, 0.1), fine, tmp_path)
    assert not block.valid[:, :12].any()
    assert block.valid[:, 16:].all()
    assert np.abs(block.values[:, :, 16:] - np.array([1000, 2000])[:, None, None]).max() <= 1


def test_without_common_texture_the_fusion_is_refused(taken, tmp_path):
    ground, product = taken
    opened = open_product(product.path, tmp_path)
    mss, pan = opened.images["mss"], opened.images["pan"]

    class Blank:
        def __init__(self, grid, bands):
            self.grid, self.bands = grid, bands

        def read(self, window=None):
            return np.full((self.bands, window.height, window.width), 7, np.uint16), np.ones(window[2:], bool)

    g = ground.grid.rescaled(40, 40, 1.0, 320, 320)
    with open_raster(mss.tiff) as mss_reader, open_raster(pan.tiff) as pan_reader:
        mss_map = OrthoMap(g, mss_reader.grid, mss.rpc, level(280.0))
        pan_map = OrthoMap(g, pan_reader.grid, pan.rpc, level(280.0))
        with pytest.raises(ProductError, match="agree at 0 places"):
            register(Blank(pan_reader.grid, 1), mss_reader, pan_map, mss_map)
