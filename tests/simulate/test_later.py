import datetime

import numpy as np
import pytest

from pitmap.legend import DEFAULT_LEGEND
from pitmap.simulate.landscape import LandscapeParameters, simulate
from pitmap.simulate.later import Development, displaced, later

DATE = datetime.date(2021, 4, 16)
MINE, VEGETATION = DEFAULT_LEGEND["OPM"].code, DEFAULT_LEGEND["VEG"].code


@pytest.fixture(scope="module")
def two_dates():
    parameters = LandscapeParameters(256, 256, seed=3, terrain="mountain")
    before = simulate(parameters)
    numbers = np.bincount(before.pit_ids.ravel())[1:].argsort()[::-1] + 1
    grown, restored = int(numbers[0]), int(numbers[1])
    development = Development({grown: 1.4}, (20_000.0,), (restored,))
    return before, later(parameters, development, DATE), grown, restored


def test_pits_grow_open_and_are_restored(two_dates):
    before, after, grown, restored = two_dates
    old, new = before.pit_ids, after.pit_ids
    assert (new[old == grown] == grown).mean() > 0.99
    assert (new == grown).sum() == pytest.approx(1.4 * (old == grown).sum(), rel=0.05)
    assert not (new == restored).any()
    assert (after.codes[old == restored] == VEGETATION).all()
    opened = new == old.max() + 1
    assert opened.sum() * 16 == pytest.approx(20_000, rel=0.1)
    assert not old[opened].any()
    assert (after.codes[opened] == MINE).all()


def test_all_else_is_as_it_was(two_dates):
    before, after, *_ = two_dates
    touched = (before.pit_ids > 0) | (after.pit_ids > 0)
    assert (before.codes == after.codes)[~touched].mean() > 0.999
    assert not np.array_equal(before.reflectance, after.reflectance)
    far = ~touched
    correlation = np.corrcoef(before.reflectance[2][far], after.reflectance[2][far])[0, 1]
    assert 0.5 < correlation < 1
    assert after.parameters.date == DATE


def test_a_displaced_image_keeps_its_truth(two_dates):
    _, after, *_ = two_dates
    moved = displaced(after, 0.0, 1.0)
    np.testing.assert_allclose(moved.reflectance[:, :, 1:], after.reflectance[:, :, :-1], atol=1e-5)
    assert moved.codes is after.codes
