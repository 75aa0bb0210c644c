import pytest
from torch import nn

from pitmap.networks.count import multiply_accumulates
from pitmap.networks.demand import demand
from pitmap.networks.fusion import fuse
from pitmap.networks.registry import BUILT_IN, build


@pytest.mark.parametrize("name", BUILT_IN)
def test_operations_are_those_of_the_counter(name: str):
    network = fuse(build(name, 4, 7, 4).eval())
    counted = multiply_accumulates(network, 4, 128, 128) / 128**2
    assert demand(network, 4, network.stride).operations == pytest.approx(counted)


class Twice(nn.Module):
    """The image of 2 bands lives beside maps of 8 and 16 channels; ``tricky`` cannot be followed."""

    def __init__(self, tricky: bool) -> None:
        super().__init__()
        self.tricky = tricky
        self.one, self.two, self.relu, self.end = (
            nn.Conv2d(2, 8, 1),
            nn.Conv2d(8, 16, 1),
            nn.ReLU(True),
            nn.Conv2d(16, 3, 1),
        )

    def forward(self, x):
        y = self.relu(self.two(self.one(x)))
        if self.tricky and y.sum() < 0:
            return self.end(y) + 1
        return self.end(y)


@pytest.mark.parametrize(("tricky", "values"), [(False, 8 + 16), (True, 8 + 16 + 16 + 3)])
def test_maps_live_until_they_are_read_for_the_last_time(tricky: bool, values: int):
    found = demand(Twice(tricky).eval(), 2, 4)
    assert found.values == values
    assert found.operations == 2 * 8 + 8 * 16 + 16 * 3
