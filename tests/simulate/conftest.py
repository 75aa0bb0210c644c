import pytest

from pitmap.simulate.landscape import LandscapeParameters, simulate


@pytest.fixture(scope="session")
def plain():
    """A small landscape between hills and plain."""
    return simulate(LandscapeParameters(224, 288, seed=0))


@pytest.fixture(scope="session")
def mountain():
    """A small landscape of mountains, without water."""
    return simulate(LandscapeParameters(200, 200, seed=0, terrain="mountain", sun_zenith_deg=50.0))
