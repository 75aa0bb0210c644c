import dataclasses

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt, label
from scipy.ndimage import mean as mean_by_label

from pitmap.legend import DEFAULT_LEGEND
from pitmap.simulate.landscape import LandscapeParameters, simulate, sites

CODE = {c.key: c.code for c in DEFAULT_LEGEND}
SQUARE = np.ones((3, 3))

# Shares of the classes in percent: of Site 2 those that the paper implies, of Site 1 its pits. Tolerances in points for
# scenes of 0.1 km2 and of 1 km2; roads are at least a pixel wide, so that they weigh more in a small scene.
PLAIN = {"OPM": 7.7, "WAT": 0.2, "BUI": 5.0, "BAS": 1.25, "ROA": 1.06, "VEG": 83.3, "WDA": 1.4}
MOUNTAIN = {"OPM": 32.1, "WAT": 0.0, "BUI": 3.0, "BAS": 1.5, "ROA": 1.4, "VEG": 57.0, "WDA": 5.0}
TOLERANCE = {"OPM": 0.3, "WAT": 0.1, "BUI": 0.6, "BAS": 0.3, "ROA": 1.2, "VEG": 1.7, "WDA": 0.6}
TIGHT = {"OPM": 0.1, "WAT": 0.05, "BUI": 0.2, "BAS": 0.1, "ROA": 0.15, "VEG": 0.4, "WDA": 0.15}


def shares(codes):
    return {key: 100 * float((codes == code).mean()) for key, code in CODE.items()}


def check_shares(codes, wanted, tolerance):
    found = shares(codes)
    assert {k: (v, wanted[k]) for k, v in found.items() if abs(v - wanted[k]) > tolerance[k]} == {}


def pit_sizes(landscape):
    return np.bincount(landscape.pit_ids.ravel())[1:] * landscape.parameters.pixel_size_m**2


def check_roads(codes):
    """Roads are 1 to 3 pixels wide, but for junctions, and nearly all of one network, through villages and pits."""
    road = codes == CODE["ROA"]
    assert binary_erosion(road, np.ones((4, 4))).sum() < 0.005 * road.sum()
    parts, _ = label(binary_dilation(road, SQUARE) | (codes == CODE["OPM"]) | (codes == CODE["BUI"]), SQUARE)
    sizes = np.bincount(parts[road])
    assert sizes.max() > 0.95 * road.sum()


def check_pits_have_access(landscape, reach):
    road = landscape.codes == CODE["ROA"]
    distance = distance_transform_edt(~road)
    ids = landscape.pit_ids
    nearest = [distance[ids == number].min() for number in np.unique(ids)[1:]]
    assert np.median(nearest) <= 2
    assert max(nearest) <= reach


@pytest.fixture(params=["plain", "mountain"])
def landscape(request):
    return request.getfixturevalue(request.param)


def test_arrays_share_the_grid(landscape):
    p = landscape.parameters
    shape = (p.height, p.width)
    assert landscape.grid.shape == shape
    assert landscape.grid.pixel_size_m == pytest.approx(4.0, rel=1e-3)
    assert (landscape.reflectance.shape, landscape.reflectance.dtype) == ((4, *shape), np.float32)
    assert (landscape.codes.shape, landscape.codes.dtype) == (shape, np.uint8)
    assert (landscape.elevation.shape, landscape.elevation.dtype) == (shape, np.float32)
    assert (landscape.pit_ids.shape, landscape.pit_ids.dtype) == (shape, np.uint16)


def test_every_pixel_is_labelled_and_every_pit_numbered(landscape):
    ids, codes = landscape.pit_ids, landscape.codes
    assert codes.min() >= 1
    assert codes.max() <= len(DEFAULT_LEGEND)
    np.testing.assert_array_equal(ids > 0, codes == CODE["OPM"])
    assert (np.diff(np.unique(ids)) == 1).all()


def test_the_same_parameters_give_the_same_bytes_and_another_seed_others():
    parameters = LandscapeParameters(72, 96, seed=11)
    one, same = simulate(parameters), simulate(parameters)
    other = simulate(dataclasses.replace(parameters, seed=12))

    for name in ("reflectance", "codes", "elevation", "pit_ids"):
        assert getattr(one, name).tobytes() == getattr(same, name).tobytes()
        assert getattr(one, name).tobytes() != getattr(other, name).tobytes()


def test_the_sun_changes_the_image_and_not_the_ground(mountain):
    noon = simulate(dataclasses.replace(mountain.parameters, sun_zenith_deg=12.0))

    np.testing.assert_array_equal(noon.codes, mountain.codes)
    np.testing.assert_array_equal(noon.elevation, mountain.elevation)
    slope = np.hypot(*np.gradient(mountain.elevation, 4.0)) > 0.5
    assert mountain.reflectance[2][slope].std() > 1.1 * noon.reflectance[2][slope].std()


def test_class_shares_are_those_of_the_sites(plain, mountain):
    check_shares(plain.codes, PLAIN, TOLERANCE)
    check_shares(mountain.codes, MOUNTAIN, TOLERANCE)
    assert not (mountain.codes == CODE["WAT"]).any()


def test_reflectance_is_plausible_at_the_top_of_the_atmosphere(landscape):
    image = landscape.reflectance
    assert np.isfinite(image).all()
    assert image.min() > 0.0
    assert image.max() < 0.7
    blue, green, red, nir = np.median(image[:, landscape.codes == CODE["VEG"]], axis=1)
    assert 0.06 < blue < 0.14
    assert 1.3 * max(red, green) < nir < 0.45


def test_roads_are_thin_and_joined(landscape):
    check_roads(landscape.codes)
    check_pits_have_access(landscape, reach=8)


def test_pits_are_dug_in_benches(landscape):
    ids, elevation = landscape.pit_ids, landscape.elevation
    for number in np.unique(ids)[1:]:
        inside = ids == number
        around = binary_dilation(inside, SQUARE, iterations=4) & ~binary_dilation(inside, SQUARE) & (ids == 0)
        assert elevation[inside].mean() < elevation[around].mean() - 1
    large = ids == 1
    slope = np.hypot(*np.gradient(elevation, 4.0))[binary_erosion(large, SQUARE)]
    assert (slope < 0.15).mean() > 0.15
    assert (slope > 0.4).mean() > 0.1


def test_dumps_lie_beside_pits(landscape):
    dumps, count = label(landscape.codes == CODE["WDA"], SQUARE)
    to_pit = distance_transform_edt(landscape.codes != CODE["OPM"])
    nearest = [to_pit[dumps == number].min() for number in range(1, count + 1) if (dumps == number).sum() > 20]
    assert np.median(nearest) <= 2


def test_pixels_on_class_borders_are_mixed(plain):
    """Beside a pond, NIR lies between that of the water and of the ground behind."""
    water = plain.codes == CODE["WAT"]
    nir = plain.reflectance[3]
    depth = distance_transform_edt(water) - distance_transform_edt(~water)
    deep, edge, near, far = (
        nir[(depth > low) & (depth <= high)].mean() for low, high in ((1.9, 99), (0, 1), (-1.1, 0), (-4, -2))
    )
    assert deep < edge < near < far


def test_bright_classes_overlap_in_their_spectra(plain):
    """No band tells pits, dumps, bare soil, buildings and roads apart: between classes less than within."""
    brightness = plain.reflectance[:3].mean(axis=0)
    keys = ["OPM", "BUI", "BAS", "ROA", "WDA"]
    means = mean_by_label(brightness, plain.codes, [CODE[k] for k in keys])
    within = np.mean([brightness[plain.codes == CODE[k]].std() for k in keys])
    assert np.std(means) < 1.5 * within


def test_what_cannot_be_simulated_is_refused():
    with pytest.raises(ValueError, match="64 pixels"):
        LandscapeParameters(63, 200)
    with pytest.raises(ValueError, match="mountain or plain"):
        LandscapeParameters(100, 100, terrain="sea")
    with pytest.raises(ValueError, match="zenith"):
        LandscapeParameters(100, 100, sun_zenith_deg=90.0)


@pytest.mark.parametrize("shape", [(64, 64), (65, 127), (150, 64)])
@pytest.mark.parametrize("terrain", ["plain", "mountain"])
def test_any_small_size_works(shape, terrain):
    landscape = simulate(LandscapeParameters(*shape, seed=3, terrain=terrain))

    assert landscape.codes.shape == shape
    wanted = PLAIN if terrain == "plain" else MOUNTAIN
    check_shares(landscape.codes, wanted, TOLERANCE | {"ROA": 2.2, "VEG": 2.7, "BUI": 1.2})


def test_sites_have_the_sizes_of_the_paper():
    full, quarter = sites(), sites(0.25, seed=3)
    area = {name: p.height * p.width * p.pixel_size_m**2 for name, p in full.items()}

    assert area["site1"] == pytest.approx(2.9e6, rel=0.01)
    assert area["site2"] == pytest.approx(150e6, rel=0.01)
    assert (full["site1"].terrain, full["site2"].terrain) == ("mountain", "plain")
    assert full["site1"].date.month == 10
    assert (quarter["site2"].height, quarter["site2"].width) == (1500, 1562)
    seeds = [p.seed for seed in range(3) for p in sites(seed=seed).values()]
    assert len(set(seeds)) == 6


def test_site_1_has_the_pits_of_the_paper():
    landscape = simulate(sites()["site1"])

    sizes = pit_sizes(landscape)
    assert len(sizes) == 16
    assert sizes.max() == pytest.approx(0.6e6, rel=0.03)
    assert sizes.min() == pytest.approx(1514, rel=0.15)
    check_shares(landscape.codes, MOUNTAIN, TIGHT | {"ROA": 0.5, "VEG": 0.6, "BAS": 0.15})
    check_roads(landscape.codes)


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(3))
def test_site_2_has_the_pits_of_the_paper(seed):
    landscape = simulate(sites(seed=seed)["site2"])

    sizes = pit_sizes(landscape)
    assert len(sizes) == 95
    assert sizes.max() == pytest.approx(2.11e6, rel=0.02)
    assert sizes.min() == pytest.approx(1361, rel=0.15)
    check_shares(landscape.codes, PLAIN, TIGHT)
    check_roads(landscape.codes)
    check_pits_have_access(landscape, reach=25)


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(12))
def test_demo_sizes_keep_the_shares(seed):
    landscape = simulate(LandscapeParameters(384, 512, seed=seed))

    check_shares(landscape.codes, PLAIN, TOLERANCE)
    check_roads(landscape.codes)
    check_pits_have_access(landscape, reach=10)
