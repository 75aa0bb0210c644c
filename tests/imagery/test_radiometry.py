import math
from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from pitmap.errors import ProductError
from pitmap.imagery.radiometry import (
    Coefficients,
    Scaling,
    calibration_table,
    coefficients,
    earth_sun_distance,
    reflectance_scaling,
    saturated,
    sun_position,
    to_radiance,
    to_reflectance,
)


def test_the_distance_of_two_days():
    assert earth_sun_distance(date(2017, 10, 30)) == pytest.approx(0.993015, abs=1e-6)
    assert earth_sun_distance(date(2018, 4, 16)) == pytest.approx(1.003056, abs=1e-6)


def test_saturation_is_the_reflectance_of_the_published_table():
    """Reflectance of DN 1023 for both cameras, in 2017 (sun zenith about 50) and 2018 (about 29), B1..B4."""
    expected = {
        ("PMS1", date(2017, 10, 30), 50): [0.30, 0.41, 0.46, 0.71],
        ("PMS2", date(2017, 10, 30), 50): [0.36, 0.42, 0.48, 0.77],
        ("PMS1", date(2018, 4, 16), 29): [0.26, 0.35, 0.39, 0.61],
        ("PMS2", date(2018, 4, 16), 29): [0.35, 0.41, 0.46, 0.74],
    }
    for (camera, day, zenith), reflectance in expected.items():
        used = coefficients("GF2", camera, day.year)
        found = to_reflectance(to_radiance(np.full(4, 1023), used), used.irradiance, zenith, day)
        np.testing.assert_allclose(found, reflectance, atol=0.007)


def test_the_error_of_the_set_of_2014():
    """Radiance at DN 400 with ENVI's fixed set against that of the year, percent, PMS1."""
    for year, expected in ((2017, [31.0, 21.5, 20.8, 19.8]), (2018, [15.3, 7.1, 4.7, 5.1])):
        right = to_radiance(np.full(4, 400), coefficients("GF2", "PMS1", year))
        envi = to_radiance(np.full(4, 400), coefficients("GF2", "PMS1", year, choice="envi_2014"))
        np.testing.assert_allclose(100 * (envi / right - 1), expected, atol=0.06)


def test_reflectance_by_hand():
    used = coefficients("GF2", "PMS1", 2017)
    radiance = 500 * 0.1193
    by_hand = math.pi * radiance * 0.993015**2 / (1941.76 * math.cos(math.radians(50)))
    found = to_reflectance(to_radiance(np.full((4, 1, 1), 500), used), used.irradiance, 50, date(2017, 10, 30))
    assert found[0, 0, 0] == pytest.approx(by_hand, rel=1e-6)
    scaling = reflectance_scaling(used, 50, date(2017, 10, 30))
    assert 500 * scaling.scale[0] + scaling.offset[0] == pytest.approx(by_hand, rel=1e-6)


def test_gains_of_the_product_come_first_and_the_nearest_year_last():
    own = coefficients("GF2", "PMS1", 2017, absolute_gains=(0.1, 0.2, 0.3, 0.4))
    assert own.gain == (0.1, 0.2, 0.3, 0.4)
    assert own.warnings == ()
    assert coefficients("GF2", "PMS1", 2017).warnings == ()
    later = coefficients("GF2", "PMS2", 2025)
    assert later.gain == coefficients("GF2", "PMS2", 2022).gain
    assert "2025" in later.warnings[0]
    assert "2022" in later.warnings[0]


def test_doubtful_values_are_not_used_in_silence():
    # PAN of PMS2 in 2015 is not published: its neighbour, with a warning
    found = coefficients("GF2", "PMS2", 2015, part="pan")
    assert found.gain == (0.1823,)
    assert found.bias == (0.1654,)
    assert found.warnings
    assert coefficients("GF2", "PMS2", 2015).warnings == ()
    assert "one source" in coefficients("GF2", "PMS1", 2022).warnings[0]
    assert coefficients("GF7", "BWD", 2021, part="pan").irradiance is None
    with pytest.raises(ProductError, match="sources disagree"):
        reflectance_scaling(coefficients("GF7", "BWD", 2021, part="pan"), 30, date(2021, 6, 1))


@pytest.mark.parametrize(("satellite", "camera"), [("GF1", "WFV3"), ("GF1B", "PMS"), ("GF9", "X")])
def test_cameras_without_coefficients_are_refused(satellite, camera):
    with pytest.raises(ProductError, match="No calibration coefficients"):
        coefficients(satellite, camera, 2020)


def test_envis_set_is_only_that_of_gf2():
    with pytest.raises(ProductError, match="GF-2"):
        coefficients("GF1", "PMS1", 2018, choice="envi_2014")
    other = coefficients("GF2", "PMS2", 2018, choice="envi_2014")
    assert other.gain == (0.1748, 0.1817, 0.1741, 0.1975)
    assert any("not seen" in w for w in other.warnings)


def test_every_row_of_the_table_is_complete_and_plausible():
    table = calibration_table()
    for satellite, cameras in table["coefficients"].items():
        for camera, years in cameras.items():
            irradiance = table["irradiance"][satellite][camera]
            assert len(irradiance["mss"]) == 4
            for year, row in years.items():
                assert 2013 <= year <= 2022
                assert len(row["mss"]["gain"]) == len(row["mss"]["bias"]) == 4
                assert all(0.02 < gain < 0.3 for gain in row["mss"]["gain"])
                assert row["pan"]["gain"] is None or 0.02 < row["pan"]["gain"] < 0.3
                # a bias is published for the first year of a satellite only
                assert year in (2013, 2014) or row["mss"]["bias"] == [0.0] * 4


def test_data_files_are_shipped_with_their_provenance():
    folder = Path(str(resources.files("pitmap.imagery")))
    text = (folder / "PROVENANCE.md").read_text(encoding="utf-8")
    for path in folder.iterdir():
        if path.suffix in (".yaml", ".tif"):
            assert path.name in text


@pytest.mark.parametrize(
    ("time", "lon", "lat", "zenith", "azimuth"),
    [
        # positions printed in four real products, at their centres by the RPC
        (datetime(2020, 5, 10, 17, 3, 20), -90.9908, 17.5971, 13.5727, 86.6824),
        (datetime(2018, 10, 2, 2, 54, 23), 120.2, -0.015, 14.05, 104.564),
        # solstice noon on the tropic
        (datetime(2021, 6, 21, 12, 2, 0), 0.0, 23.44, 0.0, None),
    ],
)
def test_the_position_of_the_sun(time, lon, lat, zenith, azimuth):
    found = sun_position(time.replace(tzinfo=UTC), lon, lat)
    assert found[0] == pytest.approx(zenith, abs=0.1)
    if azimuth is not None:
        assert found[1] == pytest.approx(azimuth, abs=0.3)
    assert sun_position(time, lon, lat) == found


@pytest.mark.parametrize("zenith", [90, 120, -1, float("nan")])
def test_night_is_refused(zenith):
    with pytest.raises(ProductError, match="solar zenith"):
        to_reflectance(np.ones(1), (1000.0,), zenith, date(2020, 1, 1))


def test_valid_pixels_stay_valid_and_fill_stays_fill():
    scaling = Scaling((0.0002, 10.0), (-0.05, 0.0))
    dn = np.array([[[1, 100, 1023, 300]], [[1, 1, 1, 1]]], np.float32)
    valid = np.array([[True, True, True, False]])
    stored, above, below = scaling.quantised(dn, valid)
    assert stored.dtype == np.uint16
    # reflectance below 0 is 1, beyond 6.5535 is 65535, and fill is 0 in every band
    np.testing.assert_array_equal(stored, [[[1, 1, 1546, 0]], [[65535, 65535, 65535, 0]]])
    # what did not fit is counted by band, fill is not: 0.0002 x 100 - 0.05 and 0.0002 x 1 - 0.05 are negative
    assert (above.tolist(), below.tolist()) == ([0, 3], [2, 0])


def test_saturation_begins_at_the_ceiling():
    np.testing.assert_array_equal(saturated(np.array([0, 1022, 1023, 1100])), [False, False, True, True])


def test_a_bias_is_an_offset_of_reflectance():
    used = Coefficients((0.2, 0.1), (-1.5, 4.0), (1900.0, 1500.0), "own")
    assert to_radiance(np.full(2, 100), used).tolist() == pytest.approx([18.5, 14.0])
    day = date(2018, 4, 16)
    scaling = reflectance_scaling(used, 60.0, day)
    unit = math.pi * 1.003056**2 / 0.5
    assert scaling.offset == pytest.approx((-1.5 * unit / 1900, 4.0 * unit / 1500), rel=1e-5)
    assert scaling.scale == pytest.approx((0.2 * unit / 1900, 0.1 * unit / 1500), rel=1e-5)


def test_the_sun_is_where_nrel_puts_it():
    # Reda and Andreas (2004), example A.5: elevation without refraction 39.872046, azimuth 194.340241
    zenith, azimuth = sun_position(datetime(2003, 10, 17, 19, 30, 30, tzinfo=UTC), -105.1786, 39.742476)
    assert zenith == pytest.approx(90 - 39.872046, abs=0.02)
    assert azimuth == pytest.approx(194.340241, abs=0.02)
