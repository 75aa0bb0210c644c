import numpy as np
import pytest
from scipy.ndimage import binary_dilation, label

from pitmap.simulate.canvas import Canvas
from pitmap.simulate.dumps import tip
from pitmap.simulate.materials import CLASS_OF_MATERIAL, Material
from pitmap.simulate.pits import dig, pit_areas
from pitmap.simulate.ponds import flood

OPM, WAT, WDA = 1, 2, 7


def hillside(slope=0.2, side=400, cell_m=2.0):
    rise = slope * cell_m * np.arange(side, dtype=np.float32)[:, None]  # higher to the south
    return Canvas.of((100 + rise + np.zeros((1, side), np.float32)).astype(np.float32), cell_m)


@pytest.mark.parametrize(("count", "total", "largest"), [(95, 11.6e6, 0.182), (16, 0.93e6, 0.645), (9, 2.4e5, 0.3)])
def test_areas_of_pits_have_the_sum_and_the_extremes_asked_for(count, total, largest):
    areas = pit_areas(count, total, largest, 1361.0)

    assert len(areas) == count
    assert sum(areas) == pytest.approx(total, rel=1e-6)
    assert areas[0] == pytest.approx(largest * total, rel=1e-6)
    assert areas[-1] == pytest.approx(1361.0)
    assert areas == sorted(areas, reverse=True)


@pytest.mark.parametrize("count", range(1, 12))
@pytest.mark.parametrize("total", [2_000.0, 21_000.0, 400_000.0])
def test_areas_add_up_for_any_number_of_pits(count, total):
    areas = pit_areas(count, total, 0.5, 1361.0)

    assert len(areas) == count
    assert sum(areas) == pytest.approx(total, rel=1e-6)
    assert min(areas) > 0


@pytest.mark.parametrize("area", [1361.0, 20_000.0, 120_000.0])
def test_a_pit_is_one_region_of_its_area_cut_below_the_ground(area):
    canvas = hillside()
    before = canvas.elevation.copy()

    pit = dig(canvas, 200, 190, area, 5, np.random.default_rng(2))

    inside = canvas.pit == 5
    assert label(inside)[1] == 1
    assert inside.sum() * 4 == pytest.approx(area, rel=0.03)
    assert pit.area_m2 == inside.sum() * 4
    assert (CLASS_OF_MATERIAL[canvas.material[inside]] == OPM).all()
    assert (canvas.elevation[inside] <= before[inside] - 1 + 1e-3).all()
    np.testing.assert_array_equal(canvas.elevation[~inside], before[~inside])
    assert (canvas.material[~inside] == Material.OPEN).all()
    assert inside[pit.gate_row, pit.gate_col]
    assert binary_dilation(~inside)[pit.gate_row, pit.gate_col]


def test_a_pit_has_flat_benches_with_steep_faces_between_them():
    canvas = hillside()
    pit = dig(canvas, 200, 190, 120_000.0, 1, np.random.default_rng(2))

    slope = np.hypot(*np.gradient(canvas.elevation, 2.0))
    tread = slope[canvas.material == Material.PIT_TREAD]
    face = slope[canvas.material == Material.PIT_FACE]
    inside = canvas.elevation[canvas.pit == 1]
    level = (inside[:, None] - inside.min()) / pit.bench_m

    assert np.median(face) > 0.6
    assert np.median(tread) < 0.1
    assert pit.bench_m == pytest.approx(3 + 2.2 * np.log10(120))
    assert np.unique(np.round(level)).size >= 4
    assert (np.abs(level - np.round(level)) < 0.05).mean() > 0.5


def test_pits_keep_clear_of_each_other():
    canvas = hillside()
    rng = np.random.default_rng(0)
    dig(canvas, 200, 150, 60_000.0, 1, rng)
    dig(canvas, 200, 230, 60_000.0, 2, rng)

    gap = int(14 / 2) - 1
    assert (canvas.pit == 2).sum() == 15_000
    assert not (binary_dilation(canvas.pit == 1, iterations=gap) & (canvas.pit == 2)).any()


def test_a_dump_is_a_mound_that_touches_its_pit():
    canvas = hillside()
    rng = np.random.default_rng(3)
    pit = dig(canvas, 200, 200, 40_000.0, 1, rng)
    before = canvas.elevation.copy()

    assert tip(canvas, pit, 15_000.0, rng)

    dump = CLASS_OF_MATERIAL[canvas.material] * (canvas.material > 0) == WDA
    assert dump.sum() * 4 == pytest.approx(15_000, rel=0.05)
    assert label(dump)[1] == 1
    assert (binary_dilation(dump, iterations=2) & (canvas.pit == 1)).any()
    rise = canvas.elevation - before
    assert rise[dump].mean() > 2
    assert (rise[~dump] == 0).all()


def test_no_dump_where_there_is_no_room():
    canvas = hillside(side=80)
    rng = np.random.default_rng(3)
    pit = dig(canvas, 40, 40, 9_000.0, 1, rng)
    before = canvas.material.copy()

    assert not tip(canvas, pit, 15_000.0, rng)
    np.testing.assert_array_equal(canvas.material, before)


def test_a_pond_is_level_and_not_above_its_shore():
    canvas = hillside(0.01)
    before = canvas.elevation.copy()

    assert flood(canvas, 200, 200, 6_000.0, np.random.default_rng(1))

    water = canvas.material == Material.WATER
    assert water.sum() * 4 == pytest.approx(6_000, rel=0.03)
    assert np.ptp(canvas.elevation[water]) == 0
    shore = binary_dilation(water) & ~water
    assert canvas.elevation[water].max() < before[shore].min()


def test_no_pond_where_there_is_no_room():
    canvas = hillside(side=64)
    canvas.material[:] = Material.WOOD

    assert not flood(canvas, 30, 30, 6_000.0, np.random.default_rng(1))
