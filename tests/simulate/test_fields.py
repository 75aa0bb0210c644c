import numpy as np
import pytest
from scipy.ndimage import label

from pitmap.simulate.canvas import Canvas
from pitmap.simulate.fields import AUTUMN, SPRING, cover, season_of
from pitmap.simulate.materials import CLASS_OF_MATERIAL, Material
from pitmap.simulate.noise import coarse_shape

BAS, VEG = 4, 6
SHAPE = (256, 320)


def covered(hilliness, bare_m2=0.0, season=SPRING, seed=0):
    canvas = Canvas.of(np.zeros(SHAPE, np.float32), 2.0)
    canvas.material[:20, :20] = Material.WATER
    hills = np.full(coarse_shape(SHAPE, 5), hilliness, np.float32)
    cover(canvas, hills, bare_m2, season, np.random.default_rng(seed))
    return canvas


def test_all_open_ground_is_covered_and_the_rest_left_alone():
    canvas = covered(0.0)

    assert (canvas.material != Material.OPEN).all()
    assert (canvas.material[:20, :20] == Material.WATER).all()
    canvas.material[:20, :20] = Material.GRASS
    assert set(np.unique(CLASS_OF_MATERIAL[canvas.material])) == {VEG}


def test_plains_are_sown_and_hills_are_wild():
    sown = [Material.CEREAL, Material.CROP, Material.ORCHARD, Material.FALLOW, Material.TRACK, Material.TREES]

    assert np.isin(covered(0.0).material[20:], sown).all()
    assert not np.isin(covered(1.0).material[20:], sown).any()


@pytest.mark.parametrize("bare_m2", [8_000.0, 40_000.0])
def test_bare_soil_has_its_area_in_whole_parcels(bare_m2):
    canvas = covered(0.0, bare_m2)

    bare = CLASS_OF_MATERIAL[canvas.material] == BAS
    sizes = np.bincount(label(bare)[0].ravel())[1:] * 4
    assert bare.sum() * 4 == pytest.approx(bare_m2, rel=0.07)
    assert np.median(sizes) > 1000


def test_spring_is_greener_than_autumn():
    assert season_of(4) == SPRING
    assert season_of(10) == AUTUMN

    def cereal(season):
        return (covered(0.0, season=season).material == Material.CEREAL).mean()

    assert cereal(SPRING) > 1.5 * cereal(AUTUMN)
