"""Metadata of real Gaofen products: what they say, against the sun and against their own RPC."""

import numpy as np
import pytest

from analytic_ground import shared_data
from pitmap.errors import ProductError
from pitmap.imagery.gaofen import open_product, recognise
from pitmap.imagery.options import PrepareOptions
from pitmap.imagery.pansharpen import fit_correction
from pitmap.imagery.prepare import prepare
from pitmap.imagery.radiometry import sun_position
from pitmap.imagery.rpc import parse_rpb

FOLDER = shared_data() / "gaofen_metadata"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the real data are not beside this checkout")
PRODUCTS = sorted(p for p in FOLDER.glob("GAOFEN-*/*") if p.is_dir())


@pytest.fixture(params=PRODUCTS, ids=lambda p: p.name)
def product(request):
    return open_product(request.param)


def test_every_product_parses():
    assert len(PRODUCTS) == 4
    found = {}
    for path in PRODUCTS:
        assert recognise(path)
        for part, image in open_product(path).to_json()["images"].items():
            key = f"{image['satellite']} {image['camera']} {part}"
            found[key] = (image["time_utc"], image["rows"], image["columns"], image["coefficients"]["source"])
    assert found == {
        "GF1 PMS1 mss": ("2022-06-24T05:39:09Z", 4503, 4548, "CRESDA 2022, GF1 PMS1"),
        "GF1 PMS1 pan": ("2022-06-24T05:39:09Z", 18000, 18192, "CRESDA 2022, GF1 PMS1"),
        "GF1 WFV3 mss": ("2020-05-23T05:03:08Z", 13719, 12000, None),
        "GF2 PMS1 mss": ("2020-05-10T17:03:20Z", 6908, 7300, "CRESDA 2020, GF2 PMS1"),
        "GF2 PMS1 pan": ("2020-05-10T17:03:20Z", 27620, 29200, "CRESDA 2020, GF2 PMS1"),
        "GF2 PMS2 mss": ("2018-10-02T02:54:23Z", 6908, 7300, "CRESDA 2018, GF2 PMS2"),
        "GF2 PMS2 pan": ("2018-10-02T02:54:23Z", 27620, 29200, "CRESDA 2018, GF2 PMS2"),
    }


def test_the_missing_images_are_named(product):
    # the published copies hold no pixels
    parts = {"mss", "pan"} & set(product.images)
    assert sum(name.endswith(".tiff") for name in product.missing) == len(parts)
    assert product.warnings == ()


def test_the_sun_is_where_date_and_place_put_it(product):
    for image in product.images.values():
        zenith, azimuth = sun_position(image.metadata.time, *image.centre)
        assert zenith == pytest.approx(image.metadata.solar_zenith, abs=0.05)
        assert azimuth == pytest.approx(image.metadata.solar_azimuth, abs=0.1)
        assert image.sun()[2] == []


def test_the_rpc_looks_where_the_xml_says(product):
    for image in product.images.values():
        rows, cols = image.shape
        incidence, azimuth = image.rpc.viewing_angles((rows - 1) / 2, (cols - 1) / 2)
        assert incidence == pytest.approx(image.metadata.incidence, abs=0.1)
        assert azimuth == pytest.approx(image.metadata.satellite_azimuth, abs=0.1)


BEYOND = {  # rows by which the lower corners of the XML lie below the image, at height 0
    "GF2PMS4793969": {"mss": (295, 295), "pan": (379, 387)},
    "GF2_PMS2_E120.2_S0.0_20181002_L1A0003492622": {"mss": (297, 293), "pan": (395, 381)},
    "GF1_PMS1_E69.4_N33.3_20220624_L1A0006547030": {"mss": (202, 203), "pan": (0, 0)},
    "GF1_WFV3_E89.0_N23.9_20200523_L1A0004819525": {"mss": (0, 0)},
}


@pytest.mark.parametrize("path", PRODUCTS, ids=lambda p: p.name)
def test_corners_of_the_xml_lie_where_the_rpc_says(path):
    for part, image in open_product(path).images.items():
        lon, lat = np.array(image.metadata.corners).T
        row, col = image.rpc.project(lon, lat, 0.0)
        assert np.abs(row[:2]).max() < 30
        assert np.abs(col - [0, image.shape[1], image.shape[1], 0]).max() < 0.007 * image.shape[1]
        beyond = row[[3, 2]] - (image.shape[0] - 1)
        np.testing.assert_allclose(beyond, BEYOND[path.name][part], atol=20 if part == "pan" else 4)


WITH_PAN = [p for p in PRODUCTS if "WFV" not in p.name]


@pytest.mark.parametrize("path", WITH_PAN, ids=lambda p: p.name)
def test_the_misfit_of_pan_is_a_polynomial_of_the_image(path):
    """A tilt of up to 11 pixels and a bend along the track, which an affine alone does not take out."""
    images = open_product(path).images
    height, width = images["mss"].shape
    rows, cols = (v.ravel() for v in np.meshgrid(np.linspace(0, height - 1, 12), np.linspace(0, width - 1, 12)))
    place = images["mss"].rpc.locate(rows, cols, 200.0)
    modelled = np.stack(images["pan"].rpc.project(*place, 200.0), axis=1)
    wanted = np.stack([4 * rows + 1.5, 4 * cols + 1.5], axis=1)
    assert 5 < np.abs(modelled - wanted).max() < 12
    noise = np.random.default_rng(0).normal(0, 0.2, wanted.shape)
    correction, kept = fit_correction(modelled, wanted + noise)
    assert kept.mean() > 0.95
    left = np.stack(correction(*modelled.T), axis=1) - wanted
    assert np.sqrt((left**2).sum(axis=1).mean()) < 0.5
    affine, _ = fit_correction(modelled, wanted, degrees=(1,))
    left = np.stack(affine(*modelled.T), axis=1) - wanted
    assert np.sqrt((left**2).sum(axis=1).mean()) > 0.7


def test_rpb_of_other_satellites_are_read():
    files = sorted((FOLDER / "DIGITALGLOBE").glob("*.RPB"))
    assert len(files) == 4
    for path in files:
        rpc = parse_rpb(path.read_text(), path.name)
        place = rpc.locate(1000.0, 1000.0, rpc.height_offset)
        assert np.allclose(rpc.project(*place, rpc.height_offset), (1000, 1000), atol=1e-5)


def test_a_product_without_pixels_is_not_prepared(tmp_path):
    with pytest.raises(ProductError, match=r"MSS1\.tiff"):
        prepare(FOLDER / "GAOFEN-2" / "GF2PMS4793969", tmp_path / "a.tif", PrepareOptions(height=50.0))
