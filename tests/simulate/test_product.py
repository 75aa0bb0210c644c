import tarfile

import numpy as np
import pytest

from analytic_ground import smooth
from pitmap.grid import Window
from pitmap.imagery.gaofen import open_product
from pitmap.imagery.heights import declared_datum
from pitmap.imagery.radiometry import coefficients, to_radiance, to_reflectance
from pitmap.raster.reading import describe, open_raster
from pitmap.simulate.camera import Ground, ground_of_pixels
from pitmap.simulate.product import ProductOptions, write_product


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    ground = smooth(120, 140)
    return ground, write_product(tmp_path_factory.mktemp("product"), ground, ProductOptions(fill_columns=5))


def test_the_delivery_has_the_members_of_a_real_one(product):
    _, made = product
    assert made.path.name == "GF2_PMS1_E112.4_N34.6_20180416_L1A0009000001.tar.gz"
    with tarfile.open(made.path) as archive:
        names = sorted(archive.getnames())
    assert names == [f"{made.name}-{part}.{kind}" for part in ("MSS1", "PAN1") for kind in ("rpb", "tiff", "xml")]


def test_the_images_have_no_georeference_and_ten_bits(product, tmp_path):
    _, made = product
    opened = open_product(made.path, tmp_path)
    for part, bands in (("mss", 4), ("pan", 1)):
        with open_raster(opened.images[part].tiff) as reader:
            pixels, _ = reader.read()
            assert reader.grid.crs is None
            assert pixels.shape[0] == bands
            assert pixels.dtype == np.uint16
            width = 5 if part == "mss" else 20
            assert not pixels[:, :, :width].any()
            assert pixels[:, :, width:].min() >= 1
            assert pixels.max() <= 1023


def test_the_rpc_is_the_camera(product):
    _, made = product
    rng = np.random.default_rng(0)
    for part in ("mss", "pan"):
        camera, rpc = made.cameras[part], made.rpcs[part]
        row, col = rng.uniform(0, camera.rows, 200), rng.uniform(0, camera.cols, 200)
        height = rng.uniform(100, 500, 200)
        found = rpc.project(*camera.locate(row, col, height), height)
        gap = np.hypot(found[0] - row, found[1] - col)
        if part == "mss":
            assert gap.max() < 0.02
        else:  # the disagreement of real products
            assert 2 < gap.max() < 12


def test_numbers_are_the_inverse_calibration_of_the_ground(product, tmp_path):
    landscape, made = product
    opened = open_product(made.path, tmp_path)
    image = opened.images["mss"]
    ground = Ground.of(landscape)
    camera = made.cameras["mss"]
    window = Window(camera.rows // 2 - 20, camera.cols // 2 - 20, 40, 40)
    row, col = ground_of_pixels(camera, ground, window)
    with open_raster(image.tiff) as reader:
        dn, _ = reader.read(window)
    used = coefficients("GF2", "PMS1", 2018)
    found = to_reflectance(to_radiance(dn, used), used.irradiance, made.solar_zenith, made.time.date())
    r, c = np.rint(row).astype(int), np.rint(col).astype(int)
    near = (np.abs(row - r) < 0.1) & (np.abs(col - c) < 0.1)
    assert near.sum() > 10
    step = np.array(used.gain) * np.pi * 1.01 / (np.array(used.irradiance) * np.cos(np.radians(made.solar_zenith)))
    gap = np.abs(found - landscape.reflectance[:, r.clip(0), c.clip(0)])[:, near]
    assert (gap.max(axis=1) < 0.5 * step + 0.0004).all()


def test_metadata_print_what_real_ones_print(product):
    _, made = product
    described = open_product(made.path).to_json()
    mss = described["images"]["mss"]
    assert described["missing"] == []
    assert described["warnings"] == []
    assert mss["warnings"] == []
    assert mss["time_utc"].startswith("2018-04-16T03:")
    assert mss["sun"]["zenith"] == pytest.approx(mss["sun"]["computed_zenith"], abs=0.01)
    assert mss["view"]["incidence"] == pytest.approx(mss["view"]["incidence_from_rpc"], abs=0.001)
    # the frame of the printed corners is taller than the image
    image = open_product(made.path).images["mss"]
    bottom = image.metadata.corners[2]
    row, _ = image.rpc.project(*bottom, image.rpc.height_offset)
    assert row > image.shape[0] + 5


def test_the_elevation_model_declares_its_datum(product):
    landscape, made = product
    info = describe(made.dem)
    assert declared_datum(info) == "egm96"
    with open_raster(made.dem) as reader:
        heights, valid = reader.read()
    assert valid.all()
    assert landscape.elevation.min() - 1 < heights.min() < heights.max() < landscape.elevation.max() + 1


def test_noise_comes_from_the_seed(tmp_path):
    ground = smooth(60, 60)
    images = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        options = ProductOptions(shape=(50, 60), pan=False, noise_dn=2.0, seed=seed, archive=False)
        made = write_product(tmp_path / name, ground, options)
        with open_raster(open_product(made.path).images["mss"].tiff) as reader:
            images.append(reader.read()[0].astype(int))
    assert (images[0] == images[1]).all()
    assert 1.5 < np.std((images[0] - images[2])[:, :, 16:]) / np.sqrt(2) < 2.5
