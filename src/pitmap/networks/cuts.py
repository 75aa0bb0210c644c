"""Which pixels each node of a network must deliver for the kept ones of a tile: arithmetic of spans along an axis.

``trimming`` finds a plan in the graph of a network and puts its cuts there. The plan itself is numbers: it can be
written down, and needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

Cut = tuple[int, int, int, int]
"""First row, end row, first column, end column of what is kept of a map."""

Span = tuple[int, int]
"""First pixel and end along one axis of a map, counted from the tile's edge."""

Edge = tuple[int, int]
"""Numbers of two nodes, the second of which reads the first."""


class Step(NamedTuple):
    """What an operation needs along an axis, and how it changes the size of a map.

    For [a, b) of its result it needs [floor((a - before) / up), ceil((b + after) / up)) of its inputs.
    """

    before: int = 0
    after: int = 0
    up: int = 1
    down: int = 1

    def needs(self, span: Span) -> Span:
        """What of its inputs it needs for a span of its result."""
        return (span[0] - self.before) // self.up, -(-(span[1] + self.after) // self.up)


class Node(NamedTuple):
    """A map of the network.

    Attributes:
        step: The operation that makes it.
        inputs: Numbers of the maps that the operation reads.
        ratio: Pixels of the tile along one of its own.
        wide: Whether it is whole. What a pooling still follows is: pooling joins pixels in pairs from the tile's edge
            on. So are the results of the last poolings.
        alignment: Pixels to whose multiples a span of it is widened where several maps meet.
    """

    step: Step
    inputs: tuple[int, ...]
    ratio: int
    wide: bool
    alignment: int = 1


@dataclass(frozen=True)
class CutPlan:
    """Where a network is cut, and to what.

    Attributes:
        stride: Total stride of the network.
        nodes: In the order in which they are computed; none where the network is whole and only its result is cut.
        edges: Between which nodes it is cut.
        output: Number of the node that is the result.
    """

    stride: int
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    output: int = -1

    @classmethod
    def of(cls, nodes: Sequence[Node], output: int, stride: int) -> Self:
        """The plan with cuts wherever a map can be wider than what is wanted of it, over tiles of all positions."""
        aligned: list[Node] = []
        for node in nodes:
            among = [aligned[i].alignment for i in node.inputs if not aligned[i].wide]
            several = among if len(node.inputs) > 1 else among[:1]
            aligned.append(node if node.wide else node._replace(alignment=max([node.step.up, *several])))
        edges = [
            (source, target)
            for target, node in enumerate(aligned)
            if not node.wide
            for source in dict.fromkeys(node.inputs)
            if len(node.inputs) > 1 or aligned[source].wide or node.step.up > 1
        ]
        everywhere = cls(stride, tuple(aligned), tuple(edges), output)
        useful: set[Edge] = set()
        for margin in range(2 + everywhere._farthest() + 1):
            length = (2 * margin + 1) * stride
            delivered, wanted = everywhere._follow((margin * stride, length - margin * stride), length)
            useful |= {(s, t) for s, t in edges if t in wanted and delivered[s] != wanted[t]}
        return cls(stride, tuple(aligned), tuple(edge for edge in edges if edge in useful), output)

    def cuts(self, shape: tuple[int, int], kept: tuple[slice, slice]) -> tuple[Cut, ...]:
        """For each cut the part of the map that is kept; the last is that of the result.

        Args:
            shape: Rows and columns of the tile, multiples of the stride.
            kept: Rows and columns of it that are wanted.
        """
        rows, cols = (self._along(side.indices(n)[:2], n) for side, n in zip(kept, shape, strict=True))
        return tuple((*r, *c) for r, c in zip(rows, cols, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The plan that ``to_json`` wrote down.

        Raises:
            TypeError, ValueError: It is none.
        """
        nodes = tuple(
            Node(Step(*step), tuple(inputs), ratio, wide, alignment)
            for step, inputs, ratio, wide, alignment in value["nodes"]
        )
        return cls(value["stride"], nodes, tuple((s, t) for s, t in value["edges"]), value["output"])

    def _along(self, kept: Span, length: int) -> list[Span]:
        if not self.nodes:
            return [kept]
        delivered, wanted = self._follow(_widen(kept, self.stride), length)
        cuts = []
        for source, target in self.edges:
            (first, end), start = wanted[target], delivered[source][0]
            cuts.append((first - start, end - start))
        start = delivered[self.output][0]
        return [*cuts, (kept[0] - start, kept[1] - start)]

    def _follow(self, kept: Span, length: int) -> tuple[dict[int, Span], dict[int, Span]]:
        """What each node delivers, and what it wants of its inputs.

        Args:
            kept: Wanted pixels; start and end are multiples of the stride.
            length: Of the tile.
        """
        edges = set(self.edges)
        needed, wanted = {self.output: kept}, {}
        for number in reversed(range(len(self.nodes))):
            node = self.nodes[number]
            if node.wide or number not in needed:
                continue
            size, step = length // node.ratio, node.step
            span = needed[number]
            if len(node.inputs) > 1:
                span = _widen(span, node.alignment)
            below = size // step.up
            first, end = step.needs((max(span[0], 0), min(span[1], size)))
            wanted[number] = span = (max(first, 0), min(end, below))
            for source in node.inputs:
                known = needed.get(source, span)
                needed[source] = (min(known[0], span[0]), max(known[1], span[1]))
        delivered: dict[int, Span] = {}
        for number, node in enumerate(self.nodes):
            if node.wide:
                delivered[number] = (0, length // node.ratio)
            elif number in wanted:
                source = node.inputs[0]
                # Several inputs always come in the wanted span: by a cut, or because they have it already.
                narrow = len(node.inputs) > 1 or (source, number) in edges
                span = wanted[number] if narrow else delivered[source]
                delivered[number] = (span[0] * node.step.up, span[1] * node.step.up)
        return delivered, wanted

    def _farthest(self) -> int:
        """Strides round the kept pixels that any node needs."""
        stride = self.stride
        length = 1025 * stride
        uncut = CutPlan(stride, self.nodes, (), self.output)
        _, wanted = uncut._follow((512 * stride, 513 * stride), length)
        reach = max(
            (512 * stride - first * self.nodes[n].ratio // self.nodes[n].step.up for n, (first, _) in wanted.items()),
            default=0,
        )
        return max(reach, 0) // stride + 1


def _widen(span: Span, multiple: int) -> Span:
    return span[0] // multiple * multiple, -(-span[1] // multiple) * multiple
