import pytest

from pitmap.errors import ProjectError
from pitmap.training.schedule import SCHEDULES, schedule_of


def test_cosine_rises_over_the_first_twentieth_and_falls_to_zero():
    cosine = SCHEDULES["cosine"]
    assert [cosine(step, 100) for step in (0, 4, 5)] == pytest.approx([0.2, 1.0, 1.0])
    assert cosine(5 + 95 // 2, 100) == pytest.approx(0.5, abs=0.01)
    assert 0 < cosine(99, 100) < 0.001
    assert cosine(100, 100) == pytest.approx(0)
    assert cosine(0, 1) == 1


def test_constant():
    assert {SCHEDULES["constant"](step, 7) for step in range(7)} == {1.0}


def test_names():
    assert schedule_of("training.own_parts:half")(3, 10) == 0.5
    with pytest.raises(ProjectError, match="no schedule 'cosin'"):
        schedule_of("cosin")
