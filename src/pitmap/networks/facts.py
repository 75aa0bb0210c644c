"""What mapping must know of a network before it runs it. It can be written down: knowing it needs no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from pitmap.networks.cuts import CutPlan


class TileGeometry(NamedTuple):
    """How a scene may be cut into tiles for a network.

    Attributes:
        stride: Total stride S, px: tiles start at multiples of it, their sides are multiples of it.
        reach: How far away an input pixel can lie, along rows or columns, and still change an output pixel: the largest
            over the positions of the output pixel within S.
        halo: What has to be thrown away at an inner edge where the kept block starts and ends at multiples of S: a
            multiple of S. For other blocks it is the reach, rounded up to a multiple of S.
    """

    stride: int
    reach: int
    halo: int


class Demand(NamedTuple):
    """What a pass of a network demands of a machine for one pixel of an image.

    Attributes:
        values: The most values of maps that are alive at once, weights aside.
        operations: Multiplications in convolutions.
    """

    values: float
    operations: float


@dataclass(frozen=True)
class NetworkFacts:
    """What is known of a network.

    Attributes:
        geometry: How a scene may be cut into tiles.
        demand: What a pass costs.
        plan: Where the network can be cut to what the kept pixels of a tile need.
    """

    geometry: TileGeometry
    demand: Demand
    plan: CutPlan

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"geometry": self.geometry, "demand": self.demand, "plan": self.plan.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """What ``to_json`` wrote down.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        plan = CutPlan.from_json(value["plan"])
        return cls(TileGeometry(*value["geometry"]), Demand(*value["demand"]), plan)
