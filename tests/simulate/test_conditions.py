"""Seasons: the truth stays, the image changes as the season says."""

import numpy as np
import pytest

from pitmap.legend import DEFAULT_LEGEND
from pitmap.simulate.conditions import SEASONS, Conditions, in_season
from pitmap.simulate.landscape import LandscapeParameters, simulate

PARAMETERS = LandscapeParameters(128, 128, seed=3)


@pytest.fixture(scope="module")
def seasons():
    return {name: simulate(in_season(PARAMETERS, name)) for name in SEASONS}


def ndvi(landscape, key):
    red, nir = landscape.reflectance[2:, landscape.codes == DEFAULT_LEGEND[key].code]
    return float(((nir - red) / (nir + red)).mean())


def test_what_men_built_is_the_same_in_all_seasons(seasons):
    built = [DEFAULT_LEGEND[k].code for k in ("OPM", "WAT", "BUI", "ROA", "WDA")]
    first = seasons["spring"].codes
    for landscape in seasons.values():
        assert (landscape.codes == first)[np.isin(first, built)].all()
        assert (landscape.pit_ids == seasons["spring"].pit_ids).all()


def test_vegetation_is_green_in_spring_and_dry_in_winter(seasons):
    assert ndvi(seasons["spring"], "VEG") > ndvi(seasons["autumn"], "VEG") + 0.1
    assert ndvi(seasons["autumn"], "VEG") > ndvi(seasons["winter"], "VEG") + 0.05


def test_the_default_conditions_are_those_of_before():
    assert simulate(PARAMETERS).reflectance.tobytes() == simulate(in_season(PARAMETERS, "spring")).reflectance.tobytes()


def test_gain_multiplies_what_the_sensor_sees():
    gain = (0.9, 1.1, 1.0, 1.0)
    plain, bent = (
        simulate(LandscapeParameters(64, 64, seed=1, conditions=c)) for c in (Conditions(), Conditions(gain=gain))
    )
    ratio = bent.reflectance.mean((1, 2)) / plain.reflectance.mean((1, 2))
    assert np.allclose(ratio, gain, atol=0.002)
