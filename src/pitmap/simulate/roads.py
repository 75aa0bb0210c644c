"""A road network: the cheapest ways across the terrain that join villages, pits and the scene's edge."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, dijkstra, minimum_spanning_tree
from shapely import LineString

from pitmap.simulate.canvas import Canvas, hundredths
from pitmap.simulate.materials import Material
from pitmap.simulate.noise import Field
from pitmap.simulate.terrain import EIGHT, neighbour_edges

WIDTHS_M = {Material.ASPHALT: 11.0, Material.CONCRETE: 8.0, Material.DIRT: 5.5}
"""Width of main roads, village roads and farm or haul roads."""

WIDTH_RANGE_M = (4.0, 12.0)
"""Narrowest and widest road."""

MAJORITY_GAIN = 0.6
"""Cells that road pixels are wider than the road itself, because a road wins a pixel that it shares evenly."""

MAIN_SHARE, VILLAGE_SHARE = 0.12, 0.45
"""Shares of the network's length that are main road, and main or village road."""

SIXTEEN = EIGHT + [(rows, cols) for rows in (-2, -1, 1, 2) for cols in (-2, -1, 1, 2) if abs(rows) != abs(cols)]
"""Steps of a road from node to node: with knight's moves it bends by 22 to 27 instead of 45 degrees."""


@dataclass(frozen=True)
class Road:
    """A stretch of road between two junctions.

    Attributes:
        points: Lattice positions (row, col), float ``(n, 2)``.
        traffic: Places that reach the rest of the network over it.
    """

    points: NDArray[np.float64]
    traffic: float


def network(cost: Field, places: NDArray[np.intp], length: float, rng: np.random.Generator) -> list[Road]:
    """Join places by roads.

    The tree is Mehlhorn's approximation of the cheapest one: every lattice node belongs to its nearest place, and the
    cheapest ways between neighbouring territories span the places. Further of these ways close loops until the
    wanted length is reached.

    Args:
        cost: Cost of crossing a node, ``(rows, cols)``.
        places: Lattice nodes (row, col) to join, ``(n, 2)``.
        length: Total length wanted, in node distances; the tree is built whole even if longer.
        rng: Source of randomness.
    """
    shape = cost.shape
    start, end, run = neighbour_edges(shape, SIXTEEN)
    flat = cost.ravel().astype(np.float64)
    weight = run * 0.25 * sum(flat[nodes] for nodes in (start, *_between(start, end, shape[1]), end))
    nodes = np.unique(places[:, 0] * shape[1] + places[:, 1])
    graph = coo_array((weight, (start, end)), shape=(flat.size, flat.size)).tocsr()
    far, before, owner = dijkstra(graph, indices=nodes, min_only=True, return_predecessors=True)
    place = np.searchsorted(nodes, owner)

    crossing = place[start] < place[end]
    a, b, total = start[crossing], end[crossing], (far[start] + weight + far[end])[crossing]
    pair = place[a].astype(np.int64) * len(nodes) + place[b]
    order = np.lexsort((total, pair))
    first = order[np.append(True, np.diff(pair[order]) > 0)] if len(order) else order
    a, b, total, pair = a[first], b[first], total[first], pair[first]
    links = coo_array((total, (pair // len(nodes), pair % len(nodes))), shape=(len(nodes), len(nodes))).tocsr()
    tree = minimum_spanning_tree(links).tocoo()
    in_tree = np.isin(pair, tree.row.astype(np.int64) * len(nodes) + tree.col)
    flow = _tree_traffic(tree, len(nodes))

    traffic: dict[tuple[int, int], float] = {}

    def build(index: int, cars: float) -> float:
        added = 0.0
        for way in (_way_back(a[index], before), _way_back(b[index], before), [a[index], b[index]]):
            for here, there in pairwise(way):
                edge = (min(here, there), max(here, there))
                if edge not in traffic:
                    added += np.hypot(here // shape[1] - there // shape[1], here % shape[1] - there % shape[1])
                traffic[edge] = max(traffic.get(edge, 0), cars)
        return added

    built = 0.0
    for i in np.flatnonzero(in_tree).tolist():
        one, other = divmod(int(pair[i]), len(nodes))
        built += build(i, flow[one, other])
    loops = np.flatnonzero(~in_tree)
    for i in loops[np.argsort(total[loops] * rng.uniform(0.7, 1.3, len(loops)), kind="stable")]:
        if built >= length:
            break
        built += build(int(i), 2.0)
    return [Road(_smoothed(chain, shape[1]), cars) for chain, cars in _chains(traffic, set(nodes.tolist()))]


def _between(start: NDArray[np.intp], end: NDArray[np.intp], cols: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The two nodes that a knight's move passes between; the ends themselves for shorter steps."""
    by_row, by_col = end // cols - start // cols, end % cols - start % cols
    half = np.trunc(by_row / 2).astype(np.intp) * cols + np.trunc(by_col / 2).astype(np.intp)
    return start + half, end - half


def _way_back(node: int, before: NDArray[Any]) -> list[int]:
    way = [int(node)]
    while before[way[-1]] >= 0:
        way.append(int(before[way[-1]]))
    return way


def _tree_traffic(tree: coo_array, count: int) -> dict[tuple[int, int], float]:
    """For every edge of the tree, the number of places on its smaller side."""
    order, parent = breadth_first_order(tree.tocsr(), 0, directed=False)
    size = np.ones(count)
    for node in order[:0:-1]:
        size[parent[node]] += size[node]
    return {
        (min(int(n), int(parent[n])), max(int(n), int(parent[n]))): float(min(size[n], count - size[n]))
        for n in order[1:]
    }


def _chains(traffic: dict[tuple[int, int], float], stops: set[int]) -> list[tuple[list[int], float]]:
    """The network cut at junctions, ends and places."""
    neighbours: dict[int, list[int]] = {}
    for a, b in traffic:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    knots = {n for n, around in neighbours.items() if len(around) != 2} | (stops & neighbours.keys())
    chains, seen = [], set()
    for knot in sorted(knots):
        for following in neighbours[knot]:
            if (knot, following) in seen:
                continue
            chain = [knot, following]
            while chain[-1] not in knots:
                one, other = neighbours[chain[-1]]
                chain.append(other if one == chain[-2] else one)
            seen |= {(chain[0], chain[1]), (chain[-1], chain[-2])}
            chains.append((chain, max(traffic[min(e), max(e)] for e in pairwise(chain))))
    return chains


def _smoothed(chain: list[int], cols: int) -> NDArray[np.float64]:
    points = np.stack([np.array(chain) // cols, np.array(chain) % cols], 1).astype(np.float64)
    for _ in range(4):
        points[1:-1] = 0.25 * points[:-2] + 0.5 * points[1:-1] + 0.25 * points[2:]
    for _ in range(2):  # corner cutting
        quarters = [0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]]
        points = np.concatenate([points[:1], np.stack(quarters, 1).reshape(-1, 2), points[-1:]])
    return points


def pave(
    canvas: Canvas, roads: list[Road], area_m2: float, may_cover: tuple[int, ...], rng: np.random.Generator
) -> None:
    """Draw roads on the canvas.

    Args:
        canvas: Changed in place.
        roads: With points in cells (row, col).
        area_m2: Area of road pixels wanted; widths are scaled to it within ``WIDTH_RANGE_M``.
        may_cover: Materials that a road replaces.
        rng: Source of randomness.
    """
    lines = [LineString(road.points[:, ::-1]) for road in roads]
    lengths = np.array([line.length for line in lines])
    order = np.argsort([-road.traffic for road in roads], kind="stable")
    share = np.empty(len(roads))
    share[order] = np.cumsum(lengths[order]) / lengths.sum()
    kinds = [
        Material.ASPHALT if s <= MAIN_SHARE else Material.CONCRETE if s <= VILLAGE_SHARE else Material.DIRT
        for s in share
    ]
    widths = np.array([WIDTHS_M[kind] for kind in kinds])
    widths = widths * area_m2 / float((lengths * canvas.cell_m * widths).sum())
    widths = np.clip(widths - MAJORITY_GAIN * canvas.cell_m, *WIDTH_RANGE_M)
    coverable = np.isin(canvas.material, may_cover)
    for kind in (Material.DIRT, Material.CONCRETE, Material.ASPHALT):
        shapes = [
            (line.buffer(width / canvas.cell_m / 2), index + 1)
            for index, (line, width, k) in enumerate(zip(lines, widths, kinds, strict=True))
            if k == kind
        ]
        if not shapes:
            continue
        drawn = rasterize(shapes, out_shape=canvas.shape, dtype="uint16")
        where = (drawn > 0) & coverable
        tones = hundredths(rng.uniform(-1, 1, len(roads) + 1))
        canvas.material[where] = kind
        canvas.tone[where] = tones[drawn[where]]
        canvas.tint[where] = 0
