import numpy as np
import pytest

from pitmap.simulate.canvas import Canvas
from pitmap.simulate.materials import CLASS_OF_MATERIAL, OPTICS, Material
from pitmap.simulate.settlements import VILLAGE, WORKS, build

BUI = 3


@pytest.mark.parametrize(("pattern", "area"), [(VILLAGE, 60_000.0), (VILLAGE, 8_000.0), (WORKS, 15_000.0)])
def test_a_settlement_has_its_area_in_whole_blocks(pattern, area):
    canvas = Canvas.of(np.zeros((400, 400), np.float32), 2.0)

    built = build(canvas, 200, 200, area, pattern, np.random.default_rng(0))

    inside = canvas.material != Material.OPEN
    block = pattern.plot[0] * pattern.plot[1]
    assert built == inside.sum() * 4
    assert abs(built - area) <= 0.6 * block
    assert (CLASS_OF_MATERIAL[canvas.material[inside]] == BUI).all()
    roofs = [m for m in Material if m.name.startswith("ROOF")]
    assert 0.2 < np.isin(canvas.material[inside], roofs).mean() < 0.7
    assert {OPTICS[m].key for m in roofs} == {"BUI"}


def test_a_settlement_leaves_what_stands_already():
    canvas = Canvas.of(np.zeros((200, 200), np.float32), 2.0)
    canvas.material[95:105] = Material.ASPHALT

    build(canvas, 100, 100, 30_000.0, VILLAGE, np.random.default_rng(0))

    assert (canvas.material[95:105] == Material.ASPHALT).all()


def test_nothing_is_built_without_room():
    canvas = Canvas.of(np.zeros((200, 200), np.float32), 2.0)
    canvas.material[:] = Material.WATER

    assert build(canvas, 100, 100, 30_000.0, VILLAGE, np.random.default_rng(0)) == 0
