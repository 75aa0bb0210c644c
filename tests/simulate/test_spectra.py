import numpy as np
import pytest
from numpy.testing import assert_allclose

from pitmap.legend import DEFAULT_LEGEND
from pitmap.simulate.canvas import Canvas
from pitmap.simulate.materials import CLASS_OF_MATERIAL, GROUND, OPTICS, Material
from pitmap.simulate.spectra import PATH_REFLECTANCE, TRANSMITTANCE, majority_codes, render

ROA, VEG = DEFAULT_LEGEND["ROA"].code, DEFAULT_LEGEND["VEG"].code


def painted(material, shape=(64, 64)):
    canvas = Canvas.of(np.zeros(shape, np.float32), 2.0)
    canvas.material[:] = material
    return canvas


def test_every_material_has_optics_and_every_class_a_material():
    assert set(OPTICS) == set(Material)
    assert set(CLASS_OF_MATERIAL) == {c.code for c in DEFAULT_LEGEND}


def test_level_ground_shows_its_own_spectrum_through_the_air():
    image = render(painted(Material.ASPHALT), 30.0, 140.0, np.random.default_rng(0))

    expected = np.array(PATH_REFLECTANCE) + np.array(TRANSMITTANCE) * GROUND[:, Material.ASPHALT]
    assert image.shape == (4, 32, 32)
    assert image.dtype == np.float32
    assert_allclose(image.mean(axis=(1, 2)), expected, rtol=0.06)


def test_vegetation_is_bright_in_the_near_infrared_and_water_dark():
    rng = np.random.default_rng(0)
    wood, water, rock = (
        render(painted(m), 30.0, 140.0, rng).mean(axis=(1, 2))
        for m in (Material.WOOD, Material.WATER, Material.PIT_TREAD)
    )

    assert wood[3] > 2.5 * wood[2]
    assert water[3] < 0.5 * water[1]
    assert (rock > wood)[:3].all()


def test_a_slope_away_from_the_sun_is_darker():
    rise = np.arange(64, dtype=np.float32)[:, None] * np.ones((1, 64), np.float32)
    light = {}
    for name, slope in (("towards", -0.5), ("away", 0.5)):
        canvas = painted(Material.TILLED)
        canvas.elevation[:] = slope * 2.0 * rise
        light[name] = render(canvas, 50.0, 180.0, np.random.default_rng(0)).mean()

    assert light["towards"] > 1.3 * light["away"]


def test_pixels_on_a_border_are_mixtures():
    canvas = painted(Material.WATER)
    canvas.material[:, 33:] = Material.ROOF_WHITE  # the border runs through the pixels of column 16

    red = render(canvas, 0.0, 0.0, np.random.default_rng(0))[2].mean(axis=0)

    water, roof = red[4:12].mean(), red[20:28].mean()
    assert water < red[15] < red[16] < red[17] < roof
    assert red[16] == pytest.approx((water + roof) / 2, rel=0.15)


def test_the_majority_of_the_cells_names_a_pixel():
    material = np.full((2, 8), Material.WOOD, np.uint8)
    material[0, 0] = Material.WATER  # one cell of four
    material[:, 2] = Material.WATER  # half, upper left
    material[:, 5] = Material.WATER  # half, upper right
    material[:, 6] = Material.WATER
    material[1, 7] = Material.WATER  # three cells

    assert majority_codes(material).tolist() == [[VEG, 2, VEG, 2]]


def test_a_road_wins_a_pixel_that_it_shares_evenly():
    material = np.full((2, 6), Material.WOOD, np.uint8)
    material[1, 0:2] = Material.DIRT
    material[:, 3] = Material.ASPHALT
    material[1, 4] = Material.DIRT

    assert majority_codes(material).tolist() == [[ROA, ROA, VEG]]
