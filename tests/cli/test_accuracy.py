from typing import get_args

from pitmap.accuracy.sampling import planning
from pitmap.cli import accuracy


def test_the_command_line_offers_the_allocations_that_there_are():
    assert set(get_args(accuracy.Allocation)) == set(get_args(planning.Allocation))
